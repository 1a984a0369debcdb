/* The input of a stream on two devices: its phase, its delay and its losses, in simulated time.
 *
 * VOICECOIL_DRIFT_S is the simulated time of the test of the phase, by default 20 s. An hour for
 * each of two pairs is 7200. */
#include "drift_rig.h"

#include <pthread.h>

static double phase_seconds(void) {
    const char *given = getenv("VOICECOIL_DRIFT_S");
    return given != NULL ? atof(given) : 20.0;
}

/* Sanitizers make the tests of the phase, which need much simulated time, twenty times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED false
#endif

/* The time after which everything counts. */
#define SETTLED_S 15.0

/* Runs two devices with exact times and the delay that they need, and then begins to measure. */
static drift_rig *settled(double in_hz, double in_ppm, double out_hz, double out_ppm,
                          double seconds) {
    drift_rig *rig = rig_new(in_hz, in_ppm, out_hz, out_ppm);
    rig_start(rig, 0);
    rig_run(rig, seconds);
    rig_measure(rig);
    return rig;
}

/* Checks that no frame is lost from now on and that the sound differs from the signal by at most
 * `most`. Frees the rig. */
static void check_sound(drift_rig *rig, double seconds, double most) {
    rig_measure(rig);
    rig_run(rig, seconds);
    CHECK_INT(rig->lost, 0);
    CHECK_NEAR(rig->worst, 0.0, most);
    rig_free(rig);
}

/* Runs two devices with exact times and returns the ratio of signal and error, dB. */
static double measure(double in_hz, double in_ppm, double out_hz, double out_ppm, double seconds) {
    drift_rig *rig = settled(in_hz, in_ppm, out_hz, out_ppm, SETTLED_S);
    rig_run(rig, seconds);
    CHECK_INT(rig->lost, 0);
    double decibels = rig_decibels(rig);
    rig_free(rig);
    return decibels;
}

static void a_sine_keeps_100_db(void) {
    static const double ppm[][2] = {{300, -300}, {-300, 300}};
    for (size_t p = 0; p < sizeof ppm / sizeof *ppm; p++) {
        double decibels = measure(48000, ppm[p][0], 48000, ppm[p][1], 2.0);
        check_that(decibels >= 100.0, __FILE__, __LINE__, "%g and %g ppm: %.1f dB", ppm[p][0],
                   ppm[p][1], decibels);
    }
}

static void devices_of_different_rates_keep_100_db(void) {
    static const double rates[][2] = {{44100, 48000}, {48000, 44100}, {96000, 48000}};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        double decibels = measure(rates[r][0], 250, rates[r][1], -50, 2.0);
        check_that(decibels >= 100.0, __FILE__, __LINE__, "%g to %g Hz: %.1f dB", rates[r][0],
                   rates[r][1], decibels);
    }
}

/* Noisy times and late cycles, as on a real system: no frame is lost, and the phase stays within
 * three quarters of a frame. A sine of 997 Hz changes by 0.117 per frame. */
static void noise_of_the_clocks_does_not_move_the_phase(void) {
    static const double ppm[][2] = {{300, -300}, {-300, 300}};
    for (size_t p = 0; p < sizeof ppm / sizeof *ppm; p++) {
        drift_rig *rig = rig_new(48000, ppm[p][0], 48000, ppm[p][1]);
        rig->in.jitter_s = rig->out.jitter_s = 0.0002;
        rig->in.late_s = rig->out.late_s = 0.001;
        rig_start(rig, 0);
        rig_run(rig, SETTLED_S);
        rig_measure(rig);
        rig_run(rig, phase_seconds() / 2);
        CHECK_INT(rig->lost, 0);
        CHECK_NEAR(rig->worst / 0.117, 0.0, 0.75);
        CHECK_NEAR(rig->worst_time_s * 48000, 0.0, 0.75);
        rig_free(rig);
    }
}

/* The frame in which an impulse arrives, relative to the delay. */
static double impulse_offset(const drift_rig *rig, double second) {
    double at_s = rig->in.start_s + second * rig->in.rate_hz * rig->in.frame_s;
    double expected =
        (at_s - rig->out.start_s) / rig->out.frame_s + vc_drift_delay_frames(rig->drift);
    return (double)rig->peak - expected;
}

static void an_impulse_arrives_after_the_delay(void) {
    drift_rig *rig = rig_new(48000, 300, 48000, -300);
    rig->hertz = 0.0;
    rig->in.jitter_s = rig->out.jitter_s = 0.0001;
    rig_start(rig, 0);
    rig_run(rig, 5.5);
    for (int second = 6; second < 20; second++) {
        rig_measure(rig);
        rig_run(rig, 1.0);
        CHECK_NEAR(impulse_offset(rig, second), 0.0, 1.0);
    }
    rig_free(rig);
}

