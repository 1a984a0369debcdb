/* Block, BlockTime, BlockMemory: what a callback sees. Made once per stream, updated in place. */
#include "block.h"

#include <structmember.h>

/* ---- BlockTime --------------------------------------------------------------------------------
 */

#define MOMENT(name)                                                                               \
    static PyObject *time_##name##_ns(PyObject *self, void *unused) {                              \
        (void)unused;                                                                              \
        const vc_time *time = &((vc_py_time *)self)->name;                                         \
        if (time->valid & VC_TIME_HOST) {                                                          \
            return PyLong_FromLongLong(time->host_ns);                                             \
        }                                                                                          \
        Py_RETURN_NONE;                                                                            \
    }                                                                                              \
    static PyObject *time_##name##_frames(PyObject *self, void *unused) {                          \
        (void)unused;                                                                              \
        const vc_time *time = &((vc_py_time *)self)->name;                                         \
        if (time->valid & VC_TIME_SAMPLE) {                                                        \
            return PyLong_FromLongLong(time->sample_frames);                                       \
        }                                                                                          \
        Py_RETURN_NONE;                                                                            \
    }
MOMENT(now)
MOMENT(input)
MOMENT(output)

static PyGetSetDef time_getset[] = {
    {"now_ns", time_now_ns, NULL, "Host time at which this IO cycle began, ns, or None.", NULL},
    {"now_frames", time_now_frames, NULL,
     "Sample time of the device when this IO cycle began, frames, or None.", NULL},
    {"input_ns", time_input_ns, NULL,
     "Host time at which the block's first input frame was at the connector, ns, or None.", NULL},
    {"input_frames", time_input_frames, NULL,
     "Sample time of the block's first input frame, or None.", NULL},
    {"output_ns", time_output_ns, NULL,
     "Host time at which the block's first output frame will be at the connector, ns, or None.",
     NULL},
    {"output_frames", time_output_frames, NULL,
     "Sample time of the block's first output frame, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyObject *time_repr(PyObject *self) {
    PyObject *values[6];
    getter getters[6] = {time_now_ns,       time_now_frames, time_input_ns,
                         time_input_frames, time_output_ns,  time_output_frames};
    PyObject *text = NULL;
    int made = 0;
    while (made < 6 && (values[made] = getters[made](self, NULL)) != NULL) {
        made++;
    }
    if (made == 6) {
        text =
            PyUnicode_FromFormat("BlockTime(now_ns=%R, now_frames=%R, input_ns=%R, "
                                 "input_frames=%R, output_ns=%R, output_frames=%R)",
                                 values[0], values[1], values[2], values[3], values[4], values[5]);
    }
    while (made > 0) {
        Py_DECREF(values[--made]);
    }
    return text;
}

static void plain_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot time_slots[] = {
    {Py_tp_doc,
     "When a block happens. One object, updated for each block.\n\n"
     "Host times are ns of the driver's monotonic clock (`stream.now_ns()`), sample times\n"
     "are frames on the device's time line; None where the device does not say."},
    {Py_tp_getset, time_getset},
    {Py_tp_repr, time_repr},
    {Py_tp_dealloc, plain_dealloc},
    {0, NULL}};
static PyType_Spec time_spec = {"voicecoil.BlockTime", sizeof(vc_py_time), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, time_slots};

/* ---- Block ------------------------------------------------------------------------------------
 */

static PyMemberDef block_members[] = {
    {"input", T_OBJECT, offsetof(vc_py_block, input), READONLY,
     "What came in: float32, shape (frames, channels), read-only; None for an output stream."},
    {"output", T_OBJECT, offsetof(vc_py_block, output), READONLY,
     "What goes out: float32, shape (frames, channels), -1..1, silent on entry; None for an input "
     "stream."},
    {"frames", T_OBJECT, offsetof(vc_py_block, frames), READONLY, "Frames in this block."},
    {"samplerate", T_OBJECT, offsetof(vc_py_block, samplerate), READONLY, "Frames per second, Hz."},
    {"time", T_OBJECT, offsetof(vc_py_block, time), READONLY, "When it happens: a BlockTime."},
    {"xrun", T_UINT, offsetof(vc_py_block, lost_frames), READONLY,
     "Frames that were lost just before this block; 0: none."},
    {NULL, 0, 0, 0, NULL}};

static int block_traverse(PyObject *self, visitproc visit, void *arg) {
    vc_py_block *block = (vc_py_block *)self;
    Py_VISIT(block->input);
    Py_VISIT(block->output);
    Py_VISIT(block->time);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int block_clear(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    Py_CLEAR(block->input);
    Py_CLEAR(block->output);
    Py_CLEAR(block->time);
    return 0;
}

static void block_dealloc(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    PyObject_GC_UnTrack(self);
    block_clear(self);
    Py_CLEAR(block->frames);
    Py_CLEAR(block->samplerate);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *block_repr(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    return PyUnicode_FromFormat("<Block of %R frames at %R Hz%s%s>", block->frames,
                                block->samplerate, block->input == Py_None ? "" : ", input",
                                block->output == Py_None ? "" : ", output");
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc,
     "The frames of one call of a callback. One object for the stream's life, updated in place:\n"
     "read what you need and copy what you keep."},
    {Py_tp_members, block_members},
    {Py_tp_traverse, block_traverse},
    {Py_tp_clear, block_clear},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_repr, block_repr},
    {0, NULL}};
static PyType_Spec block_spec = {
    "voicecoil.Block", sizeof(vc_py_block), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, block_slots};

/* ---- BlockMemory ------------------------------------------------------------------------------
 */

typedef struct block_memory {
    PyObject_HEAD float *data;
    Py_ssize_t shape[2];
    Py_ssize_t strides[2];
    int readonly;
} block_memory;

static int memory_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    block_memory *memory = (block_memory *)self;
    if (memory->readonly && (flags & PyBUF_WRITABLE)) {
        PyErr_SetString(PyExc_BufferError, "a block's input is read-only");
        return -1;
    }
    view->obj = Py_NewRef(self);
    view->buf = memory->data;
    view->itemsize = sizeof(float);
    view->len = memory->shape[0] * memory->shape[1] * view->itemsize;
    view->readonly = memory->readonly;
    view->ndim = 2;
    view->format = (flags & PyBUF_FORMAT) ? "f" : NULL;
    view->shape = (flags & PyBUF_ND) ? memory->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? memory->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static void memory_dealloc(PyObject *self) {
    PyMem_RawFree(((block_memory *)self)->data);
    plain_dealloc(self);
}

static PyType_Slot memory_slots[] = {{Py_tp_doc, "The memory behind a block's arrays."},
                                     {Py_bf_getbuffer, memory_getbuffer},
                                     {Py_tp_dealloc, memory_dealloc},
                                     {0, NULL}};
static PyType_Spec memory_spec = {"voicecoil._core.BlockMemory", sizeof(block_memory), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  memory_slots};

/* ---- types ------------------------------------------------------------------------------------
 */

static PyTypeObject *time_type, *block_type, *memory_type;

static int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyTypeObject **slot) {
    if (*slot == NULL) {
        *slot = (PyTypeObject *)PyType_FromSpec(spec);
        if (*slot == NULL) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(module, name, (PyObject *)*slot);
}

int vc_bridge_add_types(PyObject *module) {
    if (add_type(module, &time_spec, "BlockTime", &time_type) < 0 ||
        add_type(module, &block_spec, "Block", &block_type) < 0) {
        return -1;
    }
    return add_type(module, &memory_spec, "BlockMemory", &memory_type);
}

PyObject *vc_block_memory_new(uint32_t frames, uint32_t channels, int readonly) {
    block_memory *memory = PyObject_New(block_memory, memory_type);
    if (memory == NULL) {
        return NULL;
    }
    memory->data = PyMem_RawCalloc((size_t)frames * channels + 1, sizeof(float));
    memory->shape[0] = (Py_ssize_t)frames;
    memory->shape[1] = (Py_ssize_t)channels;
    memory->strides[0] = (Py_ssize_t)(channels * sizeof(float));
    memory->strides[1] = sizeof(float);
    memory->readonly = readonly;
    if (memory->data == NULL) {
        Py_DECREF(memory);
        return PyErr_NoMemory();
    }
    return (PyObject *)memory;
}

float *vc_block_memory_data(PyObject *memory) { return ((block_memory *)memory)->data; }

PyObject *vc_py_block_new(PyObject *input, PyObject *output, double samplerate_hz) {
    vc_py_block *block = PyObject_GC_New(vc_py_block, block_type);
    if (block == NULL) {
        return NULL;
    }
    block->input = Py_NewRef(input);
    block->output = Py_NewRef(output);
    block->frames = PyLong_FromLong(0);
    block->samplerate = PyFloat_FromDouble(samplerate_hz);
    block->time = (PyObject *)PyObject_New(vc_py_time, time_type);
    block->frames_value = 0;
    block->lost_frames = 0;
    if (block->time != NULL) {
        vc_time none = {0};
        vc_py_time *time = (vc_py_time *)block->time;
        time->now = time->input = time->output = none;
    }
    PyObject_GC_Track((PyObject *)block);
    if (block->frames == NULL || block->samplerate == NULL || block->time == NULL) {
        Py_DECREF(block);
        return NULL;
    }
    return (PyObject *)block;
}

/* ---- views ------------------------------------------------------------------------------------
 */

/* How every NumPy array begins, in NumPy 1 and 2 (numpy/ndarraytypes.h, PyArrayObject_fields):
 * re-declared because including it would make NumPy a build dependency, and checked against the
 * array's own __array_interface__ before it is relied on. */
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

static int check_array(PyObject *object) {
    array_head *array = (array_head *)object;
    int good = 0;
    PyObject *interface = PyObject_GetAttrString(object, "__array_interface__");
    PyObject *data = interface ? PyDict_GetItemString(interface, "data") : NULL;
    PyObject *shape = interface ? PyDict_GetItemString(interface, "shape") : NULL;
    if (data != NULL && shape != NULL && PyTuple_Check(data) && PyTuple_Size(shape) == 2) {
        good = array->nd == 2 &&
               PyLong_AsVoidPtr(PyTuple_GetItem(data, 0)) == (void *)array->data &&
               PyLong_AsSsize_t(PyTuple_GetItem(shape, 0)) == array->dimensions[0] &&
               PyLong_AsSsize_t(PyTuple_GetItem(shape, 1)) == array->dimensions[1] &&
               (array->flags & ARRAY_C_CONTIGUOUS);
    }
    Py_XDECREF(interface);
    if (!good && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "this NumPy lays out its arrays in a way that is not "
                                         "known here; open the stream with arrays=\"memoryview\"");
    }
    return good ? 0 : -1;
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
        view->data = (char **)&buffer->buf;
        view->shape = buffer->shape;
        view->strides = buffer->strides;
        view->length = &buffer->len;
        view->guard = (PyObject *)((PyMemoryViewObject *)object)->mbuf;
        view->guard_references = Py_REFCNT(view->guard);
    } else {
        if (check_array(object) < 0) {
            return -1;
        }
        array_head *array = (array_head *)object;
        view->data = &array->data;
        view->shape = array->dimensions;
        view->strides = array->strides;
        view->flags = &array->flags;
    }
    view->object = object;
    view->own_data = *view->data;
    view->own_frames = view->shape[0];
    view->own_strides[0] = view->strides[0];
    view->own_strides[1] = view->strides[1];
    /* The block alone holds it; the caller of vc_bridge_new drops its own reference. */
    view->object_references = 1;
    return 0;
}

