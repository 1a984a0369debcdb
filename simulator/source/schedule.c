/* schedule.c: simulated time. Runs events in order, steps the time, and lets threads wait. */
#include "world.h"

#include <time.h>

typedef struct event {
    uint64_t due, order;
    event_fn fn;
    void *subject;
    uint64_t value;
} event;

typedef struct waiter {
    struct waiter *next;
    sim_thread *thread;
    pthread_cond_t wake;
    device *hung; /* the device whose removal ends the wait */
    bool over, cancelled;
} waiter;

static event *heap;
static size_t heap_count, heap_room;
static uint64_t next_order;
static waiter *waiters;
static int leaving; /* number of threads whose wait is over but that have not left it yet */
static bool step_failed;

static pthread_t real_thread;
static pthread_cond_t real_wake;
static bool real_thread_exists, real_thread_stops;

uint64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void deadline_in(struct timespec *deadline, uint64_t real_ns) {
    uint64_t t = monotonic_ns() + real_ns;
    deadline->tv_sec = (time_t)(t / NS_PER_S);
    deadline->tv_nsec = (long)(t % NS_PER_S);
}

/* ---- events ---- */

static bool earlier(const event *a, const event *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void push(event e) {
    if (heap_count == heap_room) {
        heap_room = heap_room ? heap_room * 2 : 64;
        heap = realloc(heap, heap_room * sizeof *heap);
    }
    size_t i = heap_count++;
    while (i > 0 && earlier(&e, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = e;
}

static event pop(void) {
    event first = heap[0], last = heap[--heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap_count) {
            break;
        }
        if (child + 1 < heap_count && earlier(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!earlier(&heap[child], &last)) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    if (heap_count > 0) {
        heap[i] = last;
    }
    return first;
}

static void *real_main(void *unused);

void at_locked(uint64_t due_ns, event_fn fn, void *subject, uint64_t value) {
    push((event){due_ns, next_order++, fn, subject, value});
    if (world.is_virtual) {
        return;
    }
    if (!real_thread_exists) {
        real_thread_exists = true;
        real_thread_stops = false;
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&real_wake, &attributes);
        pthread_create(&real_thread, NULL, real_main, NULL);
    } else if (heap[0].due == due_ns) {
        pthread_cond_signal(&real_wake);
    }
}

void cancel_events_locked(void *subject) {
    for (size_t i = 0; i < heap_count; i++) {
        if (heap[i].subject == subject) {
            heap[i].fn = NULL;
        }
    }
}

/* ---- stepping ---- */

static void run_due(uint64_t until_ns) {
    while (heap_count > 0 && heap[0].due <= until_ns) {
        event e = pop();
        if (world.is_virtual && e.due > world.now_ns) {
            __atomic_store_n(&world.now_ns, e.due, __ATOMIC_RELAXED);
        }
        if (e.fn != NULL) {
            e.fn(e.subject, e.value);
        }
    }
}

static void step(sim_thread *self, uint64_t until_ns) {
    while (world.stepper != NULL) {
        pthread_cond_wait(&world.changed, &world.lock);
    }
    world.stepper = self;
    run_due(until_ns);
    if (world.is_virtual && until_ns > world.now_ns) {
        __atomic_store_n(&world.now_ns, until_ns, __ATOMIC_RELAXED);
    }
    world.stepper = NULL;
    pthread_cond_broadcast(&world.changed);
}

void step_fails(void) { step_failed = true; }

EXPORT int sim_advance_ns(uint64_t ns) {
    if (!enter_time("sim_advance_ns")) {
        return -1;
    }
    sim_thread *self = thread_self();
    int result = 0;
    if (!world.is_virtual || self->in_callback || self->worker != NULL) {
        report_line("sim_advance_ns: %s",
                    world.is_virtual ? "called from a callback" : "time is real");
        result = -1;
    } else {
        step_failed = false;
        step(self, world.now_ns + ns);
        result = step_failed ? -1 : 0;
    }
    leave();
    workers_reap(false);
    return result;
}

/* ---- virtual time that runs by itself ---- */

static pthread_t clock_thread;
static bool clock_runs;
static double clock_factor;
static _Atomic bool clock_stops;

static void *clock_main(void *unused) {
    uint64_t begin = monotonic_ns(), done = 0;
    while (!clock_stops) {
        uint64_t target = (uint64_t)((double)(monotonic_ns() - begin) * clock_factor);
        if (target > done) {
            sim_advance_ns(target - done);
            done = target;
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return unused;
}

EXPORT int sim_start_clock(double factor) {
    if (clock_runs || !world.is_virtual || !(factor > 0)) {
        report_line("sim_start_clock: time is real, the clock runs already, or factor %g", factor);
        return -1;
    }
    clock_factor = factor;
    clock_stops = false;
    clock_runs = pthread_create(&clock_thread, NULL, clock_main, NULL) == 0;
    return clock_runs ? 0 : -1;
}

EXPORT void sim_stop_clock(void) {
    if (clock_runs) {
        clock_stops = true;
        pthread_join(clock_thread, NULL);
        clock_runs = false;
    }
}

static void *real_main(void *unused) {
    (void)unused;
    pthread_mutex_lock(&world.lock);
    sim_thread *self = thread_self();
    self->call = "the simulator's clock";
    while (!real_thread_stops) {
        uint64_t now = monotonic_ns();
        if (heap_count > 0 && heap[0].due <= now) {
            run_due(now);
            pthread_mutex_unlock(&world.lock);
            workers_reap(false); /* joins threads that have delivered their notifications */
            pthread_mutex_lock(&world.lock);
        } else if (heap_count > 0) {
            struct timespec deadline;
            deadline_in(&deadline, heap[0].due - now);
            pthread_cond_timedwait(&real_wake, &world.lock, &deadline);
        } else {
            pthread_cond_wait(&real_wake, &world.lock);
        }
    }
    pthread_mutex_unlock(&world.lock);
    return NULL;
}

void real_time_stop(void) {
    pthread_mutex_lock(&world.lock);
    bool exists = real_thread_exists;
    if (exists) {
        real_thread_stops = true;
        pthread_cond_signal(&real_wake);
    }
    pthread_mutex_unlock(&world.lock);
    if (exists) {
        pthread_join(real_thread, NULL);
        real_thread_exists = false;
    }
}

EXPORT void sim_use_virtual_time(void) {
    real_time_stop();
    pthread_mutex_lock(&world.lock);
    if (!world.is_virtual) {
        __atomic_store_n(&world.now_ns, 3600 * NS_PER_S, __ATOMIC_RELAXED);
        __atomic_store_n(&world.is_virtual, true, __ATOMIC_RELAXED);
        events_drop_locked();
    }
    pthread_mutex_unlock(&world.lock);
}

EXPORT void sim_use_real_time(void) {
    pthread_mutex_lock(&world.lock);
    if (world.is_virtual) {
        __atomic_store_n(&world.is_virtual, false, __ATOMIC_RELAXED);
        events_drop_locked();
    }
    pthread_mutex_unlock(&world.lock);
}

void schedule_reset_locked(void) {
    heap_count = 0;
    __atomic_store_n(&world.is_virtual, false, __ATOMIC_RELAXED);
}

/* ---- waits ---- */

/* Waits for IO threads that can run because a thread has freed their IO mutex. They run before the
 * time is stepped further. */
static void wait_for_waking_workers(void) {
    worker *w = world.workers;
    while (world.is_virtual && w != NULL) {
        bool waking = w->waking && w->busy && !w->stalled;
        if (waking) {
            worker_wait_locked(w);
        }
        w = waking ? world.workers : w->next; /* the list may have changed during the wait */
    }
}

static void wait_over(void *subject, uint64_t unused) {
    (void)unused;
    waiter *w = subject;
    worker *job = w->thread->worker;
    w->over = true;
    leaving++;
    pthread_cond_signal(&w->wake);
    while (world.is_virtual && leaving > 0) {
        pthread_cond_wait(&world.changed, &world.lock);
    }
    if (world.is_virtual && job != NULL) {
        worker_wait_locked(job);
    }
    wait_for_waking_workers();
}

void thread_blocks(sim_thread *t, int change) {
    t->blocked += change;
    if (t->worker != NULL) {
        t->worker->blocked += change;
    } else {
        world.blocked_clients += (size_t)change;
    }
    pthread_cond_broadcast(&world.changed);
}

bool block_until_locked(uint64_t due_ns, device *hung) {
    sim_thread *self = thread_self();
    if (due_ns <= now_locked()) {
        return true;
    }
    if (world.is_virtual && SWITCH(auto_advance) == 1 && world.stepper == NULL &&
        self->worker == NULL && due_ns != SIM_FOREVER) {
        step(self, due_ns);
        return true;
    }
    waiter w = {.next = waiters, .thread = self, .hung = hung};
    pthread_cond_init(&w.wake, NULL);
    waiters = &w;
    if (due_ns != SIM_FOREVER) {
        at_locked(due_ns, wait_over, &w, 0);
    }
    thread_blocks(self, 1);
    while (!w.over) {
        pthread_cond_wait(&w.wake, &world.lock);
    }
    leaving--;
    for (waiter **at = &waiters; *at != NULL; at = &(*at)->next) {
        if (*at == &w) {
            *at = w.next;
            break;
        }
    }
    thread_blocks(self, -1);
    pthread_cond_destroy(&w.wake);
    return !w.cancelled;
}

static void end_wait(waiter *w, bool cancelled) {
    if (!w->over) {
        cancel_events_locked(w);
        w->cancelled = cancelled;
        w->over = true;
        leaving++;
        pthread_cond_signal(&w->wake);
    }
}

void cancel_waits_locked(device *device) {
    for (waiter *w = waiters; w != NULL; w = w->next) {
        if (device == NULL || w->hung == device) {
            end_wait(w, true);
        }
    }
}

void release_waits_locked(const device *device) {
    for (waiter *w = waiters; w != NULL; w = w->next) {
        if (w->hung == device) {
            end_wait(w, false);
        }
    }
}

EXPORT void sim_release_hung(void) {
    pthread_mutex_lock(&world.lock);
    for (size_t i = 0; i < world.device_count; i++) {
        world.devices[i]->hang_start_ns = world.devices[i]->hang_get_ns = 0;
    }
    for (waiter *w = waiters; w != NULL; w = w->next) {
        if (w->hung != NULL) {
            end_wait(w, false);
        }
    }
    pthread_mutex_unlock(&world.lock);
}

EXPORT size_t sim_wait_blocked(size_t threads, uint32_t timeout_real_ms) {
    struct timespec deadline;
    deadline_in(&deadline, (uint64_t)timeout_real_ms * 1000000u);
    pthread_mutex_lock(&world.lock);
    while (world.blocked_clients < threads &&
           pthread_cond_timedwait(&world.changed, &world.lock, &deadline) == 0) {
    }
    size_t blocked = world.blocked_clients;
    pthread_mutex_unlock(&world.lock);
    return blocked;
}

/* Steps to the next event, or to the limit if no event comes before. Run loops that step the time
 * themselves call this. */
bool step_one_locked(uint64_t limit_ns) {
    uint64_t to = heap_count > 0 && heap[0].due < limit_ns ? heap[0].due : limit_ns;
    step(thread_self(), to);
    return true;
}

void events_drop_locked(void) {
    for (size_t i = 0; i < heap_count; i++) {
        if (heap[i].fn == listeners_event()) {
            deliveries_drop_locked(heap[i].subject);
        }
    }
    heap_count = 0;
}
