# Native callbacks.

NO_NUMBER = 1 << 64  # greater than the number of any swap


cdef class NativeCode(Code):
    """A native function with the signature vc_native_fn, which can be exchanged while it plays.

    The objects in `keep` stay alive as long as their function may run. `parameters` is the address
    of a vc_mailbox, or 0, and `record` is the object that owns this mailbox.
    """

    cdef vc_native_code code
    cdef object record, exception
    cdef list kept  # [[number of the swap to a function, objects that the function needs]]
    cdef object __weakref__

    def __init__(self, uintptr_t function, uintptr_t user, keep, uintptr_t parameters=0,
                 record=None):
        cdef vc_native native
        native.function = <vc_native_fn>function
        native.user = <void *>user
        self.record = record
        self.kept = [[0, keep]]
        self.given = keep[0]
        self.exception = None
        self.code.slot = vc_slot_new(&native, <vc_mailbox *>parameters)
        if self.code.slot == NULL:
            raise MemoryError
        self.process = vc_native_code_process
        self.user = &self.code

    def __dealloc__(self):
        vc_slot_free(self.code.slot)

    @cython.critical_section
    def swap(self, uintptr_t function, uintptr_t user, keep):
        """Uses another function from the next block on."""
        cdef vc_native native
        native.function = <vc_native_fn>function
        native.user = <void *>user
        kept = [NO_NUMBER, keep]  # it stays if there is no memory for the number of the swap
        self.kept.append(kept)
        kept[0] = vc_slot_swap(self.code.slot, &native)
        taken = vc_slot_taken(self.code.slot)
        self.kept = [one for one in self.kept if one[0] >= taken]

    @property
    def running_on(self):
        """Ident of the thread that runs the function now; 0 if no thread runs it."""
        return vc_native_code_running_on(&self.code)

    @cython.critical_section
    def keep_exception(self, exception):
        """Ends the stream with an exception that Python code inside the function raised.

        Called on the thread that runs the function. Returns false if an earlier exception is kept
        already.
        """
        if self.exception is not None:
            return False
        self.exception = exception
        vc_native_code_set_raised(&self.code)
        return True

    @cython.critical_section
    def take_exception(self):
        """The exception that ended the stream. A second call returns None.

        Call it while the function does not run.
        """
        exception, self.exception = self.exception, None
        vc_native_code_clear_raised(&self.code)
        return exception
