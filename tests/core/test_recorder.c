/* A block's input into a ring. */
#include "check.h"
#include "voicecoil.h"

#include <stdlib.h>

/* One call of the recorder with index-coded input that begins at `first`. */
static int32_t record(vc_recorder *recorder, uint32_t channels, uint32_t frames, int64_t first) {
    float *input = malloc((size_t)frames * channels * sizeof(float));
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            input[f * channels + c] = code(first + f, c);
        }
    }
    vc_block block = {.frames = frames,
                      .valid_frames = frames,
                      .input = {.data = input,
                                .frame_stride = (ptrdiff_t)channels,
                                .channel_stride = 1,
                                .channels = channels}};
    int32_t result = vc_recorder_process(&block, recorder);
    free(input);
    return result;
}

static void frames_come_in_order(void) {
    float out[2 * 64];
    vc_ring *ring = vc_ring_new(64, 2);
    vc_recorder *recorder = vc_recorder_new(ring, 0);
    int64_t first = 0;
    for (uint32_t frames = 1; frames < 50; frames++) {
        CHECK_INT(record(recorder, 2, frames, first), VC_CONTINUE);
        CHECK_INT(vc_ring_read(ring, out, 64), frames);
        CHECK_CODED(out, 2, frames, first);
        first += frames;
        CHECK_INT(vc_recorder_frames(recorder), first);
    }
    CHECK_INT(vc_recorder_overflow_frames(recorder), 0);
    vc_recorder_free(recorder);
    vc_ring_free(ring);
}

static void the_limit_is_exact(void) {
    for (uint64_t limit = 1; limit < 70; limit++) {
        float out[128];
        vc_ring *ring = vc_ring_new(128, 1);
        vc_recorder *recorder = vc_recorder_new(ring, limit);
        int64_t first = 0;
        while (record(recorder, 1, 16, first) == VC_CONTINUE) {
            first += 16;
            CHECK(first < 80);
        }
        CHECK_INT(first, ((int64_t)limit - 1) / 16 * 16);
        CHECK(!vc_ring_finished(ring));
        CHECK_INT(vc_ring_read(ring, out, 128), limit);
        CHECK_CODED(out, 1, (int64_t)limit, 0);
        CHECK(vc_ring_finished(ring));
        CHECK_INT(vc_recorder_frames(recorder), limit);
        CHECK_INT(record(recorder, 1, 16, 0), VC_STOP); /* asked again: nothing more */
        CHECK_INT(vc_ring_readable(ring), 0);
        vc_recorder_free(recorder);
        vc_ring_free(ring);
    }
}

static void what_finds_no_room_is_counted(void) {
    float out[64];
    vc_ring *ring = vc_ring_new(32, 1);
    vc_recorder *recorder = vc_recorder_new(ring, 100);
    CHECK_INT(record(recorder, 1, 20, 0), VC_CONTINUE);
    CHECK_INT(record(recorder, 1, 20, 20), VC_CONTINUE); /* 12 fit */
    CHECK_INT(vc_recorder_overflow_frames(recorder), 8);
    CHECK_INT(record(recorder, 1, 20, 40), VC_CONTINUE); /* none fits */
    CHECK_INT(vc_recorder_overflow_frames(recorder), 28);
    CHECK_INT(vc_ring_read(ring, out, 64), 32);
    CHECK_CODED(out, 1, 32, 0);
    CHECK_INT(record(recorder, 1, 64, 60), VC_STOP); /* what was lost counts for the limit */
    CHECK_INT(vc_recorder_frames(recorder), 100);
    CHECK_INT(vc_recorder_overflow_frames(recorder), 36);
    CHECK_INT(vc_ring_read(ring, out, 64), 32);
    CHECK_CODED(out, 1, 32, 60);
    CHECK(vc_ring_finished(ring));
    vc_recorder_free(recorder);
    vc_ring_free(ring);
}

int main(void) {
    RUN(frames_come_in_order);
    RUN(the_limit_is_exact);
    RUN(what_finds_no_room_is_counted);
    return check_summary();
}
