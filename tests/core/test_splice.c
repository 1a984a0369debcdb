/* Tests of the fades around missing frames. */
#include "check.h"
#include "splice.h"

enum { LENGTH = 4, FRAMES = 32 };

/* The gains of frames that were all 1, read from `position` on. */
static void gains(float *data, int64_t position, int64_t gap, int64_t arrived) {
    vc_splices splices = {0};
    CHECK(vc_splices_make(&splices, 1, LENGTH));
    vc_splices_gap(&splices, gap, gap + 8);
    for (int f = 0; f < FRAMES; f++) {
        data[f] = 1.0f;
    }
    vc_splices_apply(&splices, data, FRAMES, position, 0.0, 1.0, arrived);
    vc_splices_free(&splices);
}

/* Positions are negative if the reader begins before the first frame that was written. */
static void a_gap_fades_at_any_position(void) {
    static const int64_t positions[] = {-34514, -8, 0, 1000000};
    for (size_t p = 0; p < sizeof positions / sizeof *positions; p++) {
        float data[FRAMES];
        gains(data, positions[p], positions[p] + 8, VC_ALL_ARRIVED);
        for (int f = 0; f < FRAMES; f++) {
            int distance = f < 8 ? 8 - f : f > 16 ? f - 16 : 0;
            CHECK_NEAR(data[f], distance < LENGTH ? (double)distance / LENGTH : 1.0, 1e-7);
        }
    }
}

static void frames_that_have_not_arrived_are_faded_out_before(void) {
    float data[FRAMES];
    gains(data, -20, -1000, 0);
    for (int f = 0; f < FRAMES; f++) {
        int distance = f < 20 ? 20 - f : 0;
        CHECK_NEAR(data[f], distance < LENGTH ? (double)distance / LENGTH : 1.0, 1e-7);
    }
}

static void fill(float *data, float value) {
    for (int f = 0; f < FRAMES; f++) {
        data[f] = value;
    }
}

/* The difference at a cut is faded out, so that the signal has no step. */
static void a_cut_is_faded(void) {
    float data[FRAMES];
    vc_splices splices = {0};
    CHECK(vc_splices_make(&splices, 1, LENGTH));
    vc_splices_begin(&splices);
    fill(data, 1.0f);
    vc_splices_apply(&splices, data, FRAMES, 0, 0.0, 1.0, VC_ALL_ARRIVED);
    for (int f = 0; f < FRAMES; f++) { /* the signal begins after silence */
        CHECK_NEAR(data[f], f < LENGTH ? (double)f / LENGTH : 1.0, 1e-7);
    }
    vc_splices_cut(&splices);
    fill(data, -1.0f);
    vc_splices_apply(&splices, data, FRAMES, 1000, 0.0, 1.0, VC_ALL_ARRIVED);
    for (int f = 0; f < FRAMES; f++) {
        CHECK_NEAR(data[f], f < LENGTH ? 1.0 - 2.0 * f / LENGTH : -1.0, 1e-7);
    }
    vc_splices_free(&splices);
}

static void frames_that_arrive_late_begin_without_a_step(void) {
    float data[FRAMES];
    vc_splices splices = {0};
    CHECK(vc_splices_make(&splices, 1, LENGTH));
    vc_splices_begin(&splices);
    fill(data, 1.0f);
    vc_splices_apply(&splices, data, FRAMES, 0, 0.0, 1.0, 20); /* the rest is late */
    CHECK_NEAR(data[FRAMES - 1], 0.0, 1e-7);
    fill(data, 1.0f);
    vc_splices_apply(&splices, data, FRAMES, FRAMES, 0.0, 1.0, VC_ALL_ARRIVED);
    for (int f = 0; f < FRAMES; f++) {
        CHECK_NEAR(data[f], f < LENGTH ? (double)f / LENGTH : 1.0, 1e-7);
    }
    fill(data, 1.0f); /* the signal goes on */
    vc_splices_apply(&splices, data, FRAMES, 2 * (int64_t)FRAMES, 0.0, 1.0, VC_ALL_ARRIVED);
    CHECK_NEAR(data[0], 1.0, 1e-7);
    vc_splices_free(&splices);
}

/* Each block looks at all gaps, so old ones must not collect. */
static void gaps_are_forgotten_after_their_fade(void) {
    float data[FRAMES];
    vc_splices splices = {0};
    CHECK(vc_splices_make(&splices, 1, LENGTH));
    vc_splices_begin(&splices);
    vc_splices_gap(&splices, 8, 16);
    vc_splices_gap(&splices, 40, 48);
    fill(data, 0.0f);
    for (int64_t position = 0; position <= 2 * FRAMES; position += FRAMES) {
        vc_splices_apply(&splices, data, FRAMES, position, 0.0, 1.0, VC_ALL_ARRIVED);
        CHECK_INT(splices.gap_count, 2 - position / FRAMES);
    }
    vc_splices_free(&splices);
}

int main(void) {
    RUN(a_gap_fades_at_any_position);
    RUN(frames_that_have_not_arrived_are_faded_out_before);
    RUN(a_cut_is_faded);
    RUN(frames_that_arrive_late_begin_without_a_step);
    RUN(gaps_are_forgotten_after_their_fade);
    return check_summary();
}
