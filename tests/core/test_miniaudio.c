/* What miniaudio calls: from its frames and the time of its calls to a cycle and back. */
#include "callback.h"
#include "check.h"
#include "messages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 48, CHANNELS = 4, PERIOD_NS = 1000000 }; /* 48 frames at 48 kHz: 1 ms */

/* Something like a ma_device: only where its user data is matters. */
typedef struct device {
    char before[24];
    vc_ma_io *io;
} device;

static vc_cycle seen;
static uint32_t calls;
static float heard[CHANNELS];

static uint32_t run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;
static uint32_t run(vc_engine *engine, const vc_cycle *cycle) {
    (void)engine;
    seen = *cycle;
    calls++;
    const vc_audio *in = &cycle->input;
    for (uint32_t c = 0; c < in->channels; c++) {
        heard[c] = in->data ? in->data[c * in->channel_stride] : in->list[c].data[0];
    }
    const vc_audio *out = &cycle->output;
    for (uint32_t c = 0; c < out->channels; c++) {
        for (uint32_t f = 0; f < cycle->frames; f++) {
            float *to = out->data ? out->data + c * out->channel_stride + f * out->frame_stride
                                  : out->list[c].data + (ptrdiff_t)f * out->list[c].stride;
            *to = code(f, c);
        }
    }
    return cycle->frames;
}

static int64_t now_ns;
static int64_t clock_of_the_test(void) VC_REALTIME;
static int64_t clock_of_the_test(void) { return now_ns; }

static vc_engine *const engine = (vc_engine *)(uintptr_t)16;
static const uint32_t ALL[] = {0, 1, 2, 3};
static const vc_ma_frames ANY = {.max_period_frames = UINT32_MAX};

static void detach(vc_ma_io *io) { CHECK(vc_port_detach(vc_ma_io_port(io), NULL, INT64_MAX)); }

static vc_ma_config plain(void) {
    now_ns = 10 * PERIOD_NS;
    calls = 0;
    return (vc_ma_config){.run = run,
                          .output = {ALL, 2, 2, 100},
                          .samplerate_hz = 48000,
                          .slack_frames = -1,
                          .clock_ns = clock_of_the_test};
}

static device open_device(const vc_ma_config *config) {
    device made = {.io = vc_ma_io_new(config)};
    vc_ma_set_user_data_offset(offsetof(device, io));
    vc_ma_io_attach(made.io, engine, ANY, false);
    return made;
}

static float output[FRAMES * CHANNELS], input[FRAMES * CHANNELS];

static void call(device *at) {
    memset(output, 0x7f, sizeof output);
    vc_ma_data(at, output, input, FRAMES);
}

static void test_frames_go_through_as_they_are(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    call(&at);
    CHECK_CODED(output, 2, FRAMES, 0);
    CHECK_INT(seen.frames, FRAMES);
    CHECK(seen.output.data == output);
    CHECK_INT(seen.output_time.sample_frames - seen.now.sample_frames, 100);
    CHECK_INT(seen.now.valid, VC_TIME_HOST | VC_TIME_SAMPLE);
    vc_ma_io_free(at.io);
}

static void test_channels_are_mapped_and_the_others_silent(void) {
    const uint32_t odd[] = {3, 0, 1};
    vc_ma_config config = plain();
    config.output = (vc_ma_direction){odd, 3, CHANNELS, 0, 0};
    config.input = (vc_ma_direction){odd, 3, CHANNELS, 7, 0};
    for (uint32_t c = 0; c < CHANNELS; c++) {
        input[c] = (float)c;
    }
    device at = open_device(&config);
    call(&at);
    for (uint32_t f = 0; f < FRAMES; f++) {
        CHECK(output[f * CHANNELS + 3] == code(f, 0));
        CHECK(output[f * CHANNELS + 0] == code(f, 1));
        CHECK(output[f * CHANNELS + 1] == code(f, 2));
        CHECK(output[f * CHANNELS + 2] == 0.0f);
    }
    CHECK(heard[0] == 3.0f);
    CHECK(heard[1] == 0.0f);
    CHECK(heard[2] == 1.0f);
    CHECK_INT(seen.input_time.sample_frames - seen.now.sample_frames, -7);
    vc_ma_io_free(at.io);
}

