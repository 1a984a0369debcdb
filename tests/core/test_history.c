/* Histories: the newest frames of a stream for other threads. */
#include "check.h"
#include "engine.h"
#include "voicecoil.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

static const uint32_t STEREO[] = {0, 1};

/* Writes index-coded frames that begin at `first`. */
static void write_coded(vc_history *history, uint32_t channels, uint32_t frames, int64_t first,
                        uint64_t lost) {
    float *data = malloc((size_t)frames * channels * sizeof(float));
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            data[f * channels + c] = code(first + f, c);
        }
    }
    const vc_audio audio = {.data = data,
                            .frame_stride = (ptrdiff_t)channels,
                            .channel_stride = 1,
                            .channels = channels};
    const vc_stamp stamp = {.lost_frames = lost,
                            .host_ns = first * 1000,
                            .sample_frames = first,
                            .device_frames = first + 7,
                            .samplerate_hz = 48000.0,
                            .valid = VC_TIME_HOST | VC_TIME_SAMPLE};
    vc_history_write(history, &audio, frames, &stamp);
    free(data);
}

static void frames_can_be_read_until_they_are_overwritten(void) {
    float out[2 * 100];
    vc_history *history = vc_history_new(100, STEREO, 2);
    for (int64_t first = 0; first < 1000; first += 25) {
        write_coded(history, 2, 25, first, 0);
        CHECK_INT(vc_history_written(history), first + 25);
        uint64_t from = first + 25 > 100 ? (uint64_t)first + 25 - 100 : 0;
        uint32_t frames = (uint32_t)((uint64_t)first + 25 - from);
        CHECK_INT(vc_history_copy(history, from, out, frames), from);
        CHECK_CODED(out, 2, frames, (int64_t)from);
    }
    CHECK_INT(vc_history_copy(history, 850, out, 100), 900); /* the first 50 were overwritten */
    CHECK_CODED(out + 2 * 50, 2, 50, 900);
    vc_history_free(history);
}

static void a_history_has_the_channels_of_its_map(void) {
    const uint32_t map[] = {2, 0, 5};
    float out[3 * 10];
    vc_history *history = vc_history_new(10, map, 3);
    write_coded(history, 4, 10, 0, 0);
    CHECK_INT(vc_history_copy(history, 0, out, 10), 0);
    for (uint32_t f = 0; f < 10; f++) {
        CHECK(out[3 * f] == code(f, 2));
        CHECK(out[3 * f + 1] == code(f, 0));
        CHECK(out[3 * f + 2] == 0.0f); /* there is no such channel */
    }
    vc_history_free(history);
}

static void a_stamp_is_kept_where_times_do_not_follow(void) {
    vc_stamp stamp;
    vc_history *history = vc_history_new(1 << 20, STEREO, 2);
    write_coded(history, 2, 10, 500, 3); /* what was lost before is not a loss of the history */
    write_coded(history, 2, 10, 510, 3);
    write_coded(history, 2, 10, 525, 8); /* 5 frames were lost */
    write_coded(history, 2, 10, 535, 8);
    CHECK_INT(vc_history_stamps(history), 2);
    CHECK(vc_history_stamp(history, 0, &stamp));
    CHECK_INT(stamp.position, 0);
    CHECK_INT(stamp.sample_frames, 500);
    CHECK_INT(stamp.device_frames, 507);
    CHECK_INT(stamp.lost_frames, 0);
    CHECK(vc_history_stamp(history, 1, &stamp));
    CHECK_INT(stamp.position, 20);
    CHECK_INT(stamp.sample_frames, 525);
    CHECK_INT(stamp.lost_frames, 5);
    for (int64_t first = 545; first < 2000000; first += 100) {
        write_coded(history, 2, 100, first, 8);
    }
    CHECK(vc_history_stamps(history) > 1000); /* host time is stamped now and then */
    CHECK(vc_history_stamps(history) < 4096);
    vc_history_free(history);
}

