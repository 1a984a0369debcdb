/* Two simulated devices with clocks of their own, which run a vc_drift in simulated time. The input
 * records a signal that is a function of time, so that every output frame can be compared with the
 * signal at the moment that it belongs to. */
#ifndef VOICECOIL_TEST_DRIFT_RIG_H
#define VOICECOIL_TEST_DRIFT_RIG_H

#include "check.h"
#include "drift.h"
#include "resampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
enum { RIG_MOST = 4096, RIG_CHANNELS = 2 };

typedef struct side {
    double rate_hz; /* nominal */
    double ppm;
    uint32_t period;
    double jitter_s; /* greatest error of the reported times */
    double late_s;   /* how late a cycle may be called */
    /* State. */
    double frame_s;     /* true duration of a frame */
    double start_s;     /* true time of frame 0 at the connector */
    int64_t frame;      /* the device's time line: next frame */
    double call_s;      /* when the next cycle is called */
    uint32_t lost_once; /* frames that the next cycle loses */
} side;

typedef struct drift_rig {
    side in, out;
    double hertz; /* of the sine; 0: an impulse for every second of the input's frames */
    vc_drift_config config;
    vc_drift *drift;
    uint64_t random;
    float *block;
    bool spoiled; /* the next input has NaN and infinity */
    double now_s;
    /* Results since the last rig_measure. */
    uint64_t lost;        /* lost frames of all cycles */
    double signal, error; /* sums of squares */
    double worst;         /* greatest difference from the signal */
    double worst_time_s;  /* greatest error of the block's input time */
    double worst_frames;  /* the same of its sample time, frames */
    uint32_t nonfinite;   /* samples that are NaN or infinite */
    double step;          /* greatest difference of two successive samples */
    float newest;         /* sample of the first channel */
    int64_t peak;         /* output frame of the greatest sample */
    float peak_value;
} drift_rig;

static inline double rig_random(drift_rig *rig) {
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(rig->random >> 11) / 9007199254740992.0;
}

static inline double rig_signal(const drift_rig *rig, double at_s, uint32_t channel) {
    return at_s < rig->in.start_s ? 0.0 : 0.9 * sin(2 * PI * rig->hertz * at_s + channel);
}

static inline void side_schedule(drift_rig *rig, side *s, bool input) {
    /* An input is called when its last frame is there, an output one cycle before its first. */
    double due =
        s->start_s + (double)(s->frame + (input ? s->period : -(int64_t)s->period)) * s->frame_s;
    s->call_s = due + s->late_s * rig_random(rig);
}

static inline drift_rig *rig_new(double in_hz, double in_ppm, double out_hz, double out_ppm) {
    drift_rig *rig = calloc(1, sizeof *rig);
    rig->in = (side){.rate_hz = in_hz, .ppm = in_ppm, .period = 512};
    rig->out = (side){.rate_hz = out_hz, .ppm = out_ppm, .period = 480};
    rig->hertz = 997.0;
    rig->random = 1;
    rig->block = calloc(RIG_MOST * RIG_CHANNELS, sizeof *rig->block);
    return rig;
}

/* Call it after the fields were set. The clocks begin at unrelated times. */
static inline void rig_start(drift_rig *rig, uint32_t delay_frames) {
    rig->config = (vc_drift_config){.channels = RIG_CHANNELS,
                                    .input_rate_hz = rig->in.rate_hz,
                                    .output_rate_hz = rig->out.rate_hz,
                                    .input_period_frames = rig->in.period,
                                    .output_period_frames = rig->out.period};
    double buffers_s = rig->in.period / rig->in.rate_hz + rig->out.period / rig->out.rate_hz;
    rig->config.delay_frames = delay_frames ? delay_frames
                                            : (uint32_t)(buffers_s * rig->out.rate_hz) +
                                                  vc_drift_extra_frames(&rig->config);
    rig->drift = vc_drift_new(&rig->config);
    rig->in.frame_s = 1.0 / (rig->in.rate_hz * (1 + rig->in.ppm / 1e6));
    rig->out.frame_s = 1.0 / (rig->out.rate_hz * (1 + rig->out.ppm / 1e6));
    rig->in.start_s = 10.0031;
    rig->out.start_s = 10.0;
    side_schedule(rig, &rig->in, true);
    side_schedule(rig, &rig->out, false);
}

static inline void rig_free(drift_rig *rig) {
    vc_drift_free(rig->drift);
    free(rig->block);
    free(rig);
}

