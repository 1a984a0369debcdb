/* A ring passes frames from one thread to another. */
#include "check.h"
#include "voicecoil.h"

#include <pthread.h>
#include <stdlib.h>

static void fill(float *data, uint32_t channels, uint32_t frames, int64_t first) {
    for (uint32_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            data[f * channels + c] = code(first + f, c);
        }
    }
}

static void capacity_is_a_power_of_two(void) {
    static const uint32_t asked[] = {0, 1, 2, 3, 64, 65, 1000}, got[] = {1, 1, 2, 4, 64, 128, 1024};
    for (int i = 0; i < 7; i++) {
        vc_ring *ring = vc_ring_new(asked[i], 3);
        CHECK_INT(vc_ring_capacity(ring), got[i]);
        CHECK_INT(vc_ring_channels(ring), 3);
        CHECK_INT(vc_ring_writable(ring), got[i]);
        CHECK_INT(vc_ring_readable(ring), 0);
        vc_ring_free(ring);
    }
    vc_ring_free(NULL);
}

/* vc_ring_new fails if a ring for that many frames is not possible. */
static void a_ring_that_cannot_hold_as_much_is_not_made(void) {
    CHECK(vc_ring_new(UINT32_MAX, 2) == NULL);
    CHECK(vc_ring_new((1u << 31) + 1u, 1) == NULL);
}

static void every_slot_is_used(void) {
    float in[16], out[16];
    vc_ring *ring = vc_ring_new(8, 2);
    fill(in, 2, 8, 0);
    CHECK_INT(vc_ring_write(ring, in, 8), 8);
    CHECK_INT(vc_ring_write(ring, in, 1), 0);
    CHECK_INT(vc_ring_writable(ring), 0);
    CHECK_INT(vc_ring_read(ring, out, 8), 8);
    CHECK_CODED(out, 2, 8, 0);
    CHECK_INT(vc_ring_read(ring, out, 1), 0);
    vc_ring_free(ring);
}

/* Tests every chunk size at every position, also across the end of the memory. */
static void slices_around_the_wrap(void) {
    for (uint32_t start = 0; start < 8; start++) {
        for (uint32_t chunk = 1; chunk <= 8; chunk++) {
            float in[16], out[16];
            vc_ring *ring = vc_ring_new(8, 2);
            fill(in, 2, 8, 100);
            vc_ring_write(ring, in, start);
            vc_ring_read(ring, out, start);
            vc_slices slices;
            uint32_t got = vc_ring_reserve(ring, chunk, &slices);
            uint32_t first = 8 - start < chunk ? 8 - start : chunk;
            CHECK_INT(got, chunk);
            CHECK_INT(slices.first_frames, first);
            CHECK_INT(slices.second_frames, chunk - first);
            CHECK_INT(slices.second != NULL, chunk > first);
            CHECK_INT(vc_ring_write(ring, in, chunk), chunk);
            CHECK_INT(vc_ring_peek(ring, 100, &slices), chunk);
            CHECK_CODED(slices.first, 2, slices.first_frames, 100);
            if (slices.second != NULL) {
                CHECK_CODED(slices.second, 2, slices.second_frames, 100 + first);
            }
            CHECK_INT(vc_ring_read(ring, out, 8), chunk);
            CHECK_CODED(out, 2, chunk, 100);
            CHECK_INT(vc_ring_total_written(ring), start + chunk);
            CHECK_INT(vc_ring_total_read(ring), start + chunk);
            vc_ring_free(ring);
        }
    }
}

/* Before the fix, the consumer waited here until the producer had written so many frames. */
static void a_skip_beyond_the_last_frame_does_not_wait(void) {
    float in[8], out[8];
    vc_ring *ring = vc_ring_new(8, 1);
    fill(in, 1, 8, 0);
    CHECK_INT(vc_ring_write(ring, in, 5), 5);
    vc_ring_skip_to(ring, 3);
    CHECK_INT(vc_ring_readable(ring), 2);
    vc_ring_skip_to(ring, 2);
    CHECK_INT(vc_ring_readable(ring), 2);
    vc_ring_skip_to(ring, 7);
    CHECK_INT(vc_ring_readable(ring), 0);
    CHECK_INT(vc_ring_total_read(ring), 5);
    CHECK_INT(vc_ring_write(ring, in + 5, 3), 3);
    CHECK_INT(vc_ring_read(ring, out, 8), 3);
    CHECK_CODED(out, 1, 3, 5);
    vc_ring_free(ring);
}

