/* mixer.h - plays clips, each of which begins at an exact frame.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_MIXER_H
#define VOICECOIL_MIXER_H

#include "transfer.h"
#include "user_code.h"

/* A clip is a piece of sound on its way through a mixer. The control thread makes it and keeps its
 * memory alive. The IO thread plays it, and returns the pointer when the clip has ended. Then the
 * control thread frees it. The mixer never frees a clip. */
typedef struct vc_clip vc_clip;
typedef struct vc_mixer vc_mixer;

typedef enum vc_clip_state {
    VC_CLIP_NEW = 0,
    VC_CLIP_QUEUED = 1,  /* the mixer has the clip, but has not reached its first frame */
    VC_CLIP_PLAYING = 2, /* at least one frame was mixed */
    VC_CLIP_DONE = 3     /* the clip was played to its end or stopped, and was returned */
} vc_clip_state;

#define VC_CLIP_NOW INT64_MIN

/* Makes a clip of `frames` interleaved frames at `data`, which is played `loops` times (0: for
 * ever) from the mixer's frame `start_frame` on. VC_CLIP_NOW means the next block. If `start_frame`
 * is in the past, the clip begins at once with its own first frame. Returns NULL if memory is
 * exhausted. [control] */
vc_clip *vc_clip_from_memory(const float *data, uint64_t frames, uint32_t channels, uint64_t loops,
                             int64_t start_frame, float gain);
/* Makes a clip that plays a ring, which another thread fills. While the ring is empty, the mixer
 * plays silence and counts the frames of this silence. [control] */
vc_clip *vc_clip_from_ring(vc_ring *ring, int64_t start_frame, float gain);
/* Makes the IO thread wait for frames instead of playing silence, for devices whose clock is not
 * real. The mixer calls `wait` when the ring is empty and has not ended. `wait` returns whether
 * that has changed. Call this in the state VC_CLIP_NEW. [control] */
void vc_clip_wait_with(vc_clip *clip, bool (*wait)(const vc_ring *ring));
/* Call it in the state VC_CLIP_NEW, or after the mixer has returned the clip. [control] */
void vc_clip_free(vc_clip *clip);
/* [any] */
vc_clip_state vc_clip_get_state(const vc_clip *clip) VC_REALTIME;
/* Frames mixed so far. [any] */
uint64_t vc_clip_position(const vc_clip *clip) VC_REALTIME;
/* Frames of silence that were played because the ring was empty. [any] */
uint64_t vc_clip_starved_frames(const vc_clip *clip) VC_REALTIME;
/* The mixer's frame at which the clip began; VC_CLIP_NOW if it has not begun. [any] */
int64_t vc_clip_started_at(const vc_clip *clip) VC_REALTIME;

/* `capacity` is the number of clips that can be alive at the same time. With `end_when_empty`, the
 * stream ends inside the block in which the last clip ends. Returns NULL if memory is exhausted.
 * [control] */
vc_mixer *vc_mixer_new(uint32_t channels, uint32_t capacity, bool end_when_empty);
/* Does not free clips. Call it when no cycle runs. [control] */
void vc_mixer_free(vc_mixer *mixer);
/* Gives a clip to the IO thread. Returns false if the mixer is full. [control] */
bool vc_mixer_add(vc_mixer *mixer, vc_clip *clip);
/* Fades a clip out over `fade_frames` frames and ends it. A second call can make the fade shorter,
 * but not longer. A clip that has not begun ends at once. Returns false if the queue of commands is
 * full. [control] */
bool vc_mixer_stop(vc_mixer *mixer, vc_clip *clip, uint32_t fade_frames);
/* Takes one clip that has ended, or returns NULL. [control] */
vc_clip *vc_mixer_collect(vc_mixer *mixer);
/* Clips that were added and not yet collected. [control] */
uint32_t vc_mixer_alive(const vc_mixer *mixer);
/* Frames mixed since the start. This is the mixer's time line. [any] */
uint64_t vc_mixer_frames(const vc_mixer *mixer) VC_REALTIME;
/* The mixer as a vc_process_fn; `user` is the vc_mixer*. Like a native function and a recorder, it
 * needs interleaved blocks, so VC_ENGINE_ZERO_COPY needs VC_ENGINE_PACKED, too. [IO] */
int32_t vc_mixer_process(vc_block *block, void *user) VC_REALTIME;

#endif
