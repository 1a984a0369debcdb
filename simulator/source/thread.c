/* thread.c: keeps a record of each native thread. Every exported function begins with `enter`. */
#include "world.h"

#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

static _Thread_local sim_thread *self;
static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

long native_thread_id(void) {
#ifdef __linux__
    return syscall(SYS_gettid);
#else
    return (long)(uintptr_t)pthread_self();
#endif
}

static void thread_exits(void *record) {
    sim_thread *t = record;
    pthread_mutex_lock(&world.lock);
    workgroups_thread_exit(t);
    for (sim_thread **at = &world.threads; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    if (t->worker != NULL) {
        t->worker->record = NULL;
    }
    pthread_mutex_unlock(&world.lock);
    free(t);
}

static void make_key(void) { pthread_key_create(&exit_key, thread_exits); }

/* Call this with the world locked. */
sim_thread *thread_self(void) {
    if (self == NULL) {
        pthread_once(&exit_key_once, make_key);
        self = calloc(1, sizeof *self);
        self->pthread = pthread_self();
        self->native_id = native_thread_id();
        self->next = world.threads;
        world.threads = self;
        pthread_setspecific(exit_key, self);
    }
    return self;
}

sim_thread *thread_by_native_id_locked(long native_id) {
    sim_thread *t = world.threads;
    while (t != NULL && t->native_id != native_id) {
        t = t->next;
    }
    return t;
}

static bool forked(const char *call) {
    pid_t pid = getpid(), expected = 0;
    if (__atomic_compare_exchange_n(&world.pid, &expected, pid, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED) ||
        expected == pid) {
        return false;
    }
    report_fault(CN_fault_fork, "%s called in a forked child (pid %d, first used by %d)", call,
                 (int)pid, (int)expected);
    if (SWITCH(fork_action) == 1) {
        static const char text[] = "coreaudio simulator: CoreAudio called after fork\n";
        ssize_t ignored = write(2, text, sizeof text - 1);
        (void)ignored;
        abort();
    }
    return true;
}

static _Thread_local OSStatus refusal;

OSStatus refused(void) { return refusal; }

bool enter_time(const char *call) {
    refusal = kAudioHardwareUnknownPropertyError;
    if (forked(call) || injected_error(call, &refusal)) {
        return false;
    }
    pthread_mutex_lock(&world.lock);
    thread_self()->call = call;
    COUNT(hal_calls);
    return true;
}

bool enter(const char *call) {
    if (!enter_time(call)) {
        return false;
    }
    sim_realtime_violation(call);
    return true;
}

void leave(void) {
    self->call = NULL;
    pthread_mutex_unlock(&world.lock);
}

EXPORT bool sim_realtime_violation(const char *what) {
    if (self == NULL || !self->in_io_callback) {
        return false;
    }
    self->in_io_callback = false; /* because writing the report allocates */
    report_fault(CN_rt_violations, "%s on an IO thread, inside an IOProc", what);
    self->in_io_callback = true;
    return true;
}

/* Includes the time that the callback of this thread has spent. Reading that needs no lock. */
uint64_t now_locked(void) {
    if (!__atomic_load_n(&world.is_virtual, __ATOMIC_RELAXED)) {
        return monotonic_ns();
    }
    return __atomic_load_n(&world.now_ns, __ATOMIC_RELAXED) + (self ? self->spent_ns : 0);
}

EXPORT uint64_t sim_now_ns(void) { return now_locked(); }

EXPORT void sim_spend_ns(uint64_t ns) {
    if (__atomic_load_n(&world.is_virtual, __ATOMIC_RELAXED)) {
        if (self != NULL && self->in_callback) {
            self->spent_ns += ns;
        }
        return;
    }
    uint64_t until = monotonic_ns() + ns;
    while (monotonic_ns() < until) {
    }
}
