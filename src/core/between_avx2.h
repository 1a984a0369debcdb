/* between_avx2.h - the part of between.c for processors with AVX2, eight frames at a time. Private
 * to it.
 *
 * All operations are those of between.c, in the same order, so the results have the same bits. */
#ifndef VOICECOIL_BETWEEN_AVX2_H
#define VOICECOIL_BETWEEN_AVX2_H

/* The positions of frames 0 to 3 and 4 to 7. `ahead` is how far each is from the position eight
 * frames later. */
typedef struct positions {
    __m256i at[2], ahead[2], change;
} positions;

/* The order of eight frames, because most shuffles stay inside each half of a register. */
static const int32_t frame_order[8] = {0, 1, 4, 5, 2, 3, 6, 7};

typedef struct eight_frames {
    int32_t whole[8];
    __m256 by[3]; /* the weights of the frame before the position, and of the two after it */
} eight_frames;

/* Unsigned, because positions after the last frame, which nobody uses, may overflow. */
INLINE_AVX2 static __m256i four_positions(uint64_t at, uint64_t step, uint64_t change) {
    return _mm256_setr_epi64x((int64_t)at, (int64_t)(at + step), (int64_t)(at + 2 * step + change),
                              (int64_t)(at + 3 * step + 3 * change));
}

INLINE_AVX2 static positions positions_of(const vc_path *path) {
    const uint64_t at = (uint64_t)(int64_t)(path->first * ONE_FRAME);
    const uint64_t step = (uint64_t)(int64_t)(path->rate * ONE_FRAME);
    const uint64_t change = (uint64_t)(int64_t)(2.0 * path->rate_change * ONE_FRAME);
    const uint64_t ahead = 8 * step + 28 * change, more = 8 * change;
    return (positions){{four_positions(at, step, change),
                        four_positions(at + 4 * step + 6 * change, step + 4 * change, change)},
                       {four_positions(ahead, more, 0), four_positions(ahead + 4 * more, more, 0)},
                       _mm256_set1_epi64x((int64_t)(8 * more))};
}

/* The lower halves of eight words, in frame_order. */
INLINE_AVX2 static __m256i lower_halves(__m256i a, __m256i b) {
    return _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
}

/* Takes the next eight frames, of which `left` are wanted. The others get the position of the first
 * one, so that no frame outside the clip is read. */
INLINE_AVX2 static void take_eight(eight_frames *eight, positions *positions, int32_t left) {
    const __m256i a = positions->at[0], b = positions->at[1];
    const __m256i rest = _mm256_and_si256(
        lower_halves(_mm256_srli_epi64(a, REST_SHIFT), _mm256_srli_epi64(b, REST_SHIFT)),
        _mm256_set1_epi32(INT32_MAX));
    const __m256 t = _mm256_mul_ps(_mm256_cvtepi32_ps(rest), _mm256_set1_ps(1.0f / 2147483648.0f));
    const __m256 half = _mm256_set1_ps(0.5f);
    __m256 w0 = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(-0.5f), t), _mm256_set1_ps(1.0f));
    __m256 w2 = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(-1.5f), t), _mm256_set1_ps(2.0f));
    __m256 w3 = _mm256_sub_ps(_mm256_mul_ps(half, t), half);
    w0 = _mm256_sub_ps(_mm256_mul_ps(w0, t), half);
    w2 = _mm256_add_ps(_mm256_mul_ps(w2, t), half);
    w3 = _mm256_mul_ps(w3, t);
    eight->by[0] = _mm256_mul_ps(w0, t);
    eight->by[1] = _mm256_mul_ps(w2, t);
    eight->by[2] = _mm256_mul_ps(w3, t);
    _mm256_storeu_si256(
        (__m256i *)(void *)eight->whole,
        lower_halves(_mm256_srli_epi64(a, FRAME_BITS), _mm256_srli_epi64(b, FRAME_BITS)));
    if (left < 8) {
        for (int32_t i = 1; i < 8; i++) {
            eight->whole[i] = eight->whole[frame_order[i] < left ? i : 0];
        }
    }
    for (int i = 0; i < 2; i++) {
        positions->at[i] = _mm256_add_epi64(positions->at[i], positions->ahead[i]);
        positions->ahead[i] = _mm256_add_epi64(positions->ahead[i], positions->change);
    }
}

INLINE_AVX2 static __m256i load_both(const float *low, const float *high) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
        _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}

