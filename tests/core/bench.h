/* Clients for a virtual device: engines that play index-coded frames and keep their input. */
#ifndef VOICECOIL_TEST_BENCH_H
#define VOICECOIL_TEST_BENCH_H

#include "check.h"
#include "device.h"
#include "voicecoil.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_FRAMES = 16384 };
static const int64_t SECOND = 1000000000;

typedef struct client {
    vc_device *device;
    vc_engine *engine;
    vc_engine_config config;
    int64_t made;   /* frames played so far */
    int64_t seen;   /* input frames so far */
    float *input;   /* the first CLIENT_FRAMES input frames */
    int64_t play;   /* frames to play before VC_STOP; -1: endless */
    vc_block block; /* the last block */
    bool look_from_elsewhere;
    int64_t clock_elsewhere;
    _Atomic bool hold, held; /* `hold` keeps the cycle from ending */
} client;

static inline void *client_look(void *user) {
    client *c = user;
    vc_device_clock_ns(c->device);
    c->clock_elsewhere = vc_device_clock_ns(c->device);
    return NULL;
}

static inline int32_t client_process(vc_block *block, void *user) {
    client *c = user;
    c->block = *block;
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t i = 0; i < block->output.channels; i++) {
            block->output.data[f * block->output.channels + i] = code(c->made + f, i);
        }
    }
    uint32_t channels = block->input.channels;
    for (uint32_t f = 0; channels > 0 && f < block->frames && c->seen + f < CLIENT_FRAMES; f++) {
        memcpy(c->input + (c->seen + f) * channels, block->input.data + f * channels,
               channels * sizeof(float));
    }
    c->made += block->frames;
    c->seen += block->frames;
    if (c->look_from_elsewhere) {
        pthread_t thread;
        pthread_create(&thread, NULL, client_look, c);
        pthread_join(thread, NULL);
    }
    while (atomic_load(&c->hold)) {
        atomic_store(&c->held, true);
    }
    if (c->play >= 0 && c->made >= c->play) {
        block->valid_frames = block->frames - (uint32_t)(c->made - c->play);
        return VC_STOP;
    }
    return VC_CONTINUE;
}

static inline vc_device_config stepped(uint32_t inputs, uint32_t outputs) {
    return (vc_device_config){.input_channels = inputs,
                              .output_channels = outputs,
                              .frames = 64,
                              .samplerate_hz = 48000.0,
                              .clock = VC_CLOCK_STEPPED,
                              .input_latency_frames = 77,
                              .output_latency_frames = 100,
                              .loopback = true,
                              .poison = true};
}

static inline client *client_make(vc_device *device, uint32_t inputs, uint32_t outputs,
                                  uint32_t block_frames) {
    client *c = calloc(1, sizeof *c);
    c->device = device;
    c->play = -1;
    c->input = calloc((size_t)CLIENT_FRAMES * (inputs + 1), sizeof(float));
    c->config = (vc_engine_config){.input_channels = inputs,
                                   .output_channels = outputs,
                                   .block_frames = block_frames,
                                   .samplerate_hz = 48000.0,
                                   .clock_ns = vc_device_clock_ns,
                                   .clock = device,
                                   .process = client_process,
                                   .user = c};
    c->engine = vc_engine_new(&c->config);
    return c;
}

static inline void client_free(client *c) {
    vc_engine_free(c->engine);
    free(c->input);
    free(c);
}

/* Attaches a client with all channels in order. The engine is started before, so that it takes part
 * in the device's next cycle. */
static inline void client_attach(client *c) {
    static const uint32_t map[] = {0, 1, 2, 3, 4, 5, 6, 7};
    vc_engine_start(c->engine);
    CHECK(vc_device_attach(c->device, c->engine, map, c->config.input_channels, map,
                           c->config.output_channels));
}

static inline void client_detach(client *c) {
    CHECK(vc_device_detach(c->device, c->engine, 10 * SECOND));
}

static inline vc_statistics client_statistics(const client *c) {
    vc_statistics statistics;
    vc_engine_statistics(c->engine, &statistics);
    return statistics;
}

static inline void step(vc_device *device, uint64_t cycles) {
    CHECK(vc_device_step(device, cycles, 10 * SECOND));
}

#endif
