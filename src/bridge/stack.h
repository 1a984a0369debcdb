/* How deep Python may go on a stack that Python did not make. */
#ifndef VOICECOIL_BRIDGE_STACK_H
#define VOICECOIL_BRIDGE_STACK_H

#include <Python.h>

/* Makes code that recurses too deeply on this thread raise RecursionError before its stack ends.
 * `state` is this thread's, new and attached. Once per thread, and not VC_REALTIME: the system may
 * allocate to answer. [IO] */
void vc_limit_recursion(PyThreadState *state);

#endif
