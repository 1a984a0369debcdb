/* Clips at other rates, with loop points, fades and times, from memory and from a ring. */
#include "mixer_bench.h"

#include <math.h>

enum { LENGTH = 700 };

static const vc_clip_options PLAIN = {.loop_end = LENGTH, .loops = 1, .end = LENGTH, .rate = 1.0};

/* A line, which the interpolation keeps exactly but for roundings. */
static float *line(uint32_t frames) {
    float *data = malloc((size_t)frames * 2 * sizeof(float));
    for (uint32_t i = 0; i < frames * 2; i++) {
        data[i] = 1.0f + (float)(i / 2) / 1024.0f;
    }
    return data;
}

/* Plays a clip to its end in blocks of a size that changes. */
static void play_out(bench *b) {
    while (b->result == VC_CONTINUE && b->heard < MOST - 32) {
        mix(b, 1 + b->heard % 31);
    }
    CHECK_INT(b->result, VC_STOP);
}

/* The frame of the line that is heard at a frame of the mixer. */
static double frame_at(const bench *b, uint32_t frame) {
    return ((double)at(b, frame)[1] - 1.0) * 1024.0;
}

static void every_rate_ends_after_all_frames(void) {
    static const double rates[] = {0.2, 0.37, 0.999, 1.0, 1.37, 2.0, 9.3, 99.0};
    for (int ring = 0; ring <= 1; ring++) {
        for (int i = 0; i < 8; i++) {
            bench *b = bench_make(1, true);
            float *data = line(LENGTH);
            vc_ring *from = vc_ring_new(1024, 2);
            vc_ring_write(from, data, LENGTH);
            vc_ring_end(from);
            vc_clip *clip = ring ? vc_clip_from_ring(from, VC_CLIP_NOW, 1.0f)
                                 : vc_clip_from_memory(data, LENGTH, 2, 1, VC_CLIP_NOW, 1.0f);
            vc_clip_options options = PLAIN;
            options.rate = rates[i];
            vc_clip_set_options(clip, &options);
            vc_mixer_add(b->mixer, clip);
            play_out(b);
            CHECK_INT(b->content, (uint32_t)ceil((double)LENGTH / rates[i]));
            for (uint32_t f = 0; f < b->content; f++) {
                double wanted = rates[i] * f;
                if (wanted >= 1.0 && wanted < (double)LENGTH - 2.0) {
                    CHECK_NEAR(frame_at(b, f), wanted, 1e-3);
                }
            }
            CHECK_INT(vc_clip_position(clip), LENGTH);
            CHECK_INT(vc_clip_starved_frames(clip), 0);
            uint32_t moves;
            uint32_t half = b->content / 2;
            CHECK_NEAR((double)vc_clip_heard(clip, half, &moves), floor(rates[i] * half), 1.0);
            CHECK_INT(vc_clip_heard(clip, b->heard, &moves), LENGTH);
            bench_free(b);
            vc_ring_free(from);
            free(data);
        }
    }
}

/* The rate moves up and back to 1 while a ring is filled late. No frame is lost. */
static void a_rate_that_moves_loses_no_frame(void) {
    bench *b = bench_make(1, true);
    vc_ring *ring = vc_ring_new(64, 2);
    float *data = line(LENGTH);
    vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
    uint32_t written = 0, starved = 0;
    double last = 0.0;
    vc_mixer_add(b->mixer, clip);
    while (b->result == VC_CONTINUE && b->heard < MOST - 32) {
        uint32_t room = b->heard % 3 ? 20 : 3;
        room = LENGTH - written < room ? LENGTH - written : room;
        written += vc_ring_write(ring, data + (size_t)written * 2, room);
        if (written == LENGTH) {
            vc_ring_end(ring);
        }
        if (b->heard == 160 || b->heard == 320) {
            vc_clip_set_rate(clip, b->heard == 160 ? 1.75 : 1.0, 100);
        }
        mix(b, 16);
        for (uint32_t f = b->heard - 16; f < b->heard; f++) {
            if (at(b, f)[0] == 0.0f) {
                starved++;
            } else if (last < (double)LENGTH - 3.0) {
                CHECK(f == 0 || (frame_at(b, f) - last > 0.99 && frame_at(b, f) - last < 1.76));
                last = frame_at(b, f);
            }
        }
    }
    CHECK(vc_clip_starved_frames(clip) > 0 && starved >= vc_clip_starved_frames(clip));
    CHECK(last >= (double)LENGTH - 3.0);
    CHECK_INT(vc_clip_position(clip), LENGTH);
    bench_free(b);
    vc_ring_free(ring);
    free(data);
}

/* The frame of a clip of LENGTH frames for a position that is counted over all passes. */
static uint64_t unrolled(const vc_clip_options *options, uint64_t position) {
    uint64_t frame = 0, loops = options->loops;
    for (uint64_t i = 0; i < position; i++) {
        frame++;
        if (frame == options->loop_end && loops != 1) {
            frame = options->loop_begin;
            loops -= loops != 0;
        }
    }
    return frame;
}

