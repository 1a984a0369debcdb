/* gains.h - adds the frames of a sound to an output, with gains that may move. */
#ifndef VOICECOIL_GAINS_H
#define VOICECOIL_GAINS_H

#include "realtime.h"

#include <stdint.h>

/* Most frames that are added with gains that move. */
enum { VC_GAINS_FRAMES = 64 };

/* The gain of a channel, in frame f: of[0] + f * (of[1] + f * (of[2] + f * of[3])). So it can be
 * the product of three gains that move along lines. */
typedef struct vc_curve {
    float of[4];
} vc_curve;

/* A mono output has the gain `other`. Other outputs have `left` and `right`, and `other` for all
 * further channels. */
typedef struct vc_gains {
    vc_curve left, right, other;
} vc_gains;

/* A sound of one channel (`own`) is added to all channels. Otherwise `own` is `channels`. */

/* Adds any number of frames with the gains of frame 0. [IO] */
void vc_gains_add(float *to, const float *from, uint32_t frames, uint32_t channels, uint32_t own,
                  const vc_gains *gains) VC_REALTIME;
/* Adds up to VC_GAINS_FRAMES frames. `fading` is a further gain for each frame, or NULL. [IO] */
void vc_gains_add_moving(float *to, const float *from, uint32_t frames, uint32_t channels,
                         uint32_t own, const vc_gains *gains, const float *fading) VC_REALTIME;

#endif
