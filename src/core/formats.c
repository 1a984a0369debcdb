/* Conversions between float and integer samples. See formats.h.
 *
 * The code uses the vector types of gcc and clang. Without them the compiler converts one sample at
 * a time, which takes 5 times as long (gcc 12, -O2). */
#include "formats.h"

#include <stdbool.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#if defined(__has_builtin)
#if __has_builtin(__builtin_convertvector)
#define HAS_VECTORS 1
#endif
#endif

#define FULL_SCALE 2147483648.0f
/* 2^23. Each float of at least this magnitude is a whole number. To round a smaller float, the code
 * adds WHOLE with the float's sign and subtracts it again. The sum is rounded to the nearest whole
 * number, half to even. */
#define WHOLE 8388608.0f

/* Converts a sample to int32. Rounds and clips it, and converts NaN to 0. */
static int32_t scaled(float sample, size_t *clipped) {
    float value = sample * FULL_SCALE;
    *clipped += sample > 1.0f || sample < -1.0f;
    if (value >= FULL_SCALE) {
        return INT32_MAX;
    }
    if (value <= -FULL_SCALE) {
        return INT32_MIN;
    }
    if (!(value == value)) {
        return 0;
    }
    if (value > -WHOLE && value < WHOLE) {
        const float whole = value < 0.0f ? -WHOLE : WHOLE;
        volatile float sum = value + whole; /* -ffast-math would drop the sum */
        value = sum - whole;
    }
    return (int32_t)value;
}

#if defined(HAS_VECTORS)

typedef float floats __attribute__((vector_size(16)));
typedef int32_t ints __attribute__((vector_size(16)));
typedef int16_t shorts __attribute__((vector_size(8)));
typedef uint8_t bytes __attribute__((vector_size(4)));

/* Rounds to the nearest whole numbers, half to even. NaN and values out of range give undefined
 * results. */
static inline ints nearest_4(floats value) {
#if defined(__SSE2__)
    return (ints)_mm_cvtps_epi32((__m128)value);
#elif defined(__aarch64__)
    return (ints)vcvtnq_s32_f32((float32x4_t)value);
#else
    ints small = (value > -WHOLE) & (value < WHOLE);
    const floats whole_of_one_sign = {WHOLE, WHOLE, WHOLE, WHOLE};
    floats whole = (floats)((ints)whole_of_one_sign | ((ints)value & INT32_MIN));
    floats rounded = (value + whole) - whole;
    return __builtin_convertvector((floats)(((ints)rounded & small) | ((ints)value & ~small)),
                                   ints);
#endif
}

/* Converts four samples to int32. Each lane of `clipped` is decreased by 1 for a clipped sample. */
static inline ints scaled_4(const float *from, ints *clipped) {
    floats sample;
    memcpy(&sample, from, sizeof sample);
    floats value = sample * FULL_SCALE;
    ints high = value >= FULL_SCALE, low = value <= -FULL_SCALE;
    *clipped += (sample > 1.0f) | (sample < -1.0f);
    ints inside = (value == value) & ~(high | low);
    ints number = nearest_4((floats)((ints)value & inside));
    return number | (high & INT32_MAX) | (low & INT32_MIN);
}

/* Whether eight samples are all inside full scale, so that none is clipped. This is the usual case.
 */
static inline bool inside_8(const float *from) {
#if defined(__SSE2__)
    const __m128 sign = _mm_set1_ps(-0.0f), one = _mm_set1_ps(1.0f);
    const __m128 first = _mm_cmplt_ps(_mm_andnot_ps(sign, _mm_loadu_ps(from)), one);
    const __m128 second = _mm_cmplt_ps(_mm_andnot_ps(sign, _mm_loadu_ps(from + 4)), one);
    return _mm_movemask_ps(_mm_and_ps(first, second)) == 15;
#else
    (void)from;
    return false;
#endif
}

static inline ints inside_4(const float *from) {
    floats sample;
    memcpy(&sample, from, sizeof sample);
    return nearest_4(sample * FULL_SCALE);
}

/* to_int16_8 converts eight samples to int16, and from_int16_8 converts them back. They use
 * intrinsics, because gcc makes three times as many instructions of a conversion between vectors of
 * different widths. */
static inline void to_int16_8(int16_t *to, ints first, ints second) {
#if defined(__SSE2__)
    __m128i both = _mm_packs_epi32((__m128i)(first >> 16), (__m128i)(second >> 16));
    _mm_storeu_si128((__m128i *)to, both);
#else
    shorts numbers = __builtin_convertvector(first >> 16, shorts);
    memcpy(to, &numbers, sizeof numbers);
    numbers = __builtin_convertvector(second >> 16, shorts);
    memcpy(to + 4, &numbers, sizeof numbers);
#endif
}

