/* between_avx512.h - the part of between.c for processors with AVX-512. Private to it.
 *
 * If the rate is at most 2, the frames around neighbouring positions are near each other. They are
 * loaded together, and one shuffle takes those of all positions from two registers. So each load
 * serves eight stereo frames or sixteen mono frames. */
#ifndef VOICECOIL_BETWEEN_AVX512_H
#define VOICECOIL_BETWEEN_AVX512_H

#include <stdbool.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq")))
#define INLINE_AVX512 AVX512 inline __attribute__((always_inline))

/* As vc_between. `bits` are the upper bits of the fractions. */
INLINE_AVX512 static __m512 between_512(__m512 x0, __m512 x1, __m512 x2, __m512 x3, __m512i bits) {
    const __m512 from_one = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        bits, _mm512_set1_epi32(MANTISSA), _mm512_set1_epi32(ONE_FLOAT), 0xea)); /* a & b | c */
    const __m512 t = _mm512_sub_ps(from_one, _mm512_set1_ps(1.0f));
    /* 0.5 * (t - 1). This is exact, so it has the same bits as two operations. */
    const __m512 to_next = _mm512_fmsub_ps(from_one, _mm512_set1_ps(0.5f), _mm512_set1_ps(1.0f));
    const __m512 before = _mm512_sub_ps(x1, x0), within = _mm512_sub_ps(x2, x1);
    const __m512 after = _mm512_sub_ps(x3, x2), bend = _mm512_sub_ps(within, before);
    const __m512 change = _mm512_sub_ps(_mm512_sub_ps(after, within), bend);
    const __m512 bent = _mm512_mul_ps(to_next, _mm512_add_ps(bend, _mm512_mul_ps(t, change)));
    return _mm512_add_ps(x1, _mm512_mul_ps(t, _mm512_add_ps(within, bent)));
}

INLINE_AVX512 static __m512d load_stereo(const float *x) {
    return _mm512_loadu_pd((const double *)(const void *)x);
}

/* Eight frames, and then sixteen. The windows begin at `x`, and `at` counts from there. Each window
 * serves two of the four frames around a position, because loads cost more than additions. */
INLINE_AVX512 static __m512 eight_stereo_512(const float *x, __m512i at) {
    const __m512i bytes =
        _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)twice));
    const __m512i which = _mm512_srli_epi64(at, FRAME_BITS);
    const __m512i next = _mm512_add_epi64(which, _mm512_set1_epi64(1));
    const __m512d a = load_stereo(x), b = load_stereo(x + 16);
    const __m512d c = load_stereo(x + 4), d = load_stereo(x + 20);
    return between_512(_mm512_castpd_ps(_mm512_permutex2var_pd(a, which, b)),
                       _mm512_castpd_ps(_mm512_permutex2var_pd(a, next, b)),
                       _mm512_castpd_ps(_mm512_permutex2var_pd(c, which, d)),
                       _mm512_castpd_ps(_mm512_permutex2var_pd(c, next, d)),
                       _mm512_shuffle_epi8(at, bytes));
}

INLINE_AVX512 static __m512 sixteen_mono_512(const float *x, __m512i at, __m512i later) {
    const __m512i lower =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i which = _mm512_permutex2var_epi32(_mm512_srli_epi64(at, FRAME_BITS), lower,
                                                    _mm512_srli_epi64(later, FRAME_BITS));
    const __m512i next = _mm512_add_epi32(which, _mm512_set1_epi32(1));
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    const __m512 c = _mm512_loadu_ps(x + 2), d = _mm512_loadu_ps(x + 18);
    return between_512(_mm512_permutex2var_ps(a, which, b), _mm512_permutex2var_ps(a, next, b),
                       _mm512_permutex2var_ps(c, which, d), _mm512_permutex2var_ps(c, next, d),
                       _mm512_permutex2var_epi32(_mm512_srli_epi64(at, MANTISSA_SHIFT), lower,
                                                 _mm512_srli_epi64(later, MANTISSA_SHIFT)));
}

INLINE_AVX512 static __m512i all(uint64_t value) { return _mm512_set1_epi64((int64_t)value); }

/* The gains of eight stereo frames. */
typedef struct eight_gains {
    __m512 of[4], numbers; /* as in vc_curve, and the numbers of the frames */
} eight_gains;

INLINE_AVX512 static eight_gains eight_gains_of(const vc_gains *gains) {
    const __m512i frames = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    eight_gains eight = {.numbers = _mm512_cvtepi32_ps(frames)};
    for (int i = 0; i < (gains->move ? 4 : 1); i++) {
        eight.of[i] = _mm512_mask_mov_ps(_mm512_set1_ps(gains->left.of[i]), 0xaaaa,
                                         _mm512_set1_ps(gains->right.of[i]));
    }
    return eight;
}

