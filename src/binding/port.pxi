# The port of a driver's IO thread; see core/port.h. Each extension module with a driver has its own
# copy of this class.


cdef class EnginePort:
    """The user data of an IO thread's callback, with a port to which an engine is attached."""

    cdef vc_port *port  # part of the subclass's memory
    cdef object engine  # kept alive as long as a cycle may use it

    def detach(self, double timeout_s=0.0, bint put_back=False):
        """Detaches the engine, and waits until no cycle of the engine runs.

        Returns false if that takes longer than `timeout_s`. With `put_back` the engine is then
        attached again, so that its run can end in the next cycle.
        """
        cdef vc_engine *back = NULL
        cdef bint detached
        cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9)
        engine = self.engine
        if put_back and engine is not None:
            back = <vc_engine *><uintptr_t>engine.address
        with nogil:
            detached = vc_port_detach(self.port, back, timeout_ns)
        if detached:
            self.engine = None
        return detached

    @property
    def turn(self):
        """A counter that never decreases. It is odd while the IO thread is in its callback."""
        return vc_port_turn(self.port)
