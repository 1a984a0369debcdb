/* shown.h - an object of the user in a message, as voicecoil.arguments.shown writes it. */
#ifndef VOICECOIL_SHOWN_H
#define VOICECOIL_SHOWN_H

#include <Python.h>

enum { VC_SHOWN = 80 }; /* characters */

/* Call it without an exception set. Returns one line of at most about VC_SHOWN characters, or NULL
 * with an exception. The `repr` of an array has many lines, and that of another object may raise
 * anything. */
static inline PyObject *vc_py_shown(PyObject *object) {
    PyObject *text = PyObject_Repr(object);
    if (text == NULL) {
        PyErr_Clear();
        return PyUnicode_FromFormat("<%s>", Py_TYPE(object)->tp_name);
    }
    PyObject *words = PyUnicode_Split(text, NULL, -1);
    PyObject *space = PyUnicode_FromString(" ");
    PyObject *line = words && space ? PyUnicode_Join(space, words) : NULL;
    Py_DECREF(text);
    Py_XDECREF(words);
    Py_XDECREF(space);
    if (line != NULL && PyUnicode_GetLength(line) > VC_SHOWN) {
        PyObject *begin = PyUnicode_Substring(line, 0, VC_SHOWN);
        Py_DECREF(line);
        line = begin ? PyUnicode_FromFormat("%U ...", begin) : NULL;
        Py_XDECREF(begin);
    }
    return line;
}

#endif
