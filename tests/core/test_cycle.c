/* Tests blocks within one cycle, blocks that span several cycles, and the times of blocks. */
#include "rig.h"

static void whole_blocks_as_the_device_delivers(void) {
    rig *r = rig_make(0, 2, 0, 64);
    rig_start(r);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(rig_cycle(r, 64), 64);
    }
    CHECK_INT(r->calls, 10);
    CHECK_CODED(r->heard, 2, 640, 0);
    rig_free(r);
}

static void whole_blocks_of_varying_cycles(void) {
    static const uint32_t sizes[] = {1, 64, 7, 100, 3, 256, 65};
    rig *r = rig_make(2, 3, 0, 0);
    rig_start(r);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_INT(rig_cycle(r, sizes[i]), sizes[i]);
        CHECK_INT(r->blocks[i].frames, sizes[i]);
    }
    CHECK_CODED(r->heard, 3, r->heard_frames, 0);
    rig_free(r);
}

static void a_cycle_beyond_the_promise_is_cut(void) {
    rig *r = rig_make(1, 1, 0, 64);
    rig_start(r);
    CHECK_INT(vc_engine_max_block_frames(&r->config), 64);
    rig_cycle(r, 150);
    CHECK_INT(r->calls, 3);
    CHECK_INT(r->blocks[2].frames, 22);
    CHECK_CODED(r->heard, 1, 150, 0);
    rig_free(r);
}

static void several_whole_blocks_in_a_cycle(void) {
    rig *r = rig_make(2, 2, 32, 128);
    rig_start(r);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(rig_cycle(r, 128), 128);
    }
    CHECK_INT(r->calls, 20);
    CHECK_CODED(r->heard, 2, 640, 0);
    rig_free(r);
}

/* Without input, no pair of block size and cycle size causes a delay. No block is made too early.
 */
static void ahead_for_every_pair_of_sizes(void) {
    static const uint32_t blocks[] = {1, 2, 5, 48, 64, 100, 333};
    static const uint32_t cycles[] = {1, 3, 48, 64, 128, 200};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        for (size_t c = 0; c < sizeof cycles / sizeof *cycles; c++) {
            rig *r = rig_make(0, 2, blocks[b], cycles[c]);
            rig_start(r);
            for (int64_t done = 0; done < 700; done += cycles[c]) {
                CHECK_INT(rig_cycle(r, cycles[c]), cycles[c]);
                CHECK_INT(r->calls, (r->frame + blocks[b] - 1) / blocks[b]);
            }
            CHECK_CODED(r->heard, 2, r->heard_frames, 0);
            for (uint32_t i = 0; i < r->calls && i < RIG_BLOCKS; i++) {
                CHECK_INT(r->blocks[i].frames, blocks[b]);
                CHECK_INT(r->blocks[i].output_time.sample_frames,
                          (int64_t)i * blocks[b] + r->output_latency);
            }
            rig_free(r);
        }
    }
}

static void ahead_with_varying_cycles(void) {
    rig *r = rig_make(0, 1, 48, 0);
    rig_start(r);
    uint32_t size = 1;
    while (r->heard_frames < 4000) {
        size = size * 37 % 101;
        rig_cycle(r, size);
    }
    CHECK_CODED(r->heard, 1, r->heard_frames, 0);
    rig_free(r);
}

/* Without output, the code gets a block when its last frame has arrived, and gets every frame once.
 * rig_process checks the frames. */
static void behind_for_every_pair_of_sizes(void) {
    static const uint32_t blocks[] = {1, 2, 5, 48, 64, 100, 333};
    static const uint32_t cycles[] = {1, 3, 48, 64, 128, 200};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        for (size_t c = 0; c < sizeof cycles / sizeof *cycles; c++) {
            rig *r = rig_make(2, 0, blocks[b], cycles[c]);
            rig_start(r);
            for (int64_t done = 0; done < 700; done += cycles[c]) {
                CHECK_INT(rig_cycle(r, cycles[c]), 0);
                CHECK_INT(r->calls, r->frame / blocks[b]);
            }
            for (uint32_t i = 0; i < r->calls && i < RIG_BLOCKS; i++) {
                CHECK_INT(r->blocks[i].frames, blocks[b]);
                CHECK_INT(r->blocks[i].input_time.sample_frames,
                          (int64_t)i * blocks[b] - r->input_latency);
            }
            rig_free(r);
        }
    }
}

