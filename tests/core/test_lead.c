/* The user's code ahead of the device: the worker's side is run by hand, so that it is late when a
 * test says so; and once on a thread of its own. */
#include "lead.h"
#include "rig.h"

#include <pthread.h>
#include <sched.h>

enum { FADE = 145 }; /* frames of a fade at 48 kHz */

typedef struct ahead {
    rig *rig;
    vc_lead *lead;
    float input[2 * 512], output[2 * 512];
} ahead;

static ahead *make(uint32_t inputs, uint32_t outputs, uint32_t block, uint32_t cycle,
                   uint32_t lead_frames) {
    ahead *a = calloc(1, sizeof *a);
    a->rig = rig_make(inputs, outputs, 0, cycle);
    vc_lead_config config = {.input_channels = inputs,
                             .output_channels = outputs,
                             .block_frames = block,
                             .max_period_frames = cycle,
                             .lead_frames = lead_frames,
                             .samplerate_hz = 48000.0,
                             .input_block = inputs ? a->input : NULL,
                             .output_block = outputs ? a->output : NULL,
                             .process = rig_process,
                             .user = a->rig};
    a->lead = vc_lead_new(&config);
    a->rig->config.process = vc_lead_process;
    a->rig->config.leave = NULL;
    a->rig->config.user = a->lead;
    a->rig->input_at = 0;
    vc_lead_start(a->lead);
    rig_start(a->rig);
    return a;
}

static void drop(ahead *a) {
    rig_free(a->rig);
    vc_lead_free(a->lead);
    free(a);
}

/* Cycles with a worker that is always in time. */
static void run(ahead *a, uint32_t cycles, uint32_t frames) {
    for (uint32_t i = 0; i < cycles; i++) {
        rig_cycle(a->rig, frames);
        while (vc_lead_make(a->lead)) {
        }
    }
}

/* Cycles while the worker does nothing. */
static void run_alone(ahead *a, uint32_t cycles, uint32_t frames) {
    for (uint32_t i = 0; i < cycles; i++) {
        rig_cycle(a->rig, frames);
    }
}

static vc_event xrun_of(ahead *a) {
    vc_event event = {0};
    while (vc_engine_event(a->rig->engine, &event) && event.kind != VC_EVENT_XRUN) {
    }
    return event;
}

/* ---- in time ------------------------------------------------------------------------------------
 */

static void every_frame_is_heard_once_after_the_lead(void) {
    static const uint32_t blocks[] = {1, 16, 63, 64, 100, 257};
    for (int both = 0; both < 2; both++) {
        for (int i = 0; i < 6; i++) {
            for (uint32_t more = 0; more < 300; more += 137) {
                uint32_t lead = vc_lead_shortest(blocks[i], 64, both) + more;
                ahead *a = make(both ? 2 : 0, 2, blocks[i], 64, lead);
                run(a, 40, 64);
                CHECK_SILENT(rig_heard(a->rig, 0), 2, lead);
                CHECK_CODED(rig_heard(a->rig, lead), 2, 40 * 64 - (int64_t)lead, 0);
                CHECK_INT(rig_statistics(a->rig).xruns, 0);
                CHECK_INT(vc_lead_frames(a->lead), vc_lead_blocks(a->lead) * blocks[i]);
                for (uint32_t k = 0; k < a->rig->calls && k < RIG_BLOCKS; k++) {
                    const vc_block *block = &a->rig->blocks[k];
                    int64_t first = (int64_t)k * blocks[i];
                    CHECK_INT(block->frames, blocks[i]);
                    CHECK_INT(block->output_time.sample_frames, first + lead + 100);
                    CHECK_NEAR(block->output_time.host_ns,
                               rig_time(a->rig, first + lead + 100).host_ns, 1);
                    CHECK_INT(block->output_time.valid, VC_TIME_HOST | VC_TIME_SAMPLE);
                    if (both) {
                        CHECK_INT(block->input_time.sample_frames, first - 50);
                        CHECK_INT(block->now.sample_frames, (first + blocks[i] - 1) / 64 * 64);
                    }
                }
                drop(a);
            }
        }
    }
}

