/* mixer.h - plays clips, each of which begins at an exact frame.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_MIXER_H
#define VOICECOIL_MIXER_H

#include "transfer.h"
#include "user_code.h"
#include "when.h"

/* A clip is a piece of sound on its way through a mixer. The control thread makes it and keeps its
 * memory alive. The IO thread plays it, and returns the pointer when the clip has ended. Then the
 * control thread frees it. The mixer never frees a clip. */
typedef struct vc_clip vc_clip;
typedef struct vc_mixer vc_mixer;

typedef enum vc_clip_state {
    VC_CLIP_NEW = 0,
    VC_CLIP_QUEUED = 1,  /* the mixer has the clip, but has not reached its first frame */
    VC_CLIP_PLAYING = 2, /* at least one frame was mixed */
    VC_CLIP_DONE = 3,    /* the clip was played to its end or stopped, and was returned */
    VC_CLIP_LATE = 4     /* its time had passed, so it was not played, and was returned */
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
/* Waits until `ready(argument)` is true, for a limited time. Returns its last value. */
typedef bool (*vc_wait_fn)(bool (*ready)(const void *argument), const void *argument);
/* Makes the IO thread wait for the frames of a ring instead of playing silence, for devices whose
 * clock is not real. It waits for the first frames and for those at the destination of a jump, and
 * with `when_starved` for all frames. Call this in the state VC_CLIP_NEW. [control] */
void vc_clip_wait_with(vc_clip *clip, vc_wait_fn wait, bool when_starved);
/* The clip of a ring is silent until the ring has `frames` frames or has ended, at the beginning
 * and after each jump. This silence does not count as starved. Call this in the state VC_CLIP_NEW.
 * [control] */
void vc_clip_prefill(vc_clip *clip, uint32_t frames);
/* Sets the duration of each of the two fades of a jump; 0 before that.
 * Call this in the state VC_CLIP_NEW. [control] */
void vc_clip_ramp(vc_clip *clip, uint32_t frames);

typedef struct vc_clip_options {
    vc_when when; /* the kind of time in `at`; VC_WHEN_NEXT ignores `at` */
    int64_t at;
    bool skips_late; /* the clip is not played if it is late by VC_SKIPPED_NS or more */
    /* The frames of the memory from `loop_begin` to `loop_end` (exclusive) are played `loops` times
     * (0: for ever). Then the clip goes on to its end. A ring has its loops already. */
    uint64_t loop_begin, loop_end, loops;
    uint64_t start; /* the first frame that is played, counted over all passes */
    uint32_t fade_in_frames;
    uint32_t fade_out_frames; /* before the end, in frames of the clip */
    uint64_t end;             /* the frame at which the clip ends, counted over all passes */
    float pan;                /* -1 to 1 */
    double rate;              /* frames of the clip for each frame of the device, above 0 */
} vc_clip_options;
/* How a clip is played that is not simply played from its first frame to its last one. Call this in
 * the state VC_CLIP_NEW. [control] */
void vc_clip_set_options(vc_clip *clip, const vc_clip_options *options);
/* Call it in the state VC_CLIP_NEW, or after the mixer has returned the clip. [control] */
void vc_clip_free(vc_clip *clip);
/* The following requests take effect at the beginning of the next block. Only the newest request of
 * each kind counts. A clip that has been stopped ignores them. */
/* Moves the gain along a straight line to `gain`. In a pause it is reached at once. [any] */
void vc_clip_set_gain(vc_clip *clip, float gain, uint32_t ramp_frames) VC_REALTIME;
/* Moves the pan, -1 to 1, along a straight line. It applies to the first two channels. [any] */
void vc_clip_set_pan(vc_clip *clip, float pan, uint32_t ramp_frames) VC_REALTIME;
/* Moves the rate along a straight line. [any], but one thread at a time for each clip. */
void vc_clip_set_rate(vc_clip *clip, double rate, uint32_t ramp_frames) VC_REALTIME;
/* Fades the clip out and pauses it, or continues it and fades it in. The frames of the fade-out are
 * played, and the clip continues with the frame after them. [any] */
void vc_clip_set_pause(vc_clip *clip, bool pause, uint32_t fade_frames) VC_REALTIME;
/* Begins a jump: the clip is faded out, and is then silent until vc_clip_jump has told the
 * destination. Returns the number of the jump. [control] */
uint32_t vc_clip_ask_jump(vc_clip *clip);
/* Tells the destination of the jump with that number: `frame`, counted over all loops, or
 * VC_CLIP_NO_FRAME to continue without the jump. For the clip of a ring, `mark` is the number of
 * frames that had been written to the ring when the writer turned to `frame`. The writer calls this
 * before it writes the first frame from there. [control] */
void vc_clip_jump(vc_clip *clip, uint32_t number, uint64_t frame, uint64_t mark);
#define VC_CLIP_NO_FRAME UINT64_MAX
/* The frame of the clip that is heard while the mixer's frame `frame` is heard. `moves` gets a
 * number that changes with each jump. [any] */
uint64_t vc_clip_heard(const vc_clip *clip, int64_t frame, uint32_t *moves) VC_REALTIME;
/* [any] */
vc_clip_state vc_clip_get_state(const vc_clip *clip) VC_REALTIME;
/* The frame after the newest one that was mixed. Without jumps, the number of frames mixed so far.
 * [any] */
uint64_t vc_clip_position(const vc_clip *clip) VC_REALTIME;
/* Frames of silence that were played because the ring was empty. [any] */
uint64_t vc_clip_starved_frames(const vc_clip *clip) VC_REALTIME;
/* The mixer's frame at which the clip began; VC_CLIP_NOW if it has not begun. [any] */
int64_t vc_clip_started_at(const vc_clip *clip) VC_REALTIME;
/* Host time at which its first frame is at the connector, ns; VC_CLIP_NOW if it has not begun.
 * [any] */
int64_t vc_clip_started_ns(const vc_clip *clip) VC_REALTIME;
/* How late the clip began, ns. 0 if it was not late, or had no time. [any] */
int64_t vc_clip_late_ns(const vc_clip *clip) VC_REALTIME;

/* `capacity` is the number of clips that can be alive at the same time. With `end_when_empty`, the
 * stream ends inside the block in which the last clip ends. Returns NULL if memory is exhausted.
 * [control] */
vc_mixer *vc_mixer_new(uint32_t channels, uint32_t capacity, bool end_when_empty);
/* Does not free clips. Call it when no cycle runs. [control] */
void vc_mixer_free(vc_mixer *mixer);
/* Gives a clip to the IO thread. Returns false if the mixer is full. [control] */
bool vc_mixer_add(vc_mixer *mixer, vc_clip *clip);
/* Fades a clip out over `fade_frames` frames and ends it. A second call can make the fade shorter,
 * but not longer. A clip ends at once if it is paused, or if the next block comes before its start
 * frame. If it begins in the next block, its beginning is faded out. Returns false if the queue of
 * commands is full. [control] */
bool vc_mixer_stop(vc_mixer *mixer, vc_clip *clip, uint32_t fade_frames);
/* Takes one clip that has ended, or returns NULL. [control] */
vc_clip *vc_mixer_collect(vc_mixer *mixer);
/* Clips that were added and not yet collected. [control] */
uint32_t vc_mixer_alive(const vc_mixer *mixer);
/* Frames mixed since the start. This is the mixer's time line. [any] */
uint64_t vc_mixer_frames(const vc_mixer *mixer) VC_REALTIME;
/* Host time at which the frame of vc_mixer_frames is at the connector; 0 before the first block.
 * [any] */
int64_t vc_mixer_next_ns(const vc_mixer *mixer) VC_REALTIME;
/* The mixer as a vc_process_fn; `user` is the vc_mixer*. Like a native function and a recorder, it
 * needs interleaved blocks, so VC_ENGINE_ZERO_COPY needs VC_ENGINE_PACKED, too. [IO] */
int32_t vc_mixer_process(vc_block *block, void *user) VC_REALTIME;

#endif