/* In a duplex stream whose blocks do not fit the cycles, output is one block late. The device plays
 * one block of silence first. */
static void duplex_is_latched_one_block(void) {
    static const uint32_t blocks[] = {2, 5, 48, 100, 333};
    static const uint32_t cycles[] = {1, 3, 64, 128, 200};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
        for (size_t c = 0; c < sizeof cycles / sizeof *cycles; c++) {
            if (cycles[c] % blocks[b] == 0) {
                continue;
            }
            rig *r = rig_make(2, 2, blocks[b], cycles[c]);
            rig_start(r);
            while (r->heard_frames < 1000) {
                CHECK_INT(rig_cycle(r, cycles[c]), cycles[c]);
                CHECK_INT(r->calls, r->frame / blocks[b]);
            }
            CHECK_SILENT(r->heard, 2, blocks[b]);
            CHECK_CODED(rig_heard(r, blocks[b]), 2, r->heard_frames - blocks[b], 0);
            for (uint32_t i = 0; i < r->calls && i < RIG_BLOCKS; i++) {
                int64_t first = (int64_t)i * blocks[b];
                CHECK_INT(r->blocks[i].input_time.sample_frames, first - r->input_latency);
                CHECK_INT(r->blocks[i].output_time.sample_frames,
                          first + blocks[b] + r->output_latency);
            }
            CHECK_INT(rig_statistics(r).xruns, 0);
            rig_free(r);
        }
    }
}

static void duplex_with_varying_cycles_is_latched(void) {
    rig *r = rig_make(1, 2, 64, 0);
    rig_start(r);
    uint32_t size = 1;
    while (r->heard_frames < 4000) {
        size = size * 37 % 101;
        rig_cycle(r, size);
    }
    CHECK_SILENT(r->heard, 2, 64);
    CHECK_CODED(rig_heard(r, 64), 2, r->heard_frames - 64, 0);
    rig_free(r);
}

/* The device has promised cycles of whole blocks and then runs a cycle of another length. The
 * engine inserts one block of silence and counts one xrun. No frame is lost or repeated in a
 * direction. */
static void duplex_latches_when_the_promise_is_broken(void) {
    rig *r = rig_make(2, 2, 32, 64);
    rig_start(r);
    rig_cycle(r, 64);
    CHECK_INT(rig_cycle(r, 40), 32);
    CHECK_INT(rig_statistics(r).xruns, 1);
    CHECK_INT(rig_statistics(r).lost_frames, 32);
    for (int i = 0; i < 5; i++) {
        rig_cycle(r, 64);
    }
    CHECK_CODED(r->heard, 2, 96, 0);
    CHECK_SILENT(rig_heard(r, 96), 2, 32);
    CHECK_CODED(rig_heard(r, 128), 2, r->heard_frames - 128, 96);
    CHECK_INT(rig_statistics(r).xruns, 1);
    CHECK_INT(r->blocks[3].lost_frames, 32);
    rig_free(r);
}

static void times_move_with_the_offset(void) {
    rig *r = rig_make(1, 1, 16, 64);
    rig_start(r);
    rig_cycle(r, 64);
    rig_cycle(r, 64);
    for (uint32_t i = 0; i < 8; i++) {
        const vc_block *block = &r->blocks[i];
        int64_t first = (int64_t)i * 16;
        CHECK_INT(block->now.sample_frames, first / 64 * 64);
        CHECK_INT(block->input_time.sample_frames, first - 50);
        CHECK_INT(block->output_time.sample_frames, first + 100);
        CHECK_NEAR(block->input_time.host_ns, rig_time(r, first - 50).host_ns, 1.0);
        CHECK_NEAR(block->output_time.host_ns, rig_time(r, first + 100).host_ns, 1.0);
        CHECK_INT(block->output_time.valid, VC_TIME_HOST | VC_TIME_SAMPLE);
        CHECK(block->samplerate_hz == 48000.0);
    }
    rig_free(r);
}

