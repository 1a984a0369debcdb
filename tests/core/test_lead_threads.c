/* A lead whose worker and IO thread run at the same time. */
#include "check.h"
#include "lead.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* The worker is late at random moments, and the device does not wait for it. Every frame must be
 * played once and in order, and every missing frame must be counted. */
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
        if (s->both && block->lost_frames == 0) { /* no gap in the block */
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

/* `most`: the lead may grow up to this; 0: it is constant. */
static void run_stress(bool both, uint32_t most) {
    static stress s;
    memset(&s, 0, sizeof s);
    s.both = both;
    s.random = 1;
    vc_lead_config config = {.input_channels = both,
                             .output_channels = 1,
                             .block_frames = 48,
                             .max_period_frames = 64,
                             .lead_frames = 256,
                             .max_lead_frames = most,
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
    int64_t next = 0, delay = 256;
    /* On a busy machine the worker may not have run after the lead grew. Such a run goes on. */
    bool grows = both && most != 0;
    for (int64_t frame = 0; frame < 64 * (grows && delay <= 256 ? 4000000 : 100000); frame += 64) {
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
        for (volatile uint32_t i = 0; i < 1000; i++) { /* gives the worker time to run */
        }
        /* On a busy machine the worker might not run at all, so this thread waits for a few blocks.
         */
        while (frame % 64000 == 0 && vc_lead_blocks(s.lead) < (uint64_t)frame / 64000) {
            sched_yield();
        }
        if (frame >= 64 * 100000) {
            sched_yield();
        }
        starved += block.starved_frames;
        uint32_t other = 0; /* unexpected frames in a row, of a fade or a gap */
        for (int f = 0; f < 64 && block.starved_frames == 0; f++) {
            if (both) { /* the code copies its input, which is played one lead later */
                int64_t came = (frame + f - ((int64_t)out[f] - 1)) % 1000003;
                bool whole = out[f] != 0.0f && came % 64 == 0;
                delay = whole && came > delay && came <= vc_lead_length(s.lead) ? came : delay;
                int64_t from = frame + f - delay;
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
    CHECK(starved > 0); /* otherwise this test has tested nothing */
    CHECK_INT(vc_lead_length(s.lead) > 256, most > 256);
    CHECK(!grows || delay > 256);
    CHECK(vc_lead_blocks(s.lead) >= 99);
    vc_lead_free(s.lead);
}

static void two_threads_without_input(void) { run_stress(false, 0); }
static void two_threads_with_input(void) { run_stress(true, 0); }
static void two_threads_and_a_lead_that_grows(void) {
    run_stress(false, 8192);
    run_stress(true, 8192);
}

int main(void) {
    RUN(two_threads_without_input);
    RUN(two_threads_with_input);
    RUN(two_threads_and_a_lead_that_grows);
    return check_summary();
}
