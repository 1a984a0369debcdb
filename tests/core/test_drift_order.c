/* One IO thread of a vc_drift is interrupted by a whole cycle of the other one, between two steps
 * of its cycle. The calls of the ring and of the queue in drift.c are the places of the
 * interruptions, so drift.c is compiled here a second time, with other names. */
#include "voicecoil.h"

static void reached(int place);
enum { NO_PLACE, NOTE, COMMITTED, WRITTEN, NO_MORE_NOTES };

static inline bool push_and_tell(vc_queue *queue, const void *record) {
    bool pushed = vc_queue_push(queue, record);
    reached(NOTE);
    return pushed;
}

static inline void commit_and_tell(vc_ring *ring, uint32_t frames) {
    vc_ring_commit(ring, frames);
    reached(COMMITTED);
}

static inline uint32_t write_and_tell(vc_ring *ring, const float *frames_in, uint32_t frames) {
    uint32_t written = vc_ring_write(ring, frames_in, frames);
    reached(WRITTEN);
    return written;
}

static inline bool pop_and_tell(vc_queue *queue, void *record) {
    bool popped = vc_queue_pop(queue, record);
    if (!popped) {
        reached(NO_MORE_NOTES);
    }
    return popped;
}

#define vc_drift_extra_frames order_extra_frames
#define vc_drift_new order_new
#define vc_drift_free order_free
#define vc_drift_start order_start
#define vc_drift_delay_frames order_delay_frames
#define vc_drift_process order_process
#define vc_drift_fill order_fill
#define vc_queue_push push_and_tell
#define vc_queue_pop pop_and_tell
#define vc_ring_commit commit_and_tell
#define vc_ring_write write_and_tell
#include "../../src/core/drift.c"

#include "check.h"

enum { FRAMES = 256, RATE = 48000 };
static const double NS = 1e9 / RATE;

static vc_drift *drift;
static int64_t in_frame, out_frame; /* of the devices' time lines */
static uint32_t in_lost;            /* frames that the next cycle of the input loses */
static uint64_t lost;               /* frames that the output has counted as lost */
static int place;                   /* where the other thread's cycle comes */
static void (*other)(void);

static void reached(int now) {
    if (now == place) {
        place = NO_PLACE;
        other();
    }
}

static void input_cycle(void) {
    float data[FRAMES];
    for (int f = 0; f < FRAMES; f++) {
        data[f] = 0.5f;
    }
    uint32_t missing = in_lost;
    in_lost = 0;
    in_frame += missing;
    vc_block block = {
        .frames = FRAMES,
        .lost_frames = missing,
        .input = {.data = data, .frame_stride = 1, .channel_stride = 1, .channels = 1},
        .input_time = {1000000000 + llrint((double)in_frame * NS), in_frame, VC_TIME_HOST, 0}};
    CHECK_INT(vc_drift_process(&block, drift), VC_CONTINUE);
    in_frame += FRAMES;
}

static void output_cycle(void) {
    int64_t at_ns = 1000000000 + llrint((double)out_frame * NS);
    vc_cycle cycle = {.frames = FRAMES,
                      .output_time = {at_ns, out_frame, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
    vc_drift_fill(drift, &cycle);
    lost += cycle.lost_frames;
    out_frame += FRAMES;
}

/* Both devices have the same clock. The output is called after the input has brought the frames
 * that it needs, and plays them `delay` frames later. */
static void both_cycles(void) {
    input_cycle();
    output_cycle();
}

static void begin(uint32_t delay_frames) {
    vc_drift_config config = {.channels = 1,
                              .input_rate_hz = RATE,
                              .output_rate_hz = RATE,
                              .input_period_frames = FRAMES,
                              .output_period_frames = FRAMES,
                              .delay_frames = delay_frames};
    drift = vc_drift_new(&config);
    in_frame = out_frame = 0;
    lost = 0;
    for (int i = 0; i < 300; i++) {
        both_cycles();
    }
    lost = 0;
}

/* The output misses some cycles' input. Then the input comes, with a loss, and the other thread's
 * cycle comes at `where` inside of it. The same frames are lost as with no interruption. */
static void lose(int where, bool inside_input) {
    begin(1024);
    const uint32_t delay = vc_drift_delay_frames(drift);
    for (int i = 0; i < 10; i++) {
        output_cycle();
    }
    in_lost = 10 * FRAMES;
    place = where;
    other = inside_input ? output_cycle : input_cycle;
    inside_input ? input_cycle() : output_cycle();
    CHECK_INT(place, NO_PLACE); /* the place was reached */
    inside_input ? (void)0 : input_cycle();
    for (int i = 0; i < 100; i++) {
        both_cycles();
    }
    CHECK_NEAR(lost, 10 * FRAMES, 2.0 * FRAMES);
    CHECK_INT(vc_drift_delay_frames(drift), delay);
    vc_drift_free(drift);
}

static void an_output_cycle_inside_a_cycle_of_the_input(void) {
    lose(NOTE, true);
    lose(COMMITTED, true);
    lose(WRITTEN, true);
}

static void an_input_cycle_inside_a_cycle_of_the_output(void) { lose(NO_MORE_NOTES, false); }

int main(void) {
    RUN(an_output_cycle_inside_a_cycle_of_the_input);
    RUN(an_input_cycle_inside_a_cycle_of_the_output);
    return check_summary();
}
