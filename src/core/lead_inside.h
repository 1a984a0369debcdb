/* The lead's structure, shared only by lead.c (the IO thread), lead_worker.c and lead_growth.c.
 *
 * Invariants, in frames:
 *   output only   exchanged - lead <= made < exchanged + block. The ring holds the frames between
 *                 exchanged - lead + stretch and made, never more than lead + block
 *   both ways     lead_in + ring of output + block being made + ring of input + holes - owed = lead
 * So the rings are always large enough (make_rings), the worker never waits for room, and the delay
 * of a duplex stream is `lead` before and after each gap.
 *
 * Memory orders. The rings order the frames (ring.c). A note is pushed before the input that it
 * belongs to is committed. The newest note of an output stream is written before `exchanged` is
 * stored with release. So a worker that sees the frames also sees the note. `result` is stored with
 * release after the last frame. A longer `length` is stored before the block that was late is
 * committed to the ring, so the IO thread that sees this block also sees the new length.
 */
#ifndef VOICECOIL_LEAD_INSIDE_H
#define VOICECOIL_LEAD_INSIDE_H

#include "histogram.h"
#include "lead.h"

#include <math.h>
#include <stdatomic.h>

/* The value of `result` while the code has not ended. If code returns this value, vc_lead_make
 * stores VC_ERROR instead. State and result are one word, so that a thread that sees the end also
 * sees the result. */
#define VC_NOT_ENDED INT32_MIN

/* What the IO thread tells the worker about one cycle. */
typedef struct note {
    uint64_t position; /* all frames exchanged until the cycle began; without input: until it ended
                        */
    vc_time now;
    vc_time input;
    vc_time output; /* output time of the frame that is exchanged at `position` */
    uint64_t lost;  /* frames lost before the frame at `position` */
    uint32_t lead;  /* without input: the lead that the IO thread has in force */
    uint32_t gap;   /* without input: frames of the gap that is being played */
} note;

/* Input for which there was no room. The output that belongs to it is missing, too. */
typedef struct hole {
    uint64_t position; /* frames made before the hole */
    uint64_t frames;
} hole;

struct vc_lead {
    vc_lead_config config;
    double ns_per_frame;
    uint32_t fade_frames;
    vc_ring *input, *output;
    vc_queue *notes;    /* with input: one note for each cycle that brought frames */
    vc_mailbox *newest; /* without input: the newest note */

    /* Shared by the threads. */
    _Atomic uint64_t exchanged; /* without input: frames exchanged */
    _Atomic uint64_t lost;      /* without input: frames lost since the last block */
    _Atomic uint64_t stop_at; /* with input: frames that had arrived when the stop was requested */
    _Atomic bool stopping;
    _Atomic bool called;    /* the worker is in `process` */
    _Atomic int32_t result; /* what the code returned when it ended; VC_NOT_ENDED until then */
    _Atomic uint64_t blocks;
    _Atomic uint64_t made;
    _Atomic uint32_t length;  /* the lead, which the worker makes longer */
    _Atomic uint64_t elapsed; /* frames of all cycles, also those of gaps */
    _Atomic uint32_t starved; /* gaps that began because a block was late */

    /* Only for the IO thread. */
    uint32_t lead_in; /* frames of silence to play before the first output */
    int64_t owed;     /* frames by which the next output comes too late; negative: too early */
    hole *holes;      /* holes not reached yet: a circular list, the oldest at `first_hole` */
    uint32_t first_hole, hole_count, hole_room;
    uint64_t pending_lost; /* lost frames that no note has reported yet */
    bool gap;              /* the device starves */
    uint32_t gap_cause;
    uint32_t gap_frames; /* without input: frames of this gap by which the lead has not grown */
    uint32_t applied;    /* the lead that is in force on the IO thread */
    uint32_t stretch;    /* frames of silence, still to be played, by which the lead grows */
    uint32_t faded_out, faded_in; /* frames of each fade that were played */
    vc_histogram margins;
    float *heard; /* the last fade_frames frames that were played */
    float *tail;  /* the fade-out of the newest gap */

    /* Only for the worker. */
    note current, next;
    bool has_next;
    vc_time now;
    uint64_t since;        /* `elapsed` when the worker last had nothing to do or made a block */
    uint64_t longest_wait; /* the longest time without a block that was due, frames */
    uint32_t starved_seen;
    vc_queue *growths; /* the worker writes, control reads */
};

static inline vc_time vc_lead_later(const vc_lead *lead, vc_time time, int64_t frames) {
    time.host_ns += llrint((double)frames * lead->ns_per_frame);
    time.sample_frames += frames;
    return time;
}

/* These functions are defined in lead_growth.c. */

/* Notes that the worker has made a block or found none to make. `made`: it has made one, whose
 * output is not in the ring yet. Then the lead may grow. [worker] */
void vc_lead_look(vc_lead *lead, bool made);
/* Applies a new length to the frames that are played next. Returns the frames of the gap so far
 * that have become a part of the lead. [IO] */
uint32_t vc_lead_apply(vc_lead *lead) VC_REALTIME;
/* Begins a new time line with the present length. [control] */
void vc_lead_start_growth(vc_lead *lead);

#endif
