/* gains.h - adds the frames of a sound to an output, with gains that may move. */
#ifndef VOICECOIL_GAINS_H
#define VOICECOIL_GAINS_H

#include "glide.h"
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

/* The value of a glide in the frames in which its line does not end: begin + frame * step. */
typedef struct vc_line {
    double begin, step;
} vc_line;

static inline vc_line vc_line_of(const vc_glide *glide) VC_REALTIME {
    return (vc_line){vc_glide_value(glide), glide->left != 0 ? -glide->per_frame : 0.0};
}

/* The gains of a sound, in the frames in which none of the four lines ends. [IO] */
static inline vc_gains vc_gains_of(const vc_glide *gain, const vc_glide *fade, const vc_glide *left,
                                   const vc_glide *right) VC_REALTIME {
    const vc_line fades = vc_line_of(fade), all = vc_line_of(gain);
    const vc_line sides[2] = {vc_line_of(left), vc_line_of(right)};
    const double a = fades.begin * all.begin, c = fades.step * all.step;
    const double b = fades.begin * all.step + fades.step * all.begin;
    vc_curve curves[2];
    for (int i = 0; i < 2; i++) {
        const double begin = sides[i].begin, step = sides[i].step;
        curves[i] = (vc_curve){{(float)(a * begin), (float)(b * begin + a * step),
                                (float)(c * begin + b * step), (float)(c * step)}};
    }
    return (vc_gains){.left = curves[0],
                      .right = curves[1],
                      .other.of = {(float)a, (float)b, (float)c, 0.0f},
                      .move = true};
}

/* Adds a sound of `own` channels: `channels`, or 1, which is added to all channels. If the gains
 * move, there are at most VC_GAINS_FRAMES frames. [IO] */
void vc_gains_add(float *to, uint32_t channels, const float *from, uint32_t own, uint32_t frames,
                  const vc_gains *gains) VC_REALTIME;

#endif
