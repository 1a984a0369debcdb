/* Tests histograms and the list of the newest xruns, also while the IO thread writes to them. */
#include "histogram.h"
#include "rig.h"

#include <pthread.h>

static int64_t bucket_end(uint32_t bucket) {
    int64_t ns = 0;
    while (vc_histogram_bucket(ns) <= bucket) {
        ns++;
    }
    return ns;
}

static void a_bucket_is_an_eighth_of_its_value_wide_at_most(void) {
    int64_t begin = 0;
    for (uint32_t bucket = 0; bucket < 100; bucket++) {
        CHECK_INT(vc_histogram_bucket(begin), bucket);
        int64_t end = bucket_end(bucket);
        CHECK(end > begin && (end - begin) * 8 <= (begin < 8 ? 8 : begin));
        begin = end;
    }
    for (int64_t ns = 1000; ns < INT64_MAX / 9; ns = ns * 9 / 8) {
        CHECK(vc_histogram_bucket(ns) <= vc_histogram_bucket(ns * 9 / 8));
    }
    CHECK_INT(vc_histogram_bucket(-5), 0);
    CHECK_INT(vc_histogram_bucket(INT64_MAX), VC_HISTOGRAM_BUCKETS - 1);
}

static uint64_t counts[VC_HISTOGRAM_BUCKETS];

static int64_t now_ns;
static int64_t moving_clock(void *user) {
    (void)user;
    return now_ns;
}

static int32_t slow(vc_block *block, void *user) {
    (void)block;
    now_ns += *(int64_t *)user;
    return VC_CONTINUE;
}

/* Makes an engine with cycles of 48 frames on a clock that the test advances. Each call of its code
 * takes `*takes_ns`. */
static rig *slow_rig(int64_t *takes_ns) {
    now_ns = 1000000000;
    rig *r = rig_make(0, 1, 0, 48);
    r->config.clock_ns = moving_clock;
    r->config.process = slow;
    r->config.user = takes_ns;
    r->config.leave = NULL;
    rig_start(r);
    return r;
}

static void margin_and_jitter_are_counted(void) {
    int64_t takes_ns = 100000;
    rig *r = slow_rig(&takes_ns);
    /* A cycle has 1 ms. Every tenth cycle begins 50 us late and ends too late. */
    for (int i = 0; i < 100; i++) {
        int64_t begins_ns = 1000000000 + (int64_t)i * 1000000;
        now_ns = begins_ns + (i % 10 == 5 ? 50000 : 0);
        takes_ns = i % 10 == 5 ? 1200000 : 100000;
        rig_cycle(r, 48);
    }
    vc_engine_timing(r->engine, VC_TIMING_MARGIN, counts);
    CHECK_INT(counts[0], 10);
    CHECK_INT(counts[vc_histogram_bucket(900000)], 90);
    vc_engine_timing(r->engine, VC_TIMING_JITTER, counts);
    CHECK_INT(counts[vc_histogram_bucket(50000)], 20);
    CHECK_INT(counts[0], 79);
    CHECK_INT(rig_statistics(r).late_cycles, 10);
    rig_free(r);
}

static void a_cycle_begins_when_its_driver_was_called(void) {
    int64_t takes_ns = 100000;
    rig *r = slow_rig(&takes_ns);
    float out[48];
    vc_cycle cycle = {.frames = 48, .output = {out, 1, 1, NULL, 1, 0}, .called_ns = now_ns};
    now_ns += 50000; /* the driver needs this time before the cycle */
    vc_cycle_run(r->engine, &cycle);
    CHECK_INT(rig_statistics(r).busy_ns, 150000);
    rig_free(r);
}

static int32_t that_says_when_it_ended(vc_block *block, void *user) {
    block->ended_ns = *(bool *)user ? block->called_ns + 70000 : 0;
    return VC_CONTINUE;
}

