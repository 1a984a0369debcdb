/* isolated.h - an interpreter with a GIL of its own, and the one callable in it that a stream
 * calls.
 *
 * From Python 3.12 on. One thread makes the interpreter, waits, and ends it: its keeper, a Python
 * thread of the interpreter that opened the stream ("outside"). In between the device's IO thread
 * enters by an ordinary bridge, which was made inside and so belongs there. No object crosses: what
 * goes in and what comes out are bytes (marshal).
 *
 * Threads: [keeper], [control] and [IO]. Keeper and control calls are made with the outside
 * attached.
 */
#ifndef VOICECOIL_BRIDGE_ISOLATED_H
#define VOICECOIL_BRIDGE_ISOLATED_H

#include <Python.h>

#include "bridge.h"

typedef struct vc_isolated {
    vc_bridge *bridge;  /* NULL: not made, or ended */
    float *input_block; /* what the callable's views show; NULL without that direction */
    float *output_block;
    PyInterpreterState *interpreter;
    PyThreadState *home; /* the keeper's, inside */
    PyObject *parts;     /* inside: a tuple of all that the bridge borrows */
    PyObject *describe;  /* inside: makes bytes of an exception */
} vc_isolated;

/* NULL with MemoryError, or with NotImplementedError before 3.12. [control] */
vc_isolated *vc_isolated_new(void);
/* When it was never made or has ended. NULL is allowed. [control] */
void vc_isolated_free(vc_isolated *isolated);

/* Makes the interpreter and has `voicecoil.inside.enter` import the callable there, as `wanted`
 * (bytes, a marshalled dict) says. New reference to the bytes that it answers; `bridge` stays NULL
 * if they tell of an error. NULL with an exception: not even that could be run. Other Python
 * threads of the outside run meanwhile. [keeper] */
PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted);
/* Ends the interpreter, when no cycle runs or will run. [keeper] */
void vc_isolated_end(vc_isolated *isolated);

/* New reference to bytes that describe the exception that ended the stream, once; else None. When
 * no cycle runs. [control] */
PyObject *vc_isolated_take_exception(vc_isolated *isolated);
/* Raises SystemExit in the callable that runs now; it is noticed when the callable next runs Python
 * code. May wait for the interpreter's GIL. [keeper] */
void vc_isolated_interrupt(vc_isolated *isolated);

/* Takes all interpreters but the main one off the runtime's list, so that nobody tries to end them:
 * Python aborts at exit when one is left or in use, and in the child of a fork when it clears the
 * parent's. CPython has no call for it; where its list does not look as expected nothing is done.
 * In the child of every fork, while there is an isolated one; and at exit, when one of them cannot
 * be ended. [control] */
void vc_isolated_forget_all(void);

#endif
