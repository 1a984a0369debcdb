/* An engine that has moved to a device with another rate. In simulated time, the user's code plays
 * a sine according to its own times, and finds the sine of the input at its own times. */
#include "check.h"
#include "voicecoil.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define HERTZ 997.0
#define AMPLITUDE 0.5

enum { IN = 0, OUT = 1, MOST = 4096 };

typedef struct sim {
    vc_engine *engine;
    double engine_hz, device_hz;
    uint32_t channels[2];
    int64_t now;   /* host time in frames of the device */
    int64_t frame; /* sample time of the device */
    int64_t latency;
    uint32_t lost_frames; /* for the next cycle, without sample times */
    uint32_t unknown;     /* VC_TIME_* that the device does not report */

    double error, power; /* of both directions since measuring began */
    bool measures;
    uint32_t wrong; /* samples that differ by more than a filter rings */
    int64_t frames; /* of the user's code */
    uint32_t calls, stop_at, valid;
    int64_t expected[2]; /* sample time of the next block */
    uint64_t lost;
    bool silent; /* the last cycle had only zeros */
} sim;

static double sine(double seconds, uint32_t channel) {
    return AMPLITUDE * sin(2.0 * PI * HERTZ * seconds + channel);
}

static void compare(sim *s, double got, double wanted) {
    if (s->measures) {
        s->error += (got - wanted) * (got - wanted);
        s->power += wanted * wanted;
        s->wrong += fabs(got - wanted) > 0.05;
    }
}

static int32_t process(vc_block *block, void *user) {
    sim *s = user;
    CHECK(block->samplerate_hz == s->engine_hz);
    const vc_time *times[] = {&block->input_time, &block->output_time};
    for (int d = IN; d <= OUT; d++) {
        if (s->channels[d] && !(s->unknown & VC_TIME_SAMPLE)) {
            if (s->frames) {
                CHECK_INT(times[d]->sample_frames, s->expected[d] + block->lost_frames);
            }
            s->expected[d] = times[d]->sample_frames + block->frames;
        }
    }
    double in_s = (double)block->input_time.host_ns * 1e-9;
    double out_s = (double)block->output_time.host_ns * 1e-9;
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t c = 0; c < s->channels[IN]; c++) {
            compare(s, block->input.data[f * s->channels[IN] + c],
                    sine(in_s + f / s->engine_hz, c));
        }
        for (uint32_t c = 0; c < s->channels[OUT]; c++) {
            block->output.data[f * s->channels[OUT] + c] = (float)sine(out_s + f / s->engine_hz, c);
        }
    }
    s->frames += block->frames;
    s->lost += block->lost_frames;
    return ++s->calls == s->stop_at ? VC_STOP : VC_CONTINUE;
}

static int64_t no_clock(void *clock) {
    (void)clock;
    return 0;
}

static sim *make(double engine_hz, double device_hz, uint32_t inputs, uint32_t outputs,
                 uint32_t block_frames) {
    sim *s = calloc(1, sizeof *s);
    s->engine_hz = engine_hz;
    s->device_hz = device_hz;
    s->channels[IN] = inputs;
    s->channels[OUT] = outputs;
    s->latency = 100;
    s->frame = 12345;
    s->now = 7 * (int64_t)device_hz;
    const vc_engine_config config = {.input_channels = inputs,
                                     .output_channels = outputs,
                                     .block_frames = block_frames,
                                     .samplerate_hz = engine_hz,
                                     .clock_ns = no_clock,
                                     .process = process,
                                     .user = s};
    s->engine = vc_engine_new(&config);
    vc_engine_start(s->engine);
    static const uint32_t map[] = {0, 1};
    const vc_move move = {.input_map = map,
                          .output_map = map,
                          .input_channels = inputs,
                          .output_channels = outputs,
                          .device_hz = device_hz,
                          .clock_ns = no_clock};
    CHECK(vc_engine_move(s->engine, &move));
    return s;
}

static void discard(sim *s) {
    vc_engine_free(s->engine);
    free(s);
}

static vc_time moment(const sim *s, int64_t ahead) {
    int64_t host_ns = llrint((double)(s->now + ahead) * 1e9 / s->device_hz);
    return (vc_time){host_ns, s->frame + ahead, (VC_TIME_HOST | VC_TIME_SAMPLE) & ~s->unknown, 0};
}

static vc_audio planar(float *data, uint32_t channels, uint32_t frames) {
    return (vc_audio){.data = channels ? data : NULL,
                      .frame_stride = 1,
                      .channel_stride = (ptrdiff_t)frames,
                      .channels = channels};
}

