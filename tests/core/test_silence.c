/* Tests of the count of frames whose input is zero. */
#include "rig.h"

static float samples[2 * 64];
static vc_channel list[2] = {{samples, 2}, {samples + 1, 2}};

static uint64_t zeros_after(vc_engine *engine, bool split) {
    static float none[2 * 64];
    vc_cycle cycle = {.frames = 64, .output = {.data = none, .channels = 0}};
    cycle.input =
        split ? (vc_audio){.list = list, .channels = 2} : (vc_audio){samples, 2, 1, NULL, 2, 0};
    vc_cycle_run(engine, &cycle);
    return vc_engine_zero_frames(engine);
}

static int32_t nothing(vc_block *block, void *user) {
    (void)block, (void)user;
    return VC_CONTINUE;
}

static void one_sample_ends_the_count(void) {
    for (int split = 0; split < 2; split++) {
        for (int at = 0; at < 2 * 64; at++) {
            vc_engine_config config = {
                .input_channels = 2, .samplerate_hz = 48000, .process = nothing};
            vc_engine *engine = vc_engine_new(&config);
            vc_engine_start(engine);
            CHECK_INT(zeros_after(engine, split), 64);
            samples[at] = -0.0f;
            CHECK_INT(zeros_after(engine, split), 128);
            samples[at] = 1e-40f; /* a denormal number is a signal */
            CHECK_INT(zeros_after(engine, split), 0);
            samples[at] = 0.0f;
            CHECK_INT(zeros_after(engine, split), 0);
            vc_engine_abort(engine);
            zeros_after(engine, split);
            vc_engine_start(engine);
            CHECK_INT(zeros_after(engine, split), 64);
            vc_engine_free(engine);
        }
    }
}

static void a_missing_channel_is_zero(void) {
    vc_engine_config config = {.input_channels = 2, .samplerate_hz = 48000, .process = nothing};
    vc_engine *engine = vc_engine_new(&config);
    vc_engine_start(engine);
    list[1].data = NULL;
    CHECK_INT(zeros_after(engine, true), 64);
    samples[1] = 1.0f; /* in the channel that the device does not have */
    CHECK_INT(zeros_after(engine, true), 128);
    samples[0] = 1.0f;
    CHECK_INT(zeros_after(engine, true), 0);
    vc_engine_free(engine);
}

static void a_stream_without_input_counts_nothing(void) {
    rig *r = rig_make(0, 1, 0, 64);
    rig_start(r);
    rig_cycle(r, 64);
    CHECK_INT(vc_engine_zero_frames(r->engine), 0);
    rig_free(r);
}

int main(void) {
    RUN(one_sample_ends_the_count);
    RUN(a_missing_channel_is_zero);
    RUN(a_stream_without_input_counts_nothing);
    return check_summary();
}
