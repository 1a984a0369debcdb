/* Any number of threads pass CoreAudio's notifications to one reader. */
#include "check.h"
#include "listener.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

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
    RUN(several_producers);
    RUN(a_wait_sees_notes_that_wake_no_thread);
    return check_summary();
}
