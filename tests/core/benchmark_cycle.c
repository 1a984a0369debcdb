/* Measures the cost of an IO cycle in ns. Each result is the median of five runs.
 *
 *   tools/test_core.py --benchmark */
#if defined(__unix__)
#define _POSIX_C_SOURCE 200809L
#endif
#include "device.h"
#include "drift.h"
#include "lead.h"
#include "voicecoil.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 5, FRAMES_MAX = 4096, CHANNELS_MAX = 64 };

/* Aligned to cache lines, as the memory of an engine is. */
static _Alignas(64) float input[FRAMES_MAX * CHANNELS_MAX], output[FRAMES_MAX * CHANNELS_MAX];

static int32_t nothing(float *to, const float *from, uint32_t frames, const vc_block *block,
                       void *user) {
    (void)to;
    (void)from;
    (void)frames;
    (void)block;
    (void)user;
    return VC_CONTINUE;
}

static int32_t empty(vc_block *block, void *user) {
    (void)block, (void)user;
    return VC_CONTINUE;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t no_clock(void *user) {
    (void)user;
    return 0;
}

static double cost(uint32_t inputs, uint32_t outputs, uint32_t frames, uint32_t flags, bool clock) {
    vc_native native = {nothing, NULL};
    vc_engine_config config = {.input_channels = inputs,
                               .output_channels = outputs,
                               .period_frames = frames,
                               .flags = flags,
                               .samplerate_hz = 48000,
                               .clock_ns = clock ? NULL : no_clock,
                               .process = vc_native_process,
                               .user = &native};
    vc_engine *engine = vc_engine_new(&config);
    vc_engine_start(engine);
    vc_cycle cycle = {.frames = frames,
                      .input = {.data = input,
                                .frame_stride = (ptrdiff_t)inputs,
                                .channel_stride = 1,
                                .channels = inputs},
                      .output = {.data = output,
                                 .frame_stride = (ptrdiff_t)outputs,
                                 .channel_stride = 1,
                                 .channels = outputs},
                      .now.valid = VC_TIME_HOST | VC_TIME_SAMPLE,
                      .input_time.valid = VC_TIME_HOST | VC_TIME_SAMPLE,
                      .output_time.valid = VC_TIME_HOST | VC_TIME_SAMPLE};
    double runs[RUNS];
    int cycles = (int)(200000000 / (frames * (inputs + outputs) + 500));
    cycles = cycles > 300000 ? 300000 : cycles;
    for (int run = 0; run < RUNS; run++) {
        int64_t began_ns = vc_clock_ns();
        for (int i = 0; i < cycles; i++) {
            vc_cycle_run(engine, &cycle);
            cycle.output_time.sample_frames += frames;
            cycle.input_time.sample_frames += frames;
        }
        runs[run] = (double)(vc_clock_ns() - began_ns) / cycles;
    }
    vc_engine_free(engine);
    qsort(runs, RUNS, sizeof *runs, by_value);
    return runs[RUNS / 2];
}

/* Measures the IO thread's side of a lead, without the engine. The worker makes a block after each
 * cycle, which is not measured. */
static double cost_of_a_lead(uint32_t inputs, uint32_t max_lead_frames) {
    enum { LEAD_CYCLES = 1000, LEAD_RUNS = 401 };
    vc_lead_config config = {.input_channels = inputs,
                             .output_channels = 2,
                             .block_frames = 64,
                             .max_period_frames = 64,
                             .lead_frames = 2880,
                             .max_lead_frames = max_lead_frames,
                             .samplerate_hz = 48000,
                             .input_block = input,
                             .output_block = output,
                             .process = empty};
    vc_lead *lead = vc_lead_new(&config);
    vc_lead_start(lead);
    vc_block block = {.input = {input + 64 * 64, 2, 1, NULL, inputs, 0},
                      .output = {output + 64 * 64, 2, 1, NULL, 2, 0},
                      .frames = 64,
                      .valid_frames = 64};
    double runs[LEAD_RUNS];
    for (int run = 0; run < LEAD_RUNS; run++) {
        int64_t taken_ns = 0;
        for (int i = 0; i < LEAD_CYCLES; i++) {
            int64_t began_ns = vc_clock_ns();
            vc_lead_process(&block, lead);
            taken_ns += vc_clock_ns() - began_ns;
            vc_lead_make(lead);
        }
        runs[run] = (double)taken_ns / LEAD_CYCLES;
    }
    vc_lead_free(lead);
    qsort(runs, LEAD_RUNS, sizeof *runs, by_value);
    return runs[0]; /* the fastest run, which the load of the machine has disturbed least */
}

/* Measures the conversion between interleaved memory and one array for each channel, and memcpy of
 * the same number of bytes in the same direction. With eight channels, source and target together
 * take 64 bytes per frame, so 256 frames fit into the nearest cache and 1024 do not. */
enum { COPY_OUT, COPY_IN, INTERLEAVE, DEINTERLEAVE };

static double copying(uint32_t channels, uint32_t frames, int way) {
    enum { COPIED_FRAMES = 200 * 1024, COPY_RUNS = 201 };
    float *apart = output + 144;
    vc_audio mixed = {.data = input,
                      .frame_stride = (ptrdiff_t)channels,
                      .channel_stride = 1,
                      .channels = channels};
    vc_audio planar = {.data = apart,
                       .frame_stride = 1,
                       .channel_stride = (ptrdiff_t)frames + 16,
                       .channels = channels};
    double runs[COPY_RUNS];
    for (int run = 0; run < COPY_RUNS; run++) {
        int64_t began_ns = vc_clock_ns();
        uint32_t times = COPIED_FRAMES / frames;
        for (uint32_t i = 0; i < times; i++) {
            if (way == COPY_OUT) {
                memcpy(apart, input, (size_t)frames * channels * sizeof(float));
            } else if (way == COPY_IN) {
                memcpy(input, apart, (size_t)frames * channels * sizeof(float));
            } else if (way == INTERLEAVE) {
                vc_audio_copy(&mixed, 0, &planar, 0, frames);
            } else {
                vc_audio_copy(&planar, 0, &mixed, 0, frames);
            }
            __asm__ volatile("" : : : "memory"); /* keeps the compiler from removing the copy */
        }
        runs[run] = (double)(vc_clock_ns() - began_ns) / times;
    }
    qsort(runs, COPY_RUNS, sizeof *runs, by_value);
    return runs[0]; /* the fastest run, which the load of the machine has disturbed least */
}

static void print_copying(uint32_t channels, uint32_t frames) {
    double to_mixed = copying(channels, frames, COPY_IN);
    double in = copying(channels, frames, INTERLEAVE);
    double to_planar = copying(channels, frames, COPY_OUT);
    double out = copying(channels, frames, DEINTERLEAVE);
    printf("%u frames, %u channels: memcpy %.1f ns, interleave %.1f (%.2f of its speed); "
           "memcpy %.1f ns, de-interleave %.1f (%.2f)\n",
           frames, channels, to_mixed, in, to_mixed / in, to_planar, out, to_planar / out);
}

/* Measures a whole cycle: a free-running virtual device with one client. */
static double cost_on_a_device(void) {
    enum { CYCLES = 500000 };
    static const uint32_t map[] = {0, 1};
    vc_device_config device_config = {.output_channels = 2,
                                      .frames = 64,
                                      .samplerate_hz = 48000,
                                      .clock = VC_CLOCK_FREE,
                                      .output_latency_frames = 64};
    double runs[RUNS];
    for (int run = 0; run < RUNS; run++) {
        vc_device *device = vc_device_new(&device_config);
        vc_native native = {nothing, NULL};
        vc_engine_config config = {.output_channels = 2,
                                   .period_frames = 64,
                                   .samplerate_hz = 48000,
                                   .clock_ns = vc_device_clock_ns,
                                   .clock = device,
                                   .process = vc_native_process,
                                   .user = &native};
        vc_engine *engine = vc_engine_new(&config);
        vc_engine_start(engine);
        int64_t began_ns = vc_clock_ns();
        vc_device_attach(device, engine, NULL, 0, map, 2);
        while (vc_device_frame(device) < (int64_t)CYCLES * 64) {
            /* Sleeps between its reads, because each of them takes a cache line from the device. */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        runs[run] = (double)(vc_clock_ns() - began_ns) * 64 / (double)vc_device_frame(device);
        vc_device_detach(device, engine, 1000000000);
        vc_engine_free(engine);
        vc_device_free(device);
    }
    qsort(runs, RUNS, sizeof *runs, by_value);
    return runs[RUNS / 2];
}

/* Measures both sides of the input of another device. The floor is the same input of one device,
 * copied to the block. */
static void print_two_devices(uint32_t channels, double input_hz) {
    enum { FRAMES = 512, CYCLES = 2000 };
    const vc_drift_config config = {.channels = channels,
                                    .input_rate_hz = input_hz,
                                    .output_rate_hz = 48000,
                                    .input_period_frames = FRAMES,
                                    .output_period_frames = FRAMES,
                                    .delay_frames = 4 * FRAMES};
    const double period_ns = FRAMES / 48000.0 * 1e9;
    const uint32_t in_frames = (uint32_t)(FRAMES * input_hz / 48000);
    static double cycles[CYCLES];
    vc_drift *drift = vc_drift_new(&config);
    for (int i = 0; i < CYCLES; i++) {
        const int64_t host_ns = 1000000000 + llrint(i * period_ns);
        vc_block block = {.frames = in_frames,
                          .input = {.data = input,
                                    .frame_stride = (ptrdiff_t)channels,
                                    .channel_stride = 1,
                                    .channels = channels},
                          .input_time = {host_ns, 0, VC_TIME_HOST, 0}};
        vc_cycle cycle = {
            .frames = FRAMES,
            .output_time = {host_ns, (int64_t)i * FRAMES, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
        int64_t began_ns = vc_clock_ns();
        vc_drift_process(&block, drift);
        vc_drift_fill(drift, &cycle);
        cycles[i] = (double)(vc_clock_ns() - began_ns);
    }
    vc_drift_free(drift);
    qsort(cycles, CYCLES, sizeof *cycles, by_value);
    double typical_ns = cycles[CYCLES / 2];
    double floor_ns = cost(channels, 0, FRAMES, 0, true);
    printf("input of another device, %u channels, %g to 48000 Hz, 512 frames: %.1f us, %.2f %% of "
           "a core (one device: %.2f us)\n",
           channels, input_hz, typical_ns / 1e3, 100.0 * typical_ns / period_ns, floor_ns / 1e3);
}

int main(void) {
    int64_t began_ns = vc_clock_ns();
    for (int i = 0; i < 1000000; i++) {
        vc_clock_ns();
    }
    printf("one look at the clock                  %7.1f ns\n",
           (double)(vc_clock_ns() - began_ns) / 1e6);
    printf("64 frames, 0 in, 2 out, copied         %7.1f ns\n", cost(0, 2, 64, 0, true));
    printf("  without the two looks at the clock   %7.1f ns\n", cost(0, 2, 64, 0, false));
    printf("  on a free-running virtual device     %7.1f ns\n", cost_on_a_device());
    printf("  zero copy                            %7.1f ns\n",
           cost(0, 2, 64, VC_ENGINE_ZERO_COPY, true));
    printf("  with meters                          %7.1f ns\n",
           cost(0, 2, 64, VC_ENGINE_METER, true));
    printf("64 frames, 2 in, 2 out, copied         %7.1f ns\n", cost(2, 2, 64, 0, true));
    printf("64 frames, 2 in, 0 out, copied         %7.1f ns\n", cost(2, 0, 64, 0, true));
    printf("512 frames, 2 out, copied              %7.1f ns\n", cost(0, 2, 512, 0, true));
    printf("64 frames, 64 out, copied              %7.1f ns\n", cost(0, 64, 64, 0, true));
    printf("64 frames, 64 out, zero copy           %7.1f ns\n",
           cost(0, 64, 64, VC_ENGINE_ZERO_COPY, true));
    printf("4096 frames, 2 out, copied             %7.1f ns\n", cost(0, 2, 4096, 0, true));
    print_two_devices(1, 48000);
    print_two_devices(2, 48000);
    print_two_devices(2, 44100);
    print_two_devices(2, 96000);
    printf("a lead, 64 frames, 2 out               %7.1f ns\n", cost_of_a_lead(0, 0));
    printf("  that may grow to 0.5 s               %7.1f ns\n", cost_of_a_lead(0, 24000));
    printf("  2 in, 2 out                          %7.1f ns\n", cost_of_a_lead(2, 0));
    printf("  2 in, 2 out, may grow to 0.5 s       %7.1f ns\n", cost_of_a_lead(2, 24000));
    for (uint32_t frames = 256; frames <= 1024; frames *= 4) {
        print_copying(1, frames);
        print_copying(2, frames);
        print_copying(8, frames);
    }
    return 0;
}
