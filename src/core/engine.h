/* The engine's structure, shared only by engine.c (create, start, stop), cycle.c (IO cycles),
 * move.c (another device or run) and statistics.c (counting). */
#ifndef VOICECOIL_ENGINE_H
#define VOICECOIL_ENGINE_H

#include "histogram.h"
#include "history.h"
#include "kept.h"
#include "rate.h"
#include "voicecoil.h"

#include <stdatomic.h>

enum { VC_REQUEST_NONE = 0, VC_REQUEST_STOP = 1, VC_REQUEST_ABORT = 2, VC_REQUEST_FADE = 3 };

/* The statistics for other threads. */
enum { VC_STATISTICS_WORDS = sizeof(vc_statistics) / sizeof(uint64_t) };
typedef struct vc_published {
    vc_kept kept;
    _Atomic uint64_t words[2 * VC_STATISTICS_WORDS];
} vc_published;

/* The newest xruns for other threads. */
enum { VC_EVENT_WORDS = sizeof(vc_event) / sizeof(uint64_t) };
typedef struct vc_xruns {
    vc_kept kept;
    _Atomic uint64_t words[VC_XRUNS * VC_EVENT_WORDS];
} vc_xruns;

/* The sums since the stream was opened. */
typedef struct vc_metered {
    double squares;
    uint64_t frames;
} vc_metered;
enum { VC_METERED_WORDS = sizeof(vc_metered) / sizeof(uint64_t) };

typedef struct vc_meter {
    _Atomic float peak; /* largest magnitude since the reader last set this to 0 */
    vc_metered sums;    /* only for the IO thread; other threads read `words` */
    vc_kept kept;
    _Atomic uint64_t words[2 * VC_METERED_WORDS];
    vc_metered seen; /* only for the reader: the sums at its last call */
} vc_meter;

typedef struct vc_moved vc_moved; /* defined in move.c */

#define VC_NO_FRAME INT64_MIN

/* The histories of an engine. `turn` is odd while the IO thread may use them. The accesses are
 * those of port.h: a history is removed before `turn` is read, and `turn` becomes odd before the
 * slots are read. */
enum { VC_HISTORIES = 64 };
typedef struct vc_histories {
    _Atomic uint64_t turn;
    _Atomic uint32_t used; /* slots from this number on were never used */
    _Atomic(vc_history *) slots[VC_HISTORIES];
    _Atomic uint32_t directions[VC_HISTORIES]; /* written before the slot is filled */
} vc_histories;

struct vc_engine {
    vc_engine_config config;
    vc_moved *moved;           /* NULL: the engine is on its first device */
    vc_rate *rate;             /* NULL: the device has the rate of the engine */
    uint32_t max_block_frames; /* frames that the stream's own block holds */
    float *input_block;        /* interleaved; not used if the stream has no such direction */
    float *output_block;
    void *own_memory; /* the memory of both blocks, which the engine allocated */
    vc_input_fn fill; /* adds the input of another device to each cycle; NULL: there is none */
    void *fill_argument;

    /* Shared by the threads. */
    _Atomic int request;          /* VC_REQUEST_*: written by control */
    _Atomic uint32_t fade_frames; /* duration of the fade of VC_REQUEST_FADE */
    _Atomic int state;            /* vc_state: written by the IO thread while the device runs */
    _Atomic int reason;           /* vc_reason */
    _Atomic int32_t error;
    _Atomic uint64_t zero_frames; /* see vc_engine_zero_frames */

    /* Only for the IO thread. */
    bool only_zeros;   /* the input has given nothing but zeros in this run */
    uint32_t position; /* frames of the current block already exchanged with the device */
    uint32_t valid;    /* frames of output_block that are content and not handed over yet */
    bool latched;      /* duplex with blocks that do not fit the cycles: output is one block late */
    bool ending;       /* the user's code has ended; the content of output_block is still played */
    uint32_t fade_length, faded; /* frames of the fade that ends the stream, and those played */
    int64_t drain_left;    /* frames from the beginning of the next cycle until the last output is
                            * heard */
    uint32_t block_lost;   /* frames lost since the last block */
    int64_t waited_ns;     /* how long the user's code waited for a lock in this cycle */
    int64_t first_call_ns; /* called_ns for the first block of this cycle; 0: that block has been
                            * called */
    int64_t ended_ns;      /* when the last block of this cycle ended; 0: not known */
    int64_t began_ns;      /* when the last cycle began; 0: there was none */
    double expected_ns;    /* expected time from began_ns to the beginning of the next cycle */
    uint64_t gap_frames;   /* frames of the current gap, for which the user's code was not ready */
    uint32_t gap_cause;
    vc_time gap_time;
    vc_time block_input_time;
    bool arriving; /* no cycle of this run, or on this device, has come yet */
    /* Rate of the new device / rate of the device that made the last cycle. */
    double arriving_scale;
    int64_t shift_frames;                        /* the stream's sample time minus the device's */
    bool expect_output, expect_input;            /* true: a jump to a later time is a loss */
    int64_t next_output_frame, next_input_frame; /* VC_NO_FRAME: no cycle had a sample time yet */
    double ns_per_frame;
    double per_period;      /* 1 / (duration of `per_period_of` frames in ns) */
    uint32_t per_period_of; /* frames of the last cycle; 0: there was none at this rate */
    vc_statistics counted;  /* other threads read `published` */