/* A driver that cannot tell how long a loss was goes on with its times. */
static void a_loss_is_noted_even_if_the_times_go_on(void) {
    vc_stamp stamp;
    vc_history *history = vc_history_new(1 << 20, STEREO, 2);
    write_coded(history, 2, 10, 500, 0);
    write_coded(history, 2, 10, 510, 4);
    CHECK_INT(vc_history_stamps(history), 2);
    CHECK(vc_history_stamp(history, 1, &stamp));
    CHECK_INT(stamp.position, 10);
    CHECK_INT(stamp.lost_frames, 4);
    vc_history_free(history);
}

static void a_limit_ends_a_history(void) {
    float out[2 * 64];
    vc_history *history = vc_history_new(200, STEREO, 2);
    vc_history_limit(history, 64, true, NULL);
    write_coded(history, 2, 50, 0, 0);
    vc_history_release(history, 30);
    write_coded(history, 2, 50, 50, 0); /* 44 frames fit */
    CHECK(vc_history_ended(history));
    CHECK_INT(vc_history_written(history), 94);
    vc_history_release(history, 94);
    write_coded(history, 2, 50, 100, 0); /* nothing is written after the end */
    CHECK_INT(vc_history_written(history), 94);
    CHECK_INT(vc_history_copy(history, 30, out, 64), 0);
    CHECK_CODED(out, 2, 64, 30);
    vc_history_free(history);
}

static bool release_first(bool (*ready)(const void *argument), const void *argument);
static vc_history *waited_for;
static bool release_first(bool (*ready)(const void *argument), const void *argument) {
    CHECK(!ready(argument));
    vc_history_release(waited_for, vc_history_written(waited_for));
    return ready(argument);
}

static void a_virtual_device_waits_for_the_reader(void) {
    waited_for = vc_history_new(200, STEREO, 2);
    vc_history_limit(waited_for, 64, true, release_first);
    for (int64_t first = 0; first < 1000; first += 50) {
        write_coded(waited_for, 2, 50, first, 0);
    }
    CHECK(!vc_history_ended(waited_for));
    CHECK_INT(vc_history_written(waited_for), 1000);
    vc_history_free(waited_for);
}

/* ---- a reader that releases frames while the producer looks at them ---- */

enum { ATTEMPTS = 3000, CYCLE = 50, FLIPS = 50 };
static pthread_mutex_t flipping = PTHREAD_MUTEX_INITIALIZER;
static vc_history *flipped; /* guarded by the mutex; NULL: the thread ends */
static _Atomic uint64_t rounds;

static void *flip(void *unused) {
    (void)unused;
    for (bool goes_on = true; goes_on;) {
        pthread_mutex_lock(&flipping);
        goes_on = flipped != NULL;
        atomic_fetch_add(&rounds, 1);
        for (int i = 0; goes_on && i < FLIPS; i++) {
            vc_history_release(flipped, 0);
            vc_history_release(flipped, 1000);
        }
        pthread_mutex_unlock(&flipping);
    }
    return NULL;
}

static void flip_this(vc_history *history) {
    pthread_mutex_lock(&flipping);
    flipped = history;
    uint64_t before = atomic_load(&rounds);
    pthread_mutex_unlock(&flipping);
    while (history != NULL && atomic_load(&rounds) == before) {
        sched_yield();
    }
}

/* Before the fix, the room that a reader had made between two looks at it was written, although
 * the cycle had fewer frames. */
