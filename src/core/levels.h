/* levels.h - the gain, pan, rate and fade of a sound, and the requests that move the first three.
 *
 * Only the newest request of each kind counts, so any number of requests can come between two
 * blocks.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_LEVELS_H
#define VOICECOIL_LEVELS_H

#include "gains.h"
#include "smaller.h"

#include <stdatomic.h>

typedef struct vc_levels {
    /* Only for the IO thread. `left` and `right` are those of the pan. */
    vc_glide gain, left, right, fade, rate;
    uint64_t gain_word, pan_word; /* the newest requests that were obeyed */
    double rate_word;
    /* Requests. */
    _Atomic uint64_t asked_gain; /* bits 32 to 63: the float; bits 0 to 31: frames of the ramp */
    _Atomic uint64_t asked_pan;  /* the same */
    _Atomic double asked_rate;
    _Atomic uint32_t rate_ramp;
} vc_levels;

/* The gain, pan and rate of a sound that has not begun. It is faded in. [control] */
static inline void vc_levels_begin(vc_levels *levels, float gain, float pan, double rate,
                                   uint32_t fade_in_frames) {
    levels->gain = vc_glide_at(gain);
    vc_glide_pan(&levels->left, &levels->right, pan, 0);
    levels->rate = vc_glide_at(rate);
    levels->fade = vc_glide_at(fade_in_frames > 0 ? 0.0 : 1.0);
    vc_glide_to(&levels->fade, 1.0, fade_in_frames);
    levels->gain_word = vc_ramp_word(gain, 0);
    levels->pan_word = vc_ramp_word(pan, 0);
    levels->rate_word = rate;
    atomic_store(&levels->asked_gain, levels->gain_word);
    atomic_store(&levels->asked_pan, levels->pan_word);
    atomic_store(&levels->asked_rate, rate);
}

/* Move to a value along a straight line. [any] */
static inline void vc_levels_set_gain(vc_levels *levels, float gain,
                                      uint32_t ramp_frames) VC_REALTIME {
    atomic_store(&levels->asked_gain, vc_ramp_word(gain, ramp_frames));
}

static inline void vc_levels_set_pan(vc_levels *levels, float pan,
                                     uint32_t ramp_frames) VC_REALTIME {
    atomic_store(&levels->asked_pan, vc_ramp_word(pan, ramp_frames));
}

/* One thread at a time may call this. */
static inline void vc_levels_set_rate(vc_levels *levels, double rate,
                                      uint32_t ramp_frames) VC_REALTIME {
    atomic_store(&levels->rate_ramp, ramp_frames);
    atomic_store(&levels->asked_rate, rate);
}

/* Begins the ramps of the newest requests, if they have not begun yet. If the sound is `silent`,
 * they end at once, because otherwise they would be heard after the silence. [IO] */
static inline void vc_levels_obey(vc_levels *levels, bool silent) VC_REALTIME {
    const uint64_t gain = atomic_load(&levels->asked_gain), pan = atomic_load(&levels->asked_pan);
    const double rate = atomic_load(&levels->asked_rate);
    if (gain != levels->gain_word) {
        levels->gain_word = gain;
        vc_glide_to(&levels->gain, vc_ramp_value(gain), silent ? 0 : (uint32_t)gain);
    }
    if (pan != levels->pan_word) {
        levels->pan_word = pan;
        vc_glide_pan(&levels->left, &levels->right, vc_ramp_value(pan), silent ? 0 : (uint32_t)pan);
    }
    if (rate != levels->rate_word) {
        levels->rate_word = rate;
        vc_glide_to(&levels->rate, rate, silent ? 0 : atomic_load(&levels->rate_ramp));
    }
}

/* The number of frames, at most `frames`, in which no line ends. [IO] */
static inline uint32_t vc_levels_until_change(const vc_levels *levels,
                                              uint32_t frames) VC_REALTIME {
    const vc_glide *glides[] = {&levels->gain, &levels->left, &levels->right, &levels->fade,
                                &levels->rate};
    for (int i = 0; i < 5; i++) {
        frames = glides[i]->left != 0 ? vc_smaller(frames, glides[i]->left) : frames;
    }
    return frames;
}

static inline void vc_levels_pass(vc_levels *levels, uint32_t frames) VC_REALTIME {
    vc_glide *glides[] = {&levels->gain, &levels->left, &levels->right, &levels->fade,
                          &levels->rate};
    for (int i = 0; i < 5; i++) {
        glides[i]->left -= vc_smaller(glides[i]->left, frames);
    }
}

/* Whether a gain moves now. [IO] */
static inline bool vc_levels_gains_move(const vc_levels *levels) VC_REALTIME {
    return (levels->gain.left | levels->fade.left | levels->left.left | levels->right.left) != 0;
}

/* Half of the change of the rate with each frame, as in a vc_path. [IO] */
static inline double vc_levels_rate_change(const vc_levels *levels) VC_REALTIME {
    return levels->rate.left != 0 ? -0.5 * levels->rate.per_frame : 0.0;
}

/* The gains in the frames in which no line ends. [IO] */
static inline vc_gains vc_levels_gains(const vc_levels *levels) VC_REALTIME {
    return vc_gains_of(&levels->gain, &levels->fade, &levels->left, &levels->right);
}

#endif
