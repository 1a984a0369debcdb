/* Voices at other rates than 1 and with moving gains: the samples, and the position after hours. */
#include "check.h"
#include "voicecoil.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32, LENGTH = 100 }; /* frames */

static void play_block(vc_voices *voices, float *out, uint32_t frames, uint32_t channels) {
    memset(out, 0, (size_t)frames * channels * sizeof *out);
    vc_block block = {.frames = frames,
                      .valid_frames = frames,
                      .samplerate_hz = 48000.0,
                      .output = {.data = out,
                                 .frame_stride = (ptrdiff_t)channels,
                                 .channel_stride = 1,
                                 .channels = channels}};
    CHECK_INT(vc_voices_process(&block, voices), VC_CONTINUE);
}

static void stop_and_free(vc_voices *voices, vc_voice *voice) {
    float out[16];
    vc_voices_stop(voices, voice, 0);
    play_block(voices, out, 1, 1);
    CHECK(vc_voices_collect(voices) == voice);
    vc_voice_free(voice);
    vc_voices_free(voices);
}

/* The sample of a clip that repeats without a seam, by the formula of Catmull and Rom. */
static double formula(const vc_voice_config *clip, double position, uint32_t channel) {
    int64_t frame = (int64_t)position;
    double t = position - (double)frame, x[4];
    for (int64_t i = 0; i < 4; i++) {
        uint64_t at = (uint64_t)(frame + i - 1) % clip->frames;
        x[i] = clip->data[at * clip->channels + (clip->channels > 1 ? channel : 0)];
    }
    return x[1] + 0.5 * t *
                      (x[2] - x[0] +
                       t * (2 * x[0] - 5 * x[1] + 4 * x[2] - x[3] +
                            t * (3 * (x[1] - x[2]) + x[3] - x[0])));
}

/* A value that moves from one to another in `ramp` frames. */
static double moved(double from, double to, int64_t frame, int64_t ramp) {
    return frame <= 0      ? from
           : frame >= ramp ? to
                           : from + (to - from) * (double)frame / (double)ramp;
}

static void check_rates(uint32_t channels, uint32_t own, double rate, double last_rate) {
    enum { STEADY = 71, FRAMES = 600, FADE_IN = 40 };
    float data[LENGTH * 3], out[BLOCK * 3];
    for (uint32_t i = 0; i < LENGTH * own; i++) {
        data[i] = (float)sin(0.37 * i * i);
    }
    const vc_voice_config config = {.data = data,
                                    .frames = LENGTH,
                                    .channels = own,
                                    .start = 1,
                                    .loop_end = LENGTH,
                                    .fade_in_frames = FADE_IN,
                                    .gain = 0.25f,
                                    .left = 1.0f,
                                    .right = 1.0f,
                                    .rate = rate};
    vc_voices *voices = vc_voices_new(channels, 1, 1.0f);
    vc_voice *voice = vc_voice_new(&config);
    CHECK(vc_voices_add(voices, voice));
    double position = 1.0;
    for (int64_t begin = 0, frames = 0; begin < FRAMES; begin += frames) {
        frames = begin == 0 ? STEADY % BLOCK : BLOCK; /* so that STEADY begins a block */
        if (begin == STEADY) {
            vc_voice_set_gain(voice, 0.75f, 300);
            vc_voice_set_pan(voice, -0.5f, 90);
            vc_voice_set_rate(voice, last_rate, 177);
        }
        play_block(voices, out, (uint32_t)frames, channels);
        for (int64_t f = 0; f < frames; f++) {
            int64_t since = begin + f - STEADY;
            double gain = moved(0, 1, begin + f, FADE_IN) * moved(0.25, 0.75, since, 300);
            for (uint32_t c = 0; c < channels; c++) {
                double side = channels > 1 && c == 1 ? moved(1, 0.5, since, 90) : 1.0;
                CHECK_NEAR(out[f * channels + c], formula(&config, position, c) * gain * side,
                           2e-6);
            }
            position += moved(rate, last_rate, since, 177);
        }
    }
    stop_and_free(voices, voice);
}

static void all_rates_and_ramps_give_the_samples_of_the_formula(void) {
    static const double rates[] = {1.0, 0.7, 1.1, 0.03, 2.0, 41.5};
    for (uint32_t channels = 1; channels <= 3; channels++) {
        for (size_t i = 0; i < 6; i++) {
            for (size_t k = 0; k < 6; k++) {
                check_rates(channels, channels, rates[i], rates[k]);
                check_rates(channels, 1, rates[i], rates[k]);
            }
        }
    }
}

/* Ten minutes, or VOICECOIL_VOICE_MINUTES. The samples tell the position. */
static void a_loop_at_another_rate_keeps_its_position(void) {
    enum { CLIP = 96000, BIG = 512 };
    static float data[CLIP], out[BIG];
    const char *asked = getenv("VOICECOIL_VOICE_MINUTES");
    const int64_t minutes = asked != NULL ? atoi(asked) : 10;
    for (int i = 0; i < CLIP; i++) {
        data[i] = (float)(i % 16);
    }
    const vc_voice_config config = {.data = data,
                                    .frames = CLIP,
                                    .channels = 1,
                                    .loop_end = CLIP,
                                    .gain = 1.0f,
                                    .left = 1.0f,
                                    .right = 1.0f,
                                    .rate = 0.7};
    vc_voices *voices = vc_voices_new(1, 1, 1.0f);
    vc_voice *voice = vc_voice_new(&config);
    CHECK(vc_voices_add(voices, voice));
    double worst = 0.0;
    int64_t looked = 0;
    for (int64_t frame = 0; frame < minutes * 60 * 48000; frame += BIG) {
        play_block(voices, out, BIG, 1);
        double exact = (double)(frame * 7 % (CLIP * INT64_C(10))) / 10.0;
        double code = fmod(exact, 16.0);
        if (code > 1.0 && code < 14.0) { /* here four samples are on a line */
            worst = fmax(worst, fabs(out[0] - code));
            looked++;
        }
    }
    CHECK(looked > 0);
    CHECK_NEAR(worst, 0.0, 2e-6 + 1e-6 * (double)minutes);
    stop_and_free(voices, voice);
}

int main(void) {
    RUN(all_rates_and_ramps_give_the_samples_of_the_formula);
    RUN(a_loop_at_another_rate_keeps_its_position);
    return check_summary();
}
