/* Times, latencies and losses with miniaudio on JACK. */
#include "miniaudio_rig.h"

static uint32_t jack_frames;
static uint64_t jack_us;
static int jack_fails;
static uint32_t ring_held;

static int cycle_times(const void *client, uint32_t *frames, uint64_t *us, uint64_t *next_us,
                       float *period_us) VC_REALTIME;
static int cycle_times(const void *client, uint32_t *frames, uint64_t *us, uint64_t *next_us,
                       float *period_us) {
    (void)client;
    *frames = jack_frames;
    *us = jack_us;
    *next_us = jack_us + 1000;
    *period_us = 1000;
    return jack_fails;
}

static uint32_t jack_period;
static uint32_t period(void *client) VC_REALTIME;
static uint32_t period(void *client) {
    (void)client;
    return jack_period;
}

static uint32_t latencies[2]; /* index: jack_latency_callback_mode_t (capture, playback) */
static int latencies_asked;

static void port_latency(void *port, int mode, vc_jack_range *range) VC_REALTIME;
static void port_latency(void *port, int mode, vc_jack_range *range) {
    CHECK(port == &latencies[mode]);
    *range = (vc_jack_range){1, latencies[mode]};
    latencies_asked++;
}

static uint32_t readable(void *ring) VC_REALTIME;
static uint32_t readable(void *ring) {
    (void)ring;
    return ring_held;
}

static int skip(void *ring, uint32_t frames) VC_REALTIME;
static int skip(void *ring, uint32_t frames) {
    (void)ring;
    ring_held -= frames;
    return 0;
}

static vc_ma_config with_jack(void) {
    vc_ma_config config = plain();
    config.jack = (vc_ma_jack){cycle_times,  period,   &jack_frames, false,
                               port_latency, readable, skip,         &ring_held};
    jack_frames = UINT32_MAX - FRAMES; /* the counter wraps in the second cycle */
    jack_us = 5000;
    jack_period = FRAMES;
    jack_fails = 0;
    now_ns = 5000000;
    return config;
}

static void next_jack_cycle(uint32_t frames) {
    jack_frames += frames;
    jack_us += frames * 1000u / FRAMES;
    now_ns += frames * PERIOD_NS / FRAMES;
}

static void test_jacks_frame_counter_is_unwrapped(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    for (int i = 0; i < 5; i++) {
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        CHECK_INT(seen.now.host_ns, 5000000 + i * PERIOD_NS);
        next_jack_cycle(FRAMES);
    }
    vc_ma_io_free(at.io);
}

static void test_jack_is_asked_for_latencies_once_in_each_run(void) {
    vc_ma_config config = with_jack();
    config.input = (vc_ma_direction){ALL, 2, 2, 7, 5};
    vc_ma_io *io = vc_ma_io_new(&config);
    device at = {.io = io};
    vc_ma_io_prepare(io, &latencies[0], &latencies[1]);
    latencies_asked = 0;
    call(&at);
    CHECK_INT(latencies_asked, 0); /* no engine is attached */
    CHECK_INT(vc_ma_io_port_frames(io, true), -1);
    for (int i = 0; i < 4; i++) {
        latencies[0] = 20u + (uint32_t)i;
        latencies[1] = 300u + (uint32_t)i;
        vc_ma_io_attach(io, engine, ANY, false);
        for (int c = 0; c < 3; c++) {
            call(&at);
            CHECK_INT(seen.now.sample_frames - seen.input_time.sample_frames, 20 + i + 5);
            CHECK_INT(seen.output_time.sample_frames - seen.now.sample_frames, 300 + i);
            CHECK_INT(seen.drain_frames, 300 + i);
            next_jack_cycle(FRAMES);
        }
        CHECK_INT(latencies_asked, 2 * (i + 1));
        CHECK_INT(vc_ma_io_port_frames(io, false), 20 + i);
        CHECK_INT(vc_ma_io_port_frames(io, true), 300 + i);
        detach(io);
    }
    vc_ma_io_free(io);
}

