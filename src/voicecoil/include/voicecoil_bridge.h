/* voicecoil_bridge.h - lets threads that Python did not create call Python functions.
 *
 * Audio APIs, MIDI drivers, cameras and decoders call back on threads of their own. voicecoil's
 * streams let such threads into Python through a bridge. This header offers the bridge to any
 * extension module:
 *
 *   - A thread gets one Python thread state, in the interpreter that made the gate, and keeps it.
 *     A call takes a fraction of a microsecond. PyGILState_Ensure takes ten microseconds.
 *   - The arguments of a thread's calls are made once and changed in place.
 *     A call allocates nothing.
 *   - The first exception is kept until it is taken.
 *   - Code that recurses too deeply raises RecursionError before the thread's stack ends, however
 *     small the stack is.
 *   - At exit, all gates are closed before the interpreter ends. Threads that continue to call get
 *     VOICECOIL_CLOSED. An extension need not do anything for this.
 *   - The callable may be in an interpreter with a GIL of its own. Then it does not have to wait
 *     for other Python code of the program (Python 3.12 and later).
 *
 * Words
 *   gate   a Python callable, its interpreter, and whether it may still be called
 *   way    one thread's access to a gate
 *
 * Threads
 *   [python]   attached to the main interpreter
 *   [thread]   any thread, not attached to Python; always the same thread for one way
 *   [inside]   called by the bridge on such a thread, attached to the gate's interpreter
 *
 *   Any number of threads may use one gate. Their calls run one after the other, because each call
 *   needs the GIL of the gate's interpreter. On a free-threaded Python they run at the same time.
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

/* Version of this header. It grows when something in this header changes its meaning. New functions
 * are appended to the structures. voicecoil_bridge_api.bytes tells whether they exist. */
#define VOICECOIL_BRIDGE_VERSION 1u

typedef struct voicecoil_gate voicecoil_gate;
typedef struct voicecoil_way voicecoil_way;

enum {
    VOICECOIL_OK = 0,
    VOICECOIL_RAISED = -1, /* there was an exception, which is kept; the gate can still be called */
    VOICECOIL_CLOSED = -2  /* the callable was not called, and will not be called again */
};

/* Functions that an extension runs around a call. All are called [inside]. In an isolated
 * interpreter they may use only objects that were made there. Each of them may be NULL. A function
 * reports a failure by its return value and an exception. If it sets an exception but returns
 * success, that is a failure, too. If it reports a failure without an exception, the exception is a
 * SystemError. */
typedef struct voicecoil_gate_functions {
    /* Returns a new reference to the tuple of arguments for all calls of one thread. If it returns
     * NULL with an exception, way_new returns NULL, and gate_take_exception returns the exception.
     * If it returns an object that is not a tuple, the exception is a TypeError. Without this
     * function there are no arguments. */
    PyObject *(*arguments)(void *user);
    /* Called before each call. Changes the content of the arguments (the items of a list, the bytes
     * of a bytearray). `event` is the argument of `call`. If it returns -1 with an exception, the
     * callable is not called. */
    int (*before)(PyObject *arguments, void *event, void *user);
    /* Called after a call that returned. `result` is a borrowed reference. If it returns -1 with an
     * exception, the exception is kept. */
    int (*after)(PyObject *result, void *event, void *user);
    void *user; /* the argument of all three; must live as long as the gate */
} voicecoil_gate_functions;

/* NULL arguments: gate_new and gate_new_isolated raise TypeError for a callable or a name that is
 * NULL. For a gate or a way that is NULL, gate_close raises TypeError, way_new and
 * gate_take_exception return NULL, call returns VOICECOIL_CLOSED, gate_dropped_exceptions returns
 * 0, and gate_free and way_free do nothing. */
typedef struct voicecoil_bridge_api {
    uint32_t version; /* VOICECOIL_BRIDGE_VERSION */
    uint32_t bytes;   /* size of this structure, bytes */

    /* Makes a gate for `callable` and keeps a reference to it. The structure `functions` is copied,
     * and may be NULL. Returns NULL with an exception: TypeError, MemoryError, or RuntimeError if
     * the program is ending. [python] */
    voicecoil_gate *(*gate_new)(PyObject *callable, const voicecoil_gate_functions *functions);
    /* Makes a gate for the callable "module:name", which is imported in an interpreter of its own.
     * Returns NULL with the exceptions of a stream with isolated=True, among them
     * NotImplementedError before 3.12 and ImportError. [python] */
    voicecoil_gate *(*gate_new_isolated)(const char *name,
                                         const voicecoil_gate_functions *functions);
    /* Closes the gate. Waits without the GIL for calls that are running. After that no call runs or
     * begins, and no thread has a state in the interpreter. Returns 0. Returns -1 with TimeoutError
     * if a call did not return in time; then the gate is closed for new calls. Returns -1 with
     * RuntimeError inside a call through this gate, and with ValueError if `timeout_s` is negative
     * or NaN. A second call does nothing. [python] */
    int (*gate_close)(voicecoil_gate *gate, double timeout_s);
    /* Returns a new reference to the first exception since the last call, or NULL without an error
     * set if there is none. An exception of an isolated interpreter becomes an
     * IsolatedCallbackError with the traceback as text. An exception that is not taken is printed
     * when the gate ends. [python] */
    PyObject *(*gate_take_exception)(voicecoil_gate *gate);
    /* Number of exceptions that were dropped because another one was kept. [python], [thread] */
    uint64_t (*gate_dropped_exceptions)(const voicecoil_gate *gate);
    /* Closes the gate if it is open, waiting for at most a second, and frees it. Ways may still
     * exist. They are closed, and their threads free them. Inside a call through this gate, the
     * gate stays open until the program ends, and an error is reported. [python] */
    void (*gate_free)(voicecoil_gate *gate);

    /* Creates a way: the calling thread's handle for calls of the gate's callable, with a Python
     * thread state and arguments of its own. The gate must not have been freed. Once the way is
     * made, it keeps alive what it needs of the gate. This function takes the GIL and allocates, so
     * call it before the thread has deadlines to meet. Returns NULL if the gate is closed,
     * `arguments` raised, or memory is exhausted. [thread] */
    voicecoil_way *(*way_new)(voicecoil_gate *gate);
    /* Calls the callable: VOICECOIL_OK, VOICECOIL_RAISED or VOICECOIL_CLOSED. [thread] */
    int (*call)(voicecoil_way *way, void *event);
    /* Drops the thread's state and frees the way. Call it before the thread ends, also if the gate
     * is closed. [thread] */
    void (*way_free)(voicecoil_way *way);
} voicecoil_bridge_api;

#define VOICECOIL_BRIDGE_CAPSULE "voicecoil._core._bridge_api"

/* Returns the bridge, which is valid for the life of the process. Returns NULL with ImportError if
 * voicecoil is not installed, or is too old or too new for this header. [python] */
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
