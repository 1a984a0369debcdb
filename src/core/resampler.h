/* resampler.h - reads a signal at positions between its frames.
 *
 * A band-limited interpolation: each output frame is the sum of the input frames around a position,
 * weighted with a windowed sinc function. The distance from one position to the next one is given
 * in every call, so the ratio of the rates may change at any time. The weights are a table that is
 * made once. The filter is symmetric and does not delay the signal, but it needs input frames
 * before and after each position.
 *
 * Threads: as in voicecoil.h. A table is not changed after it was made. */
#ifndef VOICECOIL_RESAMPLER_H
#define VOICECOIL_RESAMPLER_H

#include "realtime.h"

#include <stddef.h>
#include <stdint.h>

typedef struct vc_resampler vc_resampler;

#define VC_RESAMPLER_MAX_RATIO 8
/* vc_resampler_reach for ratios up to 1. It is longer in proportion to greater ratios. */
#define VC_RESAMPLER_REACH 64

/* Makes the table for a ratio of input rate to output rate, at most VC_RESAMPLER_MAX_RATIO. If the
 * ratio is greater than 1, frequencies above half the output rate are removed. Returns NULL if
 * memory is exhausted. [control] */
vc_resampler *vc_resampler_new(double ratio);
/* NULL is allowed. [control] */
void vc_resampler_free(vc_resampler *resampler);
/* Number of input frames that are needed before a position, and also after it. [any] */
uint32_t vc_resampler_reach(const vc_resampler *resampler) VC_REALTIME;
/* The same for a ratio. [any] */
uint32_t vc_resampler_reach_at(double ratio) VC_REALTIME;

/* Where vc_resample reads. Channel c, frame f is input[c * channel_stride + f]. */
typedef struct vc_resampler_input {
    const float *data;
    size_t channel_stride;
    uint32_t channels;
    double position; /* of the first output frame, in frames from `data`, at least reach - 1 */
    double step;     /* input frames per output frame, more than 0 */
} vc_resampler_input;

/* Writes `frames` interleaved frames. Reads the input frames from `position` - reach to the last
 * position + reach. [IO] */
void vc_resample(const vc_resampler *resampler, const vc_resampler_input *input, float *output,
                 uint32_t frames) VC_REALTIME;

#endif
