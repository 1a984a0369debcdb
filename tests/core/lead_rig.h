/* A rig with a lead between its device and its user code. The test runs the worker's side by hand,
 * so the worker is late exactly when the test wants this. */
#ifndef VOICECOIL_TEST_LEAD_RIG_H
#define VOICECOIL_TEST_LEAD_RIG_H

#include "lead.h"
#include "rig.h"

enum { FADE = 145 }; /* frames of a fade at 48 kHz */

typedef struct ahead {
    rig *rig;
    vc_lead *lead;
    float input[2 * 512], output[2 * 512];
} ahead;

/* `period`: as in vc_engine_config. */
static inline ahead *make_on(uint32_t period, uint32_t inputs, uint32_t outputs, uint32_t block,
                             uint32_t cycle, uint32_t lead_frames, uint32_t max_lead_frames) {
    ahead *a = calloc(1, sizeof *a);
    a->rig = rig_make(inputs, outputs, 0, period);
    vc_lead_config config = {.input_channels = inputs,
                             .output_channels = outputs,
                             .block_frames = block,
                             .max_period_frames = cycle,
                             .lead_frames = lead_frames,
                             .max_lead_frames = max_lead_frames,
                             .samplerate_hz = 48000.0,
                             .input_block = inputs ? a->input : NULL,
                             .output_block = outputs ? a->output : NULL,
                             .process = rig_process,
                             .user = a->rig};
    a->lead = vc_lead_new(&config);
    a->rig->config.process = vc_lead_process;
    a->rig->config.leave = NULL;
    a->rig->config.user = a->lead;
    a->rig->input_at = 0;
    vc_lead_start(a->lead);
    rig_start(a->rig);
    return a;
}

static inline ahead *make_up_to(uint32_t inputs, uint32_t outputs, uint32_t block, uint32_t cycle,
                                uint32_t lead_frames, uint32_t max_lead_frames) {
    return make_on(cycle, inputs, outputs, block, cycle, lead_frames, max_lead_frames);
}

static inline ahead *make(uint32_t inputs, uint32_t outputs, uint32_t block, uint32_t cycle,
                          uint32_t lead_frames) {
    return make_up_to(inputs, outputs, block, cycle, lead_frames, 0);
}

static inline void drop(ahead *a) {
    rig_free(a->rig);
    vc_lead_free(a->lead);
    free(a);
}

/* Runs cycles. The worker makes all due blocks after each cycle, so it is always in time. */
static inline void run(ahead *a, uint32_t cycles, uint32_t frames) {
    for (uint32_t i = 0; i < cycles; i++) {
        rig_cycle(a->rig, frames);
        while (vc_lead_make(a->lead)) {
        }
    }
}

/* Runs cycles in which the worker makes no blocks. */
static inline void run_alone(ahead *a, uint32_t cycles, uint32_t frames) {
    for (uint32_t i = 0; i < cycles; i++) {
        rig_cycle(a->rig, frames);
    }
}

static inline vc_event xrun_of(ahead *a) {
    vc_event event = {0};
    while (vc_engine_event(a->rig->engine, &event) && event.kind != VC_EVENT_XRUN) {
    }
    return event;
}

#endif
