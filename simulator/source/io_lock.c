/* io_lock.c: the HAL's IO mutex of each device, and the detector of waits that never end. */
#include "world.h"

#include <time.h>
#include <unistd.h>

static sim_thread *waits_for(const sim_thread *t) {
    return t->waits_mutex != NULL ? t->waits_mutex->owner : t->waits_thread;
}

static void report_deadlock(sim_thread *self, sim_thread *other, const char *what) {
    COUNT(deadlocks);
    report_line("deadlock: %s; the waits:", what);
    report_stack_of(self);
    sim_thread *t = other;
    for (int i = 0; t != NULL && t != self && i < 8; i++) {
        report_stack_of(t);
        t = waits_for(t);
    }
    if (SWITCH(deadlock_action) == 1) {
        static char text[65536];
        size_t size = sim_report(text, sizeof text);
        ssize_t ignored = write(2, text, size < sizeof text ? size : sizeof text - 1);
        (void)ignored;
        abort();
    }
}

/* Follows the chain of threads that wait for each other, beginning with this thread. If the chain
 * returns to this thread, reports a deadlock and returns true. */
bool thread_wait_deadlocks_locked(sim_thread *self, const char *what) {
    sim_thread *t = waits_for(self);
    for (int i = 0; t != NULL && i < 64; i++) {
        if (t == self) {
            report_deadlock(self, waits_for(self), what);
            return true;
        }
        t = waits_for(t);
    }
    return false;
}

bool io_mutex_lock(struct io_mutex *mutex) {
    sim_thread *self = thread_self();
    if (mutex->owner == self) {
        mutex->depth++;
        return true;
    }
    bool got = true;
    if (mutex->owner != NULL) {
        self->waits_mutex = mutex;
        thread_blocks(self, 1);
        got = !thread_wait_deadlocks_locked(self, "a device's IO mutex in a circle");
        struct timespec deadline;
        deadline_in(&deadline, (uint64_t)SWITCH(stall_real_ms) * 1000000u);
        while (got && mutex->owner != NULL) {
            int late = pthread_cond_timedwait(&mutex->freed, &world.lock, &deadline);
            sim_thread *owner = mutex->owner;
            if (self->worker != NULL) {
                self->worker->waking = false;
            }
            if (self->deadlocked) { /* the thread that waits for a client's lock has set this */
                self->deadlocked = false;
                got = owner == NULL;
            } else if (late != 0 && owner != NULL) {
                if (owner->in_callback && owner->blocked == 0) {
                    report_deadlock(self, owner,
                                    "the owner of the IO mutex does not come back from a callback "
                                    "(it waits for a lock of the client?)");
                    got = false;
                }
                deadline_in(&deadline, (uint64_t)SWITCH(stall_real_ms) * 1000000u);
            }
        }
        self->waits_mutex = NULL;
        thread_blocks(self, -1);
    }
    if (got) {
        mutex->owner = self;
        mutex->depth = 1;
    }
    return got;
}

void io_mutex_unlock(struct io_mutex *mutex) {
    if (--mutex->depth == 0) {
        mutex->owner = NULL;
        for (sim_thread *t = world.threads; t != NULL; t = t->next) {
            if (t->waits_mutex == mutex && t->worker != NULL) {
                t->worker->waking = true;
            }
        }
        pthread_cond_broadcast(&mutex->freed);
    }
}

EXPORT bool sim_client_lock_wait(long owner_thread) {
    pthread_mutex_lock(&world.lock);
    sim_thread *self = thread_self();
    bool io = self->in_io_callback;
    self->in_io_callback = false;
    self->waits_thread = owner_thread == 0 ? NULL : thread_by_native_id_locked(owner_thread);
    bool deadlock = false;
    if (self->waits_thread != NULL) {
        deadlock = thread_wait_deadlocks_locked(self, "a lock of the client and an IO mutex");
        for (sim_thread *t = waits_for(self); deadlock && t != NULL && t != self;
             t = waits_for(t)) {
            if (t->waits_mutex != NULL) { /* this thread's call fails, which ends the deadlock */
                t->deadlocked = true;
                pthread_cond_broadcast(&t->waits_mutex->freed);
                break;
            }
        }
    }
    self->in_io_callback = io;
    pthread_mutex_unlock(&world.lock);
    return deadlock;
}
