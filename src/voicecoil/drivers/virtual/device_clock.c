/* The clock of a virtual device: when a cycle is due, and the steps of a stepped clock. See
 * device.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "device_inside.h"

#include "thread.h"
#include "timed_wait.h"

#include <errno.h>
#include <time.h>

void vc_device_nap(int64_t ns) {
    struct timespec pause = {.tv_sec = ns / 1000000000, .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&pause, NULL);
}

bool vc_device_wait_until(bool (*ready)(const void *argument), const void *argument) {
    for (int naps = 0; naps < 20000; naps++) {
        if (ready(argument)) {
            return true;
        }
        vc_device_nap(200000);
    }
    return false;
}

bool vc_device_step(vc_device *device, uint64_t cycles, int64_t deadline_ns) {
    int64_t until_ns = vc_clock_ns() + deadline_ns;
    pthread_mutex_lock(&device->lock);
    /* If a cycle of an earlier call ended after that call's deadline, it does not count for this
     * call. */
    device->granted =
        (device->granted > device->stepped ? device->granted : device->stepped) + cycles;
    uint64_t target = device->granted;
    pthread_cond_broadcast(&device->moved);
    int error = 0;
    while (device->stepped < target && error == 0 &&
           atomic_load(&device->condition) == VC_DEVICE_WELL) {
        int64_t left_ns = until_ns - vc_clock_ns();
        error = left_ns > 0 ? vc_cond_wait_ns(&device->moved, &device->lock, left_ns) : ETIMEDOUT;
    }
    bool reached = device->stepped >= target || error == 0;
    /* Cycles that have not begun in time are withdrawn. A running cycle still counts for this call.
     */
    device->owed = target > device->begun ? target - device->begun : 0;
    device->granted = device->begun;
    pthread_mutex_unlock(&device->lock);
    return reached;
}

uint64_t vc_device_owed(vc_device *device) {
    pthread_mutex_lock(&device->lock);
    uint64_t owed = device->owed;
    pthread_mutex_unlock(&device->lock);
    return owed;
}

/* The device for which the calling thread is the IO thread. It is NULL on all other threads. */
static VC_THREAD_LOCAL const vc_device *io_thread_of;

int64_t vc_device_clock_ns(void *user) {
    vc_device *device = user;
    bool real = device->config.clock == VC_CLOCK_REAL;
    int64_t now_ns = real ? vc_clock_ns() : atomic_load(&device->host_ns);
    int64_t late_ns = atomic_load_explicit(&device->late_ns, memory_order_relaxed);
    if (late_ns == 0) { /* the usual case; the clock is read several times in a cycle */
        return now_ns;
    }
    /* Only a thread's first access to a thread-local variable may allocate, and
     * vc_device_begin_clock has made this access on the IO thread. */
    VC_UNPROVEN
    bool inside = io_thread_of == device;
    VC_PROVEN_AGAIN
    /* In a late cycle, the extra time seems to pass between the first and the second reading of the
     * clock. Only readings on the IO thread are counted, because other threads may read the clock
     * at any time. */
    return inside && device->clock_reads++ > 0 ? now_ns + late_ns : now_ns;
}

void vc_device_begin_clock(vc_device *device) {
    io_thread_of = device;
    if (device->config.clock == VC_CLOCK_REAL) {
        device->started_ns = vc_clock_ns() - frames_to_ns(device, device->frame);
    }
    show_time(device);
}

bool vc_device_wait_for_cycle(vc_device *device) {
    if (device->config.clock == VC_CLOCK_FREE) {
        return !atomic_load_explicit(&device->quit, memory_order_relaxed);
    }
    if (device->config.clock == VC_CLOCK_STEPPED) {
        pthread_mutex_lock(&device->lock);
        while (device->stepped >= device->granted && !atomic_load(&device->quit)) {
            pthread_cond_wait(&device->moved, &device->lock);
        }
        bool quit = atomic_load(&device->quit);
        if (!quit) {
            device->begun = device->stepped + 1;
        }
        pthread_mutex_unlock(&device->lock);
        return !quit;
    }
    int64_t due = device->due_ns;
    int64_t left = due - vc_clock_ns();
    if (-left > frames_to_ns(device, device->config.tolerance_frames)) {
        uint32_t frames = device->config.frames;
        int64_t late = llrint((double)-left * device->config.samplerate_hz / 1e9);
        vc_device_lose(device, (late + frames - 1) / frames * frames);
        left = device->due_ns - vc_clock_ns();
    }
    /* Sleeps for at most 20 ms at a time and then checks `quit`, so that a device with long cycles
     * also ends promptly. */
    while (left > 0 && !atomic_load(&device->quit)) {
        vc_device_nap(left < 20000000 ? left : 20000000);
        left = device->due_ns - vc_clock_ns();
    }
    return !atomic_load(&device->quit);
}

void vc_device_finish_step(vc_device *device) {
    pthread_mutex_lock(&device->lock);
    /* Wakes the waiting thread only after the last cycle, because a wake-up costs more than a
     * cycle. */
    if (++device->stepped == device->granted) {
        pthread_cond_broadcast(&device->moved);
    }
    pthread_mutex_unlock(&device->lock);
}
