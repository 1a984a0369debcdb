/* The player's structure, shared only by player.c (requests and blocks) and player_heard.c (what
 * was heard). */
#ifndef VOICECOIL_PLAYER_INSIDE_H
#define VOICECOIL_PLAYER_INSIDE_H

#include "glide.h"
#include "kept.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* Frames that were played without a gap in one block. */
enum { VC_RUNS = 2048 };
typedef struct vc_run {
    int64_t begin_ns; /* host time at which the first frame is at the connector */
    int64_t end_ns;   /* the same of the end of the last frame */
    uint64_t position;
    uint64_t frames;
    uint64_t before; /* frames that were played before */
} vc_run;
enum { VC_RUN_WORDS = sizeof(vc_run) / sizeof(uint64_t) };
typedef struct vc_runs {
    vc_kept kept;
    _Atomic uint64_t words[VC_RUNS * VC_RUN_WORDS];
} vc_runs;

typedef enum vc_message_kind {
    VC_MESSAGE_MARK = 0,
    VC_MESSAGE_BEGIN = 1, /* a mark at the beginning of an utterance */
    VC_MESSAGE_END = 2    /* the end of an utterance */
} vc_message_kind;
typedef struct vc_message {
    uint64_t position;
    uint32_t number;
    uint32_t clears; /* how many clears there were before the message */
    uint32_t kind;
    uint32_t reserved;
} vc_message;

typedef struct vc_levels {
    float gain, left, right;
    uint32_t ramp_frames;
} vc_levels;

struct vc_player {
    vc_player_config config;
    vc_ring *ring;
    vc_queue *messages;
    vc_queue *results;
    vc_mailbox *levels;
    vc_wait_fn wait; /* NULL: the IO thread does not wait for frames */

    /* Requests of other threads. */
    _Atomic uint64_t clear; /* bits 32 to 63: number of clears; bits 0 to 31: frames of the fade */
    _Atomic uint64_t clear_to; /* frames before this position will not be played: for counts */
    _Atomic uint64_t pause;    /* bit 32: pause; bits 0 to 31: frames of the fade */
    _Atomic uint32_t prebuffer;
    _Atomic uint64_t complete_to; /* the newest position at which an utterance ends */
    _Atomic uint64_t expects;     /* 1 + the clears before the utterance that is open; 0: none is */
    _Atomic uint32_t begun;       /* the clears before the newest utterance */
    /* The position at which the first utterance after a number of clears begins; by the lowest bit
     * of the number, so that the IO thread can read one while the writer stores the next. */
    _Atomic uint64_t begun_at[2];

    /* Only for the IO thread. */
    uint32_t clears;  /* clears that were asked for, as far as the IO thread has seen them */
    uint32_t cleared; /* clears that were made */
    bool fresh;       /* the frames in front of the queue are of an utterance after these clears */
    bool clears_now;  /* a clear is being faded */
    bool pauses;      /* the sound is paused, or is fading out to be paused */
    bool filling;     /* the sound waits until there are enough frames */
    bool gap;         /* an utterance goes on, but there are no frames */
    bool has_message;
    vc_message message;  /* the next message, if has_message */
    uint64_t natural_to; /* an utterance that was played to its end ended here */
    uint64_t gap_frames; /* frames of the gap */
    vc_glide fade;       /* of pauses, clears and gaps: 1 is the full sound */
    vc_glide gains[3];   /* the gain, and those of the first two channels */
    vc_levels known_levels;
    float *last;        /* the frame that was played last, which fades out in a gap */
    uint32_t tail_left; /* frames of that fade */
    vc_run run;         /* the newest run */
    uint64_t played;
    double ns_per_frame;

    /* For all threads. */
    vc_runs runs;
    _Atomic uint64_t reported; /* results so far */
    _Atomic uint64_t underruns;
    _Atomic uint64_t underrun_frames;
};

/* These functions are defined in player_heard.c and called by player.c. [IO] */
/* Notes that `frames` frames were played from frame `offset` of the block on. */
void vc_player_note(vc_player *player, const vc_block *block, uint32_t offset,
                    uint32_t frames) VC_REALTIME;
/* Answers the messages whose position was reached. */
void vc_player_answer(vc_player *player) VC_REALTIME;
/* Makes the clear that was seen last: discards the frames and messages of the utterances before it.
 * Returns false if there is no room for the result; then nothing is changed. */
bool vc_player_discard(vc_player *player, const vc_block *block, uint32_t offset) VC_REALTIME;
/* Drops frames that were committed after a clear, but belong to an utterance before it. Returns
 * false if no other frames can be played in this block. */
bool vc_player_skip_stale(vc_player *player, const vc_block *block, uint32_t offset) VC_REALTIME;

#endif
