# A Python callable that calls the program's callable, such as the rate converter of a stream.


cdef class ConvertingCode(PythonCode):
    """A Python callable that calls the callable of another PythonCode.

    The rate converter of a stream is such a callable, because the blocks of the program have
    another rate than those of the device.
    """

    cdef readonly PythonCode inner

    def __init__(self, PythonCode inner not None, *args):
        self.inner = inner
        inner.shut()  # this code enters Python, and the inner one never does by itself any more
        PythonCode.__init__(self, *args)

    @property
    def callable(self):
        """The callable that the user gave, or None."""
        return self.inner.callable

    @property
    def clipped_samples(self):
        """Samples that the conversion to the callback's sample type has clipped."""
        return self.inner.clipped_samples

    def clear(self):
        """Drops the callables. Call it when no cycle runs or will run."""
        PythonCode.clear(self)
        self.inner.clear()