static void cycles_may_vary(void) {
    for (int both = 0; both < 2; both++) {
        ahead *a = make(both ? 1 : 0, 1, 50, 100, 200);
        for (uint32_t i = 0; i < 60; i++) {
            run(a, 1, i * 37 % 100 + 1);
        }
        CHECK_SILENT(rig_heard(a->rig, 0), 1, 200);
        CHECK_CODED(rig_heard(a->rig, 200), 1, a->rig->heard_frames - 200, 0);
        for (uint32_t k = 0; k < a->rig->calls; k++) {
            CHECK_INT(a->rig->blocks[k].output_time.sample_frames, (int64_t)k * 50 + 200 + 100);
        }
        drop(a);
    }
}

static void input_comes_in_whole_blocks(void) {
    ahead *a = make(2, 0, 100, 64, 400);
    run(a, 40, 64);
    CHECK_INT(a->rig->calls, 40 * 64 / 100);
    for (uint32_t k = 0; k < a->rig->calls; k++) {
        CHECK_INT(a->rig->blocks[k].input_time.sample_frames, (int64_t)k * 100 - 50);
    }
    CHECK_INT(rig_statistics(a->rig).xruns, 0);
    drop(a);
}

/* ---- late ---------------------------------------------------------------------------------------
 */

/* Backwards from frame `last` - 1, ever quieter, then silence. */
static void check_gap(const float *heard, int64_t last, uint32_t frames) {
    for (uint32_t f = 0; f < frames; f++) {
        double gain = f < FADE ? (double)(FADE - 1 - f) / FADE : 0.0;
        double wanted = f < last ? (double)code(last - 1 - f, 0) * gain : 0.0;
        CHECK_NEAR(heard[f], wanted, 0.01);
    }
}

static void without_input_what_is_late_is_heard_later(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 20, 64);
    run_alone(a, 9, 64);    /* four of them from the ring */
    int64_t last = 20 * 64; /* frames made; heard from 256 on */
    CHECK_INT(rig_statistics(a->rig).xruns, 1);
    CHECK_INT(rig_statistics(a->rig).lost_frames, 5 * 64);
    CHECK_CODED(rig_heard(a->rig, 256), 1, last, 0);
    check_gap(rig_heard(a->rig, 256 + last), last, 5 * 64);
    CHECK_INT(xrun_of(a).kind, 0); /* not over yet */
    while (vc_lead_make(a->lead)) {
    }
    int64_t gap_end = a->rig->heard_frames;
    CHECK_INT(a->rig->blocks[20].lost_frames, 5 * 64);
    CHECK_INT(a->rig->blocks[20].output_time.sample_frames, gap_end + 100);
    run(a, 20, 64);
    for (uint32_t f = 0; f < FADE; f++) {
        CHECK_NEAR(*rig_heard(a->rig, gap_end + f),
                   (double)code(last + f, 0) * (f + 1) / (FADE + 1), 0.01);
    }
    CHECK_CODED(rig_heard(a->rig, gap_end + FADE), 1, 20 * 64 - FADE, last + FADE);
    vc_event event = xrun_of(a);
    CHECK_INT(event.value, 5 * 64);
    CHECK_INT(event.cause, VC_CAUSE_WORKER);
    CHECK_INT(event.sample_frames, 256 + last);
    CHECK_INT(rig_statistics(a->rig).xruns, 1);
    for (uint32_t k = 21; k < a->rig->calls; k++) {
        CHECK_INT(a->rig->blocks[k].lost_frames, 0);
        CHECK_INT(a->rig->blocks[k].output_time.sample_frames,
                  (int64_t)k * 64 + 256 + 5 * 64 + 100);
    }
    drop(a);
}

