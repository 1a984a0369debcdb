/* Tests of the lead with a worker that the test runs by hand. */
#include "lead_rig.h"

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

static void cycles_of_varying_length(void) {
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

/* Checks the output in a gap. The engine fades out: it plays the frames before frame `last`
 * backwards, ever quieter, and then silence. */
static void check_gap(const float *heard, int64_t last, uint32_t frames) {
    for (uint32_t f = 0; f < frames; f++) {
        double gain = f < FADE ? (double)(FADE - 1 - f) / FADE : 0.0;
        double wanted = f < last ? (double)code(last - 1 - f, 0) * gain : 0.0;
        CHECK_NEAR(heard[f], wanted, 0.01);
    }
}

static void late_output_is_played_later_without_input(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 20, 64);
    run_alone(a, 9, 64);    /* the ring has frames for four cycles */
    int64_t last = 20 * 64; /* frames made, of which the first is played at 256 */
    CHECK_INT(rig_statistics(a->rig).xruns, 1);
    CHECK_INT(rig_statistics(a->rig).lost_frames, 5 * 64);
    CHECK_INT(rig_statistics(a->rig).late_blocks, 1);
    CHECK_CODED(rig_heard(a->rig, 256), 1, last, 0);
    check_gap(rig_heard(a->rig, 256 + last), last, 5 * 64);
    CHECK_INT(xrun_of(a).kind, 0); /* the gap is not over yet */
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

/* The sound continues before the fade-out of the gap has ended, so both are added. */
static void a_gap_that_is_shorter_than_its_fade(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 20, 64);
    run_alone(a, 5, 64); /* the ring has frames for four cycles */
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

static void with_input_a_gap_does_not_change_the_delay(void) {
    for (uint32_t alone = 5; alone < 40; alone += 3) { /* cycles without a worker */
        ahead *a = make(1, 1, 64, 64, 256);
        run(a, 20, 64);
        run_alone(a, alone, 64);
        /* The code has processed input up to this frame, which is played 256 frames later. */
        int64_t heard = 20 * 64;
        CHECK_CODED(rig_heard(a->rig, 256), 1, heard, 0);
        vc_statistics counted = rig_statistics(a->rig);
        CHECK_INT(counted.xruns, 1);
        CHECK_INT(counted.lost_frames, (alone - 4) * 64);
        a->rig->input_at = heard;
        /* The ring of input has room for 1024 frames. Later input was dropped. */
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
        /* Output that was made from input frame i is played at frame i + 256. The dropped input
         * does not change this delay. */
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

static void input_without_room_is_counted(void) {
    ahead *a = make(1, 0, 64, 64, 256);
    run(a, 10, 64);
    run_alone(a, 13, 64); /* the ring has room for eight cycles */
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
    run_alone(a, 8, 64); /* the device continues while the code is running */
    return VC_CONTINUE;
}

static bool is_inside;
static bool inside(const void *user) {
    (void)user;
    return is_inside;
}

/* A device breaks its promise: its cycles are longer than the lead. A gap ended only when the ring
 * had a whole cycle, which it never had, so before the fix the stream was silent for ever. */
static void cycles_longer_than_the_lead_are_not_silent_for_ever(void) {
    ahead *a = make_on(0, 0, 1, 64, 64, 192, 0);
    run(a, 10, 512);
    for (int64_t cycle = 1, heard = 0; cycle < 10; cycle++, heard += 192) {
        CHECK_INT(*rig_heard(a->rig, cycle * 512 + FADE) == code(heard + FADE, 0), 1);
    }
    drop(a);
    a = make_on(0, 0, 1, 64, 64, 192, 4096);
    run(a, 10, 512);
    uint64_t xruns = rig_statistics(a->rig).xruns;
    int64_t made = a->rig->made - vc_lead_length(a->lead);
    run(a, 4, 512);
    CHECK_INT(rig_statistics(a->rig).xruns, xruns);
    CHECK_CODED(rig_heard(a->rig, 10 * 512), 1, 4 * 512, made);
    CHECK(vc_lead_length(a->lead) >= 512);
    drop(a);
}

static void a_gap_is_reported_with_its_cause(void) {
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

static void frames_lost_by_the_device_are_reported_in_their_block(void) {
    ahead *a = make(1, 1, 64, 64, 256);
    run(a, 10, 64);
    a->rig->frame += 500;
    run_alone(a, 1, 64);
    a->rig->input_at = 10 * 64 + 500;
    run(a, 10, 64);
    CHECK_INT(rig_statistics(a->rig).xruns, 1);
    CHECK_INT(rig_statistics(a->rig).late_blocks, 0);
    for (uint32_t k = 0; k < a->rig->calls; k++) {
        int64_t first = (int64_t)k * 64 + (k >= 10 ? 500 : 0);
        CHECK_INT(a->rig->blocks[k].lost_frames, k == 10 ? 500 : 0);
        CHECK_INT(a->rig->blocks[k].input_time.sample_frames, first - 50);
        CHECK_INT(a->rig->blocks[k].output_time.sample_frames, first + 256 + 100);
    }
    drop(a);
}

static int32_t note_lost(vc_block *block, void *user) {
    *(uint64_t *)user += block->lost_frames;
    return VC_CONTINUE;
}

/* As after a callback that did not return for a day. Before the fix the number began at 0 again. */
static void more_than_2_to_the_32_lost_frames_are_reported_as_the_most(void) {
    for (uint32_t inputs = 0; inputs < 2; inputs++) {
        uint64_t told = 0;
        float memory[64] = {0}, own[64];
        const vc_lead_config config = {.input_channels = inputs,
                                       .output_channels = 1 - inputs,
                                       .block_frames = 64,
                                       .max_period_frames = 32,
                                       .lead_frames = 64,
                                       .samplerate_hz = 48000.0,
                                       .input_block = own,
                                       .output_block = own,
                                       .process = note_lost,
                                       .user = &told};
        const vc_audio mono = {
            .data = memory, .frame_stride = 1, .channel_stride = 1, .channels = 1};
        vc_lead *lead = vc_lead_new(&config);
        vc_lead_start(lead);
        for (int i = 0; i < 2; i++) {
            vc_block block = {.frames = 32, .lost_frames = UINT32_MAX - 1000, .input = mono};
            block.output = mono;
            CHECK_INT(vc_lead_process(&block, lead), VC_CONTINUE);
        }
        CHECK(vc_lead_make(lead));
        CHECK_INT(told, UINT32_MAX);
        vc_lead_free(lead);
    }
}

/* With cycles of one frame, the queue of notes about losses is full long before the ring is. */
static void a_loss_without_room_for_its_note_is_reported_later_and_once(void) {
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

static void after_the_codes_end_all_its_frames_are_played(void) {
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

static void a_stop_plays_all_frames_that_are_ready(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    run(a, 10, 64);
    vc_lead_stop(a->lead);
    run(a, 10, 64);
    CHECK_INT(a->rig->calls, 10);
    CHECK_CODED(rig_heard(a->rig, 256), 1, 640, 0);
    CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
    drop(a);
}

static void a_stop_before_the_first_block_ends_at_once(void) {
    ahead *a = make(0, 1, 64, 64, 256);
    vc_lead_stop(a->lead);
    CHECK(!vc_lead_make(a->lead));
    rig_cycle(a->rig, 64);
    CHECK_INT(vc_engine_state(a->rig->engine), VC_FINISHED);
    drop(a);
}

static void a_stop_processes_the_input_that_has_arrived(void) {
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

static void a_lead_can_start_again(void) {
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

int main(void) {
    RUN(every_frame_is_heard_once_after_the_lead);
    RUN(cycles_of_varying_length);
    RUN(input_comes_in_whole_blocks);
    RUN(late_output_is_played_later_without_input);
    RUN(a_gap_in_the_middle_of_a_cycle);
    RUN(a_gap_that_is_shorter_than_its_fade);
    RUN(with_input_a_gap_does_not_change_the_delay);
    RUN(input_without_room_is_counted);
    RUN(cycles_longer_than_the_lead_are_not_silent_for_ever);
    RUN(a_gap_is_reported_with_its_cause);
    RUN(frames_lost_by_the_device_are_reported_in_their_block);
    RUN(more_than_2_to_the_32_lost_frames_are_reported_as_the_most);
    RUN(a_loss_without_room_for_its_note_is_reported_later_and_once);
    RUN(after_the_codes_end_all_its_frames_are_played);
    RUN(an_error_ends_at_once);
    RUN(a_stop_plays_all_frames_that_are_ready);
    RUN(a_stop_before_the_first_block_ends_at_once);
    RUN(a_stop_processes_the_input_that_has_arrived);
    RUN(a_lead_can_start_again);
    return check_summary();
}
