# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The compiled core: a thin binding of ``core``, ``bridge`` and the virtual device.

The classes are in ``src/binding``, one subject for each file. They are parts of one module, because
the C code below them has state that must exist only once (docs/decisions/0018). The binding checks
few arguments, because the public modules have already checked them. Calls that may wait release the
GIL. In a free-threaded Python, a critical section serialises those calls of one object that must
not overlap.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_RECORDS_RO,
    PyBuffer_IsContiguous,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from cpython.pycapsule cimport PyCapsule_New
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.weakref cimport PyWeakref_NewRef
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from _voicecoil cimport *

from voicecoil._block import block as new_block

# Flags and states of voicecoil.h, for the Python modules.
ZERO_COPY = 1
PACKED = 2
METER = 4
cdef uint32_t LEND = 8
IDLE, RUNNING, DRAINING, FINISHED = range(4)
REASON_NONE, REASON_STOP, REASON_ABORT, REASON_END, REASON_ERROR = range(5)
TIMING_MARGIN, TIMING_JITTER = range(2)
EVENT_XRUN, EVENT_FINISHED, EVENT_LATE = range(1, 4)
CLIP_NEW, CLIP_QUEUED, CLIP_PLAYING, CLIP_DONE, CLIP_LATE = range(5)
MAX_CHANNELS = 1024
MAX_BLOCK_FRAMES = 65536


def clock_ns():
    """The machine's monotonic clock, ns."""
    return vc_clock_ns()


def name_thread(str name):
    """Names the calling thread for debuggers and system monitors; Linux keeps 15 characters."""
    vc_thread_name(name.encode("ascii", "replace"))


def guard_hard(int64_t limit_us):
    """Sets the hard limit on uninterrupted computing that RealtimeKit demands, µs.

    Returns false if the program handles SIGXCPU itself, because then a thread that spins would not
    be lowered. The process cannot raise the limit again: see `vc_thread_guard` in core/thread.h.
    """
    return vc_thread_guard(limit_us)


def set_trap(uintptr_t enter, uintptr_t leave):
    """Sets two functions that the IO thread calls when it enters and leaves a cycle."""
    vc_cycle_set_trap(<void (*)() noexcept nogil>enter, <void (*)() noexcept nogil>leave)


def keep_for_ever(thing):
    """Leaks a reference, so that the object is not freed even when the interpreter ends."""
    Py_INCREF(thing)


def write_unraisable(error, source):
    """Reports an error to `sys.unraisablehook`.

    The hook's argument is of a type that only CPython can create, so this goes through C.
    """
    PyErr_SetObject(type(error), error)
    PyErr_WriteUnraisable(source)


def in_callback():
    """Whether the calling thread is inside the Python callback of a stream."""
    return bool(vc_bridge_on_io_thread())


def preempt_kind():
    """Returns which threads can be asked to release the GIL. 0: none, 1: the main one, 2: any."""
    return vc_preempt_kind()


def preempt_count():
    """How many times a thread was asked to release the GIL."""
    return vc_preempt_count()


def forget_parent():
    """Forgets the parent's threads that waited for the GIL, and the guards that kept the parent's
    interpreters from ending. Call this in a forked child, where those threads do not exist."""
    vc_preempt_forget()
    vc_guard_release_all()


def count_allocations():
    """Starts to count Python allocations, on all threads except the calling one.

    Counting cannot be stopped.
    """
    if vc_count_allocations() != 0:
        raise RuntimeError("allocations are being counted already")


def spare_allocations():
    """Excludes the calling thread from the count of allocations."""
    vc_spare_allocations()


def counted_allocations():
    """Python allocations since count_allocations() was called."""
    return vc_counted_allocations()


def samples_from_float(const float[:, ::1] frames, unsigned char[:, ::1] samples, int sample_format):
    """Converts frames to samples of another type. Returns the number of clipped samples.

    `samples` is the memory of an array of that type and of the same shape, as bytes.
    """
    cdef vc_format form = <vc_format>sample_format
    cdef size_t count = frames.shape[0] * frames.shape[1]
    if <size_t>(samples.shape[0] * samples.shape[1]) != count * vc_format_bytes(form):
        raise ValueError("the arrays have different shapes")
    if count == 0:
        return 0
    return vc_format_from_float(&samples[0, 0], form, &frames[0, 0], count)


MAX_RATE_RATIO = VC_RESAMPLER_MAX_RATIO


def conversion_frames(double from_hz, double to_hz):
    """Returns by how many frames, at the rate `from_hz`, an engine's conversion delays the sound."""
    return vc_rate_delay_frames(from_hz, to_hz)


def max_block_frames(uint32_t block_frames, uint32_t period_frames):
    """Returns the number of frames that a stream's own block memory must hold."""
    cdef vc_engine_config config
    memset(&config, 0, sizeof(config))
    config.block_frames = block_frames
    config.period_frames = period_frames
    return vc_engine_max_block_frames(&config)


include "../binding/waking.pxi"
include "../binding/code.pxi"
include "../binding/inner_code.pxi"
include "../binding/worker.pxi"
include "../binding/gate.pxi"
include "../binding/native_code.pxi"
include "../binding/ring.pxi"
include "../binding/mixer.pxi"
include "../binding/recorder.pxi"
include "../binding/playrec.pxi"
include "../binding/player.pxi"
include "../binding/voices.pxi"
include "../binding/drift.pxi"
include "../binding/history.pxi"
include "../binding/engine.pxi"
include "../binding/virtual_device.pxi"
