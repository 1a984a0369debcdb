/* Gets of numbers by the call thread. See quick.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "quick.h"

#include "timed_wait.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* AWAY and LEFT: the server is not in vc_quick_serve. DONE and LEFT: an answer was not taken yet.
 */
enum state { AWAY, IDLE, CLAIMED, REQUESTED, RUNNING, DONE, LEFT, ABANDONED };
/* A thread waits for its partner by spinning without system calls, and then it sleeps. It spins for
 * NEAR_NS if the partner does not run, as it would have answered by then. BUSY_NS is for a client
 * that keeps the GIL. If both use the same processor, sched_yield lets the partner run, which takes
 * less time than to wake it up. It is not called otherwise, because the processor would work for
 * other programs for some milliseconds. */
enum { NEAR_NS = 500, BUSY_NS = 5000, SPIN_NS = 50000, NAP_NS = 1000000 };
enum { MOST_YIELDS = 3 };

static _Atomic uint32_t forks; /* of this process and of those from which it was forked */

struct vc_quick {
    uint32_t forks; /* when it was made: a forked child has no thread that serves */
    _Atomic int state;
    _Atomic uint32_t pokes;
    _Atomic int server_cpu, client_cpu; /* the processors on which they were last; -1: not known */
    _Atomic int server_sleeps;
    _Atomic int client_sleeps;
    pthread_mutex_t lock;
    pthread_cond_t for_server;
    pthread_cond_t for_client;
    vc_quick_request request; /* belongs to the client or the server, as `state` says */
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static int own_cpu(void) {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

/* Whether the partner was last on the processor of this thread. */
static bool shares_cpu(_Atomic int *mine, const _Atomic int *partner) {
    int cpu = own_cpu();
    atomic_store_explicit(mine, cpu, memory_order_relaxed);
    return cpu >= 0 && cpu == atomic_load_explicit(partner, memory_order_relaxed);
}

#if defined(_WIN32) /* which has no forks */
static void watch_forks(void) {}
#else
static void count_fork(void) { atomic_fetch_add(&forks, 1); }

static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }
#endif

vc_quick *vc_quick_new(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    vc_quick *quick = calloc(1, sizeof *quick);
    if (quick != NULL) {
        quick->forks = atomic_load(&forks);
        quick->server_cpu = quick->client_cpu = -1;
        pthread_mutex_init(&quick->lock, NULL);
        vc_cond_init(&quick->for_server);
        vc_cond_init(&quick->for_client);
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

/* A thread that falls asleep sets `sleeps` before it looks at what it waits for. The lock is free
 * again before the signal, because the thread takes it when it wakes up. */
static void wake(vc_quick *quick, _Atomic int *sleeps, pthread_cond_t *condition) {
    if (atomic_load(sleeps)) {
        pthread_mutex_lock(&quick->lock);
        pthread_mutex_unlock(&quick->lock);
        pthread_cond_signal(condition);
    }
}

static bool move(vc_quick *quick, int from, int to) {
    return atomic_compare_exchange_strong(&quick->state, &from, to);
}

static bool is_answer(int state) { return state == DONE || state == LEFT; }

bool vc_quick_finish(vc_quick *quick) {
    if (!move(quick, RUNNING, DONE)) {
        return false;
    }
    wake(quick, &quick->client_sleeps, &quick->for_client);
    return true;
}

const unsigned char *vc_quick_work(const vc_quick *quick) { return quick->request.data; }

/* Returns false if the client has abandoned the request. */
static bool answer(vc_quick *quick) {
    vc_quick_request *request = &quick->request;
    request->status =
        request->get(request->object, &request->address, 0, NULL, &request->size, request->data);
    return vc_quick_finish(quick);
}

/* The server may leave while a client still has to take its answer. Such a client may wait for the
 * work that the server goes to, if a signal handler asks for it while the client waits. */
static bool leave(vc_quick *quick) { return move(quick, IDLE, AWAY) || move(quick, DONE, LEFT); }

static void come_back(vc_quick *quick) {
    if (!move(quick, AWAY, IDLE) && !move(quick, LEFT, DONE)) {
        move(quick, AWAY, IDLE); /* the client has just taken its answer */
    }
}

int vc_quick_serve(vc_quick *quick, uint32_t seen, int64_t timeout_ns) {
    int64_t last_ns = vc_clock_ns(), until_ns = last_ns + timeout_ns;
    int yields = 0;
    come_back(quick);
    for (;;) {
        int state = atomic_load(&quick->state);
        if (state == REQUESTED) {
            atomic_store(&quick->state, RUNNING);
            if (quick->request.get == NULL) {
                return VC_QUICK_WORK;
            }
            if (!answer(quick)) {
                return VC_QUICK_ABANDONED;
            }
            last_ns = vc_clock_ns();
            until_ns = last_ns + timeout_ns;
            yields = 0;
            continue;
        }
        int64_t ns = vc_clock_ns();
        bool poked = atomic_load(&quick->pokes) != seen;
        if ((poked || ns >= until_ns) && leave(quick)) {
            return poked ? VC_QUICK_POKED : VC_QUICK_TIMEOUT;
        }
        bool shared = shares_cpu(&quick->server_cpu, &quick->client_cpu);
        if (poked || (shared && yields++ < MOST_YIELDS)) {
            sched_yield();
        } else if (!shared && ns - last_ns < SPIN_NS) {
            relax();
        } else {
            pthread_mutex_lock(&quick->lock);
            atomic_store(&quick->server_sleeps, 1);
            state = atomic_load(&quick->state);
            if (state != REQUESTED && atomic_load(&quick->pokes) == seen) {
                /* A client that is about to ask, or to take its answer, needs only a moment. */
                int64_t most_ns = state == IDLE ? until_ns - ns : NAP_NS;
                vc_cond_wait_ns(&quick->for_server, &quick->lock, most_ns);
            }
            atomic_store(&quick->server_sleeps, 0);
            pthread_mutex_unlock(&quick->lock);
        }
    }
}

uint32_t vc_quick_pokes(const vc_quick *quick) { return atomic_load(&quick->pokes); }

void vc_quick_poke(vc_quick *quick) {
    atomic_fetch_add(&quick->pokes, 1);
    wake(quick, &quick->server_sleeps, &quick->for_server);
}

bool vc_quick_begin(vc_quick *quick, const vc_quick_request *request) {
    if (quick->forks != atomic_load(&forks) || !move(quick, IDLE, CLAIMED)) {
        return false;
    }
    quick->request = *request;
    atomic_store_explicit(&quick->client_cpu, own_cpu(), memory_order_relaxed);
    atomic_store(&quick->state, REQUESTED);
    wake(quick, &quick->server_sleeps, &quick->for_server);
    return true;
}

/* Whether a client that has waited for `ns` spins on. */
static bool spins(int state, int64_t ns, int64_t most_ns) {
    return ns < (state == REQUESTED ? NEAR_NS : most_ns);
}

bool vc_quick_spin(vc_quick *quick) {
    int64_t begun_ns = vc_clock_ns();
    for (;;) {
        int state = atomic_load(&quick->state);
        if (is_answer(state)) {
            return true;
        }
        if (shares_cpu(&quick->client_cpu, &quick->server_cpu) ||
            !spins(state, vc_clock_ns() - begun_ns, BUSY_NS)) {
            return false;
        }
        relax();
    }
}

bool vc_quick_wait(vc_quick *quick, int64_t timeout_ns) {
    int64_t begun_ns = vc_clock_ns();
    for (int yields = 0;;) {
        int state = atomic_load(&quick->state);
        if (is_answer(state)) {
            return true;
        }
        if (shares_cpu(&quick->client_cpu, &quick->server_cpu)) {
            if (yields++ == MOST_YIELDS) {
                break;
            }
            sched_yield();
        } else if (spins(state, vc_clock_ns() - begun_ns, SPIN_NS)) {
            relax();
        } else {
            break;
        }
    }
    pthread_mutex_lock(&quick->lock);
    atomic_store(&quick->client_sleeps, 1);
    int64_t left_ns = timeout_ns - (vc_clock_ns() - begun_ns);
    while (!is_answer(atomic_load(&quick->state)) && left_ns > 0) {
        vc_cond_wait_ns(&quick->for_client, &quick->lock, left_ns);
        left_ns = timeout_ns - (vc_clock_ns() - begun_ns);
    }
    atomic_store(&quick->client_sleeps, 0);
    pthread_mutex_unlock(&quick->lock);
    return is_answer(atomic_load(&quick->state));
}

void vc_quick_take(vc_quick *quick, vc_quick_request *answer) {
    *answer = quick->request;
    while (!move(quick, DONE, IDLE) && !move(quick, LEFT, AWAY)) {
        /* the server has left or come back between the two */
    }
}

bool vc_quick_abandon(vc_quick *quick) {
    int state = atomic_load(&quick->state);
    while (!is_answer(state)) {
        /* REQUESTED becomes RUNNING soon, because the server never waits before it does that. */
        if (state == RUNNING && move(quick, RUNNING, ABANDONED)) {
            return true;
        }
        sched_yield();
        state = atomic_load(&quick->state);
    }
    return false;
}
