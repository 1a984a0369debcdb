/* Tests of a lead that grows, with a worker that the test runs by hand. */
#include "lead_rig.h"

#include "../../src/core/lead_inside.h"

enum { LEAD = 256, MOST = 1024, CYCLE = 64 };

static ahead *make_growing(uint32_t inputs, uint32_t outputs, uint32_t block, uint32_t most) {
    return make_up_to(inputs, outputs, block, CYCLE, LEAD, most);
}

static void make_due(ahead *a) {
    while (vc_lead_make(a->lead)) {
    }
}

/* Runs 20 cycles in time, and then `alone` cycles in which the worker is late. */
static void be_late(ahead *a, uint32_t alone) {
    run(a, 20, CYCLE);
    run_alone(a, alone, CYCLE);
    make_due(a);
}

/* Checks that the code's output from frame `made` on is played from frame `at` of the device on,
 * after a fade. */
static void check_played(const ahead *a, int64_t at, int64_t made) {
    CHECK_CODED(rig_heard(a->rig, at + FADE), a->rig->outputs, a->rig->heard_frames - at - FADE,
                made + FADE);
}

static void check_growth(ahead *a, uint32_t lead_frames) {
    vc_growth growth = {0};
    CHECK(vc_lead_growth(a->lead, &growth));
    CHECK_INT(growth.lead_frames, lead_frames);
    CHECK(!vc_lead_growth(a->lead, &growth));
    CHECK_INT(vc_lead_length(a->lead), lead_frames);
}

/* The wait of 9 cycles is longer than the lead of 4 cycles. The new lead is 14 cycles, which are
 * 1.5 times the wait, rounded up. */
static void it_grows_to_the_wait_and_its_half(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST);
        be_late(a, 9);
        int64_t last = 20 * 64, grown = 14 * 64;
        CHECK_INT(rig_statistics(a->rig).lost_frames, 5 * 64);
        run(a, 40, CYCLE);
        check_growth(a, 14 * 64);
        CHECK_CODED(rig_heard(a->rig, LEAD), 1, last, 0);
        CHECK_SILENT(rig_heard(a->rig, LEAD + last + FADE), 1, grown - LEAD - FADE);
        check_played(a, last + grown, last);
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        CHECK_INT(rig_statistics(a->rig).lost_frames, grown - LEAD);
        CHECK_INT(xrun_of(a).value, grown - LEAD);
        for (uint32_t k = 21; k < a->rig->calls; k++) {
            const vc_block *block = &a->rig->blocks[k];
            CHECK_INT(block->output_time.sample_frames, (int64_t)k * 64 + grown + 100);
            CHECK_INT(inputs ? block->input_time.sample_frames : -50,
                      inputs ? (int64_t)k * 64 - 50 : -50);
        }
        uint32_t lost = 0;
        for (uint32_t k = 0; k < a->rig->calls; k++) {
            lost += a->rig->blocks[k].lost_frames;
        }
        CHECK_INT(lost, grown - LEAD);
        run_alone(a, 14, CYCLE); /* as long as the new lead */
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        make_due(a);
        run(a, 4, CYCLE);
        check_played(a, last + grown, last);
        drop(a);
    }
}

/* Blocks that do not fit the cycles, cycles of varying length, and each phase of the gap. */
static void every_frame_is_heard_once(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        for (uint32_t block = 16; block < 200; block += 41) {
            for (uint32_t late = 1; late < 20; late++) {
                ahead *a = make_up_to(inputs, 1, block, CYCLE, 2 * LEAD, MOST);
                for (uint32_t i = 0; i < 30; i++) {
                    run(a, 1, i * 37 % CYCLE + 1);
                }
                int64_t before = a->rig->made;
                for (uint32_t i = 0; i < late; i++) {
                    run_alone(a, 1, i * 29 % CYCLE + 1);
                }
                make_due(a);
                run(a, 2 + MOST / CYCLE, CYCLE);
                uint64_t lost = rig_statistics(a->rig).lost_frames;
                run(a, 10, CYCLE);
                CHECK_INT(rig_statistics(a->rig).lost_frames, lost);
                CHECK_CODED(rig_heard(a->rig, 2 * LEAD), 1, before, 0);
                int64_t delay = inputs ? vc_lead_length(a->lead) : 2 * LEAD + (int64_t)lost;
                CHECK(inputs || delay >= vc_lead_length(a->lead));
                CHECK((lost > 0) == (vc_lead_length(a->lead) > 2 * LEAD));
                int64_t from = a->rig->heard_frames - 10 * CYCLE;
                CHECK_CODED(rig_heard(a->rig, from), 1, 10 * CYCLE, from - delay);
                for (uint32_t k = a->rig->calls - 3; k < a->rig->calls; k++) {
                    CHECK_INT(a->rig->blocks[k].output_time.sample_frames,
                              (int64_t)k * block + delay + 100);
                }
                drop(a);
            }
        }
    }
}

/* The wait is so long that the ring of input, which has room for 2048 frames, is full. */
static void dropped_input_does_not_change_the_delay(void) {
    for (uint32_t alone = 20; alone < 60; alone += 3) {
        ahead *a = make_growing(1, 1, 64, MOST);
        run(a, 20, CYCLE);
        run_alone(a, alone, CYCLE);
        uint32_t queued = alone * CYCLE > 2048 ? 2048 : alone * CYCLE;
        int64_t dropped = alone * CYCLE - queued;
        for (uint32_t k = 0; k < queued / 64; k++) {
            CHECK(vc_lead_make(a->lead));
        }
        CHECK(!vc_lead_make(a->lead));
        CHECK_INT(vc_lead_length(a->lead), MOST);
        a->rig->input_at += dropped;
        run(a, 30, CYCLE);
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        int64_t from = (20 + alone) * CYCLE + MOST + FADE;
        CHECK_CODED(rig_heard(a->rig, from), 1, a->rig->heard_frames - from, from - MOST - dropped);
        drop(a);
    }
}

