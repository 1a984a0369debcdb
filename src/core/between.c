/* Samples between the frames of a clip.
 *
 * The frames of the clip that are read are not equally far apart, so compilers do not vectorize a
 * loop that does everything. Here each loop does one step for all frames, and most of these loops
 * are vectorized. For processors with AVX2, between_avx2.h has code of its own. */
#include "avx2.h"
#include "between.h"

#include <stddef.h>
#include <string.h>

/* The weights of three frames: the one before the frame at a position, and the two after it. Each
 * weighs the difference to the frame at the position, so that a constant signal stays exactly what
 * it is. */
typedef struct weights {
    float of[3][VC_PATH_FRAMES];
} weights;

/* Positions within a path are integers, in units of 2^-40 frames. Conversions between doubles and
 * integers took three times as long. The upper 31 bits of the fraction become a float. */
#define ONE_FRAME 1099511627776.0
enum { FRAME_BITS = 40, REST_SHIFT = FRAME_BITS - 31 };

/* Writes the whole frames before the positions, counted from the base of the path. */
static void weigh(weights *restrict by, int32_t *restrict whole, const vc_path *path,
                  int32_t frames) {
    int32_t rest[VC_PATH_FRAMES];
    int64_t at = (int64_t)(path->first * ONE_FRAME), step = (int64_t)(path->rate * ONE_FRAME);
    const int64_t change = (int64_t)(2.0 * path->rate_change * ONE_FRAME);
    for (int32_t f = 0; f < frames; f++) {
        whole[f] = (int32_t)(at >> FRAME_BITS);
        rest[f] = (int32_t)((at >> REST_SHIFT) & INT32_MAX);
        at += step;
        step += change;
    }
    for (int32_t f = 0; f < frames; f++) {
        const float t = (float)rest[f] * (1.0f / 2147483648.0f);
        by->of[0][f] = ((-0.5f * t + 1.0f) * t - 0.5f) * t;
        by->of[1][f] = ((-1.5f * t + 2.0f) * t + 0.5f) * t;
        by->of[2][f] = (0.5f * t - 0.5f) * t * t;
    }
}

#if defined(VC_HAS_AVX2)
#include "between_avx2.h"
#endif

static void make_stereo(float *restrict made, const float *restrict from,
                        const int32_t *restrict whole, const weights *restrict by, int32_t frames) {
    float early[2 * VC_PATH_FRAMES], late[2 * VC_PATH_FRAMES];
    for (int32_t f = 0; f < frames; f++) {
        const float *x = from + 2 * (ptrdiff_t)whole[f];
        const float w0 = by->of[0][f], w2 = by->of[1][f], w3 = by->of[2][f];
        const float low[4] = {w0, w0, 1.0f, 1.0f}, high[4] = {w2, w2, w3, w3};
        const float low_zero[4] = {x[2], x[3], 0.0f, 0.0f}, zero[4] = {x[2], x[3], x[2], x[3]};
        float sum[4];
        for (int k = 0; k < 4; k++) {
            sum[k] = (x[k] - low_zero[k]) * low[k] + (x[k + 4] - zero[k]) * high[k];
        }
        memcpy(early + 2 * f, sum, 2 * sizeof(float));
        memcpy(late + 2 * f, sum + 2, 2 * sizeof(float));
    }
    for (int32_t i = 0; i < 2 * frames; i++) {
        made[i] = early[i] + late[i];
    }
}

static void make_mono(float *restrict made, const float *restrict from,
                      const int32_t *restrict whole, const weights *restrict by, int32_t frames) {
    float x[4 * VC_PATH_FRAMES];
    for (int32_t f = 0; f < frames; f++) {
        memcpy(x + 4 * f, from + whole[f], 4 * sizeof(float));
    }
    for (int32_t f = 0; f < frames; f++) {
        const float at = x[4 * f + 1];
        made[f] = at + (x[4 * f] - at) * by->of[0][f] + (x[4 * f + 2] - at) * by->of[1][f] +
                  (x[4 * f + 3] - at) * by->of[2][f];
    }
}

void vc_between_frames(float *made, const float *clip, uint32_t channels, const vc_path *path,
                       uint32_t frames) {
    const float *from = clip + ((ptrdiff_t)path->base - 1) * (ptrdiff_t)channels;
#if defined(VC_HAS_AVX2)
    if (channels <= 2 && __builtin_cpu_supports("avx2")) {
        if (channels == 1) {
            make_mono_avx2(made, from, path, (int32_t)frames);
        } else {
            make_stereo_avx2(made, from, path, (int32_t)frames);
        }
        return;
    }
#endif
    weights by;
    int32_t whole[VC_PATH_FRAMES];
    weigh(&by, whole, path, (int32_t)frames);
    if (channels == 1) {
        make_mono(made, from, whole, &by, (int32_t)frames);
        return;
    }
    if (channels == 2) {
        make_stereo(made, from, whole, &by, (int32_t)frames);
        return;
    }
    for (uint32_t f = 0; f < frames; f++) {
        const float *x = from + (ptrdiff_t)whole[f] * (ptrdiff_t)channels;
        const float w0 = by.of[0][f], w2 = by.of[1][f], w3 = by.of[2][f];
        for (uint32_t c = 0; c < channels; c++) {
            const float at = x[channels + c];
            made[f * channels + c] = at + (x[c] - at) * w0 + (x[2 * channels + c] - at) * w2 +
                                     (x[3 * channels + c] - at) * w3;
        }
    }
}
