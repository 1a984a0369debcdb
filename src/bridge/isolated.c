/* An interpreter with a GIL of its own. See isolated.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "isolated.h"

#include "entry.h"
#include "voicecoil.h"

#include <marshal.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#define HAS_FORK 1
#endif

/* Bytes that were copied inside the isolated interpreter, to be passed outside. The memory belongs
 * to no interpreter. */
typedef struct copied {
    char *data;
    Py_ssize_t size;
    bool is_error; /* `data` is the text of an exception that was raised in voicecoil's own code
                    * inside */
} copied;

#if PY_VERSION_HEX >= 0x030C0000

static void copy_out(copied *out, const char *data, Py_ssize_t size) {
    out->data = PyMem_RawMalloc((size_t)size + 1);
    if (out->data != NULL) {
        memcpy(out->data, data, (size_t)size);
        out->size = size;
    }
}

/* Copies the exception that is set, as text. */
static void copy_error(copied *out) {
    PyObject *error = vc_fetch_exception();
    PyObject *text = error ? PyObject_Repr(error) : NULL;
    const char *data = text ? PyUnicode_AsUTF8(text) : NULL;
    out->is_error = true;
    copy_out(out, data ? data : "an error without a text", data ? (Py_ssize_t)strlen(data) : 23);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(error);
}

/* Called outside. Returns the copy as a bytes object, or raises an exception if it is an error.
 * Frees the copy. */
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

/* ---- the end of the program ---------------------------------------------------------------------
 *
 * Python's list of interpreters must not change during vc_isolated_forget_all: a thread that does
 * not find its interpreter on the list at the end of Py_EndInterpreter aborts the process. A keeper
 * sets `changing` before it checks `leaving`. The exit handler sets `leaving` before it checks
 * `changing`. Both are sequentially consistent, so at least one of the two threads sees the other.
 */

static atomic_int alive;    /* interpreters on the list */
static atomic_int changing; /* keepers that are making or ending an interpreter */
static atomic_bool leaving; /* the list must not be changed any more */

static bool begin_change(void) {
    atomic_fetch_add(&changing, 1);
    if (atomic_load(&leaving)) {
        atomic_fetch_sub(&changing, 1);
        return false;
    }
    return true;
}

static void end_change(void) { atomic_fetch_sub(&changing, 1); }

/* Returns the address of CPython's private variable _PyRuntime, or NULL if Python hides it. Two
 * fields of this variable that follow each other are the head of the list of interpreters and the
 * main interpreter. The variable is looked up at run time. Otherwise a Python that hides it could
 * not load this module. docs/decisions/0017 lists all private names. */
enum { LIST_IS_WITHIN = 8192 };

static char *runtime(void) {
#if defined(_WIN32)
    HMODULE python = NULL;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                           GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       (LPCSTR)(void *)PyInterpreterState_Head, &python);
    return python != NULL ? (char *)(void *)GetProcAddress(python, "_PyRuntime") : NULL;
#else
    return dlsym(RTLD_DEFAULT, "_PyRuntime");
#endif
}

static void unlink_all(void) {
    PyInterpreterState *pair[2] = {PyInterpreterState_Head(), PyInterpreterState_Main()};
    if (atomic_load(&alive) == 0 || pair[0] == pair[1]) {
        return;
    }
    char *list = runtime();
    for (size_t at = 0; list != NULL && at < LIST_IS_WITHIN; at += sizeof(void *)) {
        if (memcmp(list + at, pair, sizeof pair) == 0) {
            memcpy(list + at, &pair[1], sizeof pair[1]);
            return;
        }
    }
}

