/* The parameters and results of a callback: named numbers and bytes in a record, which a mailbox
 * passes from one side to the other.
 *
 * A side either writes or reads. In a callback, the reader sees the same record during the whole
 * block, and changes of the writer are published when the block ends: see vc_values_take and
 * vc_values_give. On the control side, each change is published at once, and each read takes the
 * newest record.
 *
 * The fields are a sequence of (name, kind, offset, size). Kinds: "d" float64, "q" int64, "?" bool,
 * "s" a uint32 with the number of bytes, followed by up to `size` bytes. */
#define PY_SSIZE_T_CLEAN
#include "block.h"
#include "shown.h"

typedef struct field {
    uint32_t offset;
    uint32_t size;
    char kind;
} field;

/* ---- fields -----------------------------------------------------------------------------------
 */

/* Returns false without an exception if there is no field `name`. */
static bool find(const vc_py_values *side, PyObject *name, field *found) {
    PyObject *packed = PyDict_GetItemWithError(side->fields, name);
    if (packed == NULL) {
        PyErr_Clear();
        return false;
    }
    memcpy(found, PyBytes_AS_STRING(packed), sizeof *found);
    return true;
}

static PyObject *load(const unsigned char *record, const field *at) {
    const unsigned char *data = record + at->offset;
    double real;
    int64_t whole;
    uint32_t length;
    switch (at->kind) {
    case 'd':
        memcpy(&real, data, sizeof real);
        return PyFloat_FromDouble(real);
    case 'q':
        memcpy(&whole, data, sizeof whole);
        return PyLong_FromLongLong(whole);
    case '?':
        return PyBool_FromLong(*data);
    default:
        memcpy(&length, data, sizeof length);
        return PyBytes_FromStringAndSize((const char *)data + sizeof length, (Py_ssize_t)length);
    }
}

static int store_bytes(unsigned char *data, const field *at, PyObject *name, PyObject *value) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(value, &buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int answer = -1;
    if (buffer.len > (Py_ssize_t)at->size) {
        PyErr_Format(PyExc_ValueError,
                     "%U has room for %u bytes, and these are %zd; the room is the length of the "
                     "value that the stream was opened with",
                     name, at->size, buffer.len);
    } else {
        uint32_t length = (uint32_t)buffer.len;
        memcpy(data, &length, sizeof length);
        memcpy(data + sizeof length, buffer.buf, length);
        answer = 0;
    }
    PyBuffer_Release(&buffer);
    return answer;
}

static int store(unsigned char *record, const field *at, PyObject *name, PyObject *value) {
    unsigned char *data = record + at->offset;
    if (at->kind == 'd') {
        double real = PyFloat_AsDouble(value);
        memcpy(data, &real, sizeof real);
    } else if (at->kind == 'q') {
        int64_t whole = PyLong_AsLongLong(value);
        memcpy(data, &whole, sizeof whole);
    } else if (at->kind == '?') {
        *data = PyObject_IsTrue(value) != 0;
    } else {
        return store_bytes(data, at, name, value);
    }
    if (!PyErr_Occurred()) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear(); /* repr must not be called with an exception set */
        PyObject *shown = vc_py_shown(value);
        if (shown != NULL) {
            PyErr_Format(PyExc_TypeError, "%U = %U; it was opened as %s and stays one", name, shown,
                         at->kind == 'd' ? "a float" : "an int");
            Py_DECREF(shown);
        }
    }
    return -1;
}

static PyObject *no_such(const vc_py_values *side, PyObject *name) {
    PyObject *names = PyDict_Keys(side->fields);
    if (names != NULL) {
        PyErr_Format(PyExc_AttributeError, "there is no %R; the stream was opened with %R", name,
                     names);
        Py_DECREF(names);
    }
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static void look(vc_py_values *side) {
    if (side->at_once && !side->writes) {
        side->data = (unsigned char *)(uintptr_t)vc_mailbox_read(side->mailbox);
    }
}

static PyObject *values_getattro(PyObject *self, PyObject *name) {
    vc_py_values *side = (vc_py_values *)self;
    field at;
    if (find(side, name, &at)) {
        PyObject *value;
        Py_BEGIN_CRITICAL_SECTION(self);
        look(side);
        value = load(side->data, &at);
        Py_END_CRITICAL_SECTION();
        return value;
    }
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return no_such(side, name);
    }
    return value;
}

