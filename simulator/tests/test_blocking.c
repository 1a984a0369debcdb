/* test_blocking.c: calls that hang, threads that wait for each other, and a forked process. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static AudioObjectID device, second;
static AudioDeviceIOProcID proc, second_proc;
static OSStatus result;
static _Atomic int calls;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    calls++;
    return 0;
}

static void *start_thread(void *unused) {
    result = AudioDeviceStart(device, proc);
    return unused;
}
static pthread_t start_elsewhere(void) {
    pthread_t t;
    result = 12345;
    pthread_create(&t, NULL, start_thread, NULL);
    EQUAL(sim_wait_blocked(1, 5000), 1);
    EQUAL(result, 12345);
    return t;
}
static void begin(void) {
    world_with(0, 16);
    device = sim_find_device("Hung");
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    calls = 0;
}
static void end(void) {
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    world_is_clean();
}

static void a_start_hangs_for_ever(void) {
    for (int holds = 0; holds < 2; holds++) {
        begin();
        sim_set("hang_holds_io_mutex", holds);
        pthread_t t = start_elsewhere();
        EQUAL(sim_advance_ns(1000 * SECOND), 0);
        EQUAL(sim_wait_blocked(1, 0), 1);
        EQUAL(result, 12345);
        sim_release_hung();
        pthread_join(t, NULL);
        EQUAL(result, 0);
        EQUAL(AudioDeviceStop(device, proc), 0);
        end();
    }
}

static void a_start_hangs_for_a_while(void) {
    begin();
    EQUAL(sim_hang(device, 0, 3 * SECOND), 0);
    pthread_t t = start_elsewhere();
    EQUAL(sim_advance_ns(2 * SECOND), 0);
    EQUAL(result, 12345);
    EQUAL(sim_advance_ns(SECOND), 0);
    pthread_join(t, NULL);
    EQUAL(result, 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    CHECK(calls > 5, "%d calls", calls);
    EQUAL(AudioDeviceStop(device, proc), 0);
    end();
}

/* If a second start hangs while it holds the IO mutex, the IO thread is blocked and overloads. */
static void a_start_that_keeps_io_waiting(void) {
    for (int holds = 0; holds < 2; holds++) {
        begin();
        AudioDeviceIOProcID first;
        sim_set("hang_holds_io_mutex", holds);
        EQUAL(sim_hang(device, 0, 0), 0);
        EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &first), 0);
        EQUAL(AudioDeviceStart(device, first), 0);
        EQUAL(sim_advance_ns(100 * MS), 0);
        int before = calls;
        EQUAL(sim_hang(device, 0, 200 * MS), 0);
        pthread_t t = start_elsewhere();
        EQUAL(sim_advance_ns(199 * MS), 0);
        CHECK(holds ? calls == before : calls > before + 10, "%d calls, then %d", before, calls);
        EQUAL(sim_advance_ns(200 * MS), 0);
        pthread_join(t, NULL);
        EQUAL(result, 0);
        EQUAL(sim_counter("overloads"), holds);
        CHECK(!holds || sim_counter("skipped_frames") > 7000, "%lld frames",
              (long long)sim_counter("skipped_frames"));
        EQUAL(AudioDeviceStop(device, first), 0);
        EQUAL(AudioDeviceStop(device, proc), 0);
        EQUAL(AudioDeviceDestroyIOProcID(device, first), 0);
        end();
    }
}

static void the_device_goes_while_a_start_hangs(void) {
    begin();
    pthread_t t = start_elsewhere();
    EQUAL(sim_remove_device(device), 0);
    pthread_join(t, NULL);
    EQUAL(result, kAudioHardwareBadObjectError);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), kAudioHardwareBadObjectError);
    world_is_clean();
}

static void a_reset_releases_who_hangs(void) {
    begin();
    pthread_t t = start_elsewhere();
    sim_reset();
    pthread_join(t, NULL);
    EQUAL(result, kAudioHardwareBadObjectError);
}

