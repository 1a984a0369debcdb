/* switches.c: one switch for each behaviour of the HAL on which the sources disagree or say
 * nothing. */
#include "world.h"

typedef struct row {
    const char *name, *meaning;
    int64_t standard, low, high;
    int64_t seeded[6]; /* a seed chooses one of them; none if seeded_count is 0 */
    int seeded_count;
} row;

#define S(...) {__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define FIXED {0}, 0
#define MS 1000000ll
#define ROW(n, standard, low, high, seeded, meaning)                                               \
    [SW_##n] = {#n, meaning, standard, low, high, seeded}

static const row rows[SW_COUNT] = {
    ROW(dead_device_error, 0, 0, 1, S(0, 1),
        "S2 g: AudioDevice* on a dead or unknown ID: 0 '!obj', 1 '!dev'"),
    ROW(set_readonly_error, 0, 0, 2, S(0, 1, 2),
        "S2 g: set of a read-only property: 0 'who?', 1 'unop', 2 'nope'"),
    ROW(unsupported_rate, 0, 0, 3, S(0, 1, 2, 3),
        "S2 g: set of a rate that is not offered: 0 'nope', 1 noErr and never changes, 2 noErr and "
        "the nearest rate, 3 '!dat'"),
    ROW(start_at_time, 0, 0, 2, S(0, 1, 2),
        "S2 g: AudioDeviceStartAtTime: 0 works, 1 'unop', 2 'stop' while nothing runs"),
    ROW(remove_dead_listener, 0, 0, 1, S(0, 1),
        "S2 P6: remove a listener of a dead object: 0 '!obj', 1 noErr"),
    ROW(device_elements, 1, 0, 1, S(0, 1),
        "S1 g: properties of the whole device answer 0 for element 0 only, 1 for any element"),
    ROW(internal_selectors, 0, 0, 1, FIXED,
        "S1 g: 'lisa' and 'lisr' (the HAL's own) and 'rbuf' 0 do not exist, 1 do"),
    ROW(guessed_settable, 0, 0, 1, S(0, 1),
        "S1 g: a property of which nothing says whether it is settable 0 is, 1 is or is not, by "
        "seed and selector"),
    ROW(hog_error, 0, 0, 1, S(0, 1),
        "S15 g: set of 'oink' while another process has hog mode: 0 noErr, 1 '!hog'"),
    ROW(format_delay_ns, 0, 0, 5000 * MS, S(0, 0, 20 * MS, 300 * MS),
        "S8: a new format takes effect that long after the set returned; 0 with a device that does "
        "not run: at once"),
    ROW(buffer_out_of_range, 0, 0, 1, S(0, 1),
        "S8 P14: set of a buffer size that is out of range: 0 clamped, 1 'nope'"),
    ROW(duplicate_io_proc, 0, 0, 1, S(0, 1),
        "S5: the same function and client data made into a second IOProc: 0 works, 1 'nope'"),
    ROW(profile_delay_ns, 50 * MS, 0, 10000 * MS, S(0, 50 * MS, 700 * MS),
        "S10 P33: a headset changes its profile that long after its microphone is used or "
        "released"),
    ROW(wake_io, 0, 0, 1, S(0, 1),
        "S10 P32: after sleep 0 IO resumes on a new thread, 1 no callback comes until the IOProcs "
        "are stopped and started again"),
    ROW(wake_delay_ns, 500 * MS, 0, 10000 * MS, S(0, 500 * MS, 3000 * MS),
        "S10: IO resumes that long after the wake-up"),
    ROW(wake_start, 0, 0, 2, S(0, 1, 2),
        "S10 P32: new IO in the 5 s after the wake-up 0 works, 1 AudioDeviceStart fails, 2 input "
        "and output are silent"),
    ROW(wake_ids, 0, 0, 1, S(0, 1),
        "S10 P21: after sleep USB and Bluetooth devices 0 are the same objects, 1 have gone and "
        "come back with new IDs"),
    ROW(tap_delay_ns, 0, 0, 10000 * MS, S(0, 20 * MS, 300 * MS, 2500 * MS),
        "S13 P37: the format of a tap can be read, and the tap hears, that long after its "
        "creation"),
    ROW(tap_early, 0, 0, 1, S(0, 1), "S13 P37: until then the format answers 0 '!obj', 1 'who?'"),
    ROW(tap_added_later, 0, 0, 1, S(0, 1),
        "S13 P37: a tap that was added to an aggregate after its creation records 0 zeros, 1 "
        "sound"),
    ROW(tap_dead_process, 0, 0, 1, S(0, 1),
        "S13 g: a tap of a process that has gone 0 is made without it, 1 '!obj'"),
    ROW(tap_consent_set, 0, 0, 2, S(0, 1, 2),
        "S11 P37 g: a set of a tap's description without consent 0 succeeds, 1 'nope', 2 "
        "'!hog'"),
    ROW(consent_start, 0, 0, 1, S(0, 1),
        "S11 g: AudioDeviceStart with input while the user has not decided 0 returns and the input "
        "is zeros, 1 blocks until the decision"),
    ROW(aggregate_delay_ns, 0, 0, 10000 * MS, S(0, 20 * MS, 2000 * MS),
        "S12 P34: an aggregate exists that long after its creation, a change of its composition "
        "or, "
        "until it has gone, its destruction"),
    ROW(aggregate_early, 0, 0, 1, S(0, 1), "S12 P34: until then it answers 0 '!obj', 1 'who?'"),
    ROW(aggregate_cycles, 0, 0, 1, S(0, 1),
        "S12 P15: with drift compensation the size of the cycles 0 is constant, 1 varies by a "
        "frame"),
    ROW(stop_mode, 0, 0, 1, S(0, 1),
        "S6 P7: AudioDeviceStop off the IO thread: 0 synchronous, 1 up to stop_extra_cycles "
        "callbacks follow its return"),
    ROW(stop_extra_cycles, 2, 1, 100, S(1, 2, 5), "S6 P7: callbacks after an asynchronous stop"),
    ROW(start_block_ns, 0, 0, 600000 * MS, S(0, 0, 20 * MS, 700 * MS),
        "S5 P10: AudioDeviceStart blocks that long"),
    ROW(first_callback_delay_ns, 0, 0, 60000 * MS, S(0, 0, 30 * MS, 900 * MS),
        "S5 P10: the first callback comes that long after Start's return"),
    ROW(callbacks_never, 0, 0, 2, FIXED,
        "S5 P10 P14: 1 Start succeeds and no callback ever comes, 2 none comes unless this process "
        "has set the buffer size"),
    ROW(hang_holds_io_mutex, 0, 0, 1, S(0, 1),
        "S6 g: 1 a Start that blocks holds the device's IO mutex meanwhile"),
    ROW(listener_thread, 0, 0, 1, S(0, 1),
        "S7 P4: 0 listeners run where 'rnlp' says, 1 (with 'rnlp' NULL) each call on a thread of "
        "its own"),
    ROW(listener_addresses, 0, 0, 2, S(0, 1, 2),
        "S7 P5: a listener gets 0 the addresses that it registered for, 1 all that changed, 2 "
        "these and one unrelated"),
    ROW(listener_after_remove, 0, 0, 1, S(0, 1),
        "S7 P6: 1 a notification that has begun still calls a listener after its removal returned"),
    ROW(notify_delay_ns, 1 * MS, 0, 5000 * MS, S(0, 1 * MS, 40 * MS, 500 * MS),
        "S7: a notification comes that long after the change"),
    ROW(notify_burst, 1, 1, 50, S(1, 1, 20), "S7: a change is notified so many times"),
    ROW(notify_duplicates, 0, 0, 1, S(0, 1), "S7: 1 each address comes twice in a notification"),
    ROW(notify_order, 0, 0, 3, S(0, 1, 2, 3),
        "S7 P29: rotates the order of the notifications when a device goes or comes"),
    ROW(rate_delay_ns, 20 * MS, 0, 30000 * MS, S(0, 20 * MS, 300 * MS, 3000 * MS),
        "S8 P11: a new rate takes effect that long after the set returned"),
    ROW(rate_pause_ns, 30 * MS, 0, 5000 * MS, S(0, 30 * MS, 200 * MS),
        "S8 P11: IO pauses that long around the change"),
    ROW(rate_outcome, 0, 0, 3, S(0, 0, 0, 1, 2, 3),
        "S8: a change of rate 0 happens, 1 never does, 2 ends at another rate, 3 is reverted by "
        "another "
        "process after 100 ms"),
    ROW(rate_batch, 0, 0, 1, S(0, 1),
        "S8 g: after a change of rate: 0 one notification for each property, 1 one with all of "
        "them"),
    ROW(rate_partial_cycle, 0, 0, 1, S(0, 1),
        "S8: 1 IO ends with a shorter cycle before the pause"),
    ROW(getter_lag_ns, 0, 0, 5000 * MS, S(0, 0, 50 * MS),
        "S8 P11: the getter still gives the old rate that long after the change was notified"),
    ROW(buffer_change, 0, 0, 2, S(0, 1, 2),
        "S8 P14: set of the buffer size: 0 at once, between two cycles, 1 after buffer_delay_ns, 2 "
        "with a "
        "restart of IO on a new thread"),
    ROW(buffer_delay_ns, 10 * MS, 0, 5000 * MS, S(1 * MS, 10 * MS, 200 * MS),
        "S8: see buffer_change"),
    ROW(buffer_range_follows_rate, 0, 0, 1, S(0, 1),
        "S8: 1 the largest buffer doubles above 48 kHz and again above 96 kHz"),
    ROW(restart_sample_time, 0, 0, 1, S(0, 1),
        "S8: the sample time of a new run 0 restarts, 1 jumps ahead"),
    ROW(host_time, 0, 0, 2, S(0, 0, 1, 2),
        "S5 P23: input and output times have 0 a host time, 1 none (flag clear), 2 one in the "
        "past"),
    ROW(empty_list, 0, 0, 1, S(0, 1),
        "S5 g: the buffer list of a direction without streams: 0 has no buffers, 1 is NULL"),
    ROW(overload_output, 0, 0, 1, S(0, 1),
        "S9 g: the output of a late cycle is 0 lost, 1 played anyway"),
    ROW(overload_scope, 0, 0, 2, S(0, 1, 2),
        "S7 P5: 'over' comes with scope 0 global, 1 output, 2 input"),
    ROW(spurious_overload, 0, 0, 1, S(0, 1),
        "S9 P26: 1 an 'over' without loss in the second cycle"),
    ROW(first_cycle_frames, 0, 0, 1, S(0, 1),
        "S5 P15: 1 the first cycle of a run is shorter than the buffer size"),
    ROW(workgroup, 0, 0, 2, S(0, 1, 2),
        "S5 P28: IOThreadOSWorkgroup is 0 present, 1 absent, 2 a new one in every run"),
    ROW(cstring_ptr, 0, 0, 1, S(0, 1),
        "S14: CFStringGetCStringPtr gives 0 NULL, 1 a pointer where the string is ASCII"),
    ROW(fp_exceptions, 0, 0, 1, FIXED,
        "S5 P27: 1 IOProcs are called with all floating-point exceptions unmasked (x86)"),
    ROW(guard_pages, 0, 0, 1, FIXED,
        "S5: 1 buffers end at inaccessible pages, input is write-protected, a finished buffer "
        "faults; 0 "
        "guard words and poison (much faster)"),
    ROW(ppm, 0, -1000, 1000, S(0, -300, -20, 45, 120, 300),
        "S4: added to each device's own crystal error, parts per million"),
    ROW(clock_jitter_ns, 0, 0, 1 * MS, S(0, 500, 20000), "S4 P24: noise of the zero time stamps"),
    ROW(clock_wander_ppm, 0, 0, 100, S(0, 3, 20), "S4: slow wander of the crystal, period 60 s"),
    ROW(fork_action, 0, 0, 1, FIXED, "S16: a call in a forked child 0 fails with 'who?', 1 aborts"),
    ROW(deadlock_action, 0, 0, 1, FIXED,
        "S6: a deadlock 0 is reported and the call that completes it fails with 'nope', 1 is "
        "printed "
        "and aborts"),
    ROW(stall_real_ms, 5000, 1, 600000, FIXED,
        "S6: a callback that did not return for that long (real ms) while a thread waits for it "
        "counts "
        "as stuck"),
    ROW(auto_advance, 0, 0, 1, FIXED,
        "virtual time: 1 a client thread that blocks steps the time itself if no other thread "
        "does"),
    ROW(capture_limit_frames, 8 * 1024 * 1024, 1024, 1ll << 32, FIXED,
        "S17: how many frames of a run's output are kept"),
    ROW(restart_listeners, 0, 0, 1, S(0, 1),
        "S10 P31 g: a restart of coreaudiod ends 0 all listeners, 1 those of the system object "
        "stay"),
};

static enum sim_switch find(const char *name) {
    int i = 0;
    while (i < SW_COUNT && (name == NULL || strcmp(rows[i].name, name) != 0)) {
        i++;
    }
    return (enum sim_switch)i;
}

static void set(int i, int64_t value) {
    __atomic_store_n(&world.switches[i], value, __ATOMIC_RELAXED);
}

EXPORT void sim_configure(uint64_t seed) {
    sim_reset();
    pthread_mutex_lock(&world.lock);
    world.seed = seed;
    world.noise = mix64(seed);
    for (int i = 0; i < SW_COUNT; i++) {
        const row *r = &rows[i];
        int64_t value = r->standard;
        if (seed != 0 && r->seeded_count > 0) {
            /* The hash of the name decides, so that a new row does not change the results of old
             * seeds. */
            uint64_t hash = seed;
            for (const char *c = r->name; *c != 0; c++) {
                hash = mix64(hash ^ (unsigned char)*c);
            }
            value = r->seeded[hash % (uint64_t)r->seeded_count];
        }
        set(i, value);
    }
    pthread_mutex_unlock(&world.lock);
}

void switches_reset(void) {
    for (int i = 0; i < SW_COUNT; i++) {
        set(i, rows[i].standard);
    }
}

EXPORT uint64_t sim_seed(void) {
    pthread_mutex_lock(&world.lock);
    uint64_t seed = world.seed;
    pthread_mutex_unlock(&world.lock);
    return seed;
}

EXPORT int sim_set(const char *name, int64_t value) {
    enum sim_switch i = find(name);
    if (i == SW_COUNT || value < rows[i].low || value > rows[i].high) {
        report_line("sim_set: no switch %s, or %lld is out of its range", name ? name : "(null)",
                    (long long)value);
        return -1;
    }
    set((int)i, value);
    return 0;
}

EXPORT int64_t sim_get(const char *name) {
    enum sim_switch i = find(name);
    return i == SW_COUNT ? INT64_MIN : __atomic_load_n(&world.switches[i], __ATOMIC_RELAXED);
}

EXPORT const char *sim_switch_name(size_t index) {
    return index < SW_COUNT ? rows[index].name : NULL;
}

EXPORT const char *sim_switch_meaning(size_t index) {
    return index < SW_COUNT ? rows[index].meaning : NULL;
}

uint64_t mix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
