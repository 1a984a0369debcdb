/* The resampler against the signal that it should give: sines, impulses and constants. */
#include "check.h"
#include "resampler.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
enum { FRAMES = 48000, EDGE = 1024 };

static const double PPM[] = {-300.0, -1.0, 0.0, 37.5, 300.0};

/* A sine of `frequency` cycles per frame in each channel, each with another phase. */
static float *make_sines(uint32_t frames, uint32_t channels, double frequency) {
    float *data = calloc((size_t)frames * channels, sizeof *data);
    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t f = 0; f < frames; f++) {
            data[(size_t)c * frames + f] = (float)(0.9 * sin(2 * PI * frequency * f + c));
        }
    }
    return data;
}

/* The ratio of signal and error, dB, of a sine that is read in steps of `step`. With `aliased`, the
 * output should be silence, and the result says how much weaker than the input it is. */
static double measure(double step, double frequency, uint32_t channels, bool aliased) {
    vc_resampler *resampler = vc_resampler_new(step);
    uint32_t longest = (uint32_t)(FRAMES * step) + 2 * EDGE;
    float *input = make_sines(longest, channels, frequency);
    float *output = malloc((size_t)FRAMES * channels * sizeof *output);
    double position = EDGE + 0.25;
    for (uint32_t done = 0; done < FRAMES; done += 480) {
        vc_resampler_input from = {input, longest, channels, position, step};
        vc_resample(resampler, &from, output + (size_t)done * channels, 480);
        position += 480 * step;
    }
    double signal = 0.0, error = 0.0;
    for (uint32_t f = 0; f < FRAMES; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            double wanted = 0.9 * sin(2 * PI * frequency * (EDGE + 0.25 + f * step) + c);
            double off = output[(size_t)f * channels + c] - (aliased ? 0.0 : wanted);
            signal += wanted * wanted;
            error += off * off;
        }
    }
    free(input);
    free(output);
    vc_resampler_free(resampler);
    return 10.0 * log10(signal / error);
}

static void a_sine_keeps_100_db(void) {
    static const double hertz[] = {20.0, 997.0, 10000.0, 19000.0};
    for (size_t p = 0; p < sizeof PPM / sizeof *PPM; p++) {
        for (size_t h = 0; h < sizeof hertz / sizeof *hertz; h++) {
            double decibels = measure(1.0 + PPM[p] / 1e6, hertz[h] / 48000.0, 2, false);
            check_that(decibels >= 100.0, __FILE__, __LINE__, "%g Hz at %g ppm: %.1f dB", hertz[h],
                       PPM[p], decibels);
        }
    }
}

static void other_rates_keep_100_db(void) {
    static const double rates[][2] = {{44100, 48000}, {48000, 44100},  {96000, 48000},
                                      {48000, 96000}, {192000, 44100}, {8000, 48000}};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        double lower = fmin(rates[r][0], rates[r][1]), step = rates[r][0] / rates[r][1];
        double decibels = measure(step, 0.4 * lower / rates[r][0], 1, false);
        check_that(decibels >= 100.0, __FILE__, __LINE__, "%g to %g Hz: %.1f dB", rates[r][0],
                   rates[r][1], decibels);
        if (step > 1.0) { /* what the lower rate cannot carry is removed */
            double removed = measure(step, 0.502 * lower / rates[r][0], 1, true);
            check_that(removed >= 100.0, __FILE__, __LINE__, "%g to %g Hz: an alias of -%.1f dB",
                       rates[r][0], rates[r][1], removed);
        }
    }
}

static void a_constant_stays_the_same_at_every_position(void) {
    float input[1024], output[4096];
    for (int f = 0; f < 1024; f++) {
        input[f] = 0.5f;
    }
    vc_resampler *resampler = vc_resampler_new(1.0);
    vc_resampler_input from = {input, 1024, 1, 200.0, 1.0 / 9.7};
    vc_resample(resampler, &from, output, 4096);
    for (int f = 0; f < 4096; f++) {
        CHECK_NEAR(output[f], 0.5, 1e-6);
    }
    vc_resampler_free(resampler);
}

/* At whole positions the filter reads only the frames within its reach, and an impulse comes out
 * where it was. */
static void an_impulse_stays_where_it_is(void) {
    float input[1024], output[512];
    vc_resampler *resampler = vc_resampler_new(1.0);
    uint32_t reach = vc_resampler_reach(resampler);
    for (int f = 0; f < 1024; f++) {
        input[f] = f == 400 ? 1.0f : f > 611 + (int)reach || f < 101 - (int)reach ? NAN : 0.0f;
    }
    vc_resampler_input from = {input, 1024, 1, 100.0, 1.0};
    vc_resample(resampler, &from, output, 512);
    int greatest = 0;
    for (int f = 0; f < 512; f++) {
        CHECK(!isnan(output[f]));
        greatest = output[f] > output[greatest] ? f : greatest;
    }
    CHECK_INT(greatest, 300);
    CHECK_NEAR(output[300 - 7], output[300 + 7], 1e-7);
    vc_resampler_free(resampler);
}

int main(void) {
    RUN(a_sine_keeps_100_db);
    RUN(other_rates_keep_100_db);
    RUN(a_constant_stays_the_same_at_every_position);
    RUN(an_impulse_stays_where_it_is);
    return check_summary();
}