static void *get_thread(void *unused) {
    UInt32 size = 8;
    double rate;
    result = get_data(device, kAudioDevicePropertyNominalSampleRate,
                      kAudioObjectPropertyScopeGlobal, 0, &rate, &size);
    return unused;
}
static void a_getter_hangs(void) {
    begin();
    EQUAL(sim_hang(device, kAudioDevicePropertyNominalSampleRate, 200 * MS), 0);
    pthread_t t;
    pthread_create(&t, NULL, get_thread, NULL);
    EQUAL(sim_wait_blocked(1, 5000), 1);
    EQUAL(sim_advance_ns(200 * MS), 0);
    pthread_join(t, NULL);
    EQUAL(result, 0);
    end();
}

static uint64_t woke_at;
static void *wait_thread(void *unused) {
    mach_wait_until(sim_ticks_from_ns(3600 * SECOND + 70 * MS));
    woke_at = sim_now_ns();
    return unused;
}
static void mach_waits_in_virtual_time(void) {
    begin();
    EQUAL(sim_set_timebase(125, 3), 0);
    pthread_t t;
    pthread_create(&t, NULL, wait_thread, NULL);
    EQUAL(sim_wait_blocked(1, 5000), 1);
    EQUAL(sim_advance_ns(100 * MS), 0);
    pthread_join(t, NULL);
    CHECK(woke_at >= 3600 * SECOND + 70 * MS, "woke at %llu", (unsigned long long)woke_at);
    end();
}

static void one_thread_alone_with_auto_advance(void) {
    begin();
    sim_set("auto_advance", 1);
    EQUAL(sim_hang(device, 0, 2 * SECOND), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_now_ns(), 3602 * SECOND);
    mach_wait_until(mach_absolute_time() + 500 * MS);
    CHECK(calls > 40, "%d calls", calls);
    EQUAL(AudioDeviceStop(device, proc), 0);
    end();
}

/* A listener starts the device. The start takes simulated time, which must pass during the call. */
static OSStatus starting_listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                                  void *data) {
    (void)id, (void)n, (void)a, (void)data;
    result = AudioDeviceStart(device, proc);
    return 0;
}
static void a_listener_that_blocks(void) {
    begin();
    own_notification_thread();
    EQUAL(sim_hang(device, 0, 3 * SECOND), 0);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyDevices, kAudioObjectPropertyScopeGlobal,
                                    0};
    EQUAL(AudioObjectAddPropertyListener(kAudioObjectSystemObject, &a, starting_listener, NULL), 0);
    result = 12345;
    CHECK(sim_add_device("uid=new; out=2") != 0, "not added");
    EQUAL(sim_advance_ns(2 * SECOND), 0);
    EQUAL(result, 12345);
    EQUAL(sim_advance_ns(2 * SECOND), 0);
    EQUAL(result, 0);
    CHECK(calls > 50, "%d calls", calls);
    EQUAL(AudioObjectRemovePropertyListener(kAudioObjectSystemObject, &a, starting_listener, NULL),
          0);
    EQUAL(AudioDeviceStop(device, proc), 0);
    end();
}

/* ---- deadlocks ---- */

static bool report_has(const char *text) {
    static char report[65536];
    sim_report(report, sizeof report);
    return strstr(report, text) != NULL;
}

