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
    const __m512 to_next = _mm512_sub_ps(from_one, _mm512_set1_ps(2.0f));
    const __m512 before = _mm512_sub_ps(x1, x0), within = _mm512_sub_ps(x2, x1);
    const __m512 after = _mm512_sub_ps(x3, x2), bend = _mm512_sub_ps(within, before);
    const __m512 cubic = _mm512_sub_ps(_mm512_sub_ps(after, within), bend);
    const __m512 square = _mm512_add_ps(bend, _mm512_mul_ps(cubic, to_next));
    const __m512 slope = _mm512_add_ps(_mm512_add_ps(before, within), _mm512_mul_ps(square, t));
    return _mm512_add_ps(x1, _mm512_mul_ps(slope, _mm512_mul_ps(_mm512_set1_ps(0.5f), t)));
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

/* `channels` is a constant, 1 or 2. The path is dense. */
INLINE_AVX512 static void make_dense(float *made, const float *from, uint32_t channels,
                                     const vc_path *path, uint32_t frames) {
    const uint64_t group = channels == 1 ? 16 : 8; /* frames that are made at once */
    const __m512i numbers = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    steps next = steps_of(path);
    /* How far eight frames are after the first of them. */
    __m512i ahead = _mm512_mullo_epi64(numbers, all(next.step)), more = all(0);
    if (next.change != 0) {
        const __m512i sums = _mm512_setr_epi64(0, 0, 1, 3, 6, 10, 15, 21);
        ahead = _mm512_add_epi64(ahead, _mm512_mullo_epi64(sums, all(next.change)));
        more = _mm512_mullo_epi64(numbers, all(8 * next.change));
    }
    for (uint32_t f = 0; f < frames; f += (uint32_t)group) {
        const uint64_t whole = next.at >> FRAME_BITS, rest = next.at - (whole << FRAME_BITS);
        const __m512i at = _mm512_add_epi64(ahead, all(rest));
        __m512 sum;
        if (channels == 1) {
            ahead = _mm512_add_epi64(ahead, more);
            const __m512i later = all(rest + 8 * next.step + 28 * next.change);
            sum = sixteen_mono_512(from + whole, at, _mm512_add_epi64(ahead, later));
        } else {
            sum = eight_stereo_512(from + 2 * whole, at);
        }
        ahead = _mm512_add_epi64(ahead, more);
        if (f + group <= frames) {
            _mm512_storeu_ps(made + channels * f, sum);
        } else {
            const uint32_t wanted = (1u << channels * (frames - f)) - 1;
            _mm512_mask_storeu_ps(made + channels * f, (__mmask16)wanted, sum);
        }
        next.at += group * next.step + group * (group - 1) / 2 * next.change;
        next.step += group * next.change;
    }
}

AVX512 static void make_stereo_avx512(float *made, const float *from, const vc_path *path,
                                      uint32_t frames) {
    make_dense(made, from, 2, path, frames);
}

AVX512 static void make_mono_avx512(float *made, const float *from, const vc_path *path,
                                    uint32_t frames) {
    make_dense(made, from, 1, path, frames);
}

/* Whether the frames around sixteen positions are always in a window, and all windows in the clip.
 * As in interleave.c, the first processors with AVX-512 are excluded. They slow down for some time
 * when it is used. */
static bool is_dense(const vc_path *path, uint32_t frames) {
    const double last_rate = path->rate + 2.0 * path->rate_change * (double)frames;
    return path->rate <= 2.0 && last_rate <= 2.0 &&
           vc_path_at(path, (double)frames) + 35.0 <= path->frames &&
           __builtin_cpu_supports("avx512vbmi2");
}

#endif