static void test_latencies_that_jack_does_not_report(void) {
    vc_ma_config config = with_jack();
    config.input = (vc_ma_direction){ALL, 2, 2, 7, 5};
    latencies[1] = UINT32_MAX;
    /* The latency is invalid, or there is no port, or the library does not have the function. */
    for (int way = 0; way < 3; way++) {
        config.jack.latency = way < 2 ? port_latency : NULL;
        device at = {.io = vc_ma_io_new(&config)};
        vc_ma_io_prepare(at.io, NULL, way == 1 ? NULL : &latencies[1]);
        vc_ma_io_attach(at.io, engine, ANY, false);
        call(&at);
        CHECK_INT(seen.now.sample_frames - seen.input_time.sample_frames, 7);
        CHECK_INT(seen.output_time.sample_frames - seen.now.sample_frames, 100);
        CHECK_INT(seen.drain_frames, 100);
        CHECK_INT(vc_ma_io_port_frames(at.io, true), -1);
        vc_ma_io_free(at.io);
    }
}

static void test_cycles_that_jack_skipped_are_lost(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    next_jack_cycle(3 * FRAMES);
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(seen.now.sample_frames, 3 * FRAMES);
    CHECK_INT(counts.lost_frames, 2 * FRAMES);
    vc_ma_io_free(at.io);
}

static void test_a_jack_cycle_in_parts(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 6; i++) {
        vc_ma_data(&at, output, input, FRAMES / 2);
        CHECK_INT(seen.now.sample_frames, i * FRAMES / 2);
        CHECK_INT(seen.now.host_ns, 5000000 + i * PERIOD_NS / 2);
        if (i % 2 == 1) {
            next_jack_cycle(FRAMES);
        }
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(at.io);
}

static void test_the_cycle_in_which_jack_is_connected_is_silent(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    vc_ma_io_attach(at.io, engine, ANY, true);
    ring_held = 5 * FRAMES;
    for (int part = 0; part < 2; part++) {
        call(&at);
        CHECK(output[0] == 0.0f);
    }
    CHECK_INT(ring_held, FRAMES);
    next_jack_cycle(FRAMES);
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.cycles, 1);
    CHECK_INT(seen.now.sample_frames, 0);
    vc_ma_io_free(at.io);
}

static void test_the_duplex_ring_is_emptied_if_the_next_cycle_is_the_first(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    vc_ma_io_attach(at.io, engine, ANY, true);
    ring_held = 3 * FRAMES;
    for (int i = 0; i < 2; i++) {
        next_jack_cycle(FRAMES);
        call(&at);
        vc_ma_io_count(at.io, &counts);
        CHECK_INT(counts.cycles, i);
        CHECK_INT(ring_held, FRAMES);
    }
    vc_ma_io_free(at.io);
}

static void test_the_duplex_ring_is_emptied_in_each_run(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    for (uint64_t run = 0; run < 3; run++) {
        vc_ma_io_prepare(at.io, NULL, NULL);
        vc_ma_io_attach(at.io, engine, ANY, true);
        ring_held = 3 * FRAMES; /* miniaudio fills the ring when it starts the device */
        for (uint64_t i = 0; i < 2; i++) {
            next_jack_cycle(FRAMES);
            call(&at);
            vc_ma_io_count(at.io, &counts);
            CHECK_INT(counts.cycles, run + i);
            CHECK_INT(ring_held, FRAMES);
        }
        detach(at.io);
    }
    vc_ma_io_free(at.io);
}

