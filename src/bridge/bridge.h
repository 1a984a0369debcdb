/* bridge.h - the only way in which a device's thread enters Python.
 *
 * The IO thread is one that Python has never seen. The bridge remembers the interpreter in which it
 * was made (PEP 311), makes one thread state for the IO thread in its first block, keeps it, and
 * attaches and detaches it around each call, or around several (vc_bridge_stay). The callable gets
 * one Block object that is made once and updated in place, by a prepared argument vector; in the
 * steady state a block costs no allocation.
 *
 * Threads: [IO] and [control] as in voicecoil.h; control calls hold the GIL.
 */
#ifndef VOICECOIL_BRIDGE_H
#define VOICECOIL_BRIDGE_H

#include <Python.h>

#include "voicecoil.h"

typedef struct vc_bridge vc_bridge;

/* The Python types that the bridge raises or understands. */
typedef struct vc_bridge_types {
    PyObject *stop;    /* exception: ends the stream after this block */
    PyObject *escaped; /* exception: a reference to a zero-copy array was kept */
    PyObject *result;  /* exception: the callable returned something else than None */
} vc_bridge_types;

/* `block` is a voicecoil._block.Block. All that it is given is borrowed: whoever makes a bridge
 * keeps it alive as long as the bridge, so that the garbage collector sees who owns whom. The
 * block's views have no other reference than the block's. `zero_copy`: they are pointed to the
 * device's own memory during each call and back to their own afterwards. NULL with an exception.
 * [control] */
vc_bridge *vc_bridge_new(PyObject *callable, PyObject *block, int zero_copy,
                         const vc_bridge_types *types);
/* When no cycle runs or will run. [control] */
void vc_bridge_free(vc_bridge *bridge);

/* The engine's `process` and `leave`; `user` is the vc_bridge*. On the IO thread, and not
 * VC_REALTIME: Python waits for its lock, and may allocate. [IO] */
int32_t vc_bridge_process(vc_block *block, void *user);
void vc_bridge_leave(void *user);

/* Its thread stays in Python from one block to the next, until it calls vc_bridge_rest: with many
 * blocks due at once, who gives the GIL away after each waits for it again before the next. Before
 * the first block. [control] */
void vc_bridge_stay(vc_bridge *bridge);
/* Leaves Python, if it has stayed; `user` is the vc_bridge*. [its thread] */
void vc_bridge_rest(void *user);
/* Its thread makes others let the GIL go, where the interpreter can do that (preempt.h). Before the
 * first block. [control] */
void vc_bridge_preempt(vc_bridge *bridge);
/* How often it waited and ran for how long, on clocks that are real; VC_HISTOGRAM_BUCKETS each.
 * [any] */
void vc_bridge_timings(const vc_bridge *bridge, uint64_t *waits, uint64_t *runs) VC_REALTIME;
/* After this the bridge never enters Python again, except that a call may still be running: the
 * driver's stop waits for that. [control] */
void vc_bridge_close(vc_bridge *bridge);
/* Whether the calling thread is in a callback that some bridge called. [control] or in one */
int vc_bridge_on_io_thread(void);
/* New reference to the exception that ended the stream, once; NULL without one. It belongs to the
 * callable's interpreter. When no cycle runs. [control] */
PyObject *vc_bridge_take_exception(vc_bridge *bridge);
/* The thread that is in Python for the callable at this moment (PyThread_get_thread_ident), else 0.
 * [any] */
unsigned long vc_bridge_running_on(const vc_bridge *bridge) VC_REALTIME;
/* Whether its thread has got into Python, of a vc_bridge*; not when it waits for the GIL before a
 * call. [any] */
bool vc_bridge_inside(const void *bridge) VC_REALTIME;
/* Whether a thread state is left that its thread did not drop, because the device never called
 * again. vc_bridge_reap drops it, whatever interpreter it is of. [control] */
int vc_bridge_has_orphan(const vc_bridge *bridge);
void vc_bridge_reap(vc_bridge *bridge);

#endif
