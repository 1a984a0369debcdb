/* forks.h - a process that is forked inside of a callback. Private to bridge/.
 *
 * The child has one thread, the one that forked: a device's or a worker's. The code that called the
 * callback goes on with a device and with threads that are the parent's, so the child must never
 * return to it. */
#ifndef VOICECOIL_BRIDGE_FORKS_H
#define VOICECOIL_BRIDGE_FORKS_H

#include "voicecoil.h"

#include <Python.h>

/* From now on forks are counted. [control] */
void vc_forks_watch(void);
/* How often this process was forked, from the first one of its ancestors that counted. A function
 * that sees it change while it runs is in the child. [any] */
unsigned vc_forks(void) VC_REALTIME;
/* Ends the child as os._exit does: nothing that it has from the parent is flushed or closed. The
 * exit code is 0, or that of the SystemExit that is set, or 1 for another exception, which is shown
 * as those of `__del__` are. Attached. */
_Noreturn void vc_forks_end_child(PyObject *callable);

#endif
