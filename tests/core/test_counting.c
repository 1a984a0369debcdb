/* Statistics count xruns, late cycles, NaN, levels and events, while other threads read them. */
#include "engine.h"
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>

static void a_gap_in_sample_time_is_an_xrun(void) {
    rig *r = rig_make(0, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    r->frame += 30;
    rig_cycle(r, 64);
    rig_cycle(r, 64);
    CHECK_INT(r->blocks[0].lost_frames, 0);
    CHECK_INT(r->blocks[1].lost_frames, 30);
    CHECK_INT(r->blocks[2].lost_frames, 0);
    vc_statistics s = rig_statistics(r);
    CHECK_INT(s.xruns, 1);
    CHECK_INT(s.lost_frames, 30);
    CHECK_INT(s.cycles, 3);
    CHECK_INT(s.blocks, 3);
    CHECK_INT(s.frames, 192);
    CHECK_INT(s.last_output.sample_frames, 64 + 30 + 64 + 100);
    vc_event event;
    CHECK(vc_engine_event(r->engine, &event));
    CHECK_INT(event.kind, VC_EVENT_XRUN);
    CHECK_INT(event.value, 30);
    CHECK_INT(event.sample_frames, 94);
    CHECK(!vc_engine_event(r->engine, &event));
    rig_free(r);
}

static void a_gap_in_both_directions_counts_once(void) {
    rig *r = rig_make(1, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    r->frame += 30;
    r->input_at += 30;
    rig_cycle(r, 64);
    CHECK_INT(rig_statistics(r).xruns, 1);
    CHECK_INT(rig_statistics(r).lost_frames, 30);
    r->input_latency += 7; /* the input's time goes back, which is no loss */
    rig_cycle(r, 64);
    CHECK_INT(rig_statistics(r).xruns, 1);
    r->input_latency -= 9; /* only the input loses frames */
    rig_cycle(r, 64);
    CHECK_INT(rig_statistics(r).xruns, 2);
    CHECK_INT(rig_statistics(r).lost_frames, 39);
    rig_free(r);
}

static void a_time_line_that_went_back_lost_nothing(void) {
    rig *r = rig_make(0, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    r->frame = -100000;
    rig_cycle(r, 64);
    rig_cycle(r, 64);
    CHECK_INT(rig_statistics(r).xruns, 0);
    rig_free(r);
}

static void without_sample_times_the_driver_reports_losses(void) {
    rig *r = rig_make(0, 1, 0, 64);
    r->sample_times = false;
    rig_start(r);
    rig_cycle(r, 64);
    r->frame += 30;
    rig_cycle(r, 64);
    CHECK_INT(rig_statistics(r).xruns, 0);
    rig_memory(r, 1, 1, 64);
    vc_cycle cycle = {.frames = 64, .output = r->audio[1], .lost_frames = 12};
    vc_cycle_run(r->engine, &cycle);
    CHECK_INT(rig_statistics(r).xruns, 1);
    CHECK_INT(r->blocks[2].lost_frames, 12);
    rig_free(r);
}

/* Several xruns occur before the next block, and it has lost more frames than its field can hold.
 */
static void losses_add_up_until_the_next_block(void) {
    rig *r = rig_make(0, 1, 256, 64);
    rig_start(r);
    rig_cycle(r, 64);
    for (int i = 1; i < 4; i++) {
        r->frame += 10;
        rig_cycle(r, 64);
    }
    rig_cycle(r, 64);
    CHECK_INT(r->blocks[1].lost_frames, 30);
    for (int i = 1; i < 4; i++) {
        r->frame += 1LL << 32;
        rig_cycle(r, 64);
    }
    rig_cycle(r, 64);
    CHECK_INT(r->blocks[2].lost_frames, UINT32_MAX);
    rig_free(r);
}

static int64_t ticking_ns;
static int64_t ticking_clock(void *user) { return ticking_ns += *(int64_t *)user; }

static void a_late_cycle_is_counted(void) {
    int64_t tick = 1000;
    rig *r = rig_make(0, 1, 0, 48); /* 1 ms */
    r->config.clock_ns = ticking_clock;
    r->config.clock = &tick;
    rig_start(r);
    rig_cycle(r, 48);
    CHECK_INT(rig_statistics(r).late_cycles, 0);
    CHECK_INT(rig_statistics(r).busy_ns, 1000);
    tick = 1500000;
    rig_cycle(r, 48);
    vc_statistics s = rig_statistics(r);
    CHECK_INT(s.late_cycles, 1);
    CHECK_INT(s.busy_ns, 1501000);
    CHECK_INT(s.busy_max_ns, 1500000);
    vc_event event;
    CHECK(vc_engine_event(r->engine, &event));
    CHECK_INT(event.kind, VC_EVENT_LATE);
    CHECK_INT(event.value, 1500000);
    tick = 500000;
    for (int i = 0; i < 160; i++) {
        rig_cycle(r, 48);
    }
    CHECK_NEAR(rig_statistics(r).load, 0.5, 0.05);
    tick = -5000000; /* the clock goes back in each cycle */
    rig_cycle(r, 48);
    CHECK_INT(rig_statistics(r).busy_ns, 1501000 + 160 * 500000);
    rig_free(r);
}

static void the_load_is_right_after_a_change_of_the_rate(void) {
    int64_t tick = 100000;
    rig *r = rig_make(0, 1, 0, 24); /* 0.5 ms */
    r->config.clock_ns = ticking_clock;
    r->config.clock = &tick;
    rig_start(r);
    rig_cycle(r, 24);
    vc_move to = {.output_map = (const uint32_t[]){0},
                  .output_channels = 1,
                  .period_frames = 24,
                  .clock_ns = ticking_clock,
                  .clock = &tick,
                  .samplerate_hz = 96000}; /* 0.25 ms */
    CHECK(vc_engine_move(r->engine, &to));
    tick = 200000;
    for (int i = 0; i < 300; i++) {
        rig_cycle(r, 24);
    }
    CHECK_NEAR(rig_statistics(r).load, 0.8, 0.05);
    rig_free(r);
}

static int32_t make_bad(vc_block *block, void *user) {
    (void)user;
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t c = 0; c < block->output.channels; c++) {
            float *sample = block->output.data + (ptrdiff_t)f * block->output.frame_stride +
                            (ptrdiff_t)c * block->output.channel_stride;
            *sample = f % 16 == 3 ? (c ? INFINITY : NAN) : f % 16 == 5 ? -INFINITY : code(f, c);
        }
    }
    return VC_CONTINUE;
}

static void nan_and_infinity_are_silence_and_counted(void) {
    static const rig_layout layouts[] = {INTERLEAVED, PLANAR, SPLIT};
    for (int zero = 0; zero < 2; zero++) {
        for (int l = 0; l < 3; l++) {
            rig *r = rig_make(0, 2, 0, 64);
            r->layout = layouts[l];
            r->config.flags = zero ? VC_ENGINE_ZERO_COPY : 0;
            r->config.process = make_bad;
            rig_start(r);
            rig_cycle(r, 64);
            CHECK_INT(rig_statistics(r).nonfinite_samples, 16);
            for (uint32_t f = 0; f < 64; f++) {
                bool bad = f % 16 == 3 || f % 16 == 5;
                CHECK(r->heard[f * 2] == (bad ? 0.0f : code(f, 0)));
                CHECK(r->heard[f * 2 + 1] == (bad ? 0.0f : code(f, 1)));
            }
            rig_free(r);
        }
    }
}

/* Frames after the valid ones are not content. NaN in them is neither played nor counted. */
static int32_t nan_behind_the_end(vc_block *block, void *user) {
    (void)user;
    for (uint32_t f = 0; f < block->frames; f++) {
        block->output.data[f] = f < 10 ? code(f, 0) : NAN;
    }
    block->valid_frames = 10;
    return VC_CONTINUE;
}

static void nan_behind_the_valid_frames_does_not_count(void) {
    rig *r = rig_make(0, 1, 0, 64);
    r->config.process = nan_behind_the_end;
    rig_start(r);
    CHECK_INT(rig_cycle(r, 64), 10);
    CHECK_CODED(r->heard, 1, 10, 0);
    CHECK_SILENT(rig_heard(r, 10), 1, 54);
    CHECK_INT(rig_statistics(r).nonfinite_samples, 0);
    rig_free(r);
}

static int32_t half(vc_block *block, void *user) {
    (void)user;
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t c = 0; c < block->output.channels; c++) {
            float *sample = block->output.data + (ptrdiff_t)f * block->output.frame_stride +
                            (ptrdiff_t)c * block->output.channel_stride;
            *sample = c == 0 ? 0.5f : (f & 1u ? -0.25f : 0.25f);
        }
    }
    return VC_CONTINUE;
}

