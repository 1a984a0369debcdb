/* player.h - plays frames that a program writes in pieces.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_PLAYER_H
#define VOICECOIL_PLAYER_H

#include "mixer.h"
#include "transfer.h"
#include "user_code.h"

/* A queue of frames between a writer and the IO thread. The frames are counted from 0 on, and their
 * numbers are called positions. A frame is played once, or it is cleared.
 *
 * An utterance is a run of frames that belong together. If the queue becomes empty inside an
 * utterance, that is an underrun. It is faded, and it is counted when the utterance goes on. */
typedef struct vc_player vc_player;

typedef struct vc_player_config {
    uint32_t channels;        /* of the frames */
    uint32_t output_channels; /* of the blocks: as many as `channels`, or any number if that is 1 */
    uint32_t capacity_frames; /* the ring is rounded up to a power of two */
    uint32_t prebuffer_frames; /* an utterance begins with so many frames, or when it is complete */
    uint32_t fade_frames;      /* duration of the fades of an underrun */
    uint32_t messages;         /* marks and ends of utterances that can wait */
    float gain, left, right;   /* at the beginning; see vc_player_level */
} vc_player_config;

/* Returns NULL if memory is exhausted. [control] */
vc_player *vc_player_new(const vc_player_config *config);
/* NULL is allowed. Call it when no cycle runs. [control] */
void vc_player_free(vc_player *player);
/* Makes the IO thread wait for frames inside an utterance, for devices whose clock does not wait
 * for the program. Call it before the first cycle. [control] */
void vc_player_wait_with(vc_player *player, vc_wait_fn wait);

/* ---- the writer: one thread at a time ------------------------------------------------------- */

/* The ring of the frames. The writer reserves and commits room as it likes. */
vc_ring *vc_player_ring(vc_player *player);
/* Begins an utterance, or continues it. Call it before its frames are committed. `clears` is what
 * vc_player_clears returned when the writer began it. If there was a clear since then, all frames
 * that are committed before the next call are discarded. [control] */
void vc_player_begin(vc_player *player, uint32_t clears);
/* Says that the writer will write no more frames, because it has failed. [control] */
void vc_player_expect_nothing(vc_player *player);
/* Says that the utterance that began after `clears` clears ends at a position, and no more frames
 * are expected. The position may be that of frames that are not committed yet. Returns false if too
 * many messages wait. [control] */
bool vc_player_finish(vc_player *player, uint64_t position, uint32_t clears);
/* Sets a mark in the utterance that began, or will begin, after `clears` clears. The result of a
 * mark comes when all frames before its position have been played; of one that `begins` an
 * utterance, when the frame at its position is played. Returns false if too many messages wait.
 * [control] */
bool vc_player_mark(vc_player *player, uint64_t position, uint32_t number, uint32_t clears,
                    bool begins);

/* Whether no float of a memory of any alignment is NaN or infinite. [any] */
bool vc_player_finite(const void *samples, size_t count) VC_REALTIME;

/* ---- requests: the newest one of each kind counts ------------------------------------------- */

/* Discards all utterances that began before, with all their frames and marks, also those that are
 * committed later. The sound fades out over at most `fade_frames` of these frames, from the next
 * block on. [any] */
void vc_player_clear(vc_player *player, uint32_t fade_frames) VC_REALTIME;
/* How often vc_player_clear was called, modulo 2^32. [any] */
uint32_t vc_player_clears(const vc_player *player) VC_REALTIME;
/* Fades the sound out and pauses, or continues and fades in. No frame is lost. [any] */
void vc_player_pause(vc_player *player, bool pause, uint32_t fade_frames) VC_REALTIME;
/* Moves the gain, and the additional gains of the first two channels, along straight lines. One
 * thread at a time. [control] */
void vc_player_level(vc_player *player, float gain, float left, float right, uint32_t ramp_frames);
/* Changes the prebuffer. [any] */
void vc_player_prebuffer(vc_player *player, uint32_t frames) VC_REALTIME;

/* ---- what was heard ------------------------------------------------------------------------- */

/* The positions and frames that have left the connector at a host time. */
typedef struct vc_player_heard {
    uint64_t passed; /* all frames before this position were heard or cleared */
    uint64_t frames; /* frames that were heard */
} vc_player_heard;
/* [any] */
void vc_player_hear(const vc_player *player, int64_t now_ns, vc_player_heard *heard) VC_REALTIME;

typedef enum vc_player_kind {
    VC_PLAYER_HEARD = 0,   /* a mark and the host time at which it is at the connector */
    VC_PLAYER_CLEARED = 1, /* a mark that was cleared */
    VC_PLAYER_CUT = 2      /* a clear: it was made at `position`; `number` is that of the clear */
} vc_player_kind;
typedef struct vc_player_result {
    int64_t host_ns;
    uint64_t position;
    uint32_t number;
    uint32_t kind; /* vc_player_kind */
} vc_player_result;
/* Takes the oldest result. Returns false if there is none. No result is lost: if thousands wait,
 * the next clears and marks wait, too, and nothing is played after a clear. [control] */
bool vc_player_take(vc_player *player, vc_player_result *result);
/* Number of results so far. [any] */
uint64_t vc_player_results(const vc_player *player) VC_REALTIME;

typedef struct vc_player_counts {
    uint64_t underruns;       /* outages inside an utterance */
    uint64_t underrun_frames; /* silent frames of these outages */
    uint64_t cleared_before;  /* all frames before this position will not be played any more */
} vc_player_counts;
/* The fields may be of different cycles. [any] */
void vc_player_count(const vc_player *player, vc_player_counts *counts) VC_REALTIME;

/* As a vc_process_fn; `user` is the vc_player*. It needs interleaved blocks. [IO] */
int32_t vc_player_process(vc_block *block, void *user) VC_REALTIME;

#endif
