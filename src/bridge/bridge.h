/* bridge.h - the only way in which a device's thread enters Python.
 *
 * The IO thread was not created by Python, so it has no Python thread state (PEP 311). In the first
 * block, the bridge makes one for the interpreter in which the bridge was created, and keeps it. It
 * attaches and detaches the state around each call, or around several calls (vc_bridge_keep_gil).
 * The callable always gets the same Block object, which is updated in place. After the first
 * blocks, a block allocates nothing.
 *
 * Threads: [IO] and [control] as in voicecoil.h. Control calls hold the GIL. */
#ifndef VOICECOIL_BRIDGE_H
#define VOICECOIL_BRIDGE_H

#include <Python.h>

#include "voicecoil.h"

typedef struct vc_bridge vc_bridge;

/* The Python types that the bridge raises or understands. */
typedef struct vc_bridge_types {
    PyObject *stop;    /* exception: ends the stream after this block */
    PyObject *escaped; /* exception: a reference to a zero-copy array was kept */
    PyObject *result;  /* exception: the callable returned something other than None */
} vc_bridge_types;

/* Makes a bridge. `block` is a voicecoil._block.Block. All objects are borrowed: the caller keeps
 * them alive as long as the bridge, so that the garbage collector sees all references. Only the
 * block may have references to its views. With `zero_copy`, the views show the device's own memory
 * during each call, and their own memory at all other times. Returns NULL with an exception if it
 * fails. [control] */
vc_bridge *vc_bridge_new(PyObject *callable, PyObject *block, int zero_copy,
                         const vc_bridge_types *types);
/* Call it when no cycle runs or will run. [control] */
void vc_bridge_free(vc_bridge *bridge);

/* The engine's `process` and `leave`; `user` is the vc_bridge*. They run on the IO thread but are
 * not VC_REALTIME, because Python waits for its GIL and may allocate. [IO] */
int32_t vc_bridge_process(vc_block *block, void *user);
void vc_bridge_leave(void *user);

/* Calls the callable for a block on a thread that is in Python already, because it runs the
 * callback of another bridge. Returns VC_CONTINUE, VC_STOP, or VC_ERROR with an exception. [the
 * thread that runs the blocks] */
int32_t vc_bridge_call(vc_bridge *bridge, const vc_block *block);

/* Makes the thread stay in Python from one block to the next, until it calls vc_bridge_release_gil.
 * If many blocks are due at once, a thread that releases the GIL after each block would have to
 * wait for it before the next. Call it before the first block. [control] */
void vc_bridge_keep_gil(vc_bridge *bridge);
/* Leaves Python if the thread has stayed in Python; `user` is the vc_bridge*. [the thread that runs
 * the blocks] */
void vc_bridge_release_gil(void *user);
/* Lets the thread ask other threads to release the GIL, where the interpreter supports it
 * (preempt.h). Call it before the first block. [control] */
void vc_bridge_preempt(vc_bridge *bridge);
/* Histograms of the waits for the GIL and of the run times, if the clock is real. Each array has
 * VC_HISTOGRAM_BUCKETS. [any] */
void vc_bridge_timings(const vc_bridge *bridge, uint64_t *waits, uint64_t *runs) VC_REALTIME;
/* Samples that the conversion to the views' format has clipped. [any] */
uint64_t vc_bridge_clipped(const vc_bridge *bridge) VC_REALTIME;
/* After this, the bridge does not enter Python again. A call may still be running. The driver's
 * stop waits for it. [control] */
void vc_bridge_close(vc_bridge *bridge);
/* Whether the calling thread is inside a callback of any bridge. [control], or inside a callback */
int vc_bridge_on_io_thread(void);
/* New reference to the exception that ended the stream. A second call returns NULL. The exception
 * belongs to the callable's interpreter. Call it when no cycle runs. [control] */
PyObject *vc_bridge_take_exception(vc_bridge *bridge);
/* The thread that is in Python for the callable now (PyThread_get_thread_ident); 0: none. [any] */
unsigned long vc_bridge_running_on(const vc_bridge *bridge) VC_REALTIME;
/* Whether the thread that runs the blocks of a vc_bridge* has entered Python. The result is false
 * while this thread still waits for the GIL. [any] */
bool vc_bridge_inside(const void *bridge) VC_REALTIME;
/* Whether a thread state is left. The IO thread could not drop it if the device did not call again.
 * vc_bridge_reap drops it, whichever interpreter it belongs to. [control] */
int vc_bridge_has_orphan(const vc_bridge *bridge);
void vc_bridge_reap(vc_bridge *bridge);

#endif
