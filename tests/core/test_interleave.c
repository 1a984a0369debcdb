/* Tests interleaving with the best instructions of this processor, and with those that every
 * processor has. */
#include "check.h"
#include "interleave.h"

#include <math.h>

/* Includes the source again, but without code for instructions that not every processor has. For
 * test_interleave_avx2.c, only the code for AVX-512 is left out. */
#if !defined(VC_WITHOUT_AVX512)
#define VC_ONLY_WHAT_EVERY_PROCESSOR_HAS
#endif
#define vc_interleave_group plain_group
#define vc_interleave plain_interleave
#define vc_deinterleave plain_deinterleave
uint32_t plain_group(uint32_t available);
void plain_interleave(float *to, ptrdiff_t stride, const float *const *from, uint32_t count,
                      uint32_t frames);
void plain_deinterleave(float *const *to, const float *from, ptrdiff_t stride, uint32_t count,
                        uint32_t frames);
#include "../../src/core/interleave.c"
#undef vc_interleave_group
#undef vc_interleave
#undef vc_deinterleave

enum { FRAMES = 67, STRIDE = 11, GUARD = 32 };
static float mixed[(FRAMES + 2 * GUARD) * STRIDE], planar[8][FRAMES + 2 * GUARD];

static ptrdiff_t shift; /* of the mixed frames, in floats */

static void clear(void) {
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        mixed[i] = NAN;
    }
    for (int c = 0; c < 8; c++) {
        for (int i = 0; i < FRAMES + 2 * GUARD; i++) {
            planar[c][i] = NAN;
        }
    }
}

/* Checks that the conversion writes the right samples and no others. */
static void check_one(bool plain, uint32_t count, ptrdiff_t stride, uint32_t frames, bool back) {
    float *starts[8];
    const float *sources[8];
    clear();
    for (uint32_t c = 0; c < count; c++) {
        sources[c] = starts[c] = planar[c] + GUARD - c; /* every array has a different alignment */
    }
    float *first = mixed + GUARD * STRIDE + shift;
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < count; c++) {
            *(back ? first + f * stride + c : starts[c] + f) = code(f, c);
        }
    }
    if (back) {
        (plain ? plain_deinterleave : vc_deinterleave)(starts, first, stride, count, frames);
    } else {
        (plain ? plain_interleave : vc_interleave)(first, stride, sources, count, frames);
    }
    uint32_t in_mixed = 0, in_planar = 0;
    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        in_mixed += isnan(mixed[i]) ? 0 : 1;
    }
    for (int c = 0; c < 8; c++) {
        for (int i = 0; i < FRAMES + 2 * GUARD; i++) {
            in_planar += isnan(planar[c][i]) ? 0 : 1;
        }
    }
    CHECK_INT(in_mixed, frames * count);
    CHECK_INT(in_planar, frames * count);
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < count; c++) {
            CHECK(first[f * stride + c] == code(f, c) && starts[c][f] == code(f, c));
        }
    }
}

static void check_all(bool plain) {
    static const uint32_t counts[] = {2, 4, 8};
    for (size_t i = 0; i < 3; i++) {
        for (uint32_t frames = 0; frames <= FRAMES; frames++) {
            for (ptrdiff_t stride = counts[i]; stride <= STRIDE; stride++) {
                shift = (frames + stride) % 16; /* every alignment */
                check_one(plain, counts[i], stride, frames, false);
                check_one(plain, counts[i], stride, frames, true);
            }
        }
    }
}

static void every_number_of_frames_and_every_stride(void) { check_all(false); }

static void the_same_without_the_widest_instructions(void) { check_all(true); }

static void groups_are_what_the_two_functions_take(void) {
    static const uint32_t wanted[] = {2, 2, 4, 4, 4, 4, 8};
    for (uint32_t available = 2; available <= 8; available++) {
        CHECK_INT(vc_interleave_group(available), wanted[available - 2]);
    }
}

int main(void) {
    RUN(every_number_of_frames_and_every_stride);
    RUN(the_same_without_the_widest_instructions);
    RUN(groups_are_what_the_two_functions_take);
    return check_summary();
}
