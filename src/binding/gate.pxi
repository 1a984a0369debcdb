# The bridge for other extensions.


cdef class Gate:
    """A gate of another extension; see bridge/gate.h.

    Methods marked [keeper] must be called on the thread that owns the gate's interpreter.
    """

    cdef voicecoil_gate *gate

    def __init__(self, uintptr_t address):
        self.gate = <voicecoil_gate *>address
        vc_gate_hold(self.gate)

    def __dealloc__(self):
        if self.gate != NULL:
            vc_gate_release(self.gate)

    @property
    def is_inside(self):
        """Whether the calling thread is in a call through the gate."""
        return vc_gate_is_inside(self.gate)

    def shut(self, double timeout_s):
        """Closes the gate and waits until no thread is inside.

        Returns the number of threads that are still inside. The calling thread must not be inside.
        """
        return vc_gate_shut(self.gate, timeout_s)

    def take(self):
        """Returns the kept exception once, as an object or as bytes that describe it, or None."""
        return vc_gate_take_exception(self.gate)

    def clear(self):
        """Drops the callable. Call it after the gate is shut."""
        vc_gate_clear(self.gate)

    def make(self, bytes wanted):
        """[keeper] Makes the interpreter and imports the callable.

        Returns marshalled None, or the marshalled reason why the callable cannot be used.
        """
        return vc_gate_make(self.gate, wanted)

    def interrupt(self):
        """[keeper] Does nothing, because several threads may be inside."""

    def end(self):
        """[keeper] Ends the interpreter. Call it after the gate is shut."""
        vc_gate_end(self.gate)

    def break_import(self):
        """Raises SystemExit in the keeper if it is importing the callable. Returns at once."""
        vc_gate_break_import(self.gate)


# voicecoil_bridge_import() of voicecoil_bridge.h looks this capsule up.
_bridge_api = PyCapsule_New(<void *>vc_bridge_api(), "voicecoil._core._bridge_api", NULL)
