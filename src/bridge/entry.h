/* entry.h - lets one foreign thread into one interpreter. Private to bridge/.
 *
 * A thread that Python did not create gets a thread state when it first enters. It keeps the state,
 * and attaches and detaches it each time. PyGILState_Ensure is not used: it takes about seventy
 * times as long, works only with the main interpreter, and at exit it kills the thread, hangs or
 * aborts, depending on the version (docs/decisions/0002).
 *
 * Threads: [own] the thread whose entry it is, detached; [control] any other thread, attached to
 * any interpreter, while the own thread is not inside and will not enter. */
#ifndef VOICECOIL_BRIDGE_ENTRY_H
#define VOICECOIL_BRIDGE_ENTRY_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "preempt.h"

typedef struct vc_entry {
    PyInterpreterState *interpreter; /* the interpreter that made the entry */
    PyThreadState *state;            /* kept between visits */
    uint64_t thread;                 /* vc_this_thread of the thread that has `state` */
    unsigned long ident;             /* PyThread_get_thread_ident of the same thread */
    _Atomic unsigned long inside;    /* `ident` during a visit, else 0 */
    _Atomic bool closed;             /* no thread may enter any more */
    vc_preempt *preempt;             /* asks other threads to release the GIL. The caller must call
                                      * vc_preempt_got after vc_entry_enter. NULL: no thread is
                                      * asked */
} vc_entry;

/* The calling thread's number, which no other thread ever gets. A pthread_t is not usable: as soon
 * as its thread has ended, a new thread may get the same one. That thread would then use a state
 * that is bound to a dead thread. */
uint64_t vc_this_thread(void);
/* Attaches this thread. Returns false if the entry is closed or memory is exhausted. [own] */
bool vc_entry_enter(vc_entry *entry);
/* Detaches this thread and keeps its state. [own] */
void vc_entry_leave(vc_entry *entry);
/* Detaches this thread and drops its state, instead of vc_entry_leave. [own] */
void vc_entry_leave_for_good(vc_entry *entry);
/* Drops the state of a thread that will not enter again. [control] */
void vc_entry_reap(vc_entry *entry);

/* Keeps the calling thread's interpreter from being ended as long as another thread may enter it
 * (PEP 788, from Python 3.15 on). At exit, Python waits until voicecoil's exit handler has closed
 * all streams and gates, which releases their guards. So a thread never enters an interpreter that
 * is being ended. A guard must be zero before its first use. */
typedef struct vc_guard {
    void *_Atomic held; /* a PyInterpreterGuard */
    struct vc_guard *next;
} vc_guard;

/* Returns -1 with an exception if the interpreter is being ended. [control] */
int vc_guard_take(vc_guard *guard);
/* Releases the guard. Further calls do nothing. [control] */
void vc_guard_release(vc_guard *guard);
/* Call it in a forked child. Releases all guards that the child has copied from its parent. The
 * threads that would release them do not exist in the child, so Python would wait for ever at the
 * child's exit. */
void vc_guard_release_all(void);

/* Attaches the calling thread to `interpreter` with a new thread state, which vc_visit_end drops.
 * Returns the thread state that was attached before, for vc_visit_end. [control] */
PyThreadState *vc_visit_begin(PyInterpreterState *interpreter);
void vc_visit_end(PyThreadState *elsewhere);

/* Clears the exception that is set. Returns a new reference to it, with its traceback, or NULL if
 * none is set. The thread must be attached. */
PyObject *vc_fetch_exception(void);
/* Sets an exception that vc_fetch_exception returned, and takes the reference. If `exception` is
 * NULL, no exception is set afterwards. The thread must be attached. */
void vc_put_raised(PyObject *exception);
/* Raises an ArgumentTypeError. `text` is a format in which %U stands for the repr of `given`.
 * `given` may be NULL. The thread must be attached. */
void vc_raise_wrong(const char *text, PyObject *given);

#endif
