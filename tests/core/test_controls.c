/* Tests requests while sound is heard: the fade before the end of a stream, and gain, pause and
 * jumps of clips. The requests of clips come from another thread. */
#include "mixer_bench.h"
#include "rig.h"

#include <pthread.h>
#include <sched.h>

typedef struct placement {
    uint32_t inputs, outputs, block, cycle;
    uint32_t delay; /* frames of silence before the first block */
} placement;

static const placement PLACEMENTS[] = {
    {0, 2, 0, 64, 0},     {0, 2, 16, 64, 0},  {0, 2, 100, 64, 0},
    {2, 2, 100, 64, 100}, {1, 1, 37, 64, 37},
};
enum { PLACEMENTS_COUNT = sizeof PLACEMENTS / sizeof *PLACEMENTS, BEFORE = 5 };

/* The gain of each frame of the fade is checked, and the silence after it. */
static void a_fade_ends_the_stream_at_its_last_frame(void) {
    static const uint32_t fades[] = {0, 1, 63, 64, 65, 200};
    for (size_t i = 0; i < PLACEMENTS_COUNT; i++) {
        for (int layout = INTERLEAVED; layout <= NO_MEMORY; layout++) {
            for (int f = 0; f < 6; f++) {
                const placement *p = &PLACEMENTS[i];
                rig *r = rig_make(p->inputs, p->outputs, p->block, p->cycle);
                r->layout = (rig_layout)layout;
                r->drain_frames = 1000;
                rig_start(r);
                for (int c = 0; c < BEFORE; c++) {
                    rig_cycle(r, p->cycle);
                }
                int64_t began = r->heard_frames;
                vc_engine_fade_out(r->engine, fades[f]);
                for (int c = 0; c < 6; c++) {
                    rig_cycle(r, p->cycle);
                }
                uint32_t fade = fades[f] ? fades[f] : 1;
                for (uint32_t k = 0; k < fade && layout != NO_MEMORY; k++) {
                    for (uint32_t c = 0; c < p->outputs; c++) {
                        float made = code(began + k - p->delay, c);
                        float wanted = made * (1.0f - (float)k / (float)fade);
                        float got = rig_heard(r, began + k)[c];
                        CHECK(fabsf(got - wanted) <= 1e-6f * made);
                    }
                }
                CHECK_SILENT(rig_heard(r, began + fade), p->outputs,
                             r->heard_frames - began - fade);
                CHECK_INT(vc_engine_state(r->engine), VC_DRAINING);
                CHECK_INT(vc_engine_reason(r->engine), VC_REASON_STOP);
                CHECK_INT(r->left, 1);
                rig_free(r);
            }
        }
    }
}

static void a_stop_or_an_abort_replaces_a_fade(void) {
    for (int abort = 0; abort < 2; abort++) {
        rig *r = rig_make(0, 2, 0, 64);
        rig_start(r);
        vc_engine_fade_out(r->engine, 1000000);
        rig_cycle(r, 64);
        (abort ? vc_engine_abort : vc_engine_stop)(r->engine);
        vc_engine_fade_out(r->engine, 1); /* a fade replaces neither */
        rig_cycle(r, 64);
        CHECK_INT(r->calls, 1);
        CHECK_INT(vc_engine_reason(r->engine), abort ? VC_REASON_ABORT : VC_REASON_STOP);
        CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
        rig_free(r);
    }
}

/* After a stop the rest of a block that spans cycles is played, and the fade of it goes on. */
static void a_stop_during_a_fade_does_not_end_the_fade(void) {
    enum { BLOCK = 1000, CYCLE = 64, FADE = 5 * CYCLE };
    for (uint32_t inputs = 0; inputs <= 2; inputs += 2) { /* 2: the output is one block late */
        rig *r = rig_make(inputs, 2, BLOCK, CYCLE);
        r->drain_frames = 1000;
        rig_start(r);
        for (int c = 0; c < 17; c++) {
            rig_cycle(r, CYCLE);
        }
        int64_t began = r->heard_frames;
        vc_engine_fade_out(r->engine, FADE);
        rig_cycle(r, CYCLE);
        rig_cycle(r, CYCLE);
        vc_engine_stop(r->engine);
        for (int c = 0; c < 16; c++) {
            rig_cycle(r, CYCLE);
        }
        for (uint32_t k = 0; k < FADE; k++) {
            float made = code(began + k - (inputs ? BLOCK : 0), 0);
            float wanted = made * (1.0f - (float)k / (float)FADE);
            CHECK(fabsf(rig_heard(r, began + k)[0] - wanted) <= 1e-6f * made);
        }
        CHECK_SILENT(rig_heard(r, began + FADE), 2, r->heard_frames - began - FADE);
        CHECK_INT(vc_engine_reason(r->engine), VC_REASON_STOP);
        rig_free(r);
    }
}

/* A clip with fades of 32 frames that has played 16 of 26 frames, and is asked to jump to frame
 * 1000, which follows them in the ring. */
typedef struct jump {
    bench *b;
    vc_ring *ring;
    vc_clip *clip;
    float *old, *new;
} jump;

static jump begin_jump(void) {
    jump j = {.b = bench_make(1, false), .ring = vc_ring_new(64, 2)};
    j.clip = vc_clip_from_ring(j.ring, VC_CLIP_NOW, 1.0f);
    j.old = coded(26, 0);
    j.new = coded(30, 1000);
    vc_clip_ramp(j.clip, 32);
    vc_mixer_add(j.b->mixer, j.clip);
    vc_ring_write(j.ring, j.old, 26);
    mix(j.b, 16);
    vc_clip_jump(j.clip, vc_clip_ask_jump(j.clip), 1000, 26);
    vc_ring_write(j.ring, j.new, 30);
    return j;
}

