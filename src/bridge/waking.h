/* waking.h - waits until one of several counts has reached its target.
 *
 * The IO thread wakes no other thread (docs/decisions/0005). It only changes atomic counts, such as
 * the frames that were written to a ring. One thread of the program waits for all of them and looks
 * at them at intervals. No function here needs the GIL. */
#ifndef VOICECOIL_WAKING_H
#define VOICECOIL_WAKING_H

#include "voicecoil.h"

/* Returns a count of `thing`. Any thread may call it at any time. */
typedef uint64_t (*vc_count_fn)(const void *thing) VC_REALTIME;

typedef struct vc_awaited {
    vc_count_fn count;
    const void *thing;
    uint64_t target;
} vc_awaited;

/* Frames that were written to and read from a vc_ring so far. [any] */
uint64_t vc_count_written(const void *ring) VC_REALTIME;
uint64_t vc_count_read(const void *ring) VC_REALTIME;
/* Frames that were written to a vc_history. [any] */
uint64_t vc_count_history(const void *history) VC_REALTIME;
/* 1 if a vc_engine is VC_FINISHED, otherwise 0. [any] */
uint64_t vc_count_finished(const void *engine) VC_REALTIME;
/* Events of a vc_engine that vc_engine_event has not taken yet. [any] */
uint64_t vc_count_events(const void *engine) VC_REALTIME;
/* 1 if a vc_clip is VC_CLIP_DONE or VC_CLIP_LATE, otherwise 0. [any] */
uint64_t vc_count_done(const void *clip) VC_REALTIME;
/* Results of a vc_player so far. [any] */
uint64_t vc_count_results(const void *player) VC_REALTIME;
/* 1 if a vc_voice has ended, otherwise 0. [any] */
uint64_t vc_count_voice(const void *voice) VC_REALTIME;

typedef struct vc_waker vc_waker;

/* Returns NULL if memory is exhausted. [control] */
vc_waker *vc_waker_new(void);
/* NULL is allowed. [control] */
void vc_waker_free(vc_waker *waker);
/* Makes vc_waker_wait return at its next look. [any] */
void vc_waker_ring(vc_waker *waker) VC_REALTIME;
/* How often vc_waker_ring was called. [any] */
uint32_t vc_waker_rings(const vc_waker *waker) VC_REALTIME;
/* Waits until one of the counts has reached its target, vc_waker_rings is not `seen`, or
 * `timeout_ns` has passed. It looks every `period_ns`. Call it without the GIL. [control] */
void vc_waker_wait(const vc_waker *waker, const vc_awaited *awaited, size_t count, uint32_t seen,
                   int64_t period_ns, int64_t timeout_ns);

#endif