static void test_equally_far_channels_need_no_list(void) {
    const uint32_t every_second[] = {3, 1};
    vc_ma_config config = plain();
    config.output = (vc_ma_direction){every_second, 2, CHANNELS, 0, 0};
    device at = open_device(&config);
    call(&at);
    CHECK(seen.output.data == output + 3);
    CHECK_INT(seen.output.channel_stride, -2);
    CHECK(output[3] == code(0, 0));
    CHECK(output[1] == code(0, 1));
    vc_ma_io_free(at.io);
}

static void test_the_time_line_runs_along_the_earliest_calls(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    now_ns += 300000; /* the first one is late */
    call(&at);
    for (int i = 1; i < 20; i++) {
        now_ns = (10 + i) * PERIOD_NS + (i % 3) * 200000;
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        CHECK(seen.now.host_ns <= now_ns);
        if (i >= 3) {
            CHECK_NEAR(seen.now.host_ns, (10 + i) * PERIOD_NS, 2000);
        }
    }
    vc_ma_io_free(at.io);
}

static void test_a_buffer_is_filled_in_a_burst(void) {
    vc_ma_config config = plain();
    config.slack_frames = 3 * FRAMES;
    device at = open_device(&config);
    int64_t began_ns = now_ns;
    for (int i = 0; i < 3; i++) {
        call(&at); /* all at the same time */
    }
    for (int i = 3; i < 10; i++) {
        now_ns = began_ns + (i - 2) * PERIOD_NS;
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        CHECK_NEAR(seen.now.host_ns, now_ns, 2000);
    }
    vc_ma_io_free(at.io);
}

static void test_what_is_later_than_the_buffer_was_lost(void) {
    vc_ma_config config = plain();
    config.slack_frames = 3 * FRAMES;
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    now_ns += 4 * PERIOD_NS; /* 3 periods late: all that was buffered, and no more */
    call(&at);
    CHECK_INT(seen.now.sample_frames, FRAMES);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    int64_t before = seen.now.sample_frames;
    now_ns += 3 * PERIOD_NS; /* 5 late in all */
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_NEAR(counts.lost_frames, 2 * FRAMES, 1);
    CHECK_INT(seen.now.sample_frames, before + FRAMES + (int64_t)counts.lost_frames);
    vc_ma_io_free(at.io);
}

/* A device whose clock is slow by 0.01 %: each call is a little later than the one before. */
static void test_a_slow_device_loses_nothing(void) {
    vc_ma_config config = plain();
    config.slack_frames = 2 * FRAMES;
    device at = open_device(&config);
    const int64_t began_ns = now_ns;
    for (int64_t i = 0; i < 60000; i++) {
        now_ns = began_ns + i * (PERIOD_NS + PERIOD_NS / 10000);
        call(&at);
        CHECK_NEAR(seen.now.host_ns, now_ns, 1000);
    }
    vc_ma_counts counts;
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(at.io);
}

static void test_a_server_that_begins_to_play_later_loses_nothing(void) {
    vc_ma_config config = plain();
    config.slack_frames = 3 * FRAMES;
    config.settle_frames = 10 * FRAMES;
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 3; i++) {
        call(&at); /* fills the buffer */
    }
    now_ns += 7 * PERIOD_NS; /* 4 periods later than it holds: only now the server plays */
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    CHECK_INT(seen.now.sample_frames, 3 * FRAMES);
    now_ns += PERIOD_NS;
    call(&at);
    CHECK_INT(seen.now.sample_frames, 4 * FRAMES);
    now_ns += 5 * PERIOD_NS; /* the line has begun 3 periods before that callback, and is over */
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_NEAR(counts.lost_frames, 4 * FRAMES, 1);
    vc_ma_io_free(at.io);
}

