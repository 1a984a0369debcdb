/* A player: fades where frames run out or are cleared, and the runs that it keeps. */
#include "check.h"
#include "voicecoil.h"

#include <string.h>

enum { BLOCK = 32, FADE = 8 };

static vc_player *new_player(void) {
    const vc_player_config config = {.channels = 1,
                                     .output_channels = 1,
                                     .capacity_frames = 256,
                                     .messages = 8,
                                     .fade_frames = FADE,
                                     .gain = 1.0f,
                                     .left = 1.0f,
                                     .right = 1.0f};
    return vc_player_new(&config);
}

/* Writes frames of a constant signal. */
static void write(vc_player *player, uint32_t frames) {
    static const float half = 0.5f;
    vc_player_begin(player, vc_player_clears(player));
    for (uint32_t f = 0; f < frames; f++) {
        CHECK_INT(vc_ring_write(vc_player_ring(player), &half, 1), 1);
    }
}

/* Plays one block. A frame takes 1000 ns. Returns the block's valid frames. */
static uint32_t play(vc_player *player, int64_t block_number, float *out) {
    memset(out, 0, BLOCK * sizeof *out);
    vc_block block = {
        .frames = BLOCK,
        .valid_frames = BLOCK,
        .samplerate_hz = 1e6,
        .output = {.data = out, .frame_stride = 1, .channel_stride = 1, .channels = 1},
        .output_time = {.host_ns = block_number * BLOCK * 1000, .valid = VC_TIME_HOST}};
    CHECK_INT(vc_player_process(&block, player), VC_CONTINUE);
    return block.valid_frames;
}

static void frames_that_run_out_fade_and_are_an_underrun(void) {
    float out[BLOCK];
    vc_player_counts counts;
    vc_player *player = new_player();
    write(player, 10);
    CHECK_INT(play(player, 0, out), 10 + FADE);
    for (int f = 0; f < 10 + FADE; f++) {
        CHECK_NEAR(out[f], f < 10 ? 0.5 : 0.5 * (10 + FADE - f) / (FADE + 1), 1e-6);
    }
    CHECK_INT(play(player, 1, out), 0);
    write(player, BLOCK);
    CHECK_INT(play(player, 2, out), BLOCK);
    for (int f = 0; f < BLOCK; f++) {
        CHECK_NEAR(out[f], f < FADE ? 0.5 * f / FADE : 0.5, 1e-6);
    }
    vc_player_count(player, &counts);
    CHECK_INT(counts.underruns, 1);
    CHECK_INT(counts.underrun_frames, 2 * BLOCK - 10);
    vc_player_free(player);
}

static void the_end_of_an_utterance_is_played_as_it_is(void) {
    float out[BLOCK];
    vc_player_counts counts;
    vc_player *player = new_player();
    for (uint64_t block = 0; block < 3; block++) {
        write(player, 10);
        vc_player_finish(player, 10 * (block + 1), 0);
        CHECK_INT(play(player, (int64_t)block, out), 10);
        for (int f = 0; f < BLOCK; f++) {
            CHECK(out[f] == (f < 10 ? 0.5f : 0.0f));
        }
    }
    vc_player_count(player, &counts);
    CHECK_INT(counts.underruns, 0);
    CHECK_INT(counts.underrun_frames, 0);
    vc_player_free(player);
}

/* A fade of 48 frames has 16 left after a block. A clear with a longer fade keeps these 16. */
static void a_clear_during_a_fade_makes_it_no_longer(void) {
    for (int paused = 0; paused < 2; paused++) {
        float out[BLOCK];
        vc_player *player = new_player();
        write(player, 200);
        play(player, 0, out);
        if (paused) {
            vc_player_pause(player, true, 48);
        } else {
            vc_player_clear(player, 48);
        }
        CHECK_INT(play(player, 1, out), BLOCK);
        vc_player_clear(player, 100);
        CHECK_INT(play(player, 2, out), 16);
        for (int f = 0; f < BLOCK; f++) {
            CHECK_NEAR(out[f], f < 16 ? 0.5 * (16 - f) / 48 : 0.0, 1e-6);
        }
        vc_player_free(player);
    }
}

/* A time that is older than all runs that are kept has the position of the oldest one. */
static void times_before_the_oldest_run_have_its_position(void) {
    enum { KEPT = 2048, MORE = 100 };
    float out[BLOCK];
    vc_player_heard heard;
    vc_player *player = new_player();
    for (int64_t block = 0; block < KEPT + MORE; block++) {
        write(player, 2);
        play(player, block, out);
    }
    vc_player_hear(player, INT64_MAX, &heard);
    CHECK_INT(heard.passed, 2 * (KEPT + MORE));
    vc_player_hear(player, -1, &heard);
    CHECK_INT(heard.passed, 2 * MORE);
    CHECK_INT(heard.frames, 2 * MORE);
    vc_player_free(player);
}

int main(void) {
    RUN(frames_that_run_out_fade_and_are_an_underrun);
    RUN(the_end_of_an_utterance_is_played_as_it_is);
    RUN(a_clear_during_a_fade_makes_it_no_longer);
    RUN(times_before_the_oldest_run_have_its_position);
    return check_summary();
}
