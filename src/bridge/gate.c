/* Lets threads of other extensions into Python. See voicecoil_bridge.h and gate.h.
 *
 * Closing. A thread sets its `busy` flag before it checks whether its entry is closed. The closing
 * thread closes all entries before it checks the flags. Both are sequentially consistent, so at
 * least one of the two threads sees the other. When no thread is busy after that, no thread will
 * enter, and another thread may drop the thread states that are left. */
#include "gate.h"

#include "entry.h"
#include "isolated.h"
#include "voicecoil.h"

#include <pythread.h>
#include <time.h>

struct voicecoil_way {
    voicecoil_gate *gate;
    voicecoil_way *next;
    vc_entry entry;
    PyObject *arguments; /* a tuple that belongs to the gate's interpreter */
    _Atomic bool busy;
    bool reaped; /* the closing thread has dropped this thread's state; under the gate's lock */
    bool left;   /* way_free was called, so the closing thread frees this; under the lock */
};

struct voicecoil_gate {
    /* Number of references: one for each way, one for callbacks.gate, one for the extension. */
    _Atomic int references;
    PyThread_type_lock lock; /* guards `ways`; no thread waits for a GIL while it has this lock */
    voicecoil_way *ways;
    PyInterpreterState *interpreter;
    vc_guard guard;     /* keeps the interpreter alive until the gate is closed */
    PyObject *callable; /* belongs to `interpreter` */
    voicecoil_gate_functions functions;
    bool closed;                   /* used under the lock */
    _Atomic(PyObject *) exception; /* belongs to `interpreter` */
    _Atomic uint64_t dropped;
    PyObject *owner; /* a voicecoil.callbacks.gate.Gate */
    vc_isolated isolated;
};

static void lock(voicecoil_gate *gate) { PyThread_acquire_lock(gate->lock, WAIT_LOCK); }
static void unlock(voicecoil_gate *gate) { PyThread_release_lock(gate->lock); }

void vc_gate_hold(voicecoil_gate *gate) { atomic_fetch_add(&gate->references, 1); }

void vc_gate_release(voicecoil_gate *gate) {
    if (atomic_fetch_sub(&gate->references, 1) == 1) {
        PyThread_free_lock(gate->lock);
        PyMem_RawFree(gate);
    }
}

/* ---- a thread's way ---------------------------------------------------------------------------
 */

/* Keeps the exception that is set, unless another one is kept already. */
static void keep_raised(voicecoil_gate *gate) {
    PyObject *raised = vc_fetch_exception(), *none = NULL;
    if (!atomic_compare_exchange_strong(&gate->exception, &none, raised)) {
        atomic_fetch_add(&gate->dropped, 1);
        Py_XDECREF(raised);
    }
}

/* Returns whether a function of the extension succeeded. If not, an exception is set. CPython must
 * not run with an exception set, and a failure without one would be lost. */
static bool check_function(bool failed, const char *name) {
    if (failed && !PyErr_Occurred()) {
        PyErr_Format(PyExc_SystemError, "voicecoil_gate_functions.%s failed without an exception",
                     name);
    }
    return !failed && !PyErr_Occurred();
}

static bool link_way(voicecoil_gate *gate, voicecoil_way *way) {
    lock(gate);
    bool open = !gate->closed;
    if (open) {
        way->next = gate->ways;
        gate->ways = way;
    }
    unlock(gate);
    return open;
}

/* Call it with the lock held. */
static void unlink_way(voicecoil_gate *gate, voicecoil_way *way) {
    voicecoil_way **at = &gate->ways;
    while (*at != way) {
        at = &(*at)->next;
    }
    *at = way->next;
}

static bool enter(voicecoil_way *way) {
    atomic_store(&way->busy, true);
    if (vc_entry_enter(&way->entry)) {
        return true;
    }
    atomic_store(&way->busy, false);
    return false;
}

static void leave(voicecoil_way *way) {
    vc_entry_leave(&way->entry);
    atomic_store(&way->busy, false);
}

