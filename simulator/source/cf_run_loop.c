/* cf_run_loop.c: run loops, as far as the HAL's notifications need them. Each thread has one. If a
 * process has not set 'rnlp', the HAL's notifications wait until the main thread runs its run loop.
 * Sources and timers of the client are not simulated. */
#include "cf.h"

#include <time.h>
#include <unistd.h>

typedef struct run_loop {
    cf_object head;
    struct run_loop *next_loop;
    long thread;
    struct item {
        job_fn fn;
        void *subject;
        const void *block;
    } items[256];
    size_t first, count;
    bool stop, waiting, running;
    uint64_t deadline_ns;
} run_loop;

static run_loop *loops;

static cf_string_object default_mode = {.head = {.type = CF_STRING, .immortal = true},
                                        .units = (const UniChar *)u"kCFRunLoopDefaultMode",
                                        .length = 21};
static cf_string_object common_modes = {.head = {.type = CF_STRING, .immortal = true},
                                        .units = (const UniChar *)u"kCFRunLoopCommonModes",
                                        .length = 21};
EXPORT const CFRunLoopMode kCFRunLoopDefaultMode = (CFRunLoopMode)(const void *)&default_mode;
EXPORT const CFRunLoopMode kCFRunLoopCommonModes = (CFRunLoopMode)(const void *)&common_modes;

static run_loop *loop_of_locked(long thread) {
    run_loop *l = loops;
    while (l != NULL && l->thread != thread) {
        l = l->next_loop;
    }
    if (l == NULL) {
        l = cf_new(CF_RUN_LOOP, sizeof *l, NULL);
        cf_make_internal(&l->head);
        l->head.immortal = true;
        l->thread = thread;
        l->next_loop = loops;
        loops = l;
    }
    return l;
}

/* On Linux, the main thread's ID equals the process ID. */
void *run_loop_main_locked(void) { return loop_of_locked((long)getpid()); }

bool run_loop_is_known_locked(const void *candidate) {
    for (run_loop *l = loops; l != NULL; l = l->next_loop) {
        if (l == candidate) {
            return true;
        }
    }
    return false;
}

EXPORT CFRunLoopRef CFRunLoopGetMain(void) {
    if (!enter(__func__)) {
        return NULL;
    }
    void *l = run_loop_main_locked();
    leave();
    return l;
}

EXPORT CFRunLoopRef CFRunLoopGetCurrent(void) {
    if (!enter(__func__)) {
        return NULL;
    }
    void *l = loop_of_locked(thread_self()->native_id);
    leave();
    return l;
}

static bool push(run_loop *l, struct item item) {
    size_t room = sizeof l->items / sizeof l->items[0];
    if (l->count == room) {
        return false;
    }
    l->items[(l->first + l->count++) % room] = item;
    pthread_cond_broadcast(&world.changed);
    return true;
}

void run_loop_deliver_locked(void *target, job_fn fn, void *subject) {
    run_loop *l = target;
    if (!push(l, (struct item){fn, subject, NULL})) { /* full, because no thread runs the loop */
        deliveries_drop_locked(subject);
        return;
    }
    struct timespec deadline;
    deadline_in(&deadline, (uint64_t)SWITCH(stall_real_ms) * 1000000u);
    while (world.is_virtual && l->running && l->thread != thread_self()->native_id &&
           l->count > 0 && pthread_cond_timedwait(&world.changed, &world.lock, &deadline) == 0) {
    }
}

/* Runs one item of the queue. The world must be locked. */
static void run_item(run_loop *l) {
    struct item item = l->items[l->first];
    l->first = (l->first + 1) % (sizeof l->items / sizeof l->items[0]);
    if (item.fn != NULL) {
        item.fn(item.subject, 0);
    } else {
        void (*invoke)(const void *);
        void *address = block_invoke(item.block);
        memcpy(&invoke, &address, sizeof invoke);
        pthread_mutex_unlock(&world.lock);
        invoke(item.block);
        block_release(item.block);
        pthread_mutex_lock(&world.lock);
    }
    l->count--; /* after the call, because other threads wait until it has ended */
    pthread_cond_broadcast(&world.changed);
}

