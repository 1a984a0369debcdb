/* A library that uses the bridge wrongly. Each function makes one kind of mistake. Tests load the
 * library with ctypes.PyDLL. */
#include "voicecoil_bridge.h"

static const voicecoil_bridge_api *bridge;

int misuse_import(void) {
    bridge = voicecoil_bridge_import();
    return bridge ? 0 : -1;
}

/* ---- functions around a call ---- */

static PyObject *arguments_list(void *user) {
    (void)user;
    return PyList_New(1);
}

static PyObject *arguments_int(void *user) {
    (void)user;
    return PyLong_FromLong(1000);
}

static PyObject *arguments_null(void *user) {
    (void)user;
    return NULL;
}

static PyObject *arguments_and_exception(void *user) {
    (void)user;
    PyErr_SetString(PyExc_KeyError, "meant");
    return PyTuple_New(0);
}

static int before_exception_but_0(PyObject *arguments, void *event, void *user) {
    (void)arguments, (void)event, (void)user;
    PyErr_SetString(PyExc_KeyError, "meant");
    return 0;
}

static int before_failure_without_exception(PyObject *arguments, void *event, void *user) {
    (void)arguments, (void)event, (void)user;
    return -1;
}

static int after_exception_but_0(PyObject *result, void *event, void *user) {
    return before_exception_but_0(result, event, user);
}

static int after_failure_without_exception(PyObject *result, void *event, void *user) {
    return before_failure_without_exception(result, event, user);
}

static const voicecoil_gate_functions wrong[] = {
    {.arguments = arguments_list},
    {.arguments = arguments_null},
    {.arguments = arguments_and_exception},
    {.before = before_exception_but_0},
    {.before = before_failure_without_exception},
    {.after = after_exception_but_0},
    {.after = after_failure_without_exception},
    {.arguments = arguments_int},
};

/* Calls `callable` twice with the wrong functions of `kind`, on this thread and without the GIL.
 * Returns a new reference to (answers, exception or None, number of dropped exceptions). An answer
 * of 1 means that way_new has returned NULL. */
PyObject *misuse_call(PyObject *callable, int kind) {
    voicecoil_gate *gate = bridge->gate_new(callable, &wrong[kind]);
    if (gate == NULL) {
        return NULL;
    }
    int answers[2] = {1, 1};
    PyThreadState *mine = PyEval_SaveThread();
    voicecoil_way *way = bridge->way_new(gate);
    for (int i = 0; i < 2 && way != NULL; i++) {
        answers[i] = bridge->call(way, NULL);
    }
    bridge->way_free(way);
    PyEval_RestoreThread(mine);
    PyObject *exception = bridge->gate_take_exception(gate);
    PyObject *answer =
        Py_BuildValue("((ii)OK)", answers[0], answers[1], exception ? exception : Py_None,
                      (unsigned long long)bridge->gate_dropped_exceptions(gate));
    Py_XDECREF(exception);
    bridge->gate_free(gate);
    return answer;
}

/* ---- NULL, and other values that cannot work ---- */

PyObject *misuse_new_null(void) {
    bridge->gate_new(NULL, NULL);
    return NULL;
}

PyObject *misuse_new_isolated(const char *name) {
    bridge->gate_new_isolated(name, NULL);
    return NULL;
}

PyObject *misuse_close_null(void) {
    bridge->gate_close(NULL, 1.0);
    return NULL;
}

PyObject *misuse_close(PyObject *callable, double timeout_s) {
    voicecoil_gate *gate = bridge->gate_new(callable, NULL);
    int answer = bridge->gate_close(gate, timeout_s);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bridge->gate_free(gate);
    PyErr_Restore(type, value, traceback);
    return answer < 0 ? NULL : PyLong_FromLong(answer);
}

/* Calls that must have no effect. */
PyObject *misuse_null(void) {
    bridge->gate_free(NULL);
    bridge->way_free(NULL);
    voicecoil_way *way = bridge->way_new(NULL);
    int answer = bridge->call(NULL, NULL);
    PyObject *exception = bridge->gate_take_exception(NULL);
    return Py_BuildValue("OiOK", way ? Py_True : Py_False, answer, exception ? Py_True : Py_False,
                         (unsigned long long)bridge->gate_dropped_exceptions(NULL));
}

/* ---- a gate that is freed in a call through it ---- */

static voicecoil_gate *freed;

PyObject *misuse_free(void) {
    bridge->gate_free(freed);
    return PyLong_FromLong(0);
}

PyObject *misuse_free_inside(PyObject *callable) {
    freed = bridge->gate_new(callable, NULL);
    PyThreadState *mine = PyEval_SaveThread();
    voicecoil_way *way = bridge->way_new(freed);
    int answer = bridge->call(way, NULL);
    bridge->way_free(way);
    PyEval_RestoreThread(mine);
    return PyLong_FromLong(answer);
}
