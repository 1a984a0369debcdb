/* An engine moves to another device. No frame of the user's code is missing or repeated, the frames
 * lost during the move are counted exactly, and no time goes back. Each later run continues the
 * same time line. */
#include "rig.h"

enum { CYCLE = 64 };
static const double RATE = 48000.0;

/* A device with its own time line. */
typedef struct device {
    uint32_t channels[2];
    uint32_t frames;
    int64_t frame;         /* sample time of the device */
    int64_t now;           /* host time, in frames */
    int64_t latency;       /* of each direction, frames */
    uint32_t unknown;      /* VC_TIME_*: times that the device does not report */
    float heard[4 * 4096]; /* interleaved */
    uint32_t heard_frames;
} device;

static vc_time moment(const device *d, int64_t ahead) {
    int64_t host_ns = 1000000000 + llrint((double)(d->now + ahead) * 1e9 / RATE);
    uint32_t valid = (VC_TIME_HOST | VC_TIME_SAMPLE) & ~d->unknown;
    return (vc_time){host_ns, d->frame + ahead, valid, 0};
}

static vc_audio memory(float *data, uint32_t channels) {
    return (vc_audio){.data = channels ? data : NULL,
                      .frame_stride = (ptrdiff_t)channels,
                      .channel_stride = 1,
                      .channels = channels};
}

static void cycle(rig *r, device *d) {
    float input[4 * 1024], output[4 * 1024];
    for (uint32_t f = 0; f < d->frames; f++) {
        for (uint32_t c = 0; c < d->channels[0]; c++) {
            input[f * d->channels[0] + c] = code(d->frame + f, c);
        }
    }
    vc_cycle cycle = {.frames = d->frames,
                      .input = memory(input, d->channels[0]),
                      .output = memory(output, d->channels[1]),
                      .now = moment(d, 0),
                      .input_time = moment(d, -d->latency),
                      .output_time = moment(d, d->latency)};
    vc_cycle_run(r->engine, &cycle);
    memcpy(d->heard + d->heard_frames * d->channels[1], output,
           d->frames * d->channels[1] * sizeof(float));
    d->heard_frames += d->frames;
    d->frame += d->frames;
    d->now += d->frames;
}

static const uint32_t BOTH[] = {0, 1};

static void move(rig *r, const device *d, const uint32_t *input_map, const uint32_t *output_map) {
    vc_move to = {.input_map = input_map,
                  .output_map = output_map,
                  .input_channels = d->channels[0],
                  .output_channels = d->channels[1],
                  .period_frames = d->frames,
                  .clock_ns = rig_clock};
    CHECK(vc_engine_move(r->engine, &to));
}

/* Checks that times never go back. From block to block, the direction that advances further does so
 * by the frames of the block and those lost before the next one. */
static void check_times(const rig *r) {
    for (uint32_t i = 1; i < r->calls; i++) {
        const vc_block *before = &r->blocks[i - 1], *block = &r->blocks[i];
        int64_t out = block->output_time.sample_frames - before->output_time.sample_frames;
        int64_t in = block->input_time.sample_frames - before->input_time.sample_frames;
        int64_t further = block->output.channels == 0              ? in
                          : block->input.channels == 0 || out > in ? out
                                                                   : in;
        CHECK_INT(further, before->frames + block->lost_frames);
        CHECK(block->output.channels == 0 || out > 0);
        CHECK(block->input.channels == 0 || in > 0);
        CHECK(block->now.sample_frames >= before->now.sample_frames);
    }
}

static void lost_frames_are_counted_exactly(void) {
    static const uint32_t blocks[] = {0, 16, 100, 257};
    static const int64_t aways[] = {0, 1, 480, 48000};
    for (int i = 0; i < 16; i++) {
        int64_t away = aways[i % 4];
        rig *r = rig_make(0, 2, blocks[i / 4], CYCLE);
        rig_start(r);
        device one = {.channels = {0, 2}, .frames = CYCLE, .frame = 1000, .latency = 100};
        for (int c = 0; c < 5; c++) {
            cycle(r, &one);
        }
        device two = {.channels = {0, 2}, .frames = CYCLE, .frame = 7, .latency = 300};
        two.now = one.now + away;
        move(r, &two, NULL, BOTH);
        for (int c = 0; c < 5; c++) {
            cycle(r, &two);
        }
        /* The new device has more latency. The difference is also heard as silence, so it counts.
         */
        CHECK_INT(rig_statistics(r).lost_frames, away + 200);
        CHECK_INT(rig_statistics(r).xruns, 1);
        CHECK_CODED(one.heard, 2, one.heard_frames, 0);
        CHECK_CODED(two.heard, 2, two.heard_frames, one.heard_frames);
        vc_event event;
        CHECK(vc_engine_event(r->engine, &event));
        CHECK_INT(event.kind, VC_EVENT_XRUN);
        CHECK_INT(event.value, away + 200);
        if (blocks[i / 4] == 0 || blocks[i / 4] == 16) {
            check_times(r);
        }
        rig_free(r);
    }
}

