/* worker.c: native threads that run client code, which are IO threads and notification threads. */
#include "world.h"

#include <time.h>

/* The default stack size of macOS. Sanitizers need more. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 8 << 20 };
#else
enum { STACK_BYTES = 512 << 10 };
#endif

bool worker_is_idle(const worker *w) {
    return w->ended || (!w->busy && w->count == 0 && !w->finish);
}

static void *worker_main(void *argument) {
    worker *w = argument;
    pthread_mutex_lock(&world.lock);
    w->record = thread_self();
    w->record->worker = w;
    for (;;) {
        while (w->count == 0 && !w->finish) {
            pthread_cond_wait(&w->wake, &world.lock);
        }
        if (w->count == 0) {
            break;
        }
        struct job j = w->jobs[w->first];
        w->first = (w->first + 1) % (sizeof w->jobs / sizeof w->jobs[0]);
        w->count--;
        w->busy = true;
        j.fn(j.subject, j.value);
        w->busy = false;
        pthread_cond_broadcast(&world.changed);
    }
    if (w->io_device != NULL) {
        UNCOUNT(live_io_threads);
    }
    w->ended = true;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
    return NULL;
}

worker *worker_start_locked(const char *role, device *io_device) {
    worker *w = calloc(1, sizeof *w);
    w->role = role;
    w->io_device = io_device;
    w->number = ++world.worker_number;
    pthread_cond_init(&w->wake, NULL);
    w->next = world.workers;
    world.workers = w;
    if (io_device != NULL) {
        COUNT(live_io_threads);
        COUNT(io_threads_started);
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_create(&w->thread, &attributes, worker_main, w) != 0) {
        abort(); /* nothing can be simulated without this thread */
    }
    pthread_attr_destroy(&attributes);
    return w;
}

bool worker_post_locked(worker *w, job_fn fn, void *subject, uint64_t value) {
    size_t room = sizeof w->jobs / sizeof w->jobs[0];
    if (w->count == room) {
        report_line("the %s is stuck: a job was dropped", w->role);
        return false;
    }
    w->jobs[(w->first + w->count++) % room] = (struct job){fn, subject, value};
    pthread_cond_signal(&w->wake);
    return true;
}

void worker_finish_locked(worker *w) {
    w->finish = true;
    pthread_cond_signal(&w->wake);
}

static bool is_blocked(const worker *w) { return w->blocked > 0 && w->busy && !w->waking; }

bool worker_wait_locked(worker *w) {
    sim_thread *self = thread_self();
    struct timespec deadline;
    deadline_in(&deadline, (uint64_t)SWITCH(stall_real_ms) * 1000000u);
    sim_thread *before = self->waits_thread;
    self->waits_thread = w->record;
    bool fine = true;
    w->watchers++;
    while (!worker_is_idle(w) && !w->stalled && !is_blocked(w)) {
        if (pthread_cond_timedwait(&world.changed, &world.lock, &deadline) != 0 &&
            !worker_is_idle(w) && !is_blocked(w)) {
            COUNT(stalls);
            report_line("the %s did not return from the client's callback for %lld ms", w->role,
                        (long long)SWITCH(stall_real_ms));
            report_stack_of(w->record);
            for (sim_thread *t = world.threads; t != NULL; t = t->next) {
                if (t->waits_mutex != NULL || (t->waits_thread != NULL && t != self)) {
                    report_stack_of(t);
                }
            }
            w->stalled = true;
            step_fails();
            fine = false;
        }
    }
    w->watchers--;
    self->waits_thread = before;
    return fine;
}

void workers_reap(bool all) {
    for (;;) {
        pthread_mutex_lock(&world.lock);
        worker **at = &world.workers;
        while (*at != NULL && ((*at)->watchers > 0 ||
                               (!(*at)->ended && !(all && (*at)->finish && !(*at)->stalled)))) {
            at = &(*at)->next;
        }
        worker *w = *at;
        if (w != NULL) {
            *at = w->next;
        }
        pthread_mutex_unlock(&world.lock);
        if (w == NULL) {
            return;
        }
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->wake);
        free(w);
    }
}