static void it_grows_at_most_to_its_limit(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST + 63); /* the steps are whole cycles */
        be_late(a, 15);
        check_growth(a, MOST);
        run(a, 20, CYCLE);
        be_late(a, 30); /* the longest lead is not enough */
        run(a, 20, CYCLE);
        CHECK_INT(vc_lead_length(a->lead), MOST);
        CHECK_INT(rig_statistics(a->rig).xruns, 2);
        drop(a);
    }
}

static void without_a_limit_above_it_the_lead_is_constant(void) {
    ahead *a = make_growing(0, 1, 64, 0);
    be_late(a, 9);
    run(a, 20, CYCLE);
    vc_growth growth;
    CHECK(!vc_lead_growth(a->lead, &growth));
    CHECK_INT(vc_lead_length(a->lead), LEAD);
    CHECK_INT(rig_statistics(a->rig).lost_frames, 5 * 64);
    drop(a);
}

static void a_loss_of_the_device_is_no_reason(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST);
        run(a, 20, CYCLE);
        a->rig->frame += 5000;
        run_alone(a, 1, CYCLE);
        a->rig->input_at = a->rig->frame - CYCLE;
        make_due(a);
        run(a, 20, CYCLE);
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        CHECK_INT(vc_lead_length(a->lead), LEAD);
        drop(a);
    }
}

static void code_that_is_always_too_slow_does_not_make_it_grow(void) {
    ahead *a = make_growing(0, 1, 64, MOST);
    run(a, 20, CYCLE);
    for (int i = 0; i < 60; i++) { /* each block takes two cycles */
        run_alone(a, 2, CYCLE);
        vc_lead_make(a->lead);
    }
    CHECK(rig_statistics(a->rig).xruns > 1);
    CHECK_INT(vc_lead_length(a->lead), LEAD);
    drop(a);
}

/* The worker may see the gap only after the IO thread has played the block that was late. */
static void it_can_grow_after_the_gap(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST);
        run(a, 20, CYCLE);
        a->lead->longest_wait = 9 * 64;
        atomic_fetch_add(&a->lead->starved, 1);
        run(a, 40, CYCLE);
        check_growth(a, 14 * 64);
        int64_t grown = 14 * 64, at = 21 * 64;
        CHECK_CODED(rig_heard(a->rig, LEAD), 1, at - LEAD, 0);
        CHECK_SILENT(rig_heard(a->rig, at + FADE), 1, grown - LEAD - FADE);
        check_played(a, at + grown - LEAD, at - LEAD);
        CHECK_INT(rig_statistics(a->rig).xruns, 1);
        CHECK_INT(rig_statistics(a->rig).lost_frames, grown - LEAD);
        for (uint32_t k = 21; k < a->rig->calls; k++) {
            CHECK_INT(a->rig->blocks[k].output_time.sample_frames, (int64_t)k * 64 + grown + 100);
        }
        drop(a);
    }
}

static void input_alone_loses_nothing(void) {
    ahead *a = make_growing(1, 0, 64, MOST);
    be_late(a, 9);
    check_growth(a, 14 * 64);
    be_late(a, MOST / CYCLE);
    check_growth(a, MOST);
    CHECK_INT(rig_statistics(a->rig).xruns, 0);
    CHECK_INT(a->rig->calls, 20 + 9 + 20 + MOST / CYCLE);
    drop(a);
}

static void the_next_run_begins_with_the_length_of_the_last(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST);
        be_late(a, 9);
        vc_engine_abort(a->rig->engine);
        rig_cycle(a->rig, CYCLE);
        int64_t from = a->rig->heard_frames, made = a->rig->made;
        a->rig->input_at = a->rig->frame;
        vc_lead_start(a->lead);
        rig_start(a->rig);
        run(a, 30, CYCLE);
        CHECK_INT(vc_lead_length(a->lead), 14 * 64);
        CHECK_SILENT(rig_heard(a->rig, from), 1, 14 * 64);
        CHECK_CODED(rig_heard(a->rig, from + 14 * 64), 1, 16 * 64, made);
        drop(a);
    }
}

static void a_stop_plays_all_frames_after_the_silence(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        ahead *a = make_growing(inputs, 1, 64, MOST);
        be_late(a, 9);
        vc_lead_stop(a->lead);
        run(a, 40, CYCLE);
        CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
        int64_t at = 20 * 64 + 14 * 64, last = a->rig->made;
        CHECK_CODED(rig_heard(a->rig, at + FADE), 1, last - 20 * 64 - FADE, 20 * 64 + FADE);
        CHECK_SILENT(rig_heard(a->rig, at + last - 20 * 64), 1, CYCLE);
        drop(a);
    }
}

int main(void) {
    RUN(it_grows_to_the_wait_and_its_half);
    RUN(every_frame_is_heard_once);
    RUN(dropped_input_does_not_change_the_delay);
    RUN(it_grows_at_most_to_its_limit);
    RUN(without_a_limit_above_it_the_lead_is_constant);
    RUN(a_loss_of_the_device_is_no_reason);
    RUN(code_that_is_always_too_slow_does_not_make_it_grow);
    RUN(it_can_grow_after_the_gap);
    RUN(input_alone_loses_nothing);
    RUN(the_next_run_begins_with_the_length_of_the_last);
    RUN(a_stop_plays_all_frames_after_the_silence);
    return check_summary();
}
