/* A miniaudio device for tests. The test calls its callbacks and sees the cycles that the engine
 * gets. */
#ifndef VOICECOIL_TEST_MINIAUDIO_RIG_H
#define VOICECOIL_TEST_MINIAUDIO_RIG_H

#include "callback.h"
#include "check.h"

#include <stddef.h>
#include <string.h>

enum { FRAMES = 48, CHANNELS = 4, PERIOD_NS = 1000000 }; /* 48 frames at 48 kHz: 1 ms */

/* Replaces a ma_device. The tested code uses only the user data, at this offset. */
typedef struct device {
    char before[24];
    vc_ma_io *io;
} device;

static vc_cycle seen;
static uint32_t calls;
static float heard[CHANNELS];

static inline uint32_t run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;
static inline uint32_t run(vc_engine *engine, const vc_cycle *cycle) {
    (void)engine;
    seen = *cycle;
    calls++;
    const vc_audio *in = &cycle->input;
    for (uint32_t c = 0; c < in->channels; c++) {
        heard[c] = in->data ? in->data[c * in->channel_stride] : in->list[c].data[0];
    }
    const vc_audio *out = &cycle->output;
    for (uint32_t c = 0; c < out->channels; c++) {
        for (uint32_t f = 0; f < cycle->frames; f++) {
            float *to = out->data ? out->data + c * out->channel_stride + f * out->frame_stride
                                  : out->list[c].data + (ptrdiff_t)f * out->list[c].stride;
            *to = code(f, c);
        }
    }
    return cycle->frames;
}

static int64_t now_ns;
static inline int64_t clock_of_the_test(void) VC_REALTIME;
static inline int64_t clock_of_the_test(void) { return now_ns; }

static vc_engine *const engine = (vc_engine *)(uintptr_t)16;
static const uint32_t ALL[] = {0, 1, 2, 3};
static const vc_ma_frames ANY = {.max_period_frames = UINT32_MAX};

static inline void detach(vc_ma_io *io) {
    CHECK(vc_port_detach(vc_ma_io_port(io), NULL, INT64_MAX));
}

static inline vc_ma_config plain(void) {
    now_ns = 10 * PERIOD_NS;
    calls = 0;
    return (vc_ma_config){.run = run,
                          .output = {ALL, 2, 2, 100},
                          .samplerate_hz = 48000,
                          .slack_frames = -1,
                          .clock_ns = clock_of_the_test};
}

static inline device open_device(const vc_ma_config *config) {
    device made = {.io = vc_ma_io_new(config)};
    vc_ma_set_user_data_offset(offsetof(device, io));
    vc_ma_io_attach(made.io, engine, ANY, false);
    return made;
}

static float output[FRAMES * CHANNELS], input[FRAMES * CHANNELS];

static inline void call(device *at) {
    memset(output, 0x7f, sizeof output);
    vc_ma_data(at, output, input, FRAMES);
}

#endif
