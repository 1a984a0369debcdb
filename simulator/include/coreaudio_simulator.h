/*
 * coreaudio_simulator.h: control of a CoreAudio that is not there.
 *
 * libcoreaudio_simulated exports the C symbols of CoreAudio's HAL, of the part of CoreFoundation
 * that HAL clients use, of Mach time and of os_workgroup, with Apple's signatures
 * (src/coreaudio_abi/ coreaudio_abi.h). A client needs nothing from this file. Tests do: they
 * choose the devices, the clock and the misbehaviour, step the time, and read what happened.
 *
 * THREADS  Every function here may be called from any thread unless it says otherwise. None may be
 *          called from inside an IOProc except sim_spend_ns, sim_now_ns, sim_counter and the pure
 *          encode/decode functions.
 * UNITS    Times are nanoseconds of simulated time (`_ns`) unless a name says `_real_ms` or ticks.
 *          A frame is one sample for each channel. A sample time counts frames of one device run.
 * ERRORS   Functions that return int give 0 on success and -1 on failure, and then leave one line
 *          that says why in the report (sim_report).
 * STRINGS  UTF-8. Those that come back belong to the library and live until the next sim_reset,
 *          except where a buffer is passed in.
 *
 * One test, in order: sim_configure(seed); sim_use_virtual_time(); sim_load_fixture(1); let the
 * client open and start; sim_advance_ns(...); read captures and counters; let the client close;
 * sim_check_clean() must return 0.
 */
#ifndef COREAUDIO_SIMULATOR_H
#define COREAUDIO_SIMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIM_API __attribute__((visibility("default")))
#define SIM_FOREVER UINT64_MAX

/* ---- The world ------------------------------------------------------------------------------ */

/* Back to a world as after loading: no devices, no listeners, default switches, real time, timebase
 * 1/1, newest macOS, empty report, all counters zero. Client threads that are blocked in a call of
 * the HAL are released first (a hung call fails with '!obj'), then IO threads and notification
 * threads end. CoreFoundation objects that the client leaked are freed. Not from a callback. */
SIM_API void sim_reset(void);

/* sim_reset, then every switch is set by `seed`; the same seed gives the same world on every
 * machine. Seed 0 sets the defaults. Switches that are faults (a device that hangs, a deadlock that
 * aborts) are never chosen by a seed: set them by name. */
SIM_API void sim_configure(uint64_t seed);
SIM_API uint64_t sim_seed(void);

/* One switch by name, see sim_switch_name or README.md. sim_set fails for an unknown name or a
 * value out of range; sim_get gives INT64_MIN for an unknown name. A switch acts from the next call
 * or event on, so set it before the client acts. */
SIM_API int sim_set(const char *name, int64_t value);
SIM_API int64_t sim_get(const char *name);

/* The table of switches. NULL past the end. `sim_switch_meaning` says what the values mean and
 * which item of the specification it plays. */
SIM_API const char *sim_switch_name(size_t index);
SIM_API const char *sim_switch_meaning(size_t index);

/* The macOS that is emulated, as major*100 + minor: 1100, 1200, 1300, 1400, 1402, 1500, 2600 (the
 * default). Hides what is newer: properties answer 'who?' and sim_dlsym gives NULL. (dlsym itself
 * cannot hide at run time; of the symbols that are exported so far, none is newer than macOS 11.)
 */
SIM_API int sim_set_macos(int version);
SIM_API int sim_macos(void);

/* The address of an exported symbol of CoreAudio, CoreFoundation or libSystem, as dlsym would give
 * it on the emulated macOS: NULL when unknown there. Give it to a client that takes its lookup as a
 * function. */
SIM_API void *sim_dlsym(const char *name);
/* The first macOS that has the symbol (1000 for older than 11), 0 when the simulator has none. */
SIM_API int sim_symbol_since(const char *name);

/* ---- Devices -------------------------------------------------------------------------------- */