static void set_shape(vc_view *view, Py_ssize_t frames, Py_ssize_t frame_bytes,
                      Py_ssize_t channel_bytes) {
    view->shape[0] = frames;
    view->strides[0] = frame_bytes;
    view->strides[1] = channel_bytes;
    if (view->length != NULL) {
        *view->length = frames * view->shape[1] * (Py_ssize_t)sizeof(float);
    }
    if (view->flags != NULL) {
        /* A flag that is missing costs NumPy a fast path; one that is wrong gives wrong sound. */
        int packed = channel_bytes == (Py_ssize_t)sizeof(float) &&
                     frame_bytes == view->shape[1] * (Py_ssize_t)sizeof(float);
        int flags = *view->flags & ~(ARRAY_C_CONTIGUOUS | ARRAY_F_CONTIGUOUS);
        *view->flags = flags | (packed ? ARRAY_C_CONTIGUOUS : 0) |
                       (packed && view->shape[1] == 1 ? ARRAY_F_CONTIGUOUS : 0);
    }
}

/* Whether the array's dimensions are where they were: `array.shape = ...` allocates new ones. */
static int intact(const vc_view *view) {
    const array_head *array = (const array_head *)view->object;
    return view->flags == NULL ||
           (array->nd == 2 && array->dimensions == view->shape && array->strides == view->strides);
}

