/* Times and losses with miniaudio on PulseAudio. */
#include "miniaudio_rig.h"

static vc_pulse_info pulse_info;
static bool pulse_answers;
static int pulse_asked;
static const int64_t REAL_NS =
    1000000000000; /* difference between the real-time clock and the monotonic clock */

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
static int64_t set_by_ns; /* by how much the real-time clock was set since the start */
static int64_t real_clock(void) VC_REALTIME;
static int64_t real_clock(void) { return now_ns + REAL_NS + set_by_ns; }

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

/* Sets the numbers that the server reports: frames played so far, and since the last underrun. */
static void pulse_says(int64_t played, int64_t unbroken) {
    pulse_info.timestamp.s = real_clock() / 1000000000;
    pulse_info.timestamp.us = real_clock() / 1000 % 1000000;
    pulse_info.read_index = played * 8;
    pulse_info.since_underrun = unbroken * 8;
    pulse_answers = true;
}

static void test_pulseaudio_reports_when_a_frame_is_heard(void) {
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

static void test_only_underruns_that_pulseaudio_reports_are_lost(void) {
    vc_ma_config config = with_pulse();
    device at = open_device(&config);
    vc_ma_counts counts;
    call(&at);
    int64_t written = FRAMES, ahead = 0; /* frames played beyond `written` */
    for (int i = 0; i < 40; i++) {
        if (i == 10) {
            now_ns += 4 * PERIOD_NS; /* the call is late, but the buffer had enough frames */
            ahead += 4 * FRAMES;
            pulse_says(written + ahead, written + ahead);
        } else if (i == 20) {
            now_ns += 7 * PERIOD_NS; /* the server had no frames for 7 periods */
            pulse_says(written + ahead, FRAMES);
        } else if (i == 30) {
            now_ns += 2 * PERIOD_NS; /* now a sink with more latency, but no underrun */
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

static void test_times_stay_right_when_the_wall_clock_is_set(void) {
    vc_ma_config config = with_pulse();
    device at = open_device(&config);
    call(&at);
    for (int64_t i = 1; i < 100; i++) {
        pulse_info.write_index = i * FRAMES * 8;
        now_ns += PERIOD_NS;
        pulse_says((i - 3) * FRAMES, (i - 3) * FRAMES);
        if (i % 10 == 0) { /* after the report was made, and before it is read */
            set_by_ns += i % 20 ? 3600000000000 : -3600000000000;
        }
        call(&at);
        if (i > 3) {
            CHECK_INT(seen.output_time.host_ns, now_ns + 3 * PERIOD_NS + 20000000);
        }
    }
    set_by_ns = 0;
    vc_ma_io_free(at.io);
}

int main(void) {
    RUN(test_times_stay_right_when_the_wall_clock_is_set);
    RUN(test_pulseaudio_reports_when_a_frame_is_heard);
    RUN(test_only_underruns_that_pulseaudio_reports_are_lost);
    return check_summary();
}