static void a_cycle_is_busy_until_its_code_says_that_it_ended(void) {
    bool says = true;
    rig *r = rig_make(0, 1, 0, 48);
    r->config.clock_ns = NULL; /* the machine's clock */
    r->config.process = that_says_when_it_ended;
    r->config.user = &says;
    r->config.leave = NULL;
    rig_start(r);
    float out[48];
    vc_cycle cycle = {.frames = 48, .output = {out, 1, 1, NULL, 1, 0}};
    cycle.called_ns = vc_clock_ns() - 500000;
    vc_cycle_run(r->engine, &cycle);
    CHECK_INT(rig_statistics(r).busy_ns, 70000);
    says = false;
    cycle.called_ns = vc_clock_ns() - 500000;
    vc_cycle_run(r->engine, &cycle);
    CHECK(rig_statistics(r).busy_ns >= 70000 + 500000);
    rig_free(r);
}

/* Runs one cycle before which `lost` frames were lost. */
static void lossy(vc_engine *engine, int64_t frame, uint32_t lost) {
    float out[1] = {0};
    vc_cycle cycle = {.frames = 1,
                      .lost_frames = lost,
                      .output = {out, 1, 1, NULL, 1, 0},
                      .now = {frame, frame, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
    vc_cycle_run(engine, &cycle);
}

static int32_t nothing(vc_block *block, void *user) {
    (void)block;
    (void)user;
    return VC_CONTINUE;
}

static vc_engine *make_lossy(void) {
    vc_engine_config config = {.output_channels = 1, .samplerate_hz = 48000, .process = nothing};
    vc_engine *engine = vc_engine_new(&config);
    vc_engine_start(engine);
    return engine;
}

static vc_event newest[VC_XRUNS];

static void the_newest_xruns_are_kept(void) {
    vc_engine *engine = make_lossy();
    CHECK_INT(vc_engine_xruns(engine, newest, VC_XRUNS), 0);
    for (int64_t frame = 1; frame <= 2500; frame++) {
        lossy(engine, frame, (uint32_t)(frame * 3));
        uint32_t count = vc_engine_xruns(engine, newest, VC_XRUNS);
        CHECK_INT(count, frame < VC_XRUNS ? frame : VC_XRUNS);
        CHECK_INT(newest[count - 1].value, frame * 3);
        CHECK_INT(newest[0].value, (frame - count + 1) * 3);
    }
    CHECK_INT(vc_engine_xruns(engine, newest, 10), 10);
    CHECK_INT(newest[9].value, 7500);
    CHECK_INT(newest[9].cause, VC_CAUSE_DEVICE);
    vc_engine_free(engine);
}

enum { LOSSES = 300000 };

static void *lose_many(void *user) {
    for (int64_t frame = 1; frame <= LOSSES; frame++) {
        lossy(user, frame, (uint32_t)(frame * 3));
    }
    return NULL;
}

static void xruns_are_never_torn(void) {
    vc_engine *engine = make_lossy();
    pthread_t writer;
    pthread_create(&writer, NULL, lose_many, engine);
    int64_t last = 0;
    while (last < LOSSES) {
        uint32_t count = vc_engine_xruns(engine, newest, VC_XRUNS);
        for (uint32_t i = 0; i < count; i++) {
            CHECK_INT(newest[i].value, newest[i].host_ns * 3);
            CHECK(i == 0 || newest[i].host_ns > newest[i - 1].host_ns);
        }
        last = count > 0 ? newest[count - 1].host_ns : 0;
    }
    pthread_join(writer, NULL);
    vc_engine_free(engine);
}

int main(void) {
    RUN(a_bucket_is_an_eighth_of_its_value_wide_at_most);
    RUN(margin_and_jitter_are_counted);
    RUN(a_cycle_begins_when_its_driver_was_called);
    RUN(a_cycle_is_busy_until_its_code_says_that_it_ended);
    RUN(the_newest_xruns_are_kept);
    RUN(xruns_are_never_torn);
    return check_summary();
}
