/* The thread on which user code runs ahead of the device. See worker.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "worker.h"

#include "thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The size of a main thread's stack, so that user code may recurse as deeply as on the main thread.
 */
enum { STACK_BYTES = 8 * 1024 * 1024 };
/* Limits of the time after which the worker looks for work again. A shorter time is of no use,
 * because the system needs time to put the thread to sleep and to wake it. A longer time would use
 * up the lead and delay the end of a stream. */
enum { SHORTEST_NAP_NS = 500000, LONGEST_NAP_NS = 5000000 };
/* VISIT_NS is how long the worker computes before it releases the GIL. This is less than Python's
 * switch interval of 5 ms. GIVE_WAY_NS is the pause that follows, in which a thread that waits for
 * the GIL can wake up. */
enum { VISIT_NS = 4000000, GIVE_WAY_NS = 50000 };

struct vc_worker {
    vc_lead *lead;
    void (*leave)(void *user);
    void (*rest)(void *user);
    void *user;
    double ns_per_frame;
    pthread_t thread;
    vc_thread own;        /* what the system has granted to the thread */
    bool urgent;          /* the thread may ask for a priority */
    _Atomic bool running; /* written by control */
    long owner;           /* the process that has the thread; a forked child does not have it */
    _Atomic bool quit;
    _Atomic bool ended;
    _Atomic(vc_thread_group *) wanted; /* the group that the thread should be in */
    vc_thread_group *looked;           /* the group that it has tried to join; of the thread */
    vc_thread_group *joined;           /* the group that it is in; of the thread */

    /* Used only if the device's clock is not real. */
    bool waited_for;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t cycles;  /* cycles that the IO thread has run; under `lock` */
    uint64_t settled; /* the cycle after which the worker had no work left; under `lock` */
};

static void nap(int64_t ns) {
    struct timespec pause = {.tv_sec = ns / 1000000000, .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&pause, NULL);
}

/* ---- IO thread, on clocks that are not real ---------------------------------------------------
 */

static void settle(void *user) {
    vc_worker *worker = user;
    if (!worker->waited_for) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    uint64_t cycle = ++worker->cycles;
    pthread_cond_broadcast(&worker->moved);
    while (worker->settled < cycle && !atomic_load(&worker->quit) && !atomic_load(&worker->ended)) {
        pthread_cond_wait(&worker->moved, &worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
}

/* ---- worker ------------------------------------------------------------------------------------
 */

/* Processor time that this thread has used. */
static int64_t processor_ns(void) {
    struct timespec taken;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &taken);
    return (int64_t)taken.tv_sec * 1000000000 + taken.tv_nsec;
}

static void rest(const vc_worker *worker) {
    if (worker->rest != NULL) {
        worker->rest(worker->user);
    }
}

/* Leaves the group and joins another one, if another one is wanted. */
static void change_group(vc_worker *worker, vc_thread_group *wanted) {
    if (wanted == worker->looked) {
        return;
    }
    if (worker->joined != NULL) {
        worker->joined->leave(worker->joined);
    }
    worker->looked = wanted;
    worker->joined = wanted != NULL && wanted->join(wanted) == 0 ? wanted : NULL;
}

/* Makes all blocks that are due, and keeps the GIL between them (docs/decisions/0009). The worker
 * releases the GIL before Python would force it to. Python can force it in the middle of a
 * callback, and the wait that follows is then not measured. While C code runs, Python cannot force
 * the thread at all. */
static bool make_all(vc_worker *worker) {
    bool quit = false;
    change_group(worker, atomic_load_explicit(&worker->wanted, memory_order_acquire));
    int64_t since_ns = processor_ns();
    while (!(quit = atomic_load_explicit(&worker->quit, memory_order_relaxed)) &&
           vc_lead_make(worker->lead)) {
        if (processor_ns() - since_ns > VISIT_NS) {
            rest(worker);
            nap(GIVE_WAY_NS);
            since_ns = processor_ns();
        }
    }
    rest(worker);
    return !quit && !vc_lead_ended(worker->lead);
}

static void run_by_the_clock(vc_worker *worker) {
    while (make_all(worker)) {
        int64_t wanted = (int64_t)(vc_lead_idle_frames(worker->lead) * worker->ns_per_frame);
        nap(wanted < SHORTEST_NAP_NS  ? SHORTEST_NAP_NS
            : wanted > LONGEST_NAP_NS ? LONGEST_NAP_NS
                                      : wanted);
        vc_thread_recover(&worker->own);
    }
}

static void run_by_cycles(vc_worker *worker) {
    uint64_t seen = 0;
    while (make_all(worker)) {
        pthread_mutex_lock(&worker->lock);
        worker->settled = seen;
        pthread_cond_broadcast(&worker->moved);
        while (worker->cycles == seen && !atomic_load(&worker->quit)) {
            pthread_cond_wait(&worker->moved, &worker->lock);
        }
        seen = worker->cycles;
        pthread_mutex_unlock(&worker->lock);
    }
}

static void wake(vc_worker *worker) {
    pthread_mutex_lock(&worker->lock);
    pthread_cond_broadcast(&worker->moved);
    pthread_mutex_unlock(&worker->lock);
}

static void *run(void *user) {
    vc_worker *worker = user;
    vc_thread_begin(&worker->own, "voicecoil work", worker->urgent);
    if (worker->waited_for) {
        run_by_cycles(worker);
    } else {
        run_by_the_clock(worker);
    }
    change_group(worker, NULL);
    if (worker->leave != NULL) {
        worker->leave(worker->user);
    }
    vc_thread_end(&worker->own);
    atomic_store(&worker->ended, true);
    wake(worker);
    return NULL;
}

/* ---- control ----------------------------------------------------------------------------------
 */

vc_worker *vc_worker_new(const vc_lead_config *config, void (*leave)(void *user), bool waited_for) {
    vc_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    vc_lead_config own = *config;
    own.settle = settle;
    own.argument = worker;
    own.timed = !waited_for;
    worker->lead = vc_lead_new(&own);
    if (worker->lead == NULL) {
        free(worker);
        return NULL;
    }
    worker->leave = leave;
    worker->rest = config->rest;
    worker->user = config->user;
    worker->ns_per_frame = 1e9 / config->samplerate_hz;
    worker->waited_for = waited_for;
    worker->owner = (long)getpid();
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->moved, NULL);
    return worker;
}

