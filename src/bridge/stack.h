/* Limits how deeply Python may recurse on a stack that Python did not create. */
#ifndef VOICECOIL_BRIDGE_STACK_H
#define VOICECOIL_BRIDGE_STACK_H

#include <Python.h>

/* Makes code that recurses too deeply on this thread raise RecursionError before its stack ends.
 * `state` is the thread's new, attached state. Call it once for each thread. It is not VC_REALTIME,
 * because the system may allocate when it is asked for the stack. [IO] */
void vc_limit_recursion(PyThreadState *state);

#endif
