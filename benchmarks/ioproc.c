/* Runs IO cycles in a tight loop, either through CoreAudio's IOProc or directly in the engine. */
#define _POSIX_C_SOURCE 200809L
#include "ioproc.h"

#include <stdint.h>
#include <time.h>

enum { FRAMES = 64, CHANNELS = 2, RATE_HZ = 48000, NS = 1000000000 };

double vc_bench_ioproc(AudioDeviceIOProc run, void *client_data, uint64_t cycles, vc_timebase base);
double vc_bench_cycles(vc_cycle_run_fn run, vc_engine *engine, uint64_t cycles);

static float memory[FRAMES * CHANNELS];

/* Processor time, ns. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static AudioTimeStamp stamp(int64_t frame, vc_timebase base) {
    AudioTimeStamp made = {.mSampleTime = (double)frame,
                           .mRateScalar = 1.0,
                           .mFlags = kAudioTimeStampSampleTimeValid | kAudioTimeStampHostTimeValid |
                                     kAudioTimeStampRateScalarValid};
    uint64_t ns = (uint64_t)(NS + frame * (NS / RATE_HZ));
    made.mHostTime = ns * base.denominator / base.numerator;
    return made;
}

double vc_bench_ioproc(AudioDeviceIOProc run, void *client_data, uint64_t cycles,
                       vc_timebase base) {
    AudioBufferList input = {.mNumberBuffers = 0};
    AudioBufferList output = {
        .mNumberBuffers = 1,
        .mBuffers = {
            {.mNumberChannels = CHANNELS, .mDataByteSize = sizeof memory, .mData = memory}}};
    double began_ns = now_ns();
    for (uint64_t i = 0; i < cycles; i++) {
        int64_t frame = (int64_t)i * FRAMES;
        AudioTimeStamp now = stamp(frame, base), in = {0}, out = stamp(frame + FRAMES, base);
        run(1, &now, &input, &in, &output, &out, client_data);
    }
    return (now_ns() - began_ns) / (double)cycles;
}

double vc_bench_cycles(vc_cycle_run_fn run, vc_engine *engine, uint64_t cycles) {
    const uint32_t both = VC_TIME_HOST | VC_TIME_SAMPLE;
    double began_ns = now_ns();
    for (uint64_t i = 0; i < cycles; i++) {
        int64_t frame = (int64_t)i * FRAMES;
        int64_t ns = NS + frame * (NS / RATE_HZ);
        vc_cycle cycle = {.frames = FRAMES,
                          .output = {.data = memory,
                                     .frame_stride = CHANNELS,
                                     .channel_stride = 1,
                                     .channels = CHANNELS},
                          .now = {ns, frame, both, 0},
                          .output_time = {ns, frame + FRAMES, both, 0}};
        run(engine, &cycle);
    }
    return (now_ns() - began_ns) / (double)cycles;
}