static void levels_since_the_last_look(void) {
    static const rig_layout layouts[] = {INTERLEAVED, PLANAR};
    for (int l = 0; l < 2; l++) {
        rig *r = rig_make(1, 2, 0, 64);
        r->layout = layouts[l];
        r->config.flags = VC_ENGINE_METER | VC_ENGINE_ZERO_COPY;
        r->config.process = half;
        rig_start(r);
        vc_level levels[4];
        vc_engine_levels(r->engine, levels, 4);
        CHECK(levels[0].peak == 0.0f && levels[0].mean_square == 0.0f);
        for (int i = 0; i < 3; i++) {
            rig_cycle(r, 64);
        }
        vc_engine_levels(r->engine, levels, 4);
        CHECK_NEAR(levels[0].peak, 0.5, 0);
        CHECK_NEAR(levels[0].mean_square, 0.25, 1e-7);
        CHECK_NEAR(levels[1].peak, 0.25, 0);
        CHECK_NEAR(levels[1].mean_square, 0.0625, 1e-7);
        CHECK_NEAR(levels[2].peak, code(191, 0), 0);
        CHECK(levels[3].peak == 0.0f); /* this channel does not exist */
        vc_engine_levels(r->engine, levels, 3);
        CHECK(levels[0].peak == 0.0f && levels[0].mean_square == 0.0f);
        rig_free(r);
    }
}

