/* The recorder writes the input of each block into a ring. */
#include "check.h"
#include "voicecoil.h"

#include <stdlib.h>

/* Calls the recorder once with index-coded input that begins at `first`. `lost` frames were lost
 * before. */
static int32_t record_after(vc_recorder *recorder, uint32_t lost, uint32_t channels,
                            uint32_t frames, int64_t first) {
    float *input = malloc((size_t)frames * channels * sizeof(float));
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            input[f * channels + c] = code(first + f, c);
        }
    }
    vc_block block = {.frames = frames,
                      .lost_frames = lost,
                      .valid_frames = frames,
                      .input = {.data = input,
                                .frame_stride = (ptrdiff_t)channels,
                                .channel_stride = 1,
                                .channels = channels}};
    int32_t result = vc_recorder_process(&block, recorder);
    free(input);
    return result;
}

static int32_t record(vc_recorder *recorder, uint32_t channels, uint32_t frames, int64_t first) {
    return record_after(recorder, 0, channels, frames, first);
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
        CHECK_INT(record(recorder, 1, 16, 0), VC_STOP); /* a further call records nothing */
        CHECK_INT(vc_ring_readable(ring), 0);
        vc_recorder_free(recorder);
        vc_ring_free(ring);
    }
}

static void frames_without_room_are_counted(void) {
    float out[64];
    vc_ring *ring = vc_ring_new(32, 1);
    vc_recorder *recorder = vc_recorder_new(ring, 100);
    CHECK_INT(record(recorder, 1, 20, 0), VC_CONTINUE);
    CHECK_INT(record(recorder, 1, 20, 20), VC_CONTINUE); /* 12 frames fit */
    CHECK_INT(vc_recorder_overflow_frames(recorder), 8);
    CHECK_INT(record(recorder, 1, 20, 40), VC_CONTINUE); /* no frame fits */
    CHECK_INT(vc_recorder_overflow_frames(recorder), 28);
    CHECK_INT(vc_ring_read(ring, out, 64), 32);
    CHECK_CODED(out, 1, 32, 0);
    CHECK_INT(record(recorder, 1, 64, 60), VC_STOP); /* the limit includes lost frames */
    CHECK_INT(vc_recorder_frames(recorder), 100);
    CHECK_INT(vc_recorder_overflow_frames(recorder), 36);
    CHECK_INT(vc_ring_read(ring, out, 64), 32);
    CHECK_CODED(out, 1, 32, 60);
    CHECK(vc_ring_finished(ring));
    vc_recorder_free(recorder);
    vc_ring_free(ring);
}

typedef struct taken {
    vc_ring *ring;
    vc_queue *gaps;
    vc_recorder *recorder;
} taken;

static taken take_new(uint32_t ring_frames, uint32_t gaps, uint64_t limit, bool stop) {
    taken t = {vc_ring_new(ring_frames, 1), vc_queue_new(gaps, sizeof(vc_gap)), NULL};
    t.recorder = vc_recorder_new(t.ring, limit);
    vc_recorder_push_gaps(t.recorder, t.gaps, stop);
    return t;
}

static void take_free(taken *t) {
    vc_recorder_free(t->recorder);
    vc_queue_free(t->gaps);
    vc_ring_free(t->ring);
}

static void check_gap(const taken *t, uint64_t position, uint64_t frames, uint32_t cause) {
    vc_gap gap = {0};
    CHECK(vc_queue_pop(t->gaps, &gap));
    CHECK_INT(gap.position, position);
    CHECK_INT(gap.frames, frames);
    CHECK_INT(gap.cause, cause);
}

static void losses_are_pushed_with_their_positions(void) {
    float out[64];
    vc_gap none;
    taken t = take_new(32, 8, 0, false);
    CHECK_INT(record(t.recorder, 1, 20, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 7, 1, 10, 27), VC_CONTINUE);
    check_gap(&t, 20, 7, VC_GAP_DEVICE);
    CHECK_INT(record(t.recorder, 1, 20, 37), VC_CONTINUE); /* 2 frames fit */
    CHECK_INT(record_after(t.recorder, 5, 1, 20, 62), VC_CONTINUE);
    CHECK(!vc_queue_pop(t.gaps, &none)); /* no frame has been recorded since the loss */
    CHECK_INT(vc_ring_read(t.ring, out, 64), 32);
    CHECK_CODED(out, 1, 20, 0);
    CHECK_CODED(out + 20, 1, 12, 27);
    CHECK_INT(record(t.recorder, 1, 20, 82), VC_CONTINUE);
    check_gap(&t, 32, 5, VC_GAP_DEVICE);
    check_gap(&t, 32, 38, VC_GAP_BUFFER);
    CHECK(!vc_queue_pop(t.gaps, &none));
    CHECK_INT(vc_ring_read(t.ring, out, 64), 20);
    CHECK_CODED(out, 1, 20, 82);
    CHECK_INT(vc_recorder_frames(t.recorder), 90);
    CHECK_INT(vc_recorder_missed_frames(t.recorder), 12);
    CHECK_INT(vc_recorder_overflow_frames(t.recorder), 38);
    take_free(&t);
}

