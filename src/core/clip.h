/* The clip's structure, shared only by clip.c (the clips) and mixer.c (the mixer that plays them).
 */
#ifndef VOICECOIL_CLIP_H
#define VOICECOIL_CLIP_H

#include "glide.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* What a clip does when its gain has reached the target. A pause and a jump end with silence. */
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

struct vc_clip {
    const float *data; /* NULL: the clip plays `ring` */
    vc_ring *ring;
    uint64_t frames;    /* length of one loop */
    uint64_t all_loops; /* 0: for ever */
    uint32_t channels;
    uint32_t prefill_frames; /* the ring must have so many frames before the clip begins */
    uint32_t ramp_frames;    /* duration of a change of the gain, and of each fade of a jump */
    int64_t start_frame;
    vc_wait_fn wait; /* NULL: the mixer does not wait for frames */
    bool waits_when_starved;
    /* Only for the IO thread. */
    uint64_t cursor; /* frames into the current loop */
    uint64_t loops;  /* loops left; 0: for ever */
    vc_clip_mode mode;
    float target;         /* the gain at the end of the ramp */
    float per_frame;      /* by how much the gain falls in each frame of the ramp */
    uint32_t ramp_left;   /* frames of the ramp that are left */
    vc_glide left, right; /* the gains of the first two channels, from the pan */
    uint64_t gain_word;   /* the newest one that was obeyed */
    uint64_t pan_word;    /* the same */
    bool filling;         /* the clip waits until the ring has prefill_frames */
    uint32_t jumped;      /* number of the newest jump that was made or given up */
    /* Requests of the control thread. Only the newest one counts. */
    _Atomic uint64_t gain;  /* bits 32 to 63: the float; bits 0 to 31: frames of the ramp */
    _Atomic uint64_t pan;   /* the same */
    _Atomic uint64_t pause; /* bit 32: pause; bits 0 to 31: frames of the fade */
    _Atomic uint32_t asked; /* number of the newest jump that was requested */
    vc_destination destination;
    /* For all threads. */
    _Atomic int state;
    _Atomic uint64_t position;
    _Atomic uint64_t starved;
    _Atomic int64_t started_at;
    /* Jumps, times two. It is odd while a jump changes `position`, `base` and `origin`. */
    _Atomic uint32_t moves;
    _Atomic uint64_t base;  /* destination of the newest jump */
    _Atomic int64_t origin; /* the mixer's frame minus the clip's frame that was mixed there */
};

/* Begins the fade that ends the clip, at the clip's current level. A second call can make the fade
 * shorter, but not longer. [IO] */
void vc_clip_fade_out(vc_clip *clip, uint32_t fade_frames) VC_REALTIME;
/* Adds the clip to a block that begins at the mixer's frame `now`. `end` gets the frame of the
 * block after the clip's last one. Returns whether the clip has ended. [IO] */
bool vc_clip_play(vc_clip *clip, vc_block *block, int64_t now, uint32_t *end) VC_REALTIME;

#endif
