/* lead.h - the user's code ahead of the device.
 *
 * A lead stands between an engine and user code that cannot promise to be in time (Python). The
 * code runs on a worker thread, `lead_frames` ahead of the device; the IO thread only moves frames
 * through rings. The two count frames on one time line:
 *
 *   exchanged  frames that the IO thread has taken in and played (IO thread)
 *   made       frames that the user's code has been called for (worker)
 *
 * The worker calls the code for frames [made, made + block) as soon as `exchanged` has gone beyond
 * the first of them; with input, when they have all come in. What it makes is heard `lead_frames`
 * later than it would be without a lead; before the first of it, silence is.
 *
 * Code that is late by more than the lead starves the device: what was heard last is faded out, a
 * gap is played and counted (vc_block.starved_frames, with its cause), and what comes then is faded
 * in. Without input nothing is lost: the rest is heard later by the gap. With input the delay has
 * to stay what it was, so output that has become too late is dropped. Input that finds its ring
 * full is dropped and counted, too.
 *
 * Threads: as in voicecoil.h, and [worker]: the one thread that makes blocks. */
#ifndef VOICECOIL_LEAD_H
#define VOICECOIL_LEAD_H

#include "voicecoil.h"

typedef struct vc_lead vc_lead;

typedef struct vc_lead_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t block_frames;  /* in every call of `process` */
    uint32_t device_frames; /* the longest cycle */
    uint32_t lead_frames;   /* at least vc_lead_shortest() */
    double samplerate_hz;
    float *input_block; /* block_frames * channels; alive as long as the lead; NULL without input */
    float *output_block;
    bool timed;            /* whether the device's clock is real: then `process` is told the time */
    vc_process_fn process; /* called by vc_lead_make */
    void *user;            /* of `process`, `inside` and `rest` */
    /* Whether `process` is at work, and not waiting for a lock that it needs first (Python's): the
     * cause of a gap. NULL: it needs none. [any] */
    bool (*inside)(const void *user) VC_REALTIME;
    /* For whoever runs the worker, before it waits: `process` may have kept what others want.
     * NULL: nothing. [worker] */
    void (*rest)(void *user);
    /* Called on the IO thread at the end of each cycle: waits until the worker has done what there
     * is to do. For clocks that are not real, whose IO thread may wait; else NULL. [IO] */
    void (*settle)(void *argument);
    void *argument;
} vc_lead_config;

/* The shortest lead, which gives the code the time of one cycle: that cycle, and where blocks of
 * input do not fit the cycles a block. `duplex`: it has both directions. [any] */
uint32_t vc_lead_shortest(uint32_t block_frames, uint32_t device_frames, bool duplex) VC_REALTIME;
/* NULL: no memory. [control] */
vc_lead *vc_lead_new(const vc_lead_config *config);
/* When neither a cycle nor the worker runs. NULL is allowed. [control] */
void vc_lead_free(vc_lead *lead);
/* Another lead, for a device with other cycles; what was made is dropped. False: no memory; then it
 * cannot be used any more. When neither a cycle nor the worker runs; vc_lead_start follows.
 * [control] */
bool vc_lead_resize(vc_lead *lead, uint32_t device_frames, uint32_t lead_frames, bool timed);
/* Begins a new time line, when neither a cycle nor the worker runs. [control] */
void vc_lead_start(vc_lead *lead);
/* Asks for the end: no block is begun but those whose input has come already; what was made is
 * heard, then the stream ends as by VC_STOP. [any] */
void vc_lead_stop(vc_lead *lead) VC_REALTIME;

/* The engine's `process`; `lead` is the vc_lead*. Wants interleaved blocks. An error of the user's
 * code ends the stream at once, VC_STOP when all was played. [IO] */
int32_t vc_lead_process(vc_block *block, void *lead) VC_REALTIME;

/* Calls the user's code for one block if one is due. False: none is, or the code has ended.
 * [worker] */
bool vc_lead_make(vc_lead *lead);
/* Whether the code is never called again. [any] */
bool vc_lead_ended(const vc_lead *lead) VC_REALTIME;
/* Frames for whose time the worker need not look for work. [worker] */
uint32_t vc_lead_patience(const vc_lead *lead) VC_REALTIME;
/* How often the device took its frames with how much in reserve, ns of sound; with input alone,
 * with how much room left for it. 0: it starved. `counts` has VC_HISTOGRAM_BUCKETS. [any] */
void vc_lead_margins(const vc_lead *lead, uint64_t *counts) VC_REALTIME;
/* Calls of the user's code, and frames in them. [any] */
uint64_t vc_lead_blocks(const vc_lead *lead) VC_REALTIME;
uint64_t vc_lead_frames(const vc_lead *lead) VC_REALTIME;

#endif