static void no_more_is_written_than_a_cycle_has(void) {
    static float data[2 * 2048];
    const vc_audio audio = {.data = data, .frame_stride = 2, .channel_stride = 1, .channels = 2};
    const vc_stamp stamp = {.samplerate_hz = 48000.0, .valid = VC_TIME_SAMPLE};
    vc_history *before = vc_history_new(200, STEREO, 2);
    pthread_t thread;
    flipped = before;
    pthread_create(&thread, NULL, flip, NULL);
    uint32_t ended = 0, whole = 0, wrong = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        vc_history *history = vc_history_new(200, STEREO, 2);
        vc_history_limit(history, 64, true, NULL);
        vc_history_write(history, &audio, CYCLE, &stamp);
        flip_this(history);
        vc_history_free(before);
        vc_history_write(history, &audio, CYCLE, &stamp);
        uint64_t written = vc_history_written(history);
        ended += written == 64;
        whole += written == 2 * CYCLE;
        wrong += written > 2 * CYCLE;
        before = history;
    }
    flip_this(NULL);
    pthread_join(thread, NULL);
    vc_history_free(before);
    CHECK_INT(wrong, 0);
    CHECK_INT(ended + whole, ATTEMPTS);
}

enum { WRITTEN = 400000 };

static void *write_all(void *argument) {
    for (int64_t first = 0; first < WRITTEN; first += 50) {
        write_coded(argument, 2, 50, first, (uint64_t)first / 1000);
    }
    return NULL;
}

/* Each frame that is not reported as overwritten is the right one, and so is each stamp. */
static void a_reader_never_gets_a_wrong_frame(void) {
    float out[2 * 150];
    uint64_t stamp_number = 0, read = 0;
    pthread_t thread;
    vc_history *history = vc_history_new(200, STEREO, 2);
    pthread_create(&thread, NULL, write_all, history);
    while (read < WRITTEN) {
        uint64_t written = vc_history_written(history);
        uint32_t frames = (uint32_t)(written - read > 150 ? 150 : written - read);
        uint64_t oldest = vc_history_copy(history, read, out, frames);
        for (uint32_t f = 0; f < frames; f++) {
            if (read + f >= oldest) {
                CHECK_CODED(out + 2 * f, 2, 1, (int64_t)(read + f));
            }
        }
        read += frames;
        for (; stamp_number < vc_history_stamps(history); stamp_number++) {
            vc_stamp stamp;
            if (vc_history_stamp(history, stamp_number, &stamp)) {
                CHECK_INT(stamp.position, stamp.sample_frames);
                CHECK_INT(stamp.lost_frames, stamp.position / 1000);
            }
        }
    }
    pthread_join(thread, NULL);
    vc_history_free(history);
}

/* ---- engines --------------------------------------------------------------------------------- */

static int32_t play_coded(vc_block *block, void *user) {
    int64_t *next = user;
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t c = 0; c < block->output.channels; c++) {
            block->output.data[f * block->output.channels + c] = code(*next, c);
        }
        (*next)++;
    }
    return VC_CONTINUE;
}

static void run_cycle(vc_engine *engine, int64_t frame, uint32_t frames) {
    float input[2 * 64], output[2 * 64];
    for (uint32_t i = 0; i < 2 * frames; i++) {
        input[i] = code(frame + 1000 + i / 2, i % 2);
    }
    const vc_time time = {frame * 1000, frame, VC_TIME_HOST | VC_TIME_SAMPLE, 0};
    vc_cycle cycle = {.frames = frames, .now = time, .input_time = time, .output_time = time};
    cycle.input = (vc_audio){.data = input, .frame_stride = 2, .channel_stride = 1, .channels = 2};
    cycle.output =
        (vc_audio){.data = output, .frame_stride = 2, .channel_stride = 1, .channels = 2};
    vc_cycle_run(engine, &cycle);
}

static vc_engine *duplex(int64_t *next, uint32_t block_frames) {
    const vc_engine_config config = {.input_channels = 2,
                                     .output_channels = 2,
                                     .block_frames = block_frames,
                                     .period_frames = 32,
                                     .samplerate_hz = 48000.0,
                                     .process = play_coded,
                                     .user = next};
    vc_engine *engine = vc_engine_new(&config);
    vc_engine_start(engine);
    return engine;
}

