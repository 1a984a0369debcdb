/* Ends of a stream: by its own code, by a request, by an error, and after its last frame was heard.
 */
#include "rig.h"

/* A combination of channels, block length and cycle length. */
typedef struct placement {
    const char *name;
    uint32_t inputs, outputs, block, cycle;
    uint32_t delay; /* frames of silence before the first block */
} placement;

static const placement PLACEMENTS[] = {
    {"whole", 0, 2, 0, 64, 0},          {"whole, several", 0, 2, 16, 64, 0},
    {"whole duplex", 2, 2, 32, 64, 0},  {"ahead", 0, 2, 100, 64, 0},
    {"ahead, small", 0, 2, 48, 64, 0},  {"behind, latched", 2, 2, 100, 64, 100},
    {"latched, small", 1, 2, 5, 64, 5}, {"latched, prime", 1, 1, 37, 64, 37},
};
enum { PLACEMENTS_COUNT = sizeof PLACEMENTS / sizeof *PLACEMENTS };

static rig *rig_of(const placement *p) {
    return rig_make(p->inputs, p->outputs, p->block, p->cycle);
}

static uint32_t block_of(const placement *p) { return p->block ? p->block : p->cycle; }

static bool is_event(rig *r, vc_event_kind kind, int64_t value) {
    vc_event event = {0};
    return vc_engine_event(r->engine, &event) && event.kind == (uint32_t)kind &&
           event.value == value;
}

/* Exactly the content is played, at whatever frame of a cycle it ends. */
static void the_code_ends_its_stream(void) {
    for (size_t i = 0; i < PLACEMENTS_COUNT; i++) {
        const placement *p = &PLACEMENTS[i];
        uint32_t block = block_of(p);
        const uint32_t valids[] = {0, 1, block / 2, block - 1, block, UINT32_MAX};
        for (size_t v = 0; v < 6; v++) {
            for (uint32_t at = 0; at < 4; at++) {
                rig *r = rig_of(p);
                r->act_at = at;
                r->result = VC_STOP;
                r->valid = valids[v];
                uint32_t valid = valids[v] < block ? valids[v] : block;
                int64_t end = p->delay + (int64_t)at * block + valid;
                rig_start(r);
                int64_t counted = 0;
                for (int c = 0; c < 16; c++) {
                    int64_t before = r->heard_frames;
                    uint32_t content = rig_cycle(r, p->cycle);
                    counted = content ? before + content : counted;
                }
                bool good = CHECK_INT(r->calls, at + 1);
                good &= CHECK_INT(r->left, 1);
                good &= CHECK_INT(counted, end);
                good &= CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
                good &= CHECK_INT(vc_engine_reason(r->engine), VC_REASON_END);
                good &= CHECK_SILENT(r->heard, p->outputs, p->delay);
                good &= CHECK_CODED(rig_heard(r, p->delay), p->outputs, end - p->delay, 0);
                good &= CHECK_SILENT(rig_heard(r, end), p->outputs, r->heard_frames - end);
                good &= CHECK(is_event(r, VC_EVENT_FINISHED, VC_REASON_END));
                if (!good) {
                    printf("  ... %s: call %u, valid %u\n", p->name, at, valid);
                }
                rig_free(r);
            }
        }
    }
}

static void an_input_stream_ends_itself(void) {
    static const uint32_t blocks[] = {0, 16, 64, 100};
    for (size_t b = 0; b < 4; b++) {
        rig *r = rig_make(2, 0, blocks[b], 64);
        r->act_at = 1;
        r->result = VC_STOP;
        rig_start(r);
        for (int i = 0; i < 8; i++) {
            rig_cycle(r, 64);
        }
        CHECK_INT(r->calls, 2);
        CHECK_INT(r->left, 1);
        CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
        rig_free(r);
    }
}

/* The block whose code has failed is silent. In a latched stream, which is one block late, the
 * block before is played in full. */
