/* Tests the names and priorities of threads, and the guard that lowers threads that spin. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "check.h"
#include "thread.h"

#include <pthread.h>
#include <string.h>

#if defined(__linux__)
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static vc_thread thread;
static _Atomic int stage; /* 1: the other thread has begun; 2: it may end */
static char name[16];
static int policy_inside, level_inside;

static void wait_for(int wanted) {
    for (int i = 0; i < 20000 && atomic_load(&stage) != wanted; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CHECK_INT(atomic_load(&stage), wanted);
}

/* Returns this thread's policy as the kernel knows it. The C library may return cached values. */
static int policy_now(int *level) {
    struct sched_param parameters = {0};
    sched_getparam(0, &parameters);
    *level = parameters.sched_priority;
    return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

static void *body(void *urgent) {
    vc_thread_begin(&thread, "voicecoil worker with a long name", urgent != NULL);
    pthread_getname_np(pthread_self(), name, sizeof name);
    policy_inside = policy_now(&level_inside);
    atomic_store(&stage, 1);
    wait_for(2);
    vc_thread_end(&thread);
    return NULL;
}

/* Returns whether this process may use a real-time priority. */
static bool may(void) {
    struct sched_param parameters = {.sched_priority = VC_WORKER_PRIORITY}, none = {0};
    bool can = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters) == 0;
    pthread_setschedparam(pthread_self(), SCHED_OTHER, &none);
    return can;
}

static void begin(bool urgent, void *(*function)(void *), pthread_t *handle) {
    memset(&thread, 0, sizeof thread);
    atomic_store(&stage, 0);
    pthread_create(handle, NULL, function, urgent ? &thread : NULL);
}

static void a_thread_is_named_and_has_its_priority(void) {
    CHECK(vc_thread_guard(0));
    for (int urgent = 0; urgent <= 1; urgent++) {
        pthread_t handle;
        begin(urgent, body, &handle);
        wait_for(1);
        bool raised = urgent && may();
        CHECK(strcmp(name, "voicecoil worke") == 0);
        CHECK_INT(policy_inside, raised ? SCHED_FIFO : SCHED_OTHER);
        CHECK_INT(level_inside, raised ? VC_WORKER_PRIORITY : 0);
        CHECK_INT(vc_thread_policy(&thread), raised ? VC_POLICY_FIFO : VC_POLICY_ORDINARY);
        CHECK_INT(atomic_load(&thread.level), level_inside);
        CHECK_INT(atomic_load(&thread.error) != 0, urgent && !raised);
        CHECK(atomic_load(&thread.id) != 0);
        atomic_store(&stage, 2);
        pthread_join(handle, NULL);
        CHECK_INT(atomic_load(&thread.id), 0);
        CHECK_INT(vc_thread_policy(&thread), raised ? VC_POLICY_FIFO : VC_POLICY_ORDINARY);
    }
}

/* Computes until the guard has lowered this thread, but at most for 20 s. */
static void *spins(void *unused) {
    (void)unused;
    vc_thread_begin(&thread, "spins", true);
    bool raised = vc_thread_policy(&thread) == VC_POLICY_FIFO;
    int64_t until_ns = vc_clock_ns() + 20000000000;
    while (raised && vc_thread_policy(&thread) == VC_POLICY_FIFO && vc_clock_ns() < until_ns) {
    }
    policy_inside = policy_now(&level_inside);
    atomic_store(&stage, 1);
    wait_for(2);
    vc_thread_end(&thread);
    return NULL;
}

/* Like `spins`, but with pauses that are too short for other threads to make progress. */
static void *hardly_pauses(void *unused) {
    (void)unused;
    vc_thread_begin(&thread, "hardly pauses", true);
    bool raised = vc_thread_policy(&thread) == VC_POLICY_FIFO;
    int64_t until_ns = vc_clock_ns() + 60000000000;
    while (raised && vc_thread_policy(&thread) == VC_POLICY_FIFO && vc_clock_ns() < until_ns) {
        int64_t pause_ns = vc_clock_ns() + 4000000;
        while (vc_clock_ns() < pause_ns) {
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    policy_inside = policy_now(&level_inside);
    atomic_store(&stage, 1);
    wait_for(2);
    vc_thread_end(&thread);
    return NULL;
}

static void is_lowered(void *(*function)(void *)) {
    if (!may()) {
        return; /* without a real-time priority, the guard has nothing to lower */
    }
    CHECK(vc_thread_guard(0));
    pthread_t handle;
    begin(true, function, &handle);
    wait_for(1);
    CHECK_INT(policy_inside, SCHED_OTHER);
    CHECK_INT(vc_thread_policy(&thread), VC_POLICY_LOWERED);
    atomic_store(&stage, 2);
    pthread_join(handle, NULL);
    struct rlimit limit;
    getrlimit(RLIMIT_RTTIME, &limit);
    CHECK(limit.rlim_cur <= VC_SPIN_NS / 1000); /* the guard has set the soft limit again */
}

static void a_thread_that_spins_is_made_an_ordinary_one(void) { is_lowered(spins); }

static void a_thread_that_hardly_pauses_is_made_an_ordinary_one(void) { is_lowered(hardly_pauses); }

/* Spins until it is lowered, and then makes pauses that are long enough. */
static void *spins_once(void *unused) {
    (void)unused;
    vc_thread_begin(&thread, "spins once", true);
    bool raised = vc_thread_policy(&thread) == VC_POLICY_FIFO;
    while (raised && vc_thread_policy(&thread) == VC_POLICY_FIFO) {
    }
    for (int i = 0; raised && i < 20000 && vc_thread_policy(&thread) != VC_POLICY_FIFO; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        vc_thread_recover(&thread);
    }
    policy_inside = policy_now(&level_inside);
    atomic_store(&stage, 1);
    wait_for(2);
    vc_thread_end(&thread);
    return NULL;
}

static void a_thread_that_pauses_again_is_raised_again(void) {
    if (!may()) {
        return;
    }
    pthread_t handle;
    begin(true, spins_once, &handle);
    wait_for(1);
    CHECK_INT(policy_inside, SCHED_FIFO);
    CHECK_INT(vc_thread_policy(&thread), VC_POLICY_FIFO);
    atomic_store(&stage, 2);
    pthread_join(handle, NULL);
}

static void own_handler(int number) { (void)number; }

static void a_program_with_a_handler_of_its_own_keeps_it(void) {
    struct sigaction kept, now, theirs = {.sa_handler = own_handler};
    sigaction(SIGXCPU, &theirs, &kept);
    CHECK(!vc_thread_guard(0));
    sigaction(SIGXCPU, NULL, &now);
    CHECK(now.sa_handler == own_handler);
    sigaction(SIGXCPU, &kept, NULL);
    CHECK(vc_thread_guard(0));
}

/* A thread with an ordinary priority must not delete timers that the program has made. The first
 * timer of a process has the number 0. */
static void an_ordinary_thread_leaves_the_programs_timers_alone(void) {
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int timers[3];
    for (int i = 0; i < 3; i++) {
        CHECK_INT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timers[i]), 0);
    }
    CHECK_INT(timers[0], 0); /* otherwise this test finds nothing */
    pthread_t handle;
    begin(false, body, &handle);
    wait_for(1);
    atomic_store(&stage, 2);
    pthread_join(handle, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(syscall(SYS_timer_delete, timers[i]), 0);
    }
}

static bool is_blocked(int number) {
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    return sigismember(&blocked, number) == 1;
}

static void *looks_at_its_signals(void *urgent) {
    vc_thread_begin(&thread, "signals", urgent != NULL);
    policy_inside = is_blocked(SIGXCPU);
    level_inside = is_blocked(SIGUSR1);
    vc_thread_end(&thread);
    return NULL;
}

/* Many programs block all signals on all threads but one, and a thread inherits its creator's
 * blocked signals. The guard must unblock its own signal. */
static void the_guards_signal_reaches_a_thread_whose_creator_blocks_it(void) {
    CHECK(vc_thread_guard(0));
    sigset_t all, kept;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &kept);
    for (int urgent = 0; urgent <= 1; urgent++) {
        pthread_t handle;
        begin(urgent, looks_at_its_signals, &handle);
        pthread_join(handle, NULL);
        CHECK_INT(policy_inside, !urgent); /* only urgent threads need the signal */
        CHECK(level_inside);               /* all other signals stay blocked */
    }
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
}

