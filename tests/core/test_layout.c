/* For each layout of the device's memory, tests whether zero_copy lends the memory or copies it. No
 * access goes beyond the memory. */
#include "rig.h"

static const rig_layout LAYOUTS[] = {INTERLEAVED, PLANAR, SPLIT};

static void every_layout_brings_the_same_frames(void) {
    const uint32_t all[] = {0,
                            VC_ENGINE_ZERO_COPY,
                            VC_ENGINE_PACKED,
                            VC_ENGINE_ZERO_COPY | VC_ENGINE_PACKED,
                            VC_ENGINE_LEND,
                            VC_ENGINE_ZERO_COPY | VC_ENGINE_LEND};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint32_t flags = all[i];
        for (int l = 0; l < 3; l++) {
            for (uint32_t block = 0; block <= 100; block += 25) {
                rig *r = rig_make(2, 3, block, 100);
                r->layout = LAYOUTS[l];
                r->config.flags = flags;
                rig_start(r);
                while (r->heard_frames < 1000) {
                    rig_cycle(r, 100);
                }
                uint32_t delay = block && 100 % block ? block : 0;
                CHECK_SILENT(r->heard, 3, delay);
                CHECK_CODED(rig_heard(r, delay), 3, r->heard_frames - delay, 0);
                CHECK_INT(r->calls, 1000 / (block ? block : 100));
                rig_free(r);
            }
        }
    }
}

/* Returns whether the last block was in the device's own memory. */
static bool is_lent(rig_layout layout, uint32_t channels, uint32_t block, uint32_t flags) {
    rig *r = rig_make(channels, channels, block, 64);
    r->layout = layout;
    r->config.flags = flags;
    rig_start(r);
    rig_cycle(r, 64);
    uint32_t offset = block ? 64 - block : 0; /* offset of the last block */
    ptrdiff_t step = layout == INTERLEAVED ? (ptrdiff_t)channels : 1;
    bool output = r->lent_output == r->memory[1] + (ptrdiff_t)offset * step;
    bool input = r->lent_input == r->memory[0] + (ptrdiff_t)offset * step;
    CHECK_INT(output, input);
    bool wanted = (flags & VC_ENGINE_ZERO_COPY) != 0;
    CHECK_INT(rig_statistics(r).copied_blocks, wanted && !output ? r->calls : 0);
    CHECK_CODED(r->heard, channels, 64, 0);
    rig_free(r);
    return output;
}

static void layouts_that_are_lent(void) {
    const uint32_t zero = VC_ENGINE_ZERO_COPY, packed = VC_ENGINE_ZERO_COPY | VC_ENGINE_PACKED;
    const uint32_t lend = VC_ENGINE_LEND;
    for (uint32_t block = 0; block <= 16; block += 16) {
        CHECK(!is_lent(INTERLEAVED, 2, block, 0));
        CHECK(is_lent(INTERLEAVED, 2, block, zero));
        CHECK(is_lent(INTERLEAVED, 2, block, packed));
        CHECK(is_lent(PLANAR, 2, block, zero));
        CHECK(!is_lent(PLANAR, 2, block, packed));
        CHECK(!is_lent(SPLIT, 2, block, zero));
        CHECK(!is_lent(SPLIT, 2, block, packed));
        CHECK(is_lent(INTERLEAVED, 2, block, lend));
        CHECK(!is_lent(PLANAR, 2, block, lend));
        CHECK(!is_lent(SPLIT, 2, block, lend));
        CHECK(!is_lent(PLANAR, 2, block, zero | lend));
        /* One channel without gaps is both interleaved and planar. */
        CHECK(is_lent(PLANAR, 1, block, packed));
    }
}

static void one_direction_that_cannot_be_lent_is_copied(void) {
    float input[2][64], output[128];
    vc_channel list[2] = {{input[1], 1}, {input[0], 1}};
    for (int f = 0; f < 64; f++) {
        input[1][f] = code(f, 0);
        input[0][f] = code(f, 1);
        output[2 * f] = output[2 * f + 1] = NAN;
    }
    rig *r = rig_make(2, 2, 0, 64);
    r->config.flags = VC_ENGINE_ZERO_COPY;
    rig_start(r);
    vc_cycle cycle = {
        .frames = 64,
        .input = {.list = list, .channels = 2},
        .output = {.data = output, .frame_stride = 2, .channel_stride = 1, .channels = 2}};
    CHECK_INT(vc_cycle_run(r->engine, &cycle), 64);
    CHECK(r->lent_output != output);
    CHECK_CODED(output, 2, 64, 0);
    CHECK_INT(rig_statistics(r).copied_blocks, 1);
    rig_free(r);
}

static void a_block_across_cycles_is_copied_and_counted(void) {
    rig *r = rig_make(0, 2, 100, 64);
    r->config.flags = VC_ENGINE_ZERO_COPY;
    rig_start(r);
    while (r->heard_frames < 640) {
        rig_cycle(r, 64);
    }
    CHECK_CODED(r->heard, 2, 640, 0);
    CHECK_INT(rig_statistics(r).copied_blocks, 7);
    rig_free(r);
}

/* If a cycle is longer than the device has promised, its buffer is lent as several blocks. */
static void a_lent_block_is_never_longer_than_promised(void) {
    rig *r = rig_make(0, 2, 0, 64);
    r->config.flags = VC_ENGINE_ZERO_COPY;
    rig_start(r);
    rig_cycle(r, 100);
    CHECK_INT(r->blocks[0].frames, 64);
    CHECK_INT(r->blocks[1].frames, 36);
    CHECK(r->lent_output == r->memory[1] + 128);
    CHECK_CODED(r->heard, 2, 100, 0);
    rig_free(r);
}

