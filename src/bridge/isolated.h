/* isolated.h - an interpreter with a GIL of its own, and one callable in it.
 *
 * From Python 3.12 on. One thread makes the interpreter, waits, and ends it: its keeper, a Python
 * thread of the interpreter that wants it ("outside"). In between foreign threads enter by entries
 * like those of any interpreter. No object crosses: what goes in and what comes out are bytes
 * (marshal).
 *
 * Threads: [keeper], [control], both attached to the outside. Other Python threads run meanwhile.
 */
#ifndef VOICECOIL_BRIDGE_ISOLATED_H
#define VOICECOIL_BRIDGE_ISOLATED_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct vc_isolated {
    PyInterpreterState *interpreter; /* NULL: not made, or ended */
    PyThreadState *home;             /* the keeper's, inside */
    PyObject *parts;                 /* inside: what voicecoil.callbacks.isolated_bootstrap made */
    PyObject *describe;              /* inside: makes bytes of an exception */
    _Atomic unsigned long importing; /* the keeper's ident while it imports, else 0 */
    atomic_bool breaking;            /* a thread does what vc_isolated_break_import promises */
} vc_isolated;

/* Who wants the interpreter. Both are called inside, by the keeper. */
typedef struct vc_isolated_user {
    int (*take)(void *argument, PyObject *parts); /* borrowed until `drop`; -1 with an exception */
    void (*drop)(void *argument);                 /* also without `take`, or after it failed */
    void *argument;
} vc_isolated_user;

/* Makes the interpreter and has `voicecoil.callbacks.isolated_bootstrap.enter` import the callable
 * there, as `wanted` (bytes, a marshalled dict) says; if that went well `take` gets what it made.
 * New reference to the bytes that it answers. NULL with an exception: not even that could be run.
 * [keeper] */
PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted, const vc_isolated_user *user);
/* Ends the interpreter, when no other thread is inside or will enter, and no thread state is left
 * but the keeper's. Does nothing after vc_isolated_forget_all. [keeper] */
void vc_isolated_end(vc_isolated *isolated, const vc_isolated_user *user);

/* New reference to bytes that describe an exception of the inside, whose reference it takes. May
 * wait for the interpreter's GIL, as the next. [control] */
PyObject *vc_isolated_describe(vc_isolated *isolated, PyObject *exception);
/* Raises SystemExit in a thread that runs inside; noticed when that next runs Python code.
 * [control] */
void vc_isolated_interrupt(vc_isolated *isolated, unsigned long thread);

/* Raises SystemExit in the keeper if it is in vc_isolated_make and imports the callable; noticed
 * when that next runs Python code. Returns at once: a native thread does it, because it may have to
 * wait for the interpreter's GIL, and Python starts no thread while it ends. Any thread but the
 * keeper, at any time. [control] */
void vc_isolated_break_import(vc_isolated *isolated);

/* At exit, when one of the interpreters cannot be ended: takes all but the main one off the
 * runtime's list, because Python aborts when one is left there. Before that it waits, without the
 * GIL, for keepers that are making or ending one; afterwards none is made or ended any more.
 * Returns false if a keeper did not finish within `timeout_s`: Python aborts if that keeper
 * finishes later. The child of a fork does the same by itself, because Python aborts when it clears
 * the parent's interpreters. CPython has no call for this; if its list does not look as expected
 * nothing is done. [control] */
bool vc_isolated_forget_all(double timeout_s);

#endif