/* Adds the devices of a fixture (README.md lists them with their UIDs) and makes its first output
 * and input the default ones where there were none. May be called several times for several
 * fixtures. Fails for a number that has no fixture. */
SIM_API int sim_load_fixture(int number);

/* Adds one device from `key=value` pairs separated by ';', and returns its object ID, 0 on a
 * mistake in the description. Example: "uid=test; name=Test; in=2; out=2,2,8; rates=44100,48000".
 * The keys are in README.md. Posts the device-list notification. */
SIM_API uint32_t sim_add_device(const char *description);

/* Takes a device away: its IO ends without a stop, its objects die, `livn`, `dev#` and the defaults
 * notify. Its captures stay readable by the same ID until sim_reset. */
SIM_API int sim_remove_device(uint32_t device);
/* Brings a removed device back: same UID, new object IDs. Returns the new ID, 0 on failure. */
SIM_API uint32_t sim_replug_device(uint32_t device);
/* coreaudiod ends and starts again: every device is another object with the same UID, IO ceases
 * without notice, 'srst' notifies, and behind it listeners and 'rnlp' are as if never set (see the
 * switch `restart_listeners`). Captures stay readable by the old IDs. */
SIM_API void sim_restart_service(void);

SIM_API uint32_t sim_find_device(const char *uid); /* of a living device, 0 when there is none */
/* `selector` is 'dOut', 'dIn ' or 'sOut'; device 0 is "no default", until the next device comes or
 * goes: then a default that is not there is chosen anew. Notifies. */
SIM_API int sim_set_default(uint32_t selector, uint32_t device);
/* Chooses a data source as the user would (plugging headphones), 'ssrc' notifies. */
SIM_API int sim_set_data_source(uint32_t device, uint32_t source);
/* Another process asks for a rate: the device changes as in S8 without the client having asked. */
SIM_API int sim_change_rate(uint32_t device, double rate_hz);
/* Posts a change notification without any change, e.g. 'diff'. Addresses as in CoreAudio. */
SIM_API int sim_notify(uint32_t object, uint32_t selector, uint32_t scope, uint32_t element);

/* From now on AudioDeviceStart (`what` = 0), or every get of the selector `what`, blocks for
 * `duration_ns` of simulated time; SIM_FOREVER until sim_release_hung, sim_remove_device or
 * sim_reset. duration 0 ends it for later calls. A blocked call releases no client lock, as little
 * as the real one does. */
SIM_API int sim_hang(uint32_t device, uint32_t what, uint64_t duration_ns);
/* Ends every hang at once: blocked calls go on as if their time had come, later ones do not block.
 */
SIM_API void sim_release_hung(void);

/* Another process (any `pid` that is not ours) takes a device for itself; -1 gives it back. Sets
 * then fail with '!hog', and so does AudioDeviceStart. */
SIM_API int sim_hog(uint32_t device, int32_t pid);

/* From now on this address of this object answers `status`, or `size` bytes of any content; its
 * size query says `said_size`, true or not. For fuzzing a client: what is behind pointers or IDs in
 * the bytes is the test's affair. The newest override of an address wins; sim_reset ends all. */
SIM_API int sim_override_property(uint32_t object, uint32_t selector, uint32_t scope,
                                  uint32_t element, int32_t status, uint32_t said_size,
                                  const void *bytes, uint32_t size);

/* A call of a function by name ("AudioDeviceStart") fails with `status` before it does anything:
 * the first `skip` calls go through, the `times` after them fail (UINT32_MAX: all). For functions
 * of the HAL that return OSStatus; others ignore or misread it. sim_reset ends it. */
SIM_API int sim_fail_call(const char *function, int32_t status, uint32_t skip, uint32_t times);

/* What the input of a device is made of, for all of its streams. */
enum sim_input {
    SIM_INPUT_ENCODED = 0,  /* every sample says what it is, see sim_encode (the default) */
    SIM_INPUT_SILENCE = 1,  /* exact zeros */
    SIM_INPUT_LOOPBACK = 2, /* the output of the same channel, output + input latency later */
    SIM_INPUT_SINE = 3,     /* 0.5 sin(2 pi 1000 Hz t) by sample time, each channel alike */
};
SIM_API int sim_set_input(uint32_t device, enum sim_input input);

