/* Handles a process that is forked inside a callback. See forks.h. */
#include "forks.h"

#include "entry.h"

#include <stdlib.h>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <stdatomic.h>

/* Number of forks. It is changed only in a forked child, while the child has a single thread. */
static unsigned forks;

static void count(void) { forks++; }

void vc_forks_watch(void) {
    static atomic_flag done = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&done)) {
        pthread_atfork(NULL, NULL, count);
    }
}
#else
static const unsigned forks = 0;

void vc_forks_watch(void) {}
#endif

unsigned vc_forks(void) { return forks; }

/* Returns the exit code that Python would use for a SystemExit with this `code`. As Python does,
 * prints `code` if it is neither None nor a number. */
static int exit_code(PyObject *code) {
    if (code == Py_None) {
        return 0;
    }
    if (PyLong_Check(code)) {
        return (int)PyLong_AsLong(code);
    }
    PyObject *text = PyObject_Str(code);
    const char *words = text != NULL ? PyUnicode_AsUTF8(text) : NULL;
    PySys_FormatStderr("%s\n", words != NULL ? words : "");
    return 1;
}

_Noreturn void vc_forks_end_child(PyObject *callable) {
    int status = 0;
    PyObject *raised = PyErr_Occurred();
    if (raised != NULL && PyErr_GivenExceptionMatches(raised, PyExc_SystemExit)) {
        PyObject *exception = vc_fetch_exception();
        PyObject *code = PyObject_GetAttrString(exception, "code");
        status = code != NULL ? exit_code(code) : 1;
    } else if (raised != NULL) {
        PyErr_WriteUnraisable(callable);
        status = 1;
    }
    _Exit(status);
}
