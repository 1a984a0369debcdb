/* Small messages of a fixed size from one thread to another: commands in, results and events out.
 * Positions, invariant and memory orders are those of ring.c, with messages instead of frames. */
#include "memory.h"
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct vc_queue {
    unsigned char *data;
    uint32_t capacity; /* messages, a power of two */
    uint32_t message_bytes;
    unsigned char apart1[64]; /* puts the two sides into different cache lines */
    _Atomic uint64_t pushed;  /* in the producer's cache line */
    unsigned char apart2[64];
    _Atomic uint64_t popped; /* in the consumer's cache line */
};

vc_queue *vc_queue_new(uint32_t messages, uint32_t message_bytes) {
    uint32_t capacity = 1;
    while (capacity < messages) {
        capacity <<= 1;
        if (capacity == 0) {
            return NULL; /* more than the largest power of two */
        }
    }
    vc_queue *queue = calloc(1, sizeof *queue);
    unsigned char *data = vc_memory_new(capacity, message_bytes);
    if (queue == NULL || data == NULL) {
        free(queue);
        vc_memory_free(data);
        return NULL;
    }
    queue->data = data;
    queue->capacity = capacity;
    queue->message_bytes = message_bytes;
    return queue;
}

void vc_queue_free(vc_queue *queue) {
    if (queue != NULL) {
        vc_memory_free(queue->data);
        free(queue);
    }
}

static unsigned char *slot(const vc_queue *queue, uint64_t position) {
    return queue->data + (size_t)(position & (queue->capacity - 1)) * queue->message_bytes;
}

bool vc_queue_push(vc_queue *queue, const void *message) {
    uint64_t pushed = atomic_load_explicit(&queue->pushed, memory_order_relaxed);
    if (pushed - atomic_load_explicit(&queue->popped, memory_order_acquire) == queue->capacity) {
        return false;
    }
    memcpy(slot(queue, pushed), message, queue->message_bytes);
    atomic_store_explicit(&queue->pushed, pushed + 1, memory_order_release);
    return true;
}

uint32_t vc_queue_waiting(const vc_queue *queue) {
    /* As in vc_ring_readable, the consumer's position is loaded first. */
    uint64_t popped = atomic_load_explicit(&queue->popped, memory_order_acquire);
    uint64_t waiting = atomic_load_explicit(&queue->pushed, memory_order_acquire) - popped;
    return waiting < queue->capacity ? (uint32_t)waiting : queue->capacity;
}

bool vc_queue_pop(vc_queue *queue, void *message) {
    uint64_t popped = atomic_load_explicit(&queue->popped, memory_order_relaxed);
    if (popped == atomic_load_explicit(&queue->pushed, memory_order_acquire)) {
        return false;
    }
    memcpy(message, slot(queue, popped), queue->message_bytes);
    atomic_store_explicit(&queue->popped, popped + 1, memory_order_release);
    return true;
}