static void a_gap_in_the_middle_of_a_cycle(void) {
    ahead *a = make(0, 1, 48, 64, 112);
    run(a, 20, 64);
    int64_t made = (int64_t)vc_lead_frames(a->lead);
    run_alone(a, 3, 64);
    CHECK_CODED(rig_heard(a->rig, 112), 1, made, 0);
    uint32_t lost = (uint32_t)(a->rig->heard_frames - 112 - made);
    CHECK_INT(rig_statistics(a->rig).lost_frames, lost);
    check_gap(rig_heard(a->rig, 112 + made), made, lost);
    while (vc_lead_make(a->lead)) {
    }
    run(a, 20, 64);
    CHECK_INT(rig_statistics(a->rig).lost_frames, lost);
    CHECK_CODED(rig_heard(a->rig, 112 + made + lost + FADE), 1, 1000, made + FADE);
    drop(a);
}

/* The sound comes back while the last of it is still being faded out: both are heard. */
static void a_gap_that_is_shorter_than_its_fade(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 20, 64);
    run_alone(a, 5, 64); /* four of them from the ring */
    int64_t last = 20 * 64, gap_end = 256 + last + 64;
    CHECK_INT(rig_statistics(a->rig).lost_frames, 64);
    check_gap(rig_heard(a->rig, 256 + last), last, 64);
    while (vc_lead_make(a->lead)) {
    }
    run(a, 10, 64);
    for (uint32_t f = 0; f < FADE; f++) {
        uint32_t old = 64 + f;
        double fading =
            old < FADE ? (double)code(last - 1 - old, 0) * (FADE - 1 - old) / FADE : 0.0;
        double coming = (double)code(last + f, 0) * (f + 1) / (FADE + 1);
        CHECK_NEAR(*rig_heard(a->rig, gap_end + f), fading + coming, 0.02);
    }
    drop(a);
}

static void with_input_the_delay_stays(void) {
    for (uint32_t alone = 5; alone < 40; alone += 3) { /* the ring of input is full after 9 */
        ahead *a = make(1, 1, 64, 64, 256);
        run(a, 20, 64);
        run_alone(a, alone, 64);
        int64_t heard = 20 * 64; /* input up to there was made, and is heard up to + 256 */
        CHECK_CODED(rig_heard(a->rig, 256), 1, heard, 0);
        vc_statistics counted = rig_statistics(a->rig);
        CHECK_INT(counted.xruns, 1);
        CHECK_INT(counted.lost_frames, (alone - 4) * 64);
        a->rig->input_at = heard;
        /* The ring holds 1024 frames; what came behind them is not there. */
        uint32_t queued = alone * 64 > 1024 ? 1024 : alone * 64;
        for (uint32_t k = 0; k < queued / 64; k++) {
            CHECK(vc_lead_make(a->lead));
        }
        CHECK(!vc_lead_make(a->lead));
        int64_t dropped = alone * 64 - queued;
        a->rig->input_at += dropped;
        int64_t at = a->rig->heard_frames;
        run(a, 20, 64);
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        /* Made from input frame i, heard at i + 256, also behind what was dropped. */
        int64_t hole_end = dropped ? heard + alone * 64 + 256 : 0;
        int64_t from = (at > hole_end ? at : hole_end) + FADE;
        CHECK_CODED(rig_heard(a->rig, from), 1, a->rig->heard_frames - from, from - 256 - dropped);
        for (uint32_t k = 20; k < a->rig->calls; k++) {
            int64_t first = (int64_t)k * 64 + (k >= 20 + queued / 64 ? dropped : 0);
            CHECK_INT(a->rig->blocks[k].input_time.sample_frames, first - 50);
            CHECK_INT(a->rig->blocks[k].output_time.sample_frames, first + 256 + 100);
        }
        drop(a);
    }
}

static void input_that_finds_no_room_is_counted(void) {
    ahead *a = make(1, 0, 64, 64, 256);
    run(a, 10, 64);
    run_alone(a, 13, 64); /* eight of them fit */
    CHECK_INT(rig_statistics(a->rig).xruns, 1);
    CHECK_INT(rig_statistics(a->rig).lost_frames, 5 * 64);
    for (int k = 0; k < 8; k++) {
        CHECK(vc_lead_make(a->lead));
    }
    CHECK(!vc_lead_make(a->lead));
    a->rig->input_at += 5 * 64;
    run(a, 10, 64);
    CHECK_INT(a->rig->blocks[17].lost_frames, 0);
    CHECK_INT(a->rig->blocks[18].lost_frames, 5 * 64);
    CHECK_INT(a->rig->blocks[18].input_time.sample_frames, 23 * 64 - 50);
    CHECK_INT(a->rig->blocks[19].lost_frames, 0);
    CHECK_INT(xrun_of(a).value, 5 * 64);
    drop(a);
}

