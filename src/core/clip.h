/* The clip's structure, shared only by clip.c (the clips), clip_source.c (their frames) and mixer.c
 * (the mixer that plays them). */
#ifndef VOICECOIL_CLIP_H
#define VOICECOIL_CLIP_H

#include "between.h"
#include "heard.h"
#include "levels.h"
#include "place.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* What a clip does when its fade has reached the target. All but VC_CLIP_SOUNDS end in silence. */
typedef enum vc_clip_mode {
    VC_CLIP_SOUNDS = 0,
    VC_CLIP_PAUSES = 1,
    VC_CLIP_JUMPS = 2,
    VC_CLIP_ENDS = 3 /* a stop, which no other request replaces */
} vc_clip_mode;

/* The destination of a jump. The control thread sets `number` to 0 before it changes the other
 * fields, and to the number of the jump after that. */
typedef struct vc_destination {
    _Atomic uint32_t number;
    _Atomic uint64_t frame; /* VC_CLIP_NO_FRAME: the jump is given up */
    _Atomic uint64_t mark;  /* of a ring: frames written before the destination */
} vc_destination;

/* Source frames that the interpolation holds: enough for 5 frames at rate 100. */
enum { VC_CLIP_WINDOW = 512 };

struct vc_clip {
    const float *data; /* NULL: the clip plays `ring` */
    vc_ring *ring;
    uint64_t frames; /* of the data */
    uint32_t channels;
    uint32_t prefill_frames; /* the ring must have so many frames before the clip begins */
    uint32_t ramp_frames;    /* duration of each fade of a jump */
    vc_clip_options options;
    vc_wait_fn wait; /* NULL: the mixer does not wait for frames */
    bool waits_when_starved;
    /* Only for the IO thread. */
    uint64_t cursor; /* the next frame of the data */
    uint64_t loops;  /* passes through the loop that are left; 0: for ever; 1: no way back */
    uint64_t now_at; /* the next frame, counted over all passes */
    double phase;    /* the position behind that frame; 1 and more only at the end */
    /* The frame before the next one, and frames that were read ahead for the interpolation. */
    float *window;
    uint32_t filled; /* 1 or more */
    float *made;     /* VC_PATH_FRAMES frames that were interpolated */
    vc_path path;    /* of the frames that were taken last */
    bool due;        /* its time has come */
    bool skipped;    /* it was too late */
    vc_clip_mode mode;
    vc_levels levels; /* and requests of any thread */
    bool filling;     /* the clip waits until the ring has prefill_frames */
    uint32_t jumped;  /* number of the newest jump that was made or given up */
    /* Requests of the control thread. Only the newest one counts. */
    _Atomic uint64_t asked_pause; /* bit 32: pause; bits 0 to 31: frames of the fade */
    _Atomic uint32_t asked_jump;  /* number of the newest jump that was requested */
    vc_destination destination;
    /* For all threads. */
    _Atomic int state;
    _Atomic uint64_t position;
    _Atomic uint64_t starved;
    _Atomic int64_t started_at;
    _Atomic int64_t started_ns;
    _Atomic int64_t late_ns;
    /* Jumps. A jump changes this together with `position`, `base` and `heard`. */
    _Atomic uint32_t moves;
    _Atomic uint64_t base; /* the first frame, or the destination of the newest jump */
    vc_heard heard;        /* its times are frames of the mixer */
};

/* ---- clip.c ---- */

/* Begins the fade that ends the clip, at the clip's current level. A second call can make the fade
 * shorter, but not longer. [IO] */
void vc_clip_fade_out(vc_clip *clip, uint32_t fade_frames) VC_REALTIME;
/* Adds the clip to a place. `end` gets the frame of the place after the clip's last one. Returns
 * whether the clip has ended. [IO] */
bool vc_clip_play(vc_clip *clip, const vc_place *place, uint32_t *end) VC_REALTIME;

/* ---- clip_source.c ---- */

/* Makes the window of a clip. Returns false if memory is exhausted. [control] */
bool vc_clip_new_window(vc_clip *clip);
/* Makes up to `frames` frames at the clip's rate. No line of a glide may end before the last of
 * them. Returns their number. `starved` is set if a ring is empty but has not ended. [IO] */
uint32_t vc_clip_take(vc_clip *clip, uint32_t frames, const float **from,
                      bool *starved) VC_REALTIME;
/* Takes the clip past the frames that were taken. [IO] */
void vc_clip_pass(vc_clip *clip, const float *from, uint32_t frames) VC_REALTIME;
/* Whether no frame is left. [IO] */
bool vc_clip_is_empty(const vc_clip *clip) VC_REALTIME;
/* Whether the ring has the first frames; waits for them if the device's clock is not real. [IO] */
bool vc_clip_is_filled(const vc_clip *clip) VC_REALTIME;
/* Waits for frames of the ring if the device's clock is not real. Returns whether there are any.
 * [IO] */
bool vc_clip_wait_for_frames(const vc_clip *clip) VC_REALTIME;
/* Makes the jump that was requested if its destination is known. [IO] */
bool vc_clip_jump_if_known(vc_clip *clip) VC_REALTIME;
/* Goes to a frame that is counted over all passes. [IO] */
void vc_clip_set_cursor(vc_clip *clip, uint64_t frame) VC_REALTIME;

#endif
