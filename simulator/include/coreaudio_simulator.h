/*
 * coreaudio_simulator.h: controls a simulated CoreAudio.
 *
 * libcoreaudio_simulated exports the C symbols of CoreAudio's HAL, of the part of CoreFoundation
 * that HAL clients use, of Mach time and of os_workgroup, with Apple's signatures
 * (src/coreaudio_abi/coreaudio_abi.h). A client needs nothing from this file. Tests use it to
 * choose devices, clock and faults, to step the time, and to read what happened.
 *
 * THREADS  Every function here may be called from any thread unless it says otherwise. Inside an
 *          IOProc, only sim_spend_ns, sim_now_ns, sim_counter and the pure encode and decode
 *          functions may be called.
 * UNITS    Times are nanoseconds of simulated time (`_ns`) unless a name says `_real_ms` or ticks.
 *          A frame is one sample for each channel. A sample time counts frames of one device run.
 * ERRORS   Functions that return int return 0 on success and -1 on failure. After a failure, the
 *          report (sim_report) has a line with the reason.
 * STRINGS  UTF-8. Returned strings belong to the library and live until the next sim_reset, except
 *          if the caller passes a buffer.
 *
 * A test calls, in this order: sim_configure(seed); sim_use_virtual_time(); sim_load_fixture(1).
 * Then the client opens and starts. The test calls sim_advance_ns(...) and reads captures and
 * counters. Then the client closes, and sim_check_clean() must return 0.
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

/* Restores the world to its state after loading: no devices, no listeners, default switches, real
 * time, timebase 1/1, newest macOS, empty report, all counters zero. First releases client threads
 * that are blocked in a call of the HAL (a hung call fails with '!obj'). Then ends the IO threads
 * and notification threads. Frees CoreFoundation objects that the client leaked. Must not be called
 * from a callback. */
SIM_API void sim_reset(void);

/* Calls sim_reset, and then sets every switch from `seed`. The same seed gives the same world on
 * every machine. Seed 0 sets the defaults. A seed never chooses switches that are faults (a device
 * that hangs, a deadlock that aborts). Set these by name. */
SIM_API void sim_configure(uint64_t seed);
SIM_API uint64_t sim_seed(void);

/* Sets or reads one switch by name (see sim_switch_name or README.md). sim_set fails for an unknown
 * name or a value out of range. sim_get returns INT64_MIN for an unknown name. A switch takes
 * effect from the next call or event on, so set it before the client acts. */
SIM_API int sim_set(const char *name, int64_t value);
SIM_API int64_t sim_get(const char *name);

/* The table of switches. Returns NULL after the last one. `sim_switch_meaning` describes the
 * values, and names the item of the specification. */
SIM_API const char *sim_switch_name(size_t index);
SIM_API const char *sim_switch_meaning(size_t index);

/* The emulated macOS, as major*100 + minor: 1100, 1200, 1300, 1400, 1402, 1500, 2600 (the default).
 * Hides what is newer: properties answer 'who?' and sim_dlsym returns NULL. (dlsym itself cannot
 * hide symbols at run time. No exported symbol so far is newer than macOS 11.) */
SIM_API int sim_set_macos(int version);
SIM_API int sim_macos(void);

/* The address of an exported symbol of CoreAudio, CoreFoundation or libSystem, as dlsym on the
 * emulated macOS would return it. NULL if that macOS does not have the symbol. Pass this function
 * to a client that accepts a lookup function. */
SIM_API void *sim_dlsym(const char *name);
/* The first macOS that has the symbol (1000 for older than 11), or 0 if the simulator does not have
 * it. */
SIM_API int sim_symbol_since(const char *name);

/* ---- Devices -------------------------------------------------------------------------------- */

/* Adds the devices of a fixture (README.md lists them with their UIDs). If there is no default
 * output or input, its first one becomes the default. May be called for several fixtures. Fails if
 * the number has no fixture. */
SIM_API int sim_load_fixture(int number);

/* Adds one device from `key=value` pairs separated by ';'. Returns its object ID, or 0 if the
 * description has a mistake. Example: "uid=test; name=Test; in=2; out=2,2,8; rates=44100,48000".
 * README.md lists the keys. Posts the notification of the device list. */
SIM_API uint32_t sim_add_device(const char *description);

/* Removes a device: its IO ends without a stop, its objects die, and `livn`, `dev#` and the
 * defaults notify. Its captures stay readable by the same ID until sim_reset. */
SIM_API int sim_remove_device(uint32_t device);
/* Brings back a removed device with the same UID and new object IDs. Returns the new ID, or 0 on
 * failure. */
SIM_API uint32_t sim_replug_device(uint32_t device);
/* Ends and restarts coreaudiod: every device becomes another object with the same UID, IO ends
 * without notice, and 'srst' notifies. After that, listeners and 'rnlp' are as if they had never
 * been set (see the switch `restart_listeners`). Captures stay readable by the old IDs. */
SIM_API void sim_restart_service(void);

