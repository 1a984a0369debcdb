/*
 * coreaudio_simulator.h: controls a simulated CoreAudio.
 *
 * libcoreaudio_simulated exports the C symbols of CoreAudio's HAL, of the part of CoreFoundation
 * that HAL clients use, of Mach time and of os_workgroup, with Apple's signatures
 * (src/coreaudio_abi/coreaudio_abi.h). A client needs nothing from this file. Tests use this file
 * to choose devices, clock and faults, to step the time, and to read what happened.
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
 * counters. Then the client closes, and sim_check_clean() must return 0. */
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
 * effect with the next call or event, so set the switch before the client acts. */
SIM_API int sim_set(const char *name, int64_t value);
SIM_API int64_t sim_get(const char *name);

/* Reads the table of switches. Returns NULL after the last switch. `sim_switch_meaning` describes
 * the values and names the item of the specification. */
SIM_API const char *sim_switch_name(size_t index);
SIM_API const char *sim_switch_meaning(size_t index);

/* Sets the emulated macOS, as major*100 + minor: 1100, 1200, 1300, 1400, 1402, 1500, 2600 (the
 * default). Hides everything that is newer: properties answer 'who?' and sim_dlsym returns NULL.
 * (dlsym itself cannot hide symbols at run time. The functions of process taps, which are newer
 * than macOS 11, fail with 'unop'.) */
SIM_API int sim_set_macos(int version);
SIM_API int sim_macos(void);

/* Returns the address of an exported symbol of CoreAudio, CoreFoundation or libSystem, as dlsym on
 * the emulated macOS would return it, or NULL if that macOS does not have the symbol. Pass this
 * function to a client that accepts a lookup function. */
SIM_API void *sim_dlsym(const char *name);
/* Returns the first macOS that has the symbol (1000: older than macOS 11), or 0 if the simulator
 * does not export the symbol. */
SIM_API int sim_symbol_since(const char *name);

/* ---- Devices -------------------------------------------------------------------------------- */

/* Adds the devices of a fixture (README.md lists them with their UIDs). If there is no default
 * output or input, the first such device of the fixture becomes the default. Several fixtures can
 * be loaded. Fails if no fixture has this number. */
SIM_API int sim_load_fixture(int number);

/* Adds one device from `key=value` pairs separated by ';'. Returns its object ID, or 0 if the
 * description has a mistake. Example: "uid=test; name=Test; in=2; out=2,2,8; rates=44100,48000".
 * README.md lists the keys. Notifies that the device list has changed. */
SIM_API uint32_t sim_add_device(const char *description);

/* Removes a device. Its IO ends without a stop, and its objects die. `livn`, `dev#` and the
 * properties of default devices notify. Its captures stay readable by the same ID until sim_reset.
 */
SIM_API int sim_remove_device(uint32_t device);
/* Brings back a removed device with the same UID and new object IDs. Returns the new ID, or 0 on
 * failure. */
SIM_API uint32_t sim_replug_device(uint32_t device);
/* Ends and restarts coreaudiod. Every device becomes another object with the same UID, IO ends
 * without notice, and 'srst' notifies. The listeners and 'rnlp' of the client are lost (but see the
 * switch `restart_listeners`). Captures stay readable by the old IDs. */
SIM_API void sim_restart_service(void);

/* Puts the computer to sleep. The IO of all devices ends without notice, and no IO begins. Sleep
 * because nobody uses the computer (`forced` false) fails with -1 if a device runs and the client
 * has forbidden it ('slep'). Host time does not advance during sleep, so do not step. */
SIM_API int sim_sleep(bool forced);
/* Wakes the computer up. The switches `wake_io`, `wake_delay_ns`, `wake_start` and `wake_ids`
 * decide what becomes of the devices and their IO. */
SIM_API int sim_wake(void);

/* The user's consent to the microphone. Without it, every call succeeds and all input is zero. The
 * switch `consent_start` decides what AudioDeviceStart does before the user has decided. */
enum sim_consent { SIM_GRANTED = 0, SIM_DENIED = 1, SIM_UNDETERMINED = 2 };
SIM_API int sim_set_consent(enum sim_consent consent);
/* The user's consent to the recording of other processes' sound. It is a consent of its own.
 * Without it, every call succeeds and taps are silent. */
SIM_API int sim_set_tap_consent(enum sim_consent consent);

/* Adds another process that uses the HAL, and returns the ID of its object, or 0 on failure. A
 * process has the devices that sim_process_io says: it records from the first one and plays to the
 * second one (0: none). The end of a process releases its hog mode. */
