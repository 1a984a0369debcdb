/* A player: frames, clears and marks, and its threads all at once. */
#include "check.h"
#include "player_inside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 };
static const double NS_PER_FRAME = 1e9 / 48000.0;

static vc_player *new_player(uint32_t capacity) {
    const vc_player_config config = {.channels = 1,
                                     .output_channels = 1,
                                     .capacity_frames = capacity,
                                     .messages = 64,
                                     .gain = 1.0f,
                                     .left = 1.0f,
                                     .right = 1.0f};
    return vc_player_new(&config);
}

static int64_t time_ns(int64_t frame) { return (int64_t)((double)frame * NS_PER_FRAME + 0.5); }

/* Plays the block that begins at a frame of the device. Returns its valid frames. */
static uint32_t play(vc_player *player, int64_t frame, float *out) {
    memset(out, 0, BLOCK * sizeof *out);
    vc_block block = {
        .frames = BLOCK,
        .valid_frames = BLOCK,
        .samplerate_hz = 48000.0,
        .output = {.data = out, .frame_stride = 1, .channel_stride = 1, .channels = 1},
        .output_time = {.host_ns = time_ns(frame), .valid = VC_TIME_HOST}};
    CHECK_INT(vc_player_process(&block, player), VC_CONTINUE);
    return block.valid_frames;
}

static void write(vc_player *player, int64_t first, uint32_t frames) {
    vc_player_begin(player, vc_player_clears(player));
    for (uint32_t f = 0; f < frames; f++) {
        float sample = code(first + f, 0);
        CHECK_INT(vc_ring_write(vc_player_ring(player), &sample, 1), 1);
    }
}

static void frames_are_heard_when_they_leave_the_connector(void) {
    float out[BLOCK];
    vc_player_heard heard;
    vc_player *player = new_player(256);
    write(player, 0, 48);
    vc_player_finish(player, 48, 0);
    CHECK_INT(play(player, 1000, out), BLOCK);
    CHECK_CODED(out, 1, BLOCK, 0);
    CHECK_INT(play(player, 1000 + BLOCK, out), 16);
    CHECK_CODED(out, 1, 16, 32);
    for (int64_t frame = 990; frame < 1070; frame++) {
        int64_t wanted = frame < 1000 ? 0 : frame > 1048 ? 48 : frame - 1000;
        vc_player_hear(player, time_ns(frame), &heard);
        CHECK_INT(heard.frames, wanted);
        CHECK_INT(heard.passed, wanted);
    }
    vc_player_free(player);
}

static void a_clear_discards_marks_and_frames_before_it_only(void) {
    float out[BLOCK];
    vc_player_result result;
    vc_player_heard heard;
    vc_player *player = new_player(256);
    CHECK(vc_player_mark(player, 0, 1, 0, true));
    write(player, 0, 100);
    CHECK(vc_player_mark(player, 100, 2, 0, false));
    play(player, 0, out);
    vc_player_clear(player, 8);
    CHECK(vc_player_mark(player, 100, 3, 1, true));
    write(player, 500, 10);
    play(player, BLOCK, out);
    for (uint32_t f = 0; f < 8; f++) {
        CHECK_NEAR(out[f], code(32 + f, 0) * (1.0 - f / 8.0), 0.001);
    }
    CHECK_CODED(out + 8, 1, 10, 500);
    static const uint32_t kinds[] = {VC_PLAYER_HEARD, VC_PLAYER_CUT, VC_PLAYER_CLEARED,
                                     VC_PLAYER_HEARD};
    static const uint32_t numbers[] = {1, 1, 2, 3};
    for (int i = 0; i < 4; i++) {
        CHECK(vc_player_take(player, &result));
        CHECK_INT(result.kind, kinds[i]);
        CHECK_INT(result.number, numbers[i]);
    }
    CHECK_NEAR(result.host_ns, time_ns(40), 1);
    CHECK(!vc_player_take(player, &result));
    vc_player_hear(player, time_ns(1000), &heard);
    CHECK_INT(heard.frames, 50);
    CHECK_INT(heard.passed, 110);
    vc_player_free(player);
}

