/* transfer.h - rings, queues and mailboxes: data from one thread to another without a lock.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_TRANSFER_H
#define VOICECOIL_TRANSFER_H

#include "realtime.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- ring: frames from one thread to another ---------------------------------------------- */

/* Passes interleaved float frames from exactly one producer to exactly one consumer. Both sides are
 * wait-free. One of them may be the IO thread. */
typedef struct vc_ring vc_ring;

/* A part of a ring's memory. The part has two pieces if it goes beyond the end of the memory. */
typedef struct vc_slices {
    float *first;
    uint32_t first_frames;
    float *second; /* from the beginning of the memory; NULL if there is no second piece */
    uint32_t second_frames;
} vc_slices;

/* Makes a ring for at least `frames` frames. The number is rounded up to a power of two, at most
 * 2^31. Returns NULL if memory is exhausted. [control] */
vc_ring *vc_ring_new(uint32_t frames, uint32_t channels);
void vc_ring_free(vc_ring *ring);
uint32_t vc_ring_capacity(const vc_ring *ring) VC_REALTIME;
uint32_t vc_ring_channels(const vc_ring *ring) VC_REALTIME;
/* Frames that can be read or written now. Between two of its own calls, the consumer can only see
 * the readable frames grow, and the producer can only see the writable frames grow. [any] */
uint32_t vc_ring_readable(const vc_ring *ring) VC_REALTIME;
uint32_t vc_ring_writable(const vc_ring *ring) VC_REALTIME;
/* Total number of frames that were read or written so far. [any] */
uint64_t vc_ring_total_read(const vc_ring *ring) VC_REALTIME;
uint64_t vc_ring_total_written(const vc_ring *ring) VC_REALTIME;
/* Borrows memory for up to `frames` frames to write. Returns the number of frames. [producer] */
uint32_t vc_ring_reserve(vc_ring *ring, uint32_t frames, vc_slices *slices) VC_REALTIME;
/* Publishes the first `frames` of the reserved frames. [producer] */
void vc_ring_commit(vc_ring *ring, uint32_t frames) VC_REALTIME;
/* Borrows up to `frames` frames to read. Returns the number of frames. [consumer] */
uint32_t vc_ring_peek(vc_ring *ring, uint32_t frames, vc_slices *slices) VC_REALTIME;
/* Returns the first `frames` of the borrowed frames to the producer. [consumer] */
void vc_ring_release(vc_ring *ring, uint32_t frames) VC_REALTIME;
/* Drops the readable frames before a position, which counts from the first frame that was ever
 * written. [consumer] */
void vc_ring_skip_to(vc_ring *ring, uint64_t position) VC_REALTIME;
/* vc_ring_write reserves room, copies frames and commits them. vc_ring_read peeks at frames, copies
 * them and releases them. Both return the number of copied frames. */
uint32_t vc_ring_write(vc_ring *ring, const float *frames_in, uint32_t frames) VC_REALTIME;
uint32_t vc_ring_read(vc_ring *ring, float *frames_out, uint32_t frames) VC_REALTIME;
/* Marks the end of the frames: the producer has written its last frame. [producer] */
void vc_ring_end(vc_ring *ring) VC_REALTIME;
/* Takes the end back, before more frames are written. [producer] */
void vc_ring_reopen(vc_ring *ring) VC_REALTIME;
/* Whether the producer has ended. Frames may be left. [any] */
bool vc_ring_ended(const vc_ring *ring) VC_REALTIME;
/* Whether the producer has ended and all frames were read. [consumer] */
bool vc_ring_finished(const vc_ring *ring) VC_REALTIME;
/* Empties the ring for another use. Call it when neither side runs. [control] */
void vc_ring_reset(vc_ring *ring);

/* ---- gaps: frames that are missing in a ring ------------------------------------------------ */

/* Frames that belong on a ring's time line but are not in the ring. The producer pushes a gap into
 * a vc_queue of gaps before it writes the frames that follow. So a consumer that first asks how
 * many frames are readable, and then takes a gap, sees every gap before the frames after it. */
typedef enum vc_gap_cause {
    VC_GAP_DEVICE = 0, /* the device lost the frames */
    VC_GAP_BUFFER = 1, /* the ring had no room for the frames */
    VC_GAP_SILENCE = 2 /* the frames are silence, which needs no memory */
} vc_gap_cause;
typedef struct vc_gap {
    uint64_t position; /* frames that were written to the ring before the gap */
    uint64_t frames;
    uint32_t cause; /* vc_gap_cause */
    uint32_t reserved;
} vc_gap;

/* ---- queue: small messages from one thread to another -------------------------------------- */

/* Passes messages of a fixed size from one producer to one consumer. Both sides are wait-free. */
typedef struct vc_queue vc_queue;
vc_queue *vc_queue_new(uint32_t messages, uint32_t message_bytes);
void vc_queue_free(vc_queue *queue);
/* Returns false if the queue is full. [producer] */
bool vc_queue_push(vc_queue *queue, const void *message) VC_REALTIME;
/* Returns false if the queue is empty. [consumer] */
bool vc_queue_pop(vc_queue *queue, void *message) VC_REALTIME;
/* Messages that can be taken now. [any] */
uint32_t vc_queue_waiting(const vc_queue *queue) VC_REALTIME;

/* ---- mailbox: the latest value from one thread to another ----------------------------------- */

/* A value of a fixed size. The reader gets the newest value, and values that it did not read in
 * time are lost. There is one writer and one reader. Both are wait-free. */
typedef struct vc_mailbox vc_mailbox;
/* `first` is the value before the first write; NULL: zeros. Returns NULL if memory is exhausted.
 * [control] */
vc_mailbox *vc_mailbox_new(uint32_t bytes, const void *first);
void vc_mailbox_free(vc_mailbox *mailbox);
/* Publishes a copy of `value`. [writer] */
void vc_mailbox_write(vc_mailbox *mailbox, const void *value) VC_REALTIME;
/* Returns the newest value, aligned like memory from malloc. It does not change until the next
 * read. [reader] */
const void *vc_mailbox_read(vc_mailbox *mailbox) VC_REALTIME;

#endif