static void way_free(voicecoil_way *way) {
    if (way == NULL) {
        return;
    }
    voicecoil_gate *gate = way->gate;
    atomic_store(&way->busy, true);
    /* This thread may drop its state only while the gate is open. Later the closing thread does. */
    bool open = !atomic_load(&way->entry.closed);
    if (open && way->entry.state != NULL && vc_entry_enter(&way->entry)) {
        Py_CLEAR(way->arguments);
        vc_entry_leave_for_good(&way->entry);
    }
    atomic_store(&way->busy, false);
    lock(gate);
    way->left = gate->closed && !way->reaped;
    if (!way->left) {
        unlink_way(gate, way);
    }
    bool free_it = !way->left;
    unlock(gate);
    if (free_it) {
        PyMem_RawFree(way);
        vc_gate_release(gate);
    }
}

static bool make_arguments(voicecoil_way *way) {
    const voicecoil_gate_functions *functions = &way->gate->functions;
    if (functions->arguments == NULL) {
        way->arguments = PyTuple_New(0);
        return way->arguments != NULL;
    }
    PyObject *made = functions->arguments(functions->user);
    bool good = check_function(made == NULL, "arguments");
    if (good && !PyTuple_Check(made)) {
        good = false;
        const char *name = Py_TYPE(made)->tp_name;
        PyErr_Format(
            PyExc_TypeError,
            "voicecoil_gate_functions.arguments returned %s %.100s; return a tuple with one "
            "item for each argument",
            name[0] != 0 && strchr("aeioAEIO", name[0]) != NULL ? "an" : "a", name);
    }
    if (!good) {
        PyObject *raised = vc_fetch_exception(); /* dropping `made` may run Python code */
        Py_CLEAR(made);
        vc_put_raised(raised);
    }
    way->arguments = made;
    return good;
}

static voicecoil_way *way_new(voicecoil_gate *gate) {
    voicecoil_way *way = gate ? PyMem_RawCalloc(1, sizeof *way) : NULL;
    if (way == NULL) {
        return NULL;
    }
    way->gate = gate;
    way->entry.interpreter = gate->interpreter;
    if (!link_way(gate, way)) {
        PyMem_RawFree(way);
        return NULL;
    }
    vc_gate_hold(gate);
    bool good = false;
    if (enter(way)) {
        good = make_arguments(way);
        if (!good) {
            keep_raised(gate);
        }
        leave(way);
    }
    if (!good) {
        way_free(way);
        return NULL;
    }
    return way;
}

/* A call with at most so many arguments uses an array with a free first slot, which the callee may
 * overwrite. A bound method puts its self there without an allocation. If there are more arguments,
 * Python copies them. */
enum { PREPARED = 8 };