static void a_time_that_went_back_is_not_followed(void) {
    rig *r = rig_make(0, 1, 0, CYCLE);
    rig_start(r);
    device one = {.channels = {0, 1}, .frames = CYCLE, .frame = 5000, .now = 100000};
    cycle(r, &one);
    device two = {.channels = {0, 1}, .frames = CYCLE};
    move(r, &two, NULL, BOTH);
    cycle(r, &two);
    CHECK_INT(rig_statistics(r).lost_frames, 0);
    CHECK_INT(r->blocks[1].output_time.sample_frames, 5000 + CYCLE);
    check_times(r);
    rig_free(r);
}

/* A device counts from zero again in the middle of a run, as after the machine has slept. */
static void a_counter_that_begins_again_continues_the_time_line(void) {
    rig *r = rig_make(0, 1, 0, CYCLE);
    rig_start(r);
    device one = {.channels = {0, 1}, .frames = CYCLE, .frame = 100000};
    cycle(r, &one);
    cycle(r, &one);
    one.frame = 0;
    one.now += 4800; /* it stood still meanwhile */
    cycle(r, &one);
    cycle(r, &one);
    CHECK_INT(rig_statistics(r).lost_frames, 0); /* it is not known whether frames were lost */
    CHECK_INT(r->blocks[3].output_time.sample_frames, 100000 + 4800 + 3 * CYCLE);
    one.frame -= CYCLE - 1; /* a step back of less than a cycle is an irregular time */
    cycle(r, &one);
    CHECK_INT(r->blocks[4].output_time.sample_frames, 100000 + 4800 + 3 * CYCLE + 1);
    CHECK_INT(rig_statistics(r).lost_frames, 0);
    rig_free(r);
}

/* Before the fix, a step back was compared only with the length of the new cycle. So a short cycle
 * that began inside a long one was taken for a new time line, and the stream's times went on as if
 * the two did not overlap. */
static void a_short_cycle_inside_a_long_one_is_an_irregular_time(void) {
    rig *r = rig_make(0, 1, 0, 0);
    rig_start(r);
    device one = {.channels = {0, 1}, .frames = 8 * CYCLE, .frame = 100000};
    cycle(r, &one);
    one.frames = CYCLE;
    one.frame -= 5 * CYCLE;
    cycle(r, &one);
    CHECK_INT(r->blocks[1].output_time.sample_frames, 100000 + 3 * CYCLE);
    one.frame = 100000 + 8 * CYCLE; /* as if the short cycle had not been there */
    cycle(r, &one);
    CHECK_INT(r->blocks[2].output_time.sample_frames, 100000 + 8 * CYCLE);
    CHECK_INT(rig_statistics(r).lost_frames, 0);
    one.frame -= 2 * CYCLE; /* longer than this cycle and the one before */
    cycle(r, &one);
    CHECK_INT(r->blocks[3].output_time.sample_frames, 100000 + 9 * CYCLE);
    CHECK_INT(rig_statistics(r).lost_frames, 0);
    rig_free(r);
}

static void repeated_moves(void) {
    rig *r = rig_make(0, 2, 0, CYCLE);
    rig_start(r);
    int64_t heard = 0, now = 0;
    for (int i = 0; i < 10; i++) {
        device d = {.channels = {0, 2}, .frames = CYCLE, .frame = -1000 * i, .now = now};
        move(r, &d, NULL, BOTH);
        move(r, &d, NULL, BOTH); /* moved again after a start that failed */
        cycle(r, &d);
        cycle(r, &d);
        CHECK_CODED(d.heard, 2, d.heard_frames, heard);
        heard += d.heard_frames;
        now = d.now + 10;
    }
    CHECK_INT(rig_statistics(r).lost_frames, 9 * 10);
    CHECK_INT(rig_statistics(r).xruns, 9);
    check_times(r);
    rig_free(r);
}

static void duplex_times_go_on_in_both_directions(void) {
    rig *r = rig_make(2, 2, 0, CYCLE);
    rig_start(r);
    device one = {.channels = {2, 2}, .frames = CYCLE, .latency = 500};
    cycle(r, &one);
    device two = {.channels = {2, 2}, .frames = CYCLE, .frame = 90000, .now = 200};
    r->input_at = two.frame;
    move(r, &two, BOTH, BOTH);
    cycle(r, &two);
    cycle(r, &two);
    check_times(r);
    CHECK_CODED(two.heard, 2, two.heard_frames, CYCLE);
    rig_free(r);
}