    vc_published published;
    vc_histogram timings[2]; /* indexed by vc_timing */
    vc_xruns xruns;
    vc_meter *meters; /* output channels, then input channels */
    vc_queue *events;
    vc_histories histories;
};

/* These functions are defined in statistics.c and called by cycle.c. [IO] */
void vc_publish(vc_engine *engine) VC_REALTIME;
void vc_count_levels(vc_engine *engine, uint32_t first_meter, const vc_audio *audio,
                     uint32_t frames) VC_REALTIME;
void vc_post_event(vc_engine *engine, vc_event_kind kind, int64_t value,
                   const vc_time *time) VC_REALTIME;
/* Posts an xrun, and keeps it for vc_engine_xruns. */
void vc_post_xrun(vc_engine *engine, uint64_t frames, const vc_time *time,
                  uint32_t cause) VC_REALTIME;

/* Continues the fade of VC_REQUEST_FADE in the first `done` frames of the cycle's output. At the
 * end of the fade, the user's code is not called again. Returns how many of the frames are left,
 * and limits `valid` to them. It is defined in fade.c and called by cycle.c. [IO] */
uint32_t vc_fade(vc_engine *engine, const vc_cycle *cycle, uint32_t done,
                 uint32_t *valid) VC_REALTIME;

/* Converts a cycle of the device to the stream's time line and channels. It is defined in move.c
 * and called by cycle.c. [IO] */
void vc_translate(vc_engine *engine, const vc_cycle *cycle, vc_cycle *out) VC_REALTIME;

/* Runs a cycle that has the rate of the engine. It is defined in cycle.c and called by rate.c. [IO]
 */
uint32_t vc_run_converted(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* Adds the input of another device to a cycle. Defined and called as vc_translate. [IO] */
void vc_fill(vc_engine *engine, const vc_cycle *cycle, vc_cycle *out) VC_REALTIME;

/* Counts the frames of the cycle if all of its input is zero. Otherwise it ends the count of this
 * run. It is defined in silence.c. [IO] */
void vc_count_zeros(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* Calls vc_count_zeros until the count has ended. [IO] */
static inline void vc_watch_zeros(vc_engine *engine, const vc_cycle *cycle) {
    if (engine->only_zeros) {
        vc_count_zeros(engine, cycle);
    }
}

/* Writes a cycle that has run into the engine's histories: `device` is the cycle as the device gave
 * it, and `stream` the same cycle after vc_translate. Defined in history.c. [IO] */
void vc_listen_all(vc_engine *engine, const vc_cycle *device, const vc_cycle *stream) VC_REALTIME;

static inline void vc_listen(vc_engine *engine, const vc_cycle *device, const vc_cycle *stream) {
    if (atomic_load_explicit(&engine->histories.used, memory_order_acquire) != 0) {
        vc_listen_all(engine, device, stream);
    }
}

/* Whether vc_translate changes the device's cycle. A device may begin to count at zero again in the
 * middle of a run, for example after the machine has slept. Then the time line continues as after a
 * stop, and no loss is counted, because nothing tells which frames the device has lost. A step back
 * of less than this cycle or the last one is an irregular time. Both count, because a device whose
 * cycles vary may have a short cycle after a long one. [IO] */
static inline bool vc_is_translated(vc_engine *engine, const vc_cycle *cycle) {
    const bool plays = cycle->output.channels != 0;
    const vc_time *time = plays ? &cycle->output_time : &cycle->input_time;
    const int64_t next = plays ? engine->next_output_frame : engine->next_input_frame;
    const uint32_t longer =
        cycle->frames > engine->per_period_of ? cycle->frames : engine->per_period_of;
    const int64_t end = time->sample_frames + engine->shift_frames + longer;
    if (!engine->arriving && (time->valid & VC_TIME_SAMPLE) && end < next) {
        engine->arriving = true;
        engine->expect_output = engine->expect_input = false;
    }
    return engine->arriving || engine->shift_frames != 0 || engine->moved != NULL;
}

#endif