/* Before the fix, frames were heard that the writer had committed while a clear was made. */
static void frames_of_a_cleared_utterance_are_not_heard_when_they_are_committed_later(void) {
    float out[BLOCK], sample;
    vc_player_heard heard;
    vc_player *player = new_player(256);
    uint32_t clears = vc_player_clears(player);
    vc_player_begin(player, clears);
    for (int64_t frame = 0; frame < 4; frame++) { /* what one block plays before the clear */
        sample = code(frame, 0);
        vc_ring_write(vc_player_ring(player), &sample, 1);
    }
    play(player, 0, out);
    vc_player_clear(player, 8);
    CHECK_INT(play(player, BLOCK, out), 0);
    for (int blocks = 2; blocks < 6; blocks++) {
        sample = 0.5f;
        vc_ring_write(vc_player_ring(player), &sample, 1);
        CHECK(vc_player_mark(player, 4, (uint32_t)blocks, clears, false));
        if (blocks == 4) {
            vc_player_pause(player, true, 0);
        }
        CHECK_INT(play(player, blocks * BLOCK, out), 0);
        vc_player_hear(player, INT64_MAX, &heard);
        CHECK_INT(heard.passed, 4 + blocks - 1);
        CHECK_INT(heard.frames, 4);
    }
    vc_player_pause(player, false, 0);
    sample = 0.5f;
    vc_ring_write(vc_player_ring(player), &sample, 1);
    write(player, 300, 10); /* the next utterance */
    CHECK_INT(play(player, 6 * BLOCK, out), 10);
    CHECK_CODED(out, 1, 10, 300);
    vc_player_hear(player, INT64_MAX, &heard);
    CHECK_INT(heard.frames, 14);
    CHECK_INT(heard.passed, 4 + 5 + 10);
    vc_player_result result;
    int cleared = 0, cuts = 0;
    while (vc_player_take(player, &result)) {
        cleared += result.kind == VC_PLAYER_CLEARED;
        cuts += result.kind == VC_PLAYER_CUT;
    }
    CHECK_INT(cleared, 4);
    CHECK_INT(cuts, 1);
    vc_player_free(player);
}

/* A writer that begins an utterance before a second clear, which this block has not seen. */
static void an_utterance_between_two_clears_is_not_heard(void) {
    float out[BLOCK];
    vc_player_heard heard;
    vc_player *player = new_player(256);
    write(player, 0, 20);
    vc_player_clear(player, 0);
    write(player, 100, 20); /* an utterance of the first clear */
    vc_player_clear(player, 0);
    write(player, 200, 6);
    vc_player_finish(player, 46, 2);
    CHECK_INT(play(player, 0, out), 6);
    CHECK_CODED(out, 1, 6, 200);
    vc_player_hear(player, INT64_MAX, &heard);
    CHECK_INT(heard.frames, 6);
    CHECK_INT(heard.passed, 46);
    vc_player_free(player);
}

/* An utterance begins, is cleared, and the next one begins, all while the IO thread looks whether
 * it can begin the first one. Before the fix, the clear then waited for a fade that never ended. */
static void a_clear_is_made_before_the_utterance_that_it_clears_has_begun(void) {
    float out[BLOCK];
    vc_player *player = new_player(256);
    write(player, 0, 20);
    vc_player_clear(player, 0);
    CHECK_INT(play(player, 0, out), 0);
    write(player, 100, 20);
    player->filling = false; /* the IO thread has seen enough frames, and then the clear comes */
    vc_player_clear(player, 8);
    write(player, 200, 6);
    CHECK_INT(play(player, BLOCK, out), 6);
    CHECK_CODED(out, 1, 6, 200);
    vc_player_free(player);
}

/* Before the fix, the results of later clears were dropped, and then marks, too. */
static void no_result_is_lost_although_nobody_takes_them(void) {
    enum { MANY = 20000 };
    float out[BLOCK];
    vc_player *player = new_player(256);
    vc_player_result result;
    uint32_t cuts = 0, frame = 0, last = 0;
    for (int i = 0; i < MANY; i++) {
        vc_player_clear(player, 0);
        play(player, (int64_t)BLOCK * frame++, out);
    }
    uint32_t clears = vc_player_clears(player);
    CHECK_INT(clears, MANY);
    write(player, 700, 10);
    CHECK(vc_player_mark(player, 10, 77, clears, false));
    vc_player_finish(player, 10, clears);
    CHECK_INT(play(player, (int64_t)BLOCK * frame++, out), 0); /* it waits for room */
    uint64_t results = vc_player_results(player);
    CHECK(results < MANY);
    while (vc_player_take(player, &result)) {
        CHECK_INT(result.kind, VC_PLAYER_CUT);
        CHECK_INT(result.number, ++cuts);
    }
    CHECK_INT(cuts, results);
    CHECK_INT(play(player, (int64_t)BLOCK * frame++, out), 10);
    CHECK_CODED(out, 1, 10, 700);
    while (vc_player_take(player, &result)) {
        CHECK(result.kind == VC_PLAYER_CUT ? result.number == clears : result.number == 77);
        last = result.kind;
    }
    CHECK_INT(last, VC_PLAYER_HEARD);
    vc_player_free(player);
}

