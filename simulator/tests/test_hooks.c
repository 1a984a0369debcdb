/* test_hooks.c: the hooks library finds forbidden calls in an IOProc, and finds a deadlock with a
 * client's lock at once. The program runs itself again with this library, whose path is in
 * COREAUDIO_HOOKS. */
#include "check.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int in_callback, misbehave;
static AudioDeviceIOProcID proc;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    in_callback = 1;
    if (misbehave == 1) {
        void *volatile p = malloc(10);
        free(p);
        UInt32 size = 4, value;
        get_data(d, kAudioDevicePropertyLatency, kAudioObjectPropertyScopeOutput, 0, &value, &size);
    } else if (misbehave == 2) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    } else {
        mach_absolute_time(); /* allowed, like the other clocks */
        AudioTimeStamp t;
        AudioDeviceGetCurrentTime(d, &t);
    }
    return 0;
}

static void *advance_thread(void *unused) {
    sim_advance_ns(50 * MS);
    return unused;
}

int main(int argc, char **argv) {
    const char *hooks = getenv("COREAUDIO_HOOKS");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    hooks = NULL; /* sanitizers replace the same functions, so the hooks cannot be used */
#endif
    (void)argc;
    if (hooks == NULL || access(hooks, R_OK) != 0) {
        printf("hooks: skipped\n");
        return 0;
    }
    if (getenv("LD_PRELOAD") == NULL) {
        setenv("LD_PRELOAD", hooks, 1);
        execv(argv[0], argv);
        return 1;
    }
    world_with(0, 1);
    AudioObjectID device = sim_find_device("BuiltInSpeakerDevice");
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(sim_counter("rt_violations"), 0);
    misbehave = 1;
    int64_t before = sim_counter("callbacks");
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(sim_counter("rt_violations"), 3 * (sim_counter("callbacks") - before));
    misbehave = 2;
    in_callback = 0;
    pthread_mutex_lock(&lock);
    pthread_t t;
    pthread_create(&t, NULL, advance_thread, NULL);
    while (!in_callback) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    EQUAL(AudioDeviceStop(device, proc), kAudioHardwareIllegalOperationError);
    clock_gettime(CLOCK_MONOTONIC, &b);
    pthread_mutex_unlock(&lock);
    pthread_join(t, NULL);
    CHECK(b.tv_sec - a.tv_sec < 3, "found by the watchdog alone, after %ld s",
          (long)(b.tv_sec - a.tv_sec));
    EQUAL(sim_counter("deadlocks"), 1);
    misbehave = 0;
    AudioDeviceStop(device, proc);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    sim_reset();
    return check_result("hooks");
}
