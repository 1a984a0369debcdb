/* Names, priorities and floating-point modes of threads. See thread.h.
 *
 * The guard's signal handler may run at any moment on any thread, also while a thread ends. So it
 * finds threads by their numbers in a fixed table, and never follows a pointer. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "thread.h"

#include "floating.h"

#include <errno.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <time.h>
#endif
#if defined(__APPLE__)
#include <pthread/qos.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if !defined(sigev_notify_thread_id)
#define sigev_notify_thread_id _sigev_un._tid /* glibc does not define this name */
#endif
#endif

static void set(vc_thread *thread, vc_policy policy, int32_t level, int32_t error) {
    atomic_store(&thread->level, level);
    atomic_store(&thread->error, error);
    atomic_store(&thread->policy, (int32_t)policy);
}

#if defined(__linux__)
/* ---- Linux ------------------------------------------------------------------------------------
 */

enum { SLOTS = 64 };                           /* slot 0 is not used: it means "no slot" */
static _Atomic int64_t watched[SLOTS];         /* key_of a thread; 0: the slot is free */
static _Atomic bool lowered[SLOTS];            /* the thread has an ordinary priority now */
static _Atomic int64_t counted_from_ns[SLOTS]; /* when the timer last began to count */
#define TOO_MUCH 0.9                           /* share of a processor */

static int this_id(void) { return (int)syscall(SYS_gettid); }

/* A key for a thread: the thread's id, with the id of its process in the upper half. A forked child
 * has a copy of its parent's table. The process id tells the child that these are not its own
 * threads. */
static int64_t key_of(int id) { return (int64_t)getpid() << 32 | id; }

static bool is_ours(int64_t key) { return key >> 32 == getpid(); }

/* Returns 0 or errno. Uses the system call, because the C library's function differs in musl. */
static int set_scheduler(int id, int policy, int level) {
    struct sched_param parameters = {.sched_priority = level};
    return syscall(SYS_sched_setscheduler, id, policy, &parameters) == 0 ? 0 : errno;
}

/* The soft limit in us. The system checks limits once in each tick, so the soft limit is lower than
 * the hard limit by the time that the handler needs to run. */
static rlim_t soft_limit(const struct rlimit *limit) {
    rlim_t spin = VC_SPIN_NS / 1000, most = limit->rlim_max / 4 * 3;
    return most < spin ? most : spin;
}

static void limit_soft(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) == 0) {
        limit.rlim_cur = soft_limit(&limit);
        setrlimit(RLIMIT_RTTIME, &limit);
    }
}

static int scheduler_of(int id) {
    return (int)syscall(SYS_sched_getscheduler, id) & ~SCHED_RESET_ON_FORK;
}

static void lower(int slot, int id) {
    int policy = scheduler_of(id);
    if (policy == SCHED_FIFO || policy == SCHED_RR) {
        atomic_store(&lowered[slot], true);
        /* The thread has the flag SCHED_RESET_ON_FORK. It is kept, because only root may remove it.
         */
        set_scheduler(id, SCHED_OTHER | SCHED_RESET_ON_FORK, 0);
    }
}

static int slot_of(int id) {
    int64_t key = key_of(id);
    int slot = SLOTS - 1;
    while (slot > 0 && atomic_load(&watched[slot]) != key) {
        slot--;
    }
    return slot;
}

/* Called when a thread's timer has counted VC_SPIN_NS of processor time. The time that has passed
 * meanwhile tells which share of a processor the thread took. */
static void on_timer(int slot, int me) {
    int64_t now_ns = vc_clock_ns();
    int64_t passed_ns = now_ns - atomic_exchange(&counted_from_ns[slot], now_ns);
    if ((double)passed_ns * TOO_MUCH < (double)VC_SPIN_NS) {
        lower(slot, me);
    }
}