static void an_engine_writes_what_the_device_gets_and_brings(void) {
    float out[2 * 64];
    int64_t next = 0;
    vc_stamp stamp;
    vc_engine *engine = duplex(&next, 0);
    vc_history *input = vc_history_new(256, STEREO, 2), *output = vc_history_new(256, STEREO, 2);
    run_cycle(engine, 0, 32);
    CHECK(vc_engine_add_history(engine, input, VC_INPUT));
    CHECK(vc_engine_add_history(engine, output, VC_OUTPUT));
    run_cycle(engine, 32, 32);
    run_cycle(engine, 74, 32); /* 10 frames were lost */
    CHECK_INT(vc_history_copy(output, 0, out, 64), 0);
    CHECK_CODED(out, 2, 64, 32);
    CHECK_INT(vc_history_copy(input, 0, out, 64), 0);
    CHECK_CODED(out, 2, 32, 1032);
    CHECK_CODED(out + 2 * 32, 2, 32, 1074);
    CHECK(vc_history_stamp(input, 1, &stamp));
    CHECK_INT(stamp.position, 32);
    CHECK_INT(stamp.lost_frames, 10);
    CHECK_INT(stamp.device_frames, 74);
    CHECK(vc_engine_history_is_unused(engine, vc_engine_remove_history(engine, input)));
    run_cycle(engine, 106, 32);
    CHECK_INT(vc_history_written(input), 64);
    CHECK_INT(vc_history_written(output), 96);
    CHECK(vc_engine_add_history(engine, input, VC_INPUT)); /* its slot is free again */
    run_cycle(engine, 138, 32);
    CHECK_INT(vc_history_written(input), 96);
    vc_engine_free(engine);
    vc_history_free(input);
    vc_history_free(output);
}

static void the_number_of_histories_is_limited(void) {
    int64_t next = 0;
    vc_engine *engine = duplex(&next, 0);
    vc_history *all[VC_HISTORIES + 1];
    for (int i = 0; i <= VC_HISTORIES; i++) {
        all[i] = vc_history_new(64, STEREO, 2);
        CHECK_INT(vc_engine_add_history(engine, all[i], VC_OUTPUT), i < VC_HISTORIES);
    }
    run_cycle(engine, 0, 32);
    CHECK_INT(vc_history_written(all[VC_HISTORIES - 1]), 32);
    vc_engine_free(engine);
    for (int i = 0; i <= VC_HISTORIES; i++) {
        vc_history_free(all[i]);
    }
}

static _Atomic bool cycles_end;

static void *run_cycles(void *engine) {
    for (int64_t frame = 0; !atomic_load(&cycles_end); frame += 32) {
        run_cycle(engine, frame, 32);
    }
    return NULL;
}

/* A history is freed as soon as it is unused, while cycles run. */
static void a_removed_history_is_not_used(void) {
    int64_t next = 0;
    pthread_t thread;
    vc_engine *engine = duplex(&next, 0);
    pthread_create(&thread, NULL, run_cycles, engine);
    for (int i = 0; i < 2000; i++) {
        vc_history *history = vc_history_new(64, STEREO, 2);
        CHECK(vc_engine_add_history(engine, history, i % 2 ? VC_INPUT : VC_OUTPUT));
        uint64_t removed = vc_engine_remove_history(engine, history);
        while (!vc_engine_history_is_unused(engine, removed)) {
        }
        vc_history_free(history);
    }
    atomic_store(&cycles_end, true);
    pthread_join(thread, NULL);
    vc_engine_free(engine);
}

int main(void) {
    RUN(frames_can_be_read_until_they_are_overwritten);
    RUN(a_history_has_the_channels_of_its_map);
    RUN(a_stamp_is_kept_where_times_do_not_follow);
    RUN(a_loss_is_noted_even_if_the_times_go_on);
    RUN(a_limit_ends_a_history);
    RUN(a_virtual_device_waits_for_the_reader);
    RUN(no_more_is_written_than_a_cycle_has);
    RUN(a_reader_never_gets_a_wrong_frame);
    RUN(an_engine_writes_what_the_device_gets_and_brings);
    RUN(the_number_of_histories_is_limited);
    RUN(a_removed_history_is_not_used);
    return check_summary();
}
