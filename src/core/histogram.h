/* histogram.h - counts durations: fixed memory, one writer, any number of readers.
 *
 * Each duration below 8 ns has a bucket. Above, every octave has 8 buckets of equal width, so a
 * bucket is at most an eighth of its value wide. The last bucket takes everything longer than about
 * nine minutes.
 *
 * Invariant: one thread alone writes the counts, and each count is an atomic word that only grows.
 * A reader may miss the newest durations, but never reads a value that a count never had. */
#ifndef VOICECOIL_HISTOGRAM_H
#define VOICECOIL_HISTOGRAM_H

#include "voicecoil.h"

#include <stdatomic.h>

typedef struct vc_histogram {
    _Atomic uint64_t counts[VC_HISTOGRAM_BUCKETS];
} vc_histogram;

static inline uint32_t vc_histogram_bucket(int64_t ns) {
    if (ns < 8) {
        return ns < 0 ? 0 : (uint32_t)ns;
    }
    uint32_t octave = 63u - (uint32_t)__builtin_clzll((uint64_t)ns);
    uint32_t bucket = (octave - 2) * 8 + (uint32_t)((ns >> (octave - 3)) & 7);
    return bucket < VC_HISTOGRAM_BUCKETS ? bucket : VC_HISTOGRAM_BUCKETS - 1;
}

/* Counts one duration. [the writer] */
static inline void vc_histogram_add(vc_histogram *histogram, int64_t ns) {
    _Atomic uint64_t *count = &histogram->counts[vc_histogram_bucket(ns)];
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, before + 1, memory_order_relaxed);
}

/* Copies all counts. [any] */
static inline void vc_histogram_read(const vc_histogram *histogram, uint64_t *counts) {
    for (uint32_t i = 0; i < VC_HISTOGRAM_BUCKETS; i++) {
        counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    }
}

#endif
