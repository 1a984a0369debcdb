/* A sound is played and the input recorded on one time line. */
#include "check.h"
#include "voicecoil.h"

#include <string.h>

enum { SOUND = 100, ROOM = 200, BLOCK = 16 };

typedef struct rig {
    float sound[SOUND * 2];
    float recorded[ROOM];
    float input[BLOCK];
    float output[BLOCK * 2];
    uint32_t valid; /* the newest block's valid frames */
    vc_playrec *playrec;
} rig;

static void set_up(rig *r, uint64_t round_trip, uint64_t margin) {
    for (uint32_t f = 0; f < SOUND; f++) {
        r->sound[f * 2] = code(f, 0);
        r->sound[f * 2 + 1] = code(f, 1);
    }
    memset(r->recorded, 0, sizeof r->recorded);
    const vc_playrec_config config = {.sound = r->sound,
                                      .sound_frames = SOUND,
                                      .recorded = r->recorded,
                                      .recorded_frames = ROOM,
                                      .margin_frames = margin,
                                      .round_trip_frames = round_trip,
                                      .zero_frame = 20,
                                      .output_channels = 2,
                                      .input_channels = 1};
    r->playrec = vc_playrec_new(&config);
}

static vc_time at(int64_t frame, int64_t host_ns) {
    return (vc_time){host_ns, frame, VC_TIME_HOST | VC_TIME_SAMPLE, 0};
}

/* Runs one block. The input is index-coded and begins at frame `first`. */
static int32_t run(rig *r, vc_time in, vc_time out, int64_t first, uint32_t lost) {
    for (uint32_t f = 0; f < BLOCK; f++) {
        r->input[f] = code(first + f, 0);
    }
    memset(r->output, 0, sizeof r->output);
    vc_block block = {.frames = BLOCK,
                      .lost_frames = lost,
                      .valid_frames = BLOCK,
                      .samplerate_hz = 1e9 / 1000, /* a frame is 1000 ns */
                      .input = {.data = r->input, .channels = 1},
                      .output = {.data = r->output, .channels = 2},
                      .input_time = in,
                      .output_time = out};
    int32_t result = vc_playrec_process(&block, r->playrec);
    r->valid = block.valid_frames;
    return result;
}

static void check_loss(rig *r, uint64_t position, uint64_t frames, bool is_output) {
    vc_playrec_loss loss = {0};
    CHECK(vc_playrec_take_loss(r->playrec, &loss));
    CHECK_INT(loss.position, position);
    CHECK_INT(loss.frames, frames);
    CHECK_INT(loss.is_output, is_output);
}

static void a_whole_measurement(void) {
    rig r;
    set_up(&r, 0, 5);
    int64_t frame = 0;
    int32_t result = VC_CONTINUE;
    while (result == VC_CONTINUE && frame < ROOM) {
        result = run(&r, at(1000 + frame, 0), at(1040 + frame, 0), frame, 0);
        int64_t left = SOUND - frame < 0 ? 0 : SOUND - frame;
        uint32_t played = left < BLOCK ? (uint32_t)left : BLOCK;
        CHECK_CODED(r.output, 2, played, frame);
        CHECK_SILENT(r.output + 2 * played, 2, BLOCK - played);
        CHECK_INT(r.valid, played);
        frame += BLOCK;
    }
    CHECK_INT(frame, 160); /* 100 frames, the round trip of 40 and the margin, in whole blocks */
    CHECK_CODED(r.recorded, 1, 145, 0);
    CHECK_SILENT(r.recorded + 145, 1, ROOM - 145);
    vc_playrec_state state;
    vc_playrec_read(r.playrec, &state);
    CHECK_INT(state.recorded, 160);
    CHECK_INT(state.played, 160);
    CHECK(state.round_trip_known);
    CHECK_INT(state.round_trip_frames, 40);
    CHECK_INT(state.lost_input + state.lost_output, 0);
    vc_playrec_free(r.playrec);
}

/* The configured round trip counts if the device's times cannot be right. */
static void a_round_trip_that_cannot_be_is_not_used(void) {
    static const int64_t told[] = {-5, ROOM, INT32_MAX};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        rig r;
        set_up(&r, 20, 5);
        int64_t frame = 0;
        int32_t result = VC_CONTINUE;
        while (result == VC_CONTINUE && frame < 2 * ROOM) {
            result = run(&r, at(frame, 0), at(told[i] + frame, 0), frame, 0);
            frame += BLOCK;
        }
        CHECK_INT(frame, 128); /* 125 in whole blocks */
        CHECK_CODED(r.recorded, 1, 125, 0);
        CHECK_SILENT(r.recorded + 125, 1, ROOM - 125);
        vc_playrec_free(r.playrec);
    }
}

