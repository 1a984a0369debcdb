/* pause.h - a pause of a group of voices, or of everything: fades out, holds, and fades in.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_PAUSE_H
#define VOICECOIL_PAUSE_H

#include "glide.h"
#include "smaller.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct vc_pause {
    /* Only for the IO thread. */
    vc_glide fade;
    uint64_t word; /* the newest request that was obeyed */
    uint64_t held; /* frames of all pauses so far */
    /* For all threads. */
    _Atomic uint64_t asked; /* bit 32: pause; bits 0 to 31: frames of the fade */
} vc_pause;

#define VC_PAUSE_BIT (UINT64_C(1) << 32)

/* [any] */
static inline void vc_pause_ask(vc_pause *pause, bool begin, uint32_t fade_frames) VC_REALTIME {
    atomic_store(&pause->asked, (begin ? VC_PAUSE_BIT : 0) | fade_frames);
}

/* Begins the fade that the newest request needs; there is none if nothing is heard anyway. [IO] */
static inline void vc_pause_obey(vc_pause *pause, bool silent) VC_REALTIME {
    uint64_t asked = atomic_load(&pause->asked);
    if (asked != pause->word) {
        double target = asked & VC_PAUSE_BIT ? 0.0 : 1.0;
        uint32_t frames = silent ? 0 : (uint32_t)asked;
        if (target == pause->fade.target) { /* a second call can only make the fade shorter */
            frames = vc_smaller(frames, pause->fade.left);
        }
        pause->word = asked;
        vc_glide_to(&pause->fade, target, frames);
    }
}

/* Whether the fade-out is complete, so that all sounds stand still. [IO] */
static inline bool vc_pause_is_held(const vc_pause *pause) VC_REALTIME {
    return pause->fade.target == 0.0 && pause->fade.left == 0;
}

/* Counts the next part of a block. A fade-out that would end inside the part ends at its end. So no
 * part is split, because some effects cannot treat a part of a few frames. [IO] */
static inline void vc_pause_begin_part(vc_pause *pause, uint32_t frames) VC_REALTIME {
    if (vc_pause_is_held(pause)) {
        pause->held += frames;
    } else if (pause->fade.target == 0.0 && pause->fade.left < frames) {
        vc_glide_to(&pause->fade, 0.0, frames);
    }
}

#endif