/* The next cycle of a running device overloads: 'over' notifies on the IO thread and `cycles`
 * cycles are skipped (0: a spurious overload, nothing is lost). */
SIM_API int sim_inject_overload(uint32_t device, uint32_t cycles);

/* ---- Time ----------------------------------------------------------------------------------- */

/* Real time (the default): things happen by the monotonic clock, on a thread of the simulator. */
SIM_API void sim_use_real_time(void);

/* Virtual time: nothing happens until a test steps it. IOProcs and listeners still run on their own
 * native threads, exactly one at a time, while the stepping thread waits for each to finish; all
 * events happen in one order that depends on the seed and the calls alone. Host time starts at one
 * hour. Switch before devices run. */
SIM_API void sim_use_virtual_time(void);

/* Ticks = ns * denominator / numerator: 1/1 is Intel, 125/3 is Apple silicon. Before devices run.
 */
SIM_API int sim_set_timebase(uint32_t numerator, uint32_t denominator);

/* Steps virtual time by `ns`, doing all that falls due on the way, then returns. Fails in real
 * time, from a callback, and when a callback did not return within the switch `stall_real_ms` (the
 * stack is in the report).
 *
 * A client thread that blocks inside a call (a hung Start, a delayed Start, mach_wait_until,
 * CFRunLoopRunInMode) is released when the time that it waits for is
 * stepped over; the stepper goes on when it has left the wait, not when the client's next call
 * comes. So a test of a blocking call: thread A calls; the test waits with sim_wait_blocked(1,
 * ...), then steps. A client's own deadline on *real* time keeps running while nobody steps: that
 * is how its timeout on a hung Start is tested without any virtual time passing at all.
 *
 * With the switch `auto_advance` a thread that blocks, while nobody steps, steps by itself: a
 * program with one thread that only waits with mach_wait_until or CFRunLoopRunInMode then runs
 * unchanged. */
SIM_API int sim_advance_ns(uint64_t ns);

/* Virtual time runs by itself, `factor` times as fast as real time, stepped by a thread of the
 * simulator, until sim_stop_clock or sim_reset. For clients that wait in real time for what happens
 * in virtual time (a first callback with a deadline): seconds of delay pass in milliseconds. Events
 * keep their order among each other; how they interleave with the client's calls is then not fixed.
 * Both functions from one thread, not from a callback. */
SIM_API int sim_start_clock(double factor);
SIM_API void sim_stop_clock(void);

/* Simulated time now; in a callback, the time it has reached (see sim_spend_ns). */
SIM_API uint64_t sim_now_ns(void);
SIM_API uint64_t sim_ticks_from_ns(uint64_t ns);

/* Waits (real time, at most `timeout_real_ms`) until at least `threads` client threads are blocked
 * in simulated waits. Returns how many are. */
SIM_API size_t sim_wait_blocked(size_t threads, uint32_t timeout_real_ms);

/* In an IOProc or a listener, in virtual time: this callback took that long. More than the duration
 * of the IO cycle makes it late, and the device overloads. In real time: busy-waits. */
SIM_API void sim_spend_ns(uint64_t ns);

/* ---- The oracle: input ----------------------------------------------------------------------- */

/*
 * Every input sample is one of 2^30 float32 values that no two places share for 262144 frames:
 *
 *   code = serial << 26 | stream << 22 | channel << 18 | (sample time mod 2^18)
 *   bits of the float32:  sign = code bit 29,  exponent field = 126 - (code bits 28..23),
 *                         fraction = code bits 22..0
 *
 * All are normal numbers with 2^-64 <= |x| < 1, exact in float32 and float64, unharmed by
 * flush-to-zero, and never zero: silence is not a sample. `serial` is the device's number (1..15,
 * in the order of creation, kept by a replug; sim_device_serial), `stream` the index among the
 * input streams, `channel` the 0-based channel in the stream.
 */
