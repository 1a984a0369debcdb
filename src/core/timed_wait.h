/* timed_wait.h - waits for a condition variable with a time limit, on the monotonic clock.
 *
 * By default, pthread_cond_timedwait waits until a time of the wall clock. If NTP, the user or the
 * end of a suspension sets that clock, a wait of a millisecond can take hours, or a deadline can
 * pass at once. So every wait with a time limit uses these two functions. Linux and the BSDs let a
 * condition variable use another clock. macOS and Windows (winpthreads) have a function that waits
 * for a length of time.
 *
 * These functions may block, so they are not for the IO thread. The source that includes this
 * header defines _GNU_SOURCE on Linux. */
#ifndef VOICECOIL_TIMED_WAIT_H
#define VOICECOIL_TIMED_WAIT_H

#include "voicecoil.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#if defined(__APPLE__) || defined(_WIN32)
#define VC_WAITS_RELATIVE 1
#else
#define VC_WAITS_RELATIVE 0
#endif

/* Makes a condition variable for vc_cond_wait_ns. */
static inline void vc_cond_init(pthread_cond_t *condition) {
#if VC_WAITS_RELATIVE
    pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}

/* Waits for a signal, at most for `ns`. Call it with the lock held. Like every wait for a condition
 * variable, it may return early without a reason, so the caller checks its condition again. Returns
 * 0, or ETIMEDOUT. */
static inline int vc_cond_wait_ns(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ns) {
    int64_t from_ns = VC_WAITS_RELATIVE ? 0 : vc_clock_ns();
    int64_t rest_ns = from_ns % 1000000000 + ns % 1000000000;
    struct timespec until = {
        .tv_sec = (time_t)(from_ns / 1000000000 + ns / 1000000000 + rest_ns / 1000000000),
        .tv_nsec = (long)(rest_ns % 1000000000)};
#if VC_WAITS_RELATIVE
    return pthread_cond_timedwait_relative_np(condition, lock, &until);
#else
    return pthread_cond_timedwait(condition, lock, &until);
#endif
}

#endif
