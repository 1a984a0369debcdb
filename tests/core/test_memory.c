/* Memory for the IO thread is zeroed and aligned, and no access by the IO thread is a page fault.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "check.h"
#include "lead.h"
#include "memory.h"
#include "voicecoil.h"

#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/resource.h>
#endif

static void memory_is_zeroed_and_aligned(void) {
    for (size_t bytes = 0; bytes < 20000; bytes = bytes * 2 + 3) {
        char *memory = vc_memory_new(bytes, 1);
        CHECK(memory != NULL && (uintptr_t)memory % 64 == 0);
        for (size_t i = 0; i < bytes; i++) {
            CHECK_INT(memory[i], 0);
        }
        memset(memory, 1, bytes);
        vc_memory_free(memory);
    }
    vc_memory_free(NULL);
}

static void more_memory_than_exists_is_not_allocated(void) {
    CHECK(vc_memory_new(SIZE_MAX / 2, 3) == NULL);
    CHECK(vc_memory_new(SIZE_MAX, 1) == NULL);
}

/* When an address is used for the first time, ThreadSanitizer touches memory of its own. Its page
 * faults cannot be distinguished from ours. */
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_FAULTS 1
#endif

#if defined(COUNTS_FAULTS)
/* Returns the number of page faults of this thread. */
static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

enum { FRAMES = 64, CHANNELS = 2, CYCLES = 3000 };
static float block_memory[2][FRAMES * CHANNELS];

/* Runs enough cycles to fill a ring of four seconds. Returns the number of page faults. */
static long faults_of(vc_process_fn process, void *user, uint32_t inputs, uint32_t outputs) {
    vc_engine_config config = {.input_channels = inputs,
                               .output_channels = outputs,
                               .period_frames = FRAMES,
                               .flags = VC_ENGINE_METER,
                               .samplerate_hz = 48000,
                               .process = process,
                               .user = user};
    vc_engine *engine = vc_engine_new(&config);
    vc_engine_start(engine);
    vc_cycle cycle = {.frames = FRAMES, .output_time.valid = VC_TIME_SAMPLE};
    vc_audio *sides[2] = {&cycle.input, &cycle.output};
    uint32_t channels[2] = {inputs, outputs};
    for (int i = 0; i < 2; i++) {
        *sides[i] = (vc_audio){.data = block_memory[i],
                               .frame_stride = channels[i],
                               .channel_stride = 1,
                               .channels = channels[i]};
    }
    memset(block_memory, 1, sizeof block_memory);
    vc_cycle_run(engine, &cycle); /* touches the pages of the code itself */
    long before = faults();
    for (int i = 0; i < CYCLES; i++) {
        cycle.output_time.sample_frames += 2 * FRAMES; /* an xrun in each cycle */
        vc_cycle_run(engine, &cycle);
    }
    long seen = faults() - before;
    vc_engine_free(engine);
    return seen;
}

static void recording_touches_no_new_page(void) {
    vc_ring *ring = vc_ring_new(4 * 48000, CHANNELS);
    vc_recorder *recorder = vc_recorder_new(ring, 0);
    CHECK_INT(faults_of(vc_recorder_process, recorder, CHANNELS, 0), 0);
    vc_recorder_free(recorder);
    vc_ring_free(ring);
}

static int32_t copies(vc_block *block, void *user) {
    (void)user;
    memcpy(block->output.data, block->input.data,
           block->frames * block->output.channels * sizeof(float));
    return VC_CONTINUE;
}

/* Runs the side of the IO thread and that of the worker, because both touch the same rings. */
static int32_t both_sides(vc_block *block, void *user) {
    int32_t result = vc_lead_process(block, user);
    while (vc_lead_make(user)) {
    }
    return result;
}

static void running_ahead_touches_no_new_page(void) {
    float *blocks[2] = {vc_memory_new(FRAMES * CHANNELS, sizeof(float)),
                        vc_memory_new(FRAMES * CHANNELS, sizeof(float))};
    vc_lead_config config = {.input_channels = CHANNELS,
                             .output_channels = CHANNELS,
                             .block_frames = FRAMES,
                             .max_period_frames = FRAMES,
                             .lead_frames = 48000 / FRAMES * FRAMES,
                             .samplerate_hz = 48000,
                             .input_block = blocks[0],
                             .output_block = blocks[1],
                             .process = copies};
    vc_lead *lead = vc_lead_new(&config);
    vc_lead_start(lead);
    CHECK_INT(faults_of(both_sides, lead, CHANNELS, CHANNELS), 0);
    vc_lead_free(lead);
    vc_memory_free(blocks[0]);
    vc_memory_free(blocks[1]);
}

static void touching_memory_does_not_change_it(void) {
    enum { BYTES = 1 << 20 };
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[BYTES - 1] = 7;
    long before = faults();
    vc_memory_touch(memory, BYTES);
    CHECK(faults() - before >= 1);
    before = faults();
    volatile char sum = 0;
    for (size_t i = 0; i < BYTES; i++) {
        sum = (char)(sum + memory[i]);
    }
    CHECK_INT(sum, 7);
    CHECK_INT(faults() - before, 0);
    munmap(memory, BYTES);
}
#endif

int main(void) {
    RUN(memory_is_zeroed_and_aligned);
    RUN(more_memory_than_exists_is_not_allocated);
#if defined(COUNTS_FAULTS)
    RUN(recording_touches_no_new_page);
    RUN(running_ahead_touches_no_new_page);
    RUN(touching_memory_does_not_change_it);
#endif
    return check_summary();
}
