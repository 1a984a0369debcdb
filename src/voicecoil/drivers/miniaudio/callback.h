/* callback.h - the functions that the miniaudio library calls.
 *
 * One `vc_ma_io` is the user data of one `ma_device`. It knows where the stream's channels are in
 * the device's interleaved frames, keeps the device's time line, and runs the engine's cycle.
 *
 * miniaudio's header is not needed to build this: Python configures the library through the cffi
 * module of the `miniaudio` package, and says once where in a `ma_device` the user data is.
 *
 * Life: new -> ma_device_init -> attach -> ma_device_start (with JACK prepare -> ma_device_start
 * -> attach) -> detach, and wait until it is not inside -> ma_device_stop -> ma_device_uninit ->
 * free, when nobody can call any more. After detach it plays silence: that no cycle of the engine
 * runs or will run is this file's promise, whatever the sound server does.
 *
 * The time line. Frames are counted, and the time of a cycle is found from when the callbacks come:
 * they are never early and often late, so the line runs along the earliest of them. A callback that
 * is later than all that was buffered means that the device ran dry meanwhile: the line skips those
 * frames, and the engine counts them as lost.
 *
 * JACK also counts frames, and its count says exactly which cycles did not reach this client. The
 * frames for which the server itself did not run are not counted there: they are found from the
 * time of the callbacks, as above, with a buffer of one period. PipeWire's libjack tells exactly
 * when a cycle began, and that time is taken in place of the time of the callback.
 *
 * PulseAudio's server says when it plays what it is given, and where it played silence because it
 * had nothing: see pulse_line.h. Then no frames are taken for lost because of a late callback.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_MINIAUDIO_CALLBACK_H
#define VOICECOIL_MINIAUDIO_CALLBACK_H

#include "jack_line.h"
#include "pulse_line.h"
#include "voicecoil.h"

/* vc_cycle_run: another extension module has it, so its address is handed over. */
typedef uint32_t (*vc_cycle_run_fn)(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

typedef struct vc_ma_direction {
    const uint32_t *map; /* for each channel of the engine the device's; copied */
    uint32_t channels;
    uint32_t device_channels; /* in the memory that the callback gets */
    uint32_t latency_frames;  /* between a callback and the connector, unless JACK knows better: */
    uint32_t added_frames;    /* then this much more than JACK says */
} vc_ma_direction;

typedef struct vc_ma_config {
    vc_cycle_run_fn run;
    vc_ma_direction input;
    vc_ma_direction output;
    double samplerate_hz;
    int32_t priority;      /* that the IO thread gives itself, SCHED_FIFO's; 0: it stays as it is */
    int64_t slack_frames;  /* how late a callback may be before frames are lost; -1: any time */
    int64_t settle_frames; /* for so long after a run has begun such a callback loses none: a sound
                            * server takes what it was given before it plays, and that is when the
                            * line begins */
    vc_ma_jack jack;
    vc_ma_pulse pulse;
    int64_t (*clock_ns)(void) VC_REALTIME; /* NULL: vc_clock_ns; a test moves its own */
} vc_ma_config;

typedef struct vc_ma_io vc_ma_io;

enum {
    VC_MA_STARTED = 0, /* as ma_device_notification_type */
    VC_MA_STOPPED = 1,
    VC_MA_REROUTED = 2,
    VC_MA_INTERRUPTION_BEGAN = 3,
    VC_MA_INTERRUPTION_ENDED = 4,
    VC_MA_NOTIFICATIONS = 5
};

typedef struct vc_ma_counts {
    uint64_t cycles;      /* callbacks that reached the engine */
    uint64_t lost_frames; /* that the time line skipped */
    int64_t last_host_ns; /* when the newest callback came; 0: none yet */
    uint32_t resized;     /* frames of a callback that the engine cannot take; 0: none */
    uint32_t rate_hz;     /* what the server said that its rate is now; 0: it has not said */
    bool gone;            /* the server said that it ends the connection */
    uint64_t overloads;   /* how often the server said that somebody was late, */
    int64_t overload_ns;  /* and the last time */
    uint64_t notifications[VC_MA_NOTIFICATIONS]; /* how often each came, */
    int64_t notified_ns[VC_MA_NOTIFICATIONS];    /* and the last time */
} vc_ma_counts;

/* Where a ma_device has its user data, bytes. [control], before any device is made. */
void vc_ma_set_user_data_offset(size_t offset);

/* NULL: no memory. [control] */
vc_ma_io *vc_ma_io_new(const vc_ma_config *config);
/* [control], when the device is gone. */
void vc_ma_io_free(vc_ma_io *io);
/* Before each start of the device: miniaudio fills the ring between its directions anew. With the
 * sound card's ports that JACK is asked about in the first cycle with an engine; NULL: it is not.
 * [control], while no callback runs. */
void vc_ma_io_prepare(vc_ma_io *io, void *input, void *output);
/* What it said: frames between the sound card's ports and its connectors; -1: nothing yet. [any] */
int64_t vc_ma_io_port_frames(const vc_ma_io *io, bool output) VC_REALTIME;
/* What an engine takes. A callback with other frames is silence, and counted as `resized`. */
typedef struct vc_ma_frames {
    uint32_t fixed;   /* frames that each cycle must have; 0: they vary */
    uint32_t longest; /* frames that no cycle may exceed */
} vc_ma_frames;
/* From the next cycle on the engine is called. `connected`, only with JACK's `cycle_times`: the
 * device has just been connected, which counts from JACK's next cycle on, so that the engine is not
 * called in the one that is under way. [control] */
void vc_ma_io_attach(vc_ma_io *io, vc_engine *engine, vc_ma_frames takes, bool connected);
/* Takes a detach back: the run goes on as it was. [control] */
void vc_ma_io_reattach(vc_ma_io *io, vc_engine *engine);
/* What PulseAudio's server said in this run: the shortest and longest time from a callback to the
 * connector, frames. False: nothing yet. [any] Each on its own. */
bool vc_ma_io_measured(const vc_ma_io *io, int64_t *shortest, int64_t *longest) VC_REALTIME;
/* From the next cycle on it is not. [control] */
void vc_ma_io_detach(vc_ma_io *io);
/* After a detach: odd, and as before, as long as a cycle may still have the engine. [any] */
uint64_t vc_ma_io_turn(const vc_ma_io *io) VC_REALTIME;
/* [any] Read one by one: they belong together only when no cycle runs. */
void vc_ma_io_count(const vc_ma_io *io, vc_ma_counts *out) VC_REALTIME;

/* The ma_device_data_proc. [IO] */
void vc_ma_data(void *device, void *output, const void *input, uint32_t frames) VC_REALTIME;
/* The ma_device_notification_proc. [any], wait-free */
void vc_ma_notify(const void *notification) VC_REALTIME;
/* For jack_on_shutdown, jack_set_xrun_callback and jack_set_sample_rate_callback, with the
 * vc_ma_io. [any], wait-free */
void vc_ma_gone(void *io) VC_REALTIME;
int vc_ma_overload(void *io) VC_REALTIME;
int vc_ma_rate(uint32_t rate_hz, void *io) VC_REALTIME;

#endif
