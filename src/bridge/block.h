/* The objects that a callback sees, as the bridge updates them. Private to bridge/. */
#ifndef VOICECOIL_BRIDGE_BLOCK_H
#define VOICECOIL_BRIDGE_BLOCK_H

#include "bridge.h"

typedef struct vc_py_time {
    PyObject_HEAD vc_time now, input, output;
} vc_py_time;

typedef struct vc_py_block {
    PyObject_HEAD PyObject *input; /* array, memoryview or None */
    PyObject *output;
    PyObject *frames; /* int; replaced when the number changes */
    PyObject *samplerate;
    PyObject *time;
    uint32_t frames_value;
    uint32_t lost_frames;
} vc_py_block;

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
/* Points the view to a block's memory, without an allocation. 0: somebody has changed the shape of
 * the array itself, so that its dimensions are elsewhere now. */
int vc_view_point(vc_view *view, const vc_audio *audio, uint32_t frames);
void vc_view_point_home(vc_view *view);
/* Whether somebody else holds a reference to the view or to a part of it. */
int vc_view_escaped(const vc_view *view);

#endif