SIM_API uint32_t sim_add_process(int32_t pid, const char *bundle_id);
SIM_API int sim_process_io(int32_t pid, uint32_t input_device, uint32_t output_device);
SIM_API int sim_remove_process(int32_t pid);
/* Sets a volume or a mute of a device on behalf of another process. */
SIM_API int sim_set_volume(uint32_t device, uint32_t scope, uint32_t element, float scalar);
SIM_API int sim_set_mute(uint32_t device, uint32_t scope, uint32_t element, bool on);

/* A process with an output device plays in stereo to the first stream of the device
 * (sim_process_sound says what). */
enum { SIM_PROCESS_STREAM = 15 };
/* Returns the sample that a process plays, as a tap records it at this sample time: an encoded
 * sample has the number of the process (from 1) as its serial, and SIM_PROCESS_STREAM as stream. */
SIM_API float sim_process_sample(int32_t pid, uint32_t channel, int64_t sample_time);
/* Whether the sound of a process reaches its device: 0 if a tap mutes it, -1 if there is no such
 * process. The process that uses the simulator can be asked as well. */
SIM_API int sim_process_is_audible(int32_t pid);

/* Adds an input stream to a device, as voice processing in another process does, or removes it. IO
 * restarts. */
SIM_API int sim_voice_processing(uint32_t device, bool on);

/* Adds a box, which brings a device when a client acquires it ('bxon'), and takes it away when it
 * is released. Returns the ID of the box, or 0 on failure. */
SIM_API uint32_t sim_add_box(const char *uid, const char *name, const char *device_description);
/* Adds a clock device, which has a rate and no streams. Returns its ID, or 0 on failure. */
SIM_API uint32_t sim_add_clock_device(const char *uid, const char *name, double rate_hz);

/* Adds a transport manager, such as that of AirPlay, and returns its ID, or 0 on failure. A world
 * has none without this call. Its end points have channels and no IO; a client makes a device of
 * one or several ('cdev') and destroys it ('ddev'). A device whose last end point is removed goes.
 */
SIM_API uint32_t sim_add_transport_manager(const char *bundle_id);
SIM_API uint32_t sim_add_end_point(uint32_t transport_manager, const char *uid, const char *name,
                                   uint32_t channels_in, uint32_t channels_out);
SIM_API int sim_remove_end_point(uint32_t end_point);

SIM_API uint32_t sim_find_device(const char *uid); /* 0 if no living device has the UID */
/* Sets a default device and notifies. `selector` is 'dOut', 'dIn ' or 'sOut'. Device 0 means "no
 * default". When a device is added or removed later, a missing default is chosen again. */
SIM_API int sim_set_default(uint32_t selector, uint32_t device);
/* Chooses a data source, as if the user had plugged in headphones. 'ssrc' notifies. */
SIM_API int sim_set_data_source(uint32_t device, uint32_t source);
/* Changes the rate as S8 of the specification describes, on behalf of another process. */
SIM_API int sim_change_rate(uint32_t device, double rate_hz);
/* Posts a notification although nothing has changed, for instance 'diff'. The address has the form
 * of CoreAudio's addresses. */
SIM_API int sim_notify(uint32_t object, uint32_t selector, uint32_t scope, uint32_t element);

/* Makes AudioDeviceStart (`what` = 0), or every get of the selector `what`, block for `duration_ns`
 * of simulated time. With SIM_FOREVER, calls block until sim_release_hung, sim_remove_device or
 * sim_reset. With duration 0, later calls do not block any more. As with the real HAL, the locks of
 * the client stay held while its call blocks. */
SIM_API int sim_hang(uint32_t device, uint32_t what, uint64_t duration_ns);
/* Ends all hangs at once. Blocked calls continue as if their time had passed, and later calls do
 * not block. */
SIM_API void sim_release_hung(void);

/* Gives hog mode of a device to another process, which is any `pid` that is not ours. -1 releases
 * hog mode. While another process has it, sets and AudioDeviceStart fail with '!hog'. */
SIM_API int sim_hog(uint32_t device, int32_t pid);

/* Says whether somebody speaks into a device. The device's voice activity detector finds it, if a
 * client has enabled it ('vAd+') and the device runs. */
SIM_API int sim_speak(uint32_t device, bool speaks);

/* Overrides a property: a get returns `status` or the given `size` bytes, and a size query returns
 * `said_size`, which may be wrong. This is for fuzzing a client. The test is responsible for
 * pointers and IDs in the bytes. If an address has several overrides, the newest one counts.
 * sim_reset ends all. */
SIM_API int sim_override_property(uint32_t object, uint32_t selector, uint32_t scope,
                                  uint32_t element, int32_t status, uint32_t said_size,
                                  const void *bytes, uint32_t size);

/* Makes calls of the named function ("AudioDeviceStart") fail with `status` before they do
 * anything. The first `skip` calls succeed, and the `times` calls after them fail (UINT32_MAX:
 * all). This works for functions of the HAL that return OSStatus. sim_reset ends it, and 0 `times`
 * end it for one function. */