SIM_API float sim_encode(uint32_t serial, uint32_t stream, uint32_t channel, int64_t sample_time);
/* False when the value is no encoded sample (e.g. zero). Any pointer may be NULL. */
SIM_API bool sim_decode(float sample, uint32_t *serial, uint32_t *stream, uint32_t *channel,
                        uint32_t *sample_time_mod_262144);
SIM_API uint32_t sim_device_serial(uint32_t device);

/* ---- The oracle: output ---------------------------------------------------------------------- */

/* One run of a device: from the start of its IO thread to its end. A change of the rate, a restart
 * and a replug each begin a new run with a new timeline and a new native thread. */
typedef struct sim_run {
    uint64_t thread;          /* an ID of the native thread, different in each run */
    double rate_hz;           /* nominal */
    double true_rate_hz;      /* what the device's crystal really does, without wander */
    double first_sample_time; /* of the output that is captured, frames */
    uint64_t frames;          /* captured so far, gaps included */
    uint64_t gap_frames;      /* of these, frames that no IO cycle delivered in time */
    uint64_t first_emission_ns;
    uint64_t cycles;         /* IO cycles that called at least one IOProc */
    uint64_t skipped_frames; /* by overloads */
    bool running;
} sim_run;
SIM_API size_t sim_run_count(uint32_t device);
SIM_API int sim_run_info(uint32_t device, size_t run, sim_run *info);

/* What was sent to one channel of one output stream, mixed over all IOProcs, before volume and
 * mute. Copies the frames from `first` (0 = first_sample_time) on; returns how many there were.
 * `present`, where not NULL, gets 1 for a frame that an IO cycle delivered in time and 0 for a gap
 * (whose sample is 0.0). Only the last `capture_limit_frames` (a switch) of a run are kept: earlier
 * frames read as gaps. */
SIM_API size_t sim_capture_read(uint32_t device, size_t run, uint32_t stream, uint32_t channel,
                                uint64_t first, size_t frames, float *samples, uint8_t *present);
/* When a frame of output with this sample time leaves the hardware, on the device's true clock: the
 * device's and the stream's latency after it was read from the buffer. */
SIM_API uint64_t sim_emission_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);
/* When the frame of input with this sample time entered the hardware. */
SIM_API uint64_t sim_arrival_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);

/* ---- What happened --------------------------------------------------------------------------- */

/* A counter by name; -1 for an unknown one. sim_counter_name lists them, NULL past the end.
 * Those named `live_*` count what is there now; `fault_*` count client mistakes. */
SIM_API int64_t sim_counter(const char *name);
SIM_API const char *sim_counter_name(size_t index);

/* The text log since sim_reset: one line for each fault of the client, deadlock (with stacks), leak
 * and failed sim_* call. Copies what fits into `text` (terminated) and returns the length of all of
 * it. Nothing is ever printed, except before an abort that a switch asked for. */
SIM_API size_t sim_report(char *text, size_t size);

/* After the client has closed everything. Steps pending notifications away, adds a line to the
 * report for each IOProc, listener, CoreFoundation object, workgroup membership, hog or IO thread
 * that is still there, and returns how many of them and of all `fault_*` there are: 0 is clean. */
SIM_API int64_t sim_check_clean(void);

/* ---- Hooks ----------------------------------------------------------------------------------- */

/* For libcoreaudio_simulated_hooks (LD_PRELOAD) and for instrumented clients: true on an IO thread
 * inside a client's callback, where `what` may not be done; counts and logs it. Cheap
 * everywhere else. */
SIM_API bool sim_realtime_violation(const char *what);
/* The calling thread begins (owner = native ID of the thread that holds it) or ends (owner = 0) to
 * wait for a lock of the client's own. Makes the deadlock detector exact for that lock. True when
 * the wait can never end; the report then has both stacks. */
SIM_API bool sim_client_lock_wait(long owner_thread);

#ifdef __cplusplus
}
#endif
#endif