static void end_jump(jump *j) {
    bench_free(j->b);
    vc_ring_free(j->ring);
    free(j->old);
    free(j->new);
}

/* The fade-out of a jump ends early if no frames are left before the mark. */
static void a_fade_does_not_play_frames_of_the_destination(void) {
    jump j = begin_jump();
    mix(j.b, 16);
    CHECK_CODED(j.b->out, 2, 16, 0);
    for (uint32_t f = 0; f < 16; f++) {
        float wanted = f < 10 ? code(16 + f, 0) * (float)(32 - f) / 32.0f
                              : code(1000 + f - 10, 0) * (float)(f - 10) / 32.0f;
        CHECK(fabsf(at(j.b, 16 + f)[0] - wanted) <= 1e-6f * wanted);
    }
    CHECK_INT(vc_clip_position(j.clip), 1006);
    CHECK_INT(vc_clip_starved_frames(j.clip), 0);
    vc_ring_end(j.ring);
    mix_until(j.b, 96, 16);
    end_jump(&j);
}

/* A clip that is stopped before it has jumped plays the frames before the mark, and ends there. Its
 * fade went on for ever. */
static void a_stop_during_a_jump_ends_at_the_mark(void) {
    jump j = begin_jump();
    CHECK(vc_mixer_stop(j.b->mixer, j.clip, 32));
    mix(j.b, 16);
    for (uint32_t f = 0; f < 16; f++) {
        float wanted = f < 10 ? code(16 + f, 0) * (float)(32 - f) / 32.0f : 0.0f;
        CHECK(fabsf(at(j.b, 16 + f)[0] - wanted) <= 1e-6f * wanted);
    }
    CHECK(vc_mixer_collect(j.b->mixer) == j.clip);
    vc_clip_free(j.clip);
    end_jump(&j);
}

enum { JUMPS = 40, APART = 1000, SEGMENT = 300, RING = 64 };

typedef struct writing {
    vc_ring *ring;
    vc_clip *clip;
} writing;

static void write_segment(vc_ring *ring, uint32_t first) {
    float *data = coded(SEGMENT, first);
    for (uint32_t done = 0; done < SEGMENT;) {
        uint32_t wanted = 1 + done % 7;
        uint32_t most = SEGMENT - done < wanted ? SEGMENT - done : wanted;
        done += vc_ring_write(ring, data + (size_t)done * 2, most);
        sched_yield();
    }
    free(data);
}

static void *write_and_jump(void *user) {
    writing *w = user;
    for (uint32_t jump = 1; jump <= JUMPS; jump++) {
        write_segment(w->ring, (jump - 1) * APART);
        vc_clip_set_gain(w->clip, 1.0f, 0);
        vc_clip_set_pan(w->clip, 0.0f, (uint32_t)jump % 3);
        vc_clip_set_pause(w->clip, jump % 3 == 0, 0);
        uint32_t number = vc_clip_ask_jump(w->clip);
        vc_clip_set_pause(w->clip, false, 0);
        if (jump % 5 == 0) {
            vc_clip_jump(w->clip, number, VC_CLIP_NO_FRAME, 0);
            number = vc_clip_ask_jump(w->clip);
        }
        vc_clip_jump(w->clip, number, (uint64_t)jump * APART, vc_ring_total_written(w->ring));
    }
    write_segment(w->ring, JUMPS * APART);
    vc_ring_end(w->ring);
    return NULL;
}

/* Every frame that is heard follows the one before it, or is the destination of a jump. */
static void jumps_of_another_thread_land_on_their_frames(void) {
    vc_mixer *mixer = vc_mixer_new(2, 1, true);
    vc_ring *ring = vc_ring_new(RING, 2);
    vc_clip *clip = vc_clip_from_ring(ring, VC_CLIP_NOW, 1.0f);
    vc_clip_prefill(clip, 16);
    writing w = {ring, clip};
    CHECK(vc_mixer_add(mixer, clip));
    pthread_t writer;
    pthread_create(&writer, NULL, write_and_jump, &w);
    int64_t heard = -1;
    int32_t result = VC_CONTINUE;
    while (result == VC_CONTINUE) {
        float out[16 * 2] = {0};
        vc_block block = {
            .frames = 16,
            .valid_frames = 16,
            .output = {.data = out, .frame_stride = 2, .channel_stride = 1, .channels = 2}};
        result = vc_mixer_process(&block, mixer);
        for (int f = 0; f < 16; f++) {
            int64_t next = heard + 1;
            if (out[f * 2] == 0.0f) {
                continue;
            }
            while (out[f * 2] != code(next, 0) && next <= JUMPS * APART) {
                next = (next / APART + 1) * APART;
            }
            CHECK(out[f * 2] == code(next, 0) && out[f * 2 + 1] == code(next, 1));
            heard = next;
        }
        sched_yield();
    }
    pthread_join(writer, NULL);
    CHECK_INT(heard, JUMPS * APART + SEGMENT - 1);
    CHECK_INT(vc_clip_position(clip), (uint64_t)heard + 1);
    uint32_t moves;
    CHECK_INT(vc_clip_heard(clip, INT64_MAX, &moves), (uint64_t)heard + 1);
    CHECK(vc_mixer_collect(mixer) == clip);
    vc_clip_free(clip);
    vc_mixer_free(mixer);
    vc_ring_free(ring);
}

int main(void) {
    RUN(a_fade_ends_the_stream_at_its_last_frame);
    RUN(a_stop_or_an_abort_replaces_a_fade);
    RUN(a_stop_during_a_fade_does_not_end_the_fade);
    RUN(a_fade_does_not_play_frames_of_the_destination);
    RUN(a_stop_during_a_jump_ends_at_the_mark);
    RUN(jumps_of_another_thread_land_on_their_frames);
    return check_summary();
}
