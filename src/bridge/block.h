/* The objects that a callback sees, which the bridge updates. Private to bridge/.
 *
 * Their types are in the module voicecoil._block, which each interpreter loads separately. The
 * bridge is part of voicecoil._core, and knows only the layout of the objects. */
#ifndef VOICECOIL_BRIDGE_BLOCK_H
#define VOICECOIL_BRIDGE_BLOCK_H

#include <Python.h>

#include "formats.h"
#include "voicecoil.h"

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* The most frames of a block if the device promises no length of its cycles, because
 * vc_engine_max_block_frames cuts longer cycles. An int for every number of frames up to this is
 * made in advance, and in free-threaded builds also a view. Blocks of a promised length may be
 * longer. If the device breaks this promise, an int is allocated, and the views of free-threaded
 * builds are changed in place. */
enum { MOST_VARYING_FRAMES = 4096 };

typedef struct vc_py_time {
    PyObject_HEAD vc_time now, input, output;
} vc_py_time;

typedef struct vc_py_block {
    PyObject_HEAD PyObject *input; /* array, memoryview or None */
    PyObject *output;
    PyObject *frames; /* int; replaced when the number changes */
    /* Tuple of the ints from 0 on, for cycles whose length varies. Without it, each block would
     * allocate a new int. All blocks of an interpreter share the tuple. */
    PyObject *numbers;
    PyObject *samplerate;
    PyObject *time;
    PyObject *parameters; /* vc_py_values or None */
    PyObject *results;
    PyObject *reference; /* an array of the played sound, or None: streams/block_reference.py */
    /* In free-threaded builds: tuples whose item `n` is the view of `n` frames. `input` and
     * `output` are then borrowed from them. Otherwise NULL. See bridge.c. */
    PyObject *inputs;
    PyObject *outputs;
    uint32_t frames_value;
    uint32_t lost_frames;
} vc_py_block;

/* Without a GIL, another thread may read a block at any time if the callback has passed it on. So
 * its objects are exchanged and fetched in critical sections, and its numbers are atomic. */
static inline PyObject *vc_py_fetch(PyObject *owner, PyObject **slot) {
    PyObject *found;
    Py_BEGIN_CRITICAL_SECTION(owner);
    found = Py_NewRef(*slot);
    Py_END_CRITICAL_SECTION();
    (void)owner;
    return found;
}

/* Returns a new reference to `frames` as a Python int, or NULL with an exception. */
static inline PyObject *vc_py_number(const vc_py_block *block, uint32_t frames) {
    if ((Py_ssize_t)frames < PyTuple_GET_SIZE(block->numbers)) {
        return Py_NewRef(PyTuple_GET_ITEM(block->numbers, (Py_ssize_t)frames));
    }
    /* See MOST_VARYING_FRAMES: this usually happens once. */
    return PyLong_FromUnsignedLong(frames);
}

/* Replaces the object in `slot` by `now`, and takes over the reference to `now`. */
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

/* Memory for one direction of a block, with the shape (frames, channels). `data` has the floats of
 * the engine or the lead, and `samples` has the samples that the views show. The object exports
 * `samples` by the buffer protocol, so it lives as long as any view of them. */
typedef struct vc_py_memory {
    PyObject_HEAD float *data;
    void *samples; /* `data` if the format is float32 */
    vc_format format;
    Py_ssize_t shape[2];
    Py_ssize_t strides[2];
    int readonly;
} vc_py_memory;

/* One side of a mailbox. The message is a record of named numbers and bytes. */
typedef struct vc_py_values {
    PyObject_HEAD vc_mailbox *mailbox;
    unsigned char *data;  /* reader: the newest record; writer: the record that it changes */
    unsigned char *spare; /* writer: memory for a change; NULL: a change is using it */
    PyObject *fields;     /* dict: name -> bytes of a struct field */
    PyObject *other;      /* the other side, if it owns the mailbox; NULL: there is none in this
                           * interpreter */
    uint32_t bytes;
    bool owns;    /* whether this side owns the mailbox */
    bool writes;  /* whether this side writes; otherwise it reads */
    bool at_once; /* true: each change is published at once; false: by vc_values_give */
    bool changed;
} vc_py_values;

extern PyType_Spec vc_values_spec;
PyObject *vc_values_new(PyTypeObject *type, PyObject *arguments);
PyObject *vc_values_mailbox(PyObject *unused, PyObject *values);

/* Takes the newest record of a callback's parameters for this block. `values`: vc_py_values or
 * None. [IO] */
static inline void vc_values_take(PyObject *values) {
    if (values != Py_None) {
        vc_py_values *side = (vc_py_values *)values;
        Py_BEGIN_CRITICAL_SECTION(values);
        side->data = (unsigned char *)(uintptr_t)vc_mailbox_read(side->mailbox);
        Py_END_CRITICAL_SECTION();
    }
}

/* Publishes the results that a callback has set in this block. [IO] */
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

/* The view of one direction of a block: an array or a memoryview. The pointers lead to fields
 * inside this object, so that the bridge can change them in place. */
typedef struct vc_view {
    PyObject *object; /* borrowed from the block; NULL: the view is None */
    char **data;
    Py_ssize_t *shape;   /* [frames, channels] */
    Py_ssize_t *strides; /* bytes */
    Py_ssize_t *length;  /* memoryview: total number of bytes; NULL: an array */
    int *flags;          /* array: flags of contiguity; NULL: a memoryview */
    PyObject *guard;     /* memoryview: the object that its slices refer to; NULL: an array */
    Py_ssize_t object_references, guard_references;
    vc_format format;
    Py_ssize_t item_bytes;
    char *own_data;
    Py_ssize_t own_frames, own_strides[2];
} vc_view;

/* Prepares `view` for an array, a memoryview or None. Returns -1 with TypeError if `object` is
 * anything else, does not have two dimensions, or has samples of a type that is not a vc_format. */
int vc_view_init(vc_view *view, PyObject *object);
/* Returns 0 if the callback has changed the shape of the array itself. NumPy then stores the
 * array's dimensions elsewhere, so the view's pointers are not valid any more. Otherwise returns 1.
 */
int vc_view_intact(const vc_view *view);
/* Points an intact view to a block's memory, without an allocation. */
void vc_view_set(vc_view *view, const vc_audio *audio, uint32_t frames);
/* Points the view to its own memory again. */
void vc_view_restore(vc_view *view);
/* Call it before the callback. If the view's format is not float32, the view then shows `frames`
 * frames of its own memory. The block's input is converted into this memory. For output, the memory
 * is silenced. Returns the number of clipped samples. The thread must be attached. */
size_t vc_view_begin(vc_view *view, const vc_audio *audio, uint32_t frames, bool input);
/* Call it after the callback. If the view's format is not float32, converts the samples that the
 * view shows to the block's output. The thread must be attached. */
void vc_view_end(const vc_view *view, const vc_audio *audio, uint32_t frames);
/* Makes the view show `object`, which is another view of the same memory and of the same type.
 * Nothing is allocated. Returns -1 without an exception if its shape was changed. */
int vc_view_exchange(vc_view *view, PyObject *object);
/* Whether anything except the block has a reference to the view or to a part of it. */
int vc_view_escaped(const vc_view *view);

#endif
