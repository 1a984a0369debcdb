/* A foreign thread enters an interpreter and leaves it. See entry.h. */
#include "entry.h"

#include "stack.h"

static void drop_attached(PyThreadState *state) {
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

/* Deletes a state that another thread left. On 3.12 and later PyThreadState_Delete also unbinds the
 * *calling* thread from PyGILState, so it is done under a state that ends right after. */
static void drop_foreign(PyInterpreterState *interpreter, PyThreadState *state) {
    PyThreadState *passing = PyThreadState_New(interpreter);
    PyEval_RestoreThread(passing);
    PyThreadState_Clear(state);
    PyThreadState_Delete(state);
    drop_attached(passing);
}

bool vc_entry_enter(vc_entry *entry) {
    if (atomic_load(&entry->closed)) {
        return false;
    }
    unsigned long me = PyThread_get_thread_ident();
    bool first = entry->thread != me || entry->state == NULL;
    if (first) {
        if (entry->state != NULL) { /* the device has a new IO thread */
            drop_foreign(entry->interpreter, entry->state);
        }
        entry->state = PyThreadState_New(entry->interpreter);
        entry->thread = me;
        if (entry->state == NULL) {
            return false;
        }
    }
    PyEval_RestoreThread(entry->state);
    if (first) {
        vc_limit_recursion(entry->state);
    }
    atomic_store_explicit(&entry->inside, me, memory_order_relaxed);
    return true;
}

void vc_entry_leave(vc_entry *entry) {
    atomic_store_explicit(&entry->inside, 0, memory_order_relaxed);
    PyEval_SaveThread();
}

void vc_entry_leave_for_good(vc_entry *entry) {
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

PyThreadState *vc_visit(PyInterpreterState *interpreter) {
    PyThreadState *elsewhere = PyEval_SaveThread();
    PyEval_RestoreThread(PyThreadState_New(interpreter));
    return elsewhere;
}

void vc_come_back(PyThreadState *elsewhere) {
    drop_attached(PyThreadState_Get());
    PyEval_RestoreThread(elsewhere);
}

PyObject *vc_take_raised(void) {
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