static void a_stop_inside_a_lent_block_is_silenced(void) {
    for (int l = 0; l < 3; l++) {
        rig *r = rig_make(0, 2, 16, 64);
        r->layout = LAYOUTS[l];
        r->config.flags = VC_ENGINE_ZERO_COPY;
        r->act_at = 1;
        r->result = VC_STOP;
        r->valid = 5;
        rig_start(r);
        CHECK_INT(rig_cycle(r, 64), 21);
        CHECK_CODED(r->heard, 2, 21, 0);
        CHECK_SILENT(rig_heard(r, 21), 2, 43);
        rig_free(r);
    }
}

static void a_device_without_memory_is_silence(void) {
    for (uint32_t block = 0; block < 100; block += 48) {
        rig *r = rig_make(2, 2, block, 64);
        r->layout = NO_MEMORY;
        r->config.flags = VC_ENGINE_ZERO_COPY;
        rig_start(r);
        for (int i = 0; i < 5; i++) {
            rig_cycle(r, 64); /* rig_process checks that the input is silent */
        }
        CHECK_INT(r->calls, 320 / (block ? block : 64));
        rig_free(r);
    }
}

static void many_channels(void) {
    rig *r = rig_make(16, 16, 48, 64);
    r->layout = SPLIT;
    rig_start(r);
    while (r->heard_frames < 640) {
        rig_cycle(r, 64);
    }
    CHECK_CODED(rig_heard(r, 48), 16, r->heard_frames - 48, 0);
    rig_free(r);
}

/* A stream with one channel is heard on all channels of the device. This holds for every layout and
 * for every relation of blocks to cycles: whole, ahead, behind and latched. */
static void one_channel_goes_to_all(void) {
    const uint32_t all[] = {0, VC_ENGINE_ZERO_COPY, VC_ENGINE_ZERO_COPY | VC_ENGINE_PACKED,
                            VC_ENGINE_LEND};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (int l = 0; l < 3; l++) {
            for (uint32_t block = 0; block <= 100; block += 25) {
                for (uint32_t outputs = 2; outputs <= 9; outputs += 7) {
                    for (uint32_t inputs = 0; inputs < 2; inputs++) {
                        rig *r = rig_make(inputs, 1, block, 100);
                        rig_outputs(r, outputs);
                        r->layout = LAYOUTS[l];
                        r->config.flags = all[i];
                        rig_start(r);
                        while (r->heard_frames < 1000) {
                            CHECK_INT(rig_cycle(r, 100), 100);
                        }
                        uint32_t delay = inputs && block && 100 % block ? block : 0;
                        for (uint32_t s = 0; s < outputs * r->heard_frames; s++) {
                            uint32_t frame = s / outputs;
                            CHECK(r->heard[s] == (frame < delay ? 0.0f : code(frame - delay, 0)));
                        }
                        rig_free(r);
                    }
                }
            }
        }
    }
}

/* A stream with one channel writes into the memory of the device's first channel. The engine copies
 * this channel to the others. */
static void one_channel_of_several_is_lent(void) {
    const uint32_t zero = VC_ENGINE_ZERO_COPY, packed = zero | VC_ENGINE_PACKED;
    const struct {
        rig_layout layout;
        uint32_t flags;
        bool lent;
    } cases[] = {{INTERLEAVED, zero, true}, {INTERLEAVED, packed, false}, {PLANAR, zero, true},
                 {PLANAR, packed, true},    {SPLIT, packed, true},        {NO_MEMORY, zero, false},
                 {PLANAR, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig *r = rig_make(0, 1, 0, 64);
        rig_outputs(r, 2);
        r->layout = cases[i].layout;
        r->config.flags = cases[i].flags;
        rig_start(r);
        rig_cycle(r, 64);
        CHECK_INT(r->lent_output == rig_sample(&r->audio[1], 0, 0), cases[i].lent);
        CHECK_INT(rig_statistics(r).copied_blocks, cases[i].flags && !cases[i].lent);
        rig_free(r);
    }
}

static void a_stop_inside_one_channel_is_silenced_on_all(void) {
    for (int l = 0; l < 3; l++) {
        for (uint32_t flags = 0; flags <= VC_ENGINE_ZERO_COPY; flags++) {
            rig *r = rig_make(0, 1, 16, 64);
            rig_outputs(r, 2);
            r->layout = LAYOUTS[l];
            r->config.flags = flags;
            r->act_at = 1;
            r->result = VC_STOP;
            r->valid = 5;
            rig_start(r);
            CHECK_INT(rig_cycle(r, 64), 21);
            for (uint32_t s = 0; s < 128; s++) {
                CHECK(r->heard[s] == (s < 42 ? code(s / 2, 0) : 0.0f));
            }
            rig_free(r);
        }
    }
}

int main(void) {
    RUN(every_layout_brings_the_same_frames);
    RUN(layouts_that_are_lent);
    RUN(one_direction_that_cannot_be_lent_is_copied);
    RUN(a_block_across_cycles_is_copied_and_counted);
    RUN(a_lent_block_is_never_longer_than_promised);
    RUN(a_stop_inside_a_lent_block_is_silenced);
    RUN(a_device_without_memory_is_silence);
    RUN(many_channels);
    RUN(one_channel_goes_to_all);
    RUN(one_channel_of_several_is_lent);
    RUN(a_stop_inside_one_channel_is_silenced_on_all);
    return check_summary();
}
