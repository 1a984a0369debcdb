/* Tests clips that play memory: their exact frames, loops, fades, several clips, and two threads.
 */
#include "mixer_bench.h"

#include <pthread.h>

/* Tests all starts, lengths and ends of clips around the boundaries of a block of 16 frames. */
static void clips_start_and_end_at_their_frame(void) {
    for (uint32_t start = 0; start < 40; start++) {
        for (uint32_t frames = 0; frames < 40; frames += 1 + frames / 18 * 3) {
            bench *b = bench_make(4, true);
            float *data = coded(frames, 0);
            vc_clip *clip = vc_clip_from_memory(data, frames, 2, 1, start, 1.0f);
            CHECK_INT(vc_clip_get_state(clip), VC_CLIP_NEW);
            CHECK(vc_mixer_add(b->mixer, clip));
            CHECK_INT(vc_clip_get_state(clip), VC_CLIP_QUEUED);
            do {
                mix(b, 16);
                vc_clip_state state = vc_clip_get_state(clip);
                CHECK_INT(state == VC_CLIP_QUEUED, b->heard <= start);
                CHECK_INT(state == VC_CLIP_DONE, b->result == VC_STOP);
            } while (b->result == VC_CONTINUE && b->heard < 200);
            CHECK_SILENT(b->out, 2, start);
            CHECK_CODED(at(b, start), 2, frames, 0);
            CHECK_SILENT(at(b, start + frames), 2, b->heard - start - frames);
            CHECK_INT(b->content, start + frames);
            CHECK_INT(vc_clip_position(clip), frames);
            if (frames) {
                CHECK_INT(vc_clip_started_at(clip), start);
            }
            CHECK_INT(vc_mixer_alive(b->mixer), 1);
            CHECK(vc_mixer_collect(b->mixer) == clip);
            CHECK(vc_mixer_collect(b->mixer) == NULL);
            vc_clip_free(clip);
            free(data);
            bench_free(b);
        }
    }
}

static void clips_for_now_or_the_past_begin_in_the_next_block(void) {
    static const int64_t starts[] = {VC_CLIP_NOW, VC_CLIP_NOW + 1, -5, 0, 31, 32};
    for (int i = 0; i < 6; i++) {
        bench *b = bench_make(1, false);
        float *data = coded(20, 0);
        mix(b, 32);
        CHECK_INT(b->content, 0);
        CHECK(vc_mixer_add(b->mixer, vc_clip_from_memory(data, 20, 2, 1, starts[i], 1.0f)));
        mix(b, 32);
        CHECK_SILENT(b->out, 2, 32);
        CHECK_CODED(at(b, 32), 2, 20, 0);
        CHECK_INT(b->content, 52);
        CHECK_INT(b->result, VC_CONTINUE);
        bench_free(b);
        free(data);
    }
}

static void loops_join_without_a_seam(void) {
    for (uint32_t frames = 1; frames < 40; frames += 6) {
        for (uint32_t loops = 1; loops < 5; loops++) {
            bench *b = bench_make(1, true);
            float *data = coded(frames, 0);
            vc_clip *clip = vc_clip_from_memory(data, frames, 2, loops, 5, 1.0f);
            vc_mixer_add(b->mixer, clip);
            while (b->result == VC_CONTINUE && b->heard < 1000) {
                mix(b, 16);
            }
            for (uint32_t i = 0; i < loops; i++) {
                CHECK_CODED(at(b, 5 + i * frames), 2, frames, 0);
            }
            CHECK_INT(b->content, 5 + loops * frames);
            CHECK_INT(vc_clip_position(clip), loops * frames);
            bench_free(b);
            free(data);
        }
    }
}

