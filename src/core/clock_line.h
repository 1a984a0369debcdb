/* clock_line.h - the host time of a device's frames, as a straight line.
 *
 * A device reports now and then at which host time a frame was at its connector. These times are
 * noisy, and the device's rate differs from its nominal rate by some hundred ppm. The line
 * is the estimate of a Kalman filter with two states, the time of a frame and the time per frame.
 * At first it trusts the nominal rate to 500 ppm, and later it follows the reports like a
 * delay-locked loop, whose bandwidth depends on the noise of the reports: 0.01 Hz with 0.1 ms, 0.1
 * Hz with 1 us.
 *
 * Times are in ns from a moment that the user of the line chooses, as double: within some hours of
 * this moment they are exact to a picosecond. */
#ifndef VOICECOIL_CLOCK_LINE_H
#define VOICECOIL_CLOCK_LINE_H

#include "realtime.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct vc_clock_line {
    bool begun;
    int64_t frame;       /* the frame of the newest report */
    double ns;           /* its time */
    double ns_per_frame; /* the slope */
    double variance[3];  /* of the time, of both together, and of the slope */
    double noise;        /* variance of the reports */
    double nominal;      /* nominal ns per frame */
} vc_clock_line;

/* Forgets all reports. [any] */
void vc_clock_line_begin(vc_clock_line *line, double rate_hz) VC_REALTIME;
/* Adds a report. If the time differs so much from the line that the clock must have jumped, the
 * line begins anew at this time, with the same slope, and the function returns true. [IO] */
bool vc_clock_line_add(vc_clock_line *line, int64_t frame, double ns) VC_REALTIME;
/* The time of a frame. [any] */
static inline double vc_clock_line_ns(const vc_clock_line *line, double frame) VC_REALTIME {
    return line->ns + (frame - (double)line->frame) * line->ns_per_frame;
}

#endif
