/* test_stop.c: all ways of starting and stopping a device (S6), and the threads that these use. */
#include "check.h"

#include <pthread.h>

static struct state {
    AudioObjectID device;
    AudioDeviceIOProcID proc;
    int calls, stop_at, threads, order;
    pthread_t last;
    char poison[64]; /* stands for memory that the client has freed */
} s;

static OSStatus io(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    s.threads += s.calls == 0 || !pthread_equal(s.last, pthread_self());
    s.last = pthread_self();
    if (++s.calls == s.stop_at) {
        EQUAL(AudioDeviceStop(device, s.proc), 0);
    }
    return 0;
}

static void begin(uint64_t seed) {
    world_with(seed, 3);
    memset(&s, 0, sizeof s);
    s.device = sim_find_device("USBDuplex:1");
    EQUAL(AudioDeviceCreateIOProcID(s.device, io, &s, &s.proc), 0);
}
static UInt32 running(void) {
    return get_u32(s.device, kAudioDevicePropertyDeviceIsRunning, kAudioObjectPropertyScopeGlobal);
}

static void synchronous(void) {
    begin(0);
    EQUAL(running(), 0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(running(), 1);
    EQUAL(sim_advance_ns(100 * MS), 0);
    int before = s.calls;
    CHECK(before > 5, "%d calls", before);
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    EQUAL(sim_counter("live_io_threads"), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(s.calls, before);
    EQUAL(running(), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    world_is_clean();
}

static void asynchronous(void) {
    for (int extra = 1; extra < 7; extra += 2) {
        begin(0);
        sim_set("stop_mode", 1);
        sim_set("stop_extra_cycles", extra);
        EQUAL(AudioDeviceStart(s.device, s.proc), 0);
        EQUAL(sim_advance_ns(100 * MS), 0);
        int before = s.calls;
        EQUAL(AudioDeviceStop(s.device, s.proc), 0);
        EQUAL(sim_advance_ns(200 * MS), 0);
        EQUAL(s.calls, before + extra);
        EQUAL(sim_counter("live_io_threads"), 0);
        EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
        world_is_clean();
    }
}

/* After an asynchronous stop, a few callbacks may follow. Destroying the IOProc ends them, so that
 * the client can free its memory. */
static void destroy_after_asynchronous_stop(void) {
    begin(0);
    sim_set("stop_mode", 1);
    sim_set("stop_extra_cycles", 50);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    int before = s.calls;
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(s.calls, before);
    EQUAL(sim_counter("live_io_threads"), 0);
    world_is_clean();
}

static void from_the_callback(void) {
    for (int mode = 0; mode < 2; mode++) {
        begin(0);
        sim_set("stop_mode", mode);
        s.stop_at = 3;
        EQUAL(AudioDeviceStart(s.device, s.proc), 0);
        EQUAL(sim_advance_ns(200 * MS), 0);
        EQUAL(s.calls, 3);
        EQUAL(sim_counter("live_io_threads"), 0);
        EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
        world_is_clean();
    }
}

static void a_new_thread_each_time(void) {
    begin(0);
    for (int i = 0; i < 4; i++) {
        EQUAL(AudioDeviceStart(s.device, s.proc), 0);
        EQUAL(sim_advance_ns(50 * MS), 0);
        EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    }
    EQUAL(sim_counter("io_threads_started"), 4);
    EQUAL(sim_run_count(s.device), 4);
    uint64_t seen = 0;
    for (size_t i = 0; i < 4; i++) {
        sim_run info;
        EQUAL(sim_run_info(s.device, i, &info), 0);
        CHECK(info.thread > seen, "run %zu on thread %llu again", i,
              (unsigned long long)info.thread);
        seen = info.thread;
    }
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    world_is_clean();
}

static void destroyed_while_running(void) {
    begin(0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(50 * MS), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    EQUAL(sim_counter("fault_destroyed_running"), 1);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), kAudioHardwareIllegalOperationError);
    EQUAL(sim_counter("fault_dead_io_proc"), 1);
    EQUAL(sim_check_clean(), 2);
    sim_reset();
}

static void late_or_never(void) {
    begin(0);
    sim_set("first_callback_delay_ns", 900 * MS);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(890 * MS), 0);
    EQUAL(s.calls, 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    CHECK(s.calls > 0, "none after the delay");
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    sim_set("callbacks_never", 1);
    s.calls = 0;
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(30 * SECOND), 0);
    EQUAL(s.calls, 0);
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);

    sim_set("callbacks_never", 2);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(s.calls, 0);
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    UInt32 frames = 512; /* the set has an effect even if this is the current size */
    AudioObjectPropertyAddress buffer = {kAudioDevicePropertyBufferFrameSize,
                                         kAudioObjectPropertyScopeGlobal, 0};
    EQUAL(AudioObjectSetPropertyData(s.device, &buffer, 0, NULL, sizeof frames, &frames), 0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    CHECK(s.calls > 0, "none after the buffer size was set");
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    world_is_clean();
}

static void null_proc_runs_the_hardware(void) {
    begin(0);
    EQUAL(AudioDeviceStart(s.device, NULL), 0);
    EQUAL(sim_advance_ns(50 * MS), 0);
    EQUAL(sim_counter("live_io_threads"), 1);
    EQUAL(s.calls, 0);
    EQUAL(AudioDeviceStop(s.device, NULL), 0);
    EQUAL(sim_counter("live_io_threads"), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    world_is_clean();
}

static int other_calls;
static OSStatus other(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                      const AudioTimeStamp *in_time, AudioBufferList *out,
                      const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)now, (void)in, (void)in_time, (void)data, (void)out_time;
    ((float *)out->mBuffers[0].mData)[0] = 0.25f;
    other_calls++;
    return 0;
}
/* Two IOProcs of one device share a thread, and their output is mixed. This is tested with the
 * current calls and with the deprecated ones. */
static void several_procs(void) {
    begin(0);
    EQUAL(AudioDeviceAddIOProc(s.device, other, NULL), 0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(AudioDeviceStart(s.device, other), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(other_calls, s.calls);
    EQUAL(sim_counter("io_threads_started"), 1);
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    int before = s.calls;
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(s.calls, before);
    CHECK(other_calls > before, "the other one stopped, too");
    float sample = 0;
    EQUAL(sim_capture_read(s.device, 0, 0, 0, 512, 1, &sample, NULL), 1);
    CHECK(sample == 0.25f, "is %g", (double)sample);
    EQUAL(AudioDeviceStop(s.device, other), 0);
    EQUAL(AudioDeviceRemoveIOProc(s.device, other), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    world_is_clean();
}

static void unplugged_while_running(void) {
    begin(0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    int before = s.calls;
    EQUAL(sim_remove_device(s.device), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(s.calls, before);
    EQUAL(AudioDeviceStop(s.device, s.proc), kAudioHardwareBadObjectError);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), kAudioHardwareBadObjectError);
    AudioObjectID again = sim_replug_device(s.device);
    CHECK(again > s.device, "ID %u again", again);
    EQUAL(sim_find_device("USBDuplex:1"), again);
    EQUAL(sim_device_serial(again), sim_device_serial(s.device));
    world_is_clean();
}

/* ---- an IOProc of a block that destroys itself, and uses its variables afterwards ---- */

struct block {
    void *isa;
    int flags, reserved;
    void (*invoke)(void *, ...);
    void *descriptor;
    int *calls; /* a captured variable, in the HAL's copy of the block */
};
static void stops_itself(struct block *b, const AudioTimeStamp *now, const AudioBufferList *in,
                         const AudioTimeStamp *in_time, AudioBufferList *out,
                         const AudioTimeStamp *out_time) {
    (void)now, (void)in, (void)in_time, (void)out, (void)out_time;
    EQUAL(AudioDeviceStop(s.device, s.proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    EQUAL(sim_counter("live_blocks"), 1); /* the one that is being called */
    ++*b->calls;
}
static void a_block_that_destroys_itself(void) {
    begin(0);
    EQUAL(AudioDeviceDestroyIOProcID(s.device, s.proc), 0);
    int calls = 0;
    static struct {
        unsigned long reserved, size;
    } descriptor = {0, sizeof(struct block)};
    struct block b = {.calls = &calls, .descriptor = &descriptor};
    void (*function)(struct block *, const AudioTimeStamp *, const AudioBufferList *,
                     const AudioTimeStamp *, AudioBufferList *, const AudioTimeStamp *) =
        stops_itself;
    memcpy(&b.invoke, &function, sizeof function);
    EQUAL(AudioDeviceCreateIOProcIDWithBlock(&s.proc, s.device, NULL, &b), 0);
    EQUAL(AudioDeviceStart(s.device, s.proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(calls, 1);
    EQUAL(running(), 0);
    EQUAL(sim_counter("live_blocks"), 0);
    EQUAL(sim_counter("live_io_procs"), 0);
    EQUAL(sim_check_clean(), 1); /* a destroy takes time that an IOProc does not have */
    EQUAL(sim_counter("rt_violations"), 1);
    sim_reset();
}

int main(void) {
    a_block_that_destroys_itself();
    synchronous();
    asynchronous();
    destroy_after_asynchronous_stop();
    from_the_callback();
    a_new_thread_each_time();
    destroyed_while_running();
    late_or_never();
    null_proc_runs_the_hardware();
    several_procs();
    unplugged_while_running();
    return check_result("stop");
}