static void loops_begin_and_end_at_their_points(void) {
    static const uint32_t loops[] = {0, 1, 2, 3}, starts[] = {0, 30, 79, 120, 250};
    for (int l = 0; l < 4; l++) {
        for (int s = 0; s < 5; s++) {
            for (int rate = 1; rate <= 2; rate++) {
                bench *b = bench_make(1, true);
                float *data = coded(LENGTH, 0);
                vc_clip_options options = PLAIN;
                options.loops = loops[l];
                options.loop_begin = 40;
                options.loop_end = 90;
                options.start = starts[s];
                options.rate = rate;
                vc_clip *clip = vc_clip_from_memory(data, LENGTH, 2, 1, VC_CLIP_NOW, 1.0f);
                vc_clip_set_options(clip, &options);
                vc_mixer_add(b->mixer, clip);
                mix_until(b, 320, 16);
                for (uint32_t f = 0; f < 320; f++) {
                    uint64_t frame = unrolled(&options, starts[s] + (uint64_t)f * (uint64_t)rate);
                    float wanted = frame < LENGTH ? code((int64_t)frame, 1) : 0.0f;
                    CHECK_NEAR(at(b, f)[1], wanted, 1e-9);
                }
                uint64_t reached = starts[s] + 320 * (uint64_t)rate;
                uint64_t all = loops[l] ? LENGTH + (loops[l] - 1) * 50 : UINT64_MAX;
                CHECK_INT(vc_clip_position(clip), reached < all ? reached : all);
                vc_mixer_stop(b->mixer, clip, 0);
                mix(b, 16);
                bench_free(b);
                free(data);
            }
        }
    }
}

static void mix_at(vc_mixer *mixer, float *out, int64_t first_ns) {
    vc_block block = {
        .frames = 16,
        .valid_frames = 16,
        .samplerate_hz = 1e6, /* 1 us for each frame */
        .output_time = {.host_ns = first_ns, .valid = VC_TIME_HOST},
        .output = {.data = out, .frame_stride = 2, .channel_stride = 1, .channels = 2}};
    memset(out, 0, 16 * 2 * sizeof(float));
    vc_mixer_process(&block, mixer);
}

/* A clip begins at the frame that is nearest to its time, in the block that contains it. */
static void clips_begin_at_their_host_time(void) {
    for (int64_t time = 984000; time < 1050000; time += 500) {
        vc_mixer *mixer = vc_mixer_new(2, 1, true);
        float *data = ones(4), out[16 * 2];
        vc_clip_options options = PLAIN;
        options.when = VC_WHEN_HOST;
        options.at = time;
        options.loop_end = options.end = 4;
        vc_clip *clip = vc_clip_from_memory(data, 4, 2, 1, VC_CLIP_NOW, 1.0f);
        vc_clip_set_options(clip, &options);
        vc_mixer_add(mixer, clip);
        for (int64_t i = 0; i < 6; i++) {
            mix_at(mixer, out, 1000000 + i * 16000);
        }
        int64_t wanted = time <= 1000000 ? 0 : (time - 1000000 + 500) / 1000;
        CHECK_INT(vc_clip_started_at(clip), wanted);
        CHECK_INT(vc_clip_started_ns(clip), 1000000 + wanted * 1000);
        CHECK_INT(vc_clip_late_ns(clip), time < 999500 ? 1000000 - time : 0);
        CHECK_INT(vc_mixer_next_ns(mixer), 1000000 + 6 * 16000);
        CHECK(vc_mixer_collect(mixer) == clip);
        vc_clip_free(clip);
        vc_mixer_free(mixer);
        free(data);
    }
}

static void a_clip_that_is_too_late_is_left_out(void) {
    for (int64_t late = VC_SKIPPED_NS - 1; late <= VC_SKIPPED_NS; late++) {
        vc_mixer *mixer = vc_mixer_new(2, 1, true);
        float *data = ones(4), out[16 * 2];
        vc_clip_options options = PLAIN;
        options.when = VC_WHEN_HOST;
        options.at = 5000000 - late;
        options.skips_late = true;
        options.loop_end = options.end = 4;
        vc_clip *clip = vc_clip_from_memory(data, 4, 2, 1, VC_CLIP_NOW, 1.0f);
        vc_clip_set_options(clip, &options);
        vc_mixer_add(mixer, clip);
        mix_at(mixer, out, 5000000);
        bool skipped = late == VC_SKIPPED_NS;
        CHECK_INT(vc_clip_get_state(clip), skipped ? VC_CLIP_LATE : VC_CLIP_DONE);
        CHECK_NEAR(out[0], skipped ? 0.0 : 1.0, 0);
        CHECK_INT(vc_clip_late_ns(clip), late);
        CHECK(vc_mixer_collect(mixer) == clip);
        vc_clip_free(clip);
        vc_mixer_free(mixer);
        free(data);
    }
}

/* A clip whose time comes before its ring is filled begins late, and says so. */
static void a_clip_that_waits_for_its_file_is_late(void) {
    vc_mixer *mixer = vc_mixer_new(2, 1, true);
    vc_ring *ring = vc_ring_new(64, 2);
    float *data = ones(20), out[16 * 2];
    vc_clip_options options = {.when = VC_WHEN_FRAME, .at = 4, .rate = 1.0};
    vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
    vc_clip_prefill(clip, 20);
    vc_clip_set_options(clip, &options);
    vc_mixer_add(mixer, clip);
    mix_at(mixer, out, 1000000);
    mix_at(mixer, out, 1016000);
    vc_ring_write(ring, data, 20);
    mix_at(mixer, out, 1032000);
    CHECK_INT(vc_clip_started_at(clip), 32);
    CHECK_INT(vc_clip_late_ns(clip), 28000);
    vc_ring_end(ring);
    mix_at(mixer, out, 1048000);
    CHECK(vc_mixer_collect(mixer) == clip);
    vc_clip_free(clip);
    vc_mixer_free(mixer);
    vc_ring_free(ring);
    free(data);
}

int main(void) {
    RUN(every_rate_ends_after_all_frames);
    RUN(a_rate_that_moves_loses_no_frame);
    RUN(loops_begin_and_end_at_their_points);
    RUN(clips_begin_at_their_host_time);
    RUN(a_clip_that_is_too_late_is_left_out);
    RUN(a_clip_that_waits_for_its_file_is_late);
    return check_summary();
}
