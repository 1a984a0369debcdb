/* Lets a foreign thread into an interpreter. See entry.h. */
#include "entry.h"

#include "stack.h"
#include "thread.h"

#if defined(__APPLE__)
#include <pthread.h>
#endif

static void drop_attached(PyThreadState *state) {
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

/* Deletes the state of another thread. On 3.12 and later, PyThreadState_Delete also unbinds the
 * *calling* thread from PyGILState. So it is called under a temporary state. */
static void drop_foreign(PyInterpreterState *interpreter, PyThreadState *state) {
    PyThreadState *passing = PyThreadState_New(interpreter);
    PyEval_RestoreThread(passing);
    PyThreadState_Clear(state);
    PyThreadState_Delete(state);
    drop_attached(passing);
}

uint64_t vc_this_thread(void) {
#if defined(__APPLE__)
    /* The system never reuses this number, and reading it does not allocate. */
    uint64_t mine = 0;
    pthread_threadid_np(NULL, &mine);
#else
    static _Atomic uint64_t threads;
    static VC_THREAD_LOCAL uint64_t mine;
    if (mine == 0) {
        mine = atomic_fetch_add(&threads, 1) + 1;
    }
#endif
    return mine;
}

bool vc_entry_enter(vc_entry *entry) {
    if (atomic_load(&entry->closed)) {
        return false;
    }
    uint64_t me = vc_this_thread();
    bool first = entry->thread != me || entry->state == NULL;
    if (first) {
        if (entry->state != NULL) { /* the device has a new IO thread */
            drop_foreign(entry->interpreter, entry->state);
        }
        entry->state = PyThreadState_New(entry->interpreter);
        entry->thread = me;
        entry->ident = PyThread_get_thread_ident();
        if (entry->state == NULL) {
            return false;
        }
    }
    if (entry->preempt != NULL) {
        vc_preempt_ask(entry->preempt, entry->interpreter);
    }
    PyEval_RestoreThread(entry->state);
    if (first) {
        vc_limit_recursion(entry->state);
    }
    atomic_store_explicit(&entry->inside, entry->ident, memory_order_relaxed);
    return true;
}

void vc_entry_leave(vc_entry *entry) {
    atomic_store_explicit(&entry->inside, 0, memory_order_relaxed);
    PyEval_SaveThread();
}

void vc_entry_leave_for_good(vc_entry *entry) {
    if (entry->preempt != NULL) {
        vc_preempt_got(entry->preempt, 0);
    }
    PyThreadState *state = entry->state;
    entry->state = NULL;
    atomic_store_explicit(&entry->inside, 0, memory_order_relaxed);
    drop_attached(state);
}

void vc_entry_reap(vc_entry *entry) {
    PyThreadState *state = entry->state;
    entry->state = NULL;
    if (state != NULL) {
        PyThreadState *mine = PyEval_SaveThread();
        drop_foreign(entry->interpreter, state);
        PyEval_RestoreThread(mine);
    }
}

#if PY_VERSION_HEX >= 0x030F0000

static PyMutex guards_lock;
static vc_guard *guards; /* a list of the guards that are held */

int vc_guard_take(vc_guard *guard) {
    void *taken = PyInterpreterGuard_FromCurrent();
    if (taken == NULL) {
        return -1;
    }
    atomic_store(&guard->held, taken);
    PyMutex_Lock(&guards_lock);
    guard->next = guards;
    guards = guard;
    PyMutex_Unlock(&guards_lock);
    return 0;
}

void vc_guard_release(vc_guard *guard) {
    void *held = atomic_exchange(&guard->held, NULL);
    if (held == NULL) {
        return;
    }
    PyMutex_Lock(&guards_lock);
    vc_guard **at = &guards;
    while (*at != guard) {
        at = &(*at)->next;
    }
    *at = guard->next;
    PyMutex_Unlock(&guards_lock);
    PyInterpreterGuard_Close(held);
}

void vc_guard_release_all(void) {
    guards_lock = (PyMutex){0}; /* a thread of the parent may have held it */
    for (vc_guard *guard = guards; guard != NULL; guard = guard->next) {
        void *held = atomic_exchange(&guard->held, NULL);
        if (held != NULL) {
            PyInterpreterGuard_Close(held);
        }
    }
    guards = NULL;
}

#else

int vc_guard_take(vc_guard *guard) {
    (void)guard;
    return 0;
}

void vc_guard_release(vc_guard *guard) { (void)guard; }

void vc_guard_release_all(void) {}

#endif

PyThreadState *vc_visit_begin(PyInterpreterState *interpreter) {
    PyThreadState *elsewhere = PyEval_SaveThread();
    PyEval_RestoreThread(PyThreadState_New(interpreter));
    return elsewhere;
}

void vc_visit_end(PyThreadState *elsewhere) {
    drop_attached(PyThreadState_Get());
    PyEval_RestoreThread(elsewhere);
}

PyObject *vc_fetch_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(exception, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return exception;
#endif
}

void vc_put_raised(PyObject *exception) {
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyObject *type = exception ? Py_NewRef(Py_TYPE(exception)) : NULL;
    PyObject *traceback = exception ? PyException_GetTraceback(exception) : NULL;
    PyErr_Restore(type, exception, traceback);
#endif
}

void vc_raise_wrong(const char *text, PyObject *given) {
    PyObject *errors = PyImport_ImportModule("voicecoil.errors");
    PyObject *kind = errors ? PyObject_GetAttrString(errors, "ArgumentTypeError") : NULL;
    PyObject *shown = kind == NULL ? NULL
                      : given      ? PyObject_Repr(given)
                                   : PyUnicode_FromString("<NULL>");
    if (shown != NULL) {
        PyErr_Format(kind, text, shown);
    }
    Py_XDECREF(shown);
    Py_XDECREF(kind);
    Py_XDECREF(errors);
}
