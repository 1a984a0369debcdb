/* thread.h - what voicecoil sets on its own threads: a name, a priority, the floating-point mode.
 *
 * A thread that makes sound competes with every program that computes. With an ordinary priority a
 * busy machine lets it wait for longer than the sound that is ready lasts. Systems have priorities
 * that come before all ordinary work, and one who misuses them can freeze a machine; so the
 * priority is the lowest of them, below every device's IO thread, and it is taken away again from
 * a thread that computes without a pause:
 *
 *   Linux    SCHED_FIFO where the process may (RLIMIT_RTPRIO, CAP_SYS_NICE), otherwise what
 *            RealtimeKit grants (the control plane asks it). A thread that takes nine tenths of a
 *            processor while it computes for VC_SPIN_NS becomes an ordinary one: a timer that
 *            counts its computing sends SIGXCPU, and so does RLIMIT_RTTIME where a thread does not
 *            pause at all; our handler lowers it.
 *   macOS    the quality of service "user interactive", which cannot freeze anything.
 *   Windows  the "Audio" task of the Multimedia Class Scheduler Service, which has its own guard.
 *
 * Threads: [own] the thread itself; [control], [any] as in voicecoil.h. */
#ifndef VOICECOIL_THREAD_H
#define VOICECOIL_THREAD_H

#include "voicecoil.h"

#include <stdatomic.h>

/* A variable of each thread, which its first use must not allocate: in a module that is loaded
 * while the program runs, glibc would otherwise call malloc for it, on the IO thread. */
#if defined(__GLIBC__)
#define VC_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define VC_THREAD_LOCAL _Thread_local
#endif

/* How a thread's turn comes. */
typedef enum vc_policy {
    VC_POLICY_ORDINARY = 0, /* like every other thread */
    VC_POLICY_FIFO = 1,     /* SCHED_FIFO */
    VC_POLICY_RR = 2,       /* SCHED_RR, from RealtimeKit */
    VC_POLICY_QOS = 3,      /* macOS: user interactive */
    VC_POLICY_MMCSS = 4,    /* Windows: the task "Audio" */
    VC_POLICY_LOWERED = 5   /* it had one of those and computed without a pause */
} vc_policy;

enum { VC_WORKER_PRIORITY = 2 }; /* of SCHED_FIFO and SCHED_RR; IO threads have 5 to 88 */
enum { VC_SPIN_NS = 200000000 }; /* computing at a stretch, after which a thread is lowered */

/* One thread, and what it was given. Begin with zeros. */
typedef struct vc_thread {
    _Atomic int64_t id;     /* the system's number; 0: it has not begun */
    _Atomic int32_t policy; /* vc_policy */
    _Atomic int32_t level;  /* of SCHED_FIFO and SCHED_RR */
    _Atomic int32_t error;  /* errno of a refusal; 0: none */
    _Atomic int32_t slot;   /* of those that the guard watches; 0: none */
    void *task;             /* Windows */
    int32_t timer;          /* Linux: counts the time that it computes; -1: none */
    int64_t lowered_ns; /* when it was found to be lowered, or not to be raised yet; 0: it is not */
    int64_t busy_ns;    /* how long it had computed then */
} vc_thread;

/* Names the calling thread, as debuggers and `top -H` show it. Of the name Linux keeps 15
 * characters. [own] */
void vc_thread_name(const char *name);
/* Names it, sets the floating-point mode and, if `urgent`, asks for a priority; then
 * vc_thread_guard has returned true. [own] */
void vc_thread_begin(vc_thread *thread, const char *name, bool urgent);
/* Before it ends. [own] */
void vc_thread_end(vc_thread *thread);
/* Raises a thread again that was lowered, after two seconds in which it took less than half of a
 * processor; not one that RealtimeKit had raised. From time to time. [own] */
void vc_thread_recover(vc_thread *thread);
/* RealtimeKit has raised the thread, which has been watched since it began. False: it has ended.
 * [control] */
bool vc_thread_granted(vc_thread *thread, int32_t level);
/* [any] */
vc_policy vc_thread_policy(const vc_thread *thread) VC_REALTIME;
/* Prepares the guard against threads that spin, once for each process; Linux. False: the program
 * handles SIGXCPU itself, so that nobody would lower a thread: none is raised then. `hard_us`: not
 * 0: also the hard limit, us, which RealtimeKit demands, and at which the system would end the
 * process if the handler had not lowered the thread before; an unprivileged process cannot take it
 * back. [control] */
bool vc_thread_guard(int64_t hard_us);

#endif