static int32_t ones(vc_block *block, void *user) {
    float *seen = user;
    for (uint32_t c = 0; c < block->input.channels; c++) {
        seen[c] = block->input.data[c];
    }
    for (uint32_t f = 0; f < block->frames; f++) {
        for (uint32_t c = 0; c < block->output.channels; c++) {
            block->output.data[f * block->output.channels + c] = (float)(c + 1);
        }
    }
    return VC_CONTINUE;
}

static void channels_without_a_counterpart_are_silent(void) {
    float seen[3] = {0};
    rig *r = rig_make(3, 3, 0, CYCLE);
    r->config.process = ones;
    r->config.leave = NULL;
    r->config.user = seen;
    rig_start(r);
    static const uint32_t three[] = {0, 1, 2};
    device one = {.channels = {3, 3}, .frames = CYCLE};
    move(r, &one, three, three);
    cycle(r, &one);
    CHECK(seen[0] == code(0, 0) && seen[1] == code(0, 1) && seen[2] == code(0, 2));
    CHECK(one.heard[0] == 1.0f && one.heard[1] == 2.0f && one.heard[2] == 3.0f);

    static const uint32_t input[] = {VC_NO_CHANNEL, 0, VC_NO_CHANNEL};
    static const uint32_t output[] = {1, VC_NO_CHANNEL, 0};
    device two = {.channels = {1, 2}, .frames = CYCLE, .now = one.now};
    move(r, &two, input, output);
    cycle(r, &two);
    CHECK(seen[0] == 0.0f && seen[1] == code(0, 0) && seen[2] == 0.0f);
    CHECK(two.heard[0] == 3.0f && two.heard[1] == 1.0f);
    rig_free(r);
}

/* A stream with one channel is heard on all channels that each device gives to it. */
static void one_channel_on_other_numbers_of_channels(void) {
    rig *r = rig_make(0, 1, 0, CYCLE);
    rig_start(r);
    device one = {.channels = {0, 1}, .frames = CYCLE};
    cycle(r, &one);
    CHECK_CODED(one.heard, 1, CYCLE, 0);
    static const uint32_t places[][3] = {{0, 1, 2}, {2, VC_NO_CHANNEL, 0}, {1, 0, VC_NO_CHANNEL}};
    int64_t now = one.now;
    for (int i = 0; i < 3; i++) {
        const uint32_t channels = i < 2 ? 3 : 2;
        device d = {.channels = {0, channels}, .frames = CYCLE, .frame = one.frame, .now = now};
        vc_move to = {.output_map = places[i],
                      .output_channels = channels,
                      .output_places = 3,
                      .period_frames = CYCLE,
                      .clock_ns = rig_clock};
        CHECK(vc_engine_move(r->engine, &to));
        cycle(r, &d);
        for (uint32_t f = 0; f < CYCLE; f++) {
            for (uint32_t p = 0; p < 3; p++) {
                uint32_t c = places[i][p];
                CHECK(c == VC_NO_CHANNEL ||
                      d.heard[f * channels + c] == code((int64_t)CYCLE * (i + 1) + f, 0));
            }
        }
        now = d.now;
    }
    rig_free(r);
}

static void blocks_stay_as_long_as_they_were(void) {
    rig *r = rig_make(0, 2, 0, CYCLE);
    rig_start(r);
    device one = {.channels = {0, 2}, .frames = CYCLE};
    cycle(r, &one);
    device two = {.channels = {0, 2}, .frames = 100, .now = one.now};
    move(r, &two, NULL, BOTH);
    for (int c = 0; c < 10; c++) {
        cycle(r, &two);
    }
    CHECK_INT(r->calls, 1 + (10 * 100 + CYCLE - 1) / CYCLE);
    for (uint32_t i = 0; i < r->calls; i++) {
        CHECK_INT(r->blocks[i].frames, CYCLE);
    }
    CHECK_CODED(two.heard, 2, two.heard_frames, CYCLE);
    rig_free(r);
}

/* Ends a run. Then `away` frames of host time pass while the device does not run. */
static void end_run(rig *r, device *d, int64_t away) {
    vc_engine_abort(r->engine);
    cycle(r, d);
    CHECK_INT(vc_engine_state(r->engine), VC_FINISHED);
    d->now += away;
}

/* Checks that block `first` is `frames` after the block before, and that its cycle is `cycles`
 * frames after that block's cycle. */
static void check_later(const rig *r, uint32_t first, int64_t frames, int64_t cycles) {
    const vc_block *before = &r->blocks[first - 1], *block = &r->blocks[first];
    CHECK_INT(block->now.sample_frames - before->now.sample_frames, cycles);
    CHECK_INT(block->input_time.sample_frames - before->input_time.sample_frames, frames);
    CHECK_INT(block->output_time.sample_frames - before->output_time.sample_frames, frames);
    CHECK_INT(block->lost_frames, 0);
    CHECK_INT(rig_statistics(r).xruns, 0);
}