static void a_loss_of_the_input_is_reported_once_and_keeps_the_delay(void) {
    for (uint32_t lost = 1; lost < 5000; lost = lost * 60 + 7) {
        drift_rig *rig = settled(48000, 100, 48000, -100, 4.0);
        uint32_t delay = vc_drift_delay_frames(rig->drift);
        rig->in.lost_once = lost;
        rig->in.call_s += lost * rig->in.frame_s;
        rig_run(rig, 3.0);
        CHECK_NEAR(rig->lost, lost, 2.0);
        CHECK_INT(vc_drift_delay_frames(rig->drift), delay);
        check_sound(rig, 1.0, 1e-3);
    }
}

/* The sine of 997 Hz changes by at most 0.117 from frame to frame, and a fade takes 64 frames.
 * Before the fix, the step was as large as the sample before the loss: 0.9. */
#define MOST_STEP 0.16

static void a_loss_of_the_input_is_faded(void) {
    static const double rates[][2] = {{48000, 48000}, {44100, 48000}, {96000, 48000}};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        for (uint32_t lost = 1; lost < 5000; lost = lost * 4 + 3) {
            drift_rig *rig = rig_new(rates[r][0], 100, rates[r][1], -100);
            rig_start(rig, 0);
            rig_run(rig, 2.0);
            rig_measure(rig);
            for (int times = 0; times < 3; times++) {
                rig->in.lost_once = lost;
                rig->in.call_s += lost * rig->in.frame_s;
                rig_run(rig, 0.2);
            }
            check_that(rig->step < MOST_STEP, __FILE__, __LINE__, "%u frames of %g Hz: step of %g",
                       lost, rates[r][0], rig->step);
            rig_free(rig);
        }
    }
}

static void input_that_comes_late_is_faded(void) {
    for (int ms = 2; ms < 400; ms = ms * 2 + 1) {
        drift_rig *rig = rig_new(48000, 50, 48000, -50);
        rig_start(rig, 0);
        rig_run(rig, 2.0);
        rig_measure(rig);
        rig->in.call_s += ms * 1e-3;
        rig_run(rig, 1.0);
        check_that(rig->step < MOST_STEP, __FILE__, __LINE__, "%d ms: step of %g", ms, rig->step);
        rig_free(rig);
    }
}

/* The filter would spread a sample that is not finite to all frames around it. */
static void a_nan_of_the_input_is_one_silent_sample(void) {
    drift_rig *rig = settled(48000, 100, 44100, -100, 2.0);
    rig->spoiled = true;
    rig_run(rig, 0.1);
    CHECK_INT(rig->nonfinite, 0);
    check_sound(rig, 0.1, 1e-2);
}

static void a_loss_of_the_output_keeps_the_delay(void) {
    for (uint32_t lost = 480; lost < 5000; lost += 3360) {
        drift_rig *rig = settled(44100, 100, 48000, -100, 4.0);
        rig->out.lost_once = lost;
        rig->out.call_s += lost * rig->out.frame_s;
        rig_run(rig, 2.0);
        CHECK_INT(rig->lost, 0); /* the engine finds it in the sample times */
        CHECK_NEAR(rig->worst, 0.0, 1e-3);
        rig_free(rig);
    }
}

/* A cycle of the input that comes too late is silence and a loss. The delay then grows once, so
 * that the same does not happen again. */
static void the_delay_grows_once_if_the_input_comes_late(void) {
    drift_rig *rig = settled(48000, 50, 48000, -50, 4.0);
    uint32_t delay = vc_drift_delay_frames(rig->drift);
    rig->in.call_s += 0.03;
    rig_run(rig, 2.0);
    CHECK(rig->lost > 0);
    uint32_t grown = vc_drift_delay_frames(rig->drift);
    CHECK(grown > delay && grown < delay + 2400);
    rig_measure(rig);
    rig->in.call_s += 0.03;
    rig_run(rig, 2.0);
    CHECK_INT(rig->lost, 0);
    CHECK_INT(vc_drift_delay_frames(rig->drift), grown);
    CHECK_NEAR(rig->worst, 0.0, 1e-3);
    rig_free(rig);
}

