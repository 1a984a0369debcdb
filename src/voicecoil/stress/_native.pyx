# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""A native callback that plays silence and counts the time that its calls took."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uintptr_t

cdef extern from "voicecoil.h" nogil:
    ctypedef struct vc_block:
        int64_t called_ns
    int64_t vc_clock_ns()

cdef extern from "histogram.h" nogil:
    enum: VC_HISTOGRAM_BUCKETS
    ctypedef struct vc_histogram:
        pass
    void vc_histogram_add(vc_histogram *histogram, int64_t ns)

BUCKETS = VC_HISTOGRAM_BUCKETS


cdef int32_t silence(float *output, const float *input, uint32_t frames, const vc_block *block,
                     void *user) noexcept nogil:
    output[0] = 0.0
    if block.called_ns != 0:
        vc_histogram_add(<vc_histogram *>user, vc_clock_ns() - block.called_ns)
    return 0


def silence_address():
    """The address of the vc_native_fn. Its `user` points to a histogram of BUCKETS uint64."""
    return <uintptr_t>&silence
