/* voicecoil_bridge.h - threads that Python has never seen call Python functions.
 *
 * An audio API, a MIDI driver, a camera, a decoder: each calls back on threads of its own. This is
 * the bridge by which voicecoil's streams let such threads into Python, for any extension module:
 *
 *   - a thread gets one Python thread state, in the interpreter that was remembered when the gate
 *     was made, and keeps it: a call costs fractions of a microsecond, PyGILState_Ensure ten;
 *   - the arguments of its calls are made once and changed in place: a call allocates nothing;
 *   - the first exception is kept until somebody takes it;
 *   - recursion stops with RecursionError before the thread's stack ends, however small that is;
 *   - when the program ends all gates are closed before the interpreter is, and threads that go on
 *     calling are turned away. An extension has nothing to do for that;
 *   - the callable may live in an interpreter with a GIL of its own, so that nothing that the
 * program does makes it late (Python 3.12 and later).
 *
 * Words
 *   gate   a Python callable, the interpreter that it belongs to, and whether it may still be
 * called way    one thread's way through a gate
 *
 * Threads
 *   [python]   attached to the main interpreter
 *   [thread]   any thread, not attached to Python; the functions for a way: always the same one
 *   [inside]   called by the bridge on such a thread, attached to the gate's interpreter
 *   Any number of threads may go through one gate; in turn, as they need its interpreter's GIL;
 *   on a free-threaded Python at the same time.
 *
 * Use
 *   compile with voicecoil.get_include(); link with nothing
 *   [python]   api = voicecoil_bridge_import();
 *              gate = api->gate_new(callable, &functions);
 *   [thread]   way = api->way_new(gate);
 *              while (api->call(way, event) != VOICECOIL_CLOSED) ...
 *              api->way_free(way);
 *   [python]   api->gate_close(gate, 1.0);
 *              api->gate_free(gate);
 *
 * From Cython: `from voicecoil cimport bridge`.
 */
#ifndef VOICECOIL_BRIDGE_PUBLIC_H
#define VOICECOIL_BRIDGE_PUBLIC_H

#include <Python.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something in here changes its meaning. What is new is appended to the structures, and
 * seen by `bytes`. */
#define VOICECOIL_BRIDGE_VERSION 1u

typedef struct voicecoil_gate voicecoil_gate;
typedef struct voicecoil_way voicecoil_way;

enum {
    VOICECOIL_OK = 0,
    VOICECOIL_RAISED = -1, /* there was an exception; it is kept, and calls may go on */
    VOICECOIL_CLOSED = -2  /* nothing was called, and nothing will be */
};

/* What an extension does around a call. All [inside]; in an isolated interpreter they may use only
 * objects made there. Any of them may be NULL. */
typedef struct voicecoil_gate_functions {
    /* New reference to the tuple of arguments for all calls of one thread. NULL with an exception:
     * way_new gives no way. NULL function: no arguments. */
    PyObject *(*arguments)(void *user);
    /* Before each call: changes what is in the arguments (the items of a list, the bytes of a
     * bytearray). `event` is what `call` was given. -1 with an exception: the callable is not
     * called. */
    int (*before)(PyObject *arguments, void *event, void *user);
    /* After a call that returned: looks at the result, a borrowed reference. -1 with an exception:
     * that is kept. */
    int (*after)(PyObject *result, void *event, void *user);
    void *user; /* for all three; alive as long as the gate */
} voicecoil_gate_functions;

typedef struct voicecoil_bridge_api {
    uint32_t version; /* VOICECOIL_BRIDGE_VERSION */
    uint32_t bytes;   /* of this structure */

    /* A gate to `callable`, which it keeps. The structure is copied; `functions` may be NULL. NULL
     * with an exception: TypeError, MemoryError; RuntimeError when the program is ending. [python]
     */
    voicecoil_gate *(*gate_new)(PyObject *callable, const voicecoil_gate_functions *functions);
    /* A gate to the callable "module:name", imported in an interpreter of its own. NULL with an
     * exception: as opening a stream with isolated=True, among them NotImplementedError before 3.12
     * and ImportError. [python] */
    voicecoil_gate *(*gate_new_isolated)(const char *name,
                                         const voicecoil_gate_functions *functions);
    /* After it no call begins or is running, and no thread has a state in the interpreter. Waits
     * for calls that are running, without the GIL. 0; or -1 with TimeoutError, the gate being
     * closed for new calls; or with RuntimeError in a call through this gate. The second time does
     * nothing. [python] */
    int (*gate_close)(voicecoil_gate *gate, double timeout_s);
    /* New reference to the first exception since the last look; NULL without an error set: none.
     * From an isolated interpreter it is an IsolatedCallbackError with the traceback as text. What
     * is not taken is shown at the gate's end. [python] */
    PyObject *(*gate_take_exception)(voicecoil_gate *gate);
    /* How many exceptions came while one was kept; they were dropped. [python], [thread] */
    uint64_t (*gate_dropped_exceptions)(const voicecoil_gate *gate);
    /* Closes it if that was not done, waiting a second at most, and gives it back. Ways may be
     * left: they are closed, and freed by their threads. [python] */
    void (*gate_free)(voicecoil_gate *gate);

    /* This thread's way through a gate, with a Python thread state and arguments of its own. The
     * gate must not have been freed; the way then keeps what it needs of it. Takes the GIL and
     * allocates: call it before the thread has to be in time. NULL: the gate is closed, `arguments`
     * raised, or there is no memory. [thread] */
    voicecoil_way *(*way_new)(voicecoil_gate *gate);
    /* Calls the callable: VOICECOIL_OK, VOICECOIL_RAISED or VOICECOIL_CLOSED. [thread] */
    int (*call)(voicecoil_way *way, void *event);
    /* Drops the thread's state. Before the thread ends, also when the gate is closed. [thread] */
    void (*way_free)(voicecoil_way *way);
} voicecoil_bridge_api;

#define VOICECOIL_BRIDGE_CAPSULE "voicecoil._core._bridge_api"

/* The bridge, for the life of the process; NULL with ImportError: voicecoil is not installed, or is
 * too old or too new for this header. [python] */
static inline const voicecoil_bridge_api *voicecoil_bridge_import(void) {
    PyObject *module = PyImport_ImportModule("voicecoil._core");
    const voicecoil_bridge_api *api;
    if (module == NULL) {
        return NULL;
    }
    Py_DECREF(module);
    api = (const voicecoil_bridge_api *)PyCapsule_Import(VOICECOIL_BRIDGE_CAPSULE, 0);
    if (api != NULL &&
        (api->version != VOICECOIL_BRIDGE_VERSION || api->bytes < sizeof(voicecoil_bridge_api))) {
        PyErr_Format(PyExc_ImportError,
                     "voicecoil's bridge has version %u, and this module was compiled for version "
                     "%u; install a matching voicecoil, or compile the module again",
                     (unsigned)api->version, VOICECOIL_BRIDGE_VERSION);
        return NULL;
    }
    return api;
}

#ifdef __cplusplus
}
#endif
#endif
