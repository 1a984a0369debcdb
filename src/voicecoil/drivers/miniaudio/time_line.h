/* time_line.h - the state of one stream's callback, and its time line. Private to callback.c and
 * time_line.c; callback.h says how the time line works. */
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
    vc_channel *list; /* filled anew in each cycle */
    bool partial;     /* some of the device's channels are not mapped */
} direction;

struct vc_ma_io {
    vc_port port;
    _Atomic bool fresh; /* the next cycle begins a new run of the device */
    _Atomic bool early; /* not in JACK's cycle `under_way` */
    _Atomic uint32_t under_way;
    _Atomic bool emptied; /* the ring, in this run */
    vc_cycle_run_fn run;
    int64_t (*clock_ns)(void) VC_REALTIME;
    uint32_t samplerate_hz;
    double ns_per_frame;
    int64_t slack_ns;
    int64_t settle_ns;
    int32_t priority;
    _Atomic uint32_t engine_period_frames; /* as vc_ma_frames has it */
    _Atomic uint32_t engine_max_period_frames;
    direction directions[2];

    /* the IO thread's */
    int64_t position;    /* of the next frame */
    int64_t base_ns;     /* host time of frame 0, as this run of the device has it */
    int64_t position_ns; /* host time of `position` when it was last known */
    int64_t settled_ns;  /* host time from which on late callbacks lose frames */
    vc_jack_line jack;
    vc_pulse_line pulse;
    int64_t begin, begin_ns; /* of this run, on PulseAudio: position and host time */
    int64_t told_ns;         /* when PulseAudio has this cycle's first frame at the connector; */
    bool told;               /* whether that is known */
    uint32_t period_frames;  /* JACK's, when the latencies were asked for */
    uint64_t seen_overloads; /* those that the time line knows of */
    uint32_t recount;        /* callbacks until the shortest delay is taken for lost */
    int64_t shortest_ns;

    _Atomic uint64_t cycles, lost_frames;
    _Atomic int64_t last_host_ns;
    _Atomic uint32_t resized, rate_hz;
    _Atomic bool gone;
    _Atomic uint64_t overloads;
    _Atomic int64_t overload_ns;
    _Atomic int64_t shortest_frames, longest_measured; /* as measured; negative: nothing yet */
    _Atomic uint64_t notifications[VC_MA_NOTIFICATIONS];
    _Atomic int64_t notified_ns[VC_MA_NOTIFICATIONS];
};

/* The time of the next cycle, of `frames` frames, which was called at `now_ns`. [IO] */
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
