/* test_concurrency.c: client threads call the HAL while time passes. In one test another thread
 * steps virtual time, and in another test time is real. No result depends on the order of the
 * threads, and nothing may be left at the end. */
#include "check.h"

#include <pthread.h>
#include <time.h>

static _Atomic int calls, heard;
static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time;
    calls++;
    if (data != NULL) {
        sim_spend_ns(*(uint64_t *)data);
    }
    return 0;
}
static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)id, (void)n, (void)a, (void)data;
    heard++;
    return 0;
}

/* Acts as an ordinary client that listens, changes, starts, waits for a callback, stops and closes.
 */
static void use(const char *uid, int rounds) {
    AudioObjectPropertyAddress all = {kAudioObjectPropertySelectorWildcard,
                                      kAudioObjectPropertyScopeWildcard,
                                      kAudioObjectPropertyElementWildcard};
    AudioObjectID device = sim_find_device(uid);
    for (int i = 0; i < rounds; i++) {
        AudioDeviceIOProcID proc;
        EQUAL(AudioObjectAddPropertyListener(device, &all, listener, &all), 0);
        EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
        EQUAL(AudioDeviceStart(device, proc), 0);
        int before = calls;
        while (calls == before) {
            mach_wait_until(mach_absolute_time() + MS);
        }
        EQUAL(set_rate(device, i % 2 ? 44100 : 48000), 0);
        EQUAL(set_buffer_frames(device, 256u + 16u * (UInt32)i), 0);
        EQUAL(AudioDeviceStop(device, proc), 0);
        EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
        EQUAL(AudioObjectRemovePropertyListener(device, &all, listener, &all), 0);
    }
}
static void *use_thread(void *uid) {
    use(uid, 12);
    return NULL;
}

static void while_the_clock_runs(uint64_t seed) {
    world_with(seed, 15);
    sim_set("rate_outcome", 0);
    own_notification_thread();
    EQUAL(sim_start_clock(200), 0);
    EQUAL(sim_start_clock(200), -1);
    static char a[] = "Twin:A", b[] = "Twin:B";
    pthread_t one, two;
    pthread_create(&one, NULL, use_thread, a);
    pthread_create(&two, NULL, use_thread, b);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    sim_stop_clock();
    EQUAL(sim_counter("deadlocks"), 0);
    world_is_clean();
}

static void in_real_time(void) {
    sim_configure(0);
    EQUAL(sim_load_fixture(15), 0);
    own_notification_thread();
    use("Twin:A", 3);
    CHECK(heard > 0, "no notification");
    /* Causes overloads with a callback that takes 40 ms, although a cycle takes at most 12 ms. */
    AudioObjectID device = sim_find_device("Twin:B");
    AudioDeviceIOProcID proc;
    static uint64_t spend = 40 * MS;
    EQUAL(AudioDeviceCreateIOProcID(device, io, &spend, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    int before = calls;
    while (calls < before + 3) {
        mach_wait_until(mach_absolute_time() + 5 * MS);
    }
    EQUAL(AudioDeviceStop(device, proc), 0);
    CHECK(sim_counter("late_callbacks") >= 2 && sim_counter("skipped_frames") >= 2 * 512,
          "%lld late, %lld frames", (long long)sim_counter("late_callbacks"),
          (long long)sim_counter("skipped_frames"));
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    world_is_clean();
}

/* A change of the streams that an IOProc uses waits for the end of the current cycle. */
static _Atomic int inside, set_inside;
static _Atomic bool asked, has_set;
static uint64_t real_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}
static OSStatus waiting_io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                           const AudioTimeStamp *in_time, AudioBufferList *out,
                           const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    inside = 1;
    asked = true;
    /* If the set did not wait for the end of the cycle, it would finish within this time. */
    uint64_t until = real_ns() + 50 * MS;
    while (!has_set && real_ns() < until) {
    }
    inside = 0;
    return 0;
}
static void *set_usage(void *client) {
    AudioObjectPropertyAddress a = {kAudioDevicePropertyIOProcStreamUsage,
                                    kAudioObjectPropertyScopeOutput, 0};
    AudioHardwareIOProcStreamUsage usage = {.mNumberStreams = 1, .mStreamIsOn = {0}};
    memcpy(&usage.mIOProc, client, sizeof usage.mIOProc);
    while (!asked) {
    }
    EQUAL(AudioObjectSetPropertyData(sim_find_device("Twin:A"), &a, 0, NULL, 16, &usage), 0);
    set_inside = inside;
    has_set = true;
    return NULL;
}
static void stream_usage_in_a_cycle(void) {
    world_with(0, 15);
    AudioObjectID device = sim_find_device("Twin:A");
    AudioDeviceIOProcID proc;
    EQUAL(AudioDeviceCreateIOProcID(device, waiting_io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    pthread_t setter;
    pthread_create(&setter, NULL, set_usage, &proc);
    while (!asked) {
        EQUAL(sim_advance_ns(1 * MS), 0);
    }
    pthread_join(setter, NULL);
    EQUAL(set_inside, 0);
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    world_is_clean();
}

int main(void) {
    stream_usage_in_a_cycle();
    for (uint64_t seed = 0; seed < 6; seed++) {
        while_the_clock_runs(seed);
    }
    in_real_time();
    return check_result("concurrency");
}
