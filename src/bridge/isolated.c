/* An interpreter with a GIL of its own. See isolated.h. */
#include "isolated.h"

#include "entry.h"

#include <marshal.h>
#include <stdatomic.h>
#if defined(__unix__) || defined(__APPLE__)
#define HAS_FORK 1
#include <pthread.h>
#endif

/* What comes out: a copy that belongs to no interpreter. */
typedef struct copied {
    char *data;
    Py_ssize_t size;
    bool is_error; /* text of an error that nobody inside could describe */
} copied;

#if PY_VERSION_HEX >= 0x030C0000

static void copy_out(copied *out, const char *data, Py_ssize_t size) {
    out->data = PyMem_RawMalloc((size_t)size + 1);
    if (out->data != NULL) {
        memcpy(out->data, data, (size_t)size);
        out->size = size;
    }
}

/* The exception that is set, as text. */
static void copy_error(copied *out) {
    PyObject *error = vc_take_raised();
    PyObject *text = error ? PyObject_Repr(error) : NULL;
    const char *data = text ? PyUnicode_AsUTF8(text) : NULL;
    out->is_error = true;
    copy_out(out, data ? data : "an error without a text", data ? (Py_ssize_t)strlen(data) : 23);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(error);
}

/* Outside again: the copy as bytes, or as an exception. */
static PyObject *hand_over(copied *out) {
    PyObject *answer = NULL;
    if (out->data == NULL) {
        PyErr_NoMemory();
    } else if (out->is_error) {
        PyObject *text = PyUnicode_DecodeUTF8(out->data, out->size, "replace");
        PyErr_Format(PyExc_RuntimeError, "in the isolated interpreter: %V", text, "?");
        Py_XDECREF(text);
    } else {
        answer = PyBytes_FromStringAndSize(out->data, out->size);
    }
    PyMem_RawFree(out->data);
    return answer;
}

/* ---- those that cannot be ended ----------------------------------------------------------------
 */

static atomic_int alive;

/* The runtime's list of interpreters begins in here: {..., head, main, ...}. */
extern char _PyRuntime[];
enum { LIST_IS_WITHIN = 8192 };

void vc_isolated_forget_all(void) {
    PyInterpreterState *pair[2] = {PyInterpreterState_Head(), PyInterpreterState_Main()};
    if (atomic_load(&alive) == 0 || pair[0] == pair[1]) {
        return;
    }
    for (size_t at = 0; at < LIST_IS_WITHIN; at += sizeof(void *)) {
        if (memcmp(_PyRuntime + at, pair, sizeof pair) == 0) {
            memcpy(_PyRuntime + at, &pair[1], sizeof pair[1]);
            return;
        }
    }
}

#ifdef HAS_FORK
static void forget_all_in_forks(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done)) {
        pthread_atfork(NULL, NULL, vc_isolated_forget_all);
    }
}
#else
static void forget_all_in_forks(void) {}
#endif

/* ---- making -----------------------------------------------------------------------------------
 */

static bool enter(vc_isolated *isolated, const char *data, Py_ssize_t size,
                  const vc_isolated_user *user, copied *out) {
    PyObject *inside = NULL, *answer = NULL;
    PyObject *wanted = PyMarshal_ReadObjectFromString(data, size);
    PyObject *path = wanted ? PyDict_GetItemString(wanted, "path") : NULL;
    if (path != NULL && PySys_SetObject("path", path) == 0) {
        inside = PyImport_ImportModule("voicecoil.callbacks.isolated_bootstrap");
    }
    if (inside != NULL) {
        isolated->describe = PyObject_GetAttrString(inside, "describe");
        answer = PyObject_CallMethod(inside, "enter", "O", wanted);
    }
    bool good = answer != NULL && isolated->describe != NULL;
    if (good) {
        PyObject *parts = PyTuple_GET_ITEM(answer, 1);
        if (parts != Py_None) {
            isolated->parts = Py_NewRef(parts);
            good = user->take(user->argument, parts) == 0;
        }
    }
    if (good) {
        PyObject *bytes = PyTuple_GET_ITEM(answer, 0);
        copy_out(out, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    } else {
        copy_error(out);
    }
    Py_XDECREF(answer);
    Py_XDECREF(inside);
    Py_XDECREF(wanted);
    return good;
}

PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted, const vc_isolated_user *user) {
    /* Threads could outlive the callable, and a fork or exec belongs to the whole process. */
    PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 0,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyThreadState *outside = PyThreadState_Get();
    PyThreadState *home = NULL;
    PyStatus status = Py_NewInterpreterFromConfig(&home, &config);
    if (PyStatus_Exception(status) || home == NULL) {
        PyThreadState_Swap(outside);
        const char *why = status.err_msg ? status.err_msg : "unknown";
        PyErr_Format(PyExc_RuntimeError, "Python makes no interpreter: %s", why);
        return NULL;
    }
    forget_all_in_forks();
    atomic_fetch_add(&alive, 1);
    isolated->home = home;
    isolated->interpreter = PyThreadState_GetInterpreter(home);
    copied out = {0};
    /* Reading the bytes of an object of the outside needs no GIL: the caller holds it. */
    enter(isolated, PyBytes_AS_STRING(wanted), PyBytes_GET_SIZE(wanted), user, &out);
    PyEval_SaveThread();
    PyEval_RestoreThread(outside);
    return hand_over(&out);
}

void vc_isolated_end(vc_isolated *isolated, const vc_isolated_user *user) {
    if (isolated->interpreter == NULL) {
        return;
    }
    PyThreadState *outside = PyEval_SaveThread();
    PyEval_RestoreThread(isolated->home);
    user->drop(user->argument);
    Py_CLEAR(isolated->parts);
    Py_CLEAR(isolated->describe);
    Py_EndInterpreter(isolated->home);
    atomic_fetch_sub(&alive, 1);
    isolated->home = NULL;
    isolated->interpreter = NULL;
    PyEval_RestoreThread(outside);
}

PyObject *vc_isolated_describe(vc_isolated *isolated, PyObject *exception) {
    copied out = {0};
    PyThreadState *outside = vc_visit(isolated->interpreter);
    PyObject *bytes = PyObject_CallOneArg(isolated->describe, exception);
    if (bytes != NULL) {
        copy_out(&out, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    } else {
        copy_error(&out);
    }
    Py_XDECREF(bytes);
    Py_DECREF(exception);
    vc_come_back(outside);
    return hand_over(&out);
}

void vc_isolated_interrupt(vc_isolated *isolated, unsigned long thread) {
    PyThreadState *outside = vc_visit(isolated->interpreter);
    PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
    vc_come_back(outside);
}

#else

PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted, const vc_isolated_user *user) {
    (void)isolated, (void)wanted, (void)user;
    PyErr_SetString(PyExc_NotImplementedError, "an interpreter has a GIL of its own from 3.12 on");
    return NULL;
}

void vc_isolated_end(vc_isolated *isolated, const vc_isolated_user *user) {
    (void)isolated, (void)user;
}

PyObject *vc_isolated_describe(vc_isolated *isolated, PyObject *exception) {
    (void)isolated;
    Py_DECREF(exception);
    Py_RETURN_NONE;
}

void vc_isolated_interrupt(vc_isolated *isolated, unsigned long thread) {
    (void)isolated, (void)thread;
}

void vc_isolated_forget_all(void) {}

#endif
