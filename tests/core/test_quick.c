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
    uint32_t seen; /* pokes that it ignores */
    int why;
} server;

static void *serve(void *user) {
    server *me = user;
    me->why = vc_quick_serve(me->quick, me->seen, 60000000000);
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

static _Atomic int done_work;

/* Does work that is not a get, until it is poked or the work is abandoned. */
static void *work(void *user) {
    server *me = user;
    while ((me->why = vc_quick_serve(me->quick, 0, 60000000000)) == VC_QUICK_WORK) {
        uint32_t number;
        memcpy(&number, vc_quick_work(me->quick), sizeof number);
        while (atomic_load(&held)) {
            sched_yield();
        }
        atomic_fetch_add(&done_work, (int)number);
        if (!vc_quick_finish(me->quick)) {
            break;
        }
    }
    return NULL;
}

static vc_quick_request work_of(uint32_t number) {
    vc_quick_request request = {0};
    memcpy(request.data, &number, sizeof number);
    return request;
}

static void begin(vc_quick *quick, const vc_quick_request *request) {
    while (!vc_quick_begin(quick, request)) {
        sched_yield();
    }
}

static void other_work_is_handed_over_like_gets(void) {
    server one = {.quick = vc_quick_new()};
    pthread_t serving;
    pthread_create(&serving, NULL, work, &one);
    atomic_store(&done_work, 0);
    for (uint32_t i = 1; i <= 1000; i++) {
        vc_quick_request request = work_of(i);
        begin(one.quick, &request);
        CHECK(vc_quick_wait(one.quick, 60000000000));
        CHECK_INT(atomic_load(&done_work), i * (i + 1) / 2);
        vc_quick_take(one.quick, &request);
        request = ask(i);
        begin(one.quick, &request);
        CHECK(vc_quick_wait(one.quick, 60000000000));
        vc_quick_take(one.quick, &request);
        uint32_t answer;
        memcpy(&answer, request.data, sizeof answer);
        CHECK_INT(answer, 1000 + i);
    }
    atomic_store(&held, 1);
    vc_quick_request request = work_of(1);
    begin(one.quick, &request);
    CHECK(!vc_quick_wait(one.quick, 1000000));
    CHECK(vc_quick_abandon(one.quick));
    atomic_store(&held, 0);
    pthread_join(serving, NULL);
    CHECK_INT(one.why, VC_QUICK_WORK); /* the work ended, and its client was gone */
    vc_quick_free(one.quick);
}

/* A signal handler may wait for other work of the call thread before the client that it has
 * interrupted takes its answer. */
static void the_server_can_leave_before_its_answer_is_taken(void) {
    server one = {.quick = vc_quick_new()};
    for (uint32_t turn = 0; turn < 200; turn++) {
        pthread_t serving;
        pthread_create(&serving, NULL, serve, &one);
        vc_quick_request request = ask(turn), second = ask(turn + 1);
        begin(one.quick, &request);
        CHECK(vc_quick_wait(one.quick, 60000000000));
        vc_quick_poke(one.quick);
        pthread_join(serving, NULL);
        CHECK_INT(one.why, VC_QUICK_POKED);
        CHECK(!vc_quick_begin(one.quick, &second)); /* the answer is still there */
        if (turn % 2) { /* the server comes back before the client takes its answer */
            one.seen = vc_quick_pokes(one.quick);
            pthread_create(&serving, NULL, serve, &one);
            vc_quick_take(one.quick, &request);
            begin(one.quick, &second);
            CHECK(vc_quick_wait(one.quick, 60000000000));
            vc_quick_take(one.quick, &second);
            vc_quick_poke(one.quick);
            pthread_join(serving, NULL);
        } else {
            vc_quick_take(one.quick, &request);
            CHECK(!vc_quick_begin(one.quick, &second)); /* nobody serves */
        }
        one.seen = vc_quick_pokes(one.quick);
        uint32_t answer;
        memcpy(&answer, request.data, sizeof answer);
        CHECK_INT(answer, 1000 + turn);
    }
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
    RUN(other_work_is_handed_over_like_gets);
    RUN(the_server_can_leave_before_its_answer_is_taken);
    return check_summary();
}
