/* Points a block's arrays and memoryviews to memory, without an allocation. See block.h. */
#include "block.h"

/* The first fields of every array in NumPy 1 and 2 (numpy/ndarraytypes.h, PyArrayObject_fields).
 * They are declared again here, because NumPy would otherwise be needed to build voicecoil. They
 * are compared with the array's own __array_interface__ before they are used. */
typedef struct array_head {
    PyObject_HEAD char *data;
    int nd;
    Py_ssize_t *dimensions;
    Py_ssize_t *strides;
    PyObject *base;
    PyObject *descr;
    int flags;
} array_head;
enum { ARRAY_C_CONTIGUOUS = 1, ARRAY_F_CONTIGUOUS = 2 };

/* Compares each field with what the array reports. No pointer is followed before it was compared.
 * NumPy stores the strides directly after the dimensions, which confirms both pointers. */
static int check_array(PyObject *object) {
    array_head *array = (array_head *)object;
    int good = 0;
    if (Py_TYPE(object)->tp_basicsize < (Py_ssize_t)sizeof(array_head)) {
        PyErr_SetString(PyExc_TypeError, "a block's view is an array or a memoryview");
        return -1;
    }
    PyObject *interface = PyObject_GetAttrString(object, "__array_interface__");
    PyObject *data = interface ? PyDict_GetItemString(interface, "data") : NULL;
    PyObject *shape = interface ? PyDict_GetItemString(interface, "shape") : NULL;
    PyObject *strides = PyErr_Occurred() ? NULL : PyObject_GetAttrString(object, "strides");
    if (data != NULL && shape != NULL && PyTuple_Check(data) && PyTuple_Size(shape) == 2 &&
        strides != NULL && PyTuple_Check(strides) && PyTuple_Size(strides) == 2) {
        good = array->nd == 2 &&
               PyLong_AsVoidPtr(PyTuple_GetItem(data, 0)) == (void *)array->data &&
               array->strides == array->dimensions + 2 &&
               PyLong_AsSsize_t(PyTuple_GetItem(shape, 0)) == array->dimensions[0] &&
               PyLong_AsSsize_t(PyTuple_GetItem(shape, 1)) == array->dimensions[1] &&
               PyLong_AsSsize_t(PyTuple_GetItem(strides, 0)) == array->strides[0] &&
               PyLong_AsSsize_t(PyTuple_GetItem(strides, 1)) == array->strides[1] &&
               (array->flags & ARRAY_C_CONTIGUOUS);
    }
    Py_XDECREF(strides);
    Py_XDECREF(interface);
    if (!good && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "this NumPy lays out its arrays in a way that is not "
                                         "known here; open the stream with arrays=\"memoryview\"");
    }
    return good ? 0 : -1;
}

#if PY_BIG_ENDIAN
static const char MACHINES_ORDER = '>';
#else
static const char MACHINES_ORDER = '<';
#endif

/* Sets the format that `text` names. `text` is a letter of the buffer protocol, or NumPy's typestr
 * without the byte order. Returns -1 with TypeError for any other text. */
static int set_format(vc_view *view, const char *text) {
    static const struct {
        const char *text;
        vc_format format;
    } known[] = {{"f", VC_FORMAT_FLOAT32}, {"h", VC_FORMAT_INT16},    {"i", VC_FORMAT_INT32},
                 {"B", VC_FORMAT_UINT8},   {"f4", VC_FORMAT_FLOAT32}, {"i2", VC_FORMAT_INT16},
                 {"i4", VC_FORMAT_INT32},  {"u1", VC_FORMAT_UINT8}};
    for (size_t i = 0; text != NULL && i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].text, text) == 0) {
            view->format = known[i].format;
            view->item_bytes = (Py_ssize_t)vc_format_bytes(view->format);
            return 0;
        }
    }
    PyErr_SetString(PyExc_TypeError, "a block's view has samples of an unknown type");
    return -1;
}

static int set_format_of_array(vc_view *view, PyObject *array) {
    PyObject *interface = PyObject_GetAttrString(array, "__array_interface__");
    PyObject *type = interface ? PyDict_GetItemString(interface, "typestr") : NULL;
    const char *text = type ? PyUnicode_AsUTF8(type) : NULL;
    /* The samples of another machine's byte order would be read as wrong numbers. '|' is the order
     * of types of one byte. */
    bool own_order = text && (*text == MACHINES_ORDER || *text == '|');
    int done = PyErr_Occurred() ? -1 : set_format(view, own_order ? text + 1 : NULL);
    Py_XDECREF(interface);
    return done;
}

static void point_to_buffer(vc_view *view, PyObject *object) {
    Py_buffer *buffer = PyMemoryView_GET_BUFFER(object);
    view->data = (char **)&buffer->buf;
    view->shape = buffer->shape;
    view->strides = buffer->strides;
    view->length = &buffer->len;
}

static void point_to_array(vc_view *view, PyObject *object) {
    array_head *array = (array_head *)object;
    view->data = &array->data;
    view->shape = array->dimensions;
    view->strides = array->strides;
    view->flags = &array->flags;
}