SIM_API int sim_fail_call(const char *function, int32_t status, uint32_t skip, uint32_t times);

/* The content of a device's input, for all of its streams. */
enum sim_input {
    SIM_INPUT_ENCODED = 0,  /* every sample identifies itself, see sim_encode (the default) */
    SIM_INPUT_SILENCE = 1,  /* exact zeros */
    SIM_INPUT_LOOPBACK = 2, /* the output of the same channel, delayed by both latencies */
    SIM_INPUT_SINE = 3,     /* 0.5 sin(2 pi 1000 Hz t), where t is the sample time */
};
SIM_API int sim_set_input(uint32_t device, enum sim_input input);
/* The same for what a simulated process plays: encoded samples (the default), silence or a sine. */
SIM_API int sim_process_sound(int32_t pid, enum sim_input sound);

/* Makes the next cycle of a running device overload. 'over' notifies on the IO thread, and `cycles`
 * cycles are skipped. With 0, the overload is spurious and nothing is lost. */
SIM_API int sim_inject_overload(uint32_t device, uint32_t cycles);

/* ---- Time ----------------------------------------------------------------------------------- */

/* Uses real time (the default). Events happen by the monotonic clock, on a thread of the simulator.
 */
SIM_API void sim_use_real_time(void);

/* Uses virtual time. Nothing happens until a test steps the time. IOProcs and listeners still run
 * on their own native threads, but exactly one at a time, while the stepping thread waits for each
 * of them. The order of all events depends only on the seed and the calls. Host time starts at one
 * hour. Call this function before devices run. */
SIM_API void sim_use_virtual_time(void);

/* Sets the timebase: ticks = ns * denominator / numerator. 1/1 is Intel's, and 125/3 is that of
 * Apple silicon. Call this function before devices run. */
SIM_API int sim_set_timebase(uint32_t numerator, uint32_t denominator);

/* Steps virtual time by `ns`, runs everything that becomes due, and returns. Fails in real time, in
 * a callback, and if a callback did not return within the switch `stall_real_ms` (the report has
 * its stack).
 *
 * A client thread may block inside a call (a hung or delayed Start, mach_wait_until,
 * CFRunLoopRunInMode). The thread continues when the stepped time reaches the end of its wait. The
 * stepper waits until the thread has left the wait, but not until the client makes its next call.
 * To test a blocking call, thread A makes the call, and the test waits with sim_wait_blocked(1,
 * ...) and then steps. A client's own deadline in *real* time also passes while nothing is stepped,
 * so its timeout for a hung Start can be tested without stepping.
 *
 * With the switch `auto_advance`, a thread that blocks while no other thread steps will step the
 * time itself. This makes it possible to run an unchanged program with a single thread that waits
 * with mach_wait_until or CFRunLoopRunInMode. */
SIM_API int sim_advance_ns(uint64_t ns);

/* Makes virtual time run by itself, `factor` times as fast as real time, on a thread of the
 * simulator, until sim_stop_clock or sim_reset. A client may wait in real time for an event in
 * virtual time, such as the first callback. With this clock, such a wait of seconds takes only
 * milliseconds. Events keep their order, but the order of events and client calls is not fixed.
 * Call both functions on one thread, and not in a callback. */
SIM_API int sim_start_clock(double factor);
SIM_API void sim_stop_clock(void);

/* Returns the current simulated time. In a callback this includes the time that the callback has
 * spent (sim_spend_ns). */
SIM_API uint64_t sim_now_ns(void);
SIM_API uint64_t sim_ticks_from_ns(uint64_t ns);

/* Waits (in real time, at most `timeout_real_ms`) until at least `threads` client threads are
 * blocked in simulated waits. Returns their number. */
SIM_API size_t sim_wait_blocked(size_t threads, uint32_t timeout_real_ms);

/* Spends time in an IOProc or a listener. In virtual time, the callback counts as if it had taken
 * `ns` longer. If it takes longer than the IO cycle, it is late and the device overloads. In real
 * time, the function busy-waits. */
SIM_API void sim_spend_ns(uint64_t ns);

/* ---- The oracle: input ----------------------------------------------------------------------- */

/*
 * Every input sample is one of 2^30 float32 values. A value identifies the device, stream, channel
 * and frame of its sample, and repeats after 262144 frames:
 *
 *   code = serial << 26 | stream << 22 | channel << 18 | (sample time mod 2^18)
 *   bits of the float32:  sign = code bit 29,  exponent field = 126 - (code bits 28..23),
 *                         fraction = code bits 22..0
 *
 * All values are normal numbers with 2^-64 <= |x| < 1, so they are exact in float32 and float64,
 * flush-to-zero does not change them, and no value equals silence. `serial` is the number of the
 * device: 1..15 in the order of creation, unchanged by a replug (sim_device_serial). `stream` is
 * the index among the input streams, and `channel` is the channel in the stream, from 0. */