bool vc_isolated_forget_all(double timeout_s) {
    atomic_store(&leaving, true);
    PyThreadState *mine = PyEval_SaveThread(); /* a keeper may need the GIL to finish */
    int64_t until_ns = vc_clock_ns() + (int64_t)(timeout_s * 1e9);
    bool changed;
    while ((changed = atomic_load(&changing) != 0) && vc_clock_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    PyEval_RestoreThread(mine);
    unlink_all();
    return !changed;
}

#ifdef HAS_FORK
/* A forked child does not have the keepers, so nothing can end the parent's interpreters there. */
static void forget_parents(void) {
    unlink_all();
    atomic_store(&alive, 0);
    atomic_store(&changing, 0);
}

static void forget_all_in_forks(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done)) {
        pthread_atfork(NULL, NULL, forget_parents);
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

/* Detaches the keeper, and makes sure that vc_isolated_break_import does not interrupt it any more.
 * vc_isolated_break_import sets `breaking` before it reads `importing`. This function clears
 * `importing` before it reads `breaking`. So at least one of the two sees the other. */
static void end_import(vc_isolated *isolated, unsigned long me) {
    PyThreadState *home = PyEval_SaveThread();
    atomic_store(&isolated->importing, 0);
    while (atomic_load(&isolated->breaking)) {
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    PyEval_RestoreThread(home);
    PyThreadState_SetAsyncExc(me, NULL); /* cancels an exception that came after the import */
    PyEval_SaveThread();
}

PyObject *vc_isolated_make(vc_isolated *isolated, PyObject *wanted, const vc_isolated_user *user) {
    /* Threads are forbidden, because they could outlive the callable. Fork and exec are forbidden,
     * because they would affect the whole process. */
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
    forget_all_in_forks();
    if (!begin_change()) {
        PyErr_SetString(PyExc_RuntimeError, "the program is ending");
        return NULL;
    }
    PyStatus status = Py_NewInterpreterFromConfig(&home, &config);
    if (PyStatus_Exception(status) || home == NULL) {
        end_change();
        PyThreadState_Swap(outside);
        const char *why = status.err_msg ? status.err_msg : "unknown";
        PyErr_Format(PyExc_RuntimeError, "Python makes no interpreter: %s", why);
        return NULL;
    }
    atomic_fetch_add(&alive, 1);
    end_change();
    isolated->home = home;
    isolated->interpreter = PyThreadState_GetInterpreter(home);
    copied out = {0};
    unsigned long me = PyThread_get_thread_ident();
    atomic_store(&isolated->importing, me);
    /* `wanted` belongs to the outside interpreter. Its bytes can be read here, because the caller
     * keeps a reference to it. */
    enter(isolated, PyBytes_AS_STRING(wanted), PyBytes_GET_SIZE(wanted), user, &out);
    end_import(isolated, me);
    PyEval_RestoreThread(outside);
    return hand_over(&out);
}

void vc_isolated_end(vc_isolated *isolated, const vc_isolated_user *user) {
    if (isolated->interpreter == NULL || !begin_change()) {
        return;
    }
    PyThreadState *outside = PyEval_SaveThread();
    PyEval_RestoreThread(isolated->home);
    user->drop(user->argument);
    Py_CLEAR(isolated->parts);
    Py_CLEAR(isolated->describe);
    Py_EndInterpreter(isolated->home);
    atomic_fetch_sub(&alive, 1);
    end_change();
    isolated->home = NULL;
    isolated->interpreter = NULL;
    PyEval_RestoreThread(outside);
}

PyObject *vc_isolated_describe(vc_isolated *isolated, PyObject *exception) {
    copied out = {0};
    PyThreadState *outside = vc_visit_begin(isolated->interpreter);
    PyObject *bytes = PyObject_CallOneArg(isolated->describe, exception);
    if (bytes != NULL) {
        copy_out(&out, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    } else {
        copy_error(&out);
    }
    Py_XDECREF(bytes);
    Py_DECREF(exception);
    vc_visit_end(outside);
    return hand_over(&out);
}

void vc_isolated_interrupt(vc_isolated *isolated, unsigned long thread) {
    PyThreadState *outside = vc_visit_begin(isolated->interpreter);
    PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
    vc_visit_end(outside);
}

static void *break_import(void *argument) {
    vc_isolated *isolated = argument;
    unsigned long thread = atomic_load(&isolated->importing);
    PyThreadState *state = thread != 0 ? PyThreadState_New(isolated->interpreter) : NULL;
    if (state != NULL) {
        PyEval_RestoreThread(state);
        PyThreadState_SetAsyncExc(thread, PyExc_SystemExit);
        PyThreadState_Clear(state);
        PyThreadState_DeleteCurrent();
    }
    atomic_store(&isolated->breaking, false);
    return NULL;
}

void vc_isolated_break_import(vc_isolated *isolated) {
    pthread_t thread;
    if (atomic_exchange(&isolated->breaking, true)) {
        return; /* an earlier thread still waits for the GIL */
    }
    /* Only the end of an import waits for the thread (end_import). Without an import, `isolated`
     * could be freed before the thread begins. */
    if (atomic_load(&isolated->importing) == 0) {
        atomic_store(&isolated->breaking, false);
        return;
    }
    if (pthread_create(&thread, NULL, break_import, isolated) == 0) {
        pthread_detach(thread);
    } else {
        atomic_store(&isolated->breaking, false);
    }
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

void vc_isolated_break_import(vc_isolated *isolated) { (void)isolated; }

bool vc_isolated_forget_all(double timeout_s) {
    (void)timeout_s;
    return true;
}

#endif