/* The ring has room for the greatest delay and for the history that is kept with it. */
static void the_ring_has_room_for_the_greatest_delay(void) {
    static const uint32_t periods[] = {64, 256, 480, 1024};
    for (size_t p = 0; p < sizeof periods / sizeof *periods; p++) {
        drift_rig *rig = rig_new(48000, 50, 48000, -50);
        rig->in.period = rig->out.period = periods[p];
        rig_start(rig, 0);
        rig_run(rig, 4.0);
        uint32_t delay = vc_drift_delay_frames(rig->drift);
        rig->in.call_s += 0.19;
        rig_run(rig, 2.0);
        CHECK(vc_drift_delay_frames(rig->drift) > delay + 8000);
        check_sound(rig, 2.0, 1e-3);
    }
}

/* In the cycle in which the delay grows, too, the input time is that of the frames in it. */
static void the_input_time_is_right_when_the_delay_grows(void) {
    drift_rig *rig = settled(48000, 50, 48000, -50, 4.0);
    uint32_t delay = vc_drift_delay_frames(rig->drift);
    rig->in.call_s += 0.03;
    rig_run(rig, 1.0);
    CHECK(vc_drift_delay_frames(rig->drift) > delay);
    CHECK_NEAR(rig->worst_time_s * 48000, 0.0, 0.75);
    CHECK_NEAR(rig->worst_frames, 0.0, 0.5);
    rig_free(rig);
}

/* The input device stands still and its clock, too, as when its time line is restarted. The frames
 * that are missing meanwhile are lost, but none of them comes late. */
static void a_clock_that_stood_still_does_not_make_the_delay_grow(void) {
    drift_rig *rig = settled(48000, 50, 48000, -50, 4.0);
    uint32_t delay = vc_drift_delay_frames(rig->drift);
    rig->in.call_s += 0.1;
    rig->in.start_s += 0.1;
    rig_run(rig, 2.0);
    CHECK_NEAR(rig->lost, 4800, 1000);
    CHECK_INT(vc_drift_delay_frames(rig->drift), delay);
    rig_measure(rig);
    rig_run(rig, 1.0);
    CHECK_INT(rig->lost, 0);
    rig_free(rig);
}

/* The clocks differ by more than any crystals do. Up to a tenth, the speed follows; beyond that,
 * nothing is written or read outside of the memory. */
static void a_clock_far_from_its_nominal_rate_is_followed_within_limits(void) {
    static const double ppm[] = {30e3, -30e3, 150e3, -150e3};
    for (size_t p = 0; p < sizeof ppm / sizeof *ppm; p++) {
        drift_rig *rig = rig_new(48000, ppm[p], 48000, 0);
        rig->in.period = 256;
        rig->out.period = RIG_MOST;
        rig_start(rig, 0);
        rig_run(rig, 6.0);
        rig_measure(rig);
        rig_run(rig, 3.0);
        if (fabs(ppm[p]) < 1e5) {
            CHECK_INT(rig->lost, 0);
            CHECK_NEAR(rig->worst / 0.117, 0.0, 1.0); /* less than a frame */
        }
        rig_free(rig);
    }
}

/* A delay that is too short for the devices is found out in the first cycles. */
static void a_delay_that_is_too_short_grows(void) {
    drift_rig *rig = rig_new(48000, 0, 48000, 0);
    rig_start(rig, 100);
    rig_run(rig, 4.0);
    CHECK(vc_drift_delay_frames(rig->drift) > 480);
    check_sound(rig, 2.0, 1e-3);
}

static void an_input_that_stops_is_lost_frames(void) {
    drift_rig *rig = settled(48000, 0, 48000, 0, 3.0);
    uint32_t delay = vc_drift_delay_frames(rig->drift);
    rig->in.call_s += 1.0;
    rig_run(rig, 0.9);
    CHECK_NEAR(rig->lost, 0.9 * 48000, 1500);
    CHECK_INT(vc_drift_delay_frames(rig->drift), delay);
    rig_free(rig);
}

/* The output does not read for so long that the ring overflows. */
static void an_overflow_is_reported_and_the_delay_comes_back(void) {
    drift_rig *rig = settled(48000, 0, 48000, 0, 3.0);
    rig->out.call_s += 2.0;
    rig_run(rig, 4.0);
    CHECK(rig->lost > 0);
    check_sound(rig, 1.0, 1e-2);
}

/* The stream's engine gets the input in every cycle, also before the input device has begun. */
static int32_t count_frames(vc_block *block, void *user) {
    CHECK_INT(block->input.channels, RIG_CHANNELS);
    CHECK_INT(block->input_time.sample_frames, block->output_time.sample_frames - 3000);
    CHECK(block->input.data[0] == 0.0f);
    *(int64_t *)user += block->frames;
    return VC_CONTINUE;
}

