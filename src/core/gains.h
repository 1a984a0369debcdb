/* gains.h - adds the frames of a sound to an output, with gains that may move. */
#ifndef VOICECOIL_GAINS_H
#define VOICECOIL_GAINS_H

#include "realtime.h"

#include <stdbool.h>
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
    bool move;           /* false: all gains stay as in frame 0 */
    const float *fading; /* a further gain for each frame, if they move; NULL: none */
} vc_gains;

/* Adds a sound of `own` channels: `channels`, or 1, which is added to all channels. If the gains
 * move, there are at most VC_GAINS_FRAMES frames. [IO] */
void vc_gains_add(float *to, uint32_t channels, const float *from, uint32_t own, uint32_t frames,
                  const vc_gains *gains) VC_REALTIME;

#endif
