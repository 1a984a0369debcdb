/* The host time of a device's frames, as a straight line. See clock_line.h. */
#include "clock_line.h"

#define FIRST_NOISE_NS 3e4 /* the assumed error of a report, until the reports show it */
#define LEAST_NOISE_NS 3e2
#define MOST_NOISE_NS 2e6
#define NOISE_REPORTS 100 /* from how many reports the noise is estimated */
#define PPM_500 5e-4      /* the assumed error of a nominal rate */
/* By how much the slope of a crystal wanders in a second. The bandwidth follows from it. */
#define WANDER 1e-8
#define JUMP_NS 2e7 /* a clock that is so far from its line has jumped */

enum { TIME = 0, BOTH = 1, SLOPE = 2 };

static double square(double x) { return x * x; }

void vc_clock_line_begin(vc_clock_line *line, double rate_hz) {
    line->begun = false;
    line->nominal = line->ns_per_frame = 1e9 / rate_hz;
    line->noise = square(FIRST_NOISE_NS);
    line->variance[SLOPE] = square(PPM_500 * line->nominal);
}

static void begin_at(vc_clock_line *line, int64_t frame, double ns) {
    line->begun = true;
    line->frame = frame;
    line->ns = ns;
    line->variance[TIME] = line->noise;
    line->variance[BOTH] = 0.0;
}

bool vc_clock_line_add(vc_clock_line *line, int64_t frame, double ns) {
    if (!line->begun) {
        begin_at(line, frame, ns);
        return false;
    }
    double frames = (double)(frame - line->frame);
    if (frames <= 0.0) {
        return false;
    }
    double *variance = line->variance;
    double expected = vc_clock_line_ns(line, (double)frame), off = ns - expected;
    if (off > JUMP_NS || off < -JUMP_NS) {
        begin_at(line, frame, ns);
        return true;
    }
    variance[TIME] += frames * (2.0 * variance[BOTH] + frames * variance[SLOPE]);
    variance[BOTH] += frames * variance[SLOPE];
    variance[SLOPE] += frames * line->nominal * 1e-9 * square(WANDER * line->nominal);
    double noise = line->noise + (square(off) - line->noise) / NOISE_REPORTS;
    noise = noise > square(LEAST_NOISE_NS) ? noise : square(LEAST_NOISE_NS);
    line->noise = noise < square(MOST_NOISE_NS) ? noise : square(MOST_NOISE_NS);
    double gain = 1.0 / (variance[TIME] + line->noise);
    double time_gain = variance[TIME] * gain, slope_gain = variance[BOTH] * gain;
    line->frame = frame;
    line->ns = expected + time_gain * off;
    line->ns_per_frame += slope_gain * off;
    variance[SLOPE] -= slope_gain * variance[BOTH];
    variance[BOTH] -= time_gain * variance[BOTH];
    variance[TIME] -= time_gain * variance[TIME];
    return false;
}
