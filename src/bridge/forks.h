/* forks.h - handles a process that is forked inside a callback. Private to bridge/.
 *
 * The child has only the thread that forked, a device's or a worker's. The code that called the
 * callback would continue with a device and with threads of the parent. So the child must never
 * return to it. */
#ifndef VOICECOIL_BRIDGE_FORKS_H
#define VOICECOIL_BRIDGE_FORKS_H

#include "voicecoil.h"

#include <Python.h>

/* Starts to count forks. [control] */
void vc_forks_watch(void);
/* Number of forks between this process and its first ancestor that counted. A function that sees it
 * change while it runs is in the child. [any] */
unsigned vc_forks(void) VC_REALTIME;
/* Ends the child as os._exit does: nothing of the parent's is flushed or closed. The exit code is
 * 0, or that of the SystemExit that is set, or 1 for another exception, which is printed as
 * unraisable. The thread must be attached. */
_Noreturn void vc_forks_end_child(PyObject *callable);

#endif
