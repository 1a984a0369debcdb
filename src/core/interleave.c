/* Converts between interleaved frames and a separate array for each channel. See interleave.h.
 *
 * The code uses the vector types of gcc and clang, which become SSE or NEON instructions. On x86-64
 * there is a second version for processors with AVX2, because SSE alone reached only a fifth of the
 * speed of memcpy, which uses AVX2. If the compiler has no __builtin_shufflevector, the code
 * converts frame by frame. */
#include "interleave.h"
#include "avx2.h"

#include <string.h>

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAS_SHUFFLES 1
#endif
#endif
#if defined(HAS_SHUFFLES) && defined(VC_HAS_AVX2)
#define HAS_AVX2 1
#endif

uint32_t vc_interleave_group(uint32_t available) {
    return available >= 8 ? 8 : available >= 4 ? 4 : 2;
}

#if defined(HAS_SHUFFLES)

/* The samples are moved as integers, because recent processors of Intel have two units for shuffles
 * of integers, but only one for most of those of floats. The shuffle of EVEN and ODD exists for
 * floats only; two units do it, too. */
typedef int32_t four __attribute__((vector_size(16)));
typedef float four_floats __attribute__((vector_size(16)));

static inline four load(const float *from) {
    four value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void store(float *to, four value) { memcpy(to, &value, sizeof value); }

#define SHUFFLE __builtin_shufflevector

/* Transposes each group of four columns of the four rows. */
#define TRANSPOSE(type, rows, low, high, first, second)                                            \
    do {                                                                                           \
        type a = low(rows[0], rows[1]), b = low(rows[2], rows[3]);                                 \
        type c = high(rows[0], rows[1]), d = high(rows[2], rows[3]);                               \
        rows[0] = first(a, b);                                                                     \
        rows[1] = second(a, b);                                                                    \
        rows[2] = first(c, d);                                                                     \
        rows[3] = second(c, d);                                                                    \
    } while (0)

#define LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#define FIRST(a, b) SHUFFLE(a, b, 0, 1, 4, 5)
#define SECOND(a, b) SHUFFLE(a, b, 2, 3, 6, 7)
#define EVEN(a, b) (four) SHUFFLE((four_floats)(a), (four_floats)(b), 0, 2, 4, 6)
#define ODD(a, b) (four) SHUFFLE((four_floats)(a), (four_floats)(b), 1, 3, 5, 7)

/* Each of the following functions returns the number of frames that it converted. A few frames at
 * the end may be left. */

static ptrdiff_t interleave_2(float *to, const float *const *from, ptrdiff_t frames) {
    ptrdiff_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        four a = load(from[0] + f), b = load(from[1] + f);
        store(to + f * 2, LOW(a, b));
        store(to + f * 2 + 4, HIGH(a, b));
    }
    return f;
}

static ptrdiff_t deinterleave_2(float *const *to, const float *from, ptrdiff_t frames) {
    ptrdiff_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        four a = load(from + f * 2), b = load(from + f * 2 + 4);
        store(to[0] + f, EVEN(a, b));
        store(to[1] + f, ODD(a, b));
    }
    return f;
}

static ptrdiff_t interleave_4(float *to, ptrdiff_t stride, const float *const *from,
                              ptrdiff_t frames) {
    ptrdiff_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        four rows[4] = {load(from[0] + f), load(from[1] + f), load(from[2] + f), load(from[3] + f)};
        TRANSPOSE(four, rows, LOW, HIGH, FIRST, SECOND);
        for (ptrdiff_t i = 0; i < 4; i++) {
            store(to + (f + i) * stride, rows[i]);
        }
    }
    return f;
}

static ptrdiff_t deinterleave_4(float *const *to, const float *from, ptrdiff_t stride,
                                ptrdiff_t frames) {
    ptrdiff_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        const float *at = from + f * stride;
        four rows[4] = {load(at), load(at + stride), load(at + 2 * stride), load(at + 3 * stride)};
        TRANSPOSE(four, rows, LOW, HIGH, FIRST, SECOND);
        for (ptrdiff_t c = 0; c < 4; c++) {
            store(to[c] + f, rows[c]);
        }
    }
    return f;
}

#endif

#if defined(HAS_AVX2)

/* A register has two halves, and most shuffles stay inside each half. With four and eight channels,
 * each register is loaded from or stored to two addresses, which are chosen so that no other
 * shuffles are needed. */
