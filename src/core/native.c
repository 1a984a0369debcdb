/* A native function that can be exchanged while it plays, and its parameters.
 *
 * Invariant: the IO thread calls only the function that it took from the mailbox. Before the call
 * it stores the number of the function in `taken` with release. So a thread that reads a number
 * with acquire knows that functions with lower numbers have returned and are not called again. */
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>

/* The value in the mailbox: a function and its number. */
typedef struct choice {
    vc_native native;
    uint64_t number;
} choice;

struct vc_slot {
    vc_mailbox *choices;
    vc_mailbox *parameters; /* NULL: there are no parameters */
    uint64_t given;         /* only for control: number of the newest function */
    _Atomic uint64_t taken; /* number of the function that was called last */
};

vc_slot *vc_slot_new(const vc_native *first, vc_mailbox *parameters) {
    vc_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        return NULL;
    }
    const choice begin = {*first, 0};
    slot->choices = vc_mailbox_new(sizeof(choice), &begin);
    slot->parameters = parameters;
    if (slot->choices == NULL) {
        free(slot);
        return NULL;
    }
    return slot;
}

void vc_slot_free(vc_slot *slot) {
    if (slot != NULL) {
        vc_mailbox_free(slot->choices);
        free(slot);
    }
}

uint64_t vc_slot_swap(vc_slot *slot, const vc_native *next) {
    const choice made = {*next, ++slot->given};
    vc_mailbox_write(slot->choices, &made);
    return made.number;
}

uint64_t vc_slot_taken(const vc_slot *slot) {
    return atomic_load_explicit(&slot->taken, memory_order_acquire);
}

int32_t vc_slot_process(vc_block *block, void *user) {
    vc_slot *slot = user;
    const choice *now = vc_mailbox_read(slot->choices);
    /* Release: a thread that sees this number sees that the previous function has returned. */
    atomic_store_explicit(&slot->taken, now->number, memory_order_release);
    vc_native native = now->native;
    if (slot->parameters != NULL) { /* cast: `user` is not a pointer to const */
        native.user = (void *)(uintptr_t)vc_mailbox_read(slot->parameters);
    }
    return vc_native_process(block, &native);
}

/* The compiler cannot prove that the function does not block. */
int32_t vc_native_process(vc_block *block, void *user) {
    const vc_native *native = user;
    VC_UNPROVEN
    return native->function(block->output.data, block->input.data, block->frames, block,
                            native->user);
    VC_PROVEN_AGAIN
}
