/* The queue of CoreAudio's property notifications. See listener.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "listener.h"

#include "timed_wait.h"

#include <pthread.h>
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
    _Atomic uint32_t rings;
    _Atomic uint32_t waiting; /* threads in vc_changes_wait */
    pthread_mutex_t lock;
    pthread_cond_t rung;
    slot slots[VC_CHANGES];
    pthread_mutex_t reading; /* held by a listener that reads a format */
    vc_watched watched[VC_WATCHED];
};

vc_changes *vc_changes_new(vc_host_clock *clock) {
    vc_changes *changes = calloc(1, sizeof *changes);
    if (changes != NULL) {
        changes->clock = clock;
        pthread_mutex_init(&changes->lock, NULL);
        pthread_mutex_init(&changes->reading, NULL);
        vc_cond_init(&changes->rung);
    }
    return changes;
}

void vc_changes_free(vc_changes *changes) {
    pthread_cond_destroy(&changes->rung);
    pthread_mutex_destroy(&changes->lock);
    pthread_mutex_destroy(&changes->reading);
    free(changes);
}

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

/* ---- formats of AudioStreams -------------------------------------------------------------------
 */

/* Whether samples have the same layout in memory. */
static bool is_same_format(const AudioStreamBasicDescription *a,
                           const AudioStreamBasicDescription *b) {
    const UInt32 ignored = kAudioFormatFlagIsNonMixable | kAudioFormatFlagIsPacked;
    return a->mFormatID == b->mFormatID &&
           (a->mFormatFlags & ~ignored) == (b->mFormatFlags & ~ignored) &&
           a->mBytesPerFrame == b->mBytesPerFrame && a->mChannelsPerFrame == b->mChannelsPerFrame &&
           a->mBitsPerChannel == b->mBitsPerChannel;
}

/* Reads a format and compares it. An error counts as no difference: the stream may have gone. */
static bool differs_now(AudioObjectGetPropertyData_fn get, AudioObjectID stream,
                        const AudioStreamBasicDescription *expected) {
    const AudioObjectPropertyAddress address = {kAudioStreamPropertyVirtualFormat,
                                                kAudioObjectPropertyScopeGlobal, 0};
    AudioStreamBasicDescription now = {0};
    UInt32 size = sizeof now;
    OSStatus status = get(stream, &address, 0, NULL, &size, &now);
    return status == kAudioHardwareNoError && size == sizeof now && !is_same_format(&now, expected);
}

vc_watched *vc_watched_new(vc_changes *changes, AudioObjectID stream,
                           const AudioStreamBasicDescription *expected,
                           AudioObjectGetPropertyData_fn get) {
    vc_watched *found = NULL;
    pthread_mutex_lock(&changes->lock);
    for (int i = 0; i < VC_WATCHED && found == NULL; i++) {
        if (changes->watched[i].users == 0) {
            found = &changes->watched[i];
        }
    }
    if (found != NULL) {
        found->users = 1;
        found->ticket++;
        found->expected = *expected;
        found->get = get;
        atomic_store(&found->differs, false);
        atomic_store(&found->object, stream);
    }
    pthread_mutex_unlock(&changes->lock);
    return found;
}

void vc_watched_free(vc_changes *changes, vc_watched *watched) {
    pthread_mutex_lock(&changes->lock);
    watched->users = 0;
    atomic_store(&watched->object, kAudioObjectUnknown);
    pthread_mutex_unlock(&changes->lock);
}

bool vc_watched_check(vc_watched *watched) {
    if (differs_now(watched->get, atomic_load(&watched->object), &watched->expected)) {
        atomic_store(&watched->differs, true);
        return true;
    }
    return false;
}

/* Compares the format of an AudioStream with what each watcher expects. The lock is not held while
 * CoreAudio is called, because a call may hang. Meanwhile the watcher may have gone. */
static void compare_formats(vc_changes *changes, AudioObjectID stream) {
    pthread_mutex_lock(&changes->reading); /* the last notification is compared last */
    for (int i = 0; i < VC_WATCHED; i++) {
        vc_watched *one = &changes->watched[i];
        if (atomic_load(&one->object) != stream) {
            continue;
        }
        pthread_mutex_lock(&changes->lock);
        uint32_t ticket = one->ticket;
        AudioStreamBasicDescription expected = one->expected;
        AudioObjectGetPropertyData_fn get = one->get;
        bool is_there = atomic_load(&one->object) == stream;
        pthread_mutex_unlock(&changes->lock);
        bool differs = is_there && differs_now(get, stream, &expected);
        pthread_mutex_lock(&changes->lock);
        if (is_there && one->ticket == ticket) {
            atomic_store(&one->differs, differs);
        }
        pthread_mutex_unlock(&changes->lock);
    }
    pthread_mutex_unlock(&changes->reading);
}

OSStatus vc_changes_listen_and_ring(AudioObjectID object, UInt32 count,
                                    const AudioObjectPropertyAddress *addresses,
                                    void *client_data) {
    OSStatus status = vc_changes_listen(object, count, addresses, client_data);
    vc_changes_ring(client_data); /* before a comparison, whose call may hang */
    for (UInt32 i = 0; i < count; i++) {
        if (addresses[i].mSelector == kAudioStreamPropertyVirtualFormat) {
            compare_formats(client_data, object);
            break;
        }
    }
    return status;
}

void vc_changes_ring(vc_changes *changes) {
    atomic_fetch_add(&changes->rings, 1);
    /* A thread that begins to wait counts itself before it looks at `rings`. So either it sees the
     * new number, or it is counted here. */
    if (atomic_load(&changes->waiting) > 0) {
        pthread_mutex_lock(&changes->lock);
        pthread_cond_broadcast(&changes->rung);
        pthread_mutex_unlock(&changes->lock);
    }
}

uint32_t vc_changes_rings(const vc_changes *changes) { return atomic_load(&changes->rings); }

bool vc_changes_wait(vc_changes *changes, uint32_t seen, int64_t timeout_ns, int64_t look_ns) {
    int64_t until_ns = vc_clock_ns() + timeout_ns;
    bool woken = false;
    pthread_mutex_lock(&changes->lock);
    atomic_fetch_add(&changes->waiting, 1);
    while (!(woken = woken || atomic_load(&changes->rings) != seen)) {
        int64_t left_ns = until_ns - vc_clock_ns();
        if (left_ns <= 0) {
            break;
        }
        int64_t most_ns = look_ns > 0 && look_ns < left_ns ? look_ns : left_ns;
        vc_cond_wait_ns(&changes->rung, &changes->lock, most_ns);
        woken = look_ns > 0 && atomic_load(&changes->claimed) > 0;
    }
    atomic_fetch_sub(&changes->waiting, 1);
    pthread_mutex_unlock(&changes->lock);
    return woken;
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