SIM_API uint32_t sim_find_device(const char *uid); /* of a living device; 0 if there is none */
/* Sets a default device and notifies. `selector` is 'dOut', 'dIn ' or 'sOut'. Device 0 means "no
 * default", until the next device is added or removed: then a missing default is chosen again. */
SIM_API int sim_set_default(uint32_t selector, uint32_t device);
/* Chooses a data source as the user does (by plugging in headphones). 'ssrc' notifies. */
SIM_API int sim_set_data_source(uint32_t device, uint32_t source);
/* Another process asks for a rate: the device changes as in S8, although the client has not asked.
 */
SIM_API int sim_change_rate(uint32_t device, double rate_hz);
/* Posts a change notification without any change, for instance 'diff'. Addresses are as in
 * CoreAudio. */
SIM_API int sim_notify(uint32_t object, uint32_t selector, uint32_t scope, uint32_t element);

/* Makes AudioDeviceStart (`what` = 0), or every get of the selector `what`, block for `duration_ns`
 * of simulated time. SIM_FOREVER: until sim_release_hung, sim_remove_device or sim_reset. Duration
 * 0: later calls do not block any more. Like the real HAL, a blocked call releases no lock of the
 * client. */
SIM_API int sim_hang(uint32_t device, uint32_t what, uint64_t duration_ns);
/* Ends every hang at once: blocked calls continue as if their time had passed, and later calls do
 * not block. */
SIM_API void sim_release_hung(void);

/* Another process (any `pid` that is not ours) takes hog mode of a device. -1 releases it. In hog
 * mode, sets and AudioDeviceStart fail with '!hog'. */
SIM_API int sim_hog(uint32_t device, int32_t pid);

/* Makes this address of this object answer `status`, or `size` bytes of any content. Its size query
 * answers `said_size`, which may be wrong. This is for fuzzing a client. The test is responsible
 * for pointers and IDs in the bytes. The newest override of an address wins. sim_reset ends all. */
SIM_API int sim_override_property(uint32_t object, uint32_t selector, uint32_t scope,
                                  uint32_t element, int32_t status, uint32_t said_size,
                                  const void *bytes, uint32_t size);

/* Makes a call of a function by name ("AudioDeviceStart") fail with `status` before it does
 * anything. The first `skip` calls succeed, and the `times` calls after them fail (UINT32_MAX:
 * all). Only for functions of the HAL that return OSStatus. sim_reset ends it. */
SIM_API int sim_fail_call(const char *function, int32_t status, uint32_t skip, uint32_t times);

/* The content of a device's input, for all of its streams. */
enum sim_input {
    SIM_INPUT_ENCODED = 0,  /* every sample identifies itself, see sim_encode (the default) */
    SIM_INPUT_SILENCE = 1,  /* exact zeros */
    SIM_INPUT_LOOPBACK = 2, /* the output of the same channel, output + input latency later */
    SIM_INPUT_SINE = 3,     /* 0.5 sin(2 pi 1000 Hz t) by sample time, the same in each channel */
};
SIM_API int sim_set_input(uint32_t device, enum sim_input input);

/* Makes the next cycle of a running device overload. 'over' notifies on the IO thread, and `cycles`
 * cycles are skipped. 0: a spurious overload, in which nothing is lost. */
SIM_API int sim_inject_overload(uint32_t device, uint32_t cycles);

/* ---- Time ----------------------------------------------------------------------------------- */

/* Real time (the default): events happen by the monotonic clock, on a thread of the simulator. */
SIM_API void sim_use_real_time(void);

/* Virtual time: nothing happens until a test steps the time. IOProcs and listeners still run on
 * their own native threads, but exactly one at a time, while the stepping thread waits for each of
 * them. The order of all events depends only on the seed and the calls. Host time starts at one
 * hour. Call it before devices run. */
SIM_API void sim_use_virtual_time(void);

/* Ticks = ns * denominator / numerator. 1/1 is Intel, 125/3 is Apple silicon. Call it before
 * devices run. */
SIM_API int sim_set_timebase(uint32_t numerator, uint32_t denominator);

/* Steps virtual time by `ns`, runs everything that becomes due, and returns. Fails in real time, in
 * a callback, and if a callback did not return within the switch `stall_real_ms` (the report has
 * its stack).
 *
 * A client thread may block inside a call (a hung or delayed Start, mach_wait_until,
 * CFRunLoopRunInMode). It is released when the time that it waits for is stepped over. The stepper
 * continues when the thread has left the wait, not when the client makes its next call. So this is
 * the test of a blocking call: thread A calls; the test waits with sim_wait_blocked(1, ...) and
 * then steps. A client's own deadline in *real* time passes while nothing is stepped. So its
 * timeout for a hung Start can be tested without virtual time.
 *
 * With the switch `auto_advance`, a thread that blocks while no other thread steps will step the
 * time itself. So a program with one thread that only waits with mach_wait_until or
 * CFRunLoopRunInMode runs unchanged. */
SIM_API int sim_advance_ns(uint64_t ns);