static inline void from_int16_8(float *to, const int16_t *from) {
#if defined(__SSE2__)
    const __m128i numbers = _mm_loadu_si128((const __m128i *)from), zero = _mm_setzero_si128();
    const __m128 scale = _mm_set1_ps(1.0f / FULL_SCALE); /* for int16 in the upper half of int32 */
    _mm_storeu_ps(to, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpacklo_epi16(zero, numbers)), scale));
    _mm_storeu_ps(to + 4, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpackhi_epi16(zero, numbers)), scale));
#else
    for (int half = 0; half < 8; half += 4) {
        shorts numbers;
        memcpy(&numbers, from + half, sizeof numbers);
        floats values = __builtin_convertvector(numbers, floats) * (1.0f / 32768.0f);
        memcpy(to + half, &values, sizeof values);
    }
#endif
}

#endif

size_t vc_format_from_float(void *to, vc_format format, const float *from, size_t samples) {
    size_t done = 0, clipped = 0;
    if (format == VC_FORMAT_FLOAT32) {
        memcpy(to, from, samples * sizeof *from);
        return 0;
    }
#if defined(HAS_VECTORS)
    ints counts = {0};
    for (; format == VC_FORMAT_INT16 && done + 8 <= samples; done += 8) {
        int16_t *next = (int16_t *)to + done;
        if (inside_8(from + done)) {
            to_int16_8(next, inside_4(from + done), inside_4(from + done + 4));
        } else {
            ints first = scaled_4(from + done, &counts);
            to_int16_8(next, first, scaled_4(from + done + 4, &counts));
        }
    }
    for (; format == VC_FORMAT_INT32 && done + 4 <= samples; done += 4) {
        ints numbers = scaled_4(from + done, &counts);
        memcpy((int32_t *)to + done, &numbers, sizeof numbers);
    }
    for (; format == VC_FORMAT_UINT8 && done + 4 <= samples; done += 4) {
        ints numbers = (scaled_4(from + done, &counts) >> 24) + 128;
        bytes small = __builtin_convertvector(numbers, bytes);
        memcpy((uint8_t *)to + done, &small, sizeof small);
    }
    clipped = (size_t)-(counts[0] + counts[1] + counts[2] + counts[3]);
#endif
    for (; done < samples; done++) {
        int32_t number = scaled(from[done], &clipped);
        if (format == VC_FORMAT_INT16) {
            ((int16_t *)to)[done] = (int16_t)(number >> 16);
        } else if (format == VC_FORMAT_INT32) {
            ((int32_t *)to)[done] = number;
        } else {
            ((uint8_t *)to)[done] = (uint8_t)((number >> 24) + 128);
        }
    }
    return clipped;
}

void vc_format_to_float(float *to, const void *from, vc_format format, size_t samples) {
    size_t done = 0;
    if (format == VC_FORMAT_FLOAT32) {
        memcpy(to, from, samples * sizeof *to);
        return;
    }
#if defined(HAS_VECTORS)
    for (; format == VC_FORMAT_INT16 && done + 8 <= samples; done += 8) {
        from_int16_8(to + done, (const int16_t *)from + done);
    }
    for (; format == VC_FORMAT_INT32 && done + 4 <= samples; done += 4) {
        ints numbers;
        memcpy(&numbers, (const int32_t *)from + done, sizeof numbers);
        floats values = __builtin_convertvector(numbers, floats) * (1.0f / FULL_SCALE);
        memcpy(to + done, &values, sizeof values);
    }
    for (; format == VC_FORMAT_UINT8 && done + 4 <= samples; done += 4) {
        bytes numbers;
        memcpy(&numbers, (const uint8_t *)from + done, sizeof numbers);
        floats values = (__builtin_convertvector(numbers, floats) - 128.0f) * (1.0f / 128.0f);
        memcpy(to + done, &values, sizeof values);
    }
#endif
    for (; done < samples; done++) {
        if (format == VC_FORMAT_INT16) {
            to[done] = (float)((const int16_t *)from)[done] * (1.0f / 32768.0f);
        } else if (format == VC_FORMAT_INT32) {
            to[done] = (float)((const int32_t *)from)[done] * (1.0f / FULL_SCALE);
        } else {
            to[done] = ((float)((const uint8_t *)from)[done] - 128.0f) * (1.0f / 128.0f);
        }
    }
}

void vc_format_silence(void *to, vc_format format, size_t samples) {
    memset(to, format == VC_FORMAT_UINT8 ? 128 : 0, samples * vc_format_bytes(format));
}
