/* time_line.h - the state of one stream's callback, and its time line. Private to callback.c and
 * time_line.c. callback.h explains the time line. */
#ifndef VOICECOIL_MINIAUDIO_TIME_LINE_H
#define VOICECOIL_MINIAUDIO_TIME_LINE_H

#include "callback.h"

#include <math.h>
#include <stdatomic.h>

enum { INPUT = 0, OUTPUT = 1 };
typedef struct direction {
    uint32_t channels;
    uint32_t device_channels;
    int64_t latency_frames;
    uint32_t added_frames;
    void *port;
    _Atomic int64_t port_frames;
    uint32_t *map;
    vc_channel *list; /* filled again in each cycle */
    bool partial;     /* some of the device's channels are not mapped */
} direction;

struct vc_ma_io {
    vc_port port;
    _Atomic bool fresh; /* the next cycle begins a new run of the device */
    _Atomic bool early; /* the engine is not called in JACK's cycle `under_way` */
    _Atomic uint32_t under_way;
    _Atomic bool emptied; /* the ring was emptied in this run */
    vc_cycle_run_fn run;
    int64_t (*clock_ns)(void) VC_REALTIME;
    uint32_t samplerate_hz;
    double ns_per_frame;
    int64_t slack_ns;
    int64_t settle_ns;
    int32_t priority;
    _Atomic uint32_t engine_period_frames; /* as in vc_ma_frames */
    _Atomic uint32_t engine_max_period_frames;
    direction directions[2];

    /* only for the IO thread */
    int64_t position;    /* sample time of the next frame */
    int64_t base_ns;     /* host time of frame 0, for this run of the device */
    int64_t position_ns; /* host time of `position` when it was last measured */
    int64_t settled_ns;  /* host time after which late callbacks lose frames */
    vc_jack_line jack;
    vc_pulse_line pulse;
    int64_t begin, begin_ns; /* position and host time at which this run began, on PulseAudio */
    int64_t told_ns;         /* time of this cycle's first frame at the connector, on PulseAudio */
    bool told;               /* whether told_ns is known */
    uint32_t period_frames;  /* JACK's period when JACK was last asked for its latencies */
    uint64_t seen_overloads; /* overloads that the time line has taken into account */
    uint32_t recount;        /* callbacks until the shortest delay is counted as lost */
    int64_t shortest_ns;

    _Atomic uint64_t cycles, lost_frames;
    _Atomic int64_t last_host_ns;
    _Atomic uint32_t resized, rate_hz;
    _Atomic bool gone;
    _Atomic uint64_t overloads;
    _Atomic int64_t overload_ns;
    _Atomic int64_t shortest_frames, longest_measured; /* measured latencies; negative: none yet */
    _Atomic uint64_t notifications[VC_MA_NOTIFICATIONS];
    _Atomic int64_t notified_ns[VC_MA_NOTIFICATIONS];
};

/* Advances the time line. Returns the time of the next cycle, which has `frames` frames and was
 * called at `now_ns`. [IO] */
vc_time vc_ma_advance(vc_ma_io *io, uint32_t frames, int64_t now_ns) VC_REALTIME;

static inline int64_t frames_ns(const vc_ma_io *io, int64_t frames) {
    return llrint((double)frames * io->ns_per_frame);
}

static inline vc_time later(const vc_ma_io *io, vc_time time, int64_t frames) {
    time.sample_frames += frames;
    time.host_ns += frames_ns(io, frames);
    return time;
}

#endif
