/* A device for tests. It runs an engine's cycles on the calling thread, with index-coded input and
 * poisoned output. It keeps everything that was played and every block of the user's code. */
#ifndef VOICECOIL_TEST_RIG_H
#define VOICECOIL_TEST_RIG_H

#include "check.h"
#include "voicecoil.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RIG_FRAMES = 8192, RIG_BLOCKS = 1024, RIG_CYCLE = 1024 };

typedef enum rig_layout { INTERLEAVED, PLANAR, SPLIT, NO_MEMORY } rig_layout;

typedef struct rig {
    vc_engine_config config;
    vc_engine *engine;
    uint32_t outputs; /* output channels of the device; more than 1 if the engine has 1 */
    rig_layout layout;
    bool sample_times;
    int64_t input_latency, output_latency;
    uint32_t drain_frames;

    /* The behaviour of the user's code. */
    uint32_t act_at;  /* the call, counted from 0, in which the user's code returns `result` */
    int32_t result;   /* result in call `act_at` */
    uint32_t valid;   /* valid frames in call `act_at`; UINT32_MAX: unchanged */
    int64_t made;     /* frames made so far, which is the index code of the next output */
    int64_t input_at; /* index code of the next input */
    float *lent_output, *lent_input; /* memory of the last block */
    uint32_t calls, left;
    vc_block blocks[RIG_BLOCKS];

    /* The output that the device has received. */
    int64_t frame;
    int64_t heard_frames;
    uint32_t content; /* content frames of the last cycle */
    float *heard;     /* interleaved */
    float *memory[2];
    vc_channel *list[2];
    vc_audio audio[2];
} rig;

static inline int32_t rig_process(vc_block *block, void *user) {
    rig *r = user;
    if (r->calls < RIG_BLOCKS) {
        r->blocks[r->calls] = *block;
    }
    CHECK_INT(block->valid_frames, block->frames);
    CHECK_INT(block->input.channels, r->config.input_channels);
    CHECK_INT(block->output.channels, r->config.output_channels);
    r->lent_input = block->input.data;
    r->lent_output = block->output.data;
    for (uint32_t c = 0; c < block->input.channels; c++) {
        for (uint32_t f = 0; f < block->frames; f++) {
            float got = block->input.data[(ptrdiff_t)f * block->input.frame_stride +
                                          (ptrdiff_t)c * block->input.channel_stride];
            float wanted = r->layout == NO_MEMORY ? 0.0f : code(r->input_at + f, c);
            check_that(got == wanted, __FILE__, __LINE__,
                       "call %u, input frame %u, channel %u: %.9g, not %.9g", r->calls, f, c,
                       (double)got, (double)wanted);
        }
    }
    r->input_at += block->frames;
    for (uint32_t c = 0; c < block->output.channels; c++) {
        for (uint32_t f = 0; f < block->frames; f++) {
            float *sample = block->output.data + (ptrdiff_t)f * block->output.frame_stride +
                            (ptrdiff_t)c * block->output.channel_stride;
            check_that(*sample == 0.0f, __FILE__, __LINE__,
                       "call %u, frame %u, channel %u: output is %.9g on entry", r->calls, f, c,
                       (double)*sample);
            *sample = code(r->made + f, c);
        }
    }
    r->made += block->frames;
    bool act = r->calls++ == r->act_at;
    if (act && r->valid != UINT32_MAX) {
        block->valid_frames = r->valid;
    }
    return act ? r->result : VC_CONTINUE;
}

static inline void rig_leave(void *user) { ((rig *)user)->left++; }

static inline int64_t rig_clock(void *user) {
    (void)user;
    return 0;
}

/* Makes a rig. A test may change its `config` before it calls rig_start. */
static inline rig *rig_make(uint32_t input_channels, uint32_t output_channels,
                            uint32_t block_frames, uint32_t period_frames) {
    rig *r = calloc(1, sizeof *r);
    r->config = (vc_engine_config){.input_channels = input_channels,
                                   .output_channels = output_channels,
                                   .block_frames = block_frames,
                                   .period_frames = period_frames,
                                   .samplerate_hz = 48000.0,
                                   .clock_ns = rig_clock,
                                   .process = rig_process,
                                   .leave = rig_leave,
                                   .user = r};
    r->outputs = output_channels;
    r->act_at = UINT32_MAX;
    r->valid = UINT32_MAX;
    r->sample_times = true;
    r->output_latency = 100;
    r->input_latency = 50;
    r->heard = calloc((size_t)RIG_FRAMES * (output_channels + 1), sizeof(float));
    return r;
}