static void an_error_silences_its_block(void) {
    for (size_t i = 0; i < PLACEMENTS_COUNT; i++) {
        const placement *p = &PLACEMENTS[i];
        for (uint32_t at = 0; at < 3; at++) {
            rig *r = rig_of(p);
            r->act_at = at;
            r->result = -7;
            rig_start(r);
            for (int c = 0; c < 12; c++) {
                rig_cycle(r, p->cycle);
            }
            int64_t end = p->delay + (int64_t)at * block_of(p);
            bool good = CHECK_INT(r->calls, at + 1);
            good &= CHECK_CODED(rig_heard(r, p->delay), p->outputs, end - p->delay, 0);
            good &= CHECK_SILENT(rig_heard(r, end), p->outputs, r->heard_frames - end);
            good &= CHECK_INT(vc_engine_reason(r->engine), VC_REASON_ERROR);
            good &= CHECK_INT(vc_engine_error(r->engine), -7);
            good &= CHECK(is_event(r, VC_EVENT_FINISHED, VC_REASON_ERROR));
            good &= CHECK_INT(r->left, 1);
            if (!good) {
                printf("  ... %s: call %u\n", p->name, at);
            }
            rig_free(r);
        }
    }
}

/* After a stop, the rest of the current block is played. After an abort, it is not. */
static void a_stop_ends_after_the_block_and_an_abort_at_once(void) {
    for (size_t i = 0; i < PLACEMENTS_COUNT; i++) {
        for (int abort = 0; abort < 2; abort++) {
            const placement *p = &PLACEMENTS[i];
            rig *r = rig_of(p);
            r->drain_frames = 1000;
            rig_start(r);
            for (int c = 0; c < 5; c++) {
                rig_cycle(r, p->cycle);
            }
            uint32_t calls = r->calls;
            int64_t until = abort ? r->heard_frames : p->delay + (int64_t)calls * block_of(p);
            (abort ? vc_engine_abort : vc_engine_stop)(r->engine);
            for (int c = 0; c < 4; c++) {
                rig_cycle(r, p->cycle);
            }
            bool good = CHECK_INT(r->calls, calls);
            good &= CHECK_CODED(rig_heard(r, p->delay), p->outputs, until - p->delay, 0);
            good &= CHECK_SILENT(rig_heard(r, until), p->outputs, r->heard_frames - until);
            good &= CHECK_INT(vc_engine_state(r->engine), abort ? VC_FINISHED : VC_DRAINING);
            good &=
                CHECK_INT(vc_engine_reason(r->engine), abort ? VC_REASON_ABORT : VC_REASON_STOP);
            good &= CHECK_INT(r->left, 1);
            if (!good) {
                printf("  ... %s, abort %d\n", p->name, abort);
            }
            rig_free(r);
        }
    }
}

/* The stream is finished in the first cycle that begins after its last frame was heard. */
static void a_stream_is_finished_when_its_last_frame_was_heard(void) {
    static const uint32_t latencies[] = {1, 63, 64, 65, 100, 128, 1000};
    for (size_t l = 0; l < sizeof latencies / sizeof *latencies; l++) {
        for (uint32_t valid = 1; valid <= 64; valid += 21) {
            rig *r = rig_make(0, 1, 0, 64);
            r->drain_frames = latencies[l];
            r->act_at = 1;
            r->result = VC_STOP;
            r->valid = valid;
            rig_start(r);
            int64_t heard_at = 64 + valid + latencies[l];
            while (vc_engine_state(r->engine) != VC_FINISHED && r->frame < 4000) {
                rig_cycle(r, 64);
            }
            int64_t finished_at = r->frame - 64; /* beginning of the cycle that finished it */
            check_that(finished_at >= heard_at && finished_at < heard_at + 64, __FILE__, __LINE__,
                       "latency %u, %u valid: heard at %lld, finished at %lld", latencies[l], valid,
                       (long long)heard_at, (long long)finished_at);
            rig_free(r);
        }
    }
}

