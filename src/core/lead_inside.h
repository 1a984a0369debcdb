/* The lead's inside, shared by lead.c (the IO thread) and lead_worker.c only.
 *
 * Invariants, in frames:
 *   output only   exchanged - lead <= made < exchanged + block: the ring holds what is between the
 *                 first two, and never more than lead + block
 *   both ways     lead_in + ring of output + block being made + ring of input + holes - owed = lead
 * so the rings are large enough by how they are made (vc_lead_new), the worker never waits for
 * room, and the delay of a duplex stream is `lead` before and after each gap.
 *
 * Memory orders. Frames go through the rings, which order themselves (ring.c). A note is pushed
 * before the input that it belongs to is committed, and the newest note of an output stream is
 * written before `exchanged` is stored with release: a worker that sees the frames sees the note.
 * `result` is stored with release after the last frame.
 */
#ifndef VOICECOIL_LEAD_INSIDE_H
#define VOICECOIL_LEAD_INSIDE_H

#include "histogram.h"
#include "lead.h"

#include <math.h>
#include <stdatomic.h>

/* Not what any code returns: vc_lead_make turns it into VC_ERROR. In one word with the result, so
 * that nobody sees an end without its result. */
#define VC_NOT_ENDED INT32_MIN

/* One cycle, as the IO thread tells the worker of it. */
typedef struct note {
    uint64_t position; /* frames exchanged before it; without input: behind it */
    vc_time now;
    vc_time input;
    vc_time output; /* of the frame that is exchanged at `position` */
    uint32_t lost;  /* frames lost before it */
} note;

/* Input that found no room; the output that would have been made of it is missing, too. */
typedef struct hole {
    uint64_t position; /* frames made before it */
    uint64_t frames;
} hole;

enum { HOLES = 64 };

struct vc_lead {
    vc_lead_config config;
    double ns_per_frame;
    uint32_t fade_frames;
    vc_ring *input, *output;
    vc_queue *notes;    /* with input: one of each cycle that brought frames */
    vc_mailbox *newest; /* without: the newest */

    /* Between the threads. */
    _Atomic uint64_t exchanged; /* without input */
    _Atomic uint32_t lost;      /* without input: frames lost since the last block */
    _Atomic uint64_t stop_at;   /* with input: where it ended for a stop */
    _Atomic bool stopping;
    _Atomic bool called;    /* the worker is in `process` */
    _Atomic int32_t result; /* what the code returned when it ended; VC_NOT_ENDED before */
    _Atomic uint64_t blocks;
    _Atomic uint64_t made;

    /* The IO thread's own. */
    uint32_t lead_in;  /* frames of silence before the first that was made */
    int64_t owed;      /* frames by which the next output comes too late; negative: too early */
    hole holes[HOLES]; /* on their way, oldest first, from `first_hole` round */
    uint32_t first_hole, hole_count;
    uint32_t pending_lost; /* not told of yet */
    bool gap;              /* the device starves */
    uint32_t gap_cause;
    uint32_t faded_out, faded_in; /* frames of the fade that were played */
    vc_histogram margins;
    float *heard; /* the last fade_frames frames that were played */
    float *tail;  /* what the newest gap fades out with */

    /* The worker's own. */
    note current, next;
    bool has_next;
    vc_time now;
};

static inline vc_time vc_lead_later(const vc_lead *lead, vc_time time, int64_t frames) {
    time.host_ns += llrint((double)frames * lead->ns_per_frame);
    time.sample_frames += frames;
    return time;
}

#endif
