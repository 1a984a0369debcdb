/* A mixer for tests, which runs on the calling thread. Everything that it plays is kept. */
#ifndef VOICECOIL_TEST_MIXER_BENCH_H
#define VOICECOIL_TEST_MIXER_BENCH_H

#include "check.h"
#include "voicecoil.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

/* A mixer of two channels and everything that it has played. */
typedef struct bench {
    vc_mixer *mixer;
    float out[MOST * 2];
    uint32_t heard;
    uint32_t content; /* frames up to the end of the content */
    int32_t result;
} bench;

static inline bench *bench_make(uint32_t capacity, bool end_when_empty) {
    bench *b = calloc(1, sizeof *b);
    b->mixer = vc_mixer_new(2, capacity, end_when_empty);
    return b;
}

static inline void bench_free(bench *b) {
    vc_clip *clip;
    while ((clip = vc_mixer_collect(b->mixer)) != NULL) {
        vc_clip_free(clip);
    }
    CHECK_INT(vc_mixer_alive(b->mixer), 0);
    vc_mixer_free(b->mixer);
    free(b);
}

static inline void mix(bench *b, uint32_t frames) {
    vc_block block = {
        .frames = frames,
        .valid_frames = frames,
        .output = {
            .data = b->out + b->heard * 2, .frame_stride = 2, .channel_stride = 1, .channels = 2}};
    memset(block.output.data, 0, frames * 2 * sizeof(float));
    b->result = vc_mixer_process(&block, b->mixer);
    CHECK(block.valid_frames <= frames);
    b->content = block.valid_frames ? b->heard + block.valid_frames : b->content;
    b->heard += frames;
    CHECK_INT(vc_mixer_frames(b->mixer), b->heard);
}

static inline void mix_until(bench *b, uint32_t frames, uint32_t block) {
    while (b->heard < frames) {
        mix(b, block);
    }
}

static inline float *coded(uint32_t frames, int64_t first) {
    float *data = malloc((size_t)frames * 2 * sizeof(float) + 1);
    for (uint32_t f = 0; f < frames; f++) {
        data[f * 2] = code(first + f, 0);
        data[f * 2 + 1] = code(first + f, 1);
    }
    return data;
}

static inline const float *at(const bench *b, uint32_t frame) { return b->out + frame * 2; }

static inline float *ones(uint32_t frames) {
    float *data = malloc((size_t)frames * 2 * sizeof(float));
    for (uint32_t i = 0; i < frames * 2; i++) {
        data[i] = 1.0f;
    }
    return data;
}

#endif
