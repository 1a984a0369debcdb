# The recorder.


cdef class RecorderCode(Code):
    """Writes the input of each block to a ring."""

    cdef vc_recorder *recorder
    cdef Ring ring

    def __init__(self, Ring ring, uint64_t limit_frames, bint stop_at_first_loss=False):
        self.ring = ring
        self.recorder = vc_recorder_new(ring.ring, limit_frames)
        if self.recorder == NULL:
            raise MemoryError
        vc_recorder_push_gaps(self.recorder, ring.gaps, stop_at_first_loss)
        self.process = vc_recorder_process
        self.user = self.recorder

    def __dealloc__(self):
        if self.recorder != NULL:
            vc_recorder_free(self.recorder)

    @property
    def overflow_frames(self):
        """Frames for which the ring had no room."""
        return vc_recorder_overflow_frames(self.recorder)

    @property
    def missed_frames(self):
        """Frames that the device lost between the blocks."""
        return vc_recorder_missed_frames(self.recorder)

    @property
    def frames(self):
        """Frames that arrived, including those for which the ring had no room."""
        return vc_recorder_frames(self.recorder)

    @property
    def first_ns(self):
        """Host time at which the first frame was at the connector, ns; None if not known."""
        cdef int64_t host_ns = 0
        return host_ns if vc_recorder_first_ns(self.recorder, &host_ns) else None
