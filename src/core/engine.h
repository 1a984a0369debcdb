/* The engine's inside, shared by engine.c (life), cycle.c (sound), move.c (another device, another
 * run) and statistics.c (counting) only. */
#ifndef VOICECOIL_ENGINE_H
#define VOICECOIL_ENGINE_H

#include "histogram.h"
#include "voicecoil.h"

#include <stdatomic.h>

enum { VC_REQUEST_NONE = 0, VC_REQUEST_STOP = 1, VC_REQUEST_ABORT = 2 };

/* What was counted, as other threads may read it. `sequence` is odd while the IO thread writes;
 * each word is atomic (relaxed) so that a reader that collides reads stale numbers, never
 * undefined ones, and then sees by the sequence that it has to retry. */
enum { VC_STATISTICS_WORDS = sizeof(vc_statistics) / sizeof(uint64_t) };
typedef struct vc_published {
    _Atomic uint32_t sequence;
    _Atomic uint64_t words[VC_STATISTICS_WORDS];
} vc_published;

/* The newest xruns, as other threads may read them: word by word, as in vc_published. */
enum { VC_EVENT_WORDS = sizeof(vc_event) / sizeof(uint64_t) };
typedef struct vc_xruns {
    _Atomic uint64_t begun;   /* xruns of which writing has begun */
    _Atomic uint64_t written; /* and ended */
    _Atomic uint64_t words[VC_XRUNS][VC_EVENT_WORDS];
} vc_xruns;

typedef struct vc_meter {
    _Atomic float peak;     /* exchanged with 0 by the reader */
    _Atomic double squares; /* ever */
    _Atomic uint64_t frames;
    double seen_squares; /* the reader's own: where it was last time */
    uint64_t seen_frames;
} vc_meter;

typedef struct vc_moved vc_moved; /* move.c */

#define VC_NO_FRAME INT64_MIN

struct vc_engine {
    vc_engine_config config;
    vc_moved *moved;         /* NULL: it is on its first device */
    uint32_t block_capacity; /* frames that the stream's own block holds */
    float *input_block;      /* interleaved; NULL without that direction */
    float *output_block;
    void *own_memory; /* what the engine allocated of them */

    /* Between the threads. */
    _Atomic int request; /* VC_REQUEST_*: written by control */
    _Atomic int state;   /* vc_state: written by the IO thread while the device runs */
    _Atomic int reason;  /* vc_reason */
    _Atomic int32_t error;

    /* The IO thread's own. */
    uint32_t position;     /* frames of the current block already exchanged with the device */
    uint32_t valid;        /* frames of output_block that are content still to be handed over */
    bool latched;          /* duplex with blocks that do not fit the cycles: one block behind */
    bool ending;           /* the user's code is done; what output_block holds is still played */
    int64_t drain_left;    /* frames from the next cycle's beginning to the last one heard */
    uint32_t block_lost;   /* frames lost since the last block */
    int64_t waited_ns;     /* of this cycle, for the user's code's lock */
    int64_t first_call_ns; /* of this cycle; 0: it is past */
    int64_t ended_ns;      /* when its last block was done; 0: nobody looked */
    int64_t began_ns;      /* when the last cycle began; 0: there was none */
    double expected_ns;    /* how long after it the next one should */
    uint64_t gap_frames;   /* of the gap that the user's code has left open */
    uint32_t gap_cause;
    vc_time gap_time;
    vc_time block_input_time;
    bool arriving;        /* the first cycle of this run, or on this device, has not come */
    int64_t shift_frames; /* from the device's sample time to the stream's */
    bool expect_output, expect_input;            /* a gap before the next cycle's frame is a loss */
    int64_t next_output_frame, next_input_frame; /* VC_NO_FRAME: none had a sample time yet */
    double ns_per_frame;
    double per_period; /* 1 / ns that `per_period_of` frames last */
    uint32_t per_period_of;
    vc_statistics counted; /* the IO thread's own; others read `published` */

    vc_published published;
    vc_histogram timings[2]; /* by vc_timing */
    vc_xruns xruns;
    vc_meter *meters; /* output channels, then input channels */
    _Atomic uint32_t meter_sequence;
    vc_queue *events;
};

/* statistics.c, for cycle.c. [IO] */
void vc_publish(vc_engine *engine) VC_REALTIME;
void vc_count_levels(vc_engine *engine, uint32_t first_meter, const vc_audio *audio,
                     uint32_t frames) VC_REALTIME;
void vc_post_event(vc_engine *engine, vc_event_kind kind, int64_t value,
                   const vc_time *time) VC_REALTIME;
/* An xrun: posted, and kept for vc_engine_xruns. */
void vc_post_xrun(vc_engine *engine, uint64_t frames, const vc_time *time,
                  uint32_t cause) VC_REALTIME;

/* move.c, for cycle.c: a cycle of the device as the stream sees it, on the stream's time line and
 * with its channels. [IO] */
void vc_translate(vc_engine *engine, const vc_cycle *cycle, vc_cycle *out) VC_REALTIME;

/* Whether that is anything else than the device's own cycle. [IO] */
static inline bool vc_is_translated(const vc_engine *engine) {
    return engine->arriving || engine->shift_frames != 0 || engine->moved != NULL;
}

#endif