static int32_t starving(vc_block *block, void *user) {
    ahead *a = user;
    (void)block;
    run_alone(a, 8, 64); /* the device goes on while the code is at work */
    return VC_CONTINUE;
}

static bool is_inside;
static bool inside(const void *user) {
    (void)user;
    return is_inside;
}

static void the_cause_is_told(void) {
    for (int i = 0; i < 2; i++) {
        ahead *a = make(0, 1, 64, 64, 256);
        vc_lead_config config = {.output_channels = 1,
                                 .block_frames = 64,
                                 .max_period_frames = 64,
                                 .lead_frames = 256,
                                 .samplerate_hz = 48000.0,
                                 .output_block = a->output,
                                 .process = starving,
                                 .inside = inside,
                                 .user = a};
        vc_lead_free(a->lead);
        a->lead = vc_lead_new(&config);
        vc_engine_free(a->rig->engine);
        a->rig->engine = NULL;
        a->rig->config.user = a->lead;
        vc_lead_start(a->lead);
        rig_start(a->rig);
        is_inside = i == 1;
        rig_cycle(a->rig, 64);
        CHECK(vc_lead_make(a->lead));
        run_alone(a, 2, 64);
        vc_event event = xrun_of(a);
        CHECK_INT(event.cause, i == 1 ? VC_CAUSE_CALLBACK : VC_CAUSE_WAITING);
        drop(a);
    }
}

static void a_gap_of_the_device_is_told_where_it_was(void) {
    ahead *a = make(1, 1, 64, 64, 256);
    run(a, 10, 64);
    a->rig->frame += 500;
    run_alone(a, 1, 64);
    a->rig->input_at = 10 * 64 + 500;
    run(a, 10, 64);
    for (uint32_t k = 0; k < a->rig->calls; k++) {
        int64_t first = (int64_t)k * 64 + (k >= 10 ? 500 : 0);
        CHECK_INT(a->rig->blocks[k].lost_frames, k == 10 ? 500 : 0);
        CHECK_INT(a->rig->blocks[k].input_time.sample_frames, first - 50);
        CHECK_INT(a->rig->blocks[k].output_time.sample_frames, first + 256 + 100);
    }
    drop(a);
}

/* Cycles of one frame fill the queue of notes long before the ring. */
static void a_loss_for_which_there_is_no_note_is_told_later_and_once(void) {
    ahead *a = make(1, 0, 64, 64, 256);
    run_alone(a, 192, 1);
    a->rig->frame += 500;
    run_alone(a, 1, 1);
    while (vc_lead_make(a->lead)) {
    }
    CHECK_INT(a->rig->calls, 3);
    a->rig->input_at = 192 + 500;
    run(a, 63, 1);
    run(a, 10, 64);
    uint64_t told = 0;
    for (uint32_t k = 0; k < a->rig->calls; k++) {
        told += a->rig->blocks[k].lost_frames;
    }
    CHECK_INT(a->rig->calls, 14);
    CHECK_INT(told, 500);
    drop(a);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void after_a_stop_all_that_was_made_is_heard(void) {
    for (uint32_t valid = 0; valid <= 64; valid += 16) {
        ahead *a = make(0, 1, 64, 64, 256);
        a->rig->act_at = 5;
        a->rig->result = VC_STOP;
        a->rig->valid = valid;
        run(a, 20, 64);
        CHECK_INT(a->rig->calls, 6);
        CHECK(vc_lead_ended(a->lead));
        int64_t all = 5 * 64 + valid;
        CHECK_CODED(rig_heard(a->rig, 256), 1, all, 0);
        CHECK_SILENT(rig_heard(a->rig, 256 + all), 1, 20 * 64 - 256 - all);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
        CHECK_INT(vc_engine_reason(a->rig->engine), VC_REASON_END);
        CHECK_INT(rig_statistics(a->rig).xruns, 0);
        drop(a);
    }
}

static void an_error_ends_at_once(void) {
    for (int both = 0; both < 2; both++) {
        ahead *a = make(both ? 1 : 0, 1, 64, 64, 256);
        a->rig->act_at = 9;
        a->rig->result = -7;
        run(a, 10, 64);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_RUNNING);
        CHECK_INT(rig_cycle(a->rig, 64), 0);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
        CHECK_INT(vc_engine_error(a->rig->engine), -7);
        CHECK_SILENT(rig_heard(a->rig, 640), 1, 64);
        drop(a);
    }
}

