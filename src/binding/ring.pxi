# The ring buffer that passes frames from one thread to another.


cdef class Ring:
    """Passes frames from one thread to another, and optionally the positions of missing frames.

    `gaps` is the number of gaps that can wait for the consumer; 0: gaps are not recorded.
    """

    cdef vc_ring *ring
    cdef vc_queue *gaps

    def __cinit__(self, uint32_t frames, uint32_t channels, uint32_t gaps=0):
        self.ring = vc_ring_new(frames, channels)
        if self.ring != NULL and gaps > 0:
            self.gaps = vc_queue_new(gaps, sizeof(vc_gap))
        if self.ring == NULL or (gaps > 0 and self.gaps == NULL):
            raise MemoryError(f"no memory for a ring of {frames} frames")

    def __dealloc__(self):
        vc_ring_free(self.ring)
        vc_queue_free(self.gaps)

    @cython.critical_section
    def take_gap(self):
        """The next gap as (position, frames, cause), or None."""
        cdef vc_gap gap
        if self.gaps == NULL or not vc_queue_pop(self.gaps, &gap):
            return None
        return gap.position, gap.frames, gap.cause

    @property
    def capacity(self):
        return vc_ring_capacity(self.ring)

    @property
    def readable(self):
        return vc_ring_readable(self.ring)

    @property
    def writable(self):
        return vc_ring_writable(self.ring)

    @property
    def total_read(self):
        return vc_ring_total_read(self.ring)

    @property
    def total_written(self):
        return vc_ring_total_written(self.ring)

    def written_count(self):
        """A Count of the frames that were written so far."""
        return new_count(vc_count_written, self.ring, self)

    def read_count(self):
        """A Count of the frames that were read so far."""
        return new_count(vc_count_read, self.ring, self)

    @property
    def finished(self):
        return vc_ring_finished(self.ring)

    @cython.critical_section
    def write(self, const float[:, ::1] frames):
        """Writes as many frames as fit, shape (frames, channels). Returns their number."""
        if frames.shape[0] == 0:
            return 0
        if <uint32_t>frames.shape[1] != vc_ring_channels(self.ring):
            raise ValueError("the ring has another number of channels")
        return vc_ring_write(self.ring, &frames[0, 0], <uint32_t>frames.shape[0])

    @cython.critical_section
    def read(self, float[:, ::1] frames):
        """Reads the frames that are ready into the start of the array. Returns their number."""
        if frames.shape[0] == 0:
            return 0
        if <uint32_t>frames.shape[1] != vc_ring_channels(self.ring):
            raise ValueError("the ring has another number of channels")
        return vc_ring_read(self.ring, &frames[0, 0], <uint32_t>frames.shape[0])

    def end(self):
        vc_ring_end(self.ring)

    def reopen(self):
        """Takes the end back, before more frames are written."""
        vc_ring_reopen(self.ring)