static void an_engine_gets_the_input(void) {
    vc_drift_config config = {.channels = RIG_CHANNELS,
                              .input_rate_hz = 44100,
                              .output_rate_hz = 48000,
                              .input_period_frames = 512,
                              .output_period_frames = 256,
                              .delay_frames = 3000};
    vc_drift *drift = vc_drift_new(&config);
    int64_t frames = 0;
    float output[8192];
    vc_engine_config engine_config = {.input_channels = RIG_CHANNELS,
                                      .output_channels = 1,
                                      .samplerate_hz = 48000,
                                      .process = count_frames,
                                      .user = &frames};
    vc_engine *engine = vc_engine_new(&engine_config);
    vc_engine_set_input(engine, vc_drift_fill, drift);
    vc_engine_start(engine);
    const uint32_t lengths[] = {256, 1, 8192, 100}; /* also longer than promised */
    int64_t at = 0;
    for (int i = 0; i < 4; i++) {
        vc_cycle cycle = {
            .frames = lengths[i],
            .output = {.data = output, .frame_stride = 1, .channels = 1},
            .output_time = {1000000000 + at * 20833, at, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
        vc_cycle_run(engine, &cycle);
        at += lengths[i];
        CHECK_INT(frames, at);
    }
    vc_engine_free(engine);
    vc_drift_free(drift);
}

/* Both IO threads at full speed, for ThreadSanitizer. The clocks are not those of the threads, so
 * frames come late, overflow and are lost all the time. */
enum { FAST_CYCLES = 1000 };

static void *run_input(void *drift) {
    float block[256 * RIG_CHANNELS] = {0.5f};
    for (int64_t i = 0; i < FAST_CYCLES; i++) {
        vc_block cycle = {.frames = 256,
                          .lost_frames = i % 100 == 0 ? 64 : 0,
                          .input = {.data = block,
                                    .frame_stride = RIG_CHANNELS,
                                    .channel_stride = 1,
                                    .channels = RIG_CHANNELS},
                          .input_time = {1000000000 + i * 5333333, i * 256, VC_TIME_HOST, 0}};
        vc_drift_process(&cycle, drift);
    }
    return NULL;
}

static void both_threads_at_full_speed(void) {
    vc_drift_config config = {.channels = RIG_CHANNELS,
                              .input_rate_hz = 48000,
                              .output_rate_hz = 48000,
                              .input_period_frames = 256,
                              .output_period_frames = 256,
                              .delay_frames = 2000};
    vc_drift *drift = vc_drift_new(&config);
    pthread_t thread;
    pthread_create(&thread, NULL, run_input, drift);
    for (int64_t i = 0; i < FAST_CYCLES; i++) {
        vc_cycle cycle = {
            .frames = 256,
            .output_time = {1000000000 + i * 5333333, i * 256, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
        vc_drift_fill(drift, &cycle);
        CHECK_INT(cycle.input.channels, RIG_CHANNELS);
        for (uint32_t f = 0; cycle.input.data != NULL && f < 256 * RIG_CHANNELS; f++) {
            CHECK_NEAR(cycle.input.data[f], 0.0, 1.0);
        }
    }
    pthread_join(thread, NULL);
    vc_drift_free(drift);
}

int main(void) {
    RUN(both_threads_at_full_speed);
    if (!SANITIZED) {
        RUN(a_sine_keeps_100_db);
        RUN(devices_of_different_rates_keep_100_db);
        RUN(noise_of_the_clocks_does_not_move_the_phase);
        RUN(an_impulse_arrives_after_the_delay);
    }
    RUN(a_loss_of_the_input_is_reported_once_and_keeps_the_delay);
    RUN(a_loss_of_the_input_is_faded);
    RUN(input_that_comes_late_is_faded);
    RUN(a_nan_of_the_input_is_one_silent_sample);
    RUN(a_loss_of_the_output_keeps_the_delay);
    RUN(the_delay_grows_once_if_the_input_comes_late);
    RUN(the_ring_has_room_for_the_greatest_delay);
    RUN(the_input_time_is_right_when_the_delay_grows);
    RUN(a_clock_that_stood_still_does_not_make_the_delay_grow);
    RUN(a_clock_far_from_its_nominal_rate_is_followed_within_limits);
    RUN(a_delay_that_is_too_short_grows);
    RUN(an_input_that_stops_is_lost_frames);
    RUN(an_overflow_is_reported_and_the_delay_comes_back);
    RUN(an_engine_gets_the_input);
    return check_summary();
}
