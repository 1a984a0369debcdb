/* Tests that gains that move give the product of their lines, and that the best instructions of
 * this processor give the same bits as those that every processor has. */
#include "check.h"
#include "gains.h"

#include <math.h>
#include <stdlib.h>

/* Includes the source again, but without code for instructions that not every processor has. */
#define VC_ONLY_WHAT_EVERY_PROCESSOR_HAS
#define vc_gains_add plain_add
void plain_add(float *to, uint32_t channels, const float *from, uint32_t own, uint32_t frames,
               const vc_gains *gains);
#include "../../src/core/gains.c"
#undef vc_gains_add

static double gain_of(const vc_curve *curve, double frame) {
    const float *c = curve->of;
    return c[0] + frame * (c[1] + frame * (c[2] + frame * c[3]));
}

/* The memory has exactly the samples that are needed, for AddressSanitizer. */
static void check_frames(uint32_t frames, uint32_t channels, uint32_t own, bool move,
                         const float *fading) {
    const vc_gains moving = {.left.of = {0.25f, 0.01f, -0.0002f, 0.000003f},
                             .right.of = {1.5f, -0.02f},
                             .other.of = {0.75f, 0.001f, 0.0001f},
                             .move = move,
                             .fading = fading};
    const size_t samples = (size_t)frames * channels;
    float *sum = malloc(samples * sizeof *sum), *plain = malloc(samples * sizeof *plain);
    float *sound = malloc((size_t)frames * own * sizeof *sound);
    for (size_t i = 0; i < samples; i++) {
        sum[i] = plain[i] = (float)sin(0.7 * (double)i);
    }
    for (size_t i = 0; i < (size_t)frames * own; i++) {
        sound[i] = (float)sin(1.3 * (double)i * (double)i);
    }
    vc_gains_add(sum, channels, sound, own, frames, &moving);
    plain_add(plain, channels, sound, own, frames, &moving);
    CHECK(memcmp(sum, plain, samples * sizeof *sum) == 0);
    for (size_t i = 0; i < samples; i++) {
        const size_t f = i / channels, c = i % channels;
        const vc_curve *curve = channels == 1 || c > 1 ? &moving.other
                                : c == 0               ? &moving.left
                                                       : &moving.right;
        double gain = gain_of(curve, move ? (double)f : 0.0);
        gain *= fading != NULL ? fading[f] : 1.0;
        CHECK_NEAR(sum[i], sin(0.7 * (double)i) + gain * sound[f * own + (own == 1 ? 0 : c)], 4e-7);
    }
    free(sum);
    free(plain);
    free(sound);
}

static void all_instructions_give_the_gains_of_the_formula(void) {
    float fading[VC_GAINS_FRAMES];
    for (uint32_t f = 0; f < VC_GAINS_FRAMES; f++) {
        fading[f] = 1.0f - (float)f / 80.0f;
    }
    for (uint32_t channels = 1; channels <= 4; channels++) {
        for (uint32_t own = 1; own <= channels; own += channels > 1 ? channels - 1 : 1) {
            for (uint32_t frames = 1; frames <= VC_GAINS_FRAMES; frames++) {
                check_frames(frames, channels, own, true, NULL);
                check_frames(frames, channels, own, true, fading);
                check_frames(frames, channels, own, false, NULL);
            }
            check_frames(1003, channels, own, false, NULL);
        }
    }
}

int main(void) {
    RUN(all_instructions_give_the_gains_of_the_formula);
    return check_summary();
}
