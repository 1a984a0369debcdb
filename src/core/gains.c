/* Adds the frames of a sound to an output.
 *
 * Compilers vectorize these loops badly if a sound has one channel and the output two, and if gains
 * move. Two channels have code for processors with AVX2. It does the same operations in the same
 * order, so the results have the same bits. */
#include "gains.h"
#include "avx2.h"
#include "samples.h"

#include <stddef.h>
#include <string.h>

/* ---- even gains ------------------------------------------------------------------------------ */

static void add_stereo(float *restrict to, const float *restrict from, uint32_t frames, float left,
                       float right) {
    const float sides[8] = {left, right, left, right, left, right, left, right};
    const size_t samples = 2 * (size_t)frames, whole = samples & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        for (size_t k = 0; k < 8; k++) { /* this is vectorized; a loop over frames is not */
            to[i + k] += from[i + k] * sides[k];
        }
    }
    for (size_t i = whole; i < samples; i++) {
        to[i] += from[i] * sides[i % 2];
    }
}

static void add_mono(float *restrict to, const float *restrict from, uint32_t frames, float left,
                     float right) {
    float both[2 * VC_GAINS_FRAMES];
    while (frames > 0) {
        const uint32_t count = frames < VC_GAINS_FRAMES ? frames : VC_GAINS_FRAMES;
        for (uint32_t f = 0; f < count; f++) {
            both[2 * f] = from[f] * left;
            both[2 * f + 1] = from[f] * right;
        }
        for (uint32_t i = 0; i < 2 * count; i++) {
            to[i] += both[i];
        }
        to += 2 * count;
        from += count;
        frames -= count;
    }
}

/* ---- gains that move ------------------------------------------------------------------------- */

static void follow(float *restrict gain, const vc_curve *curve, uint32_t frames) {
    const float c0 = curve->of[0], c1 = curve->of[1], c2 = curve->of[2], c3 = curve->of[3];
    for (int32_t f = 0; f < (int32_t)frames; f++) {
        const float n = (float)f;
        gain[f] = c0 + n * (c1 + n * (c2 + n * c3));
    }
}

static void fade(float *restrict gain, const float *restrict fading, uint32_t frames) {
    for (uint32_t f = 0; f < frames; f++) {
        gain[f] *= fading[f];
    }
}

/* ---- AVX2 ------------------------------------------------------------------------------------ */

#if defined(VC_HAS_AVX2)

/* `own` is a constant, 1 or 2. */
INLINE_AVX2 static void add_four(float *to, const float *from, uint32_t own, __m256 gains) {
    __m256 x;
    if (own == 2) {
        x = _mm256_loadu_ps(from);
    } else {
        const __m128 mono = _mm_loadu_ps(from);
        const __m256 four = _mm256_insertf128_ps(_mm256_castps128_ps256(mono), mono, 1);
        x = _mm256_permutevar_ps(four, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
    }
    _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_mul_ps(x, gains)));
}

INLINE_AVX2 static __m256 four_gains(__m256 n, const __m256 *c) {
    __m256 gains = _mm256_add_ps(c[2], _mm256_mul_ps(n, c[3]));
    gains = _mm256_add_ps(c[1], _mm256_mul_ps(n, gains));
    return _mm256_add_ps(c[0], _mm256_mul_ps(n, gains));
}

/* `own` and `moves` are constants. */
INLINE_AVX2 static void add_wide(float *to, const float *from, uint32_t frames, uint32_t own,
                                 const vc_gains *gains, bool moves) {
    __m256 n = _mm256_setr_ps(0, 0, 1, 1, 2, 2, 3, 3), c[4];
    for (int i = 0; i < (moves ? 4 : 1); i++) {
        const float left = gains->left.of[i], right = gains->right.of[i];
        c[i] = _mm256_setr_ps(left, right, left, right, left, right, left, right);
    }
    uint32_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        add_four(to, from, own, moves ? four_gains(n, c) : c[0]);
        n = _mm256_add_ps(n, _mm256_set1_ps(4.0f));
        to += 8;
        from += 4 * own;
    }
    if (f < frames) {
        float sound[8] = {0.0f}, sum[8] = {0.0f};
        memcpy(sound, from, (frames - f) * own * sizeof *sound);
        memcpy(sum, to, (frames - f) * 2 * sizeof *sum);
        add_four(sum, sound, own, moves ? four_gains(n, c) : c[0]);
        memcpy(to, sum, (frames - f) * 2 * sizeof *sum);
    }
}

AVX2 static void add_avx2(float *to, const float *from, uint32_t frames, uint32_t own,
                          const vc_gains *gains) {
    if (own == 2) {
        gains->move ? add_wide(to, from, frames, 2, gains, true)
                    : add_wide(to, from, frames, 2, gains, false);
    } else {
        gains->move ? add_wide(to, from, frames, 1, gains, true)
                    : add_wide(to, from, frames, 1, gains, false);
    }
}

/* Adds with wide vectors. Returns false if the processor has none. */
static bool add_fast(float *to, const float *from, uint32_t frames, uint32_t own,
                     const vc_gains *gains) {
    if (!__builtin_cpu_supports("avx2")) {
        return false;
    }
    add_avx2(to, from, frames, own, gains);
    return true;
}
#else
static bool add_fast(float *to, const float *from, uint32_t frames, uint32_t own,
                     const vc_gains *gains) {
    (void)to, (void)from, (void)frames, (void)own, (void)gains;
    return false;
}
#endif

/* ---- by the number of channels --------------------------------------------------------------- */

static void add_moving(float *restrict to, uint32_t channels, const float *restrict from,
                       uint32_t own, uint32_t frames, const vc_gains *gains) {
    const vc_curve *curves[3] = {&gains->left, &gains->right, &gains->other};
    float gain[3][VC_GAINS_FRAMES];
    for (uint32_t i = channels == 1 ? 2 : 0; i < (channels == 2 ? 2 : 3); i++) {
        follow(gain[i], curves[i], frames);
        if (gains->fading != NULL) {
            fade(gain[i], gains->fading, frames);
        }
    }
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            const float now = gain[channels == 1 || c > 2 ? 2 : c][f];
            to[(size_t)f * channels + c] += from[(size_t)f * own + (own == 1 ? 0 : c)] * now;
        }
    }
}

void vc_gains_add(float *to, uint32_t channels, const float *from, uint32_t own, uint32_t frames,
                  const vc_gains *gains) {
    const float left = gains->left.of[0], right = gains->right.of[0], other = gains->other.of[0];
    if (channels == 2 && (!gains->move || gains->fading == NULL) &&
        add_fast(to, from, frames, own, gains)) {
        return;
    }
    if (gains->move) {
        add_moving(to, channels, from, own, frames, gains);
    } else if (channels == 2) {
        own == 2 ? add_stereo(to, from, frames, left, right)
                 : add_mono(to, from, frames, left, right);
    } else if (own == channels && (channels == 1 || (left == other && right == other))) {
        vc_mix_add(to, from, frames, channels, other, 0.0f);
    } else {
        for (uint32_t f = 0; f < frames; f++) {
            for (uint32_t c = 0; c < channels; c++) {
                const float gain = c == 0 ? left : c == 1 ? right : other;
                to[(size_t)f * channels + c] += from[(size_t)f * own + (own == 1 ? 0 : c)] * gain;
            }
        }
    }
}
