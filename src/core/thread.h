/* thread.h - what voicecoil sets on its own threads: a name, a priority, the floating-point mode.
 *
 * A thread that makes sound competes with every program that computes. On a busy machine, a thread
 * with an ordinary priority may have to wait for longer than the sound that is ready lasts. Systems
 * have priorities that come before all ordinary work, but a thread that misuses them can freeze a
 * machine. So voicecoil's thread gets the lowest of these priorities, below every device's IO
 * thread. It loses this priority again if it computes without a pause:
 *
 *   Linux    SCHED_FIFO if the process may use it (RLIMIT_RTPRIO, CAP_SYS_NICE), otherwise the
 *            priority that RealtimeKit grants (the control plane asks it). Whenever a thread has
 *            computed for VC_SPIN_NS, a timer sends it SIGXCPU. If the thread took nine tenths of a
 *            processor meanwhile, the signal handler gives it an ordinary priority. RLIMIT_RTTIME
 *            sends the same signal if a thread does not pause at all.
 *   macOS    the quality of service "user interactive", which cannot freeze a machine.
 *   Windows  the "Audio" task of the Multimedia Class Scheduler Service, which itself limits
 *            threads that do not pause.
 *
 * Threads: [own] the thread itself; [control], [any] as in voicecoil.h. */
#ifndef VOICECOIL_THREAD_H
#define VOICECOIL_THREAD_H

#include "voicecoil.h"

#include <stdatomic.h>

/* Declares a thread-local variable whose first use does not allocate. In a module that is loaded
 * while the program runs, glibc would otherwise call malloc at the first use, on the IO thread. */
#if defined(__GLIBC__)
#define VC_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define VC_THREAD_LOCAL _Thread_local
#endif

/* The scheduling of a thread. */
typedef enum vc_policy {
    VC_POLICY_ORDINARY = 0, /* like every other thread */
    VC_POLICY_FIFO = 1,     /* SCHED_FIFO */
    VC_POLICY_RR = 2,       /* SCHED_RR, from RealtimeKit */
    VC_POLICY_QOS = 3,      /* macOS: user interactive */
    VC_POLICY_MMCSS = 4,    /* Windows: the task "Audio" */
    VC_POLICY_LOWERED = 5   /* the guard has lowered the thread, which computed without a pause */
} vc_policy;

enum { VC_WORKER_PRIORITY = 2 }; /* for SCHED_FIFO and SCHED_RR; IO threads have 5 to 88 */
enum { VC_SPIN_NS = 200000000 }; /* processor time after which the guard checks a thread */

/* One thread, and what the system has granted it. Must be zero before the first use. */
typedef struct vc_thread {
    _Atomic int64_t id;     /* the system's number of the thread; 0: it does not run */
    _Atomic int32_t policy; /* vc_policy */
    _Atomic int32_t level;  /* priority of SCHED_FIFO and SCHED_RR */
    _Atomic int32_t error;  /* errno if the system refused the priority; 0: no error */
    _Atomic int32_t slot;   /* the guard's slot for the thread; 0: it is not watched */
    void *task;             /* Windows: the handle of the MMCSS task */
    int32_t timer;          /* Linux: the timer that counts the thread's processor time; -1: none */
    int64_t lowered_ns; /* when the thread was last found too busy to be raised; 0: not lowered */
    int64_t busy_ns;    /* the thread's processor time at lowered_ns */
} vc_thread;

/* A group of threads with one deadline, such as the os_workgroup of a Mac's IO thread. The thread
 * that has joined a group leaves it. [own] */
typedef struct vc_thread_group {
    int32_t (*join)(struct vc_thread_group *group); /* returns 0, or an error number */
    void (*leave)(struct vc_thread_group *group);
} vc_thread_group;

/* Names the calling thread for debuggers and `top -H`. Linux keeps 15 characters. [own] */
void vc_thread_name(const char *name);
/* Names the calling thread, sets the floating-point mode and, if `urgent`, asks for a priority.
 * With `urgent`, vc_thread_guard must have returned true before. [own] */
void vc_thread_begin(vc_thread *thread, const char *name, bool urgent);
/* Call it before the thread ends. [own] */
void vc_thread_end(vc_thread *thread);
/* Raises a lowered thread again after two seconds in which it took less than half of a processor. A
 * thread that RealtimeKit had raised stays lowered. If the program has replaced the guard's signal
 * handler, the thread gets an ordinary priority for good, with the error ECANCELED. Call it from
 * time to time. [own] */
void vc_thread_recover(vc_thread *thread);
/* Records that RealtimeKit has raised the thread. The guard has watched the thread since it began.
 * Returns false if the thread has ended. [control] */
bool vc_thread_granted(vc_thread *thread, int32_t level);
/* [any] */
vc_policy vc_thread_policy(const vc_thread *thread) VC_REALTIME;
/* Prepares the guard against threads that compute without a pause, on Linux. Returns false if the
 * program handles SIGXCPU itself. No thread must be raised then, because the guard could not lower
 * it. If `hard_us` is not 0, it becomes the hard limit of RLIMIT_RTTIME, in us, which RealtimeKit
 * demands. At this limit the system ends the process, unless the handler has lowered the thread
 * before. An unprivileged process cannot raise the limit again. [control] */
bool vc_thread_guard(int64_t hard_us);

#endif