static inline vc_time rig_time(drift_rig *rig, const side *s) {
    double at_s = s->start_s + (double)s->frame * s->frame_s;
    double off_s = s->jitter_s * (2 * rig_random(rig) - 1);
    return (vc_time){llrint((at_s + off_s) * 1e9), s->frame, VC_TIME_HOST | VC_TIME_SAMPLE, 0};
}

static inline void rig_input(drift_rig *rig) {
    side *s = &rig->in;
    uint32_t lost = s->lost_once;
    s->lost_once = 0;
    s->frame += lost;
    for (uint32_t f = 0; f < s->period; f++) {
        double at_s = s->start_s + (double)(s->frame + f) * s->frame_s;
        for (uint32_t c = 0; c < RIG_CHANNELS; c++) {
            rig->block[f * RIG_CHANNELS + c] = rig->hertz > 0.0 ? (float)rig_signal(rig, at_s, c)
                                               : (s->frame + f) % (int64_t)s->rate_hz == 0 ? 1.0f
                                                                                           : 0.0f;
        }
    }
    if (rig->spoiled) {
        rig->spoiled = false;
        rig->block[100 * RIG_CHANNELS] = NAN;
        rig->block[200 * RIG_CHANNELS + 1] = -INFINITY;
    }
    vc_block block = {.frames = s->period,
                      .lost_frames = lost,
                      .input = {.data = rig->block,
                                .frame_stride = RIG_CHANNELS,
                                .channel_stride = 1,
                                .channels = RIG_CHANNELS},
                      .input_time = rig_time(rig, s)};
    CHECK_INT(vc_drift_process(&block, rig->drift), VC_CONTINUE);
    s->frame += s->period;
    side_schedule(rig, s, true);
}

static inline void rig_compare(drift_rig *rig, const vc_cycle *cycle, double first_s) {
    double delay_s = vc_drift_delay_frames(rig->drift) * rig->out.frame_s;
    for (uint32_t f = 0; f < cycle->frames; f++) {
        double at_s = first_s + f * rig->out.frame_s - delay_s;
        for (uint32_t c = 0; c < RIG_CHANNELS; c++) {
            float got = cycle->input.data ? cycle->input.data[f * RIG_CHANNELS + c] : 0.0f;
            double wanted = rig_signal(rig, at_s, c), off = got - wanted;
            if (c == 0) {
                rig->step = fmax(rig->step, fabs((double)got - (double)rig->newest));
                rig->newest = got;
            }
            rig->nonfinite += isfinite(got) ? 0 : 1;
            rig->signal += wanted * wanted;
            rig->error += off * off;
            rig->worst = fmax(rig->worst, fabs(off));
            if (c == 0 && got > rig->peak_value) {
                rig->peak = cycle->output_time.sample_frames + f;
                rig->peak_value = got;
            }
        }
    }
    double told_s = (double)cycle->input_time.host_ns / 1e9;
    rig->worst_time_s = fmax(rig->worst_time_s, fabs(told_s - (first_s - delay_s)));
    int64_t apart = cycle->output_time.sample_frames - cycle->input_time.sample_frames;
    rig->worst_frames =
        fmax(rig->worst_frames, fabs((double)apart - (double)vc_drift_delay_frames(rig->drift)));
}

static inline void rig_output(drift_rig *rig) {
    side *s = &rig->out;
    s->frame += s->lost_once;
    s->lost_once = 0;
    vc_cycle cycle = {.frames = s->period, .output_time = rig_time(rig, s)};
    vc_drift_fill(rig->drift, &cycle);
    CHECK_INT(cycle.input.channels, RIG_CHANNELS);
    rig->lost += cycle.lost_frames;
    rig_compare(rig, &cycle, s->start_s + (double)s->frame * s->frame_s);
    s->frame += s->period;
    side_schedule(rig, s, false);
}

/* Runs both devices for some seconds of simulated time. */
static inline void rig_run(drift_rig *rig, double seconds) {
    double until_s = (rig->now_s > 0.0 ? rig->now_s : rig->out.start_s) + seconds;
    while (rig->now_s < until_s) {
        bool input = rig->in.call_s <= rig->out.call_s;
        rig->now_s = input ? rig->in.call_s : rig->out.call_s;
        input ? rig_input(rig) : rig_output(rig);
    }
}

/* Begins a new measurement. */
static inline void rig_measure(drift_rig *rig) {
    rig->lost = rig->nonfinite = 0;
    rig->signal = rig->error = rig->worst = rig->worst_time_s = rig->worst_frames = 0.0;
    rig->peak_value = 0.0f;
    rig->step = 0.0;
}

static inline double rig_decibels(const drift_rig *rig) {
    return 10.0 * log10(rig->signal / rig->error);
}

#endif