static void losses_without_room_in_the_queue_are_pushed_later(void) {
    float out[64];
    taken t = take_new(64, 1, 0, false);
    CHECK_INT(record_after(t.recorder, 1, 1, 8, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 2, 1, 8, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 4, 1, 8, 0), VC_CONTINUE);
    check_gap(&t, 0, 1, VC_GAP_DEVICE);
    CHECK_INT(record(t.recorder, 1, 8, 0), VC_CONTINUE);
    check_gap(&t, 24, 6, VC_GAP_DEVICE);
    CHECK_INT(vc_ring_read(t.ring, out, 64), 32);
    take_free(&t);
}

static void lost_frames_count_for_the_limit(void) {
    taken t = take_new(64, 8, 40, false);
    CHECK_INT(record_after(t.recorder, 4, 1, 16, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 10, 1, 16, 0), VC_STOP);
    CHECK_INT(vc_ring_readable(t.ring), 26);
    CHECK_INT(vc_recorder_missed_frames(t.recorder), 14);
    take_free(&t);
    t = take_new(64, 8, 40, false);
    CHECK_INT(record(t.recorder, 1, 16, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 1000, 1, 16, 0), VC_STOP);
    CHECK_INT(vc_ring_readable(t.ring), 16);
    CHECK_INT(vc_recorder_missed_frames(t.recorder), 24);
    take_free(&t);
}

static void the_first_loss_can_end_the_recording(void) {
    taken t = take_new(64, 8, 0, true);
    CHECK_INT(record(t.recorder, 1, 16, 0), VC_CONTINUE);
    CHECK_INT(record_after(t.recorder, 3, 1, 16, 0), VC_STOP);
    CHECK_INT(vc_ring_readable(t.ring), 16);
    CHECK_INT(vc_recorder_missed_frames(t.recorder), 3);
    take_free(&t);
    t = take_new(32, 8, 0, true);
    CHECK_INT(record(t.recorder, 1, 20, 0), VC_CONTINUE);
    CHECK_INT(record(t.recorder, 1, 20, 20), VC_STOP);
    CHECK_INT(vc_ring_readable(t.ring), 32);
    CHECK_INT(vc_recorder_overflow_frames(t.recorder), 8);
    take_free(&t);
}

static void the_first_frame_has_a_host_time(void) {
    float input[16] = {0};
    vc_block block = {.frames = 16,
                      .valid_frames = 16,
                      .samplerate_hz = 1e6,
                      .input = {.data = input, .channels = 1}};
    taken t = take_new(64, 8, 0, false);
    int64_t first_ns = 0;
    CHECK(!vc_recorder_first_ns(t.recorder, &first_ns));
    block.lost_frames = 3; /* the recording begins with these */
    block.input_time = (vc_time){90000, 0, VC_TIME_HOST, 0};
    CHECK_INT(vc_recorder_process(&block, t.recorder), VC_CONTINUE);
    block.input_time.host_ns += 16000;
    CHECK_INT(vc_recorder_process(&block, t.recorder), VC_CONTINUE);
    CHECK(vc_recorder_first_ns(t.recorder, &first_ns));
    CHECK_INT(first_ns, 87000);
    take_free(&t);
}

int main(void) {
    RUN(the_first_frame_has_a_host_time);
    RUN(losses_are_pushed_with_their_positions);
    RUN(losses_without_room_in_the_queue_are_pushed_later);
    RUN(lost_frames_count_for_the_limit);
    RUN(the_first_loss_can_end_the_recording);
    RUN(frames_come_in_order);
    RUN(the_limit_is_exact);
    RUN(frames_without_room_are_counted);
    return check_summary();
}
