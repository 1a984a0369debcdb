/* An extension whose own threads call a Python function, through voicecoil's bridge.
 *
 *     import ticker
 *     t = ticker.Ticker(print, threads=3)        # print([thread, tick]) from three threads
 *     t = ticker.Ticker("module:name")           # the same in an interpreter with its own GIL
 *     t.close() */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "voicecoil_bridge.h"

static const voicecoil_bridge_api *bridge;

/* Data that the threads and the Python object share. Whichever of them ends last frees the data. */
typedef struct ticks {
    voicecoil_gate *gate;
    long ticks; /* ticks of each thread; 0: endless */
    long pause_us;
    atomic_int references, threads_begun, threads_ready, threads_left;
    atomic_long calls, raised;
} ticks;

static void release(ticks *shared) {
    if (atomic_fetch_sub(&shared->references, 1) == 1) {
        free(shared);
    }
}

/* ---- functions that run while the thread is attached to the callable's interpreter ---- */

typedef struct event {
    long thread, tick;
} event;

static PyObject *make_arguments(void *user) {
    (void)user;
    return Py_BuildValue("([ii])", 0, 0); /* one argument, a list that each call changes */
}

static int change_arguments(PyObject *arguments, void *what, void *user) {
    (void)user;
    const event *now = what;
    PyObject *list = PyTuple_GET_ITEM(arguments, 0);
    PyObject *thread = PyLong_FromLong(now->thread), *tick = PyLong_FromLong(now->tick);
    if (thread == NULL || tick == NULL) {
        Py_XDECREF(thread);
        Py_XDECREF(tick);
        return -1;
    }
    return PyList_SetItem(list, 0, thread) < 0 || PyList_SetItem(list, 1, tick) < 0 ? -1 : 0;
}

/* ---- a thread that Python has never seen ---- */

static void *run(void *user) {
    ticks *shared = user;
    event now = {.thread = atomic_fetch_add(&shared->threads_begun, 1)};
    voicecoil_way *way = bridge->way_new(shared->gate);
    int answer = way ? VOICECOIL_OK : VOICECOIL_CLOSED;
    atomic_fetch_add(&shared->threads_ready, 1);
    for (; answer != VOICECOIL_CLOSED && (shared->ticks == 0 || now.tick < shared->ticks);
         now.tick++) {
        answer = bridge->call(way, &now);
        atomic_fetch_add(&shared->calls, answer == VOICECOIL_OK);
        atomic_fetch_add(&shared->raised, answer == VOICECOIL_RAISED);
        if (shared->pause_us) {
            nanosleep(&(struct timespec){.tv_nsec = shared->pause_us * 1000}, NULL);
        }
    }
    if (way != NULL) {
        bridge->way_free(way);
    }
    atomic_fetch_add(&shared->threads_left, 1);
    release(shared);
    return NULL;
}

static bool begin(ticks *shared, size_t stack_bytes) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack_bytes) {
        pthread_attr_setstacksize(&attributes, stack_bytes);
    }
    atomic_fetch_add(&shared->references, 1);
    bool begun = pthread_create(&thread, &attributes, run, shared) == 0;
    pthread_attr_destroy(&attributes);
    if (!begun) {
        release(shared);
    }
    return begun;
}

/* ---- Ticker ---- */

typedef struct ticker {
    PyObject_HEAD ticks *shared;
} ticker;

static PyObject *ticker_new(PyTypeObject *type, PyObject *positional, PyObject *named) {
    static char *names[] = {"callback", "threads", "ticks", "pause_us", "stack_bytes", NULL};
    static const voicecoil_gate_functions functions = {.arguments = make_arguments,
                                                       .before = change_arguments};
    PyObject *callback;
    int threads = 1;
    long count = 0, pause_us = 1000;
    Py_ssize_t stack_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(positional, named, "O|illn", names, &callback, &threads,
                                     &count, &pause_us, &stack_bytes)) {
        return NULL;
    }
    ticker *self = (ticker *)type->tp_alloc(type, 0);
    ticks *shared = self ? calloc(1, sizeof *shared) : NULL;
    if (shared == NULL) {
        Py_XDECREF(self);
        return PyErr_NoMemory();
    }
    self->shared = shared;
    shared->references = 1;
    shared->ticks = count;
    shared->pause_us = pause_us;
    shared->gate = PyUnicode_Check(callback)
                       ? bridge->gate_new_isolated(PyUnicode_AsUTF8(callback), &functions)
                       : bridge->gate_new(callback, &functions);
    int begun = 0;
    while (shared->gate != NULL && begun < threads && begin(shared, (size_t)stack_bytes)) {
        begun++;
    }
    /* Each thread makes its way through the gate, for which it needs the GIL. After that the way
     * keeps alive what it needs of the gate, so this object may be freed. */
    Py_BEGIN_ALLOW_THREADS;
    while (shared->threads_ready < begun) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    Py_END_ALLOW_THREADS;
    if (shared->gate == NULL || begun < threads) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_OSError, "the system gives no thread");
        }
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *ticker_close(PyObject *self, PyObject *arguments) {
    ticks *shared = ((ticker *)self)->shared;
    double timeout_s = 5.0;
    if (!PyArg_ParseTuple(arguments, "|d", &timeout_s) ||
        bridge->gate_close(shared->gate, timeout_s) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *ticker_exception(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *exception = bridge->gate_take_exception(((ticker *)self)->shared->gate);
    if (exception == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return exception;
}

static void ticker_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ticks *shared = ((ticker *)self)->shared;
    if (shared != NULL) {
        if (shared->gate != NULL) {
            bridge->gate_free(shared->gate);
        }
        release(shared);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *ticker_calls(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(((ticker *)self)->shared->calls);
}

static PyObject *ticker_raised(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(((ticker *)self)->shared->raised);
}

static PyObject *ticker_threads_left(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(((ticker *)self)->shared->threads_left);
}

static PyMethodDef methods[] = {
    {"close", ticker_close, METH_VARARGS, "close(timeout_s=5): no call is running after it."},
    {"exception", ticker_exception, METH_NOARGS, "The first exception since the last look."},
    {NULL, NULL, 0, NULL}};
static PyGetSetDef attributes[] = {
    {"calls", ticker_calls, NULL, "Calls that returned.", NULL},
    {"raised", ticker_raised, NULL, "Calls that raised.", NULL},
    {"threads_left", ticker_threads_left, NULL, "Threads that have ended.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot slots[] = {{Py_tp_new, ticker_new},
                              {Py_tp_dealloc, ticker_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, attributes},
                              {0, NULL}};
static PyType_Spec spec = {"ticker.Ticker", sizeof(ticker), 0, Py_TPFLAGS_DEFAULT, slots};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "ticker", .m_size = -1};

PyMODINIT_FUNC PyInit_ticker(void) {
    bridge = voicecoil_bridge_import();
    PyObject *module = bridge ? PyModule_Create(&definition) : NULL;
    PyObject *type = module ? PyType_FromSpec(&spec) : NULL;
    if (type == NULL || PyModule_AddObjectRef(module, "Ticker", type) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(type);
    return module;
}
