/* isolated.h - an interpreter with a GIL of its own, and one callable in it.
 *
 * This needs Python 3.12. One thread, the keeper, makes the interpreter, waits, and ends it. The
 * keeper is a Python thread of the interpreter that asks for the new one ("outside"). While the
 * keeper waits, foreign threads enter the new interpreter ("inside") through entries (entry.h), as
 * they enter any interpreter. No object is shared between the interpreters: only bytes (marshal)
 * are passed in and out.
 *
 * Threads: [keeper] and [control], both attached to the outside. Other Python threads run
 * meanwhile. */
#ifndef VOICECOIL_BRIDGE_ISOLATED_H
#define VOICECOIL_BRIDGE_ISOLATED_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct vc_isolated {
    PyInterpreterState *interpreter; /* NULL: not made, or ended */
    PyThreadState *home;             /* the keeper's thread state inside */
    PyObject *parts;                 /* inside: the result of isolated_bootstrap.enter */
    PyObject *describe;              /* inside: a function that describes an exception as bytes */
    _Atomic unsigned long importing; /* ident of the keeper's thread while it imports, else 0 */
    atomic_bool breaking;            /* a thread of vc_isolated_break_import is running */
} vc_isolated;

/* Functions of the code that uses the interpreter. The keeper calls both of them inside. */
typedef struct vc_isolated_user {
    /* `parts` stays valid until `drop` is called. Returns -1 with an exception if it fails. */
    int (*take)(void *argument, PyObject *parts);
    void (*drop)(void *argument); /* also called if `take` failed or was not called */
    void *argument;
} vc_isolated_user;

/* Makes the interpreter. Inside, `voicecoil.callbacks.isolated_bootstrap.enter` imports the
 * callable that `wanted` (bytes, a marshalled dict) names. If the import succeeds, `take` gets the
 * result. Returns a new reference to bytes from `enter`, which also report a failed import. Returns
 * NULL with an exception if `enter` could not be called. [keeper] */
PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted, const vc_isolated_user *user);
/* Ends the interpreter. Call it when no other thread is inside or will enter, and when the keeper's
 * thread state is the only one left. Does nothing after vc_isolated_forget_all. [keeper] */
void vc_isolated_end(vc_isolated *isolated, const vc_isolated_user *user);

/* Returns a new reference to bytes that describe an exception from inside. Takes over the reference
 * to the exception. This function and vc_isolated_interrupt may wait for the interpreter's GIL.
 * [control] */
PyObject *vc_isolated_describe(vc_isolated *isolated, PyObject *exception);
/* Raises SystemExit in a thread that runs inside, as soon as it runs Python code. [control] */
void vc_isolated_interrupt(vc_isolated *isolated, unsigned long thread);

/* Raises SystemExit in the keeper if it is importing the callable in vc_isolated_make, as soon as
 * it runs Python code. Returns at once. The work is done by a native thread, because it may have to
 * wait for the interpreter's GIL, and because Python starts no thread at exit. Any thread but the
 * keeper may call it at any time. [control] */
void vc_isolated_break_import(vc_isolated *isolated);

/* Call it at exit, if one of the interpreters cannot be ended. Removes all interpreters but the
 * main one from the runtime's list, because Python aborts if one is left there. Before that, it
 * waits without the GIL until no keeper is making or ending an interpreter. Afterwards no keeper
 * does so any more. Returns false if a keeper did not finish within `timeout_s`. Python aborts if
 * that keeper finishes later. A forked child removes the interpreters automatically, because Python
 * would abort when it clears the parent's interpreters. CPython has no function for this, so the
 * list is changed in memory. If the list does not look as expected, nothing is changed. [control]
 */
bool vc_isolated_forget_all(double timeout_s);

#endif