static PyObject *read_all(vc_py_values *side) {
    PyObject *all = PyDict_New();
    PyObject *name, *packed;
    Py_ssize_t position = 0;
    look(side);
    while (all != NULL && PyDict_Next(side->fields, &position, &name, &packed)) {
        field at;
        memcpy(&at, PyBytes_AS_STRING(packed), sizeof at);
        PyObject *value = load(side->data, &at);
        if (value == NULL || PyDict_SetItem(all, name, value) < 0) {
            Py_CLEAR(all);
        }
        Py_XDECREF(value);
    }
    return all;
}

static PyObject *values_read(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *all;
    Py_BEGIN_CRITICAL_SECTION(self);
    all = read_all((vc_py_values *)self);
    Py_END_CRITICAL_SECTION();
    return all;
}

static PyObject *values_repr(PyObject *self) {
    PyObject *all = values_read(self, NULL);
    PyObject *text = all ? PyUnicode_FromFormat("<Values %R>", all) : NULL;
    Py_XDECREF(all);
    return text;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* Returns memory for one change: a record, followed by as many bytes for flags. The flag at the
 * offset of a field says that the field is changed. */
static unsigned char *take_spare(vc_py_values *side) {
    unsigned char *stage = side->spare;
    side->spare = NULL;
    if (stage == NULL) { /* another change is still using the spare memory */
        stage = PyMem_RawMalloc(2 * (size_t)side->bytes + 1);
    }
    if (stage == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(stage + side->bytes, 0, side->bytes);
    return stage;
}

static void give_spare(vc_py_values *side, unsigned char *stage) {
    if (side->spare == NULL) {
        side->spare = stage;
    } else {
        PyMem_RawFree(stage);
    }
}

static int try_change(vc_py_values *side, unsigned char *stage, PyObject *name, PyObject *value) {
    field at;
    if (!find(side, name, &at)) {
        no_such(side, name);
        return -1;
    }
    stage[side->bytes + at.offset] = 1;
    return store(stage, &at, name, value);
}

/* Copies the changed fields to the record. Calls no Python code, so that no other change can come
 * in between. */
static void apply(vc_py_values *side, const unsigned char *stage) {
    PyObject *name, *packed;
    Py_ssize_t position = 0;
    while (PyDict_Next(side->fields, &position, &name, &packed)) {
        field at;
        memcpy(&at, PyBytes_AS_STRING(packed), sizeof at);
        if (stage[side->bytes + at.offset]) {
            uint32_t size = at.size;
            if (at.kind ==
                's') { /* copies only the bytes that were given; the rest stays as it was */
                memcpy(&size, stage + at.offset, sizeof size);
                size += (uint32_t)sizeof size;
            }
            memcpy(side->data + at.offset, stage + at.offset, size);
        }
    }
    side->changed = true;
    if (side->at_once) {
        vc_mailbox_write(side->mailbox, side->data);
    }
}

/* Makes all changes or none: if a value cannot be stored, the record stays as it was. The
 * conversion of a value may run any Python code (__float__, __index__, __bool__, __buffer__). This
 * code may change the record, too, or let another thread do so. So all values are converted before
 * the first one is applied. */
static int change(vc_py_values *side, PyObject *name, PyObject *value, PyObject *more) {
    if (!side->writes) {
        PyErr_SetString(PyExc_AttributeError,
                        "these can only be read here: a stream's parameters are set outside of the "
                        "callback, its results in it");
        return -1;
    }
    unsigned char *stage = take_spare(side);
    if (stage == NULL) {
        return -1;
    }
    int answer = name == NULL ? 0 : try_change(side, stage, name, value);
    Py_ssize_t position = 0;
    while (answer == 0 && more != NULL && PyDict_Next(more, &position, &name, &value)) {
        answer = try_change(side, stage, name, value);
    }
    if (answer == 0) {
        apply(side, stage);
    }
    give_spare(side, stage);
    return answer;
}

static int values_setattro(PyObject *self, PyObject *name, PyObject *value) {
    int answer;
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%U cannot be deleted", name);
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    answer = change((vc_py_values *)self, name, value, NULL);
    Py_END_CRITICAL_SECTION();
    return answer;
}

static PyObject *values_update(PyObject *self, PyObject *arguments, PyObject *changes) {
    int answer;
    if (!PyArg_ParseTuple(arguments, ":update")) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    answer = change((vc_py_values *)self, NULL, NULL, changes);
    Py_END_CRITICAL_SECTION();
    if (answer < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the type ---------------------------------------------------------------------------------
 */

static void values_dealloc(PyObject *self) {
    vc_py_values *side = (vc_py_values *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (side->owns) {
        vc_mailbox_free(side->mailbox);
    }
    if (side->writes) {
        PyMem_RawFree(side->data);
    }
    PyMem_RawFree(side->spare);
    Py_XDECREF(side->fields);
    Py_XDECREF(side->other);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef values_methods[] = {
    {"read", values_read, METH_NOARGS, "All of them at one moment, as a dict."},
    {"update", (PyCFunction)(void (*)(void))values_update, METH_VARARGS | METH_KEYWORDS,
     "Changes several at once: the callback sees all of the changes or none."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot values_slots[] = {
    {Py_tp_doc, "Named numbers and bytes that go into a callback or come out of it. Each is an\n"
                "attribute. Reading and writing never waits."},
    {Py_tp_methods, values_methods},
    {Py_tp_getattro, values_getattro},
    {Py_tp_setattro, values_setattro},
    {Py_tp_repr, values_repr},
    {Py_tp_dealloc, values_dealloc},
    {0, NULL}};
PyType_Spec vc_values_spec = {"voicecoil.Values", sizeof(vc_py_values), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, values_slots};

static int add_fields(vc_py_values *side, PyObject *sequence) {
    side->fields = PyDict_New();
    for (Py_ssize_t i = 0; side->fields != NULL && i < PyTuple_GET_SIZE(sequence); i++) {
        PyObject *name;
        int kind;
        unsigned int offset, size;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(sequence, i), "UCII", &name, &kind, &offset,
                              &size)) {
            return -1;
        }
        field at = {offset, size, (char)kind};
        PyObject *packed = PyBytes_FromStringAndSize((const char *)&at, sizeof at);
        PyObject *interned = Py_NewRef(name);
        PyUnicode_InternInPlace(
            &interned); /* like the names in code, so that dict compares pointers */
        int added = packed ? PyDict_SetItem(side->fields, interned, packed) : -1;
        Py_DECREF(interned);
        Py_XDECREF(packed);
        if (added < 0) {
            return -1;
        }
    }
    return side->fields == NULL ? -1 : 0;
}

PyObject *vc_values_new(PyTypeObject *type, PyObject *arguments) {
    PyObject *fields, *other;
    const char *first;
    Py_ssize_t bytes;
    int writes, at_once;
    if (!PyArg_ParseTuple(arguments, "O!y#Opp", &PyTuple_Type, &fields, &first, &bytes, &other,
                          &writes, &at_once)) {
        return NULL;
    }
    vc_py_values *side = PyObject_New(vc_py_values, type);
    if (side == NULL) {
        return NULL;
    }
    side->mailbox = NULL;
    side->owns = other == Py_None;
    side->other = NULL;
    side->writes = writes != 0;
    side->at_once = at_once != 0;
    side->changed = false;
    side->bytes = (uint32_t)bytes;
    side->data = side->spare = NULL;
    side->fields = NULL;
    if (side->owns) {
        side->mailbox = vc_mailbox_new(side->bytes, first);
    } else if (PyLong_Check(other)) {
        side->mailbox = PyLong_AsVoidPtr(other);
    } else {
        side->mailbox = ((vc_py_values *)other)->mailbox;
        side->other = Py_NewRef(other);
    }
    if (side->writes) {
        side->data = PyMem_RawMalloc((size_t)bytes + 1);
        side->spare = PyMem_RawMalloc(2 * (size_t)bytes + 1);
    } else if (side->mailbox != NULL) {
        side->data = (unsigned char *)(uintptr_t)vc_mailbox_read(side->mailbox);
    }
    if (side->mailbox == NULL || side->data == NULL || (side->writes && side->spare == NULL)) {
        Py_DECREF(side);
        return PyErr_NoMemory();
    }
    if (side->writes) {
        memcpy(side->data, first, (size_t)bytes);
    }
    if (add_fields(side, fields) < 0) {
        Py_DECREF(side);
        return NULL;
    }
    return (PyObject *)side;
}

PyObject *vc_values_mailbox(PyObject *unused, PyObject *values) {
    (void)unused;
    return PyLong_FromVoidPtr(((vc_py_values *)values)->mailbox);
}
