/* Creates, starts and stops an engine. The cycles are in cycle.c. */
#include "engine.h"
#include "memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_CAPACITY = 1024 };

uint32_t vc_engine_max_block_frames(const vc_engine_config *config) {
    /* Cycles that are longer than promised are cut into several blocks. */
    return config->block_frames    ? config->block_frames
           : config->period_frames ? config->period_frames
                                   : 4096;
}

vc_engine *vc_engine_new(const vc_engine_config *config) {
    assert(config->input_channels <= VC_MAX_CHANNELS && config->output_channels <= VC_MAX_CHANNELS);
    assert(config->block_frames <= VC_MAX_BLOCK_FRAMES && config->process != NULL);
    vc_engine *engine = vc_memory_new(1, sizeof *engine);
    if (engine == NULL) {
        return NULL;
    }
    engine->config = *config;
    engine->ns_per_frame = 1e9 / config->samplerate_hz;
    engine->next_output_frame = engine->next_input_frame = VC_NO_FRAME;
    engine->arriving_scale = 1.0;
    engine->max_block_frames = vc_engine_max_block_frames(config);
    bool fits = config->block_frames == 0 ||
                (config->period_frames != 0 && config->period_frames % config->block_frames == 0);
    engine->latched = config->input_channels && config->output_channels && !fits;
    uint32_t channels = config->input_channels + config->output_channels;
    float *memory = vc_memory_new((size_t)engine->max_block_frames * channels, sizeof(float));
    engine->own_memory = memory;
    engine->meters =
        config->flags & VC_ENGINE_METER ? vc_memory_new(channels, sizeof *engine->meters) : NULL;
    engine->events = vc_queue_new(EVENT_CAPACITY, sizeof(vc_event));
    if (memory == NULL || engine->events == NULL ||
        (config->flags & VC_ENGINE_METER && engine->meters == NULL)) {
        vc_engine_free(engine);
        return NULL;
    }
    engine->input_block = config->input_block ? config->input_block : memory;
    engine->output_block = config->output_block
                               ? config->output_block
                               : memory + (size_t)engine->max_block_frames * config->input_channels;
    return engine;
}

void vc_engine_free(vc_engine *engine) {
    if (engine != NULL) {
        free(engine->moved);
        vc_rate_free(engine->rate);
        vc_memory_free(engine->own_memory);
        vc_memory_free(engine->meters);
        vc_queue_free(engine->events);
        vc_memory_free(engine);
    }
}

void vc_engine_start(vc_engine *engine) {
    atomic_store(&engine->request, VC_REQUEST_NONE);
    atomic_store(&engine->reason, VC_REASON_NONE);
    atomic_store(&engine->error, 0);
    engine->position = 0;
    engine->block_lost = 0;
    engine->gap_frames = 0;
    engine->began_ns = 0;
    engine->valid = engine->latched ? engine->max_block_frames : 0;
    engine->ending = false;
    engine->faded = 0;
    engine->arriving = true;
    if (engine->rate != NULL) {
        vc_rate_begin(engine->rate);
    }
    engine->expect_input = engine->expect_output = false;
    engine->only_zeros = engine->config.input_channels != 0;
    atomic_store(&engine->zero_frames, 0);
    memset(engine->output_block, 0,
           (size_t)engine->max_block_frames * engine->config.output_channels * sizeof(float));
    atomic_store(&engine->state, VC_RUNNING);
}

void vc_engine_stop(vc_engine *engine) {
    int none = VC_REQUEST_NONE, fade = VC_REQUEST_FADE; /* a stop does not replace an abort */
    if (!atomic_compare_exchange_strong(&engine->request, &none, VC_REQUEST_STOP)) {
        atomic_compare_exchange_strong(&engine->request, &fade, VC_REQUEST_STOP);
    }
}

void vc_engine_abort(vc_engine *engine) { atomic_store(&engine->request, VC_REQUEST_ABORT); }

vc_state vc_engine_state(const vc_engine *engine) {
    return (vc_state)atomic_load_explicit(&engine->state, memory_order_acquire);
}

vc_reason vc_engine_reason(const vc_engine *engine) {
    return (vc_reason)atomic_load_explicit(&engine->reason, memory_order_acquire);
}

int32_t vc_engine_error(const vc_engine *engine) {
    return atomic_load_explicit(&engine->error, memory_order_acquire);
}

void vc_engine_set_input(vc_engine *engine, vc_input_fn fill, void *argument) {
    engine->fill = fill;
    engine->fill_argument = argument;
}
