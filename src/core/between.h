/* between.h - samples at positions between the frames of a clip. voice.c uses it. */
#ifndef VOICECOIL_BETWEEN_H
#define VOICECOIL_BETWEEN_H

#include "gains.h"
#include "realtime.h"

#include <stdint.h>

/* Most frames that one path has, most of their samples that vc_between_add takes, and most frames
 * of the clip that the path goes through. */
enum { VC_PATH_FRAMES = 64, VC_PATH_SAMPLES = 512, VC_PATH_LENGTH = 1 << 21 };

/* Positions in a clip for frames that follow each other. The rate moves along a straight line, so
 * each position follows from the first one alone, and the roundings of many frames do not add up.
 */
typedef struct vc_path {
    double base;        /* a whole frame of the clip */
    double first;       /* the position of frame 0, counted from `base` */
    double rate;        /* from frame 0 to frame 1 */
    double rate_change; /* half of the change of the rate with each frame */
    double frames;      /* of the clip, from `base` on; 0: only those that are needed */
} vc_path;

/* The position of a frame, counted from `base`. */
static inline double vc_path_at(const vc_path *path, double frame) VC_REALTIME {
    return path->first + frame * (path->rate + path->rate_change * (frame - 1.0));
}

/* Catmull-Rom: a cubic through the two middle samples of four, with the slopes of their neighbours.
 * `t` is the position after `x1`. The result is the line between the two, and a bend that depends
 * on the other two. Of four equal samples, the result is exactly that sample. */
static inline float vc_between(float x0, float x1, float x2, float x3, float t) VC_REALTIME {
    const float before = x1 - x0, within = x2 - x1, after = x3 - x2;
    const float bend = within - before, change = (after - within) - bend;
    return x1 + t * (within + (0.5f * (t - 1.0f)) * (bend + t * change));
}

/* Makes up to VC_PATH_FRAMES frames of the same cubic, at positions that are rounded down to 2^-23
 * frames. The clip must have the frame before each position and the two frames after it. [IO] */
void vc_between_frames(float *made, const float *clip, uint32_t channels, const vc_path *path,
                       uint32_t frames) VC_REALTIME;
/* Adds them to an output, as vc_gains_add does. There are at most VC_PATH_SAMPLES samples of the
 * clip. [IO] */
void vc_between_add(float *to, uint32_t channels, const float *clip, uint32_t own,
                    const vc_path *path, uint32_t frames, const vc_gains *gains) VC_REALTIME;

#endif