static void an_idle_engine_is_silent(void) {
    rig *r = rig_make(2, 2, 0, 64);
    r->engine = vc_engine_new(&r->config);
    CHECK_INT(rig_cycle(r, 64), 0);
    CHECK_SILENT(r->heard, 2, 64);
    CHECK_INT(r->calls, 0);
    CHECK_INT(vc_engine_state(r->engine), VC_IDLE);
    CHECK_INT(rig_statistics(r).cycles, 0);
    rig_free(r);
}

static void the_callers_memory_is_the_block(void) {
    float input[64], output[64];
    rig *r = rig_make(1, 1, 0, 64);
    r->config.input_block = input;
    r->config.output_block = output;
    rig_start(r);
    rig_cycle(r, 64);
    CHECK(r->lent_input == input && r->lent_output == output);
    CHECK_CODED(output, 1, 64, 0);
    CHECK_CODED(input, 1, 64, 0);
    rig_free(r);
}

typedef struct native_call {
    float *output;
    const float *input;
    uint32_t frames, channels;
} native_call;

static int32_t native_function(float *output, const float *input, uint32_t frames,
                               const vc_block *block, void *user) {
    native_call *seen = user;
    *seen = (native_call){output, input, frames, block->output.channels};
    return 0;
}

static void a_native_function_sees_pointers(void) {
    native_call seen = {0};
    vc_native native = {native_function, &seen};
    rig *r = rig_make(0, 2, 0, 64);
    r->config.process = vc_native_process;
    r->config.user = &native;
    r->config.leave = NULL;
    rig_start(r);
    rig_cycle(r, 48);
    CHECK(seen.output != NULL && seen.input == NULL);
    CHECK_INT(seen.frames, 48);
    CHECK_INT(seen.channels, 2);
    rig_free(r);
}

/* Results of the user's code. One would be denormal, and the other has a denormal operand. */
static float denormal_result, denormal_operand;

static int32_t computes(vc_block *block, void *user) {
    (void)block, (void)user;
    volatile float
        tiny = 1e-39f,
        one = 1.0f; /* volatile, because the compiler would otherwise compute the products itself */
    denormal_result = tiny * one;
    denormal_operand = tiny * 0x1p100f;
    return VC_CONTINUE;
}

static void denormals_are_flushed_on_every_driver_and_nowhere_else(void) {
    rig *r = rig_make(0, 1, 0, 48);
    r->config.process = computes;
    r->config.leave = NULL;
    rig_start(r);
    rig_cycle(r, 48);
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(denormal_result == 0.0f);
    CHECK(denormal_operand == 0.0f);
#endif
    volatile float tiny = 1e-39f, one = 1.0f;
    CHECK(tiny * one != 0.0f);
    CHECK(tiny * 0x1p100f != 0.0f);
    rig_free(r);
}

int main(void) {
    RUN(whole_blocks_as_the_device_delivers);
    RUN(whole_blocks_of_varying_cycles);
    RUN(a_cycle_beyond_the_promise_is_cut);
    RUN(several_whole_blocks_in_a_cycle);
    RUN(ahead_for_every_pair_of_sizes);
    RUN(ahead_with_varying_cycles);
    RUN(behind_for_every_pair_of_sizes);
    RUN(duplex_is_latched_one_block);
    RUN(duplex_with_varying_cycles_is_latched);
    RUN(duplex_latches_when_the_promise_is_broken);
    RUN(times_move_with_the_offset);
    RUN(an_idle_engine_is_silent);
    RUN(the_callers_memory_is_the_block);
    RUN(a_native_function_sees_pointers);
    RUN(denormals_are_flushed_on_every_driver_and_nowhere_else);
    return check_summary();
}
