/* test_changes.c: rates and buffer sizes change as transactions (S8), and listeners are notified
 * (S7). */
#include "check.h"

#include <pthread.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal;
static AudioObjectID device;
static AudioDeviceIOProcID proc;
static int calls, heard[8], heard_calls, after_remove, most_addresses;
static UInt32 last_frames;
static pthread_t listener_thread;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out_time, (void)data;
    last_frames = out->mBuffers[0].mDataByteSize / 4 / out->mBuffers[0].mNumberChannels;
    calls++;
    return 0;
}

static const UInt32 names[8] = {
    kAudioDevicePropertyNominalSampleRate, kAudioStreamPropertyVirtualFormat,
    kAudioDevicePropertyBufferFrameSize,   kAudioHardwarePropertyDevices,
    kAudioDevicePropertyDeviceIsAlive,     kAudioDevicePropertyDeviceIsRunning,
    kAudioDeviceProcessorOverload,         kAudioHardwarePropertyDefaultOutputDevice};
static bool removed;
static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)id, (void)data;
    heard_calls++;
    after_remove += removed;
    listener_thread = pthread_self();
    most_addresses = (int)n > most_addresses ? (int)n : most_addresses;
    for (UInt32 i = 0; i < n; i++) {
        for (int k = 0; k < 8; k++) {
            heard[k] += a[i].mSelector == names[k];
        }
    }
    return 0;
}
static void listen(AudioObjectID id, UInt32 selector) {
    AudioObjectPropertyAddress a = {selector, kAudioObjectPropertyScopeWildcard, 0};
    EQUAL(AudioObjectAddPropertyListener(id, &a, listener, NULL), 0);
}
static void unlisten(AudioObjectID id, UInt32 selector) {
    AudioObjectPropertyAddress a = {selector, kAudioObjectPropertyScopeWildcard, 0};
    EQUAL(AudioObjectRemovePropertyListener(id, &a, listener, NULL), 0);
}

static void begin(uint64_t seed) {
    world_with(seed, 3);
    own_notification_thread();
    device = sim_find_device("USBDuplex:1");
    memset(heard, 0, sizeof heard);
    heard_calls = calls = after_remove = most_addresses = 0;
    removed = false;
}
static void start(void) {
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
}
static void stop(void) {
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
}
static double rate(void) { return get_f64(device, kAudioDevicePropertyNominalSampleRate, global); }

static void a_rate_changes_later(void) {
    for (int partial = 0; partial < 2; partial++) {
        begin(0);
        sim_set("rate_partial_cycle", partial);
        listen(device, kAudioDevicePropertyNominalSampleRate);
        start();
        EQUAL(sim_advance_ns(100 * MS), 0);
        EQUAL(set_rate(device, 96000), 0);
        EQUAL(rate(), 48000);
        EQUAL(heard[0], 0);
        EQUAL(sim_advance_ns(25 * MS), 0); /* IO is now paused */
        EQUAL(sim_counter("live_io_threads"), partial ? sim_counter("live_io_threads") : 0);
        EQUAL(sim_advance_ns(200 * MS), 0);
        EQUAL(rate(), 96000);
        EQUAL(heard[0], 1);
        EQUAL(sim_run_count(device), 2);
        sim_run one, two;
        sim_run_info(device, 0, &one);
        sim_run_info(device, 1, &two);
        EQUAL(two.rate_hz, 96000);
        CHECK(one.thread != two.thread, "the same thread %llu", (unsigned long long)one.thread);
        EQUAL(one.frames % 512, partial ? 256 : 0);
        stop();
        unlisten(device, kAudioDevicePropertyNominalSampleRate);
        world_is_clean();
    }
}

static void other_outcomes(void) {
    static const double ends[4] = {96000, 48000, 44100, 48000};
    for (int outcome = 0; outcome < 4; outcome++) {
        begin(0);
        sim_set("rate_outcome", outcome);
        start();
        EQUAL(set_rate(device, 96000), 0);
        EQUAL(sim_advance_ns(2 * SECOND), 0);
        EQUAL(rate(), ends[outcome]);
        stop();
        world_is_clean();
    }
}

static void a_second_set_while_the_first_is_under_way(void) {
    begin(0);
    start();
    EQUAL(set_rate(device, 96000), 0);
    EQUAL(sim_advance_ns(22 * MS), 0);
    EQUAL(set_rate(device, 192000), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(rate(), 192000);
    EQUAL(set_rate(device, 44100), 0);
    EQUAL(sim_remove_device(device), 0); /* removes the device during the change */
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(AudioDeviceStop(device, proc), kAudioHardwareBadObjectError);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), kAudioHardwareBadObjectError);
    world_is_clean();
}

/* Between the new rate and the end of the pause, a further rate or format is a change of its own.
 */