/* The guard's signal handler. A timer sends the signal to its own thread. RLIMIT_RTTIME sends it to
 * the process, and the system prefers the thread that has computed too long. If that thread blocks
 * the signal, the handler runs on another thread. It cannot know then which thread it was, so it
 * lowers all threads. The handler makes only system calls.
 *
 * When RLIMIT_RTTIME sends the signal, the system adds a second to the soft limit. So the handler
 * sets the limit again, even if the signal seems to come from a timer. If a timer and the limit
 * send the signal at the same time, only one signal is delivered, and it names the timer. */
static void on_sigxcpu(int number, siginfo_t *info, void *unused) {
    (void)number, (void)unused;
    int kept = errno, me = this_id(), mine = slot_of(me);
    if (info->si_code == SI_TIMER) {
        if (mine != 0) {
            on_timer(mine, me);
        }
        limit_soft();
        errno = kept;
        return;
    }
    for (int slot = mine != 0 ? mine : 1; slot < (mine != 0 ? mine + 1 : SLOTS); slot++) {
        int64_t key = atomic_load(&watched[slot]);
        if (is_ours(key)) {
            lower(slot, (int)(key & INT32_MAX));
        }
    }
    limit_soft();
    errno = kept;
}

/* Sends SIGXCPU to the calling thread whenever it has computed for VC_SPIN_NS. Uses system calls,
 * because older C libraries have the functions in a separate library. */
static void start_timer(vc_thread *thread) {
#if defined(SYS_timer_create) && defined(SYS_timer_settime) && UINTPTR_MAX == UINT64_MAX
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGXCPU};
    event.sigev_notify_thread_id = this_id();
    int timer = -1;
    if (syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0) {
        struct timespec spin = {.tv_nsec = VC_SPIN_NS};
        struct itimerspec times = {.it_interval = spin, .it_value = spin};
        syscall(SYS_timer_settime, timer, 0, &times, NULL);
        thread->timer = timer;
    }
#else
    (void)thread;
#endif
}

/* Unblocks SIGXCPU on this thread, because a program may block all signals on all threads but one.
 * Without the handler the thread would not be lowered, and at the hard limit of RLIMIT_RTTIME the
 * system would end the process. */
static void let_guard_in(void) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGXCPU);
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

static void end_timer(vc_thread *thread) {
#if defined(SYS_timer_delete)
    if (thread->timer != -1) {
        syscall(SYS_timer_delete, thread->timer);
    }
#endif
    thread->timer = -1;
}

static bool is_guard(const struct sigaction *action) {
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_sigxcpu;
}

bool vc_thread_guard(int64_t hard_us) {
    struct sigaction now;
    if (sigaction(SIGXCPU, NULL, &now) != 0) {
        return false;
    }
    if (!is_guard(&now)) {
        if (now.sa_handler != SIG_DFL) {
            return false;
        }
        struct sigaction ours = {.sa_sigaction = on_sigxcpu, .sa_flags = SA_RESTART | SA_SIGINFO};
        sigemptyset(&ours.sa_mask);
        if (sigaction(SIGXCPU, &ours, NULL) != 0) {
            return false;
        }
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) != 0) {
        return false;
    }
    if (hard_us != 0 && limit.rlim_max > (rlim_t)hard_us) { /* RLIM_INFINITY is the largest value */
        limit.rlim_max = (rlim_t)hard_us;
    }
    rlim_t soft = soft_limit(&limit);
    limit.rlim_cur = limit.rlim_cur < soft ? limit.rlim_cur : soft;
    return setrlimit(RLIMIT_RTTIME, &limit) == 0;
}

static bool watch(vc_thread *thread, int id) {
    for (int32_t slot = 1; slot < SLOTS; slot++) {
        int64_t before = atomic_load(&watched[slot]);
        if (!is_ours(before)) {
            atomic_store(&lowered[slot], false);
            atomic_store(&counted_from_ns[slot], vc_clock_ns());
            if (atomic_compare_exchange_strong(&watched[slot], &before, key_of(id))) {
                atomic_store(&thread->slot, slot);
                return true;
            }
        }
    }
    return false;
}

