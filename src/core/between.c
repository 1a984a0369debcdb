/* Samples between the frames of a clip.
 *
 * The frames of the clip that are read are not equally far apart, so compilers do not vectorize a
 * loop that does everything. Here each loop does one step for all frames, and most of these loops
 * are vectorized. between_avx2.h and between_avx512.h have code for processors with these
 * instructions. All three do the same operations in the same order, so the results have the same
 * bits. */
#include "avx2.h"
#include "between.h"

#include <stddef.h>
#include <string.h>

/* Positions within a path are integers, in units of 2^-39 frames. The upper 23 bits of the fraction
 * become the mantissa of a float from 1 to 2, because conversions between integers and floating
 * point took most of the time. With 39 bits, these 23 bits begin at a byte, so that one shuffle of
 * bytes moves them. */
#define ONE_FRAME 549755813888.0
enum { FRAME_BITS = 39, MANTISSA_SHIFT = FRAME_BITS - 23 };
enum { MANTISSA = 0x7fffff, ONE_FLOAT = 0x3f800000 };

/* The position of a frame, the distance to the next position, and the change of this distance.
 * Unsigned, because positions after the last frame, which are not used, may overflow. */
typedef struct steps {
    uint64_t at, step, change;
} steps;

static steps steps_of(const vc_path *path) {
    return (steps){(uint64_t)(path->first * ONE_FRAME), (uint64_t)(path->rate * ONE_FRAME),
                   (uint64_t)(int64_t)(2.0 * path->rate_change * ONE_FRAME)};
}

#if defined(VC_HAS_AVX2)
#include "between_avx2.h"
#include "between_avx512.h"
#endif

/* Writes the whole frames before the positions, and how far the positions are after them. */
static void locate(int32_t *restrict whole, float *restrict after, const vc_path *path,
                   uint32_t frames) {
    uint32_t bits[VC_PATH_FRAMES];
    steps next = steps_of(path);
    for (uint32_t f = 0; f < frames; f++) {
        whole[f] = (int32_t)(next.at >> FRAME_BITS);
        bits[f] = (uint32_t)(next.at >> MANTISSA_SHIFT);
        next.at += next.step;
        next.step += next.change;
    }
    for (uint32_t f = 0; f < frames; f++) {
        bits[f] = (bits[f] & MANTISSA) | ONE_FLOAT;
    }
    memcpy(after, bits, frames * sizeof *after);
    for (uint32_t f = 0; f < frames; f++) {
        after[f] -= 1.0f;
    }
}

/* `channels` is a constant, 1 or 2. */
static inline void make_few(float *restrict made, const float *restrict from,
                            const int32_t *restrict whole, const float *restrict after,
                            uint32_t channels, uint32_t frames) {
    float x[4][2 * VC_PATH_FRAMES], t[2 * VC_PATH_FRAMES];
    for (uint32_t f = 0; f < frames; f++) {
        const float *at = from + (ptrdiff_t)whole[f] * (ptrdiff_t)channels;
        for (uint32_t k = 0; k < 4; k++) {
            memcpy(x[k] + f * channels, at + k * channels, channels * sizeof(float));
        }
        for (uint32_t c = 0; c < channels; c++) {
            t[f * channels + c] = after[f];
        }
    }
    for (uint32_t i = 0; i < frames * channels; i++) {
        made[i] = vc_between(x[0][i], x[1][i], x[2][i], x[3][i], t[i]);
    }
}

static void make_many(float *restrict made, const float *restrict from,
                      const int32_t *restrict whole, const float *restrict after, uint32_t channels,
                      uint32_t frames) {
    for (uint32_t f = 0; f < frames; f++) {
        const float *x = from + (ptrdiff_t)whole[f] * (ptrdiff_t)channels;
        for (uint32_t c = 0; c < channels; c++) {
            made[f * channels + c] = vc_between(x[c], x[channels + c], x[2 * channels + c],
                                                x[3 * channels + c], after[f]);
        }
    }
}

void vc_between_frames(float *made, const float *clip, uint32_t channels, const vc_path *path,
                       uint32_t frames) {
    const float *from = clip + ((ptrdiff_t)path->base - 1) * (ptrdiff_t)channels;
#if defined(VC_HAS_AVX2)
    if (channels <= 2 && __builtin_cpu_supports("avx2")) {
        channels == 1 ? make_mono_avx2(made, from, path, (int32_t)frames)
                      : make_stereo_avx2(made, from, path, (int32_t)frames);
        return;
    }
#endif
    int32_t whole[VC_PATH_FRAMES];
    float after[VC_PATH_FRAMES];
    locate(whole, after, path, frames);
    if (channels == 1) {
        make_few(made, from, whole, after, 1, frames);
    } else if (channels == 2) {
        make_few(made, from, whole, after, 2, frames);
    } else {
        make_many(made, from, whole, after, channels, frames);
    }
}

void vc_between_add(float *to, uint32_t channels, const float *clip, uint32_t own,
                    const vc_path *path, uint32_t frames, const vc_gains *gains) {
#if defined(VC_HAS_AVX2)
    if (channels == 2 && (!gains->move || gains->fading == NULL) && is_dense(path, frames)) {
        add_avx512(to, clip + ((ptrdiff_t)path->base - 1) * (ptrdiff_t)own, own, path, frames,
                   gains);
        return;
    }
#endif
    float made[VC_PATH_SAMPLES];
    vc_between_frames(made, clip, own, path, frames);
    vc_gains_add(to, channels, made, own, frames, gains);
}