typedef int32_t eight __attribute__((vector_size(32)));
typedef float eight_floats __attribute__((vector_size(32)));

#define LOAD_8(at) (*(const eight_unaligned *)(at))
typedef eight eight_unaligned __attribute__((aligned(4), may_alias));
#define STORE_8(at, value) (*(eight_unaligned *)(at) = (value))
#define BOTH(low, high) SHUFFLE(load(low), load(high), 0, 1, 2, 3, 4, 5, 6, 7)
#define LOW_HALF(a) SHUFFLE(a, a, 0, 1, 2, 3)
#define HIGH_HALF(a) SHUFFLE(a, a, 4, 5, 6, 7)

#define LOW_8(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH_8(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define FIRST_8(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define SECOND_8(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define EVEN_8(a, b)                                                                               \
    (eight) SHUFFLE((eight_floats)(a), (eight_floats)(b), 0, 2, 8, 10, 4, 6, 12, 14)
#define ODD_8(a, b) (eight) SHUFFLE((eight_floats)(a), (eight_floats)(b), 1, 3, 9, 11, 5, 7, 13, 15)

/* Makes the compiler load a value once, and not again in each of the two shuffles that use it. That
 * saves 15 % of the time. */
#define IN_REGISTER(a) __asm__("" : "+x"(a))

/* Two channels. Loads from two addresses took almost twice as long here as shuffles between the
 * halves of the registers. */
INLINE_AVX2 static void interleave_2_of(float *to, const float *left, const float *right) {
    eight a = LOAD_8(left), b = LOAD_8(right);
    IN_REGISTER(a);
    IN_REGISTER(b);
    eight low = LOW_8(a, b), high = HIGH_8(a, b);
    STORE_8(to, SHUFFLE(low, high, 0, 1, 2, 3, 8, 9, 10, 11));
    STORE_8(to + 8, SHUFFLE(low, high, 4, 5, 6, 7, 12, 13, 14, 15));
}

AVX2 static ptrdiff_t interleave_2_avx2(float *to, const float *const *from, ptrdiff_t frames) {
    const float *left = from[0], *right = from[1];
    ptrdiff_t f = 0;
    for (; f + 16 <= frames; f += 16) {
        interleave_2_of(to + f * 2, left + f, right + f);
        interleave_2_of(to + f * 2 + 16, left + f + 8, right + f + 8);
    }
    if (f + 8 <= frames) {
        interleave_2_of(to + f * 2, left + f, right + f);
        f += 8;
    }
    return f;
}

/* Pairs of samples, whose order is 0 2 1 3 after EVEN_8 and ODD_8. */
#define IN_ORDER(a) SHUFFLE(a, a, 0, 1, 4, 5, 2, 3, 6, 7)

INLINE_AVX2 static void deinterleave_2_of(eight *left, eight *right, const float *from) {
    eight a = LOAD_8(from), b = LOAD_8(from + 8);
    IN_REGISTER(a);
    IN_REGISTER(b);
    eight even = EVEN_8(a, b), odd = ODD_8(a, b);
    *left = IN_ORDER(even);
    *right = IN_ORDER(odd);
}

AVX2 static ptrdiff_t deinterleave_2_avx2(float *const *to, const float *from, ptrdiff_t frames) {
    float *left = to[0], *right = to[1];
    ptrdiff_t f = 0;
    for (; f + 16 <= frames; f += 16) {
        eight even, odd, later_even, later_odd;
        deinterleave_2_of(&even, &odd, from + f * 2);
        deinterleave_2_of(&later_even, &later_odd, from + f * 2 + 16);
        STORE_8(left + f, even); /* two stores to one cache line, which some processors combine */
        STORE_8(left + f + 8, later_even);
        STORE_8(right + f, odd);
        STORE_8(right + f + 8, later_odd);
    }
    if (f + 8 <= frames) {
        eight even, odd;
        deinterleave_2_of(&even, &odd, from + f * 2);
        STORE_8(left + f, even);
        STORE_8(right + f, odd);
        f += 8;
    }
    return f;
}

