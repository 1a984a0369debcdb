/* interleave_avx512.h - the part of interleave.c for processors with AVX-512. Private to it. */
#ifndef VOICECOIL_INTERLEAVE_AVX512_H
#define VOICECOIL_INTERLEAVE_AVX512_H

/* The same conversions with registers of 16 floats, which memcpy also uses. They exist for stereo,
 * because most streams are stereo, and for frames of eight channels. */
#define AVX512 __attribute__((target("avx512f")))

AVX512 static ptrdiff_t interleave_2_avx512(float *to, const float *const *from, ptrdiff_t frames) {
    const float *left = from[0], *right = from[1];
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i second =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    ptrdiff_t f = 0;
    for (; f + 16 <= frames; f += 16) {
        __m512 a = _mm512_loadu_ps(left + f), b = _mm512_loadu_ps(right + f);
        _mm512_storeu_ps(to + f * 2, _mm512_permutex2var_ps(a, first, b));
        _mm512_storeu_ps(to + f * 2 + 16, _mm512_permutex2var_ps(a, second, b));
    }
    return f;
}

AVX512 static ptrdiff_t deinterleave_2_avx512(float *const *to, const float *from,
                                              ptrdiff_t frames) {
    float *left = to[0], *right = to[1];
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    ptrdiff_t f = 0;
    for (; f + 16 <= frames; f += 16) {
        __m512 a = _mm512_loadu_ps(from + f * 2), b = _mm512_loadu_ps(from + f * 2 + 16);
        _mm512_storeu_ps(left + f, _mm512_permutex2var_ps(a, even, b));
        _mm512_storeu_ps(right + f, _mm512_permutex2var_ps(a, odd, b));
    }
    return f;
}

/* Eight channels. Only one unit of the processor shuffles registers of this size, but two units
 * blend them (take each position from one of two registers). So the first shuffles put the samples
 * in an order that makes a blend sufficient for half of the results. For 64 samples this takes 6
 * shuffles; without the blends it takes 8, and the time of memcpy is that of 4. */
#define LOAD_16(at) _mm512_loadu_si512((const void *)(at))
#define STORE_16(at, value) _mm512_storeu_si512((void *)(at), value)
#define STORE_HALF(at, value) _mm256_storeu_si256((__m256i *)(at), value)
#define PICK _mm512_permutex2var_epi32 /* positions from 16 on are those of the second register */

/* Eight samples at each address. The second load is a blend as well. */
#define HALVES(low, high)                                                                          \
    _mm512_mask_broadcast_i64x4(                                                                   \
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(low))), 0xf0,                  \
        _mm256_loadu_si256((const __m256i *)(high)))

/* Takes each pair of samples with an even number from b and each with an odd number from a, and
 * exchanges the two. */
#define CROSSED(a, b)                                                                              \
    _mm512_castpd_si512(_mm512_shuffle_pd(_mm512_castsi512_pd(a), _mm512_castsi512_pd(b), 0x55))

AVX512 static ptrdiff_t interleave_8_avx512(float *to, const float *const *from, ptrdiff_t frames) {
    const float *c0 = from[0], *c1 = from[1], *c2 = from[2], *c3 = from[3];
    const float *c4 = from[4], *c5 = from[5], *c6 = from[6], *c7 = from[7];
    const __m512i four = _mm512_set1_epi32(4);
    /* Pairs of channels 0 and 1 or 4 and 5, by frames: 0 2 0 2 1 3 1 3. */
    const __m512i a_order =
        _mm512_setr_epi32(0, 16, 2, 18, 8, 24, 10, 26, 1, 17, 3, 19, 9, 25, 11, 27);
    /* Pairs of channels 2 and 3 or 6 and 7, by frames: 2 0 2 0 3 1 3 1. */
    const __m512i b_order =
        _mm512_setr_epi32(2, 18, 0, 16, 10, 26, 8, 24, 3, 19, 1, 17, 11, 27, 9, 25);
    const __m512i c_order = _mm512_add_epi32(a_order, four);
    const __m512i d_order = _mm512_add_epi32(b_order, four);
    ptrdiff_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        __m512i c04 = HALVES(c0 + f, c4 + f), c15 = HALVES(c1 + f, c5 + f);
        __m512i c26 = HALVES(c2 + f, c6 + f), c37 = HALVES(c3 + f, c7 + f);
        __m512i a = PICK(c04, a_order, c15), b = PICK(c26, b_order, c37);
        __m512i c = PICK(c04, c_order, c15), d = PICK(c26, d_order, c37);
        STORE_16(to, _mm512_mask_blend_epi64(0xaa, a, b));
        STORE_16(to + 16, CROSSED(a, b));
        STORE_16(to + 32, _mm512_mask_blend_epi64(0xaa, c, d));
        STORE_16(to + 48, CROSSED(c, d));
        to += 64;
    }
    const float *rest[8];
    for (int i = 0; i < 8; i++) {
        rest[i] = from[i] + f;
    }
    return f + interleave_8_avx2(to, 8, rest, frames - f);
}