static void test_time_goes_on_while_the_device_stands(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    call(&at);
    detach(at.io);
    now_ns += 100 * PERIOD_NS;
    vc_ma_io_attach(at.io, engine, ANY, false);
    call(&at);
    CHECK_INT(seen.now.sample_frames, 100 * FRAMES);
    CHECK_INT(seen.now.host_ns, now_ns);
    vc_ma_io_free(at.io);
}

/* A thread inherits the floating-point mode of the thread that made it. */
static void test_the_time_line_does_not_fault_while_exceptions_are_unmasked(void) {
#if defined(__x86_64__)
    vc_ma_config config = plain();
    config.samplerate_hz = 44100; /* its frames are no whole number of nanoseconds */
    device at = open_device(&config);
    for (int i = 0; i < 5; i++) {
        now_ns += 1234567;
        unsigned before = _mm_getcsr(), unmasked = before & ~(0x3fu << 7) & ~0x3fu;
        _mm_setcsr(unmasked);
        call(&at);
        unsigned after = _mm_getcsr();
        _mm_setcsr(before);
        CHECK_INT(after, unmasked);
    }
    CHECK_INT(calls, 5);
    vc_ma_io_free(at.io);
#endif
}

static void test_no_engine_is_called_after_a_detach(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    call(&at);
    uint64_t turn = vc_port_turn(vc_ma_io_port(at.io));
    CHECK_INT(turn % 2, 0);
    detach(at.io);
    call(&at);
    CHECK_INT(calls, 1);
    CHECK_SILENT(output, 2, FRAMES);
    CHECK_INT(vc_port_turn(vc_ma_io_port(at.io)), turn + 2);
    vc_ma_io_free(at.io);
}

static void test_another_period_than_promised_is_silence(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    vc_ma_io_attach(at.io, engine, (vc_ma_frames){.period_frames = FRAMES}, false);
    vc_ma_counts counts;
    vc_ma_data(&at, output, NULL, FRAMES / 2);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(calls, 0);
    CHECK_SILENT(output, 2, FRAMES / 2);
    CHECK_INT(counts.resized, FRAMES / 2);
    vc_ma_io_free(at.io);
}

static void test_a_device_without_user_data_is_left_alone(void) {
    device at = {.io = NULL};
    struct {
        const void *at;
        int32_t type;
    } told = {&at, VC_MA_REROUTED};
    vc_ma_data(&at, output, NULL, FRAMES);
    vc_ma_notify(&told);
}

static void test_notifications_are_counted(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    struct {
        const void *at;
        int32_t type;
    } told = {&at, VC_MA_REROUTED};
    vc_ma_notify(&told);
    now_ns += 5;
    vc_ma_notify(&told);
    told.type = 99;
    vc_ma_notify(&told);
    vc_ma_counts counts;
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.notifications[VC_MA_REROUTED], 2);
    CHECK_INT(counts.notified_ns[VC_MA_REROUTED], now_ns);
    CHECK_INT(counts.notifications[VC_MA_STOPPED], 0);
    CHECK(!counts.gone);
    vc_ma_gone(at.io);
    vc_ma_io_count(at.io, &counts);
    CHECK(counts.gone);
    vc_ma_io_free(at.io);
}

/* ---- JACK ------------------------------------------------------------------------------------ */

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

static uint32_t latencies[2]; /* by jack_latency_callback_mode_t: capture, playback */
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
    jack_frames = UINT32_MAX - FRAMES; /* it wraps in the second cycle */
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

