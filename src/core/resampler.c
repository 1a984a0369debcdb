/* A band-limited interpolation with a variable ratio. See resampler.h.
 *
 * The window is Kaiser's. VC_RESAMPLER_REACH zero crossings on each side and BETA give 110 dB of
 * attenuation, and a passband that ends at 89 % of half the lower rate. The table has the weights
 * for PHASES positions between two frames. Weights between two of these are interpolated linearly,
 * whose error is below -108 dB at the end of the passband. */
#include "resampler.h"

#include "memory.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
#define BETA 11.2
/* Where the filter has half its amplitude, as a part of half the lower rate. */
#define CUTOFF 0.9445
#define PHASES 512
#define LANES 8
#define MOST_TAPS (2 * VC_RESAMPLER_REACH * VC_RESAMPLER_MAX_RATIO)

struct vc_resampler {
    uint32_t reach;
    uint32_t taps;
    float *weights; /* PHASES + 1 rows of `taps` weights */
};

/* The modified Bessel function of the first kind and order 0. */
static double bessel(double x) {
    double sum = 1.0, term = 1.0;
    for (int k = 1; term > sum * 1e-18; k++) {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

static double weight(double distance, double reach, double cutoff) {
    double part = distance / reach;
    if (fabs(part) >= 1.0) {
        return 0.0;
    }
    double x = PI * cutoff * distance;
    double sinc = fabs(x) < 1e-9 ? 1.0 : sin(x) / x;
    return sinc * bessel(BETA * sqrt(1.0 - part * part));
}

/* Fills the weights for a position `phase` frames after a frame. Their sum is 1, so that a constant
 * signal stays the same at every position. */
static void fill_row(const vc_resampler *resampler, float *row, double phase, double cutoff) {
    double weights[MOST_TAPS], sum = 0.0;
    for (uint32_t k = 0; k < resampler->taps; k++) {
        double distance = (double)k - (double)(resampler->reach - 1) - phase;
        weights[k] = weight(distance, resampler->reach, cutoff);
        sum += weights[k];
    }
    for (uint32_t k = 0; k < resampler->taps; k++) {
        row[k] = (float)(weights[k] / sum);
    }
}

uint32_t vc_resampler_reach_at(double ratio) {
    double wider = ratio > 1.0 ? ratio : 1.0;
    uint32_t reach = (uint32_t)ceil(VC_RESAMPLER_REACH * wider / LANES) * LANES;
    return reach > MOST_TAPS / 2 ? MOST_TAPS / 2 : reach;
}

vc_resampler *vc_resampler_new(double ratio) {
    assert(ratio > 0.0 && ratio <= VC_RESAMPLER_MAX_RATIO);
    double wider = ratio > 1.0 ? ratio : 1.0;
    vc_resampler *resampler = calloc(1, sizeof *resampler);
    if (resampler == NULL) {
        return NULL;
    }
    resampler->reach = vc_resampler_reach_at(ratio);
    resampler->taps = 2 * resampler->reach;
    resampler->weights = vc_memory_new((PHASES + 1) * (size_t)resampler->taps, sizeof(float));
    if (resampler->weights == NULL) {
        free(resampler);
        return NULL;
    }
    for (uint32_t p = 0; p <= PHASES; p++) {
        fill_row(resampler, resampler->weights + (size_t)p * resampler->taps, (double)p / PHASES,
                 CUTOFF / wider);
    }
    return resampler;
}

void vc_resampler_free(vc_resampler *resampler) {
    if (resampler != NULL) {
        vc_memory_free(resampler->weights);
        free(resampler);
    }
}

uint32_t vc_resampler_reach(const vc_resampler *resampler) { return resampler->reach; }

/* The inner loops have a constant length, so that the compiler vectorises them. It must not change
 * the order of a sum of floats by itself. */
static void mix_rows(float *restrict to, const float *restrict a, float part, uint32_t taps) {
    const float *restrict b = a + taps;
    for (uint32_t k = 0; k < taps; k += LANES) {
        for (uint32_t i = 0; i < LANES; i++) {
            to[k + i] = a[k + i] + part * (b[k + i] - a[k + i]);
        }
    }
}

static float weighted(const float *restrict weights, const float *restrict input, uint32_t taps) {
    float sums[LANES] = {0.0f};
    for (uint32_t k = 0; k < taps; k += LANES) {
        for (uint32_t i = 0; i < LANES; i++) {
            sums[i] += weights[k + i] * input[k + i];
        }
    }
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
           ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

void vc_resample(const vc_resampler *resampler, const vc_resampler_input *input, float *output,
                 uint32_t frames) {
    const uint32_t taps = resampler->taps;
    float weights[MOST_TAPS];
    for (uint32_t f = 0; f < frames; f++) {
        /* A product for each frame, because a sum of steps would gather the errors of rounding. */
        double position = input->position + (double)f * input->step;
        int64_t frame = (int64_t)position;
        double phase = (position - (double)frame) * PHASES;
        uint32_t row = (uint32_t)phase;
        mix_rows(weights, resampler->weights + (size_t)row * taps, (float)(phase - row), taps);
        const float *first = input->data + frame - (int64_t)(resampler->reach - 1);
        for (uint32_t c = 0; c < input->channels; c++) {
            *output++ = weighted(weights, first + c * input->channel_stride, taps);
        }
    }
}