/* Adds eight stereo frames, or as many of them as there are samples, and goes to the next gains. */
INLINE_AVX512 static void add_eight(float *to, __m512 sound, uint32_t samples, eight_gains *eight,
                                    bool move) {
    __m512 gains = eight->of[0];
    if (move) {
        gains = _mm512_add_ps(eight->of[2], _mm512_mul_ps(eight->numbers, eight->of[3]));
        gains = _mm512_add_ps(eight->of[1], _mm512_mul_ps(eight->numbers, gains));
        gains = _mm512_add_ps(eight->of[0], _mm512_mul_ps(eight->numbers, gains));
        eight->numbers = _mm512_add_ps(eight->numbers, _mm512_set1_ps(8.0f));
    }
    sound = _mm512_mul_ps(sound, gains);
    if (samples >= 16) {
        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), sound));
    } else {
        const __mmask16 in = (__mmask16)((1u << samples) - 1);
        _mm512_mask_storeu_ps(to, in, _mm512_add_ps(_mm512_maskz_loadu_ps(in, to), sound));
    }
}

/* Adds a dense path to a stereo output. `own` is a constant, 1 or 2. */
INLINE_AVX512 static void add_dense(float *to, const float *from, uint32_t own, const vc_path *path,
                                    uint32_t frames, const vc_gains *gains, bool move) {
    const __m512i numbers = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const uint64_t group = own == 1 ? 16 : 8; /* frames that are made at once */
    eight_gains eight = eight_gains_of(gains);
    steps next = steps_of(path);
    /* How far eight frames are after the first of them. */
    __m512i ahead = _mm512_mullo_epi64(numbers, all(next.step)), more = all(0);
    if (next.change != 0) {
        const __m512i sums = _mm512_setr_epi64(0, 0, 1, 3, 6, 10, 15, 21);
        ahead = _mm512_add_epi64(ahead, _mm512_mullo_epi64(sums, all(next.change)));
        more = _mm512_mullo_epi64(numbers, all(8 * next.change));
    }
    for (uint32_t samples = 2 * frames;;) {
        const uint64_t whole = next.at >> FRAME_BITS, rest = next.at - (whole << FRAME_BITS);
        const __m512i at = _mm512_add_epi64(ahead, all(rest));
        if (next.change != 0) {
            ahead = _mm512_add_epi64(ahead, more);
        }
        if (own == 2) {
            add_eight(to, eight_stereo_512(from + 2 * whole, at), samples, &eight, move);
        } else {
            const __m512i later = all(rest + 8 * next.step + 28 * next.change);
            const __m512 sound = sixteen_mono_512(from + whole, at, _mm512_add_epi64(ahead, later));
            const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            const __m512i last = _mm512_add_epi32(twice, _mm512_set1_epi32(8));
            add_eight(to, _mm512_permutexvar_ps(twice, sound), samples, &eight, move);
            if (samples > 16) {
                add_eight(to + 16, _mm512_permutexvar_ps(last, sound), samples - 16, &eight, move);
            }
            if (next.change != 0) {
                ahead = _mm512_add_epi64(ahead, more);
            }
        }
        if (samples <= 2 * group) {
            return;
        }
        samples -= 2 * (uint32_t)group;
        to += 2 * group;
        next.at += group * next.step + group * (group - 1) / 2 * next.change;
        next.step += group * next.change;
    }
}

AVX512 static void add_avx512(float *to, const float *from, uint32_t own, const vc_path *path,
                              uint32_t frames, const vc_gains *gains) {
    if (own == 2) {
        gains->move ? add_dense(to, from, 2, path, frames, gains, true)
                    : add_dense(to, from, 2, path, frames, gains, false);
    } else {
        gains->move ? add_dense(to, from, 1, path, frames, gains, true)
                    : add_dense(to, from, 1, path, frames, gains, false);
    }
}

/* Whether the frames around sixteen positions are always in a window, and all windows in the clip.
 * As in interleave.c, the first processors with AVX-512 are excluded. They slow down for some time
 * when it is used. */
static bool is_dense(const vc_path *path, uint32_t frames) {
    const double last_rate = path->rate + 2.0 * path->rate_change * (double)frames;
    return path->rate <= 2.0 && last_rate <= 2.0 &&
           vc_path_at(path, (double)frames) + 35.0 <= path->frames &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq");
}

#endif
