/* Reads a property of the nominal rate of a device in a loop: the floor of a get from Python. */
#define _POSIX_C_SOURCE 200809L
#include "coreaudio_abi.h"

#include <stdint.h>
#include <time.h>

double vc_bench_get(AudioObjectGetPropertyData_fn get, AudioObjectID device, uint64_t calls);

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Returns the elapsed time of a call, ns; a negative number: a call failed. */
double vc_bench_get(AudioObjectGetPropertyData_fn get, AudioObjectID device, uint64_t calls) {
    const AudioObjectPropertyAddress address = {0x6e737274, 0x676c6f62, 0}; /* 'nsrt', 'glob' */
    double began_ns = now_ns();
    for (uint64_t i = 0; i < calls; i++) {
        double rate_hz = 0.0;
        UInt32 size = sizeof rate_hz;
        if (get(device, &address, 0, NULL, &size, &rate_hz) != 0) {
            return -1.0;
        }
    }
    return (now_ns() - began_ns) / (double)calls;
}