static uint32_t cycle(sim *s, uint32_t frames) {
    static float input[2 * MOST], output[2 * MOST];
    for (uint32_t f = 0; f < frames; f++) {
        double seconds = (double)(s->now - s->latency + f) / s->device_hz;
        for (uint32_t c = 0; c < s->channels[IN]; c++) {
            input[c * frames + f] = (float)sine(seconds, c);
        }
    }
    for (uint32_t i = 0; i < 2 * frames; i++) {
        output[i] = NAN;
    }
    const vc_cycle now = {.frames = frames,
                          .lost_frames = s->lost_frames,
                          .input = planar(input, s->channels[IN], frames),
                          .output = planar(output, s->channels[OUT], frames),
                          .now = moment(s, 0),
                          .input_time = moment(s, -s->latency),
                          .output_time = moment(s, s->latency),
                          .drain_frames = (uint32_t)s->latency};
    uint32_t valid = vc_cycle_run(s->engine, &now);
    s->lost_frames = 0;
    s->silent = true;
    for (uint32_t f = 0; f < frames; f++) {
        double seconds = (double)(s->now + s->latency + f) / s->device_hz;
        for (uint32_t c = 0; c < s->channels[OUT]; c++) {
            CHECK(!isnan(output[c * frames + f]));
            s->silent &= output[c * frames + f] == 0.0f;
            compare(s, output[c * frames + f], sine(seconds, c));
        }
    }
    s->now += frames;
    s->frame += frames;
    return valid;
}

static double decibels(sim *s, double seconds, uint32_t frames) {
    s->measures = true;
    s->error = s->power = 0.0;
    for (double done = 0.0; done < seconds; done += frames / s->device_hz) {
        cycle(s, frames);
    }
    s->measures = false;
    return 10.0 * log10(s->power / s->error);
}

static const double RATES[][2] = {{48000, 44100}, {44100, 48000}, {48000, 96000},  {96000, 48000},
                                  {16000, 48000}, {48000, 16000}, {44100.5, 48000}};

/* Both directions keep pitch and phase, with cycles of every length. */
static void a_sine_keeps_its_phase(void) {
    static const uint32_t lengths[] = {1, 64, 441, 4096};
    for (size_t r = 0; r < sizeof RATES / sizeof *RATES; r++) {
        for (int ways = 1; ways < 4; ways++) {
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                sim *s = make(RATES[r][0], RATES[r][1], ways & 1 ? 2 : 0, ways & 2 ? 2 : 0, 0);
                for (int c = 0; c < 400; c++) {
                    cycle(s, 29); /* until the resamplers are full */
                }
                int64_t start = s->now;
                double found = decibels(s, 0.1, lengths[i]);
                check_that(found > 95.0, __FILE__, __LINE__,
                           "%g on %g Hz, cycles of %u, directions %d: %.1f dB", RATES[r][0],
                           RATES[r][1], lengths[i], ways, found);
                double most = (double)(s->now - start + 400 * 29) * RATES[r][0] / RATES[r][1];
                CHECK_INT(s->frames, (int64_t)(most + 1e-6));
                CHECK_INT(s->lost, 0);
                discard(s);
            }
        }
    }
}

/* Blocks of a fixed length that do not fit the cycles. */
static void blocks_keep_their_length(void) {
    for (int ways = 1; ways < 4; ways++) {
        sim *s = make(48000, 44100, ways & 1 ? 1 : 0, ways & 2 ? 1 : 0, 64);
        for (int c = 0; c < 100; c++) {
            cycle(s, 59);
        }
        double found = decibels(s, 0.2, 59);
        check_that(found > 95.0, __FILE__, __LINE__, "directions %d: %.1f dB", ways, found);
        CHECK_INT(s->frames, s->calls * 64);
        discard(s);
    }
}

/* A loss is counted once, in frames of the engine, and the sound around it has its own times. */
static void losses_are_counted_where_they_are(void) {
    for (int ways = 1; ways < 4; ways++) {
        sim *s = make(48000, 44100, ways & 1 ? 1 : 0, ways & 2 ? 1 : 0, 0);
        int64_t lost = 0;
        for (int64_t frames = 1; frames < 100000; frames = frames * 3 + 1) {
            for (int c = 0; c < 20; c++) {
                cycle(s, 64);
            }
            s->frame += frames;
            s->now += frames;
            lost += frames;
        }
        for (int c = 0; c < 20; c++) {
            cycle(s, 64);
        }
        CHECK_INT(s->lost, llrint((double)lost * 48000 / 44100));
        CHECK(decibels(s, 0.1, 64) > 95.0);
        discard(s);
    }
}

/* A loss is in front of the frame that follows it. Only the filter's ringing has wrong times. If
 * the loss were counted with the cycle in which it is noticed, 70 frames more would be wrong. */