AVX2 static ptrdiff_t interleave_4_avx2(float *to, ptrdiff_t stride, const float *const *from,
                                        ptrdiff_t frames) {
    const float *c0 = from[0], *c1 = from[1], *c2 = from[2], *c3 = from[3];
    ptrdiff_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        eight rows[4] = {LOAD_8(c0 + f), LOAD_8(c1 + f), LOAD_8(c2 + f), LOAD_8(c3 + f)};
        TRANSPOSE(eight, rows, LOW_8, HIGH_8, FIRST_8, SECOND_8);
        for (ptrdiff_t i = 0; i < 4; i++) {
            store(to + i * stride, LOW_HALF(rows[i]));
        }
        to += 4 * stride;
        for (ptrdiff_t i = 0; i < 4; i++) {
            store(to + i * stride, HIGH_HALF(rows[i]));
        }
        to += 4 * stride;
    }
    return f;
}

/* Four channels of eight frames: frames 0 to 3 in the low halves, frames 4 to 7 in the high halves.
 */
#define EIGHT_FRAMES(at)                                                                           \
    {BOTH(at, at + 4 * stride), BOTH(at + stride, at + 5 * stride),                                \
     BOTH(at + 2 * stride, at + 6 * stride), BOTH(at + 3 * stride, at + 7 * stride)}

AVX2 static ptrdiff_t deinterleave_4_avx2(float *const *to, const float *from, ptrdiff_t stride,
                                          ptrdiff_t frames) {
    float *c0 = to[0], *c1 = to[1], *c2 = to[2], *c3 = to[3];
    ptrdiff_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        eight rows[4] = EIGHT_FRAMES(from);
        TRANSPOSE(eight, rows, LOW_8, HIGH_8, FIRST_8, SECOND_8);
        STORE_8(c0 + f, rows[0]);
        STORE_8(c1 + f, rows[1]);
        STORE_8(c2 + f, rows[2]);
        STORE_8(c3 + f, rows[3]);
        from += 8 * stride;
    }
    return f;
}

INLINE_AVX2 static ptrdiff_t interleave_8_by(float *to, ptrdiff_t stride, const float *const *from,
                                             ptrdiff_t frames) {
    const float *c0 = from[0], *c1 = from[1], *c2 = from[2], *c3 = from[3];
    const float *c4 = from[4], *c5 = from[5], *c6 = from[6], *c7 = from[7];
    ptrdiff_t f = 0;
    for (; f + 4 <= frames; f += 4) {
        eight rows[4] = {BOTH(c0 + f, c4 + f), BOTH(c1 + f, c5 + f), BOTH(c2 + f, c6 + f),
                         BOTH(c3 + f, c7 + f)};
        TRANSPOSE(eight, rows, LOW_8, HIGH_8, FIRST_8, SECOND_8);
        for (ptrdiff_t i = 0; i < 4; i++) {
            STORE_8(to + i * stride, rows[i]);
        }
        to += 4 * stride;
    }
    return f;
}

INLINE_AVX2 static ptrdiff_t deinterleave_8_by(float *const *to, const float *from,
                                               ptrdiff_t stride, ptrdiff_t frames) {
    float *c0 = to[0], *c1 = to[1], *c2 = to[2], *c3 = to[3];
    float *c4 = to[4], *c5 = to[5], *c6 = to[6], *c7 = to[7];
    ptrdiff_t f = 0;
    for (; f + 8 <= frames; f += 8) {
        const float *rest = from + 4;
        eight rows[4] = EIGHT_FRAMES(from), more[4] = EIGHT_FRAMES(rest);
        TRANSPOSE(eight, rows, LOW_8, HIGH_8, FIRST_8, SECOND_8);
        TRANSPOSE(eight, more, LOW_8, HIGH_8, FIRST_8, SECOND_8);
        STORE_8(c0 + f, rows[0]);
        STORE_8(c1 + f, rows[1]);
        STORE_8(c2 + f, rows[2]);
        STORE_8(c3 + f, rows[3]);
        STORE_8(c4 + f, more[0]);
        STORE_8(c5 + f, more[1]);
        STORE_8(c6 + f, more[2]);
        STORE_8(c7 + f, more[3]);
        from += 8 * stride;
    }
    return f;
}

/* If there are no other channels, the offsets are constants, which saves 5 to 10 % of the time. */
AVX2 static ptrdiff_t interleave_8_avx2(float *to, ptrdiff_t stride, const float *const *from,
                                        ptrdiff_t frames) {
    return stride == 8 ? interleave_8_by(to, 8, from, frames)
                       : interleave_8_by(to, stride, from, frames);
}