/* Adds a frame and the weighted differences to its neighbours: w0 and w2, then w3 and the frame. */
INLINE_AVX2 static __m256 four_stereo(const float *const *x, __m256 w0, __m256 w2, __m256 w3) {
    const __m256i even = load_both(x[0], x[2]), odd = load_both(x[1], x[3]);
    const __m256i even_later = load_both(x[0] + 4, x[2] + 4);
    const __m256i odd_later = load_both(x[1] + 4, x[3] + 4);
    const __m256 x0 = _mm256_castsi256_ps(_mm256_unpacklo_epi64(even, odd));
    const __m256 at = _mm256_castsi256_ps(_mm256_unpackhi_epi64(even, odd));
    const __m256 x2 = _mm256_castsi256_ps(_mm256_unpacklo_epi64(even_later, odd_later));
    const __m256 x3 = _mm256_castsi256_ps(_mm256_unpackhi_epi64(even_later, odd_later));
    const __m256 early = _mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(x0, at), w0),
                                       _mm256_mul_ps(_mm256_sub_ps(x2, at), w2));
    const __m256 late = _mm256_add_ps(at, _mm256_mul_ps(_mm256_sub_ps(x3, at), w3));
    return _mm256_add_ps(early, late);
}

/* Each weight twice, for two channels. */
#define TWICE(shuffle, weights)                                                                    \
    _mm256_castsi256_ps(shuffle(_mm256_castps_si256(weights), _mm256_castps_si256(weights)))

INLINE_AVX2 static void eight_stereo(float *made, const float *from, const eight_frames *eight) {
    const float *x[8];
    for (int i = 0; i < 8; i++) {
        x[i] = from + 2 * (ptrdiff_t)eight->whole[i];
    }
    const float *const early[4] = {x[0], x[1], x[4], x[5]}; /* frames 0 to 3 */
    const float *const late[4] = {x[2], x[3], x[6], x[7]};
    _mm256_storeu_ps(made, four_stereo(early, TWICE(_mm256_unpacklo_epi32, eight->by[0]),
                                       TWICE(_mm256_unpacklo_epi32, eight->by[1]),
                                       TWICE(_mm256_unpacklo_epi32, eight->by[2])));
    _mm256_storeu_ps(made + 8, four_stereo(late, TWICE(_mm256_unpackhi_epi32, eight->by[0]),
                                           TWICE(_mm256_unpackhi_epi32, eight->by[1]),
                                           TWICE(_mm256_unpackhi_epi32, eight->by[2])));
}

INLINE_AVX2 static void eight_mono(float *made, const float *from, const eight_frames *eight) {
    const int32_t *at = eight->whole;
    const __m256i a = load_both(from + at[0], from + at[4]);
    const __m256i b = load_both(from + at[1], from + at[5]);
    const __m256i c = load_both(from + at[2], from + at[6]);
    const __m256i d = load_both(from + at[3], from + at[7]);
    const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
    const __m256i ab_later = _mm256_unpackhi_epi32(a, b), cd_later = _mm256_unpackhi_epi32(c, d);
    const __m256 x0 = _mm256_castsi256_ps(_mm256_unpacklo_epi64(ab, cd));
    const __m256 x1 = _mm256_castsi256_ps(_mm256_unpackhi_epi64(ab, cd)); /* at the position */
    const __m256 x2 = _mm256_castsi256_ps(_mm256_unpacklo_epi64(ab_later, cd_later));
    const __m256 x3 = _mm256_castsi256_ps(_mm256_unpackhi_epi64(ab_later, cd_later));
    __m256 sum = _mm256_add_ps(x1, _mm256_mul_ps(_mm256_sub_ps(x0, x1), eight->by[0]));
    sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_sub_ps(x2, x1), eight->by[1]));
    sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_sub_ps(x3, x1), eight->by[2]));
    const __m256d ordered = _mm256_permute4x64_pd(_mm256_castps_pd(sum), 0xd8);
    _mm256_storeu_ps(made, _mm256_castpd_ps(ordered));
}

AVX2 static void make_stereo_avx2(float *made, const float *from, const vc_path *path,
                                  int32_t frames) {
    positions positions = positions_of(path);
    eight_frames eight;
    int32_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        take_eight(&eight, &positions, 8);
        eight_stereo(made + 2 * f, from, &eight);
    }
    if (f < frames) {
        float last[16];
        take_eight(&eight, &positions, frames - f);
        eight_stereo(last, from, &eight);
        memcpy(made + 2 * f, last, (size_t)(frames - f) * 2 * sizeof(float));
    }
}

AVX2 static void make_mono_avx2(float *made, const float *from, const vc_path *path,
                                int32_t frames) {
    positions positions = positions_of(path);
    eight_frames eight;
    int32_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        take_eight(&eight, &positions, 8);
        eight_mono(made + f, from, &eight);
    }
    if (f < frames) {
        float last[8];
        take_eight(&eight, &positions, frames - f);
        eight_mono(last, from, &eight);
        memcpy(made + f, last, (size_t)(frames - f) * sizeof(float));
    }
}

#endif
