/* device_clock.c: the crystal that clocks a device, and the HAL's estimate of its rate.
 *
 * The crystal runs at nominal * (1 + ppm + a slow sine wander). In each period, the HAL gets one
 * noisy zero time stamp from the crystal. An alpha-beta filter predicts the device's time from
 * these stamps. Every time stamp that a client gets is such a prediction. */
#include "world.h"

#include <math.h>

static const double two_pi = 6.283185307179586;
/* Shares of each error by which the filter corrects the offset (alpha) and the slope (beta). */
static const double alpha = 0.2, beta = 0.02;

/* Returns the number of frames that the crystal clocks in the first `s` seconds after the anchor.
 */
static double frames_in(const device_clock *c, double s) {
    double rate = c->nominal_hz * (1 + c->ppm * 1e-6);
    double wander = 0;
    if (c->wander_ppm != 0) {
        double p = c->wander_period_s;
        wander = c->nominal_hz * c->wander_ppm * 1e-6 * p / two_pi * (1 - cos(two_pi * s / p));
    }
    return rate * s + wander;
}

double clock_true_ns(const device_clock *c, double frame) {
    double x = frame - c->anchor_frame;
    double rate = c->nominal_hz * (1 + c->ppm * 1e-6);
    double s = x / rate;
    for (int i = 0; i < 3 && c->wander_ppm != 0; i++) {
        s -= (frames_in(c, s) - x) / rate;
    }
    return c->anchor_ns + s * 1e9;
}

double clock_predicted_ns(const device_clock *c, double frame) {
    return c->zero_ns + (frame - c->zero_frame) * c->ns_per_frame;
}

double clock_predicted_frame(const device_clock *c, double ns) {
    return c->zero_frame + (ns - c->zero_ns) / c->ns_per_frame;
}

void clock_begin(device_clock *c, double ns, double frame) {
    c->anchor_ns = c->zero_ns = ns;
    c->anchor_frame = c->zero_frame = frame;
    c->ns_per_frame = 1e9 / c->nominal_hz;
    c->next_zero_frame = frame + c->zero_period_frames;
}

void clock_advance(device_clock *c, double frame) {
    while (c->next_zero_frame <= frame) {
        double zero = c->next_zero_frame;
        c->noise = mix64(c->noise);
        double noise = ((double)(c->noise >> 11) / 4503599627370496.0 - 1) * c->jitter_ns;
        double predicted = clock_predicted_ns(c, zero);
        double error = clock_true_ns(c, zero) + noise - predicted;
        c->zero_ns = predicted + alpha * error;
        c->ns_per_frame += beta * error / c->zero_period_frames;
        c->zero_frame = zero;
        c->next_zero_frame = zero + c->zero_period_frames;
    }
}

double clock_rate_scalar(const device_clock *c) { return c->ns_per_frame * c->nominal_hz / 1e9; }
