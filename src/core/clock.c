/* Reads the machine's monotonic clock, in ns.
 *
 * The systems' headers do not declare that their clocks do not block, so VC_UNPROVEN encloses the
 * calls. On ordinary hardware the calls do not block, because they read the clock from memory that
 * the kernel shares with the process. */
#if defined(__linux__) || defined(__unix__)
#define _POSIX_C_SOURCE 200809L
#endif
#include "voicecoil.h"

#if defined(__APPLE__)
#include <mach/mach_time.h>
#include <stdatomic.h>

/* Both numbers of the time base in one word, numer << 32 | denom. So another thread sees either
 * both numbers or none. */
static _Atomic uint64_t timebase;

int64_t vc_clock_ns(void) {
    uint64_t both = atomic_load_explicit(&timebase, memory_order_relaxed);
    VC_UNPROVEN
    if (both == 0) { /* this is a system call, but it is made only in the process's first call */
        mach_timebase_info_data_t info;
        mach_timebase_info(&info);
        both = (uint64_t)info.numer << 32 | info.denom;
        atomic_store_explicit(&timebase, both, memory_order_relaxed);
    }
    uint64_t ticks = mach_absolute_time();
    VC_PROVEN_AGAIN
    uint64_t numer = both >> 32;
    uint64_t denom = both & 0xffffffffu;
    /* The product is computed in two parts, because ticks * numer can overflow if numer is large.
     */
    return (int64_t)(ticks / denom * numer + ticks % denom * numer / denom);
}

#elif defined(_WIN32)
#include <windows.h>

int64_t vc_clock_ns(void) {
    LARGE_INTEGER ticks, frequency;
    VC_UNPROVEN
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    VC_PROVEN_AGAIN
    int64_t seconds = ticks.QuadPart / frequency.QuadPart;
    int64_t rest = ticks.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

#else
#include <time.h>

int64_t vc_clock_ns(void) {
    struct timespec now;
    VC_UNPROVEN
    clock_gettime(CLOCK_MONOTONIC, &now);
    VC_PROVEN_AGAIN
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
#endif
