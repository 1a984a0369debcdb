/* kept.h - the newest records of one writer, which any number of readers may copy at any time.
 *
 * Records are counted from 0 on, and record n is in slot n % slots. The writer counts a record in
 * `begun` before it writes the record, and in `written` afterwards. A reader copies a record that
 * `written` counts, and then reads `begun`: if the slot was to be used again by then, the copy may
 * be torn. Neither side waits for the other. With two slots, the newest record stays whole while
 * the writer writes the next one, so a reader finds it even if the writer is interrupted there.
 * With a single slot, a reader would have to wait. If it had the higher priority on the same
 * processor, it would wait for ever.
 *
 * Each word is atomic (relaxed), so a reader that reads meanwhile gets old or new words, never
 * undefined ones. The fences order the words against the counts (H.-J. Boehm, "Can seqlocks get
 * along with programming language memory models?", 2012). ThreadSanitizer does not model fences,
 * but it reports nothing, because every word is atomic. tests/models/xruns.pml is a model of this.
 */
#ifndef VOICECOIL_KEPT_H
#define VOICECOIL_KEPT_H

#include "realtime.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct vc_kept {
    _Atomic uint64_t begun;   /* records whose writing has begun */
    _Atomic uint64_t written; /* records whose writing has ended */
} vc_kept;

/* The following functions have these arguments: `slots` is the memory of `slot_count` records of
 * `words` words each. */

/* Writes the next record. [the writer] */
static inline void vc_kept_write(vc_kept *kept, _Atomic uint64_t *slots, uint64_t slot_count,
                                 size_t words, const void *record) VC_REALTIME {
    uint64_t number = atomic_load_explicit(&kept->written, memory_order_relaxed);
    atomic_store_explicit(&kept->begun, number + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    _Atomic uint64_t *to = slots + number % slot_count * words;
#pragma GCC unroll 32
    for (size_t i = 0; i < words; i++) {
        /* The words are copied one by one, because the fields of a record are often written one by
         * one just before. A wider load would have to wait until these stores are complete. */
        uint64_t word;
        memcpy(&word, (const char *)record + i * sizeof word, sizeof word);
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&kept->written, number + 1, memory_order_release);
}

/* The number of records so far. [any] */
static inline uint64_t vc_kept_count(const vc_kept *kept) VC_REALTIME {
    return atomic_load_explicit(&kept->written, memory_order_acquire);
}

/* Copies record `number`, which vc_kept_count has counted. Returns false if it was overwritten
 * meanwhile; then the copy is not usable. [any] */
static inline bool vc_kept_read(const vc_kept *kept, const _Atomic uint64_t *slots,
                                uint64_t slot_count, size_t words, uint64_t number,
                                void *record) VC_REALTIME {
    const _Atomic uint64_t *from = slots + number % slot_count * words;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
        memcpy((char *)record + i * sizeof word, &word, sizeof word);
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&kept->begun, memory_order_relaxed) <= number + slot_count;
}

/* Copies the newest record; zeros if there is none. There must be at least two slots. It is tried
 * again only if the writer has written a whole record meanwhile. [any] */
static inline void vc_kept_newest(const vc_kept *kept, const _Atomic uint64_t *slots,
                                  uint64_t slot_count, size_t words, void *record) VC_REALTIME {
    uint64_t count;
    do {
        count = vc_kept_count(kept);
        if (count == 0) {
            memset(record, 0, words * sizeof(uint64_t));
            return;
        }
    } while (!vc_kept_read(kept, slots, slot_count, words, count - 1, record));
}

#endif
