/* between_avx2.h - the part of between.c for processors with AVX2, eight frames at a time. Private
 * to it. */
#ifndef VOICECOIL_BETWEEN_AVX2_H
#define VOICECOIL_BETWEEN_AVX2_H

/* The positions of frames 0 to 3 and 4 to 7. `ahead` is how far each is from the position eight
 * frames later. */
typedef struct positions {
    __m256i at[2], ahead[2], change;
} positions;

INLINE_AVX2 static __m256i four_positions(uint64_t at, uint64_t step, uint64_t change) {
    return _mm256_setr_epi64x((int64_t)at, (int64_t)(at + step), (int64_t)(at + 2 * step + change),
                              (int64_t)(at + 3 * step + 3 * change));
}

INLINE_AVX2 static positions positions_of(const vc_path *path) {
    const steps first = steps_of(path);
    const uint64_t at = first.at, step = first.step, change = first.change;
    const uint64_t ahead = 8 * step + 28 * change, more = 8 * change;
    return (positions){{four_positions(at, step, change),
                        four_positions(at + 4 * step + 6 * change, step + 4 * change, change)},
                       {four_positions(ahead, more, 0), four_positions(ahead + 4 * more, more, 0)},
                       _mm256_set1_epi64x((int64_t)(8 * more))};
}

INLINE_AVX2 static void advance(positions *positions) {
    for (int i = 0; i < 2; i++) {
        positions->at[i] = _mm256_add_epi64(positions->at[i], positions->ahead[i]);
        positions->ahead[i] = _mm256_add_epi64(positions->ahead[i], positions->change);
    }
}

/* As vc_between. `bits` are the upper bits of the fractions. */
INLINE_AVX2 static __m256 between_avx2(__m256 x0, __m256 x1, __m256 x2, __m256 x3, __m256i bits) {
    const __m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(MANTISSA));
    const __m256 from_one =
        _mm256_castsi256_ps(_mm256_or_si256(mantissa, _mm256_set1_epi32(ONE_FLOAT)));
    const __m256 t = _mm256_sub_ps(from_one, _mm256_set1_ps(1.0f));
    const __m256 to_next = _mm256_sub_ps(from_one, _mm256_set1_ps(2.0f));
    const __m256 before = _mm256_sub_ps(x1, x0), within = _mm256_sub_ps(x2, x1);
    const __m256 after = _mm256_sub_ps(x3, x2), bend = _mm256_sub_ps(within, before);
    const __m256 change = _mm256_sub_ps(_mm256_sub_ps(after, within), bend);
    const __m256 bent = _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(0.5f), to_next),
                                      _mm256_add_ps(bend, _mm256_mul_ps(t, change)));
    return _mm256_add_ps(x1, _mm256_mul_ps(t, _mm256_add_ps(within, bent)));
}

INLINE_AVX2 static __m256i load_both(const float *low, const float *high) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
        _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}

/* The bytes with the upper bits of the fractions of two positions, each for two channels. */
static const uint32_t twice[4] = {0x80040302, 0x80040302, 0x800c0b0a, 0x800c0b0a};

INLINE_AVX2 static __m256 four_stereo(const float *const *x, __m256i at) {
    const __m256i even = load_both(x[0], x[2]), odd = load_both(x[1], x[3]);
    const __m256i even_later = load_both(x[0] + 4, x[2] + 4);
    const __m256i odd_later = load_both(x[1] + 4, x[3] + 4);
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)twice));
    return between_avx2(_mm256_castsi256_ps(_mm256_unpacklo_epi64(even, odd)),
                        _mm256_castsi256_ps(_mm256_unpackhi_epi64(even, odd)),
                        _mm256_castsi256_ps(_mm256_unpacklo_epi64(even_later, odd_later)),
                        _mm256_castsi256_ps(_mm256_unpackhi_epi64(even_later, odd_later)),
                        _mm256_shuffle_epi8(at, bytes));
}

/* Most shuffles stay inside each half of a register, so the frames are in the order 0, 1, 4, 5, 2,
 * 3, 6, 7 until the end. */
INLINE_AVX2 static __m256 eight_mono(const float *const *x, const __m256i *at) {
    const __m256i a = load_both(x[0], x[2]), b = load_both(x[1], x[3]);
    const __m256i c = load_both(x[4], x[6]), d = load_both(x[5], x[7]);
    const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
    const __m256i ab_later = _mm256_unpackhi_epi32(a, b), cd_later = _mm256_unpackhi_epi32(c, d);
    const __m256 bits =
        _mm256_shuffle_ps(_mm256_castsi256_ps(_mm256_srli_epi64(at[0], MANTISSA_SHIFT)),
                          _mm256_castsi256_ps(_mm256_srli_epi64(at[1], MANTISSA_SHIFT)), 0x88);
    const __m256 sum = between_avx2(_mm256_castsi256_ps(_mm256_unpacklo_epi64(ab, cd)),
                                    _mm256_castsi256_ps(_mm256_unpackhi_epi64(ab, cd)),
                                    _mm256_castsi256_ps(_mm256_unpacklo_epi64(ab_later, cd_later)),
                                    _mm256_castsi256_ps(_mm256_unpackhi_epi64(ab_later, cd_later)),
                                    _mm256_castps_si256(bits));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(sum), 0xd8));
}

/* Makes eight frames, of which `left` are wanted. The others are read at the position of the first
 * one, so that no frame outside the clip is read. */
INLINE_AVX2 static void make_eight(float *made, const float *from, uint32_t channels,
                                   const positions *positions, int32_t left) {
    int64_t whole[8];
    const float *x[8];
    for (int i = 0; i < 2; i++) {
        _mm256_storeu_si256((__m256i *)(void *)(whole + 4 * i),
                            _mm256_srli_epi64(positions->at[i], FRAME_BITS));
    }
    for (int32_t i = 0; i < 8; i++) {
        x[i] = from + (ptrdiff_t)channels * (ptrdiff_t)whole[i < left ? i : 0];
    }
    if (channels == 1) {
        _mm256_storeu_ps(made, eight_mono(x, positions->at));
    } else {
        _mm256_storeu_ps(made, four_stereo(x, positions->at[0]));
        _mm256_storeu_ps(made + 8, four_stereo(x + 4, positions->at[1]));
    }
}

/* `channels` is a constant, 1 or 2. */
INLINE_AVX2 static void make_avx2(float *made, const float *from, uint32_t channels,
                                  const vc_path *path, int32_t frames) {
    positions positions = positions_of(path);
    int32_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        make_eight(made + channels * (uint32_t)f, from, channels, &positions, 8);
        advance(&positions);
    }
    if (f < frames) {
        float last[16];
        make_eight(last, from, channels, &positions, frames - f);
        memcpy(made + channels * (uint32_t)f, last,
               (size_t)(frames - f) * channels * sizeof(float));
    }
}

AVX2 static void make_stereo_avx2(float *made, const float *from, const vc_path *path,
                                  int32_t frames) {
    make_avx2(made, from, 2, path, frames);
}

AVX2 static void make_mono_avx2(float *made, const float *from, const vc_path *path,
                                int32_t frames) {
    make_avx2(made, from, 1, path, frames);
}

#endif