/* Writes NaN to the input of the first block, as a faulty device would. */
static int32_t spoil_input(vc_block *block, void *user) {
    (void)user;
    if (block->now.sample_frames == 0) {
        block->input.data[5] = NAN;
        block->input.data[6] = -INFINITY;
    }
    return VC_CONTINUE;
}

static void levels_outlive_a_nan_of_the_device(void) {
    rig *r = rig_make(1, 0, 0, 64);
    r->config.flags = VC_ENGINE_METER;
    r->config.process = spoil_input;
    rig_start(r);
    vc_level level;
    for (int i = 0; i < 2; i++) {
        rig_cycle(r, 64);
        vc_engine_levels(r->engine, &level, 1);
        CHECK_NEAR(level.peak, code(64 * i + 63, 0), 0);
        CHECK(level.mean_square > 0.0f);
    }
    rig_free(r);
}

/* One sample of 1e30, such as uninitialised memory of a driver. Its square is infinite as a float,
 * and before the fix no later level was a number. */
static int32_t overload_input(vc_block *block, void *user) {
    (void)user;
    for (uint32_t f = 0; f < block->frames; f++) {
        block->input.data[f] = f == 5 && block->now.sample_frames == 0 ? 1e30f : 0.5f;
    }
    return VC_CONTINUE;
}

static void levels_outlive_a_sample_far_beyond_full_scale(void) {
    rig *r = rig_make(1, 0, 0, 64);
    r->config.flags = VC_ENGINE_METER;
    r->config.process = overload_input;
    rig_start(r);
    vc_level level;
    rig_cycle(r, 64);
    vc_engine_levels(r->engine, &level, 1);
    CHECK_NEAR(level.peak, 1e30f, 0);
    CHECK(level.mean_square > 1000.0f && level.mean_square < 1e30f);
    rig_cycle(r, 64);
    vc_engine_levels(r->engine, &level, 1);
    CHECK_NEAR(level.peak, 0.5, 0);
    CHECK_NEAR(level.mean_square, 0.25, 1e-7);
    rig_free(r);
}