SIM_API float sim_encode(uint32_t serial, uint32_t stream, uint32_t channel, int64_t sample_time);
/* Returns false if the value is not an encoded sample. Zero is none. Any pointer may be NULL. */
SIM_API bool sim_decode(float sample, uint32_t *serial, uint32_t *stream, uint32_t *channel,
                        uint32_t *sample_time_mod_262144);
SIM_API uint32_t sim_device_serial(uint32_t device);

/* ---- The oracle: output ---------------------------------------------------------------------- */

/* One run of a device, which lasts from the start of an IO thread to the end of this thread. A
 * change of the rate, a restart and a replug each begin a new run, with a new time line and a new
 * native thread. */
typedef struct sim_run {
    uint64_t thread;          /* number of the native thread, which is different in each run */
    double rate_hz;           /* nominal rate */
    double true_rate_hz;      /* rate of the device's crystal, without wander */
    double first_sample_time; /* sample time of the first captured frame */
    uint64_t frames;          /* frames captured so far, including gaps */
    uint64_t gap_frames;      /* captured frames that no IO cycle delivered in time */
    uint64_t first_emission_ns;
    uint64_t cycles;         /* IO cycles that called at least one IOProc */
    uint64_t skipped_frames; /* frames skipped by overloads */
    bool running;
} sim_run;
SIM_API size_t sim_run_count(uint32_t device);
SIM_API int sim_run_info(uint32_t device, size_t run, sim_run *info);

/* Reads the samples that one channel of one output stream got: the mix of all IOProcs before volume
 * and mute. Copies the frames from `first` on (0 = first_sample_time) and returns their number. If
 * `present` is not NULL, it gets 1 for each frame that an IO cycle delivered in time, and 0 for
 * each frame of a gap, whose sample is 0.0. Only the last frames of a run are kept (the switch
 * `capture_limit_frames`). Earlier frames read as gaps. */
SIM_API size_t sim_capture_read(uint32_t device, size_t run, uint32_t stream, uint32_t channel,
                                uint64_t first, size_t frames, float *samples, uint8_t *present);
/* Returns the time at which the output frame with this sample time leaves the hardware, on the
 * device's true clock. The device reads the frame from the buffer earlier, by the latencies of the
 * device and the stream. */
SIM_API uint64_t sim_emission_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);
/* Returns the time at which the input frame with this sample time entered the hardware. */
SIM_API uint64_t sim_arrival_ns(uint32_t device, size_t run, uint32_t stream, double sample_time);

/* ---- What happened --------------------------------------------------------------------------- */

/* Returns the value of a counter, or -1 if no counter has this name. sim_counter_name lists the
 * names, and returns NULL after the last one. `live_*` counters give the number of objects that
 * exist now. `fault_*` counters give the number of mistakes that the client made. */
SIM_API int64_t sim_counter(const char *name);
SIM_API const char *sim_counter_name(size_t index);

/* Reads the log since sim_reset. It has one line for each fault of the client, deadlock (with
 * stacks), leak and failed sim_* call. Copies as much as fits into `text`, with a terminating zero,
 * and returns the length of the whole log. The simulator prints nothing itself, except before an
 * abort that a switch has requested. */
SIM_API size_t sim_report(char *text, size_t size);

/* Checks that nothing is left. Call this function after the client has closed everything. It
 * delivers pending notifications. Then it adds a line to the report for each IOProc, listener,
 * CoreFoundation object, workgroup membership, hog or IO thread that still exists. It returns the
 * number of these lines and of all faults. 0 means clean. */
SIM_API int64_t sim_check_clean(void);

/* ---- Hooks ----------------------------------------------------------------------------------- */

/* Reports a call that is forbidden in an IOProc. `what` names the call. If the calling thread is an
 * IO thread inside a client's callback, the function counts and logs the call and returns true. On
 * all other threads it only returns false, which takes little time. libcoreaudio_simulated_hooks
 * (LD_PRELOAD) and instrumented clients use this function. */
SIM_API bool sim_realtime_violation(const char *what);
/* Reports that the calling thread begins or ends a wait for a lock of the client. At the beginning,
 * `owner_thread` is the native ID of the thread that holds the lock. At the end, it is 0. With
 * these reports, the deadlock detector is exact for this lock. Returns true if the wait can never
 * end. The report then has both stacks. */
SIM_API bool sim_client_lock_wait(long owner_thread);

#ifdef __cplusplus
}
#endif
#endif
