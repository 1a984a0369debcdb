/* The capture of a virtual device begins with the first frame of content and ends with the last. */
#include "bench.h"

enum { ROOM = 8192 };

typedef struct captured {
    vc_ring *ring;
    uint32_t frames, channels;
    float *data;
} captured;

static captured take(vc_ring *ring) {
    captured c = {.ring = ring, .channels = vc_ring_channels(ring)};
    c.data = calloc((size_t)ROOM * c.channels, sizeof(float));
    c.frames = vc_ring_read(ring, c.data, ROOM);
    return c;
}

static void drop(captured *c) {
    free(c->data);
    vc_ring_free(c->ring);
}

/* The captured frames do not depend on how long the device idles before and after the content, or
 * on the position in a cycle at which the content ends. */
static void the_capture_is_exactly_the_content(void) {
    for (uint32_t layout = VC_LAYOUT_INTERLEAVED; layout <= VC_LAYOUT_SPLIT; layout++) {
        for (uint32_t block = 0; block <= 100; block += 50) {
            for (int64_t play = 1; play < 400; play += 57) {
                vc_device_config config = stepped(0, 2);
                config.layout = layout;
                vc_device *device = vc_device_new(&config);
                vc_ring *ring = vc_ring_new(ROOM, 2);
                vc_device_capture(device, ring, NULL);
                client *c = client_make(device, 0, 2, block);
                c->play = play;
                static const uint32_t map[] = {0, 1};
                CHECK(vc_device_attach(device, c->engine, NULL, 0, map, 2));
                step(device, 3); /* no content, so these cycles are not captured */
                vc_engine_start(c->engine);
                step(device, 15);
                CHECK_INT(vc_engine_state(c->engine), VC_FINISHED);
                client_detach(c);
                captured heard = take(ring);
                CHECK_INT(heard.frames, play);
                CHECK_CODED(heard.data, 2, heard.frames, 0);
                drop(&heard);
                client_free(c);
                vc_device_free(device);
            }
        }
    }
}

/* Silence between two sounds is captured, and lost frames are captured as silence. Silence after
 * the last sound is not captured. */
static void silence_between_sounds_is_captured(void) {
    static const uint32_t channels[] = {1, 2, 300};
    for (int i = 0; i < 3; i++) {
        vc_device_config config = stepped(0, channels[i]);
        vc_device *device = vc_device_new(&config);
        vc_ring *ring = vc_ring_new(ROOM, channels[i]);
        vc_device_capture(device, ring, NULL);
        client *c = client_make(device, 0, 1, 0);
        c->play = 70;
        client_attach(c);
        step(device, 10);
        vc_fault fault = {.kind = VC_FAULT_XRUN, .value = 1000};
        vc_device_inject(device, &fault);
        c->play = 170;
        vc_engine_start(c->engine);
        step(device, 10);
        client_detach(c);
        captured heard = take(ring);
        /* The first sound took two blocks of 64 frames, so the second sound begins with the
         * client's frame 128. */
        uint32_t second = 10 * 64 + 1000;
        uint32_t frames = second + 170 - 128;
        CHECK_INT(heard.frames, frames);
        for (uint32_t f = 0; f < heard.frames; f++) {
            float wanted = f < 70 ? code(f, 0) : f < second ? 0.0f : code(f - second + 128, 0);
            check_that(heard.data[(size_t)f * channels[i]] == wanted, __FILE__, __LINE__,
                       "%u channels, frame %u: %g, not %g", channels[i], f,
                       (double)heard.data[(size_t)f * channels[i]], (double)wanted);
        }
        drop(&heard);
        client_free(c);
        vc_device_free(device);
    }
}