static void uncommitted_frames_are_not_readable(void) {
    vc_slices slices;
    vc_ring *ring = vc_ring_new(8, 1);
    CHECK_INT(vc_ring_reserve(ring, 8, &slices), 8);
    fill(slices.first, 1, 8, 0);
    CHECK_INT(vc_ring_readable(ring), 0);
    vc_ring_commit(ring, 3);
    CHECK_INT(vc_ring_readable(ring), 3);
    CHECK_INT(vc_ring_peek(ring, 8, &slices), 3);
    vc_ring_release(ring, 1);
    CHECK_INT(vc_ring_peek(ring, 8, &slices), 2);
    CHECK_CODED(slices.first, 1, 2, 1);
    CHECK_INT(vc_ring_writable(ring), 6);
    vc_ring_free(ring);
}

static void the_end_comes_after_the_last_frame(void) {
    float frame = code(0, 0);
    vc_ring *ring = vc_ring_new(8, 1);
    vc_ring_write(ring, &frame, 1);
    CHECK(!vc_ring_finished(ring));
    vc_ring_end(ring);
    CHECK(!vc_ring_finished(ring));
    vc_ring_read(ring, &frame, 1);
    CHECK(vc_ring_finished(ring));
    vc_ring_free(ring);
}

/* ---- two threads ------------------------------------------------------------------------------
 */

enum { FRAMES = 300000, CHUNK = 48 };

static void *produce(void *user) {
    vc_ring *ring = user;
    float chunk[CHUNK * 2];
    uint32_t size = 1;
    for (int64_t made = 0; made < FRAMES;) {
        size = size * 37 % 49; /* 1..48, never 0, because 49 does not divide the product */
        uint32_t wanted = FRAMES - made < size ? (uint32_t)(FRAMES - made) : size;
        if (size & 1u) {
            fill(chunk, 2, wanted, made);
            made += vc_ring_write(ring, chunk, wanted);
        } else {
            vc_slices slices;
            uint32_t got = vc_ring_reserve(ring, wanted, &slices);
            fill(slices.first, 2, slices.first_frames, made);
            if (slices.second != NULL) {
                fill(slices.second, 2, slices.second_frames, made + slices.first_frames);
            }
            vc_ring_commit(ring, got);
            made += got;
        }
    }
    vc_ring_end(ring);
    return NULL;
}

/* Reads the numbers of the ring on a third thread, which must never see impossible values. */
static void *look(void *user) {
    vc_ring *ring = user;
    intptr_t wrong = 0;
    while (vc_ring_total_read(ring) < FRAMES) {
        wrong += vc_ring_readable(ring) > vc_ring_capacity(ring);
        wrong += vc_ring_writable(ring) > vc_ring_capacity(ring);
    }
    return (void *)wrong; // NOLINT: a count, not an address
}

static void two_threads_and_an_onlooker(void) {
    vc_ring *ring = vc_ring_new(64, 2);
    pthread_t producer, onlooker;
    pthread_create(&producer, NULL, produce, ring);
    pthread_create(&onlooker, NULL, look, ring);
    float chunk[CHUNK * 2];
    int64_t read = 0;
    uint32_t size = 5;
    while (!vc_ring_finished(ring)) {
        size = size * 31 % 47 + 1;
        uint32_t promised = vc_ring_readable(ring);
        uint32_t got = vc_ring_read(ring, chunk, size);
        CHECK(got >= (promised < size ? promised : size));
        CHECK_CODED(chunk, 2, got, read);
        read += got;
    }
    pthread_join(producer, NULL);
    void *wrong;
    pthread_join(onlooker, &wrong);
    CHECK_INT((intptr_t)wrong, 0);
    CHECK_INT(read, FRAMES);
    vc_ring_free(ring);
}

int main(void) {
    RUN(capacity_is_a_power_of_two);
    RUN(a_ring_that_cannot_hold_as_much_is_not_made);
    RUN(every_slot_is_used);
    RUN(slices_around_the_wrap);
    RUN(a_skip_beyond_the_last_frame_does_not_wait);
    RUN(uncommitted_frames_are_not_readable);
    RUN(the_end_comes_after_the_last_frame);
    RUN(two_threads_and_an_onlooker);
    return check_summary();
}
