/* lead.h - runs the user's code ahead of the device.
 *
 * A lead stands between an engine and user code that cannot promise to be in time (Python). The
 * code runs on a worker thread, `lead_frames` ahead of the device. The IO thread only moves frames
 * through rings. Both threads count frames on one time line:
 *
 *   exchanged  frames that the IO thread has read from the device and played
 *   made       frames that the user's code has been called for, on the worker
 *
 * The worker calls the code for frames [made, made + block) when `exchanged` is beyond the first of
 * them. With input, it waits until all frames of the block have arrived. The output is heard
 * `lead_frames` later than it would be without a lead. Before the first output, silence is played.
 *
 * If the code is late by more than the lead, the device starves. The sound is faded out, a gap is
 * played and counted (vc_block.starved_frames, with its cause), and the sound after the gap is
 * faded in. Without input no output is dropped: the rest is heard later by the length of the gap.
 * With input the delay must stay constant, so output that has become too late is dropped. Input for
 * which the ring has no room is dropped and counted, too.
 *
 * If max_lead_frames is longer than lead_frames, the lead grows: lead_growth.c.
 *
 * Threads: as in voicecoil.h, and [worker]: the one thread that makes blocks. */
#ifndef VOICECOIL_LEAD_H
#define VOICECOIL_LEAD_H

#include "voicecoil.h"

typedef struct vc_lead vc_lead;

typedef struct vc_lead_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t block_frames;      /* frames in every call of `process` */
    uint32_t max_period_frames; /* the longest cycle */
    uint32_t lead_frames;       /* at least vc_lead_shortest() */
    uint32_t max_lead_frames;   /* the lead grows up to this; at most lead_frames: it is constant */
    double samplerate_hz;
    float *input_block; /* block_frames * channels floats; must outlive the lead; may be NULL */
    float *output_block;
    bool timed;            /* the device's clock is real: vc_block.called_ns is set for `process` */
    vc_process_fn process; /* called by vc_lead_make */
    void *user;            /* the argument of `process`, `inside` and `rest` */
    /* Whether `process` is running user code, and not waiting for a lock that it needs first (the
     * GIL). The answer decides which cause is reported for a gap. NULL: `process` needs no lock.
     * [any] */
    bool (*inside)(const void *user) VC_REALTIME;
    /* The worker calls this before it waits, so that `process` can release what it has kept for the
     * next block, such as the GIL. NULL: nothing is kept. [worker] */
    void (*rest)(void *user);
    /* Called on the IO thread at the end of each cycle. Waits until the worker has no work left.
     * This is only for devices whose clock is not real, because their IO thread may wait. Otherwise
     * it is NULL. [IO] */
    void (*settle)(void *argument);
    void *argument;
} vc_lead_config;

/* The shortest lead that gives the code the duration of one cycle: one cycle, and one block more if
 * blocks of input do not fit the cycles. `duplex`: the stream has both directions. [any] */
uint32_t vc_lead_shortest(uint32_t block_frames, uint32_t max_period_frames,
                          bool duplex) VC_REALTIME;
/* Returns NULL if memory is exhausted. [control] */
vc_lead *vc_lead_new(const vc_lead_config *config);
/* NULL is allowed. Call it when neither a cycle nor the worker runs. [control] */
void vc_lead_free(vc_lead *lead);
/* Adapts the lead to a device with other cycles. Frames that are ready are dropped. Returns false
 * if memory is exhausted; then the lead cannot be used any more. Call it when neither a cycle nor
 * the worker runs, and vc_lead_start afterwards. [control] */
bool vc_lead_resize(vc_lead *lead, uint32_t max_period_frames, uint32_t lead_frames,
                    uint32_t max_lead_frames, bool timed);
/* Begins a new time line. Call it when neither a cycle nor the worker runs. [control] */
void vc_lead_start(vc_lead *lead);
/* Asks the stream to end. After this, the worker begins only blocks whose input has already
 * arrived. The output that is ready is played, and then the stream ends as with VC_STOP. [any] */
void vc_lead_stop(vc_lead *lead) VC_REALTIME;

/* The lead as a vc_process_fn; `lead` is the vc_lead*. It needs interleaved blocks. An error of the
 * user's code ends the stream at once. After VC_STOP, the stream ends when all output has been
 * played. [IO] */
int32_t vc_lead_process(vc_block *block, void *lead) VC_REALTIME;

/* Calls the user's code for one block if one is due. Returns false if none is due or the code has
 * ended. [worker] */
bool vc_lead_make(vc_lead *lead);
/* Whether the code has ended and is not called again. [any] */
bool vc_lead_ended(const vc_lead *lead) VC_REALTIME;
/* Frames that the device may exchange before the worker has to look for work again. [worker] */
uint32_t vc_lead_idle_frames(const vc_lead *lead) VC_REALTIME;
/* Copies the histogram of the reserves. The reserve of a cycle is the output that is ready after
 * it, in ns of sound. For a stream without output, it is the room that is left for input. The
 * reserve is 0 if the device starved. `counts` has VC_HISTOGRAM_BUCKETS. [any] */
void vc_lead_margins(const vc_lead *lead, uint64_t *counts) VC_REALTIME;
/* The lead in force, which has grown if the code was late. vc_lead_start keeps it. [any] */
uint32_t vc_lead_length(const vc_lead *lead) VC_REALTIME;
/* A growth of the lead. */
typedef struct vc_growth {
    vc_time now; /* when the newest cycle began that the worker knew */
    uint32_t lead_frames;
    uint32_t reserved;
} vc_growth;
/* Takes the oldest growth that was not taken yet. Returns false if there is none. [control] */
bool vc_lead_growth(vc_lead *lead, vc_growth *growth);
/* Number of calls of the user's code, and of frames in them. [any] */
uint64_t vc_lead_blocks(const vc_lead *lead) VC_REALTIME;
uint64_t vc_lead_frames(const vc_lead *lead) VC_REALTIME;

#endif