int vc_view_init(vc_view *view, PyObject *object) {
    memset(view, 0, sizeof *view);
    if (object == Py_None) {
        return 0;
    }
    if (PyMemoryView_Check(object)) {
        Py_buffer *buffer = PyMemoryView_GET_BUFFER(object);
        if (buffer->ndim != 2) {
            PyErr_SetString(PyExc_TypeError, "a block's memoryview has two dimensions");
            return -1;
        }
        if (set_format(view, buffer->format) < 0) {
            return -1;
        }
        point_to_buffer(view, object);
        view->guard = (PyObject *)((PyMemoryViewObject *)object)->mbuf;
        view->guard_references = Py_REFCNT(view->guard);
    } else {
        if (check_array(object) < 0 || set_format_of_array(view, object) < 0) {
            return -1;
        }
        point_to_array(view, object);
    }
    view->object = object;
    view->own_data = *view->data;
    view->own_frames = view->shape[0];
    view->own_strides[0] = view->strides[0];
    view->own_strides[1] = view->strides[1];
    /* The caller of vc_bridge_new drops its own reference. After that, only the block has one. */
    view->object_references = 1;
    return 0;
}

static void set_shape(vc_view *view, Py_ssize_t frames, Py_ssize_t frame_bytes,
                      Py_ssize_t channel_bytes) {
    view->shape[0] = frames;
    view->strides[0] = frame_bytes;
    view->strides[1] = channel_bytes;
    if (view->length != NULL) {
        *view->length = frames * view->shape[1] * view->item_bytes;
    }
    if (view->flags != NULL) {
        /* If a flag is missing, NumPy only takes a slower path. If a flag is wrong, NumPy computes
         * wrong samples. */
        int packed =
            channel_bytes == view->item_bytes && frame_bytes == view->shape[1] * view->item_bytes;
        int flags = *view->flags & ~(ARRAY_C_CONTIGUOUS | ARRAY_F_CONTIGUOUS);
        *view->flags = flags | (packed ? ARRAY_C_CONTIGUOUS : 0) |
                       (packed && view->shape[1] == 1 ? ARRAY_F_CONTIGUOUS : 0);
    }
}

/* An assignment to `array.shape` allocates new dimensions. */
int vc_view_intact(const vc_view *view) {
    const array_head *array = (const array_head *)view->object;
    return view->flags == NULL ||
           (array->nd == 2 && array->dimensions == view->shape && array->strides == view->strides);
}

int vc_view_exchange(vc_view *view, PyObject *object) {
    const array_head *array = (const array_head *)object;
    if (view->flags == NULL) {
        point_to_buffer(view, object);
    } else if (array->nd == 2 && array->strides == array->dimensions + 2) {
        point_to_array(view, object);
    } else {
        return -1;
    }
    view->object = object;
    return 0;
}

void vc_view_set(vc_view *view, const vc_audio *audio, uint32_t frames) {
    if (view->object == NULL || view->format != VC_FORMAT_FLOAT32) {
        return;
    }
    Py_ssize_t frame_bytes = audio->frame_stride * (Py_ssize_t)sizeof(float);
    Py_ssize_t channel_bytes = audio->channel_stride * (Py_ssize_t)sizeof(float);
    *view->data = (char *)audio->data;
    if (view->shape[0] != (Py_ssize_t)frames || view->strides[0] != frame_bytes ||
        view->strides[1] != channel_bytes) {
        set_shape(view, (Py_ssize_t)frames, frame_bytes, channel_bytes);
    }
}

void vc_view_restore(vc_view *view) {
    if (view->object != NULL && !vc_view_intact(view)) {
        *view->data = view->own_data; /* the shape is wrong, so the next block ends the stream */
    } else if (view->object != NULL) {
        *view->data = view->own_data;
        set_shape(view, view->own_frames, view->own_strides[0], view->own_strides[1]);
    }
}

static size_t samples_of(const vc_audio *audio, uint32_t frames) {
    return (size_t)frames * audio->channels;
}

size_t vc_view_begin(vc_view *view, const vc_audio *audio, uint32_t frames, bool input) {
    if (view->object == NULL || view->format == VC_FORMAT_FLOAT32) {
        return 0;
    }
    if (view->shape[0] != (Py_ssize_t)frames) {
        set_shape(view, (Py_ssize_t)frames, view->strides[0], view->strides[1]);
    }
    if (input) {
        return vc_format_from_float(view->own_data, view->format, audio->data,
                                    samples_of(audio, frames));
    }
    vc_format_silence(view->own_data, view->format, samples_of(audio, frames));
    return 0;
}

void vc_view_end(const vc_view *view, const vc_audio *audio, uint32_t frames) {
    if (view->object != NULL && view->format != VC_FORMAT_FLOAT32) {
        vc_format_to_float(audio->data, view->own_data, view->format, samples_of(audio, frames));
    }
}

int vc_view_escaped(const vc_view *view) {
    if (view->object == NULL) {
        return 0;
    }
    return Py_REFCNT(view->object) > view->object_references ||
           (view->guard != NULL && Py_REFCNT(view->guard) > view->guard_references);
}
