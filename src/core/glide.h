/* glide.h - a value that moves along straight lines, for gains, fades and rates.
 *
 * The newest line begins at the value that the last one has reached.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_GLIDE_H
#define VOICECOIL_GLIDE_H

#include "realtime.h"

#include <stdint.h>
#include <string.h>

typedef struct vc_glide {
    double target;
    double per_frame; /* by how much the value falls in each frame */
    uint32_t left;    /* frames until the target is reached */
} vc_glide;

static inline vc_glide vc_glide_at(double value) VC_REALTIME { return (vc_glide){.target = value}; }

static inline double vc_glide_value(const vc_glide *glide) VC_REALTIME {
    return glide->target + glide->per_frame * (double)glide->left;
}

/* The value, and then a step of one frame. */
static inline double vc_glide_next(vc_glide *glide) VC_REALTIME {
    double value = vc_glide_value(glide);
    glide->left -= glide->left != 0;
    return value;
}

static inline void vc_glide_to(vc_glide *glide, double target, uint32_t frames) VC_REALTIME {
    double from = vc_glide_value(glide);
    glide->target = target;
    glide->per_frame = frames ? (from - target) / (double)frames : 0.0;
    glide->left = frames;
}

/* Moves the gains of the left and the right channel to those of a pan from -1 to 1. */
static inline void vc_glide_pan(vc_glide *left, vc_glide *right, float pan,
                                uint32_t frames) VC_REALTIME {
    vc_glide_to(left, pan > 0.0f ? 1.0 - pan : 1.0, frames);
    vc_glide_to(right, pan < 0.0f ? 1.0 + pan : 1.0, frames);
}

/* A float and the frames of its ramp, in one word. */
static inline uint64_t vc_ramp_word(float value, uint32_t ramp_frames) VC_REALTIME {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint64_t)bits << 32 | ramp_frames;
}

static inline float vc_ramp_value(uint64_t word) VC_REALTIME {
    uint32_t bits = (uint32_t)(word >> 32);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
