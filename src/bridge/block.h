/* The objects that a callback sees, as the bridge updates them. Private to bridge/.
 *
 * Their types live in the module voicecoil._block, once for each interpreter; the bridge, which is
 * part of voicecoil._core, knows only how the objects are laid out. */
#ifndef VOICECOIL_BRIDGE_BLOCK_H
#define VOICECOIL_BRIDGE_BLOCK_H

#include <Python.h>

#include "voicecoil.h"

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

typedef struct vc_py_time {
    PyObject_HEAD vc_time now, input, output;
} vc_py_time;

typedef struct vc_py_block {
    PyObject_HEAD PyObject *input; /* array, memoryview or None */
    PyObject *output;
    PyObject *frames; /* int; replaced when the number changes */
    /* Tuple of the ints from 0 on, for cycles that vary: a new int would be an allocation in every
     * block. The interpreter's blocks share it. */
    PyObject *numbers;
    PyObject *samplerate;
    PyObject *time;
    PyObject *parameters; /* vc_py_values or None */
    PyObject *results;
    /* Free-threaded, where the number of frames has changed: a dict of the views, by their number
     * of frames, the whole one also by None; else NULL. */
    PyObject *inputs;
    PyObject *outputs;
    uint32_t frames_value;
    uint32_t lost_frames;
} vc_py_block;

/* Without a GIL other threads may read a block at any time, if the callback has left it to them. So
 * its objects are exchanged and fetched in critical sections, and its numbers are written and read
 * one by one, as a whole. */
static inline PyObject *vc_py_fetch(PyObject *owner, PyObject **slot) {
    PyObject *found;
    Py_BEGIN_CRITICAL_SECTION(owner);
    found = Py_NewRef(*slot);
    Py_END_CRITICAL_SECTION();
    (void)owner;
    return found;
}

/* A number of frames as an int. NULL with an exception. */
static inline PyObject *vc_py_number(const vc_py_block *block, uint32_t frames) {
    if ((Py_ssize_t)frames < PyTuple_GET_SIZE(block->numbers)) {
        return Py_NewRef(PyTuple_GET_ITEM(block->numbers, (Py_ssize_t)frames));
    }
    return PyLong_FromUnsignedLong(frames); /* of fixed blocks, once */
}

/* Takes the reference. */
static inline void vc_py_exchange(PyObject *owner, PyObject **slot, PyObject *now) {
    PyObject *before;
    Py_BEGIN_CRITICAL_SECTION(owner);
    before = *slot;
    *slot = now;
    Py_END_CRITICAL_SECTION();
    (void)owner;
    Py_XDECREF(before);
}

#define vc_py_store(number, value) __atomic_store_n(number, value, __ATOMIC_RELAXED)
#define vc_py_load(number) __atomic_load_n(number, __ATOMIC_RELAXED)

static inline void vc_py_store_time(vc_time *to, const vc_time *from) {
    vc_py_store(&to->host_ns, from->host_ns);
    vc_py_store(&to->sample_frames, from->sample_frames);
    vc_py_store(&to->valid, from->valid);
}

/* Memory for one direction of a block: float32, shape (frames, channels). An exporter of the buffer
 * protocol, so that it lives as long as any view of it. */
typedef struct vc_py_memory {
    PyObject_HEAD float *data;
    Py_ssize_t shape[2];
    Py_ssize_t strides[2];
    int readonly;
} vc_py_memory;

/* One side of a mailbox whose message is a record of named numbers and bytes. */
typedef struct vc_py_values {
    PyObject_HEAD vc_mailbox *mailbox;
    unsigned char *data;  /* reader: the newest record; writer: the record that it makes */
    unsigned char *spare; /* writer: memory of a change; NULL: a change uses it */
    PyObject *fields;     /* dict: name -> bytes of a struct field */
    PyObject *other;      /* the other side, where the mailbox is its; NULL: in this interpreter
                           * there is none */
    uint32_t bytes;
    bool owns;    /* the mailbox */
    bool writes;  /* or reads */
    bool at_once; /* each change is given away at once; else by vc_values_give */
    bool changed;
} vc_py_values;

extern PyType_Spec vc_values_spec;
PyObject *vc_values_new(PyTypeObject *type, PyObject *arguments);
PyObject *vc_values_mailbox(PyObject *unused, PyObject *values);

/* The record of a callback's parameters for this block. `values`: vc_py_values, or None. [IO] */
static inline void vc_values_take(PyObject *values) {
    if (values != Py_None) {
        vc_py_values *side = (vc_py_values *)values;
        Py_BEGIN_CRITICAL_SECTION(values);
        side->data = (unsigned char *)(uintptr_t)vc_mailbox_read(side->mailbox);
        Py_END_CRITICAL_SECTION();
    }
}

/* Gives away what a callback has made of its results in this block. [IO] */
static inline void vc_values_give(PyObject *values) {
    if (values != Py_None) {
        vc_py_values *side = (vc_py_values *)values;
        Py_BEGIN_CRITICAL_SECTION(values);
        if (side->changed) {
            vc_mailbox_write(side->mailbox, side->data);
            side->changed = false;
        }
        Py_END_CRITICAL_SECTION();
    }
}

/* One direction's view and where its shape and address are written. */
typedef struct vc_view {
    PyObject *object; /* borrowed from the block; NULL: None */
    char **data;
    Py_ssize_t *shape;   /* [frames, channels] */
    Py_ssize_t *strides; /* bytes */
    Py_ssize_t *length;  /* memoryview: bytes in all; NULL: an array */
    int *flags;          /* array: contiguity; NULL: a memoryview */
    PyObject *guard;     /* memoryview: what its slices hold on to; NULL: an array */
    Py_ssize_t object_references, guard_references;
    char *own_data;
    Py_ssize_t own_frames, own_strides[2];
} vc_view;

/* -1 with TypeError: neither a float32 array nor a memoryview of two dimensions. */
int vc_view_init(vc_view *view, PyObject *object);
/* 0: somebody has changed the shape of the array itself, so that its dimensions are elsewhere now.
 */
int vc_view_intact(const vc_view *view);
/* Points an intact view to a block's memory, without an allocation. */
void vc_view_point(vc_view *view, const vc_audio *audio, uint32_t frames);
void vc_view_point_home(vc_view *view);
/* Whether somebody else holds a reference to the view or to a part of it. */
int vc_view_escaped(const vc_view *view);

#endif
