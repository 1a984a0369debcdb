/* forks.h - handles a process that is forked inside a callback. Private to bridge/.
 *
 * The child has only one thread, a copy of the IO thread or the worker that ran the callback. The
 * code that called the callback must not continue there, because it would use the device and other
 * threads of the parent. So the child must end before the callback returns to that code. */
#ifndef VOICECOIL_BRIDGE_FORKS_H
#define VOICECOIL_BRIDGE_FORKS_H

#include "voicecoil.h"

#include <Python.h>

/* Starts to count the forks that vc_forks returns. [control] */
void vc_forks_watch(void);
/* Number of forks since vc_forks_watch was called first, in this process or in an ancestor. The
 * number grows by 1 in each forked child and does not change in the parent. So if it changes while
 * a function runs, the function continues in a forked child. [any] */
unsigned vc_forks(void) VC_REALTIME;
/* Ends the child as os._exit does, so that no file or buffer of the parent is closed or flushed. If
 * no exception is set, the exit code is 0. If SystemExit is set, its code is used. Any other
 * exception is printed as unraisable, and the exit code is 1. The thread must be attached. */
_Noreturn void vc_forks_end_child(PyObject *callable);

#endif