/* The callback of each device stops the other device. */
static int stop_results[2];
static pthread_barrier_t both;
static OSStatus cross_io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                         const AudioTimeStamp *in_time, AudioBufferList *out,
                         const AudioTimeStamp *out_time, void *data) {
    (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    if (calls++ < 2) {
        pthread_barrier_wait(&both); /* now each callback holds the IO mutex of its own device */
        bool first = d == device;
        stop_results[first] = AudioDeviceStop(first ? second : device, first ? second_proc : proc);
    }
    return 0;
}
static void two_devices_stop_each_other(void) {
    sim_configure(0); /* real time, because both callbacks must run at once */
    device = sim_add_device("uid=one; out=2");
    second = sim_add_device("uid=two; out=2");
    calls = 0;
    pthread_barrier_init(&both, NULL, 2);
    EQUAL(AudioDeviceCreateIOProcID(device, cross_io, NULL, &proc), 0);
    EQUAL(AudioDeviceCreateIOProcID(second, cross_io, NULL, &second_proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(AudioDeviceStart(second, second_proc), 0);
    for (int i = 0; i < 500 && sim_counter("deadlocks") == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    EQUAL(sim_counter("deadlocks"), 1);
    CHECK(report_has("cross_io") || report_has("AudioDeviceStop"), "no stacks");
    AudioDeviceStop(device, proc);
    AudioDeviceStop(second, second_proc);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(second, second_proc), 0);
    sim_reset();
    pthread_barrier_destroy(&both);
}

/* A common mistake: the client calls Stop while it holds a lock that the callback also takes. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int in_callback;
static OSStatus locking_io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                           const AudioTimeStamp *in_time, AudioBufferList *out,
                           const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    in_callback = 1;
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return 0;
}
static void *advance_thread(void *unused) {
    sim_advance_ns(50 * MS);
    return unused;
}
static void a_lock_over_stop_and_callback(int action) {
    world_with(0, 3);
    sim_set("deadlock_action", action);
    sim_set("stall_real_ms", 100);
    device = sim_find_device("USBDuplex:1");
    EQUAL(AudioDeviceCreateIOProcID(device, locking_io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    pthread_mutex_lock(&lock);
    pthread_t t;
    in_callback = 0;
    pthread_create(&t, NULL, advance_thread, NULL);
    while (!in_callback) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    EQUAL(AudioDeviceStop(device, proc),
          kAudioHardwareIllegalOperationError); /* returns an error instead of blocking */
    pthread_mutex_unlock(&lock);
    pthread_join(t, NULL);
    EQUAL(sim_counter("deadlocks"), 1);
    CHECK(report_has("AudioDeviceStop") && report_has("IO thread"), "no stacks in the report");
    AudioDeviceStop(device, proc);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    sim_reset();
}

/* With a switch, a deadlock aborts the process after printing the reason. Therefore this test runs
 * in a process of its own. */
static void deadlock_that_aborts(const char *program) {
    int ends[2];
    if (pipe(ends) != 0) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        execl(program, program, "abort", (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    static char text[65536];
    size_t size = 0;
    ssize_t n;
    while ((n = read(ends[0], text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)n;
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "status %x", (unsigned)status);
    CHECK(strstr(text, "deadlock") != NULL, "said: %s", text);
}

/* ---- fork ---- */

static void a_forked_child(void) {
    world_with(0, 1);
    device = sim_find_device("BuiltInSpeakerDevice");
    EQUAL(get_u32(device, kAudioDevicePropertyTransportType, kAudioObjectPropertyScopeGlobal),
          kAudioDeviceTransportTypeBuiltIn);
    for (int action = 0; action < 2; action++) {
        sim_set("fork_action", action);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            if (action == 1) {
                close(2);
            }
            UInt32 value, size = 4;
            OSStatus error = get_data(device, kAudioDevicePropertyTransportType,
                                      kAudioObjectPropertyScopeGlobal, 0, &value, &size);
            _exit(error == kAudioHardwareUnknownPropertyError &&
                          AudioDeviceStart(device, NULL) == kAudioHardwareUnknownPropertyError &&
                          sim_counter("fault_fork") == 2
                      ? 7
                      : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (action == 0) {
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", (unsigned)status);
        } else {
            CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 7, "did not abort: %x",
                  (unsigned)status);
        }
    }
    sim_set("fork_action", 0);
    world_is_clean();
}

int main(int argc, char **argv) {
    if (argc > 1) {
        a_lock_over_stop_and_callback(1);
        return 0;
    }
    a_forked_child();
    a_start_hangs_for_ever();
    a_start_hangs_for_a_while();
    a_start_that_keeps_io_waiting();
    the_device_goes_while_a_start_hangs();
    a_reset_releases_who_hangs();
    a_getter_hangs();
    mach_waits_in_virtual_time();
    one_thread_alone_with_auto_advance();
    a_listener_that_blocks();
    a_lock_over_stop_and_callback(0);
    deadlock_that_aborts(argv[0]);
    two_devices_stop_each_other();
    return check_result("blocking");
}
