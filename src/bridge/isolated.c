/* An interpreter with a GIL of its own. See isolated.h. */
#include "isolated.h"

#include "block.h"

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

vc_isolated *vc_isolated_new(void) {
#if PY_VERSION_HEX >= 0x030C0000
    vc_isolated *isolated = PyMem_RawCalloc(1, sizeof *isolated);
    if (isolated == NULL) {
        PyErr_NoMemory();
    }
    return isolated;
#else
    PyErr_SetString(PyExc_NotImplementedError, "an interpreter has a GIL of its own from 3.12 on");
    return NULL;
#endif
}

void vc_isolated_free(vc_isolated *isolated) { PyMem_RawFree(isolated); }

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
    PyObject *error = PyErr_GetRaisedException();
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

/* ---- coming and going -------------------------------------------------------------------------
 */

/* A thread that is not the keeper goes in with a state that ends when it comes out: it is bound to
 * no other thread, and none is left when the interpreter ends. */
static PyThreadState *visit(vc_isolated *isolated) {
    PyThreadState *outside = PyEval_SaveThread();
    PyEval_RestoreThread(PyThreadState_New(isolated->interpreter));
    return outside;
}

static void come_back(PyThreadState *outside) {
    PyThreadState_Clear(PyThreadState_Get());
    PyThreadState_DeleteCurrent();
    PyEval_RestoreThread(outside);
}

/* ---- making -----------------------------------------------------------------------------------
 */

static float *block_of(PyObject *memory) {
    return memory == Py_None ? NULL : ((vc_py_memory *)memory)->data;
}

/* `parts`: (callable, block, input memory, output memory, zero_copy, Stop, EscapedBlockError,
 * CallbackResultError). */
static bool take_parts(vc_isolated *isolated, PyObject *parts) {
    PyObject **part = &PyTuple_GET_ITEM(parts, 0);
    vc_bridge_types types = {part[5], part[6], part[7]};
    isolated->bridge = vc_bridge_new(part[0], part[1], PyObject_IsTrue(part[4]), &types);
    if (isolated->bridge == NULL) {
        return false;
    }
    isolated->input_block = block_of(part[2]);
    isolated->output_block = block_of(part[3]);
    isolated->parts = Py_NewRef(parts);
    return true;
}

static bool enter(vc_isolated *isolated, const char *data, Py_ssize_t size, copied *out) {
    PyObject *inside = NULL, *answer = NULL;
    PyObject *wanted = PyMarshal_ReadObjectFromString(data, size);
    PyObject *path = wanted ? PyDict_GetItemString(wanted, "path") : NULL;
    if (path != NULL && PySys_SetObject("path", path) == 0) {
        inside = PyImport_ImportModule("voicecoil.inside");
    }
    if (inside != NULL) {
        isolated->describe = PyObject_GetAttrString(inside, "describe");
        answer = PyObject_CallMethod(inside, "enter", "O", wanted);
    }
    bool good = answer != NULL && isolated->describe != NULL;
    if (good) {
        PyObject *parts = PyTuple_GET_ITEM(answer, 1);
        good = parts == Py_None || take_parts(isolated, parts);
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

PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted) {
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
    enter(isolated, PyBytes_AS_STRING(wanted), PyBytes_GET_SIZE(wanted), &out);
    PyEval_SaveThread();
    PyEval_RestoreThread(outside);
    return hand_over(&out);
}

void vc_isolated_end(vc_isolated *isolated) {
    if (isolated->home == NULL) {
        return;
    }
    vc_bridge *bridge = isolated->bridge;
    if (bridge != NULL && vc_bridge_has_orphan(bridge)) {
        vc_bridge_reap(bridge);
    }
    PyThreadState *outside = PyEval_SaveThread();
    PyEval_RestoreThread(isolated->home);
    isolated->bridge = NULL;
    vc_bridge_free(bridge);
    Py_CLEAR(isolated->parts);
    Py_CLEAR(isolated->describe);
    Py_EndInterpreter(isolated->home);
    atomic_fetch_sub(&alive, 1);
    isolated->home = NULL;
    isolated->interpreter = NULL;
    PyEval_RestoreThread(outside);
}

/* ---- what the callable raised -----------------------------------------------------------------
 */

PyObject *vc_isolated_take_exception(vc_isolated *isolated) {
    if (isolated->bridge == NULL || !vc_bridge_has_exception(isolated->bridge)) {
        Py_RETURN_NONE;
    }
    copied out = {0};
    PyThreadState *outside = visit(isolated);
    PyObject *exception = vc_bridge_take_exception(isolated->bridge);
    PyObject *bytes = PyObject_CallOneArg(isolated->describe, exception);
    if (bytes != NULL) {
        copy_out(&out, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    } else {
        copy_error(&out);
    }
    Py_XDECREF(bytes);
    Py_DECREF(exception);
    come_back(outside);
    return hand_over(&out);
}

void vc_isolated_interrupt(vc_isolated *isolated) {
    if (isolated->bridge == NULL) {
        return;
    }
    PyThreadState *outside = visit(isolated);
    unsigned long thread = vc_bridge_running_on(isolated->bridge);
    if (thread != 0) {
        PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
    }
    come_back(outside);
}

#else

PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted) {
    (void)isolated, (void)wanted;
    Py_UNREACHABLE();
}

void vc_isolated_end(vc_isolated *isolated) { (void)isolated; }

PyObject *vc_isolated_take_exception(vc_isolated *isolated) {
    (void)isolated;
    Py_RETURN_NONE;
}

void vc_isolated_interrupt(vc_isolated *isolated) { (void)isolated; }

void vc_isolated_forget_all(void) {}

#endif