int vc_view_point(vc_view *view, const vc_audio *audio, uint32_t frames) {
    if (view->object == NULL) {
        return 1;
    }
    if (!intact(view)) {
        return 0;
    }
    Py_ssize_t frame_bytes = audio->frame_stride * (Py_ssize_t)sizeof(float);
    Py_ssize_t channel_bytes = audio->channel_stride * (Py_ssize_t)sizeof(float);
    *view->data = (char *)audio->data;
    if (view->shape[0] != (Py_ssize_t)frames || view->strides[0] != frame_bytes ||
        view->strides[1] != channel_bytes) {
        set_shape(view, (Py_ssize_t)frames, frame_bytes, channel_bytes);
    }
    return 1;
}

void vc_view_point_home(vc_view *view) {
    if (view->object != NULL && !intact(view)) {
        *view->data = view->own_data; /* the next block ends the stream */
    } else if (view->object != NULL) {
        *view->data = view->own_data;
        set_shape(view, view->own_frames, view->own_strides[0], view->own_strides[1]);
    }
}

int vc_view_escaped(const vc_view *view) {
    if (view->object == NULL) {
        return 0;
    }
    return Py_REFCNT(view->object) > view->object_references ||
           (view->guard != NULL && Py_REFCNT(view->guard) > view->guard_references);
}