static void unwatch(vc_thread *thread) {
    int32_t slot = atomic_exchange(&thread->slot, 0); /* two threads may call this at once */
    if (slot != 0) {
        atomic_store(&watched[slot], 0);
    }
}

void vc_thread_name(const char *name) {
    char kept[16] = {0};
    strncpy(kept, name, sizeof kept - 1);
    pthread_setname_np(pthread_self(), kept);
}

static void raise_priority(vc_thread *thread) {
    int id = this_id();
    let_guard_in();
    if (!watch(thread, id)) {
        set(thread, VC_POLICY_ORDINARY, 0, EAGAIN);
        return;
    }
    int error = set_scheduler(id, SCHED_FIFO | SCHED_RESET_ON_FORK, VC_WORKER_PRIORITY);
    if (error) { /* the thread stays in the table, because RealtimeKit may raise it later */
        set(thread, VC_POLICY_ORDINARY, 0, error);
    } else {
        set(thread, VC_POLICY_FIFO, VC_WORKER_PRIORITY, 0);
    }
}

bool vc_thread_granted(vc_thread *thread, int32_t level) {
    int id = (int)atomic_load(&thread->id);
    int32_t slot = atomic_load(&thread->slot);
    if (id == 0 || slot == 0) {
        return false;
    }
    atomic_store(&lowered[slot], false);
    set(thread, VC_POLICY_RR, level, 0);
    if (scheduler_of(id) != SCHED_RR) { /* the guard has lowered it already */
        atomic_store(&lowered[slot], true);
    }
    return true;
}

/* The program handles SIGXCPU itself now. It must not get the timer's signal, whose default action
 * ends the process, and no handler could lower the thread. */
static void give_up_priority(vc_thread *thread) {
    int policy = scheduler_of(this_id());
    end_timer(thread);
    if (policy == SCHED_FIFO || policy == SCHED_RR) {
        set_scheduler(this_id(), SCHED_OTHER | SCHED_RESET_ON_FORK, 0);
    }
    set(thread, VC_POLICY_ORDINARY, 0, ECANCELED);
    unwatch(thread);
}

enum { AGAIN_NS = 2000000000 };
#define LITTLE 0.5 /* share of a processor */

void vc_thread_recover(vc_thread *thread) {
    int32_t slot = atomic_load(&thread->slot);
    struct sigaction now;
    if (slot != 0 && sigaction(SIGXCPU, NULL, &now) == 0 && !is_guard(&now)) {
        give_up_priority(thread);
        return;
    }
    if (slot == 0 || !atomic_load(&lowered[slot])) {
        thread->lowered_ns = 0;
        return;
    }
    int64_t now_ns = vc_clock_ns();
    if (thread->lowered_ns != 0 && now_ns - thread->lowered_ns < AGAIN_NS) {
        return;
    }
    struct timespec taken;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &taken);
    int64_t busy_ns = (int64_t)taken.tv_sec * 1000000000 + taken.tv_nsec;
    double share = (double)(busy_ns - thread->busy_ns) / (double)(now_ns - thread->lowered_ns);
    bool fifo = atomic_load(&thread->policy) == VC_POLICY_FIFO;
    if (fifo && thread->lowered_ns != 0 && share < LITTLE) {
        int policy = SCHED_FIFO | SCHED_RESET_ON_FORK;
        atomic_store(&counted_from_ns[slot], now_ns);
        atomic_store(&lowered[slot], set_scheduler(this_id(), policy, VC_WORKER_PRIORITY) != 0);
    }
    thread->lowered_ns = now_ns;
    thread->busy_ns = busy_ns;
}

vc_policy vc_thread_policy(const vc_thread *thread) {
    vc_policy policy = (vc_policy)atomic_load(&thread->policy);
    bool raised = policy == VC_POLICY_FIFO || policy == VC_POLICY_RR;
    return raised && atomic_load(&lowered[atomic_load(&thread->slot)]) ? VC_POLICY_LOWERED : policy;
}

#else
/* ---- other systems ----------------------------------------------------------------------------
 */