static int waits; /* how often the IO thread of a device with a free clock has waited */

static bool wait_in_vain(bool (*ready)(const void *argument), const void *argument) {
    waits += !ready(argument);
    return ready(argument);
}

/* Before the fix, the IO thread waited in each cycle for an utterance that had been cleared. */
static void only_an_open_utterance_makes_a_free_clock_wait(void) {
    float out[BLOCK];
    vc_player *player = new_player(256);
    vc_player_wait_with(player, wait_in_vain);
    write(player, 0, BLOCK);
    play(player, 0, out);
    waits = 0;
    play(player, BLOCK, out);
    CHECK(waits > 0); /* the utterance is open */
    vc_player_clear(player, 8);
    waits = 0;
    play(player, 2 * BLOCK, out);
    play(player, 3 * BLOCK, out);
    CHECK_INT(waits, 0);
    write(player, 100, BLOCK); /* the next utterance */
    play(player, 4 * BLOCK, out);
    waits = 0;
    play(player, 5 * BLOCK, out);
    CHECK(waits > 0);
    vc_player_expect_nothing(player); /* the player is being closed */
    waits = 0;
    play(player, 6 * BLOCK, out);
    CHECK_INT(waits, 0);
    vc_player_free(player);
}

/* ---- all threads at once -------------------------------------------------------------------- */

enum { FRAMES = 100000, CLEARS = 200 };
static _Atomic bool over;

static void *produce(void *user) {
    vc_player *player = user;
    uint32_t clears = 0;
    for (int64_t made = 0; made < FRAMES; made++) {
        float sample = code(made % 100000, 0);
        if (made % 100 == 0) {
            clears = vc_player_clears(player);
            vc_player_begin(player, clears);
            vc_player_mark(player, (uint64_t)made, (uint32_t)made, clears, false);
        }
        while (vc_ring_write(vc_player_ring(player), &sample, 1) == 0) {
        }
    }
    vc_player_finish(player, FRAMES, clears);
    return NULL;
}

static void *request(void *user) {
    vc_player *player = user;
    for (uint32_t i = 0; i < CLEARS; i++) {
        vc_player_clear(player, i % 3);
        vc_player_pause(player, i % 2 == 0, 2);
        vc_player_prebuffer(player, i % 5);
    }
    vc_player_pause(player, false, 0);
    return NULL;
}

static void *listen(void *user) {
    const vc_player *player = user;
    intptr_t wrong = 0;
    while (!atomic_load(&over)) {
        vc_player_heard heard;
        vc_player_counts counts;
        vc_player_hear(player, INT64_MAX, &heard);
        vc_player_count(player, &counts);
        wrong += heard.frames > heard.passed || heard.passed > FRAMES;
        wrong += vc_player_results(player) > FRAMES;
    }
    return (void *)wrong;
}

static void each_frame_is_played_or_discarded(void) {
    pthread_t threads[4];
    float out[BLOCK];
    vc_player *player = new_player(1024);
    vc_player_heard heard = {0, 0};
    vc_player_result result;
    uint64_t discarded = 0, marks = 0;
    atomic_store(&over, false);
    pthread_create(&threads[0], NULL, produce, player);
    pthread_create(&threads[1], NULL, request, player);
    pthread_create(&threads[2], NULL, request, player);
    pthread_create(&threads[3], NULL, listen, player);
    for (int64_t frame = 0; heard.passed < FRAMES || vc_player_clears(player) < 2 * CLEARS;
         frame += BLOCK) {
        play(player, frame, out);
        vc_player_hear(player, INT64_MAX, &heard);
        while (vc_player_take(player, &result)) {
            marks += result.kind != VC_PLAYER_CUT;
            discarded += result.kind == VC_PLAYER_CUT; /* how often something was cut */
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        CHECK_INT((intptr_t)wrong, 0);
    }
    CHECK_INT(heard.passed, FRAMES);
    CHECK(heard.frames <= FRAMES);
    CHECK(discarded > 0 && discarded <= 2 * CLEARS);
    CHECK(marks <= FRAMES / 100);
    vc_player_free(player);
}

int main(void) {
    RUN(frames_are_heard_when_they_leave_the_connector);
    RUN(a_clear_discards_marks_and_frames_before_it_only);
    RUN(frames_of_a_cleared_utterance_are_not_heard_when_they_are_committed_later);
    RUN(an_utterance_between_two_clears_is_not_heard);
    RUN(a_clear_is_made_before_the_utterance_that_it_clears_has_begun);
    RUN(no_result_is_lost_although_nobody_takes_them);
    RUN(only_an_open_utterance_makes_a_free_clock_wait);
    RUN(each_frame_is_played_or_discarded);
    return check_summary();
}