AVX2 static ptrdiff_t deinterleave_8_avx2(float *const *to, const float *from, ptrdiff_t stride,
                                          ptrdiff_t frames) {
    return stride == 8 ? deinterleave_8_by(to, from, 8, frames)
                       : deinterleave_8_by(to, from, stride, frames);
}

#include "interleave_avx512.h"

/* The first processors with AVX-512 slow down for some time when it is used, so they are excluded.
 * VC_WITHOUT_AVX512 is for tests and measurements of the code for AVX2. */
static bool has_avx512(void) {
#if defined(VC_WITHOUT_AVX512)
    return false;
#else
    return __builtin_cpu_supports("avx512vbmi2");
#endif
}

static bool has_avx2(void) { return __builtin_cpu_supports("avx2"); }

static ptrdiff_t interleave_wide(float *to, ptrdiff_t stride, const float *const *from,
                                 uint32_t count, ptrdiff_t frames) {
    if (count == 2) {
        return stride != 2    ? 0
               : has_avx512() ? interleave_2_avx512(to, from, frames)
                              : interleave_2_avx2(to, from, frames);
    }
    if (count == 4) {
        return interleave_4_avx2(to, stride, from, frames);
    }
    return stride == 8 && has_avx512() ? interleave_8_avx512(to, from, frames)
                                       : interleave_8_avx2(to, stride, from, frames);
}

static ptrdiff_t deinterleave_wide(float *const *to, const float *from, ptrdiff_t stride,
                                   uint32_t count, ptrdiff_t frames) {
    if (count == 2) {
        return stride != 2    ? 0
               : has_avx512() ? deinterleave_2_avx512(to, from, frames)
                              : deinterleave_2_avx2(to, from, frames);
    }
    if (count == 4) {
        return deinterleave_4_avx2(to, from, stride, frames);
    }
    return stride == 8 && has_avx512() ? deinterleave_8_avx512(to, from, frames)
                                       : deinterleave_8_avx2(to, from, stride, frames);
}

#endif

/* ---- by the number of channels -----------------------------------------------------------------
 */

static ptrdiff_t interleave_most(float *to, ptrdiff_t stride, const float *const *from,
                                 uint32_t count, ptrdiff_t frames) {
    ptrdiff_t done = 0;
#if defined(HAS_AVX2)
    if (has_avx2()) {
        return interleave_wide(to, stride, from, count, frames);
    }
#endif
#if defined(HAS_SHUFFLES)
    if (count == 2 && stride == 2) {
        return interleave_2(to, from, frames);
    }
    for (uint32_t c = 0; c + 4 <= count; c += 4) {
        done = interleave_4(to + c, stride, from + c, frames);
    }
#endif
    return done;
}

static ptrdiff_t deinterleave_most(float *const *to, const float *from, ptrdiff_t stride,
                                   uint32_t count, ptrdiff_t frames) {
    ptrdiff_t done = 0;
#if defined(HAS_AVX2)
    if (has_avx2()) {
        return deinterleave_wide(to, from, stride, count, frames);
    }
#endif
#if defined(HAS_SHUFFLES)
    if (count == 2 && stride == 2) {
        return deinterleave_2(to, from, frames);
    }
    for (uint32_t c = 0; c + 4 <= count; c += 4) {
        done = deinterleave_4(to + c, from + c, stride, frames);
    }
#endif
    return done;
}

void vc_interleave(float *to, ptrdiff_t stride, const float *const *from, uint32_t count,
                   uint32_t frames) {
    ptrdiff_t f = interleave_most(to, stride, from, count, (ptrdiff_t)frames);
    for (; f < (ptrdiff_t)frames; f++) {
        for (uint32_t c = 0; c < count; c++) {
            to[f * stride + (ptrdiff_t)c] = from[c][f];
        }
    }
}

void vc_deinterleave(float *const *to, const float *from, ptrdiff_t stride, uint32_t count,
                     uint32_t frames) {
    ptrdiff_t f = deinterleave_most(to, from, stride, count, (ptrdiff_t)frames);
    for (; f < (ptrdiff_t)frames; f++) {
        for (uint32_t c = 0; c < count; c++) {
            to[c][f] = from[f * stride + (ptrdiff_t)c];
        }
    }
}
