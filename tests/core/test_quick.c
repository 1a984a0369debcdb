/* Requests are handed to the serving thread and back, one at a time. */
#include "check.h"
#include "quick.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int held; /* 1: the next call does not return */

static OSStatus get(AudioObjectID object, const AudioObjectPropertyAddress *address, UInt32 size,
                    const void *qualifier, UInt32 *io_size, void *data) {
    (void)size;
    (void)qualifier;
    while (atomic_load(&held)) {
        sched_yield();
    }
    uint32_t answer = object + address->mSelector;
    memcpy(data, &answer, sizeof answer);
    *io_size = sizeof answer;
    return 0;
}

typedef struct server {
    vc_quick *quick;
    int why;
} server;

static void *serve(void *user) {
    server *me = user;
    me->why = vc_quick_serve(me->quick, 0, 60000000000);
    return NULL;
}

static vc_quick_request ask(uint32_t object) {
    return (vc_quick_request){.get = get, .object = object, .address = {1000, 0, 0}, .size = 4};
}

enum { EACH = 2000 };
static _Atomic int wrong;

static void *client(void *user) {
    vc_quick *quick = user;
    for (uint32_t i = 0; i < EACH; i++) {
        vc_quick_request request = ask(i);
        while (!vc_quick_begin(quick, &request)) {
            sched_yield();
        }
        if (!vc_quick_spin(quick) && !vc_quick_wait(quick, 60000000000)) {
            atomic_fetch_add(&wrong, 1);
            return NULL;
        }
        vc_quick_take(quick, &request);
        uint32_t answer;
        memcpy(&answer, request.data, sizeof answer);
        if (answer != 1000 + i) {
            atomic_fetch_add(&wrong, 1);
        }
    }
    return NULL;
}

static void each_client_gets_its_own_answers(void) {
    server one = {.quick = vc_quick_new()};
    vc_quick_request request = ask(1);
    CHECK(!vc_quick_begin(one.quick, &request)); /* nobody serves yet */
    pthread_t serving, clients[2];
    pthread_create(&serving, NULL, serve, &one);
    for (int i = 0; i < 2; i++) {
        pthread_create(&clients[i], NULL, client, one.quick);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(clients[i], NULL);
    }
    CHECK_INT(atomic_load(&wrong), 0);
    vc_quick_poke(one.quick);
    pthread_join(serving, NULL);
    CHECK_INT(one.why, VC_QUICK_POKED);
    CHECK(!vc_quick_begin(one.quick, &request));
    CHECK_INT(vc_quick_serve(one.quick, vc_quick_pokes(one.quick), 1000), VC_QUICK_TIMEOUT);
    vc_quick_free(one.quick);
}

static void a_request_that_hangs_is_abandoned(void) {
    server one = {.quick = vc_quick_new()};
    pthread_t serving;
    atomic_store(&held, 1);
    pthread_create(&serving, NULL, serve, &one);
    vc_quick_request request = ask(1);
    while (!vc_quick_begin(one.quick, &request)) {
        sched_yield();
    }
    CHECK(!vc_quick_spin(one.quick));
    CHECK(!vc_quick_wait(one.quick, 1000000));
    CHECK(vc_quick_abandon(one.quick));
    CHECK(!vc_quick_begin(one.quick, &request));
    atomic_store(&held, 0);
    pthread_join(serving, NULL);
    CHECK_INT(one.why, VC_QUICK_ABANDONED);
    vc_quick_free(one.quick);
}

/* A forked child has no thread that serves, although the state that it inherits says so. */
static void nobody_serves_in_a_forked_child(void) {
    server one = {.quick = vc_quick_new()};
    pthread_t serving;
    pthread_create(&serving, NULL, serve, &one);
    vc_quick_request request = ask(1);
    while (!vc_quick_begin(one.quick, &request)) {
        sched_yield();
    }
    CHECK(vc_quick_wait(one.quick, 60000000000));
    vc_quick_take(one.quick, &request);
    pid_t child = fork();
    if (child == 0) {
        _exit(vc_quick_begin(one.quick, &request) ? 1 : 0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK(vc_quick_begin(one.quick, &request)); /* the parent's thread still does */
    CHECK(vc_quick_wait(one.quick, 60000000000));
    vc_quick_take(one.quick, &request);
    vc_quick_poke(one.quick);
    pthread_join(serving, NULL);
    vc_quick_free(one.quick);
}

int main(void) {
    RUN(nobody_serves_in_a_forked_child);
    RUN(each_client_gets_its_own_answers);
    RUN(a_request_that_hangs_is_abandoned);
    return check_summary();
}