static void each_direction_has_its_own_losses(void) {
    rig r;
    vc_playrec_loss none;
    set_up(&r, 0, 0);
    CHECK_INT(run(&r, at(0, 0), at(50, 0), 0, 0), VC_CONTINUE);
    CHECK_INT(run(&r, at(16 + 3, 0), at(50 + 16, 0), 19, 3), VC_CONTINUE);
    check_loss(&r, 16, 3, false);
    CHECK_CODED(r.output, 2, BLOCK, 16);
    CHECK_INT(run(&r, at(32 + 3, 0), at(50 + 32 + 7, 0), 35, 7), VC_CONTINUE);
    check_loss(&r, 32, 7, true);
    CHECK_CODED(r.output, 2, BLOCK, 39);
    /* The time lines were restarted, so no loss is known. */
    CHECK_INT(run(&r, at(0, 0), at(0, 0), 51, 0), VC_CONTINUE);
    CHECK_CODED(r.output, 2, BLOCK, 55);
    CHECK(!vc_playrec_take_loss(r.playrec, &none));
    CHECK_CODED(r.recorded, 1, 16, 0);
    CHECK_SILENT(r.recorded + 16, 1, 3);
    CHECK_CODED(r.recorded + 19, 1, 48, 19);
    /* Frames after the end are not lost. */
    CHECK_INT(run(&r, at(1000, 0), at(1000, 0), 0, 0), VC_STOP);
    check_loss(&r, 71, 29, true);
    check_loss(&r, 67, 83, false);
    CHECK_SILENT(r.output, 2, BLOCK);
    vc_playrec_state state;
    vc_playrec_read(r.playrec, &state);
    CHECK_INT(state.lost_output, 36);
    CHECK_INT(state.lost_input, 86);
    vc_playrec_free(r.playrec);
}

static void losses_of_a_second_device_are_silence_in_the_input(void) {
    rig r;
    set_up(&r, 0, 0);
    CHECK_INT(run(&r, at(0, 0), at(50, 0), 0, 9), VC_CONTINUE); /* before the first frame */
    CHECK_INT(run(&r, at(16, 0), at(66, 0), 16, 5), VC_CONTINUE);
    check_loss(&r, 16, 5, false);
    CHECK_INT(run(&r, at(32, 0), at(82, 0), 32, 99), VC_CONTINUE);
    check_loss(&r, 32, 99, false);
    CHECK_CODED(r.recorded, 1, 48, 0);
    vc_playrec_free(r.playrec);
}

static void without_sample_times_the_engine_tells_the_losses(void) {
    rig r;
    const vc_time unknown = {0, 0, 0, 0};
    set_up(&r, 20, 0);
    CHECK_INT(run(&r, unknown, unknown, 0, 9), VC_CONTINUE); /* lost before the first frame */
    CHECK_INT(run(&r, unknown, unknown, 21, 5), VC_CONTINUE);
    check_loss(&r, 16, 5, true);
    check_loss(&r, 16, 5, false);
    CHECK_CODED(r.output, 2, BLOCK, 21);
    CHECK_CODED(r.recorded + 21, 1, BLOCK, 21);
    int64_t frame = 37;
    while (run(&r, unknown, unknown, frame, 0) == VC_CONTINUE) {
        frame += BLOCK;
    }
    CHECK_INT(frame, 117); /* 120 frames are recorded */
    vc_playrec_state state;
    vc_playrec_read(r.playrec, &state);
    CHECK(!state.round_trip_known);
    CHECK(!state.times_known);
    vc_playrec_free(r.playrec);
}

static void host_times_give_the_mean_distance(void) {
    rig r;
    set_up(&r, 0, 0);
    CHECK_INT(run(&r, at(0, 500), at(0, 20500), 0, 0), VC_CONTINUE);
    CHECK_INT(run(&r, at(16, 16500), at(16, 36530), 16, 0), VC_CONTINUE);
    /* Lost frames do not change the distance. */
    CHECK_INT(run(&r, at(32, 32500), at(34, 54560), 32, 0), VC_CONTINUE);
    vc_playrec_state state;
    vc_playrec_read(r.playrec, &state);
    CHECK(state.times_known);
    CHECK_INT(state.zero_ns, 40530); /* of frame 20 */
    CHECK_NEAR(state.apart_ns, 20030, 1e-6);
    vc_playrec_free(r.playrec);
}

static void the_recording_ends_with_its_memory(void) {
    rig r;
    set_up(&r, 0, 0);
    int64_t frame = 0;
    while (run(&r, at(frame, 0), at(frame + 199, 0), frame, 0) == VC_CONTINUE) {
        frame += BLOCK;
    }
    CHECK_INT(frame, 192);
    CHECK_CODED(r.recorded, 1, ROOM, 0);
    vc_playrec_state state;
    vc_playrec_read(r.playrec, &state);
    CHECK_INT(state.recorded, ROOM);
    vc_playrec_free(r.playrec);
}

int main(void) {
    RUN(a_whole_measurement);
    RUN(a_round_trip_that_cannot_be_is_not_used);
    RUN(each_direction_has_its_own_losses);
    RUN(losses_of_a_second_device_are_silence_in_the_input);
    RUN(without_sample_times_the_engine_tells_the_losses);
    RUN(host_times_give_the_mean_distance);
    RUN(the_recording_ends_with_its_memory);
    return check_summary();
}
