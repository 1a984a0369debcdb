/* Tests how the callbacks for miniaudio convert frames and times to a cycle and back. */
#include "messages.h"
#include "miniaudio_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static void test_frames_are_passed_unchanged(void) {
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

static void test_channels_are_mapped_and_the_others_are_silent(void) {
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

static void test_equally_spaced_channels_need_no_list(void) {
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

static void test_the_time_line_follows_the_earliest_calls(void) {
    vc_ma_config config = plain();
    device at = open_device(&config);
    now_ns += 300000; /* the first call is late */
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
        call(&at); /* all three calls come at the same time */
    }
    for (int i = 3; i < 10; i++) {
        now_ns = began_ns + (i - 2) * PERIOD_NS;
        call(&at);
        CHECK_INT(seen.now.sample_frames, i * FRAMES);
        CHECK_NEAR(seen.now.host_ns, now_ns, 2000);
    }
    vc_ma_io_free(at.io);
}

static void test_frames_later_than_the_buffer_are_lost(void) {
    vc_ma_config config = plain();
    config.slack_frames = 3 * FRAMES;
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    now_ns += 4 * PERIOD_NS; /* 3 periods late, which is the length of the buffer */
    call(&at);
    CHECK_INT(seen.now.sample_frames, FRAMES);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    int64_t before = seen.now.sample_frames;
    now_ns += 3 * PERIOD_NS; /* now 5 periods late */
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_NEAR(counts.lost_frames, 2 * FRAMES, 1);
    CHECK_INT(seen.now.sample_frames, before + FRAMES + (int64_t)counts.lost_frames);
    vc_ma_io_free(at.io);
}

/* The device's clock is slow by 0.01 %, so each call is a little later than the one before. */
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

static void test_a_server_that_starts_to_play_later_loses_nothing(void) {
    vc_ma_config config = plain();
    config.slack_frames = 3 * FRAMES;
    config.settle_frames = 10 * FRAMES;
    device at = open_device(&config);
    vc_ma_counts counts;
    for (int i = 0; i < 3; i++) {
        call(&at); /* fills the buffer */
    }
    /* The server starts to play only now, so this call comes 4 periods after the buffer's end. */
    now_ns += 7 * PERIOD_NS;
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_INT(counts.lost_frames, 0);
    CHECK_INT(seen.now.sample_frames, 3 * FRAMES);
    now_ns += PERIOD_NS;
    call(&at);
    CHECK_INT(seen.now.sample_frames, 4 * FRAMES);
    now_ns += 5 * PERIOD_NS; /* after the settling time, a late call is a loss again */
    call(&at);
    vc_ma_io_count(at.io, &counts);
    CHECK_NEAR(counts.lost_frames, 4 * FRAMES, 1);
    vc_ma_io_free(at.io);
}

static void test_time_continues_while_the_device_is_stopped(void) {
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

/* A thread inherits the floating-point mode of its creator, which may have unmasked exceptions. */
static void test_the_time_line_does_not_fault_while_exceptions_are_unmasked(void) {
#if defined(__x86_64__)
    vc_ma_config config = plain();
    config.samplerate_hz = 44100; /* a frame is no whole number of ns */
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

static void test_a_device_without_user_data_is_not_changed(void) {
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

static void test_attach_and_detach_while_the_device_runs(void) {
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
        calls = 0; /* ThreadSanitizer reports a race if another thread uses `calls` now */
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
    RUN(test_frames_are_passed_unchanged);
    RUN(test_channels_are_mapped_and_the_others_are_silent);
    RUN(test_equally_spaced_channels_need_no_list);
    RUN(test_the_time_line_follows_the_earliest_calls);
    RUN(test_a_buffer_is_filled_in_a_burst);
    RUN(test_frames_later_than_the_buffer_are_lost);
    RUN(test_a_slow_device_loses_nothing);
    RUN(test_a_server_that_starts_to_play_later_loses_nothing);
    RUN(test_time_continues_while_the_device_is_stopped);
    RUN(test_the_time_line_does_not_fault_while_exceptions_are_unmasked);
    RUN(test_no_engine_is_called_after_a_detach);
    RUN(test_another_period_than_promised_is_silence);
    RUN(test_a_device_without_user_data_is_not_changed);
    RUN(test_notifications_are_counted);
    RUN(test_attach_and_detach_while_the_device_runs);
    RUN(test_messages_come_in_order_and_are_cut);
    return check_summary();
}