static PyObject *vectorcall(PyObject *callable, PyObject *arguments) {
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    if (count > PREPARED) {
        return PyObject_Call(callable, arguments, NULL);
    }
    PyObject *prepared[PREPARED + 1] = {NULL};
    for (Py_ssize_t i = 0; i < count; i++) {
        prepared[i + 1] = PyTuple_GET_ITEM(arguments, i);
    }
    return PyObject_Vectorcall(callable, prepared + 1,
                               (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Runs `before`, the callable and `after`. Returns false with an exception if one of them fails. */
static bool call_inside(voicecoil_way *way, void *event) {
    voicecoil_gate *gate = way->gate;
    const voicecoil_gate_functions *functions = &gate->functions;
    if (functions->before != NULL &&
        !check_function(functions->before(way->arguments, event, functions->user) != 0, "before")) {
        return false;
    }
    PyObject *result = vectorcall(gate->callable, way->arguments);
    if (result == NULL) {
        return false;
    }
    bool good = functions->after == NULL ||
                check_function(functions->after(result, event, functions->user) != 0, "after");
    if (good) {
        Py_DECREF(result);
    } else {
        PyObject *raised = vc_fetch_exception();
        Py_DECREF(result);
        vc_put_raised(raised);
    }
    return good;
}

static int call(voicecoil_way *way, void *event) {
    if (way == NULL || !enter(way)) {
        return VOICECOIL_CLOSED;
    }
    bool good = call_inside(way, event);
    if (!good) {
        keep_raised(way->gate);
    }
    leave(way);
    return good ? VOICECOIL_OK : VOICECOIL_RAISED;
}

/* ---- closing ----------------------------------------------------------------------------------
 */

static int busy_ways(voicecoil_gate *gate) {
    int busy = 0;
    lock(gate);
    for (voicecoil_way *way = gate->ways; way != NULL; way = way->next) {
        busy += atomic_load(&way->busy);
    }
    unlock(gate);
    return busy;
}

bool vc_gate_is_inside(voicecoil_gate *gate) {
    bool inside = false;
    lock(gate);
    for (voicecoil_way *way = gate->ways; way != NULL; way = way->next) {
        inside |= atomic_load(&way->entry.inside) == PyThread_get_thread_ident();
    }
    unlock(gate);
    return inside;
}

static void close_entries(voicecoil_gate *gate) {
    lock(gate);
    for (voicecoil_way *way = gate->ways; way != NULL; way = way->next) {
        atomic_store(&way->entry.closed, true);
    }
    gate->closed = true;
    unlock(gate);
    vc_guard_release(&gate->guard);
}

static voicecoil_way *next_to_reap(voicecoil_gate *gate) {
    lock(gate);
    voicecoil_way *way = gate->ways;
    while (way != NULL && way->reaped) {
        way = way->next;
    }
    unlock(gate);
    return way;
}

/* Drops what a thread has left in the interpreter. No thread may be busy. */
static void reap(voicecoil_gate *gate, voicecoil_way *way) {
    PyThreadState *elsewhere = vc_visit_begin(gate->interpreter);
    Py_CLEAR(way->arguments);
    vc_visit_end(elsewhere);
    vc_entry_reap(&way->entry);
    lock(gate);
    way->reaped = true;
    bool left = way->left;
    if (left) {
        unlink_way(gate, way);
    }
    unlock(gate);
    if (left) {
        PyMem_RawFree(way);
        vc_gate_release(gate);
    }
}

int vc_gate_shut(voicecoil_gate *gate, double timeout_s) {
    close_entries(gate);
    int busy;
    PyThreadState *mine = PyEval_SaveThread();
    int64_t until_ns = vc_clock_ns() + (int64_t)(timeout_s * 1e9);
    while ((busy = busy_ways(gate)) != 0 && vc_clock_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    PyEval_RestoreThread(mine);
    voicecoil_way *way;
    while (busy == 0 && (way = next_to_reap(gate)) != NULL) {
        reap(gate, way);
    }
    return busy;
}

void vc_gate_clear(voicecoil_gate *gate) {
    if (gate->isolated.interpreter == NULL) {
        Py_CLEAR(gate->callable);
    }
}

/* ---- exceptions -------------------------------------------------------------------------------
 */

PyObject *vc_gate_take_exception(voicecoil_gate *gate) {
    PyObject *exception = atomic_exchange(&gate->exception, NULL);
    if (exception == NULL) {
        Py_RETURN_NONE;
    }
    if (gate->isolated.interpreter != NULL) {
        return vc_isolated_describe(&gate->isolated, exception);
    }
    return exception;
}

static PyObject *take_exception(voicecoil_gate *gate) {
    if (gate == NULL) {
        return NULL;
    }
    PyObject *exception = PyObject_CallMethod(gate->owner, "take_exception", NULL);
    if (exception == Py_None) {
        Py_CLEAR(exception);
    }
    return exception;
}

static uint64_t dropped_exceptions(const voicecoil_gate *gate) {
    return gate ? atomic_load(&gate->dropped) : 0;
}

/* ---- an interpreter of its own ----------------------------------------------------------------
 */

static int take(void *argument, PyObject *parts) {
    voicecoil_gate *gate = argument;
    gate->interpreter = PyInterpreterState_Get();
    gate->callable = Py_NewRef(PyTuple_GET_ITEM(parts, 0));
    return vc_guard_take(&gate->guard);
}

static void drop(void *argument) {
    voicecoil_gate *gate = argument;
    vc_guard_release(&gate->guard);
    Py_CLEAR(gate->callable);
    Py_XDECREF(atomic_exchange(&gate->exception, NULL));
}

PyObject *vc_gate_make(voicecoil_gate *gate, PyObject *wanted) {
    return vc_isolated_make(&gate->isolated, wanted, &(vc_isolated_user){take, drop, gate});
}

void vc_gate_end(voicecoil_gate *gate) {
    vc_isolated_end(&gate->isolated, &(vc_isolated_user){take, drop, gate});
}

void vc_gate_break_import(voicecoil_gate *gate) { vc_isolated_break_import(&gate->isolated); }

/* ---- gates ------------------------------------------------------------------------------------
 */

static voicecoil_gate *gate_of(const voicecoil_gate_functions *functions) {
    voicecoil_gate *gate = PyMem_RawCalloc(1, sizeof *gate);
    PyThread_type_lock list = PyThread_allocate_lock();
    if (gate == NULL || list == NULL) {
        PyMem_RawFree(gate);
        if (list != NULL) {
            PyThread_free_lock(list);
        }
        PyErr_NoMemory();
        return NULL;
    }
    gate->references = 1;
    gate->lock = list;
    gate->interpreter = PyInterpreterState_Get();
    if (functions != NULL) {
        gate->functions = *functions;
    }
    return gate;
}

/* Makes the gate's Python object. `name`: the callable to import in an isolated interpreter, or
 * NULL. */
static voicecoil_gate *owned(voicecoil_gate *gate, const char *name) {
    PyObject *module = PyImport_ImportModule("voicecoil.callbacks.gate");
    PyObject *text = name ? PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "backslashreplace")
                          : Py_NewRef(Py_None);
    if (module != NULL && text != NULL) {
        gate->owner =
            PyObject_CallMethod(module, "Gate", "KO", (unsigned long long)(uintptr_t)gate, text);
    }
    Py_XDECREF(text);
    Py_XDECREF(module);
    if (gate->owner == NULL) {
        vc_guard_release(&gate->guard);
        vc_gate_clear(gate);
        vc_gate_release(gate);
        return NULL;
    }
    return gate;
}

static voicecoil_gate *gate_new(PyObject *callable, const voicecoil_gate_functions *functions) {
    if (!PyCallable_Check(callable)) { /* this also detects NULL */
        vc_raise_wrong("callable=%U cannot be called; give a function", callable);
        return NULL;
    }
    voicecoil_gate *gate = gate_of(functions);
    if (gate == NULL) {
        return NULL;
    }
    if (vc_guard_take(&gate->guard) < 0) {
        vc_gate_release(gate);
        return NULL;
    }
    gate->callable = Py_NewRef(callable);
    return owned(gate, NULL);
}

static voicecoil_gate *gate_new_isolated(const char *name,
                                         const voicecoil_gate_functions *functions) {
    if (name == NULL) {
        vc_raise_wrong("name=%U; give the callable's name, such as \"mysynth:tone\"", NULL);
        return NULL;
    }
    voicecoil_gate *gate = gate_of(functions);
    return gate ? owned(gate, name) : NULL;
}

static int gate_close(voicecoil_gate *gate, double timeout_s) {
    if (gate == NULL) {
        vc_raise_wrong("gate=%U; give a gate that gate_new returned", NULL);
        return -1;
    }
    PyObject *result = PyObject_CallMethod(gate->owner, "close", "d", timeout_s);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static void gate_free(voicecoil_gate *gate) {
    if (gate == NULL) {
        return;
    }
    PyObject *result = PyObject_CallMethod(gate->owner, "close_at_exit", "d", 1.0);
    if (result == NULL) {
        PyErr_WriteUnraisable(gate->owner);
    }
    Py_XDECREF(result);
    Py_CLEAR(gate->owner);
    vc_gate_release(gate);
}

const voicecoil_bridge_api *vc_bridge_api(void) {
    static const voicecoil_bridge_api api = {
        .version = VOICECOIL_BRIDGE_VERSION,
        .bytes = sizeof(voicecoil_bridge_api),
        .gate_new = gate_new,
        .gate_new_isolated = gate_new_isolated,
        .gate_close = gate_close,
        .gate_take_exception = take_exception,
        .gate_dropped_exceptions = dropped_exceptions,
        .gate_free = gate_free,
        .way_new = way_new,
        .call = call,
        .way_free = way_free,
    };
    return &api;
}
