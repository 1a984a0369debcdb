/* The queue of CoreAudio's property notifications. See listener.h. */
#include "listener.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct slot {
    _Atomic uint64_t filled; /* ticket of the producer that filled the slot, + 1 */
    vc_change change;
} slot;

struct vc_changes {
    vc_host_clock *clock;
    _Atomic uint64_t claimed; /* slots that are filled or being filled */
    _Atomic uint64_t tickets; /* number of tickets that producers have drawn */
    _Atomic uint64_t lost;
    uint64_t head; /* only for the consumer */
    slot slots[VC_CHANGES];
};

vc_changes *vc_changes_new(vc_host_clock *clock) {
    vc_changes *changes = calloc(1, sizeof *changes);
    if (changes != NULL) {
        changes->clock = clock;
    }
    return changes;
}

void vc_changes_free(vc_changes *changes) { free(changes); }

/* A producer claims room before it draws a ticket. The slot of its ticket is therefore free, and no
 * producer ever waits. */
static void add(vc_changes *changes, const vc_change *change) VC_REALTIME;
static void add(vc_changes *changes, const vc_change *change) {
    if (atomic_fetch_add(&changes->claimed, 1) >= VC_CHANGES) {
        atomic_fetch_sub(&changes->claimed, 1);
        atomic_fetch_add(&changes->lost, 1);
        return;
    }
    uint64_t ticket = atomic_fetch_add(&changes->tickets, 1);
    slot *at = &changes->slots[ticket % VC_CHANGES];
    at->change = *change;
    atomic_store_explicit(&at->filled, ticket + 1, memory_order_release);
}

OSStatus vc_changes_listen(AudioObjectID object, UInt32 count,
                           const AudioObjectPropertyAddress *addresses, void *client_data) {
    vc_changes *changes = client_data;
    int64_t now_ns = vc_host_clock_ns(changes->clock);
    for (UInt32 i = 0; i < count; i++) {
        vc_change change = {.host_ns = now_ns,
                            .object = object,
                            .selector = addresses[i].mSelector,
                            .scope = addresses[i].mScope,
                            .element = addresses[i].mElement};
        add(changes, &change);
    }
    return kAudioHardwareNoError;
}

bool vc_changes_take(vc_changes *changes, vc_change *out) {
    slot *at = &changes->slots[changes->head % VC_CHANGES];
    if (atomic_load_explicit(&at->filled, memory_order_acquire) != changes->head + 1) {
        return false; /* no note, or its producer is still writing it, and a later call gets it */
    }
    *out = at->change;
    changes->head++;
    atomic_fetch_sub(&changes->claimed, 1);
    return true;
}

uint64_t vc_changes_lost(vc_changes *changes) { return atomic_exchange(&changes->lost, 0); }
