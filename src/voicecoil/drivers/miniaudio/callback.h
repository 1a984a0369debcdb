/* callback.h - the functions that the miniaudio library calls.
 *
 * One `vc_ma_io` is the user data of one `ma_device`. It maps the stream's channels to the device's
 * interleaved frames, keeps the device's time line, and runs the engine's cycle.
 *
 * miniaudio's header is not needed to build this. Python configures the library through the cffi
 * module of the `miniaudio` package. It calls vc_ma_set_user_data_offset once, because this code
 * does not know where a `ma_device` has its user data.
 *
 * Life cycle: new -> ma_device_init -> attach -> ma_device_start (with JACK: prepare ->
 * ma_device_start -> attach) -> vc_port_detach -> ma_device_stop -> ma_device_uninit -> free, when
 * no callback can come any more. After the detach the callback plays silence.
 *
 * The time line counts frames, and gives each cycle a host time that is derived from the times of
 * the callbacks. Because callbacks are often late but never early, the line follows the earliest of
 * them. If a callback is later than the frames that were buffered, the device has run dry
 * meanwhile. The line then skips those frames, and the engine counts them as lost.
 *
 * JACK also counts frames, and its count shows exactly which cycles did not reach this client. JACK
 * does not count frames while the server itself does not run. This driver finds such losses from
 * the times of the callbacks, as above, as if the device had a buffer of one period. PipeWire's
 * libjack reports exactly when a cycle began, and that time is used in place of the time of the
 * callback.
 *
 * PulseAudio's server reports when it plays the frames that it gets, and when it played silence
 * because it had none: see pulse_line.h. In this case a late callback alone loses no frames.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_MINIAUDIO_CALLBACK_H
#define VOICECOIL_MINIAUDIO_CALLBACK_H

#include "jack_line.h"
#include "port.h"
#include "pulse_line.h"
#include "voicecoil.h"

typedef struct vc_ma_direction {
    const uint32_t *map; /* the device's channel for each channel of the engine; copied */
    uint32_t channels;
    uint32_t device_channels; /* channels in the memory that the callback gets */
    uint32_t latency_frames;  /* between a callback and the connector, if JACK does not report it */
    uint32_t added_frames;    /* frames to add to the latency that JACK reports */
} vc_ma_direction;

typedef struct vc_ma_config {
    vc_cycle_run_fn run;
    vc_ma_direction input;
    vc_ma_direction output;
    double samplerate_hz;
    int32_t priority;      /* SCHED_FIFO priority that the IO thread sets for itself; 0: none */
    int64_t slack_frames;  /* how late a callback may be before frames are lost; -1: late callbacks
                            * lose no frames */
    int64_t settle_frames; /* how long after the beginning of a run late callbacks lose no frames,
                            * because a sound server takes frames before it plays */
    vc_ma_jack jack;
    vc_ma_pulse pulse;
    int64_t (*clock_ns)(void) VC_REALTIME; /* NULL: vc_clock_ns. Tests use their own clock */
} vc_ma_config;

typedef struct vc_ma_io vc_ma_io;

enum {
    VC_MA_STARTED = 0, /* the values of ma_device_notification_type */
    VC_MA_STOPPED = 1,
    VC_MA_REROUTED = 2,
    VC_MA_INTERRUPTION_BEGAN = 3,
    VC_MA_INTERRUPTION_ENDED = 4,
    VC_MA_NOTIFICATIONS = 5
};

typedef struct vc_ma_counts {
    uint64_t cycles;      /* callbacks that reached the engine */
    uint64_t lost_frames; /* frames that the time line skipped */
    int64_t last_host_ns; /* host time of the newest callback; 0: none yet */
    uint32_t resized;     /* length of a callback that the engine could not take, frames; 0: none */
    uint32_t rate_hz;     /* the rate that the server has reported; 0: it has not reported one */
    bool gone;            /* the server has ended the connection */
    uint64_t overloads;   /* number of overloads that the server has reported */
    int64_t overload_ns;  /* host time of the last overload */
    uint64_t notifications[VC_MA_NOTIFICATIONS]; /* number of notifications of each type */
    int64_t notified_ns[VC_MA_NOTIFICATIONS];    /* host time of the last one, for each type */
} vc_ma_counts;

/* Sets the offset of the user data in a ma_device, bytes. Call it before a device is made.
 * [control] */
void vc_ma_set_user_data_offset(size_t offset);

/* Returns NULL if memory is exhausted. [control] */
vc_ma_io *vc_ma_io_new(const vc_ma_config *config);
/* Call it after the device was closed. [control] */
void vc_ma_io_free(vc_ma_io *io);
/* Call it before each start of the device, because miniaudio fills the ring between the directions
 * anew. `input` and `output` are the sound card's ports whose latency JACK is asked for in the
 * first cycle with an engine; NULL: it is not asked. No callback may run. [control] */
void vc_ma_io_prepare(vc_ma_io *io, void *input, void *output);
/* The latency that JACK has reported: frames between the sound card's ports and its connectors; -1:
 * none yet. [any] */
int64_t vc_ma_io_port_frames(const vc_ma_io *io, bool output) VC_REALTIME;
/* The cycles that an engine can take. Other callbacks play silence and set `resized`. */
typedef struct vc_ma_frames {
    uint32_t period_frames;     /* frames that each cycle must have; 0: they vary */
    uint32_t max_period_frames; /* frames that no cycle may exceed */
} vc_ma_frames;
/* Attaches `engine`, which is called from the next cycle on. With `connected`, the device has just
 * been connected to JACK. The connection takes effect with JACK's next cycle, so the engine is not
 * called in the running cycle. This needs JACK's `cycle_times`. [control] */
void vc_ma_io_attach(vc_ma_io *io, vc_engine *engine, vc_ma_frames takes, bool connected);
/* Returns the port, for vc_port_detach and vc_port_turn. [any] */
vc_port *vc_ma_io_port(vc_ma_io *io) VC_REALTIME;
/* The shortest and the longest time from a callback to the connector that PulseAudio's server has
 * reported in this run, frames. Returns false if there is no report yet. The two values are read
 * separately and may not belong together. [any] */
bool vc_ma_io_measured(const vc_ma_io *io, int64_t *shortest, int64_t *longest) VC_REALTIME;
/* The fields are read one by one. They are consistent only if no cycle runs. [any] */
void vc_ma_io_count(const vc_ma_io *io, vc_ma_counts *out) VC_REALTIME;

/* The ma_device_data_proc. [IO] */
void vc_ma_data(void *device, void *output, const void *input, uint32_t frames) VC_REALTIME;
/* The ma_device_notification_proc. Wait-free. [any] */
void vc_ma_notify(const void *notification) VC_REALTIME;
/* Callbacks for jack_on_shutdown, jack_set_xrun_callback and jack_set_sample_rate_callback. Their
 * argument is the vc_ma_io. Wait-free. [any] */
void vc_ma_gone(void *io) VC_REALTIME;
int vc_ma_overload(void *io) VC_REALTIME;
int vc_ma_rate(uint32_t rate_hz, void *io) VC_REALTIME;

#endif