static void the_frame_of_a_loss_is_exact(void) {
    for (int64_t frames = 4410; frames < 4460; frames += 7) {
        sim *s = make(48000, 44100, 1, 0, 0);
        for (int c = 0; c < 20; c++) {
            cycle(s, 64);
        }
        s->frame += frames;
        s->now += frames;
        s->measures = true;
        for (int c = 0; c < 20; c++) {
            cycle(s, 64);
        }
        CHECK_INT(s->lost, llrint((double)frames * 48000 / 44100));
        CHECK(s->wrong <= 24);
        vc_event event;
        CHECK(vc_engine_event(s->engine, &event));
        CHECK_INT(event.value, (int64_t)s->lost);
        CHECK(!vc_engine_event(s->engine, &event));
        discard(s);
    }
}

static void losses_without_sample_times(void) {
    sim *s = make(48000, 96000, 1, 1, 0);
    s->unknown = VC_TIME_SAMPLE;
    for (int c = 0; c < 100; c++) {
        s->lost_frames = c % 2 ? 3 : 0;
        cycle(s, 16);
    }
    for (int c = 0; c < 100; c++) {
        cycle(s, 16);
    }
    CHECK_INT(s->lost, 75);
    discard(s);
}

/* The device counts from zero again: no loss, and the stream's time goes on. */
static void a_time_line_that_is_restarted(void) {
    sim *s = make(48000, 44100, 0, 1, 0);
    for (int c = 0; c < 10; c++) {
        cycle(s, 64);
    }
    s->frame = 0;
    for (int c = 0; c < 10; c++) {
        cycle(s, 64);
    }
    CHECK_INT(s->lost, 0);
    discard(s);
}

/* All frames that the code has made are played, and nothing after them. */
static void the_end_is_played(void) {
    for (size_t r = 0; r < sizeof RATES / sizeof *RATES; r++) {
        sim *s = make(RATES[r][0], RATES[r][1], 0, 1, 100);
        s->stop_at = 50;
        double heard = 0.0;
        int cycles = 0;
        for (; vc_engine_state(s->engine) != VC_FINISHED && cycles < 10000; cycles++) {
            uint32_t valid = cycle(s, 64);
            heard = valid ? cycles * 64.0 + valid : heard;
        }
        CHECK_INT(s->frames, 5000);
        double device_frames = 5000 * RATES[r][1] / RATES[r][0];
        CHECK(heard >= device_frames && heard < device_frames + 600);
        CHECK(cycles * 64 >= heard + (double)s->latency);
        cycle(s, 64);
        CHECK(s->silent);
        discard(s);
    }
}

static void an_abort_is_silent_at_once(void) {
    sim *s = make(48000, 44100, 1, 1, 0);
    for (int c = 0; c < 20; c++) {
        cycle(s, 64);
    }
    CHECK(!s->silent);
    vc_engine_abort(s->engine);
    cycle(s, 64);
    CHECK(s->silent);
    CHECK_INT(vc_engine_state(s->engine), VC_FINISHED);
    vc_engine_start(s->engine); /* a new run begins with silence, and its times go on */
    s->now += 100;
    s->frame += 100;
    s->frames = 0;
    cycle(s, 64);
    CHECK_INT(s->lost, 0);
    CHECK_INT(s->frames, 64 * 160 / 147);
    discard(s);
}

static void back_at_its_own_rate_nothing_is_converted(void) {
    sim *s = make(48000, 44100, 1, 1, 0);
    cycle(s, 64);
    static const uint32_t map[] = {0};
    const vc_move move = {.input_map = map,
                          .output_map = map,
                          .input_channels = 1,
                          .output_channels = 1,
                          .device_hz = 48000,
                          .clock_ns = no_clock};
    CHECK(vc_engine_move(s->engine, &move));
    s->device_hz = 48000;
    s->now = llrint((double)s->now * 48000 / 44100);
    s->frames = 0;
    CHECK_INT(cycle(s, 64), 64);
    CHECK_INT(s->frames, 64);
    CHECK(decibels(s, 0.1, 64) > 100.0);
    discard(s);
}

int main(void) {
    RUN(a_sine_keeps_its_phase);
    RUN(blocks_keep_their_length);
    RUN(losses_are_counted_where_they_are);
    RUN(the_frame_of_a_loss_is_exact);
    RUN(losses_without_sample_times);
    RUN(a_time_line_that_is_restarted);
    RUN(the_end_is_played);
    RUN(an_abort_is_silent_at_once);
    RUN(back_at_its_own_rate_nothing_is_converted);
    return check_summary();
}