static void without_a_meter_levels_are_zero(void) {
    rig *r = rig_make(0, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    vc_level level = {1.0f, 1.0f};
    vc_engine_levels(r->engine, &level, 1);
    CHECK(level.peak == 0.0f && level.mean_square == 0.0f);
    rig_free(r);
}

static void events_that_find_no_room_are_counted(void) {
    rig *r = rig_make(0, 1, 0, 4);
    rig_start(r);
    rig_cycle(r, 4);
    for (int i = 0; i < 1100; i++) {
        r->frame += 1 + i;
        rig_cycle(r, 4);
    }
    vc_engine_stop(r->engine);
    rig_cycle(r, 4);
    int64_t events = 0;
    vc_event event;
    while (vc_engine_event(r->engine, &event)) {
        CHECK_INT(event.value, ++events);
    }
    CHECK(events >= 1000);
    CHECK_INT(rig_statistics(r).lost_events, 1101 - events); /* the FINISHED event is also lost */
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    rig_free(r);
}

/* The IO thread was interrupted while it wrote. A reader with a higher priority on the same
 * processor must not wait for it. Before the fix it waited for ever. */
static void readers_do_not_wait_for_an_interrupted_writer(void) {
    rig *r = rig_make(0, 1, 0, 16);
    r->config.process = half;
    r->config.flags = VC_ENGINE_METER;
    rig_start(r);
    rig_cycle(r, 16);
    rig_cycle(r, 16);
    vc_kept *writing[] = {&r->engine->published.kept, &r->engine->meters[0].kept};
    _Atomic uint64_t *third[] = {r->engine->published.words, r->engine->meters[0].words};
    for (int i = 0; i < 2; i++) { /* the third record goes where the first one was */
        atomic_fetch_add(&writing[i]->begun, 1);
        atomic_store(third[i], UINT64_MAX);
    }
    vc_level level;
    CHECK_INT(rig_statistics(r).cycles, 2);
    vc_engine_levels(r->engine, &level, 1);
    CHECK_NEAR(level.mean_square, 0.25, 1e-7);
    rig_free(r);
}

/* ---- reads from another thread ----------------------------------------------------------------
 */

enum { CYCLES = 200000 };

typedef struct observer {
    rig *r;
    _Atomic bool over;
    _Atomic uint32_t looks;
    uint32_t torn, wrong_levels;
    float worst;
} observer;

/* Checks that each read is consistent: there is one block of 16 frames for each cycle. */
static void *watch_statistics(void *user) {
    observer *o = user;
    uint64_t last = 0;
    bool over;
    do {
        over = atomic_load(&o->over);
        vc_statistics s = rig_statistics(o->r);
        o->torn += s.cycles != s.blocks || s.frames != s.blocks * 16 || s.cycles < last ||
                   (s.cycles && s.last_output.sample_frames !=
                                    (int64_t)(s.cycles - 1) * 16 + o->r->output_latency);
        last = s.cycles;
        o->looks++;
    } while (!over);
    return NULL;
}

/* Checks that the levels of a signal with the constant value 0.5 are never different. */
static void *watch_levels(void *user) {
    observer *o = user;
    bool over;
    do {
        over = atomic_load(&o->over);
        vc_level level;
        vc_engine_levels(o->r->engine, &level, 1);
        bool none = level.mean_square == 0.0f;
        o->wrong_levels += !none && (level.mean_square < 0.2499f || level.mean_square > 0.2501f);
        o->worst = level.mean_square > o->worst ? level.mean_square : o->worst;
        o->looks++;
    } while (!over);
    return NULL;
}

static void run_cycles(observer *o, void *(*watch)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, watch, o);
    while (atomic_load(&o->looks) ==
           0) { /* waits until both threads run, because otherwise nothing is tested */
    }
    float output[16];
    rig *r = o->r;
    for (int i = 0; i < CYCLES; i++) {
        vc_cycle cycle = {
            .frames = 16,
            .output = {.data = output, .frame_stride = 1, .channel_stride = 1, .channels = 1},
            .output_time = rig_time(r, r->frame + r->output_latency)};
        vc_cycle_run(r->engine, &cycle);
        r->frame += 16;
    }
    atomic_store(&o->over, true);
    pthread_join(thread, NULL);
}

static void statistics_are_never_torn(void) {
    rig *r = rig_make(0, 1, 0, 16);
    r->config.process = half;
    rig_start(r);
    observer o = {.r = r};
    run_cycles(&o, watch_statistics);
    CHECK_INT(o.torn, 0);
    CHECK(o.looks > 0);
    CHECK_INT(rig_statistics(r).cycles, CYCLES);
    rig_free(r);
}

static void levels_are_never_torn(void) {
    rig *r = rig_make(0, 1, 0, 16);
    r->config.process = half;
    r->config.flags = VC_ENGINE_METER;
    rig_start(r);
    observer o = {.r = r};
    run_cycles(&o, watch_levels);
    check_that(o.wrong_levels == 0, __FILE__, __LINE__,
               "%u of %u levels are wrong, up to %.3g for 0.25", o.wrong_levels, (uint32_t)o.looks,
               (double)o.worst);
    rig_free(r);
}

int main(void) {
    RUN(a_gap_in_sample_time_is_an_xrun);
    RUN(a_gap_in_both_directions_counts_once);
    RUN(a_time_line_that_went_back_lost_nothing);
    RUN(without_sample_times_the_driver_reports_losses);
    RUN(losses_add_up_until_the_next_block);
    RUN(a_late_cycle_is_counted);
    RUN(the_load_is_right_after_a_change_of_the_rate);
    RUN(nan_and_infinity_are_silence_and_counted);
    RUN(nan_behind_the_valid_frames_does_not_count);
    RUN(levels_since_the_last_look);
    RUN(levels_outlive_a_nan_of_the_device);
    RUN(levels_outlive_a_sample_far_beyond_full_scale);
    RUN(without_a_meter_levels_are_zero);
    RUN(events_that_find_no_room_are_counted);
    RUN(readers_do_not_wait_for_an_interrupted_writer);
    RUN(statistics_are_never_torn);
    RUN(levels_are_never_torn);
    return check_summary();
}