static void start_timer(vc_thread *thread) { (void)thread; }

static void end_timer(vc_thread *thread) { (void)thread; }

void vc_thread_recover(vc_thread *thread) { (void)thread; }

bool vc_thread_guard(int64_t hard_us) {
    (void)hard_us;
    return true;
}

bool vc_thread_granted(vc_thread *thread, int32_t level) {
    (void)thread, (void)level;
    return false;
}

vc_policy vc_thread_policy(const vc_thread *thread) {
    return (vc_policy)atomic_load(&thread->policy);
}

#if defined(__APPLE__)
static int this_id(void) {
    uint64_t id = 0;
    pthread_threadid_np(NULL, &id);
    return (int)id;
}

void vc_thread_name(const char *name) { pthread_setname_np(name); }

static void raise_priority(vc_thread *thread) {
    int error = pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0);
    set(thread, error ? VC_POLICY_ORDINARY : VC_POLICY_QOS, 0, error);
}

static void unwatch(vc_thread *thread) { (void)thread; }

#elif defined(_WIN32)
static int this_id(void) { return (int)GetCurrentThreadId(); }

/* avrt.dll is part of Windows since Vista, but some compilers have no import library for it. */
static FARPROC avrt(const char *name) {
    HMODULE library = LoadLibraryA("avrt.dll");
    return library != NULL ? GetProcAddress(library, name) : NULL;
}

/* SetThreadDescription exists since Windows 10. */
void vc_thread_name(const char *name) {
    typedef HRESULT(WINAPI * describe)(HANDLE, PCWSTR);
    HMODULE kernel = GetModuleHandleA("kernel32.dll");
    describe function = (describe)(void *)GetProcAddress(kernel, "SetThreadDescription");
    wchar_t wide[64] = {0};
    for (size_t i = 0; i < 63 && name[i] != '\0'; i++) {
        wide[i] = (wchar_t)name[i];
    }
    if (function != NULL) {
        function(GetCurrentThread(), wide);
    }
}

static void raise_priority(vc_thread *thread) {
    typedef HANDLE(WINAPI * begin)(LPCSTR, LPDWORD);
    begin function = (begin)(void *)avrt("AvSetMmThreadCharacteristicsA");
    DWORD index = 0;
    thread->task = function != NULL ? function("Audio", &index) : NULL;
    set(thread, thread->task != NULL ? VC_POLICY_MMCSS : VC_POLICY_ORDINARY, 0,
        thread->task != NULL ? 0 : ENOTSUP);
}

static void unwatch(vc_thread *thread) {
    typedef BOOL(WINAPI * end)(HANDLE);
    end function = (end)(void *)avrt("AvRevertMmThreadCharacteristics");
    if (thread->task != NULL && function != NULL) {
        function(thread->task);
    }
    thread->task = NULL;
}

#else
static int this_id(void) { return 1; }

void vc_thread_name(const char *name) { (void)name; }

static void raise_priority(vc_thread *thread) { set(thread, VC_POLICY_ORDINARY, 0, ENOTSUP); }

static void unwatch(vc_thread *thread) { (void)thread; }
#endif
#endif

/* ---- all systems ------------------------------------------------------------------------------
 */

void vc_thread_begin(vc_thread *thread, const char *name, bool urgent) {
    vc_thread_name(name);
    vc_float_enter(); /* the mode stays until the thread ends */
    thread->lowered_ns = 0;
    thread->timer = -1; /* not 0, because the program may have a timer with this number */
    set(thread, VC_POLICY_ORDINARY, 0, 0);
    if (urgent) {
        start_timer(thread);
        raise_priority(thread);
    }
    atomic_store(&thread->id, this_id());
}

void vc_thread_end(vc_thread *thread) {
    atomic_store(&thread->id, 0);
    atomic_store(&thread->policy,
                 (int32_t)vc_thread_policy(thread)); /* the last policy stays readable */
    end_timer(thread);
    unwatch(thread);
}
