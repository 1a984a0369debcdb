/* The module voicecoil._block: Block, BlockTime and BlockMemory, the objects that a callback sees.
 * They are made once for each stream and updated in place.
 *
 * This is a separate module in C, because isolated interpreters load it, too. All its data are in
 * its module state, and each interpreter has a module state of its own (docs/decisions/0011). */
#include "block.h"

#include "memory.h"

#include <stdatomic.h>
#include <structmember.h>

/* ---- BlockTime --------------------------------------------------------------------------------
 */

#define MOMENT(name)                                                                               \
    static PyObject *time_##name##_ns(PyObject *self, void *unused) {                              \
        (void)unused;                                                                              \
        const vc_time *time = &((vc_py_time *)self)->name;                                         \
        if (vc_py_load(&time->valid) & VC_TIME_HOST) {                                             \
            return PyLong_FromLongLong(vc_py_load(&time->host_ns));                                \
        }                                                                                          \
        Py_RETURN_NONE;                                                                            \
    }                                                                                              \
    static PyObject *time_##name##_frames(PyObject *self, void *unused) {                          \
        (void)unused;                                                                              \
        const vc_time *time = &((vc_py_time *)self)->name;                                         \
        if (vc_py_load(&time->valid) & VC_TIME_SAMPLE) {                                           \
            return PyLong_FromLongLong(vc_py_load(&time->sample_frames));                          \
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

#define PART(name)                                                                                 \
    static PyObject *block_##name(PyObject *self, void *unused) {                                  \
        (void)unused;                                                                              \
        return vc_py_fetch(self, &((vc_py_block *)self)->name);                                    \
    }
PART(input)
PART(output)
PART(frames)
PART(reference)

/* `block.output *= 0.5` ends with an assignment of the same object, which is allowed. */
static int block_set_output(PyObject *self, PyObject *value, void *unused) {
    PyObject *output = block_output(self, unused);
    Py_XDECREF(output); /* the block keeps its own reference */
    if (output == NULL || (output == value && value != NULL)) {
        return output == NULL ? -1 : 0;
    }
    PyErr_SetString(PyExc_AttributeError, "block.output is the stream's memory and is not replaced;"
                                          " fill it: block.output[:] = ...");
    return -1;
}