static void a_set_before_io_resumes(void) {
    static const double then[3] = {44100, 96000, 48000};
    for (int io_runs = 0; io_runs < 2; io_runs++) {
        for (int by_itself = 0; by_itself < 2; by_itself++) {
            for (int i = 0; i < 3; i++) {
                begin(0);
                if (io_runs) {
                    start();
                }
                EQUAL(set_rate(device, 96000), 0);
                for (int waited = 0; waited < 1000 && rate() != 96000; waited++) {
                    EQUAL(sim_advance_ns(MS), 0);
                }
                EQUAL(set_rate(device, 192000), 0);
                EQUAL(by_itself ? sim_change_rate(device, then[i]) : set_rate(device, then[i]), 0);
                EQUAL(sim_advance_ns(2 * SECOND), 0);
                EQUAL(rate(), then[i]);
                EQUAL(sim_counter("rate_changes"), then[i] == 96000 ? 1 : 2);
                EQUAL(set_rate(device, 192000), 0); /* nothing is left that hinders the next one */
                EQUAL(sim_advance_ns(2 * SECOND), 0);
                EQUAL(rate(), 192000);
                if (io_runs) {
                    int before = calls;
                    EQUAL(sim_advance_ns(SECOND), 0);
                    CHECK(calls > before, "IO did not resume");
                    stop();
                }
                world_is_clean();
            }
        }
    }
}

static void some_report_the_old_rate(void) {
    world_with(0, 18);
    device = sim_find_device("OldRate");
    EQUAL(rate(), 44100);
    EQUAL(set_rate(device, 96000), 0);
    EQUAL(sim_advance_ns(5 * SECOND), 0);
    EQUAL(rate(), 44100);
    world_is_clean();
    begin(0);
    sim_set("getter_lag_ns", 50 * (int64_t)MS);
    EQUAL(set_rate(device, 96000), 0);
    EQUAL(sim_advance_ns(60 * MS), 0);
    EQUAL(rate(), 48000);
    EQUAL(sim_advance_ns(60 * MS), 0);
    EQUAL(rate(), 96000);
    world_is_clean();
}

static void buffer_sizes(void) {
    for (int how = 0; how < 3; how++) {
        begin(0);
        sim_set("buffer_change", how);
        listen(device, kAudioDevicePropertyBufferFrameSize);
        start();
        EQUAL(sim_advance_ns(100 * MS), 0);
        static const UInt32 asked[] = {64, 100000, 3, 1024}, got[] = {64, 4096, 15, 1024};
        for (int i = 0; i < 4; i++) {
            EQUAL(set_buffer_frames(device, asked[i]), 0);
            EQUAL(sim_advance_ns(300 * MS), 0);
            EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, global), got[i]);
            EQUAL(last_frames, got[i]);
            EQUAL(heard[2], i + 1);
        }
        EQUAL(sim_run_count(device), how == 2 ? 5 : 1);
        stop();
        unlisten(device, kAudioDevicePropertyBufferFrameSize);
        world_is_clean();
    }
    begin(0);
    sim_set("buffer_range_follows_rate", 1);
    EQUAL(set_rate(device, 192000), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(set_buffer_frames(device, 100000), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, global), 4 * 4096);
    world_is_clean();
}

static void what_a_listener_is_shown(void) {
    for (int mode = 0; mode < 3; mode++) {
        for (int twice = 0; twice < 2; twice++) {
            begin(0);
            sim_set("listener_addresses", mode);
            sim_set("notify_duplicates", twice);
            sim_set("rate_batch", 1);
            sim_set("notify_burst", 20);
            listen(device, kAudioDevicePropertyNominalSampleRate);
            EQUAL(set_rate(device, 96000), 0);
            EQUAL(sim_advance_ns(SECOND), 0);
            EQUAL(heard_calls, 20);
            EQUAL(heard[0], 20 * (1 + twice));
            /* The latency and the safety offset change in both directions. */
            EQUAL(most_addresses, (mode == 0 ? 1 : 9) * (1 + twice) + (mode == 2));
            unlisten(device, kAudioDevicePropertyNominalSampleRate);
            world_is_clean();
        }
    }
}