static void test_the_clock_of_jackd_is_converted_to_host_time(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    for (int64_t i = 0; i < 20000; i++) { /* after 20 s, 20 ppm are 400 us */
        int64_t begin_ns = now_ns;
        jack_us = (uint64_t)(now_ns + 145000000 + now_ns / 50000) / 1000;
        now_ns += i % 7 * 10000; /* the call is a little late */
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        CHECK_NEAR(seen.now.host_ns, begin_ns, 3000);
        now_ns = begin_ns;
        next_jack_cycle(FRAMES);
    }
    detach(at.io);
    vc_ma_io_attach(at.io, engine, ANY, false);
    int64_t position = seen.now.sample_frames;
    now_ns += 9 * PERIOD_NS;
    call(&at);
    CHECK_NEAR(seen.now.sample_frames, position + 10 * FRAMES, 1);
    vc_ma_io_free(at.io);
}

static void test_pipewires_times_are_used_unchanged(void) {
    vc_ma_config config = with_jack();
    config.jack.exact_times = true;
    device at = open_device(&config);
    for (int64_t i = 0; i < 100; i++) {
        int64_t begin_ns = now_ns;
        /* The calls of other clients come first, so this call has a varying delay. */
        now_ns += 500000 + i % 7 * 50000;
        call(&at);
        CHECK_NEAR(seen.now.host_ns, begin_ns, 300);
        now_ns = begin_ns;
        next_jack_cycle(FRAMES);
    }
    vc_ma_io_free(at.io);
}

static void test_a_jack_counter_that_is_restarted_loses_nothing(void) {
    vc_ma_config config = with_jack();
    jack_frames = 4000000;
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int64_t i = 0; i < 10; i++) {
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        next_jack_cycle(FRAMES);
        if (i == 3) {
            jack_frames = 100; /* the counter goes back */
        } else if (i == 6) {
            jack_frames += 2000000; /* the counter jumps ahead although no time has passed */
        }
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(at.io);
}

/* Simulates a jackd that stalls and continues. Its frame counter does not count the stall. Its
 * times are late by the length of the stall, and catch up slowly. If `told`, jackd reports the
 * overload. */
static void stall(int64_t stalled_ns, bool told) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 10; i++) {
        call(&at);
        next_jack_cycle(FRAMES);
    }
    now_ns += stalled_ns;
    for (int i = 0; i < 20; i++) {
        if (told && i == 1) {
            vc_ma_overload(at.io);
        }
        call(&at);
        next_jack_cycle(FRAMES);
        jack_us += 30;
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_NEAR(counts.lost_frames * PERIOD_NS / FRAMES, stalled_ns, PERIOD_NS / 20);
    CHECK_NEAR(seen.now.host_ns, now_ns - PERIOD_NS, PERIOD_NS / 20);
    CHECK_INT(counts.overloads, told);
    CHECK(told == (counts.overload_ns != 0));
    vc_ma_io_free(at.io);
}

static void test_frames_lost_by_a_stalled_jack_server_are_counted(void) {
    stall(1000 * PERIOD_NS, false);
    stall(PERIOD_NS * 3 / 2, false);
    /* A loss of less than a period is only noticed if the server reports it. */
    stall(PERIOD_NS / 2, true);
}

static void test_a_late_call_of_jack_loses_nothing(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 100; i++) {
        int64_t late_ns = i % 3 == 1 ? PERIOD_NS * 9 / 10 : 0;
        if (i % 10 == 0) {
            vc_ma_overload(at.io); /* an overload of another client */
        }
        now_ns += late_ns;
        call(&at);
        CHECK_INT(seen.now.sample_frames, (int64_t)i * FRAMES);
        now_ns -= late_ns;
        next_jack_cycle(FRAMES);
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    CHECK_INT(counts.overloads, 10);
    vc_ma_io_free(at.io);
}