void vc_worker_free(vc_worker *worker) {
    if (worker != NULL) {
        if (worker->owner ==
            (long)getpid()) { /* in a forked child, this could wait for threads of the parent */
            pthread_mutex_destroy(&worker->lock);
            pthread_cond_destroy(&worker->moved);
        }
        vc_lead_free(worker->lead);
        free(worker);
    }
}

vc_lead *vc_worker_lead(vc_worker *worker) { return worker->lead; }

bool vc_worker_resize(vc_worker *worker, uint32_t max_period_frames, uint32_t lead_frames,
                      uint32_t max_lead_frames, bool waited_for) {
    worker->waited_for = waited_for;
    return vc_lead_resize(worker->lead, max_period_frames, lead_frames, max_lead_frames,
                          !waited_for);
}

bool vc_worker_start(vc_worker *worker) {
    vc_lead_start(worker->lead);
    worker->cycles = worker->settled = 0;
    atomic_store(&worker->quit, false);
    atomic_store(&worker->ended, false);
    worker->urgent = !worker->waited_for && vc_thread_guard(0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    worker->running = pthread_create(&worker->thread, &attributes, run, worker) == 0;
    pthread_attr_destroy(&attributes);
    return worker->running;
}

vc_thread *vc_worker_thread(vc_worker *worker) { return &worker->own; }

void vc_worker_join_group(vc_worker *worker, vc_thread_group *group) {
    atomic_store(&worker->wanted, group);
}

void vc_worker_quit(vc_worker *worker) {
    atomic_store(&worker->quit, true);
    wake(worker);
}

bool vc_worker_ended(const vc_worker *worker) {
    return !worker->running || atomic_load(&worker->ended);
}

bool vc_worker_join(vc_worker *worker, int64_t deadline_ns) {
    int64_t since = vc_clock_ns();
    while (worker->running && !atomic_load(&worker->ended)) {
        if (vc_clock_ns() - since > deadline_ns) {
            return false;
        }
        nap(200000);
    }
    if (worker->running) {
        pthread_join(worker->thread, NULL);
        worker->running = false;
    }
    return true;
}

enum { LOOK_NS = 5000000 }; /* the end of a stream is noticed at most this much later */

bool vc_wait_finished(const vc_engine *engine, int64_t timeout_ns) {
    int64_t until_ns = vc_clock_ns() + timeout_ns;
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    while (vc_engine_state(engine) != VC_FINISHED) {
        if (vc_clock_ns() >= until_ns || nanosleep(&pause, NULL) != 0) {
            return false;
        }
    }
    return true;
}
