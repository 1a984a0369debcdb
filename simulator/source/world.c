/* world.c: the beginning and the reset of the world, and the check that the client left nothing. */
#include "world.h"

#include <time.h>

world_state world = {.lock = PTHREAD_MUTEX_INITIALIZER};

void world_begin_locked(void) {
    switches_reset();
    world.macos = 2600;
    world.timebase_numer = world.timebase_denom = 1;
    world.seed = 0;
    world.noise = mix64(0);
    world.object_next = 0;
    world.next_serial = 0;
    memset(world.default_device, 0, sizeof world.default_device);
    object_add(&world.system, SYSTEM, kAudioSystemObjectClassID, kAudioObjectClassID, NULL, NULL);
    object_add(&world.plug_in, PLUGIN, kAudioPlugInClassID, kAudioObjectClassID, &world.system,
               NULL);
    world.run_loop = run_loop_main_locked();
    world.sleeping_allowed = world.hog_allowed = world.is_audible = 1;
    world.asleep = false;
    world.woken_ns = 0;
    world.consent = world.tap_consent = SIM_GRANTED;
    world.next_process_serial = 0;
    world.chime = 0.5f;
    world.unloading_allowed = world.power_hint = world.mono = world.input_mute = 0;
}

__attribute__((constructor)) static void begin(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&world.changed, &attributes);
    pthread_mutex_lock(&world.lock);
    world_begin_locked();
    pthread_mutex_unlock(&world.lock);
}

/* Ends the calls in which client threads wait, because the reset frees the objects that they use.
 */
static void release_clients(void) {
    struct timespec deadline;
    deadline_in(&deadline, 2 * NS_PER_S);
    cancel_waits_locked(NULL);
    run_loops_reset_locked();
    while ((world.blocked_clients > 0 || world.stepper != NULL) &&
           pthread_cond_timedwait(&world.changed, &world.lock, &deadline) == 0) {
    }
}

EXPORT void sim_reset(void) {
    sim_stop_clock();
    real_time_stop();
    pthread_mutex_lock(&world.lock);
    events_drop_locked();
    release_clients();
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        if (d->current != NULL) {
            io_end_locked(d->current, false);
        }
    }
    world.notifier = NULL;
    for (worker *w = world.workers; w != NULL; w = w->next) {
        worker_finish_locked(w);
    }
    pthread_mutex_unlock(&world.lock);
    workers_reap(true);
    pthread_mutex_lock(&world.lock);
    events_drop_locked();
    listeners_reset_locked();
    run_loops_reset_locked();
    if (world.workers == NULL) { /* otherwise a stuck callback may still use its device */
        devices_reset_locked();
        processes_reset_locked();
        taps_reset_locked();
        boxes_reset_locked();
        end_points_reset_locked();
    } else {
        world.process_count = world.tap_count = 0;
        world.device_count = world.all_device_count = 0;
    }
    schedule_reset_locked();
    injection_reset_locked();
    world_begin_locked();
    pthread_mutex_unlock(&world.lock);
    cf_reset();
    objc_reset();
    report_reset();
}

EXPORT int sim_set_macos(int version) {
    static const int known[] = {1100, 1200, 1300, 1400, 1402, 1500, 2600};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == version) {
            pthread_mutex_lock(&world.lock);
            world.macos = version;
            pthread_mutex_unlock(&world.lock);
            return 0;
        }
    }
    report_line("sim_set_macos: %d is not emulated", version);
    return -1;
}

EXPORT int sim_macos(void) {
    pthread_mutex_lock(&world.lock);
    int version = world.macos;
    pthread_mutex_unlock(&world.lock);
    return version;
}

/* ---- the check at the end ---- */

static void let_pending_things_end(void) {
    if (world.is_virtual) {
        sim_advance_ns(7 * NS_PER_S);
    } else {
        for (int i = 0; i < 300 && sim_counter("live_io_threads") > 0; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
    }
    workers_reap(false);
}

EXPORT int64_t sim_check_clean(void) {
    let_pending_things_end();
    int64_t dirt = 0;
    for (size_t i = 0; sim_counter_name(i) != NULL; i++) {
        const char *name = sim_counter_name(i);
        int64_t value = sim_counter(name);
        bool matters = strncmp(name, "live_", 5) == 0 || strncmp(name, "fault_", 6) == 0 ||
                       strcmp(name, "deadlocks") == 0 || strcmp(name, "stalls") == 0 ||
                       strcmp(name, "rt_violations") == 0;
        if (matters && value != 0) {
            report_line("not clean: %s is %lld", name, (long long)value);
            dirt += value > 0 ? value : -value;
        }
    }
    cf_report_leaks();
    return dirt;
}