static void test_jacks_time_is_taken_and_unwrapped(void) {
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
    CHECK_INT(latencies_asked, 0); /* there is no engine */
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

static void test_latencies_that_jack_does_not_know(void) {
    vc_ma_config config = with_jack();
    config.input = (vc_ma_direction){ALL, 2, 2, 7, 5};
    latencies[1] = UINT32_MAX;
    for (int way = 0; way < 3; way++) { /* nonsense; no port; no such function */
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

static void test_the_cycle_in_which_jack_was_connected_is_silent(void) {
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

static void test_the_duplex_ring_is_emptied_also_when_the_next_cycle_is_the_first(void) {
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
        ring_held = 3 * FRAMES; /* miniaudio fills it when it starts the device */
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

static void test_jackds_own_clock_is_not_ours(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    for (int64_t i = 0; i < 20000; i++) { /* 20 s, in which 20 ppm are 400 us */
        int64_t begin_ns = now_ns;
        jack_us = (uint64_t)(now_ns + 145000000 + now_ns / 50000) / 1000;
        now_ns += i % 7 * 10000; /* the call comes somewhat later */
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

static void test_pipewires_times_are_taken(void) {
    vc_ma_config config = with_jack();
    config.jack.exact_times = true;
    device at = open_device(&config);
    for (int64_t i = 0; i < 100; i++) {
        int64_t begin_ns = now_ns;
        now_ns += 500000 + i % 7 * 50000; /* after other clients, and not always as long */
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
            jack_frames = 100; /* back, */
        } else if (i == 6) {
            jack_frames += 2000000; /* and ahead without time having passed */
        }
    }
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    vc_ma_io_free(at.io);
}

/* jackd after a stall: its counter goes on as if nothing had been, its times lag behind by what the
 * stall took and catch up slowly. */
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

static void test_what_a_stalled_jack_server_loses_is_counted(void) {
    stall(1000 * PERIOD_NS, false);
    stall(PERIOD_NS * 3 / 2, false);
    stall(PERIOD_NS / 2, true); /* less than a period: when the server says so */
}

static void test_a_late_call_of_jack_is_no_loss(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 100; i++) {
        int64_t late_ns = i % 3 == 1 ? PERIOD_NS * 9 / 10 : 0;
        if (i % 10 == 0) {
            vc_ma_overload(at.io); /* another client's */
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
    for (int64_t i = 1; i < 50; i++) { /* each as if it came in time: PipeWire's null sink */
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

static void test_a_jack_that_does_not_answer(void) {
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

static void test_the_duplex_ring_is_emptied_before_the_engine_comes(void) {
    vc_ma_config config = with_jack();
    device at = open_device(&config);
    detach(at.io);
    ring_held = 5 * FRAMES;
    call(&at);
    CHECK_INT(ring_held, FRAMES); /* those that this call has, and gives back */
    vc_ma_io_attach(at.io, engine, ANY, false);
    ring_held = 2 * FRAMES;
    call(&at);
    CHECK_INT(ring_held, 2 * FRAMES);
    vc_ma_io_free(at.io);
}

/* ---- PulseAudio ------------------------------------------------------------------------------ */

static vc_pulse_info pulse_info;
static bool pulse_answers;
static int pulse_asked;
static const int64_t REAL_NS = 1000000000000; /* the real-time clock is so far from ours */

static const vc_pulse_info *get_info(void *stream) VC_REALTIME;
static const vc_pulse_info *get_info(void *stream) {
    (void)stream;
    return pulse_answers ? &pulse_info : NULL;
}
static void *update_info(void *stream, void *callback, void *user) VC_REALTIME;
static void *update_info(void *stream, void *callback, void *user) {
    (void)callback, (void)user;
    pulse_asked++;
    return stream;
}
static void unref_operation(void *operation) VC_REALTIME;
static void unref_operation(void *operation) { (void)operation; }
static int64_t real_clock(void) VC_REALTIME;
static int64_t real_clock(void) { return now_ns + REAL_NS; }

static vc_ma_config with_pulse(void) {
    vc_ma_config config = plain();
    config.pulse = (vc_ma_pulse){.info = get_info,
                                 .update = update_info,
                                 .unref = unref_operation,
                                 .stream = &pulse_info,
                                 .is_playback = true,
                                 .frame_bytes = 8,
                                 .real_ns = real_clock};
    pulse_info = (vc_pulse_info){.playing = 1, .sink_us = 20000};
    pulse_answers = false;
    pulse_asked = 0;
    return config;
}

/* The server has played so many frames by now, and since its last break so many. */
static void pulse_says(int64_t played, int64_t unbroken) {
    pulse_info.timestamp.s = real_clock() / 1000000000;
    pulse_info.timestamp.us = real_clock() / 1000 % 1000000;
    pulse_info.read_index = played * 8;
    pulse_info.since_underrun = unbroken * 8;
    pulse_answers = true;
}

static void test_pulseaudio_says_when_a_frame_is_heard(void) {
    vc_ma_config config = with_pulse();
    device at = open_device(&config);
    int64_t shortest, longest;
    call(&at);
    CHECK(!vc_ma_io_measured(at.io, &shortest, &longest));
    CHECK_INT(pulse_asked, 1);
    for (int64_t i = 1; i < 100; i++) {
        pulse_info.write_index = i * FRAMES * 8; /* 3 periods are in the server's buffer */
        now_ns += PERIOD_NS;
        pulse_says((i - 3) * FRAMES, (i - 3) * FRAMES);
        call(&at);
        if (i > 3) {
            CHECK_INT(seen.output_time.host_ns, now_ns + 3 * PERIOD_NS + 20000000);
        }
    }
    CHECK(vc_ma_io_measured(at.io, &shortest, &longest));
    CHECK_INT(shortest, 23 * FRAMES);
    CHECK_INT(longest, 23 * FRAMES);
    CHECK_INT(pulse_asked, 2);
    vc_ma_io_free(at.io);
}

static void test_a_break_that_pulseaudio_tells_of_is_lost_and_nothing_else(void) {
    vc_ma_config config = with_pulse();
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    int64_t written = FRAMES, ahead = 0; /* which the server has played beyond `written` */
    for (int i = 0; i < 40; i++) {
        if (i == 10) {
            now_ns += 4 * PERIOD_NS; /* it comes late, and there was enough in the buffer */
            ahead += 4 * FRAMES;
            pulse_says(written + ahead, written + ahead);
        } else if (i == 20) {
            now_ns += 7 * PERIOD_NS; /* of which the server had nothing for 7 */
            pulse_says(written + ahead, FRAMES);
        } else if (i == 30) {
            now_ns += 2 * PERIOD_NS; /* another sink, which is later: no break */
            pulse_says(written + ahead, FRAMES * 11);
        } else {
            pulse_says(written + ahead, i < 20 ? written + ahead : FRAMES * (i - 19));
        }
        pulse_info.write_index = written * 8;
        call(&at);
        written += FRAMES;
        now_ns += PERIOD_NS;
        vc_ma_io_count(at.io, &counts);
        CHECK_INT(counts.lost_frames, i < 20 ? 0 : 7 * FRAMES);
    }
    vc_ma_io_free(at.io);
}

/* ---- several threads ------------------------------------------------------------------------- */

static _Atomic bool ended;
static device shared;

static void *cycles(void *unused) {
    (void)unused;
    while (!ended) {
        vc_ma_data(&shared, output, NULL, FRAMES);
    }
    return NULL;
}

static void *notifies(void *unused) {
    (void)unused;
    struct {
        const void *at;
        int32_t type;
    } told = {&shared, VC_MA_REROUTED};
    for (int i = 0; i < 1000; i++) {
        vc_ma_notify(&told);
        vc_message_jack("a thread says something");
    }
    return NULL;
}

static void test_attach_and_detach_beside_a_running_device(void) {
    vc_ma_config config = plain();
    config.clock_ns = NULL;
    shared = open_device(&config);
    pthread_t threads[3];
    ended = false;
    pthread_create(&threads[0], NULL, cycles, NULL);
    pthread_create(&threads[1], NULL, notifies, NULL);
    pthread_create(&threads[2], NULL, notifies, NULL);
    char text[VC_MESSAGE_BYTES];
    for (int i = 0; i < 200; i++) {
        detach(shared.io);
        calls = 0; /* nobody else has it: ThreadSanitizer would say so */
        while (vc_message_take(text)) {
            CHECK(strcmp(text, "a thread says something") == 0);
        }
        vc_ma_io_attach(shared.io, engine, ANY, false);
    }
    ended = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    vc_ma_counts counts;
    vc_ma_io_count(shared.io, &counts);
    CHECK_INT(counts.notifications[VC_MA_REROUTED], 2000);
    vc_ma_io_free(shared.io);
    while (vc_message_take(text)) {
    }
}

static void test_messages_come_in_order_and_are_cut(void) {
    char text[VC_MESSAGE_BYTES], line[2 * VC_MESSAGE_BYTES];
    CHECK(!vc_message_take(text));
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    vc_message_alsa("file.c", 1, "function", -2, "cannot open %s: %d", "hw:0", -2);
    vc_message_jack(line);
    CHECK(vc_message_take(text));
    CHECK(strcmp(text, "cannot open hw:0: -2") == 0);
    CHECK(vc_message_take(text));
    CHECK_INT(strlen(text), VC_MESSAGE_BYTES - 1);
    for (int i = 0; i < 2 * VC_MESSAGES; i++) {
        vc_message_jack("many");
    }
    int taken = 0;
    while (vc_message_take(text)) {
        taken++;
    }
    CHECK_INT(taken, VC_MESSAGES);
}

int main(void) {
    RUN(test_frames_go_through_as_they_are);
    RUN(test_channels_are_mapped_and_the_others_silent);
    RUN(test_equally_far_channels_need_no_list);
    RUN(test_the_time_line_runs_along_the_earliest_calls);
    RUN(test_a_buffer_is_filled_in_a_burst);
    RUN(test_what_is_later_than_the_buffer_was_lost);
    RUN(test_a_slow_device_loses_nothing);
    RUN(test_a_server_that_begins_to_play_later_loses_nothing);
    RUN(test_time_goes_on_while_the_device_stands);
    RUN(test_the_time_line_does_not_fault_while_exceptions_are_unmasked);
    RUN(test_no_engine_is_called_after_a_detach);
    RUN(test_another_period_than_promised_is_silence);
    RUN(test_a_device_without_user_data_is_left_alone);
    RUN(test_notifications_are_counted);
    RUN(test_jacks_time_is_taken_and_unwrapped);
    RUN(test_jack_is_asked_for_latencies_once_in_each_run);
    RUN(test_latencies_that_jack_does_not_know);
    RUN(test_cycles_that_jack_skipped_are_lost);
    RUN(test_a_jack_cycle_in_parts);
    RUN(test_the_cycle_in_which_jack_was_connected_is_silent);
    RUN(test_the_duplex_ring_is_emptied_also_when_the_next_cycle_is_the_first);
    RUN(test_the_duplex_ring_is_emptied_in_each_run);
    RUN(test_jackds_own_clock_is_not_ours);
    RUN(test_pipewires_times_are_taken);
    RUN(test_a_jack_counter_that_is_restarted_loses_nothing);
    RUN(test_what_a_stalled_jack_server_loses_is_counted);
    RUN(test_a_late_call_of_jack_is_no_loss);
    RUN(test_cycles_that_pipewire_catches_up_with_are_not_lost);
    RUN(test_jack_with_another_period_is_followed_and_asked_for_latencies_again);
    RUN(test_another_rate_is_silence);
    RUN(test_pulseaudio_says_when_a_frame_is_heard);
    RUN(test_a_break_that_pulseaudio_tells_of_is_lost_and_nothing_else);
    RUN(test_a_jack_that_does_not_answer);
    RUN(test_the_duplex_ring_is_emptied_before_the_engine_comes);
    RUN(test_attach_and_detach_beside_a_running_device);
    RUN(test_messages_come_in_order_and_are_cut);
    return check_summary();
}