/* Gives the device another number of output channels. Call it before rig_start. */
static inline void rig_outputs(rig *r, uint32_t outputs) {
    r->outputs = outputs;
    free(r->heard);
    r->heard = calloc((size_t)RIG_FRAMES * (outputs + 1), sizeof(float));
}

static inline void rig_start(rig *r) {
    if (r->engine == NULL) {
        r->engine = vc_engine_new(&r->config);
    }
    vc_engine_start(r->engine);
}

static inline void rig_free(rig *r) {
    vc_engine_free(r->engine);
    free(r->heard);
    for (int d = 0; d < 2; d++) {
        free(r->memory[d]);
        free(r->list[d]);
    }
    free(r);
}

/* Allocates memory of exactly the needed size for each cycle, so that AddressSanitizer finds
 * accesses outside of the memory. */
static inline void rig_memory(rig *r, int d, uint32_t channels, uint32_t frames) {
    free(r->memory[d]);
    free(r->list[d]);
    r->memory[d] = malloc((size_t)frames * channels * sizeof(float) + 1);
    r->list[d] = calloc(channels + 1, sizeof(vc_channel));
    r->audio[d] = (vc_audio){.channels = channels};
    if (channels == 0) {
        return;
    }
    for (uint32_t i = 0; i < frames * channels; i++) {
        r->memory[d][i] = NAN;
    }
    switch (r->layout) {
    case INTERLEAVED:
        r->audio[d].data = r->memory[d];
        r->audio[d].frame_stride = (ptrdiff_t)channels;
        r->audio[d].channel_stride = 1;
        break;
    case PLANAR:
        r->audio[d].data = r->memory[d];
        r->audio[d].frame_stride = 1;
        r->audio[d].channel_stride = (ptrdiff_t)frames;
        break;
    case SPLIT: /* last channel first */
        for (uint32_t c = 0; c < channels; c++) {
            r->list[d][c] = (vc_channel){r->memory[d] + (size_t)(channels - 1 - c) * frames, 1};
        }
        r->audio[d].list = r->list[d];
        break;
    case NO_MEMORY:
        r->audio[d].list = r->list[d];
        break;
    }
}

static inline float *rig_sample(const vc_audio *audio, uint32_t frame, uint32_t channel) {
    if (audio->data != NULL) {
        return audio->data + (ptrdiff_t)frame * audio->frame_stride +
               (ptrdiff_t)channel * audio->channel_stride;
    }
    const vc_channel *one = &audio->list[channel];
    return one->data == NULL ? NULL : one->data + (ptrdiff_t)frame * one->stride;
}

static inline vc_time rig_time(const rig *r, int64_t frame) {
    return (vc_time){1000000000 + llrint((double)frame * 1e9 / 48000.0), frame,
                     VC_TIME_HOST | (r->sample_times ? VC_TIME_SAMPLE : 0u), 0};
}

static inline uint32_t rig_cycle(rig *r, uint32_t frames) {
    rig_memory(r, 0, r->config.input_channels, frames);
    rig_memory(r, 1, r->outputs, frames);
    for (uint32_t c = 0; c < r->config.input_channels; c++) {
        for (uint32_t f = 0; f < frames; f++) {
            float *sample = rig_sample(&r->audio[0], f, c);
            if (sample != NULL) {
                *sample = code(r->frame + f, c);
            }
        }
    }
    vc_cycle cycle = {.frames = frames,
                      .input = r->audio[0],
                      .output = r->audio[1],
                      .now = rig_time(r, r->frame),
                      .input_time = rig_time(r, r->frame - r->input_latency),
                      .output_time = rig_time(r, r->frame + r->output_latency),
                      .drain_frames = r->drain_frames};
    r->content = vc_cycle_run(r->engine, &cycle);
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < r->outputs; c++) {
            const float *sample = rig_sample(&r->audio[1], f, c);
            float value = sample != NULL ? *sample : 0.0f;
            check_that(isfinite(value), __FILE__, __LINE__,
                       "device frame %lld, channel %u was not written", (long long)(r->frame + f),
                       c);
            r->heard[(size_t)(r->heard_frames + f) * r->outputs + c] = value;
        }
    }
    r->frame += frames;
    r->heard_frames += frames;
    return r->content;
}

static inline vc_statistics rig_statistics(const rig *r) {
    vc_statistics statistics;
    vc_engine_statistics(r->engine, &statistics);
    return statistics;
}

/* Returns the played samples from frame `frame` on. */
static inline const float *rig_heard(const rig *r, int64_t frame) {
    return r->heard + frame * r->outputs;
}

#endif
