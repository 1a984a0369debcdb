/* native.h - native callbacks, and the slot in which they can be exchanged.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_NATIVE_H
#define VOICECOIL_NATIVE_H

#include "transfer.h"
#include "user_code.h"

/* The signature of a native callback that users write (C, Cython, numba `cfunc`, cffi, ctypes). It
 * is stable: new fields are appended to vc_block, and fields are never moved.
 *   output  frames * block->output.channels floats, interleaved, zeroed; NULL for an input stream
 *   input   frames * block->input.channels floats, interleaved; NULL for an output stream
 *   frames  frames in this block
 *   block   everything else
 *   user    the pointer given when the stream was opened
 * Returns VC_CONTINUE, VC_STOP, or a negative number that the stream reports as its error. [IO] */
typedef int32_t (*vc_native_fn)(float *output, const float *input, uint32_t frames,
                                const vc_block *block, void *user);

/* Adapter: calls a vc_native_fn as a vc_process_fn. `user` is a vc_native*. [IO] */
typedef struct vc_native {
    vc_native_fn function;
    void *user;
} vc_native;
int32_t vc_native_process(vc_block *block, void *user) VC_REALTIME;

/* ---- slot: a native function that can be exchanged while it plays ---------------------------- */

typedef struct vc_slot vc_slot;
/* With `parameters`, the function gets their newest record as its `user`. The record stays the same
 * during a block. The caller owns the mailbox. Returns NULL if memory is exhausted. [control] */
vc_slot *vc_slot_new(const vc_native *first, vc_mailbox *parameters);
void vc_slot_free(vc_slot *slot); /* call it when no cycle runs */
/* Uses another function from the next block on. Returns the number of this function. The first
 * function has number 0, and each later one has the next number. [control] */
uint64_t vc_slot_swap(vc_slot *slot, const vc_native *next);
/* The number of the function that was called last. Functions with lower numbers have returned and
 * are not called again. [any] */
uint64_t vc_slot_taken(const vc_slot *slot) VC_REALTIME;
/* The slot as a vc_process_fn; `slot` is the vc_slot*. [IO] */
int32_t vc_slot_process(vc_block *block, void *slot) VC_REALTIME;

#endif
