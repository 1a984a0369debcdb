/* Any number of threads pass CoreAudio's notifications to one reader. */
#include "check.h"
#include "listener.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <string.h>

static uint64_t ticks(void) { return 42; }
static vc_host_clock host = {ticks, {1, 1}};

static void tell(vc_changes *changes, AudioObjectID object, UInt32 number) {
    AudioObjectPropertyAddress address = {number, number + 1, number + 2};
    vc_changes_listen(object, 1, &address, changes);
}

static void in_order_with_its_address(void) {
    vc_changes *changes = vc_changes_new(&host);
    vc_change change;
    CHECK(!vc_changes_take(changes, &change));
    for (uint32_t i = 0; i < 3000; i++) {
        AudioObjectPropertyAddress addresses[2] = {{i, 5, 6}, {i + 1, 7, 8}};
        vc_changes_listen(i, 2, addresses, changes);
        CHECK(vc_changes_take(changes, &change));
        CHECK(change.object == i && change.selector == i && change.scope == 5);
        CHECK(change.element == 6 && change.host_ns == 42);
        CHECK(vc_changes_take(changes, &change));
        CHECK(change.selector == i + 1 && change.scope == 7 && change.element == 8);
        CHECK(!vc_changes_take(changes, &change));
    }
    vc_changes_free(changes);
}

static void changes_without_room_are_counted(void) {
    vc_changes *changes = vc_changes_new(&host);
    vc_change change;
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < VC_CHANGES + 7; i++) {
            tell(changes, 1, i);
        }
        CHECK_INT(vc_changes_lost(changes), 7);
        CHECK_INT(vc_changes_lost(changes), 0);
        for (uint32_t i = 0; i < VC_CHANGES; i++) {
            CHECK(vc_changes_take(changes, &change));
            CHECK_INT(change.selector, i);
        }
        CHECK(!vc_changes_take(changes, &change));
    }
    vc_changes_free(changes);
}

/* ---- formats ---- */

static AudioStreamBasicDescription current;
static OSStatus status;
static OSStatus get_format(AudioObjectID object, const AudioObjectPropertyAddress *address,
                           UInt32 qualifier_size, const void *qualifier, UInt32 *size, void *data) {
    (void)qualifier_size, (void)qualifier;
    CHECK_INT(address->mSelector, kAudioStreamPropertyVirtualFormat);
    CHECK_INT(object, 7);
    memcpy(data, &current, *size);
    return status;
}

static void notify_format(vc_changes *changes, AudioObjectID object) {
    const AudioObjectPropertyAddress address = {kAudioStreamPropertyVirtualFormat, 0, 0};
    vc_change change;
    vc_changes_listen_and_ring(object, 1, &address, changes);
    CHECK(vc_changes_take(changes, &change));
}

static void formats_are_compared_at_each_notification(void) {
    const UInt32 integer = kAudioFormatFlagIsSignedInteger, packed = kAudioFormatFlagIsPacked,
                 unmixed = kAudioFormatFlagIsNonMixable;
    const AudioStreamBasicDescription floats = {
        48000, kAudioFormatLinearPCM, kAudioFormatFlagIsFloat | packed, 8, 1, 8, 2, 32, 0};
    vc_changes *changes = vc_changes_new(&host);
    current = floats;
    vc_watched *one = vc_watched_new(changes, 7, &floats, get_format);
    CHECK(!vc_watched_check(one) && !atomic_load(&one->differs));
    current.mSampleRate = 44100;
    current.mFormatFlags |= unmixed;
    notify_format(changes, 7);
    CHECK(!atomic_load(&one->differs));
    current.mFormatFlags = integer | packed | unmixed; /* 32 bits, of the same size */
    notify_format(changes, 8);                         /* another stream */
    CHECK(!atomic_load(&one->differs));
    notify_format(changes, 7);
    CHECK(atomic_load(&one->differs));
    vc_watched *two = vc_watched_new(changes, 7, &current, get_format);
    CHECK(two != one && !vc_watched_check(two) && vc_watched_check(one));
    current = floats;
    notify_format(changes, 7);
    CHECK(!atomic_load(&one->differs) && atomic_load(&two->differs));
    status = kAudioHardwareBadObjectError; /* the stream has gone */
    notify_format(changes, 7);
    CHECK(!atomic_load(&one->differs) && !atomic_load(&two->differs));
    status = 0;
    vc_watched_free(changes, one);
    CHECK(vc_watched_new(changes, 7, &floats, get_format) == one);
    for (int i = 2; i < VC_WATCHED; i++) {
        CHECK(vc_watched_new(changes, 9, &floats, get_format) != NULL);
    }
    CHECK(vc_watched_new(changes, 9, &floats, get_format) == NULL);
    vc_changes_free(changes);
}

enum { PRODUCERS = 4, EACH = 20000 };
static vc_changes *shared;
static _Atomic uint32_t done;

static void *produce(void *user) {
    uint32_t me = (uint32_t)(uintptr_t)user;
    for (uint32_t i = 0; i < EACH; i++) {
        tell(shared, me, i);
    }
    atomic_fetch_add(&done, 1);
    return NULL;
}

static void several_producers(void) {
    shared = vc_changes_new(&host);
    pthread_t threads[PRODUCERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        pthread_create(&threads[i], NULL, produce, (void *)i);
    }
    uint32_t next[PRODUCERS] = {0};
    uint64_t taken = 0;
    vc_change change;
    for (bool last = false;;) {
        if (!vc_changes_take(shared, &change)) {
            if (last) {
                break;
            }
            /* After all producers have ended, the loop reads once more. */
            last = atomic_load(&done) == PRODUCERS;
            sched_yield();
            continue;
        }
        CHECK(change.object < PRODUCERS);
        CHECK(change.selector >= next[change.object]); /* in order; some may be lost */
        CHECK(change.scope == change.selector + 1 && change.element == change.selector + 2);
        next[change.object] = change.selector + 1;
        taken++;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_INT(taken + vc_changes_lost(shared), PRODUCERS * EACH);
    vc_changes_free(shared);
}

static void a_wait_sees_notes_that_wake_no_thread(void) {
    vc_changes *changes = vc_changes_new(&host);
    vc_change change;
    uint32_t seen = vc_changes_rings(changes);
    CHECK(!vc_changes_wait(changes, seen, 2000000, 1000000));
    tell(changes, 1, 2);
    CHECK(!vc_changes_wait(changes, seen, 2000000, 0)); /* it waits for rings only */
    CHECK(vc_changes_wait(changes, seen, 60000000000, 1000000));
    CHECK(vc_changes_take(changes, &change));
    CHECK(!vc_changes_wait(changes, seen, 2000000, 1000000));
    vc_changes_ring(changes);
    CHECK(vc_changes_wait(changes, seen, 60000000000, 0));
    vc_changes_free(changes);
}

int main(void) {
    RUN(in_order_with_its_address);
    RUN(changes_without_room_are_counted);
    RUN(formats_are_compared_at_each_notification);
    RUN(several_producers);
    RUN(a_wait_sees_notes_that_wake_no_thread);
    return check_summary();
}
