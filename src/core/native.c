/* A native function that can be exchanged while it plays, and its parameters.
 *
 * Invariant: the IO thread calls only what it took from the mailbox, and stores its number in
 * `taken` with release before it calls it. So who sees a number with acquire knows that functions
 * with lower ones have returned for good. */
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>

/* What is in the mailbox: the function, and the how manieth it is. */
typedef struct choice {
    vc_native native;
    uint64_t number;
} choice;

struct vc_slot {
    vc_mailbox *choices;
    vc_mailbox *parameters; /* NULL: none */
    uint64_t given;         /* control's */
    _Atomic uint64_t taken;
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
    /* Release: whoever sees it sees that the one before it has returned. */
    atomic_store_explicit(&slot->taken, now->number, memory_order_release);
    vc_native native = now->native;
    if (slot->parameters != NULL) { /* what they are is constant, and who reads them owns them */
        native.user = (void *)(uintptr_t)vc_mailbox_read(slot->parameters);
    }
    return vc_native_process(block, &native);
}