static void asked_to_stop_it_plays_what_was_made(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 10, 64);
    vc_lead_stop(a->lead);
    run(a, 10, 64);
    CHECK_INT(a->rig->calls, 10);
    CHECK_CODED(rig_heard(a->rig, 256), 1, 640, 0);
    CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
    drop(a);
}

static void asked_to_stop_before_anything_was_made_it_ends_at_once(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    vc_lead_stop(a->lead);
    CHECK(!vc_lead_make(a->lead));
    rig_cycle(a->rig, 64);
    CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
    drop(a);
}

static void asked_to_stop_it_takes_the_input_that_has_come(void) {
    for (uint32_t outputs = 0; outputs < 2; outputs++) {
        ahead *a = make(1, outputs, 64, 64, 256);
        run(a, 10, 64);
        run_alone(a, 2, 64);
        vc_lead_stop(a->lead);
        run_alone(a, 1, 64);
        run(a, 20, 64);
        CHECK_INT(a->rig->calls, 12);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
        if (outputs) {
            CHECK_CODED(rig_heard(a->rig, 256), 1, 12 * 64, 0);
        }
        drop(a);
    }
}

static void it_can_start_again(void) {
    for (int both = 0; both < 2; both++) {
        ahead *a = make(both ? 1 : 0, 1, 64, 64, 256);
        run(a, 10, 64);
        run_alone(a, 9, 64);
        vc_engine_abort(a->rig->engine);
        rig_cycle(a->rig, 64);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
        int64_t made = a->rig->made;
        int64_t from = a->rig->heard_frames;
        a->rig->input_at = a->rig->frame;
        vc_lead_start(a->lead);
        rig_start(a->rig);
        run(a, 20, 64);
        CHECK_SILENT(rig_heard(a->rig, from), 1, 256);
        CHECK_CODED(rig_heard(a->rig, from + 256), 1, 20 * 64 - 256, made);
        drop(a);
    }
}

/* ---- on a thread --------------------------------------------------------------------------------
 */

/* A worker that is late at random moments, and a device that does not wait: every frame comes once
 * and in order, and what is missing was counted. */
typedef struct stress {
    vc_lead *lead;
    uint32_t random;
    int64_t made;
    uint64_t told_lost;
    float input[64], output[64];
    bool both;
    _Atomic bool done;
} stress;

static int32_t stress_process(vc_block *block, void *user) {
    stress *s = user;
    s->told_lost += block->lost_frames;
    for (uint32_t f = 0; f < block->frames; f++) {
        if (s->both && block->lost_frames == 0) { /* else a gap may be inside */
            int64_t frame = block->input_time.sample_frames + f;
            CHECK_INT(block->input.data[f], frame % 1000003 + 1);
        }
        block->output.data[f] = s->both ? block->input.data[f] : (float)(s->made + f + 1);
    }
    s->made += block->frames;
    return VC_CONTINUE;
}

static void *stress_worker(void *user) {
    stress *s = user;
    while (!s->done) {
        s->random = s->random * 1664525u + 1013904223u;
        for (uint32_t i = 0; i < s->random >> 25 && !s->done; i++) {
            vc_lead_make(s->lead);
        }
        for (volatile uint32_t i = 0; i < s->random >> 20; i++) {
        }
    }
    return NULL;
}