static void test_cycles_that_pipewire_catches_up_with_are_not_lost(void) {
    vc_ma_config config = with_jack();
    config.jack.exact_times = true;
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    now_ns += 50 * PERIOD_NS;
    /* PipeWire's null sink catches up: each cycle has the times that it would have had in time. */
    for (int64_t i = 1; i < 50; i++) {
        jack_frames += FRAMES;
        jack_us += 1000;
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(at.io);
}

static void test_jack_with_another_period_is_followed_and_asked_for_latencies_again(void) {
    vc_ma_config config = with_jack();
    vc_ma_io *io = vc_ma_io_new(&config);
    device at = {.io = io};
    vc_ma_counts counts;
    vc_ma_io_prepare(io, NULL, &latencies[1]);
    vc_ma_io_attach(io, engine, (vc_ma_frames){.max_period_frames = FRAMES}, false);
    latencies[1] = FRAMES;
    call(&at);
    next_jack_cycle(FRAMES);
    jack_period = FRAMES / 2;
    latencies[1] = FRAMES / 2;
    vc_ma_data(&at, output, NULL, FRAMES / 2);
    CHECK_INT(seen.now.sample_frames, FRAMES);
    CHECK_INT(seen.output_time.sample_frames - seen.now.sample_frames, FRAMES / 2);
    next_jack_cycle(FRAMES / 2);
    CHECK_INT(calls, 2);
    vc_ma_io_count(io, &counts);
    CHECK_INT(counts.resized, 0);
    vc_ma_data(&at, output, NULL, FRAMES + 1);
    CHECK_INT(calls, 2);
    vc_ma_io_count(io, &counts);
    CHECK_INT(counts.resized, FRAMES + 1);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(io);
}

static void test_another_rate_is_silence(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    vc_ma_rate(48000, at.io);
    call(&at);
    CHECK_INT(calls, 1);
    vc_ma_rate(44100, at.io);
    call(&at);
    CHECK_INT(calls, 1);
    CHECK_SILENT(output, 2, FRAMES);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.rate_hz, 44100);
    vc_ma_io_free(at.io);
}

static void test_a_jack_server_that_does_not_answer(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    jack_fails = 1;
    vc_ma_io_attach(at.io, engine, ANY, true);
    call(&at);
    CHECK_INT(seen.now.host_ns, now_ns);
    now_ns += PERIOD_NS;
    call(&at);
    CHECK_INT(seen.now.sample_frames, FRAMES);
    vc_ma_io_free(at.io);
}

static void test_the_duplex_ring_is_emptied_before_an_engine_is_attached(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    detach(at.io);
    ring_held = 5 * FRAMES;
    call(&at);
    CHECK_INT(ring_held, FRAMES); /* miniaudio reads these frames after the call */
    vc_ma_io_attach(at.io, engine, ANY, false);
    ring_held = 2 * FRAMES;
    call(&at);
    CHECK_INT(ring_held, 2 * FRAMES);
    vc_ma_io_free(at.io);
}

int main(void) {
    RUN(test_jacks_frame_counter_is_unwrapped);
    RUN(test_jack_is_asked_for_latencies_once_in_each_run);
    RUN(test_latencies_that_jack_does_not_report);
    RUN(test_cycles_that_jack_skipped_are_lost);
    RUN(test_a_jack_cycle_in_parts);
    RUN(test_the_cycle_in_which_jack_is_connected_is_silent);
    RUN(test_the_duplex_ring_is_emptied_if_the_next_cycle_is_the_first);
    RUN(test_the_duplex_ring_is_emptied_in_each_run);
    RUN(test_the_clock_of_jackd_is_converted_to_host_time);
    RUN(test_pipewires_times_are_used_unchanged);
    RUN(test_a_jack_counter_that_is_restarted_loses_nothing);
    RUN(test_frames_lost_by_a_stalled_jack_server_are_counted);
    RUN(test_a_late_call_of_jack_loses_nothing);
    RUN(test_cycles_that_pipewire_catches_up_with_are_not_lost);
    RUN(test_jack_with_another_period_is_followed_and_asked_for_latencies_again);
    RUN(test_another_rate_is_silence);
    RUN(test_a_jack_server_that_does_not_answer);
    RUN(test_the_duplex_ring_is_emptied_before_an_engine_is_attached);
    return check_summary();
}
