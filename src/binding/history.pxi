# Histories: the newest frames of a stream, which other threads may read while it runs.


cdef class History:
    """The newest frames of one direction of a stream. See history.h.

    `channels` lists the channel of the IO cycles for each channel of the history.
    """

    cdef vc_history *history
    cdef readonly uint32_t channels

    def __cinit__(self, uint32_t frames, list channels):
        cdef ChannelMap channel_map = ChannelMap(channels)
        self.channels = len(channels)
        self.history = vc_history_new(frames, channel_map.channels, self.channels)
        if self.history == NULL:
            raise MemoryError(f"no memory for a history of {frames} frames")

    def __dealloc__(self):
        vc_history_free(self.history)

    def limit(self, uint32_t frames, bint ends, bint waits):
        """Ends the history when `frames` frames were not released, or makes a virtual device wait.

        Call it before an engine has the history.
        """
        cdef vc_wait_fn wait = NULL
        if waits:
            wait = vc_device_wait_until
        vc_history_limit(self.history, frames, ends, wait)

    @property
    def capacity(self):
        """Frames that a reader can go back."""
        return vc_history_capacity(self.history)

    @property
    def written(self):
        """Frames that were written so far."""
        return vc_history_written(self.history)

    def written_count(self):
        """The count of `written`, for waits."""
        return new_count(vc_count_history, self.history, self)

    @property
    def ended(self):
        """Whether the history has ended because of its limit."""
        return vc_history_ended(self.history)

    def release(self, uint64_t position):
        """Tells that all frames before `position` have been read."""
        vc_history_release(self.history, position)

    def copy(self, uint64_t position, float[:, ::1] out):
        """Copies frames. Returns the position of the oldest frame that was not overwritten."""
        if out.shape[0] == 0:
            return 0
        if <uint32_t>out.shape[1] != self.channels:
            raise ValueError("the history has another number of channels")
        return vc_history_copy(self.history, position, &out[0, 0], <uint32_t>out.shape[0])

    def stamps(self, uint64_t number):
        """The stamps from `number` on: (next number, [tuple of the fields of vc_stamp])."""
        cdef vc_stamp stamp
        cdef uint64_t end = vc_history_stamps(self.history)
        found = []
        while number < end:
            if vc_history_stamp(self.history, number, &stamp):
                found.append((stamp.position, stamp.lost_frames, stamp.host_ns,
                              stamp.sample_frames, stamp.device_frames, stamp.samplerate_hz,
                              stamp.valid))
            number += 1
        return end, found


cdef class NoCode(Code):
    """Code that does nothing, for a stream that only has histories."""

    def __init__(self):
        self.process = vc_nothing_process
