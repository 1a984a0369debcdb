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

int main(void) {
    RUN(a_gap_fades_at_any_position);
    RUN(frames_that_have_not_arrived_are_faded_out_before);
    return check_summary();
}