static void called_after_its_removal(void) {
    for (int after = 0; after < 2; after++) {
        begin(0);
        sim_set("listener_after_remove", after);
        sim_set("notify_delay_ns", 500 * (int64_t)MS);
        listen(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
        CHECK(sim_add_device("uid=new; out=2") != 0, "not added");
        EQUAL(sim_advance_ns(100 * MS), 0);
        unlisten(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
        removed = true;
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(after_remove, after);
        world_is_clean();
    }
}

/* The listeners of 'goin' and 'over' are called on the IO thread. */
static pthread_t io_thread_seen;
static OSStatus thread_io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                          const AudioTimeStamp *in_time, AudioBufferList *out,
                          const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    io_thread_seen = pthread_self();
    return 0;
}
static void on_the_io_thread(void) {
    begin(0);
    listen(device, kAudioDevicePropertyDeviceIsRunning);
    listen(device, kAudioDeviceProcessorOverload);
    EQUAL(AudioDeviceCreateIOProcID(device, thread_io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard[5], 1);
    CHECK(pthread_equal(listener_thread, io_thread_seen), "'goin' on another thread");
    EQUAL(sim_inject_overload(device, 0), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard[6], 1);
    CHECK(pthread_equal(listener_thread, io_thread_seen), "'over' on another thread");
    EQUAL(sim_counter("skipped_frames"), 0);
    stop();
    EQUAL(heard[5], 2);
    unlisten(device, kAudioDevicePropertyDeviceIsRunning);
    unlisten(device, kAudioDeviceProcessorOverload);
    world_is_clean();
}

/* Unless 'rnlp' is NULL, listeners are only called when the main thread runs its run loop. */
static void the_main_run_loop(void) {
    world_with(0, 3);
    device = sim_find_device("USBDuplex:1");
    heard_calls = 0;
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
    sim_add_device("uid=another; out=2");
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(heard_calls, 0);
    EQUAL(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, 1), kCFRunLoopRunHandledSource);
    EQUAL(heard_calls, 1);
    CHECK(pthread_equal(listener_thread, pthread_self()), "not on the main thread");
    EQUAL(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, 0), kCFRunLoopRunTimedOut);
    sim_set("auto_advance", 1);
    uint64_t before = sim_now_ns();
    sim_add_device("uid=yet another; out=2");
    EQUAL(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.5, 0), kCFRunLoopRunTimedOut);
    EQUAL(heard_calls, 2);
    EQUAL(sim_now_ns() - before, 500 * MS);
    CFRunLoopRef loop = NULL;
    UInt32 size = sizeof loop;
    EQUAL(
        get_data(kAudioObjectSystemObject, kAudioHardwarePropertyRunLoop, global, 0, &loop, &size),
        0);
    CHECK(loop == CFRunLoopGetMain() && loop == CFRunLoopGetCurrent(), "another loop");
    CFRelease(loop);
    unlisten(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
    world_is_clean();
}

static void coming_and_going(void) {
    for (int order = 0; order < 4; order++) {
        begin(0);
        sim_set("notify_order", order);
        listen(kAudioObjectSystemObject, kAudioObjectPropertySelectorWildcard);
        listen(device, kAudioDevicePropertyDeviceIsAlive);
        EQUAL(sim_remove_device(device), 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(heard[3], 1);
        EQUAL(heard[4], 1);
        EQUAL(heard[7], 1);
        EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
              0);
        unlisten(kAudioObjectSystemObject, kAudioObjectPropertySelectorWildcard);
        AudioObjectPropertyAddress a = {kAudioDevicePropertyDeviceIsAlive,
                                        kAudioObjectPropertyScopeWildcard, 0};
        EQUAL(AudioObjectRemovePropertyListener(device, &a, listener, NULL),
              kAudioHardwareBadObjectError);
        world_is_clean();
    }
}

static void a_restart_of_the_service(void) {
    for (int stays = 0; stays < 2; stays++) {
        begin(0);
        sim_set("restart_listeners", stays);
        listen(kAudioObjectSystemObject, kAudioHardwarePropertyServiceRestarted);
        listen(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
        listen(device, kAudioDevicePropertyDeviceIsAlive);
        start();
        EQUAL(sim_advance_ns(SECOND), 0);
        int before = calls;
        sim_restart_service();
        AudioObjectID again = sim_find_device("USBDuplex:1");
        CHECK(again > device, "an ID came back");
        EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
              again);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(calls, before);
        EQUAL(heard_calls, 1); /* only the listener of 'srst' was called */
        EQUAL(AudioDeviceStop(device, proc), kAudioHardwareBadObjectError);
        EQUAL(AudioDeviceDestroyIOProcID(device, proc), kAudioHardwareBadObjectError);
        sim_add_device("uid=new; out=2");
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(heard[3], 0); /* waits for the main run loop, which does not run */
        own_notification_thread();
        sim_add_device("uid=newer; out=2");
        EQUAL(sim_advance_ns(SECOND), 0);
        CHECK((heard[3] > 0) == (stays == 1), "dev# heard %d", heard[3]);
        unlisten(kAudioObjectSystemObject, kAudioHardwarePropertyServiceRestarted);
        unlisten(kAudioObjectSystemObject, kAudioHardwarePropertyDevices);
        world_is_clean();
    }
}

int main(void) {
    a_rate_changes_later();
    other_outcomes();
    a_second_set_while_the_first_is_under_way();
    a_set_before_io_resumes();
    some_report_the_old_rate();
    buffer_sizes();
    what_a_listener_is_shown();
    called_after_its_removal();
    on_the_io_thread();
    the_main_run_loop();
    coming_and_going();
    a_restart_of_the_service();
    return check_result("changes");
}
