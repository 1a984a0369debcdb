/* Frames from one thread to another: one producer, one consumer, no lock.
 *
 * Positions are 64-bit counts of frames. They never wrap in practice (at 192 kHz: after three
 * million years), so `written - read` is the fill level: a full ring and an empty ring have
 * different values, and no frame of memory is wasted. Each side keeps the last position of the
 * other side that it has seen in its own cache line. It reads the other side's position again only
 * when the remembered position is not enough.
 *
 * Invariant: 0 <= written - read <= capacity. The consumer owns the frames between the two
 * positions. The producer owns all others.
 *
 * Memory orders. The producer writes frames, then stores `written` with release. The consumer loads
 * it with acquire before it reads the frames. `read` works the same way in the other direction, so
 * that frames are not overwritten while they are being read. Each side may read its own position
 * relaxed, because no other thread writes it. tests/core/test_ring.c runs both sides under
 * ThreadSanitizer. If the positions were stored with relaxed order, ThreadSanitizer would report a
 * race. */
#include "memory.h"
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct vc_ring {
    float *data;
    uint32_t capacity; /* frames, a power of two */
    uint32_t channels;
    unsigned char apart1[64]; /* puts the two sides into different cache lines */
    _Atomic uint64_t written; /* in the producer's cache line, with the next two fields */
    uint64_t seen_read;
    _Atomic bool ended;
    unsigned char apart2[64];
    _Atomic uint64_t read; /* in the consumer's cache line, with the next field */
    uint64_t seen_written;
};

vc_ring *vc_ring_new(uint32_t frames, uint32_t channels) {
    uint32_t capacity = 1;
    while (capacity < frames) {
        capacity <<= 1;
        if (capacity == 0) {
            return NULL; /* more than the largest power of two */
        }
    }
    vc_ring *ring = calloc(1, sizeof *ring);
    float *data = vc_memory_new(capacity, channels * sizeof(float));
    if (ring == NULL || data == NULL) {
        free(ring);
        vc_memory_free(data);
        return NULL;
    }
    ring->data = data;
    ring->capacity = capacity;
    ring->channels = channels;
    return ring;
}

void vc_ring_free(vc_ring *ring) {
    if (ring != NULL) {
        vc_memory_free(ring->data);
        free(ring);
    }
}

uint32_t vc_ring_capacity(const vc_ring *ring) { return ring->capacity; }

uint32_t vc_ring_channels(const vc_ring *ring) { return ring->channels; }

uint64_t vc_ring_total_read(const vc_ring *ring) {
    return atomic_load_explicit(&ring->read, memory_order_acquire);
}

uint64_t vc_ring_total_written(const vc_ring *ring) {
    return atomic_load_explicit(&ring->written, memory_order_acquire);
}

uint32_t vc_ring_readable(const vc_ring *ring) {
    /* `read` is loaded first. A third thread that loaded `written` first could then load a `read`
     * beyond it. */
    uint64_t read = vc_ring_total_read(ring);
    uint64_t readable = vc_ring_total_written(ring) - read;
    /* A third thread may see both positions change between its two loads. */
    return readable < ring->capacity ? (uint32_t)readable : ring->capacity;
}

uint32_t vc_ring_writable(const vc_ring *ring) { return ring->capacity - vc_ring_readable(ring); }

static void slice(const vc_ring *ring, uint64_t position, uint32_t frames, vc_slices *slices) {
    uint32_t start = (uint32_t)(position & (ring->capacity - 1));
    uint32_t first = ring->capacity - start < frames ? ring->capacity - start : frames;
    slices->first = ring->data + (size_t)start * ring->channels;
    slices->first_frames = first;
    slices->second = frames > first ? ring->data : NULL;
    slices->second_frames = frames - first;
}

uint32_t vc_ring_reserve(vc_ring *ring, uint32_t frames, vc_slices *slices) {
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t room = ring->capacity - (written - ring->seen_read);
    if (room < frames) {
        ring->seen_read = atomic_load_explicit(&ring->read, memory_order_acquire);
        room = ring->capacity - (written - ring->seen_read);
    }
    uint32_t granted = room < frames ? (uint32_t)room : frames;
    slice(ring, written, granted, slices);
    return granted;
}

void vc_ring_commit(vc_ring *ring, uint32_t frames) {
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    atomic_store_explicit(&ring->written, written + frames, memory_order_release);
}

uint32_t vc_ring_peek(vc_ring *ring, uint32_t frames, vc_slices *slices) {
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    uint64_t fill = ring->seen_written - read;
    if (fill < frames) {
        ring->seen_written = atomic_load_explicit(&ring->written, memory_order_acquire);
        fill = ring->seen_written - read;
    }
    uint32_t granted = fill < frames ? (uint32_t)fill : frames;
    slice(ring, read, granted, slices);
    return granted;
}

void vc_ring_release(vc_ring *ring, uint32_t frames) {
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    atomic_store_explicit(&ring->read, read + frames, memory_order_release);
}

uint32_t vc_ring_write(vc_ring *ring, const float *frames_in, uint32_t frames) {
    vc_slices to;
    uint32_t granted = vc_ring_reserve(ring, frames, &to);
    size_t first = (size_t)to.first_frames * ring->channels;
    memcpy(to.first, frames_in, first * sizeof(float));
    if (to.second != NULL) {
        memcpy(to.second, frames_in + first,
               (size_t)to.second_frames * ring->channels * sizeof(float));
    }
    vc_ring_commit(ring, granted);
    return granted;
}

uint32_t vc_ring_read(vc_ring *ring, float *frames_out, uint32_t frames) {
    vc_slices from;
    uint32_t granted = vc_ring_peek(ring, frames, &from);
    size_t first = (size_t)from.first_frames * ring->channels;
    memcpy(frames_out, from.first, first * sizeof(float));
    if (from.second != NULL) {
        memcpy(frames_out + first, from.second,
               (size_t)from.second_frames * ring->channels * sizeof(float));
    }
    vc_ring_release(ring, granted);
    return granted;
}

void vc_ring_skip_to(vc_ring *ring, uint64_t position) {
    ring->seen_written = vc_ring_total_written(ring);
    uint64_t end = position < ring->seen_written ? position : ring->seen_written;
    if (end > vc_ring_total_read(ring)) {
        atomic_store_explicit(&ring->read, end, memory_order_release);
    }
}

void vc_ring_end(vc_ring *ring) { atomic_store_explicit(&ring->ended, true, memory_order_release); }

void vc_ring_reopen(vc_ring *ring) {
    atomic_store_explicit(&ring->ended, false, memory_order_release);
}

bool vc_ring_ended(const vc_ring *ring) {
    return atomic_load_explicit(&ring->ended, memory_order_acquire);
}

bool vc_ring_finished(const vc_ring *ring) {
    /* `ended` is loaded first. It is stored after the last commit, so `written` is final then. */
    return vc_ring_ended(ring) && vc_ring_readable(ring) == 0;
}

void vc_ring_reset(vc_ring *ring) {
    atomic_store(&ring->written, 0);
    atomic_store(&ring->read, 0);
    atomic_store(&ring->ended, false);
    ring->seen_read = ring->seen_written = 0;
}