/* The positions of four channels of four frames, in two registers of two frames. */
#define CHANNELS(a, b, c, d)                                                                       \
    _mm512_setr_epi32(a, a + 8, a + 16, a + 24, b, b + 8, b + 16, b + 24, c, c + 8, c + 16,        \
                      c + 24, d, d + 8, d + 16, d + 24)

/* Stores four channels of the 16 frames in `rows`. `orders` are those of four frames each. */
AVX512 inline __attribute__((always_inline)) static void
deinterleave_4_of_8(float *t0, float *t1, float *t2, float *t3, const __m512i *rows,
                    const __m512i *orders) {
    const __m512i crossed = _mm512_setr_epi64(2, 3, 8, 9, 6, 7, 12, 13);
    __m512i p = PICK(rows[0], orders[0], rows[1]), q = PICK(rows[2], orders[1], rows[3]);
    __m512i r = PICK(rows[4], orders[2], rows[5]), s = PICK(rows[6], orders[3], rows[7]);
    /* Frames 0 to 7 of channels 0 and 2 or 1 and 3, and frames 8 to 15 of channels 2 and 0 or 3
     * and 1. */
    __m512i even = _mm512_mask_blend_epi64(0xcc, p, q);
    __m512i even_later = _mm512_mask_blend_epi64(0xcc, r, s);
    __m512i odd = _mm512_permutex2var_epi64(p, crossed, q);
    __m512i odd_later = _mm512_permutex2var_epi64(r, crossed, s);
    STORE_16(t0, _mm512_mask_blend_epi64(0xf0, even, even_later));
    STORE_16(t1, _mm512_mask_blend_epi64(0xf0, odd, odd_later));
    STORE_HALF(t2, _mm512_extracti64x4_epi64(even, 1));
    STORE_HALF(t2 + 8, _mm512_castsi512_si256(even_later));
    STORE_HALF(t3, _mm512_extracti64x4_epi64(odd, 1));
    STORE_HALF(t3 + 8, _mm512_castsi512_si256(odd_later));
}

AVX512 static ptrdiff_t deinterleave_8_avx512(float *const *to, const float *from,
                                              ptrdiff_t frames) {
    float *c0 = to[0], *c1 = to[1], *c2 = to[2], *c3 = to[3];
    float *c4 = to[4], *c5 = to[5], *c6 = to[6], *c7 = to[7];
    const __m512i lower[4] = {CHANNELS(0, 1, 2, 3), CHANNELS(1, 0, 3, 2), CHANNELS(2, 3, 0, 1),
                              CHANNELS(3, 2, 1, 0)};
    const __m512i upper[4] = {CHANNELS(4, 5, 6, 7), CHANNELS(5, 4, 7, 6), CHANNELS(6, 7, 4, 5),
                              CHANNELS(7, 6, 5, 4)};
    ptrdiff_t f = 0;
    for (; f + 16 <= frames; f += 16) {
        const __m512i rows[8] = {LOAD_16(from),      LOAD_16(from + 16), LOAD_16(from + 32),
                                 LOAD_16(from + 48), LOAD_16(from + 64), LOAD_16(from + 80),
                                 LOAD_16(from + 96), LOAD_16(from + 112)};
        deinterleave_4_of_8(c0 + f, c1 + f, c2 + f, c3 + f, rows, lower);
        deinterleave_4_of_8(c4 + f, c5 + f, c6 + f, c7 + f, rows, upper);
        from += 128;
    }
    float *rest[8];
    for (int i = 0; i < 8; i++) {
        rest[i] = to[i] + f;
    }
    return f + deinterleave_8_avx2(rest, from, 8, frames - f);
}

#endif