static PyGetSetDef block_getset[] = {
    {"input", block_input, NULL,
     "Input: the stream's dtype, shape (frames, channels), read-only; None for an output stream.",
     NULL},
    {"output", block_output, block_set_output,
     "Output: the stream's dtype, shape (frames, channels), silent on entry; None for an input "
     "stream.",
     NULL},
    {"frames", block_frames, NULL, "Frames in this block.", NULL},
    {"reference", block_reference, NULL,
     "What the program played while `input` was recorded: the stream's dtype, shape (frames, "
     "channels of the output device); None without reference=True.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef block_members[] = {
    {"parameters", T_OBJECT, offsetof(vc_py_block, parameters), READONLY,
     "The stream's `parameters` at the beginning of this block; None without them."},
    {"results", T_OBJECT, offsetof(vc_py_block, results), READONLY,
     "The stream's `results` at the end of this block; None without them."},
    {"samplerate", T_OBJECT, offsetof(vc_py_block, samplerate), READONLY, "Frames per second, Hz."},
    {"time", T_OBJECT, offsetof(vc_py_block, time), READONLY, "Times of this block: a BlockTime."},
    {"xrun", T_UINT, offsetof(vc_py_block, lost_frames), READONLY,
     "Frames that were lost just before this block; 0: none."},
    {NULL, 0, 0, 0, NULL}};

static int block_traverse(PyObject *self, visitproc visit, void *arg) {
    vc_py_block *block = (vc_py_block *)self;
    if (block->inputs == NULL) {
        Py_VISIT(block->input);
    }
    if (block->outputs == NULL) {
        Py_VISIT(block->output);
    }
    Py_VISIT(block->time);
    Py_VISIT(block->parameters);
    Py_VISIT(block->results);
    Py_VISIT(block->reference);
    Py_VISIT(block->inputs);
    Py_VISIT(block->outputs);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

/* Drops a view, and the tuple `views` that has the reference to it if there is such a tuple. */
static void clear_view(PyObject **view, PyObject **views) {
    PyObject *owned = *views != NULL ? *views : *view;
    *view = *views = NULL;
    Py_XDECREF(owned);
}

static int block_clear(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    clear_view(&block->input, &block->inputs);
    clear_view(&block->output, &block->outputs);
    Py_CLEAR(block->time);
    Py_CLEAR(block->parameters);
    Py_CLEAR(block->results);
    Py_CLEAR(block->reference);
    return 0;
}

static void block_dealloc(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    PyObject_GC_UnTrack(self);
    block_clear(self);
    Py_CLEAR(block->frames);
    Py_CLEAR(block->numbers);
    Py_CLEAR(block->samplerate);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *block_repr(PyObject *self) {
    vc_py_block *block = (vc_py_block *)self;
    return PyUnicode_FromFormat("<Block of %u frames at %R Hz%s%s>",
                                (unsigned int)vc_py_load(&block->frames_value), block->samplerate,
                                block->input == Py_None ? "" : ", input",
                                block->output == Py_None ? "" : ", output");
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc,
     "The frames of one call of a callback. One object for the stream's life, updated in place:\n"
     "read what you need and copy what you keep."},
    {Py_tp_getset, block_getset},
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

static int memory_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    vc_py_memory *memory = (vc_py_memory *)self;
    if (memory->readonly && (flags & PyBUF_WRITABLE)) {
        PyErr_SetString(PyExc_BufferError, "a block's input is read-only");
        return -1;
    }
    view->obj = Py_NewRef(self);
    static char *const letters[] = {"f", "h", "i", "B"}; /* indexed by vc_format */
    view->buf = memory->samples;
    view->itemsize = (Py_ssize_t)vc_format_bytes(memory->format);
    view->len = memory->shape[0] * memory->shape[1] * view->itemsize;
    view->readonly = memory->readonly;
    view->ndim = 2;
    view->format = (flags & PyBUF_FORMAT) ? letters[memory->format] : NULL;
    view->shape = (flags & PyBUF_ND) ? memory->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? memory->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static void memory_dealloc(PyObject *self) {
    vc_py_memory *memory = (vc_py_memory *)self;
    if (memory->samples != memory->data) {
        vc_memory_free(memory->samples);
    }
    vc_memory_free(memory->data);
    plain_dealloc(self);
}

static PyType_Slot memory_slots[] = {{Py_tp_doc, "The memory behind a block's arrays."},
                                     {Py_bf_getbuffer, memory_getbuffer},
                                     {Py_tp_dealloc, memory_dealloc},
                                     {0, NULL}};
static PyType_Spec memory_spec = {"voicecoil._block.BlockMemory", sizeof(vc_py_memory), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  memory_slots};

/* ---- the module -------------------------------------------------------------------------------
 */

typedef struct block_state {
    PyTypeObject *time, *block, *memory, *values;
    _Atomic(PyObject *) numbers; /* see vc_py_block; made with the first block */
} block_state;

static PyObject *make_numbers(void) {
    PyObject *numbers = PyTuple_New(MOST_VARYING_FRAMES + 1);
    for (long i = 0; numbers != NULL && i <= MOST_VARYING_FRAMES; i++) {
        PyObject *number = PyLong_FromLong(i);
        if (number == NULL) {
            Py_CLEAR(numbers);
        } else {
            PyTuple_SET_ITEM(numbers, i, number);
        }
    }
    return numbers;
}

/* Returns a borrowed reference. If two threads make the tuple at the same time, one of the two
 * tuples is dropped. */
static PyObject *numbers_of(block_state *state) {
    PyObject *numbers = atomic_load(&state->numbers);
    if (numbers == NULL && (numbers = make_numbers()) != NULL) {
        PyObject *earlier = NULL;
        if (!atomic_compare_exchange_strong(&state->numbers, &earlier, numbers)) {
            Py_DECREF(numbers);
            numbers = earlier;
        }
    }
    return numbers;
}

static PyObject *new_memory(PyObject *module, PyObject *arguments) {
    block_state *state = PyModule_GetState(module);
    unsigned int frames, channels;
    int readonly, format = VC_FORMAT_FLOAT32;
    if (!PyArg_ParseTuple(arguments, "IIp|i", &frames, &channels, &readonly, &format)) {
        return NULL;
    }
    if (format < VC_FORMAT_FLOAT32 || format > VC_FORMAT_UINT8) {
        PyErr_SetString(PyExc_ValueError, "no such format of samples");
        return NULL;
    }
    vc_py_memory *memory = PyObject_New(vc_py_memory, state->memory);
    if (memory == NULL) {
        return NULL;
    }
    memory->data = vc_memory_new((size_t)frames * channels + 1, sizeof(float));
    memory->shape[0] = (Py_ssize_t)frames;
    memory->shape[1] = (Py_ssize_t)channels;
    memory->format = (vc_format)format;
    const size_t bytes = vc_format_bytes(memory->format);
    memory->samples = format == VC_FORMAT_FLOAT32
                          ? memory->data
                          : vc_memory_new((size_t)frames * channels + 1, bytes);
    memory->strides[0] = (Py_ssize_t)(channels * bytes);
    memory->strides[1] = (Py_ssize_t)bytes;
    memory->readonly = readonly;
    if (memory->data == NULL || memory->samples == NULL) {
        Py_DECREF(memory);
        return PyErr_NoMemory();
    }
    return (PyObject *)memory;
}

static PyObject *new_block(PyObject *module, PyObject *arguments) {
    block_state *state = PyModule_GetState(module);
    PyObject *input, *output, *parameters, *results;
    double samplerate_hz;
    if (!PyArg_ParseTuple(arguments, "OOdOO", &input, &output, &samplerate_hz, &parameters,
                          &results)) {
        return NULL;
    }
    PyObject *numbers = numbers_of(state);
    if (numbers == NULL) {
        return NULL;
    }
    vc_py_block *block = PyObject_GC_New(vc_py_block, state->block);
    if (block == NULL) {
        return NULL;
    }
    block->numbers = Py_NewRef(numbers);
    block->input = Py_NewRef(input);
    block->output = Py_NewRef(output);
    block->parameters = Py_NewRef(parameters);
    block->results = Py_NewRef(results);
    block->reference = Py_NewRef(Py_None);
    block->frames = PyLong_FromLong(0);
    block->samplerate = PyFloat_FromDouble(samplerate_hz);
    block->time = (PyObject *)PyObject_New(vc_py_time, state->time);
    block->inputs = block->outputs = NULL;
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

static PyObject *set_reference(PyObject *module, PyObject *arguments) {
    block_state *state = PyModule_GetState(module);
    PyObject *block, *reference;
    if (!PyArg_ParseTuple(arguments, "O!O", state->block, &block, &reference)) {
        return NULL;
    }
    vc_py_exchange(block, &((vc_py_block *)block)->reference, Py_NewRef(reference));
    Py_RETURN_NONE;
}

static PyObject *new_values(PyObject *module, PyObject *arguments) {
    block_state *state = PyModule_GetState(module);
    return vc_values_new(state->values, arguments);
}

static PyMethodDef module_methods[] = {
    {"memory", new_memory, METH_VARARGS,
     "memory(frames, channels, readonly, format=0): memory for one direction of a block, zeroed."},
    {"block", new_block, METH_VARARGS,
     "block(input, output, samplerate_hz, parameters, results): a Block of views of that memory."},
    {"set_reference", set_reference, METH_VARARGS,
     "set_reference(block, reference): sets block.reference, on the thread of the callback."},
    {"values", new_values, METH_VARARGS,
     "values(fields, first, other, writes, at_once): one side of a mailbox (see values.c). "
     "`other`:\n"
     "None, the other side, or the address of its mailbox in another interpreter."},
    {"mailbox", vc_values_mailbox, METH_O, "mailbox(values): the address of its vc_mailbox."},
    {NULL, NULL, 0, NULL}};

static int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyTypeObject **slot) {
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot == NULL ? -1 : PyModule_AddObjectRef(module, name, (PyObject *)*slot);
}

static int module_exec(PyObject *module) {
    block_state *state = PyModule_GetState(module);
    if (add_type(module, &time_spec, "BlockTime", &state->time) < 0 ||
        add_type(module, &block_spec, "Block", &state->block) < 0 ||
        add_type(module, &memory_spec, "BlockMemory", &state->memory) < 0) {
        return -1;
    }
    return add_type(module, &vc_values_spec, "Values", &state->values);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    block_state *state = PyModule_GetState(module);
    Py_VISIT(state->time);
    Py_VISIT(state->block);
    Py_VISIT(state->memory);
    Py_VISIT(state->values);
    Py_VISIT(atomic_load(&state->numbers));
    return 0;
}

static int module_clear(PyObject *module) {
    block_state *state = PyModule_GetState(module);
    Py_CLEAR(state->time);
    Py_CLEAR(state->block);
    Py_CLEAR(state->memory);
    Py_CLEAR(state->values);
    Py_XDECREF(atomic_exchange(&state->numbers, NULL));
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "voicecoil._block",
    .m_doc = "What a callback sees: Block, BlockTime, BlockMemory, Values.",
    .m_size = sizeof(block_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__block(void) { return PyModuleDef_Init(&module_definition); }
