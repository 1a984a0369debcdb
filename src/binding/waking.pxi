# Waits for counts that the IO thread changes.

cdef class Count:
    """A count that another thread, such as the IO thread, changes. Any thread may read it."""

    cdef vc_count_fn function
    cdef const void *thing
    cdef object keep  # owns `thing`

    def __init__(self):
        raise TypeError("counts are made by the objects that count")

    @property
    def value(self):
        return self.function(self.thing)


cdef Count new_count(vc_count_fn function, const void *thing, keep):
    cdef Count count = Count.__new__(Count)
    count.function = function
    count.thing = thing
    count.keep = keep
    return count


cdef class Waker:
    """Waits until one of several counts has reached its target."""

    cdef vc_waker *waker

    def __cinit__(self):
        self.waker = vc_waker_new()
        if self.waker == NULL:
            raise MemoryError

    def __dealloc__(self):
        vc_waker_free(self.waker)

    def ring(self):
        """Makes `wait` return at its next look."""
        vc_waker_ring(self.waker)

    @property
    def rings(self):
        """How often `ring` was called."""
        return vc_waker_rings(self.waker)

    def wait(self, list counts, uint32_t seen, double period_s, double timeout_s):
        """Waits without the GIL until one of `counts`, a list of (Count, target), has reached its
        target, `rings` is not `seen`, or the time has passed."""
        cdef size_t used = 0
        cdef vc_awaited *awaited = <vc_awaited *>PyMem_Calloc(len(counts) + 1, sizeof(vc_awaited))
        if awaited == NULL:
            raise MemoryError
        try:
            for count, target in counts:
                awaited[used].count = (<Count?>count).function
                awaited[used].thing = (<Count>count).thing
                awaited[used].target = target
                used += 1
            with nogil:
                vc_waker_wait(self.waker, awaited, used, seen, <int64_t>(period_s * 1e9),
                              <int64_t>(timeout_s * 1e9))
        finally:
            PyMem_Free(awaited)