/* A forked child has a copy of the guard's table, but none of the threads in it. */
static void a_forked_child_does_not_lower_its_parents_threads(void) {
    if (!may()) {
        return;
    }
    CHECK(vc_thread_guard(0));
    pthread_t handle;
    begin(true, body, &handle);
    wait_for(1);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGXCPU); /* as the kernel does at the limit RLIMIT_CPU, which children inherit */
        _exit(vc_thread_guard(0) && raise(SIGXCPU) == 0 ? 0 : 1);
    }
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    int policy = sched_getscheduler((pid_t)atomic_load(&thread.id)) & ~SCHED_RESET_ON_FORK;
    CHECK_INT(policy, SCHED_FIFO);
    atomic_store(&stage, 2);
    pthread_join(handle, NULL);
}

static void a_thread_that_has_ended_is_not_granted_anything(void) {
    memset(&thread, 0, sizeof thread);
    CHECK(!vc_thread_granted(&thread, 2));
    CHECK_INT(vc_thread_policy(&thread), VC_POLICY_ORDINARY);
}
#endif

int main(void) {
#if defined(__linux__)
    RUN(an_ordinary_thread_leaves_the_programs_timers_alone);
    RUN(a_thread_is_named_and_has_its_priority);
    RUN(a_thread_that_spins_is_made_an_ordinary_one);
    RUN(a_thread_that_hardly_pauses_is_made_an_ordinary_one);
    RUN(a_thread_that_pauses_again_is_raised_again);
    RUN(a_program_with_a_handler_of_its_own_keeps_it);
    RUN(the_guards_signal_reaches_a_thread_whose_creator_blocks_it);
    RUN(a_forked_child_does_not_lower_its_parents_threads);
    RUN(a_thread_that_has_ended_is_not_granted_anything);
#endif
    return check_summary();
}
