# Gets of numbers without a hand-over through Python: a part of _hal.pyx. See quick.h.

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isfinite

cdef enum:
    SLICE_NS = 50000000  # how soon a waiting thread notices Ctrl-C


class HungError(TimeoutError):
    """A request of `Quick` was abandoned at its deadline."""


cdef class Quick:
    """Requests that the call thread serves while it has no other work.

    `over` is set when a request was abandoned and its call has returned.
    """

    cdef vc_quick *quick
    cdef public bint over
    cdef public bint abandoned

    def __cinit__(self):
        self.quick = vc_quick_new()
        if self.quick == NULL:
            raise MemoryError

    def __dealloc__(self):
        vc_quick_free(self.quick)

    @property
    def pokes(self):
        """How often `poke` was called."""
        return vc_quick_pokes(self.quick)

    def poke(self):
        """Lets `serve` return. Never waits."""
        with nogil:
            vc_quick_poke(self.quick)

    def serve(self, uint32_t seen, double timeout_s):
        """Serves requests until `pokes` is no longer `seen`, or until there was none for a time.

        Returns whether it was poked; None: a request was abandoned and has now returned, and this
        object must not be used again.
        """
        cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9)
        cdef int why
        with nogil:
            why = vc_quick_serve(self.quick, seen, timeout_ns)
        return None if why == VC_QUICK_ABANDONED else why == VC_QUICK_POKED

    def get(self, Library library not None, uint32_t object, uint32_t selector, uint32_t scope,
            uint32_t element, int kind, double timeout_s):
        """A number: `kind` is 0 for a UInt32, 1 SInt32, 2 Float32, 3 Float64, 4 a flag.

        Returns None if the call thread has other work, or if the answer is an error: the caller
        then asks in the ordinary way. Raises HungError at the deadline.
        """
        cdef vc_quick_request request
        cdef int64_t left_ns = <int64_t>(timeout_s * 1e9)
        cdef int64_t slice_ns
        cdef bint done
        cdef double number
        cdef float small
        cdef uint32_t whole
        request.get = <AudioObjectGetPropertyData_fn>library.find("AudioObjectGetPropertyData")
        request.object = object
        request.address = address(selector, scope, element)
        request.size = 8 if kind == 3 else 4
        if not vc_quick_begin(self.quick, &request):
            return None
        try:
            while True:
                slice_ns = left_ns if left_ns < SLICE_NS else SLICE_NS
                with nogil:
                    done = vc_quick_wait(self.quick, slice_ns)
                if done:
                    break
                PyErr_CheckSignals()
                left_ns -= slice_ns
                if left_ns <= 0:
                    raise HungError
        except BaseException:
            with nogil:
                done = not vc_quick_abandon(self.quick)
            if done:
                vc_quick_take(self.quick, &request)
            else:
                self.abandoned = True
            raise
        vc_quick_take(self.quick, &request)
        if request.status != 0 or request.size != (8 if kind == 3 else 4):
            return None
        if kind == 3:
            memcpy(&number, request.data, 8)
            return number if isfinite(number) else None
        if kind == 2:
            memcpy(&small, request.data, 4)
            return small if isfinite(small) else None
        memcpy(&whole, request.data, 4)
        if kind == 4:
            return whole != 0
        return whole if kind == 0 else <int32_t>whole