static void run_stress(bool both) {
    static stress s;
    memset(&s, 0, sizeof s);
    s.both = both;
    s.random = 1;
    vc_lead_config config = {.input_channels = both,
                             .output_channels = 1,
                             .block_frames = 48,
                             .max_period_frames = 64,
                             .lead_frames = 256,
                             .samplerate_hz = 1000.0, /* fades of 4 frames */
                             .input_block = s.input,
                             .output_block = s.output,
                             .process = stress_process,
                             .user = &s};
    s.lead = vc_lead_new(&config);
    vc_lead_start(s.lead);
    pthread_t worker;
    pthread_create(&worker, NULL, stress_worker, &s);
    float in[64], out[64];
    uint64_t starved = 0;
    int64_t next = 0;
    for (int64_t frame = 0; frame < 64 * 100000; frame += 64) {
        for (int f = 0; f < 64; f++) {
            in[f] = (float)((frame + f) % 1000003 + 1);
            out[f] = 0.0f;
        }
        vc_time time = {.sample_frames = frame, .valid = VC_TIME_SAMPLE};
        vc_block block = {.input = {in, 1, 1, NULL, both, 0},
                          .output = {out, 1, 1, NULL, 1, 0},
                          .frames = 64,
                          .valid_frames = 64,
                          .input_time = time,
                          .output_time = time};
        CHECK_INT(vc_lead_process(&block, s.lead), VC_CONTINUE);
        for (volatile uint32_t i = 0; i < 1000; i++) { /* or the worker would hardly get to run */
        }
        /* On a busy machine it might not run at all. */
        while (frame % 64000 == 0 && vc_lead_blocks(s.lead) < (uint64_t)frame / 64000) {
            sched_yield();
        }
        starved += block.starved_frames;
        uint32_t other = 0; /* in a row: frames of a fade, or of a gap where input was dropped */
        for (int f = 0; f < 64 && block.starved_frames == 0; f++) {
            if (both) { /* what is played was made from the input a lead ago */
                int64_t from = frame + f - 256;
                float wanted = from < 0 ? 0.0f : (float)(from % 1000003 + 1);
                other = out[f] == wanted ? 0 : other + 1;
                check_that(other <= 4 || out[f] == 0.0f, __FILE__, __LINE__,
                           "frame %lld: %g, not %g", (long long)frame + f, (double)out[f],
                           (double)wanted);
            } else if (f >= 4 && out[f] != 0.0f) {
                check_that((int64_t)out[f] > next, __FILE__, __LINE__, "frame %g came before",
                           (double)out[f]);
                next = (int64_t)out[f];
            }
        }
    }
    s.done = true;
    pthread_join(worker, NULL);
    CHECK(starved > 0); /* or nothing was stressed */
    CHECK(vc_lead_blocks(s.lead) >= 99);
    vc_lead_free(s.lead);
}

static void one_thread_makes_while_another_plays(void) { run_stress(false); }
static void the_same_with_input(void) { run_stress(true); }

int main(void) {
    RUN(every_frame_is_heard_once_after_the_lead);
    RUN(cycles_may_vary);
    RUN(input_comes_in_whole_blocks);
    RUN(without_input_what_is_late_is_heard_later);
    RUN(a_gap_in_the_middle_of_a_cycle);
    RUN(a_gap_that_is_shorter_than_its_fade);
    RUN(with_input_the_delay_stays);
    RUN(input_that_finds_no_room_is_counted);
    RUN(the_cause_is_told);
    RUN(a_gap_of_the_device_is_told_where_it_was);
    RUN(a_loss_for_which_there_is_no_note_is_told_later_and_once);
    RUN(after_a_stop_all_that_was_made_is_heard);
    RUN(an_error_ends_at_once);
    RUN(asked_to_stop_it_plays_what_was_made);
    RUN(asked_to_stop_before_anything_was_made_it_ends_at_once);
    RUN(asked_to_stop_it_takes_the_input_that_has_come);
    RUN(it_can_start_again);
    RUN(one_thread_makes_while_another_plays);
    RUN(the_same_with_input);
    return check_summary();
}