static void deadline_due(void *subject, uint64_t unused) {
    (void)subject, (void)unused;
    pthread_cond_broadcast(&world.changed);
}

static SInt32 run_until(run_loop *l, uint64_t deadline_ns, bool one) {
    sim_thread *self = thread_self();
    SInt32 result = 0;
    bool scheduled = false;
    l->running = true;
    while (result == 0) {
        if (l->stop) {
            l->stop = false;
            result = kCFRunLoopRunStopped;
        } else if (l->count > 0) {
            run_item(l);
            result = one ? kCFRunLoopRunHandledSource : 0;
        } else if (now_locked() >= deadline_ns) {
            result = kCFRunLoopRunTimedOut;
        } else if (world.is_virtual && SWITCH(auto_advance) == 1 && world.stepper == NULL &&
                   self->worker == NULL && deadline_ns != SIM_FOREVER) {
            step_one_locked(deadline_ns);
        } else {
            if (!scheduled && deadline_ns != SIM_FOREVER) {
                at_locked(deadline_ns, deadline_due, l, 0);
                scheduled = true;
            }
            l->waiting = true;
            thread_blocks(self, 1);
            pthread_cond_wait(&world.changed, &world.lock);
            thread_blocks(self, -1);
            l->waiting = false;
        }
    }
    l->running = false;
    if (scheduled) {
        cancel_events_locked(l);
    }
    return result;
}

EXPORT CFRunLoopRunResult CFRunLoopRunInMode(CFRunLoopMode mode, CFTimeInterval seconds,
                                             Boolean returnAfterSourceHandled) {
    (void)mode;
    if (!enter(__func__)) {
        return (CFRunLoopRunResult)kCFRunLoopRunFinished;
    }
    uint64_t now = now_locked();
    uint64_t deadline =
        seconds > 1e9 ? SIM_FOREVER : now + (seconds > 0 ? (uint64_t)(seconds * 1e9) : 0);
    SInt32 result =
        run_until(loop_of_locked(thread_self()->native_id), deadline, returnAfterSourceHandled);
    leave();
    return (CFRunLoopRunResult)result;
}

EXPORT void CFRunLoopRun(void) { CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1e10, 0); }

EXPORT void CFRunLoopStop(CFRunLoopRef rl) {
    if (enter(__func__)) {
        ((run_loop *)(void *)rl)->stop = true;
        pthread_cond_broadcast(&world.changed);
        leave();
    }
}

EXPORT void CFRunLoopWakeUp(CFRunLoopRef rl) {
    (void)rl;
    if (enter(__func__)) {
        pthread_cond_broadcast(&world.changed);
        leave();
    }
}

EXPORT Boolean CFRunLoopIsWaiting(CFRunLoopRef rl) {
    if (!enter(__func__)) {
        return 0;
    }
    bool waiting = ((run_loop *)(void *)rl)->waiting;
    leave();
    return waiting;
}

EXPORT CFRunLoopMode CFRunLoopCopyCurrentMode(CFRunLoopRef rl) {
    if (!enter(__func__)) {
        return NULL;
    }
    bool running = ((run_loop *)(void *)rl)->running;
    leave();
    return running ? kCFRunLoopDefaultMode : NULL;
}

EXPORT void CFRunLoopPerformBlock(CFRunLoopRef rl, CFTypeRef mode, const void *block) {
    (void)mode;
    const void *copy = block_copy(block);
    if (enter(__func__)) {
        push((run_loop *)(void *)rl, (struct item){NULL, NULL, copy});
        leave();
    }
}

void run_loops_reset_locked(void) {
    for (run_loop *l = loops; l != NULL; l = l->next_loop) {
        while (l->count > 0) {
            struct item *item = &l->items[l->first];
            if (item->fn != NULL) {
                deliveries_drop_locked(item->subject);
            } else {
                block_release(item->block);
            }
            l->first = (l->first + 1) % (sizeof l->items / sizeof l->items[0]);
            l->count--;
        }
        l->stop = l->running;
    }
    pthread_cond_broadcast(&world.changed);
}