static void an_endless_loop_plays_until_a_stop(void) {
    bench *b = bench_make(1, true);
    float *data = coded(7, 0);
    vc_clip *clip = vc_clip_from_memory(data, 7, 2, 0, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    mix_until(b, 1600, 16);
    CHECK_INT(b->result, VC_CONTINUE);
    for (uint32_t i = 0; i < 1600 / 7; i++) {
        CHECK_CODED(at(b, i * 7), 2, 7, 0);
    }
    vc_mixer_stop(b->mixer, clip, 0);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_INT(b->content, 1600);
    bench_free(b);
    free(data);
}

/* An empty clip that loops for ever must not keep the IO thread in an endless loop. */
static void an_empty_clip_ends_however_often_it_loops(void) {
    static const uint64_t loops[] = {0, 1, 1000};
    for (int i = 0; i < 3; i++) {
        bench *b = bench_make(1, true);
        vc_mixer_add(b->mixer, vc_clip_from_memory(NULL, 0, 2, loops[i], VC_CLIP_NOW, 1.0f));
        mix(b, 16);
        CHECK_INT(b->result, VC_STOP);
        CHECK_INT(b->content, 0);
        bench_free(b);
    }
}

/* The first frame of a fade has the full gain. The gain reaches 0 at the frame after the last one.
 */
static void fades_are_straight_and_exactly_as_long_as_asked(void) {
    static const uint32_t fades[] = {0, 1, 2, 15, 16, 17, 40, 1000};
    for (int i = 0; i < 8; i++) {
        for (float gain = -0.5f; gain <= 1.0f; gain += 1.5f) {
            bench *b = bench_make(1, true);
            float *data = ones(2000);
            vc_clip *clip = vc_clip_from_memory(data, 2000, 2, 1, VC_CLIP_NOW, gain);
            vc_mixer_add(b->mixer, clip);
            mix(b, 16);
            vc_mixer_stop(b->mixer, clip, fades[i]);
            while (b->result == VC_CONTINUE && b->heard < MOST - 16) {
                mix(b, 16);
            }
            uint32_t end = 16 + fades[i];
            CHECK_INT(b->content, end);
            for (uint32_t f = 0; f < end; f++) {
                float left = f < 16 ? 1.0f : (float)(end - f) / (float)fades[i];
                CHECK_NEAR(at(b, f)[0], gain * left, 1e-5);
                CHECK_NEAR(at(b, f)[1], gain * left, 1e-5);
            }
            CHECK_SILENT(at(b, end), 2, b->heard - end);
            CHECK_INT(vc_clip_position(clip), end);
            bench_free(b);
            free(data);
        }
    }
}

static void a_fade_longer_than_the_clip_ends_with_it(void) {
    bench *b = bench_make(1, true);
    float *data = ones(24);
    vc_clip *clip = vc_clip_from_memory(data, 24, 2, 1, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    vc_mixer_stop(b->mixer, clip, 100);
    mix(b, 16);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_INT(b->content, 24);
    CHECK_NEAR(at(b, 23)[0], 0.77, 1e-5);
    bench_free(b);
    free(data);
}

/* A second stop can shorten a running fade, which continues from its current level. A second stop
 * cannot make a fade longer. */
static void a_second_stop_hurries_a_fade(void) {
    bench *b = bench_make(1, true);
    float *data = ones(2000);
    vc_clip *clip = vc_clip_from_memory(data, 2000, 2, 1, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    vc_mixer_stop(b->mixer, clip, 64);
    mix(b, 32);
    vc_mixer_stop(b->mixer, clip, 1000);
    vc_mixer_stop(b->mixer, clip, 8);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_INT(b->content, 40);
    CHECK_NEAR(at(b, 31)[0], 33.0 / 64, 1e-5);
    CHECK_NEAR(at(b, 32)[0], 0.5, 1e-5);
    CHECK_NEAR(at(b, 39)[0], 0.5 / 8, 1e-5);
    bench_free(b);
    free(data);
}

static void a_stop_before_the_start_plays_nothing(void) {
    for (uint32_t start = 1; start < 40; start++) {
        bench *b = bench_make(1, true);
        float *data = ones(100);
        vc_clip *clip = vc_clip_from_memory(data, 100, 2, 1, start, 1.0f);
        vc_mixer_add(b->mixer, clip);
        vc_mixer_stop(b->mixer, clip, 20);
        mix(b, 16);
        CHECK_INT(b->result, VC_STOP);
        CHECK_INT(b->content, 0);
        CHECK_SILENT(b->out, 2, 16);
        CHECK_INT(vc_clip_get_state(clip), VC_CLIP_DONE);
        CHECK_INT(vc_clip_position(clip), 0);
        bench_free(b);
        free(data);
    }
}

static void a_stop_of_a_clip_that_was_paused_before_its_start_plays_nothing(void) {
    bench *b = bench_make(1, true);
    float *data = ones(100);
    vc_clip *clip = vc_clip_from_memory(data, 100, 2, 1, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    vc_clip_set_pause(clip, true, 8);
    vc_mixer_stop(b->mixer, clip, 20);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_INT(b->content, 0);
    CHECK_SILENT(b->out, 2, 16);
    CHECK_INT(vc_clip_position(clip), 0);
    bench_free(b);
    free(data);
}

static void a_stop_that_comes_too_late_is_ignored(void) {
    bench *b = bench_make(2, false);
    float *data = ones(10);
    vc_clip *clip = vc_clip_from_memory(data, 10, 2, 1, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    mix(b, 16);
    vc_mixer_stop(b->mixer, clip, 5);
    mix(b, 16);
    CHECK(vc_mixer_collect(b->mixer) == clip);
    CHECK(vc_mixer_collect(b->mixer) == NULL);
    vc_clip_free(clip);
    bench_free(b);
    free(data);
}

/* ---- several ----------------------------------------------------------------------------------
 */

static void overlapping_clips_add_up(void) {
    enum { CLIPS = 12, LENGTH = 50 };
    bench *b = bench_make(CLIPS, true);
    float *data[CLIPS];
    double wanted[MOST] = {0};
    for (uint32_t i = 0; i < CLIPS; i++) {
        data[i] = coded(LENGTH, i * 100);
        uint32_t start = i * 13;
        vc_mixer_add(b->mixer, vc_clip_from_memory(data[i], LENGTH, 2, 1, start, 0.5f));
        for (uint32_t f = 0; f < LENGTH; f++) {
            wanted[start + f] += 0.5 * (double)data[i][f * 2];
        }
    }
    while (b->result == VC_CONTINUE && b->heard < 1000) {
        mix(b, 16);
    }
    for (uint32_t f = 0; f < b->heard; f++) {
        check_that((double)at(b, f)[0] == wanted[f], __FILE__, __LINE__, "frame %u: %g, not %g", f,
                   (double)at(b, f)[0], wanted[f]);
    }
    CHECK_INT(b->content, (CLIPS - 1) * 13 + LENGTH);
    bench_free(b);
    for (uint32_t i = 0; i < CLIPS; i++) {
        free(data[i]);
    }
}

static void capacity_is_limited_and_regained(void) {
    enum { CAPACITY = 5 };
    bench *b = bench_make(CAPACITY, false);
    float *data = ones(16);
    vc_clip *extra = vc_clip_from_memory(data, 16, 2, 1, VC_CLIP_NOW, 1.0f);
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < CAPACITY; i++) {
            vc_clip *clip = vc_clip_from_memory(data, 16, 2, 1, VC_CLIP_NOW, 1.0f);
            CHECK(vc_mixer_add(b->mixer, clip));
        }
        CHECK(!vc_mixer_add(b->mixer, extra));
        CHECK_INT(vc_clip_get_state(extra), VC_CLIP_NEW);
        mix(b, 16);
        CHECK_NEAR(at(b, b->heard - 1)[1], CAPACITY, 0);
        CHECK_INT(vc_mixer_alive(b->mixer), CAPACITY);
        CHECK(!vc_mixer_add(b->mixer, extra)); /* the clips must be collected first */
        vc_clip *clip;
        while ((clip = vc_mixer_collect(b->mixer)) != NULL) {
            vc_clip_free(clip);
        }
        CHECK_INT(vc_mixer_alive(b->mixer), 0);
    }
    vc_clip_free(extra);
    bench_free(b);
    free(data);
}

static void a_scheduled_clip_keeps_the_silence_before_it(void) {
    bench *b = bench_make(2, true);
    float *data = coded(8, 0);
    vc_mixer_add(b->mixer, vc_clip_from_memory(data, 8, 2, 1, 0, 1.0f));
    vc_mixer_add(b->mixer, vc_clip_from_memory(data, 8, 2, 1, 100, 1.0f));
    for (uint32_t i = 1; b->result == VC_CONTINUE && i < 20; i++) {
        mix(b, 16);
        CHECK_INT(b->content, b->heard < 108 ? b->heard : 108);
    }
    CHECK_CODED(at(b, 100), 2, 8, 0);
    bench_free(b);
    free(data);
}

static void a_mixer_without_clips(void) {
    bench *b = bench_make(1, true);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_INT(b->content, 0);
    bench_free(b);
    b = bench_make(0, false); /* a mixer without room for a clip */
    vc_clip *clip = vc_clip_from_memory(NULL, 0, 2, 1, 0, 1.0f);
    CHECK(!vc_mixer_add(b->mixer, clip));
    vc_clip_free(clip);
    mix(b, 16);
    CHECK_INT(b->result, VC_CONTINUE);
    bench_free(b);
}

/* ---- two threads ------------------------------------------------------------------------------
 */

enum { CLIPS = 3000 };

typedef struct io {
    vc_mixer *mixer;
    _Atomic bool over;
} io;

static void *mix_for_ever(void *user) {
    io *thread = user;
    float out[16 * 2];
    while (!thread->over) {
        vc_block block = {
            .frames = 16,
            .output = {.data = out, .frame_stride = 2, .channel_stride = 1, .channels = 2}};
        memset(out, 0, sizeof out);
        vc_mixer_process(&block, thread->mixer);
    }
    return NULL;
}

/* Adds and stops clips, and frees them as soon as the mixer returns them. AddressSanitizer finds
 * accesses to a clip that was freed. */
static void clips_are_added_and_freed_while_the_mixer_runs(void) {
    io thread = {.mixer = vc_mixer_new(2, 8, false)};
    pthread_t id;
    pthread_create(&id, NULL, mix_for_ever, &thread);
    vc_clip *clips[8] = {0};
    float *memory[8] = {0};
    uint32_t given = 0, back = 0;
    while (back < CLIPS) {
        for (uint32_t i = 0; i < 8 && given < CLIPS; i++) {
            if (clips[i] == NULL) {
                uint32_t frames = given % 50;
                memory[i] = ones(frames + 1);
                clips[i] = vc_clip_from_memory(memory[i], frames, 2, given % 3, VC_CLIP_NOW, 1.0f);
                CHECK(vc_mixer_add(thread.mixer, clips[i]));
                while (!vc_mixer_stop(thread.mixer, clips[i], ++given % 40)) {
                    given--;
                }
            }
        }
        vc_clip *clip;
        while ((clip = vc_mixer_collect(thread.mixer)) != NULL) {
            CHECK_INT(vc_clip_get_state(clip), VC_CLIP_DONE);
            for (uint32_t i = 0; i < 8; i++) {
                if (clips[i] == clip) {
                    clips[i] = NULL;
                    free(memory[i]);
                }
            }
            vc_clip_free(clip);
            back++;
        }
    }
    CHECK_INT(vc_mixer_alive(thread.mixer), 0);
    thread.over = true;
    pthread_join(id, NULL);
    vc_mixer_free(thread.mixer);
}

int main(void) {
    RUN(clips_start_and_end_at_their_frame);
    RUN(clips_for_now_or_the_past_begin_in_the_next_block);
    RUN(loops_join_without_a_seam);
    RUN(an_endless_loop_plays_until_a_stop);
    RUN(an_empty_clip_ends_however_often_it_loops);
    RUN(fades_are_straight_and_exactly_as_long_as_asked);
    RUN(a_fade_longer_than_the_clip_ends_with_it);
    RUN(a_second_stop_hurries_a_fade);
    RUN(a_stop_before_the_start_plays_nothing);
    RUN(a_stop_of_a_clip_that_was_paused_before_its_start_plays_nothing);
    RUN(a_stop_that_comes_too_late_is_ignored);
    RUN(overlapping_clips_add_up);
    RUN(capacity_is_limited_and_regained);
    RUN(a_scheduled_clip_keeps_the_silence_before_it);
    RUN(a_mixer_without_clips);
    RUN(clips_are_added_and_freed_while_the_mixer_runs);
    return check_summary();
}
