/* The machine's monotonic clock in ns: the one place of `core` that asks which platform it is. */
#if defined(__linux__) || defined(__unix__)
#define _POSIX_C_SOURCE 200809L
#endif
#include "voicecoil.h"

#if defined(__APPLE__)
#include <mach/mach_time.h>
#include <stdatomic.h>

int64_t vc_clock_ns(void) {
    /* Both numbers in one word, so that two threads that meet here never see half of it. */
    static _Atomic uint64_t known;
    uint64_t both = atomic_load_explicit(&known, memory_order_relaxed);
    if (both == 0) {
        mach_timebase_info_data_t timebase;
        mach_timebase_info(&timebase);
        both = (uint64_t)timebase.numer << 32 | timebase.denom;
        atomic_store_explicit(&known, both, memory_order_relaxed);
    }
    __extension__ typedef unsigned __int128 wide; /* 125/3 overflows 64 bits after some days */
    return (int64_t)((wide)mach_absolute_time() * (both >> 32) / (both & 0xffffffffu));
}

#elif defined(_WIN32)
#include <windows.h>

int64_t vc_clock_ns(void) {
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    int64_t seconds = ticks.QuadPart / frequency.QuadPart;
    int64_t rest = ticks.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

#else
#include <time.h>

int64_t vc_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
#endif
