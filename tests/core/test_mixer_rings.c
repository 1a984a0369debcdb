/* Clips that play a ring. */
#include "mixer_bench.h"

static void write_coded(vc_ring *ring, uint32_t frames, int64_t first) {
    float *data = coded(frames, first);
    CHECK_INT(vc_ring_write(ring, data, frames), frames);
    free(data);
}

static void a_ring_ends_at_its_last_frame(void) {
    for (uint32_t frames = 0; frames < 50; frames++) {
        bench *b = bench_make(1, true);
        vc_ring *ring = vc_ring_new(64, 2);
        float skip[2 * 40];
        write_coded(ring, 40, 0); /* so that later frames wrap around the ring's end */
        vc_ring_read(ring, skip, 40);
        write_coded(ring, frames, 0);
        vc_ring_end(ring);
        vc_clip *clip = vc_clip_from_ring(ring, 3, 1.0f);
        vc_mixer_add(b->mixer, clip);
        while (b->result == VC_CONTINUE && b->heard < 200) {
            mix(b, 16);
        }
        CHECK_SILENT(b->out, 2, 3);
        CHECK_CODED(at(b, 3), 2, frames, 0);
        CHECK_INT(b->content, 3 + frames);
        CHECK_INT(vc_clip_position(clip), frames);
        CHECK_INT(vc_clip_starved_frames(clip), 0);
        CHECK(vc_ring_finished(ring));
        bench_free(b);
        vc_ring_free(ring);
    }
}

static void a_starved_ring_is_silence_and_counted(void) {
    bench *b = bench_make(1, true);
    vc_ring *ring = vc_ring_new(64, 2);
    vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
    vc_mixer_add(b->mixer, clip);
    write_coded(ring, 10, 0);
    mix(b, 16);
    CHECK_INT(vc_clip_starved_frames(clip), 6);
    CHECK_INT(vc_clip_position(clip), 10);
    mix(b, 16);
    CHECK_INT(vc_clip_starved_frames(clip), 22);
    write_coded(ring, 20, 10);
    mix(b, 16);
    vc_ring_end(ring);
    mix(b, 16);
    CHECK_INT(b->result, VC_STOP);
    CHECK_CODED(b->out, 2, 10, 0);
    CHECK_SILENT(at(b, 10), 2, 22);
    CHECK_CODED(at(b, 32), 2, 20, 10);
    CHECK_INT(b->content, 52);
    CHECK_INT(vc_clip_starved_frames(clip), 22);
    CHECK_INT(vc_clip_position(clip), 30);
    bench_free(b);
    vc_ring_free(ring);
}

static vc_ring *slow_ring; /* the ring that the next function fills */

static bool writes_another_ten(bool (*ready)(const void *argument), const void *argument) {
    while (!ready(argument)) {
        uint64_t written = vc_ring_total_written(slow_ring);
        if (written < 40) {
            write_coded(slow_ring, 10, (uint32_t)written);
        } else {
            vc_ring_end(slow_ring);
        }
    }
    return true;
}

static void with_a_wait_function_an_empty_ring_makes_no_gap(void) {
    bench *b = bench_make(1, true);
    vc_ring *ring = vc_ring_new(64, 2);
    vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
    slow_ring = ring;
    vc_clip_wait_with(clip, writes_another_ten, true);
    vc_mixer_add(b->mixer, clip);
    while (b->result == VC_CONTINUE && b->heard < 200) {
        mix(b, 16);
    }
    CHECK_CODED(b->out, 2, 40, 0);
    CHECK_INT(b->content, 40);
    CHECK_INT(vc_clip_starved_frames(clip), 0);
    bench_free(b);
    vc_ring_free(ring);
}

/* A clip is queued until its first frame is mixed. Its start is the time of this frame. */
static void a_clip_starts_when_its_ring_has_frames(void) {
    bench *b = bench_make(1, false);
    vc_ring *ring = vc_ring_new(64, 2);
    vc_clip *clip = vc_clip_from_ring(ring, 4, 1.0f);
    vc_mixer_add(b->mixer, clip);
    mix(b, 16);
    CHECK_INT(vc_clip_get_state(clip), VC_CLIP_QUEUED);
    CHECK_INT(vc_clip_starved_frames(clip), 12);
    write_coded(ring, 10, 0);
    vc_ring_end(ring);
    mix(b, 16);
    CHECK_INT(vc_clip_started_at(clip), 16);
    CHECK_INT(vc_clip_get_state(clip), VC_CLIP_DONE);
    CHECK_CODED(at(b, 16), 2, 10, 0);
    bench_free(b);
    vc_ring_free(ring);
}

/* If the thread that fills a ring is stuck, a stop does not wait for it. The stream ends when the
 * fade ends. */
static void a_stop_of_a_starved_ring_ends_after_its_fade(void) {
    static const uint32_t fades[] = {0, 1, 10, 16, 20, 33};
    for (int i = 0; i < 6; i++) {
        bench *b = bench_make(1, true);
        vc_ring *ring = vc_ring_new(64, 2);
        vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
        vc_mixer_add(b->mixer, clip);
        write_coded(ring, 16, 0);
        mix(b, 16);
        vc_mixer_stop(b->mixer, clip, fades[i]);
        while (b->result == VC_CONTINUE && b->heard < 200) {
            mix(b, 16);
        }
        CHECK_INT(b->content, 16 + fades[i]);
        CHECK_INT(vc_clip_starved_frames(clip), fades[i]);
        CHECK_INT(vc_clip_get_state(clip), VC_CLIP_DONE);
        bench_free(b);
        vc_ring_free(ring);
    }
}

int main(void) {
    RUN(a_ring_ends_at_its_last_frame);
    RUN(a_starved_ring_is_silence_and_counted);
    RUN(with_a_wait_function_an_empty_ring_makes_no_gap);
    RUN(a_clip_starts_when_its_ring_has_frames);
    RUN(a_stop_of_a_starved_ring_ends_after_its_fade);
    return check_summary();
}