/* Makes virtual time run by itself, `factor` times as fast as real time, on a thread of the
 * simulator, until sim_stop_clock or sim_reset. This is for clients that wait in real time for an
 * event in virtual time (a first callback with a deadline): seconds of delay pass in milliseconds.
 * Events keep their order, but the order of events and client calls is not fixed. Call both
 * functions on one thread, and not in a callback. */
SIM_API int sim_start_clock(double factor);
SIM_API void sim_stop_clock(void);

/* Simulated time now. In a callback it includes the time that the callback has spent
 * (sim_spend_ns). */
SIM_API uint64_t sim_now_ns(void);
SIM_API uint64_t sim_ticks_from_ns(uint64_t ns);

/* Waits (in real time, at most `timeout_real_ms`) until at least `threads` client threads are
 * blocked in simulated waits. Returns their number. */
SIM_API size_t sim_wait_blocked(size_t threads, uint32_t timeout_real_ms);

/* In an IOProc or a listener, in virtual time: says that this callback took so long. If that is
 * longer than the IO cycle, the callback is late and the device overloads. In real time:
 * busy-waits. */
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
/* Returns false if the value is no encoded sample (zero, for instance). Any pointer may be NULL. */
SIM_API bool sim_decode(float sample, uint32_t *serial, uint32_t *stream, uint32_t *channel,
                        uint32_t *sample_time_mod_262144);
SIM_API uint32_t sim_device_serial(uint32_t device);

/* ---- The oracle: output ---------------------------------------------------------------------- */

/* One run of a device: from the start of its IO thread to its end. A change of the rate, a restart
 * and a replug each begin a new run, with a new time line and a new native thread. */
typedef struct sim_run {
    uint64_t thread;          /* a number of the native thread, different in each run */
    double rate_hz;           /* nominal */
    double true_rate_hz;      /* the real rate of the device's crystal, without wander */
    double first_sample_time; /* of the captured output, frames */
    uint64_t frames;          /* captured so far, including gaps */
    uint64_t gap_frames;      /* captured frames that no IO cycle delivered in time */
    uint64_t first_emission_ns;
    uint64_t cycles;         /* IO cycles that called at least one IOProc */
    uint64_t skipped_frames; /* frames skipped by overloads */
    bool running;
} sim_run;
SIM_API size_t sim_run_count(uint32_t device);
SIM_API int sim_run_info(uint32_t device, size_t run, sim_run *info);

/* Reads what was sent to one channel of one output stream: the mix of all IOProcs before volume and
 * mute. Copies the frames from `first` (0 = first_sample_time) on. Returns their number. `present`,
 * if not NULL, gets 1 for a frame that an IO cycle delivered in time, and 0 for a gap (whose sample
 * is 0.0). Only the last `capture_limit_frames` (a switch) of a run are kept. Earlier frames read
 * as gaps. */
SIM_API size_t sim_capture_read(uint32_t device, size_t run, uint32_t stream, uint32_t channel,
                                uint64_t first, size_t frames, float *samples, uint8_t *present);
/* The time at which the output frame with this sample time leaves the hardware, on the device's
 * true clock: it is read from the buffer earlier by the latencies of the device and the stream. */
SIM_API uint64_t sim_emission_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);
/* The time at which the input frame with this sample time entered the hardware. */
SIM_API uint64_t sim_arrival_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);

/* ---- What happened --------------------------------------------------------------------------- */

/* A counter by name; -1 for an unknown one. sim_counter_name lists the names, and returns NULL
 * after the last one. `live_*` count what exists now. `fault_*` count mistakes of the client. */
SIM_API int64_t sim_counter(const char *name);
SIM_API const char *sim_counter_name(size_t index);

/* The log since sim_reset: one line for each fault of the client, deadlock (with stacks), leak and
 * failed sim_* call. Copies as much as fits into `text` (terminated) and returns the length of the
 * whole log. The simulator prints nothing, except before an abort that a switch asked for. */
SIM_API size_t sim_report(char *text, size_t size);

/* Call it after the client has closed everything. Delivers pending notifications. For each IOProc,
 * listener, CoreFoundation object, workgroup membership, hog or IO thread that still exists, adds a
 * line to the report. Returns the number of these and of all `fault_*`. 0 means clean. */
SIM_API int64_t sim_check_clean(void);

/* ---- Hooks ----------------------------------------------------------------------------------- */

/* For libcoreaudio_simulated_hooks (LD_PRELOAD) and for instrumented clients. Returns true on an IO
 * thread inside a client's callback, where `what` is not allowed, and then counts and logs it. On
 * all other threads it takes little time. */
SIM_API bool sim_realtime_violation(const char *what);
/* The calling thread begins (owner = native ID of the thread that holds it) or ends (owner = 0) a
 * wait for a lock of the client. This makes the deadlock detector exact for that lock. Returns true
 * if the wait can never end. Then the report has both stacks. */
SIM_API bool sim_client_lock_wait(long owner_thread);

#ifdef __cplusplus
}
#endif
#endif
