/* Runs both sides of the input of another device: the input's cycles fill the ring of core/drift.c,
 * and the output's cycles take from it, resampled. */
#define _POSIX_C_SOURCE 200809L
#include "drift.h"

#include <math.h>
#include <stdint.h>
#include <time.h>

enum { FRAMES = 512, OUTPUT_HZ = 48000, MAX_CHANNELS = 2, MAX_RATIO = 4, NS = 1000000000 };

double vc_bench_two_devices(uint32_t channels, double input_hz, int cycles);

static float input[FRAMES * MAX_RATIO * MAX_CHANNELS];

/* Processor time, ns. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Returns the processor time of one cycle, ns; 0 if memory is exhausted. */
double vc_bench_two_devices(uint32_t channels, double input_hz, int cycles) {
    const vc_drift_config config = {.channels = channels,
                                    .input_rate_hz = input_hz,
                                    .output_rate_hz = OUTPUT_HZ,
                                    .input_period_frames = FRAMES,
                                    .output_period_frames = FRAMES,
                                    .delay_frames = 4 * FRAMES};
    const double period_ns = (double)FRAMES / OUTPUT_HZ * NS;
    const uint32_t in_frames = (uint32_t)(FRAMES * input_hz / OUTPUT_HZ);
    vc_drift *drift = vc_drift_new(&config);
    if (drift == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < in_frames * channels; i++) {
        input[i] = (float)sin(0.1 * i);
    }
    double began_ns = now_ns();
    for (int i = 0; i < cycles; i++) {
        const int64_t host_ns = NS + llrint(i * period_ns);
        vc_block block = {.frames = in_frames,
                          .input = {.data = input,
                                    .frame_stride = (ptrdiff_t)channels,
                                    .channel_stride = 1,
                                    .channels = channels},
                          .input_time = {host_ns, 0, VC_TIME_HOST, 0}};
        vc_cycle cycle = {
            .frames = FRAMES,
            .output_time = {host_ns, (int64_t)i * FRAMES, VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
        vc_drift_process(&block, drift);
        vc_drift_fill(drift, &cycle);
    }
    double taken_ns = now_ns() - began_ns;
    vc_drift_free(drift);
    return taken_ns / cycles;
}
