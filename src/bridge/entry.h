/* entry.h - one foreign thread's way into one interpreter. Private to bridge/.
 *
 * A thread that Python has never seen gets a thread state in its first visit, keeps it, and
 * attaches and detaches it in each. Not PyGILState_Ensure: that is some seventy times dearer, finds
 * the main interpreter only, and at exit kills, hangs or aborts, by version (docs/decisions/0002).
 *
 * Threads: [own] the thread whose entry it is, detached; [control] any other, attached to some
 * interpreter, while the own one is not inside and will not enter. */
#ifndef VOICECOIL_BRIDGE_ENTRY_H
#define VOICECOIL_BRIDGE_ENTRY_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "preempt.h"

typedef struct vc_entry {
    PyInterpreterState *interpreter; /* remembered, never guessed */
    PyThreadState *state;            /* kept between visits */
    uint64_t thread;                 /* whose `state` is: its vc_this_thread */
    unsigned long ident;             /* and its PyThread_get_thread_ident */
    _Atomic unsigned long inside;    /* `ident` during a visit, else 0 */
    _Atomic bool closed;             /* nobody enters any more */
    vc_preempt *preempt;             /* asks whoever has the GIL; who has entered then calls
                                      * vc_preempt_got. NULL: waits as every thread */
} vc_entry;

/* The calling thread's number, never another one's. Not its pthread_t, which the next thread gets
 * as soon as it has ended: that one would go on with a state that is bound to a dead thread. */
uint64_t vc_this_thread(void);
/* Attaches this thread. False: it is closed, or there is no memory. [own] */
bool vc_entry_enter(vc_entry *entry);
/* Detaches it, and keeps its state. [own] */
void vc_entry_leave(vc_entry *entry);
/* Detaches it and drops its state; instead of vc_entry_leave. [own] */
void vc_entry_leave_for_good(vc_entry *entry);
/* Drops the state that a thread left which will not enter again. [control] */
void vc_entry_reap(vc_entry *entry);

/* Keeps the calling thread's interpreter from being ended (PEP 788, from Python 3.15 on), as long
 * as somebody may enter it: at exit Python waits for our own handler to close what is open, and a
 * thread that enters can never meet an interpreter that is being ended. Begin with zeros. */
typedef struct vc_guard {
    void *_Atomic held; /* a PyInterpreterGuard */
    struct vc_guard *next;
} vc_guard;

/* -1 with an exception: it is being ended. [control] */
int vc_guard_take(vc_guard *guard);
/* Any number of times. [control] */
void vc_guard_give(vc_guard *guard);
/* In a forked child: gives all that the parent has taken. Nobody enters there, and the child's end
 * would wait for ever. */
void vc_guard_forget_all(void);

/* Attaches the calling thread to `interpreter` with a state that is dropped by vc_come_back: for
 * one that has a state elsewhere, which is returned. [control] */
PyThreadState *vc_visit(PyInterpreterState *interpreter);
void vc_come_back(PyThreadState *elsewhere);

/* Takes the exception that is set: a new reference with its traceback, or NULL. Attached. */
PyObject *vc_take_raised(void);

#endif
