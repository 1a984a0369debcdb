/* Gets of numbers by the call thread. See quick.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "quick.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum state { AWAY, IDLE, CLAIMED, REQUESTED, RUNNING, DONE, ABANDONED };
enum { SPIN_NS = 50000, NAP_NS = 1000000 };

struct vc_quick {
    _Atomic int state;
    _Atomic uint32_t pokes;
    _Atomic int server_sleeps;
    _Atomic int client_sleeps;
    pthread_mutex_t lock;
    pthread_cond_t for_server;
    pthread_cond_t for_client;
    vc_quick_request request; /* belongs to the client or the server, as `state` says */
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

vc_quick *vc_quick_new(void) {
    vc_quick *quick = calloc(1, sizeof *quick);
    if (quick != NULL) {
        pthread_mutex_init(&quick->lock, NULL);
        pthread_cond_init(&quick->for_server, NULL);
        pthread_cond_init(&quick->for_client, NULL);
    }
    return quick;
}

void vc_quick_free(vc_quick *quick) {
    if (quick == NULL) {
        return;
    }
    pthread_cond_destroy(&quick->for_client);
    pthread_cond_destroy(&quick->for_server);
    pthread_mutex_destroy(&quick->lock);
    free(quick);
}

/* Call with the lock held. */
static void sleep_for(vc_quick *quick, pthread_cond_t *condition, int64_t ns) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec += (long)(ns % 1000000000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(condition, &quick->lock, &until);
}

/* A thread that falls asleep sets `sleeps` before it looks at what it waits for. */
static void wake(vc_quick *quick, _Atomic int *sleeps, pthread_cond_t *condition) {
    if (atomic_load(sleeps)) {
        pthread_mutex_lock(&quick->lock);
        pthread_cond_broadcast(condition);
        pthread_mutex_unlock(&quick->lock);
    }
}

static bool move(vc_quick *quick, int from, int to) {
    return atomic_compare_exchange_strong(&quick->state, &from, to);
}

/* Returns false if the client has abandoned the request. */
static bool answer(vc_quick *quick) {
    vc_quick_request *request = &quick->request;
    atomic_store(&quick->state, RUNNING);
    request->status =
        request->get(request->object, &request->address, 0, NULL, &request->size, request->data);
    if (!move(quick, RUNNING, DONE)) {
        return false;
    }
    wake(quick, &quick->client_sleeps, &quick->for_client);
    return true;
}

int vc_quick_serve(vc_quick *quick, uint32_t seen, int64_t timeout_ns) {
    int64_t until_ns = now_ns() + timeout_ns;
    int64_t spin_until_ns = now_ns() + SPIN_NS;
    atomic_store(&quick->state, IDLE);
    for (;;) {
        int64_t ns = now_ns();
        if (atomic_load(&quick->state) == REQUESTED) {
            if (!answer(quick)) {
                return VC_QUICK_ABANDONED;
            }
            spin_until_ns = now_ns() + SPIN_NS;
            until_ns = now_ns() + timeout_ns;
            continue;
        }
        bool poked = atomic_load(&quick->pokes) != seen;
        if ((poked || ns >= until_ns) && move(quick, IDLE, AWAY)) {
            return poked ? VC_QUICK_POKED : VC_QUICK_TIMEOUT;
        }
        if (poked || ns < spin_until_ns) {
            sched_yield();
            continue;
        }
        pthread_mutex_lock(&quick->lock);
        atomic_store(&quick->server_sleeps, 1);
        int state = atomic_load(&quick->state);
        if (state != REQUESTED && atomic_load(&quick->pokes) == seen) {
            /* A client that is about to ask, or to take its answer, needs only a moment. */
            sleep_for(quick, &quick->for_server, state == IDLE ? until_ns - ns : NAP_NS);
        }
        atomic_store(&quick->server_sleeps, 0);
        pthread_mutex_unlock(&quick->lock);
    }
}

uint32_t vc_quick_pokes(const vc_quick *quick) { return atomic_load(&quick->pokes); }

void vc_quick_poke(vc_quick *quick) {
    atomic_fetch_add(&quick->pokes, 1);
    wake(quick, &quick->server_sleeps, &quick->for_server);
}

bool vc_quick_begin(vc_quick *quick, const vc_quick_request *request) {
    if (!move(quick, IDLE, CLAIMED)) {
        return false;
    }
    quick->request = *request;
    atomic_store(&quick->state, REQUESTED);
    wake(quick, &quick->server_sleeps, &quick->for_server);
    return true;
}

bool vc_quick_wait(vc_quick *quick, int64_t timeout_ns) {
    int64_t begun_ns = now_ns();
    int64_t spin_ns = timeout_ns < SPIN_NS ? timeout_ns : SPIN_NS;
    do {
        if (atomic_load(&quick->state) == DONE) {
            return true;
        }
        sched_yield();
    } while (now_ns() - begun_ns < spin_ns);
    pthread_mutex_lock(&quick->lock);
    atomic_store(&quick->client_sleeps, 1);
    int64_t left_ns = timeout_ns - (now_ns() - begun_ns);
    while (atomic_load(&quick->state) != DONE && left_ns > 0) {
        sleep_for(quick, &quick->for_client, left_ns);
        left_ns = timeout_ns - (now_ns() - begun_ns);
    }
    atomic_store(&quick->client_sleeps, 0);
    pthread_mutex_unlock(&quick->lock);
    return atomic_load(&quick->state) == DONE;
}

void vc_quick_take(vc_quick *quick, vc_quick_request *answer) {
    *answer = quick->request;
    atomic_store(&quick->state, IDLE);
}

bool vc_quick_abandon(vc_quick *quick) {
    int state = atomic_load(&quick->state);
    while (state != DONE) {
        /* REQUESTED becomes RUNNING soon, because the server never waits before it does that. */
        if (state == RUNNING && move(quick, RUNNING, ABANDONED)) {
            return true;
        }
        sched_yield();
        state = atomic_load(&quick->state);
    }
    return false;
}