static void another_run_goes_on_by_the_host_time(void) {
    static const uint32_t blocks[] = {0, 16};
    static const int64_t aways[] = {0, 1, 480, 480000};
    enum { STOOD_STILL, WENT_ON, BEGAN_ANEW, JUMPED, KINDS };
    for (int i = 0; i < KINDS * 4 * 2; i++) {
        int64_t away = aways[i / KINDS % 4];
        rig *r = rig_make(2, 2, blocks[i / KINDS / 4], CYCLE);
        device d = {.channels = {2, 2}, .frames = CYCLE, .frame = 1000, .latency = 100};
        r->input_at = d.frame;
        rig_start(r);
        cycle(r, &d);
        /* The first run has the device's own sample times. */
        CHECK_INT(r->blocks[0].now.sample_frames, 1000);
        for (int run = 1; run < 4; run++) {
            end_run(r, &d, away);
            d.frame = i % KINDS == STOOD_STILL  ? d.frame
                      : i % KINDS == WENT_ON    ? d.frame + away
                      : i % KINDS == BEGAN_ANEW ? 7
                                                : d.frame + 100000;
            r->input_at = d.frame;
            uint32_t first = r->calls;
            rig_start(r);
            cycle(r, &d);
            cycle(r, &d);
            check_later(r, first, r->blocks[first - 1].frames + CYCLE + away, 2 * CYCLE + away);
            check_later(r, r->calls - CYCLE / r->blocks[first].frames, r->blocks[first].frames,
                        CYCLE);
        }
        rig_free(r);
    }
}

static void another_run_without_host_times_goes_on_with_the_next_frame(void) {
    rig *r = rig_make(2, 2, 0, CYCLE);
    device d = {.channels = {2, 2}, .frames = CYCLE, .frame = 1000, .unknown = VC_TIME_HOST};
    r->input_at = d.frame;
    rig_start(r);
    cycle(r, &d);
    end_run(r, &d, 480);
    r->input_at = d.frame = 7;
    rig_start(r);
    cycle(r, &d);
    check_later(r, 1, 2 * CYCLE, 2 * CYCLE);
    rig_free(r);
}

static void times_that_one_cycle_does_not_tell_do_not_go_back_later(void) {
    rig *r = rig_make(0, 2, 0, CYCLE);
    device d = {.channels = {0, 2}, .frames = CYCLE, .frame = 1000};
    rig_start(r);
    cycle(r, &d);
    d.unknown = VC_TIME_SAMPLE;
    end_run(r, &d, 480);
    d.unknown = 0;
    d.frame = 7;
    rig_start(r);
    cycle(r, &d);
    CHECK_INT(r->blocks[1].output_time.sample_frames, 1000 + CYCLE);
    rig_free(r);
}

static void another_run_begins_on_another_device(void) {
    rig *r = rig_make(0, 2, 0, CYCLE);
    device one = {.channels = {0, 2}, .frames = CYCLE, .frame = 5000};
    rig_start(r);
    cycle(r, &one);
    end_run(r, &one, 480);
    rig_start(r);
    device two = {.channels = {0, 2}, .frames = CYCLE, .now = one.now};
    move(r, &two, NULL, BOTH);
    cycle(r, &two);
    CHECK_INT(r->blocks[1].output_time.sample_frames, 5000 + 2 * CYCLE + 480);
    CHECK_INT(rig_statistics(r).lost_frames, 0); /* no device ran that could have lost frames */
    end_run(r, &two, 100);
    two.frame = 0;
    rig_start(r);
    cycle(r, &two);
    CHECK_INT(r->blocks[2].output_time.sample_frames, 5000 + 4 * CYCLE + 580);
    CHECK_INT(rig_statistics(r).lost_frames, 0);
    rig_free(r);
}

int main(void) {
    RUN(lost_frames_are_counted_exactly);
    RUN(a_time_that_went_back_is_not_followed);
    RUN(a_counter_that_begins_again_continues_the_time_line);
    RUN(a_short_cycle_inside_a_long_one_is_an_irregular_time);
    RUN(repeated_moves);
    RUN(duplex_times_go_on_in_both_directions);
    RUN(channels_without_a_counterpart_are_silent);
    RUN(one_channel_on_other_numbers_of_channels);
    RUN(blocks_stay_as_long_as_they_were);
    RUN(another_run_goes_on_by_the_host_time);
    RUN(another_run_without_host_times_goes_on_with_the_next_frame);
    RUN(times_that_one_cycle_does_not_tell_do_not_go_back_later);
    RUN(another_run_begins_on_another_device);
    return check_summary();
}