static void draining_nothing_ends_at_once(void) {
    rig *r = rig_make(0, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    vc_engine_stop(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    rig_free(r);
}

static void an_abort_cuts_a_drain_short(void) {
    rig *r = rig_make(0, 1, 0, 64);
    r->drain_frames = 100000;
    rig_start(r);
    rig_cycle(r, 64);
    vc_engine_stop(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_DRAINING);
    vc_engine_abort(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    CHECK_INT(vc_engine_reason(r->engine), VC_REASON_STOP);
    CHECK_INT(r->left, 1);
    rig_free(r);
}

/* A block may be longer than a second. If a stop is still playing it, an abort ends this at once.
 */
static void an_abort_ends_a_stop_at_once(void) {
    rig *r = rig_make(0, 1, 4096, 64);
    r->drain_frames = 1000;
    rig_start(r);
    rig_cycle(r, 64);
    vc_engine_stop(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_RUNNING);
    vc_engine_abort(r->engine);
    CHECK_INT(rig_cycle(r, 64), 0);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    CHECK_INT(vc_engine_reason(r->engine), VC_REASON_ABORT);
    CHECK_CODED(r->heard, 1, 128, 0);
    CHECK_SILENT(rig_heard(r, 128), 1, 64);
    rig_free(r);
}

static void an_abort_ends_the_codes_own_end_at_once(void) {
    rig *r = rig_make(0, 1, 4096, 64);
    r->act_at = 0;
    r->result = VC_STOP;
    rig_start(r);
    rig_cycle(r, 64);
    vc_engine_abort(r->engine);
    CHECK_INT(rig_cycle(r, 64), 0);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    rig_free(r);
}

static void a_stop_does_not_replace_an_abort(void) {
    rig *r = rig_make(0, 1, 0, 64);
    r->drain_frames = 1000;
    rig_start(r);
    rig_cycle(r, 64);
    vc_engine_abort(r->engine);
    vc_engine_stop(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    CHECK_INT(vc_engine_reason(r->engine), VC_REASON_ABORT);
    rig_free(r);
}

static void a_request_in_any_other_state_does_nothing(void) {
    rig *r = rig_make(0, 1, 0, 64);
    r->engine = vc_engine_new(&r->config);
    vc_engine_stop(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_IDLE);
    rig_start(r); /* rig_start removes the request */
    CHECK_INT(rig_cycle(r, 64), 64);
    vc_engine_abort(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    CHECK(is_event(r, VC_EVENT_FINISHED, VC_REASON_ABORT));
    vc_engine_stop(r->engine);
    vc_engine_abort(r->engine);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    vc_event event;
    CHECK(!vc_engine_event(r->engine, &event));
    CHECK_INT(r->left, 1);
    rig_free(r);
}

static void a_finished_stream_can_start_again(void) {
    for (size_t i = 0; i < PLACEMENTS_COUNT; i++) {
        const placement *p = &PLACEMENTS[i];
        rig *r = rig_of(p);
        r->act_at = 2;
        r->result = -3;
        rig_start(r);
        for (int c = 0; c < 8; c++) {
            rig_cycle(r, p->cycle);
        }
        CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
        r->made = 0;
        r->input_at = r->frame;
        r->heard_frames = 0;
        r->frame += 5000; /* frames between two runs, which are no xrun */
        r->input_at = r->frame;
        uint32_t calls = r->calls;
        rig_start(r);
        CHECK_INT(vc_engine_reason(r->engine), VC_REASON_NONE);
        CHECK_INT(vc_engine_error(r->engine), 0);
        for (int c = 0; c < 8; c++) {
            rig_cycle(r, p->cycle);
        }
        CHECK_SILENT(r->heard, p->outputs, p->delay);
        CHECK_CODED(rig_heard(r, p->delay), p->outputs, r->heard_frames - p->delay, 0);
        CHECK_INT(r->blocks[calls].lost_frames, 0);
        CHECK_INT(rig_statistics(r).xruns, 0);
        rig_free(r);
    }
}

/* Frames lost at the end of one run are not reported in the first block of the next run. */
static void a_new_run_does_not_report_old_losses(void) {
    rig *r = rig_make(0, 1, 256, 64);
    rig_start(r);
    rig_cycle(r, 64);
    r->frame += 10;
    rig_cycle(r, 64);
    vc_engine_abort(r->engine);
    rig_cycle(r, 64);
    uint32_t calls = r->calls;
    rig_start(r);
    rig_cycle(r, 64);
    CHECK_INT(r->blocks[calls].lost_frames, 0);
    rig_free(r);
}

int main(void) {
    RUN(the_code_ends_its_stream);
    RUN(an_input_stream_ends_itself);
    RUN(an_error_silences_its_block);
    RUN(a_stop_ends_after_the_block_and_an_abort_at_once);
    RUN(a_stream_is_finished_when_its_last_frame_was_heard);
    RUN(draining_nothing_ends_at_once);
    RUN(an_abort_cuts_a_drain_short);
    RUN(an_abort_ends_a_stop_at_once);
    RUN(an_abort_ends_the_codes_own_end_at_once);
    RUN(a_stop_does_not_replace_an_abort);
    RUN(a_request_in_any_other_state_does_nothing);
    RUN(a_finished_stream_can_start_again);
    RUN(a_new_run_does_not_report_old_losses);
    return check_summary();
}
