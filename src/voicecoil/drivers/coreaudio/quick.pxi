# Gets of numbers, and other work, handed to the call thread in C: a part of _hal.pyx. See quick.h.

from time import monotonic

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_DECREF, Py_INCREF
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

    @property
    def answered(self):
        """Whether an answer has come that its client has not taken."""
        return vc_quick_wait(self.quick, 0)

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
        cdef bint is_awaited
        cdef uintptr_t given
        while True:
            with nogil:
                why = vc_quick_serve(self.quick, seen, timeout_ns)
            if why != VC_QUICK_WORK:
                return None if why == VC_QUICK_ABANDONED else why == VC_QUICK_POKED
            memcpy(&given, vc_quick_work(self.quick), sizeof(given))
            work = <object><void *>given
            Py_DECREF(work)  # `hand_over` has made this reference for this thread
            try:
                work()
            finally:
                del work
                with nogil:
                    is_awaited = vc_quick_finish(self.quick)
            if not is_awaited:
                return None

    def hand_over(self, work, double timeout_s):
        """Lets the serving thread call `work`, which must not raise, and waits until it has.

        Returns False if no thread serves now, so that `work` was not called. Returns None if it did
        not return in time; it is then abandoned, as after an exception of a signal handler.
        """
        cdef vc_quick_request request
        cdef uintptr_t given = <uintptr_t><void *>work
        if self.abandoned:
            return False
        memset(&request, 0, sizeof(request))
        memcpy(request.data, &given, sizeof(given))
        Py_INCREF(work)
        if not vc_quick_begin(self.quick, &request):
            Py_DECREF(work)
            return False
        try:
            self.wait(&request, timeout_s)
        except HungError:
            return None
        vc_quick_take(self.quick, &request)
        return True

    cdef void wait(self, vc_quick_request *request, double timeout_s) except *:
        """Waits until the answer has come. Raises HungError if it has not at the deadline."""
        cdef int64_t left_ns = <int64_t>(timeout_s * 1e9)
        cdef int64_t slice_ns
        cdef bint done
        try:
            while True:
                slice_ns = left_ns if left_ns < SLICE_NS else SLICE_NS
                with nogil:
                    done = vc_quick_wait(self.quick, slice_ns)
                if done:
                    return
                PyErr_CheckSignals()
                left_ns -= slice_ns
                if left_ns <= 0:
                    break
        except BaseException:
            with nogil:
                done = not vc_quick_abandon(self.quick)
            if done:
                vc_quick_take(self.quick, request)
            else:
                self.abandoned = True
            raise
        with nogil:
            done = not vc_quick_abandon(self.quick)
        if not done:
            self.abandoned = True
            raise HungError


cdef class Shortcut:
    """The short way to numbers of one driver.

    Parameters
    ----------
    library : Library
    thread : object
        Its `idle` is the `Quick` that serves at the moment, or None.
    driver : object
        Its `timeouts.call_s` is the deadline, s. Its `gave_up(quick, name, thing, hung, began)` is
        called if a request was given up.
    """

    cdef Library library
    cdef object thread
    cdef object driver

    def __init__(self, Library library not None, thread, driver):
        self.library = library
        self.thread = thread
        self.driver = driver

    cdef object get(self, uint32_t object, AudioObjectPropertyAddress at, int kind, thing, name):
        """A number, see `Number`; None if the ordinary way must be taken."""
        cdef vc_quick_request request
        cdef Quick quick
        cdef uint32_t size = 8 if kind == 3 else 4
        idle = self.thread.idle
        if type(idle) is not Quick:
            return None
        quick = <Quick>idle
        if quick.abandoned:
            return None
        request.get = <AudioObjectGetPropertyData_fn>self.library.find("AudioObjectGetPropertyData")
        request.object = object
        request.address = at
        request.size = size
        if not vc_quick_begin(quick.quick, &request):
            return None
        # The GIL is kept for a moment, because releasing it takes as long as most answers.
        if not vc_quick_spin(quick.quick):
            self.wait(quick, &request, thing, name)
        vc_quick_take(quick.quick, &request)
        if request.status != 0 or request.size != size:
            return None
        return number(kind, request.data)

    cdef void wait(self, Quick quick, vc_quick_request *request, thing, name) except *:
        began = monotonic()
        try:
            quick.wait(request, self.driver.timeouts.call_s)
        except HungError:
            self.driver.gave_up(quick, name, thing, True, began)
        except BaseException:
            if quick.abandoned:
                self.driver.gave_up(quick, name, thing, False, began)
            raise


cdef object number(int kind, const unsigned char *data):
    cdef double large
    cdef float small
    cdef uint32_t whole
    if kind == 3:
        memcpy(&large, data, 8)
        return large if isfinite(large) else None
    if kind == 2:
        memcpy(&small, data, 4)
        return small if isfinite(small) else None
    memcpy(&whole, data, 4)
    if kind == 4:
        return whole != 0
    return whole if kind == 0 else <int32_t>whole


cdef class Number:
    """A property that is a number, as attribute of objects.

    Reading it takes the short way if that is possible. A class derived from this one can be used
    as a descriptor.

    Parameters
    ----------
    row : object
        The property, with `name`, `code`, `scopes`, `whole` and `kind`. `kind` is 0 for a UInt32, 1
        SInt32, 2 Float32, 3 Float64, 4 a flag.
    meaning : callable or None
        What a number means.
    trusted_s : float
        How long the ID of an object is used without a comparison, s.
    """

    cdef AudioObjectPropertyAddress at
    cdef int kind
    cdef bint is_global
    cdef double trusted_s
    cdef object name
    cdef object meaning

    def __init__(self, row, meaning, double trusted_s):
        self.at = address(row.code, row.whole, 0)
        self.kind = row.kind
        self.is_global = row.scopes == "global"
        self.trusted_s = trusted_s
        self.name = row.name
        self.meaning = meaning

    def of(self, thing):
        """The value that `thing` has; None if the ordinary way must be taken.

        `thing` has an `_id` that was compared at the time `_checked`, a `_scope`, an `_element` and
        a `_shortcut`.
        """
        cdef AudioObjectPropertyAddress at = self.at
        cdef uint32_t object = thing._id
        if object == 0 or <double>monotonic() - <double>thing._checked >= self.trusted_s:
            return None
        scope = thing._scope
        if scope is not None and not self.is_global:
            at.mScope = scope
        element = thing._element
        if element is not None:
            at.mElement = element
        value = (<Shortcut?>thing._shortcut).get(object, at, self.kind, thing, self.name)
        return value if value is None or self.meaning is None else self.meaning(value)

    def __get__(self, thing, owner):
        if thing is None:
            return self
        value = self.of(thing)
        return self.read(thing) if value is None else value

    def read(self, thing):
        """The value by the ordinary way."""
        raise NotImplementedError
