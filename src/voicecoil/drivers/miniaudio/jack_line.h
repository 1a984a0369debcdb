/* jack_line.h - frames and times of JACK's cycles.
 *
 * JACK counts frames and reports when each cycle began. Neither can be used directly:
 *
 * - JACK's frame counter is 32 bits wide and wraps. PipeWire's counter starts anew, perhaps at a
 *   smaller number, when the graph gets another rate or driver. jackd's counter does not advance
 *   while the server is stalled.
 * - PipeWire's times are exact. jackd's times are not used. They are on CLOCK_MONOTONIC_RAW, which
 *   NTP does not correct: two hours after boot it was 145 ms away from CLOCK_MONOTONIC, the
 *   driver's clock. They are also smoothed by a filter. After a stall of 0.5 s they were wrong by
 *   0.5 s, and a second later still by 0.4 s.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_MINIAUDIO_JACK_LINE_H
#define VOICECOIL_MINIAUDIO_JACK_LINE_H

#include "voicecoil.h"

/* The functions that a JACK device needs. JACK delivers both directions in one call, the input
 * first, so the ring that miniaudio puts between them need not hold any frames. While no engine is
 * attached, the ring is emptied. All functions may be called on the IO thread, because JACK's
 * functions read shared memory, and the ring's functions use two atomic offsets. If another thread
 * asks for a latency while the graph changes, for example just after a client was opened, libjack
 * lets that thread sleep for a period. */
typedef int (*vc_jack_cycle_times_fn)(const void *client, uint32_t *current_frames,
                                      uint64_t *current_us, uint64_t *next_us,
                                      float *period_us) VC_REALTIME;
typedef uint32_t (*vc_jack_period_fn)(void *client) VC_REALTIME;
typedef struct vc_jack_range { /* jack_latency_range_t */
    uint32_t minimum;
    uint32_t maximum;
} vc_jack_range;
typedef void (*vc_jack_latency_fn)(void *port, int mode, vc_jack_range *range) VC_REALTIME;
typedef uint32_t (*vc_ma_ring_readable_fn)(void *ring) VC_REALTIME;
typedef int (*vc_ma_ring_skip_fn)(void *ring, uint32_t frames) VC_REALTIME;

typedef struct vc_ma_jack {
    vc_jack_cycle_times_fn
        cycle_times;          /* NULL: the device is not JACK, or JACK does not report cycles */
    vc_jack_period_fn period; /* not NULL if cycle_times is not NULL */
    void *client;
    bool exact_times;                /* JACK's times are exact, and on the driver's clock */
    vc_jack_latency_fn latency;      /* NULL: JACK does not report latencies */
    vc_ma_ring_readable_fn readable; /* NULL: the ring is not emptied */
    vc_ma_ring_skip_fn skip;
    void *ring;
} vc_ma_jack;

typedef struct vc_jack_line {
    vc_ma_jack jack;
    /* only for the IO thread */
    uint32_t first; /* JACK's number of the first frame of the newest cycle */
    uint32_t done;  /* frames of that cycle that earlier calls have handled */
} vc_jack_line;

/* One call of the driver. One cycle of a duplex device may need several calls. */
typedef struct vc_jack_call {
    int64_t begin_ns;       /* the beginning of the cycle, as JACK reports it */
    uint32_t done_frames;   /* frames of the cycle in earlier calls */
    int64_t skipped_frames; /* frames that JACK counted between the last call and this one.
                               Negative: JACK's counter was restarted */
    uint32_t period_frames; /* current length of JACK's cycles */
} vc_jack_call;

/* The first frame of JACK's newest cycle. Returns false if JACK does not report it. [any] */
bool vc_jack_line_first(const vc_jack_line *line, uint32_t *first) VC_REALTIME;
/* Advances the line by the `frames` frames of a call. `fresh` marks the first call of a run, for
 * which no frames count as skipped. Returns false if JACK does not report its cycles. [IO] */
bool vc_jack_line_next(vc_jack_line *line, bool fresh, uint32_t frames,
                       vc_jack_call *out) VC_REALTIME;

#endif
