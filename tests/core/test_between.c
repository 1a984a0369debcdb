/* Tests that the samples between frames have the same bits with the best instructions of this
 * processor as with those that every processor has, and that no other frames are read. */
#include "between.h"
#include "check.h"

#include <math.h>
#include <stdlib.h>

/* Includes the source again, but without code for instructions that not every processor has. */
#define VC_ONLY_WHAT_EVERY_PROCESSOR_HAS
#define vc_between_frames plain_frames
#define vc_between_add plain_add
void plain_frames(float *made, const float *clip, uint32_t channels, const vc_path *path,
                  uint32_t frames);
void plain_add(float *to, uint32_t channels, const float *clip, uint32_t own, const vc_path *path,
               uint32_t frames, const vc_gains *gains);
#include "../../src/core/between.c"
#undef vc_between_frames
#undef vc_between_add

static void check_sum(uint32_t channels, const float *clip, uint32_t own, const vc_path *path,
                      uint32_t frames) {
    const size_t samples = (size_t)frames * channels;
    float *sum = malloc(samples * sizeof *sum), *wanted = malloc(samples * sizeof *wanted);
    for (int move = 0; move < 2; move++) {
        const vc_gains gains = {.left.of = {0.25f, 0.01f, -0.0002f, 0.000003f},
                                .right.of = {1.5f, -0.02f},
                                .other.of = {0.75f, 0.001f},
                                .move = move == 1};
        for (size_t i = 0; i < samples; i++) {
            sum[i] = wanted[i] = (float)sin(0.7 * (double)i);
        }
        vc_between_add(sum, channels, clip, own, path, frames, &gains);
        plain_add(wanted, channels, clip, own, path, frames, &gains);
        CHECK(memcmp(sum, wanted, samples * sizeof *sum) == 0);
    }
    free(sum);
    free(wanted);
}

/* The clip and the result have exactly the frames that are needed, for AddressSanitizer, and the
 * clip has `more` frames that the path tells. */
static void check_path(uint32_t channels, const vc_path *path, uint32_t frames, uint32_t more) {
    const size_t length = (size_t)vc_path_at(path, (double)(frames - 1)) + 4 + more;
    vc_path with_frames = *path;
    with_frames.frames = more > 0 ? (double)length - path->base : 0.0;
    float *clip = malloc(length * channels * sizeof *clip);
    float *made = malloc(frames * channels * sizeof *made);
    float *wanted = malloc(frames * channels * sizeof *wanted);
    for (size_t i = 0; i < length * channels; i++) {
        clip[i] = (float)sin(0.37 * (double)i * (double)i);
    }
    vc_between_frames(made, clip, channels, &with_frames, frames);
    plain_frames(wanted, clip, channels, &with_frames, frames);
    CHECK(memcmp(made, wanted, frames * channels * sizeof *made) == 0);
    check_sum(channels, clip, channels, &with_frames, frames);
    if (channels == 1) {
        check_sum(2, clip, 1, &with_frames, frames);
    }
    free(clip);
    free(made);
    free(wanted);
}

static void all_instructions_give_the_same_bits(void) {
    static const double rates[] = {0.03, 0.7, 1.0, 1.1, 2.0, 41.5};
    static const double changes[] = {0.0, 0.001, -0.0002};
    for (uint32_t channels = 1; channels <= 3; channels++) {
        for (uint32_t frames = 1; frames <= VC_PATH_FRAMES; frames++) {
            for (int i = 0; i < 18; i++) {
                const vc_path path = {.base = 1.0,
                                      .first = (double)(frames % 7) / 7.0,
                                      .rate = rates[i % 6],
                                      .rate_change = changes[i / 6]};
                check_path(channels, &path, frames, 0);
                check_path(channels, &path, frames, 40);
            }
        }
    }
}

/* A number from 0 to 1. */
static double next_random(void) {
    static uint32_t state = 16;
    state = state * 1664525 + 1013904223;
    return (double)(state >> 8) / 16777216.0;
}

static void random_paths_give_the_same_bits(void) {
    for (int i = 0; i < 20000; i++) {
        const uint32_t frames = 1 + (uint32_t)(next_random() * (VC_PATH_FRAMES - 1) + 0.5);
        const double from = next_random() * 2.05, to = next_random() * 2.05;
        const vc_path path = {
            .base = 1.0,
            .first = i % 5 == 0 ? 1.0 - 0x1p-30 : next_random(),
            .rate = from,
            .rate_change = i % 3 == 0 ? 0.0 : 0.5 * (to - from) / (double)frames,
        };
        check_path(1 + (uint32_t)i % 2, &path, frames, (uint32_t)(next_random() * 40.0));
    }
}

static void the_longest_path_has_the_same_bits(void) {
    const vc_path path = {.base = 1.0, .first = 0.25, .rate = VC_PATH_LENGTH / 2 - 0.3};
    check_path(1, &path, 2, 0);
    check_path(2, &path, 2, 0);
}

int main(void) {
    RUN(all_instructions_give_the_same_bits);
    RUN(random_paths_give_the_same_bits);
    RUN(the_longest_path_has_the_same_bits);
    return check_summary();
}