/* A long silence needs no room in the ring, because a real device does not wait for room. */
static void silence_takes_no_room_in_the_ring(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    vc_ring *ring = vc_ring_new(256, 1);
    vc_queue *gaps = vc_queue_new(4, sizeof(vc_gap));
    vc_device_capture(device, ring, gaps);
    client *c = client_make(device, 0, 1, 0);
    c->play = 64;
    client_attach(c);
    step(device, 1 + 20);
    c->play = 128;
    vc_engine_start(c->engine);
    step(device, 2);
    client_detach(c);
    vc_gap gap = {0};
    CHECK(vc_queue_pop(gaps, &gap));
    CHECK_INT(gap.position, 64);
    CHECK_INT(gap.frames, 20 * 64);
    CHECK_INT(gap.cause, VC_GAP_SILENCE);
    CHECK(!vc_queue_pop(gaps, &gap));
    captured heard = take(ring);
    CHECK_INT(heard.frames, 128);
    CHECK_CODED(heard.data, 1, heard.frames, 0);
    drop(&heard);
    vc_queue_free(gaps);
    client_free(c);
    vc_device_free(device);
}

/* A client without output has no content, so nothing is captured. */
static void a_client_without_output_is_not_captured(void) {
    vc_device_config config = stepped(1, 1);
    vc_device *device = vc_device_new(&config);
    vc_ring *ring = vc_ring_new(ROOM, 1);
    vc_device_capture(device, ring, NULL);
    client *listener = client_make(device, 1, 0, 0);
    client *player = client_make(device, 0, 1, 0);
    player->play = 100;
    client_attach(listener);
    step(device, 5);
    client_attach(player);
    step(device, 10);
    client_detach(player);
    client_detach(listener);
    captured heard = take(ring);
    CHECK_INT(heard.frames, 100);
    CHECK_CODED(heard.data, 1, heard.frames, 0);
    drop(&heard);
    client_free(player);
    client_free(listener);
    vc_device_free(device);
}

/* A free-running device waits if the ring is full. No frame is lost, however small the ring is. */
static void a_free_running_device_waits_for_a_full_ring(void) {
    vc_device_config config = stepped(0, 2);
    config.clock = VC_CLOCK_FREE;
    vc_device *device = vc_device_new(&config);
    vc_ring *ring = vc_ring_new(32, 2); /* less than one cycle */
    vc_device_capture(device, ring, NULL);
    client *c = client_make(device, 0, 2, 0);
    c->play = 1000;
    client_attach(c);
    int64_t read = 0;
    while (read < 1000) {
        float frames[2 * 32];
        uint32_t got = vc_ring_read(ring, frames, 32);
        CHECK_CODED(frames, 2, got, read);
        read += got;
    }
    while (vc_engine_state(c->engine) != VC_FINISHED) {
    }
    client_detach(c);
    CHECK_INT(vc_ring_readable(ring), 0);
    CHECK_INT(vc_device_capture_lost_frames(device), 0);
    client_free(c);
    vc_ring_free(ring);
    vc_device_free(device);
}

/* The device does not wait for ever: the last detach ends the wait. */
static void a_detach_ends_the_wait_for_a_full_ring(void) {
    vc_device_config config = stepped(0, 2);
    config.clock = VC_CLOCK_FREE;
    vc_device *device = vc_device_new(&config);
    vc_ring *ring = vc_ring_new(128, 2);
    vc_device_capture(device, ring, NULL);
    client *c = client_make(device, 0, 2, 0);
    client_attach(c);
    while (vc_ring_writable(ring) > 0) {
    }
    client_detach(c);
    CHECK_INT(vc_ring_readable(ring), 128);
    CHECK_INT(vc_ring_readable(ring) + vc_device_capture_lost_frames(device), c->made);
    client_free(c);
    vc_ring_free(ring);
    vc_device_free(device);
}

int main(void) {
    RUN(the_capture_is_exactly_the_content);
    RUN(silence_between_sounds_is_captured);
    RUN(silence_takes_no_room_in_the_ring);
    RUN(a_client_without_output_is_not_captured);
    RUN(a_free_running_device_waits_for_a_full_ring);
    RUN(a_detach_ends_the_wait_for_a_full_ring);
    return check_summary();
}
