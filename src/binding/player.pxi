# The player, and the chunks that are written to it.

NO_BUFFER, WRONG_TYPE, WRONG_SHAPE, NOT_FINITE, NOT_PACKED, NO_ROOM = -1, -2, -3, -4, -5, -6
RESULT_HEARD, RESULT_CLEARED, RESULT_CUT = range(3)


cdef char format_of(const Py_buffer *view) noexcept:
    """The format character of a buffer's elements; 0: another type, or another byte order."""
    cdef const char *name = view.format
    if name == NULL:
        return c'B'
    if name[0] != 0 and name[1] != 0 and (name[0] == c'@' or name[0] == c'=' or name[0] == c'<'):
        name += 1  # all machines that are supported are little-endian
    return name[0] if name[0] != 0 and name[1] == 0 else 0


cdef bint has_format(const Py_buffer *view, vc_format form) noexcept:
    """Whether the elements of a buffer are samples of the format."""
    cdef char kind = format_of(view)
    if <size_t>view.itemsize != vc_format_bytes(form):
        return False
    if form == 0:
        return kind == c'f'
    if form == 1:
        return kind == c'h'
    return kind == c'i' or kind == c'l' if form == 2 else kind == c'B'


cdef bint is_bytes(const Py_buffer *view) noexcept:
    cdef char kind = format_of(view)
    return view.ndim == 1 and (kind == c'B' or kind == c'b' or kind == c'c')


cdef class PlayerCode(Code):
    """Plays frames that are written in chunks.

    A chunk is any object with a buffer: an array of samples with the shape (frames,) or (frames,
    channels), or bytes. `write` and the other methods of the writer are for one thread at a time.
    """

    cdef vc_player *player
    cdef vc_ring *ring
    cdef uint32_t channels, capacity_frames
    cdef vc_format form
    cdef size_t frame_bytes

    def __init__(self, *, uint32_t channels, uint32_t output_channels, uint32_t capacity_frames,
                 uint32_t prebuffer_frames, uint32_t fade_frames, uint32_t messages,
                 tuple levels, int sample_format):
        cdef vc_player_config config
        memset(&config, 0, sizeof(config))
        config.channels = self.channels = channels
        config.output_channels = output_channels
        config.capacity_frames = self.capacity_frames = capacity_frames
        config.prebuffer_frames = prebuffer_frames
        config.fade_frames = fade_frames
        config.messages = messages
        config.gain, config.left, config.right = levels
        self.form = <vc_format>sample_format
        self.frame_bytes = vc_format_bytes(self.form) * channels
        self.player = vc_player_new(&config)
        if self.player == NULL:
            raise MemoryError
        self.ring = vc_player_ring(self.player)
        self.process = vc_player_process
        self.user = self.player

    def __dealloc__(self):
        vc_player_free(self.player)

    def wait_for_frames(self):
        """Makes the IO thread wait for frames inside an utterance instead of playing silence.

        This is only for devices whose clock is not real. Call it before the stream is started.
        """
        vc_player_wait_with(self.player, vc_device_wait_until)

    cdef int64_t examine(self, chunk, Py_buffer *view, bint scans=True):
        """The frames of a chunk, or why it is none. If there is a buffer, the caller releases it.

        `scans`: look for samples that are not finite.
        """
        cdef bint raw
        if not PyObject_CheckBuffer(chunk):
            return NO_BUFFER
        PyObject_GetBuffer(chunk, view, PyBUF_RECORDS_RO)
        raw = is_bytes(view) and not hasattr(chunk, "dtype")
        if raw and view.len % self.frame_bytes != 0:
            return WRONG_SHAPE
        if not raw and not has_format(view, self.form):
            return WRONG_TYPE
        if not raw and not (view.ndim == 2 and view.shape[1] == self.channels
                            or view.ndim == 1 and self.channels == 1):
            return WRONG_SHAPE
        if view.len == 0:
            return 0
        if not PyBuffer_IsContiguous(view, c'C') or (
                <uintptr_t>view.buf % vc_format_bytes(self.form) != 0):
            return NOT_PACKED
        if scans and self.form == 0 and not vc_player_finite(view.buf, view.len // 4):
            return NOT_FINITE
        return view.len // self.frame_bytes

    def frames_of(self, chunk):
        """The number of frames of a chunk; if it is negative, it says why the chunk is wrong."""
        cdef Py_buffer view
        memset(&view, 0, sizeof(view))
        try:
            return self.examine(chunk, &view)
        finally:
            PyBuffer_Release(&view)

    def write(self, chunk, int64_t begin=0):
        """Writes as many frames of the chunk, from `begin` on, as there is room for.

        Returns their number. If it is negative, it says why the chunk is wrong, and nothing was
        written. If `begin` is not 0, the chunk was examined before.
        """
        cdef Py_buffer view
        cdef int64_t frames
        memset(&view, 0, sizeof(view))
        try:
            frames = self.examine(chunk, &view, begin == 0)
            if frames <= begin:
                return frames if frames < 0 else 0
            return self.put(<const char *>view.buf + begin * self.frame_bytes, frames - begin,
                            self.form)
        finally:
            PyBuffer_Release(&view)

    def write_all(self, chunk):
        """Writes a chunk if there is room for all of it. Returns its frames.

        A negative number: nothing was written, because there is no room or the chunk is wrong.
        """
        cdef Py_buffer view
        cdef int64_t frames
        if not PyObject_CheckBuffer(chunk):
            return NO_BUFFER
        memset(&view, 0, sizeof(view))
        try:
            frames = self.examine(chunk, &view)
            if frames > self.capacity_frames - min(vc_ring_readable(self.ring),
                                                   self.capacity_frames):
                return NO_ROOM
            if frames > 0:
                self.put(<const char *>view.buf, frames, self.form)
            return frames
        finally:
            PyBuffer_Release(&view)

    def write_floats(self, const float[:, ::1] frames, int64_t begin=0):
        """The same for frames of float32, of any sample type of the player."""
        if frames.shape[0] <= begin:
            return 0
        return self.put(<const char *>&frames[begin, 0], frames.shape[0] - begin, <vc_format>0)

    cdef uint32_t put(self, const char *samples, int64_t frames, vc_format form):
        cdef vc_slices slices
        cdef uint32_t readable = vc_ring_readable(self.ring)
        cdef uint32_t room = self.capacity_frames - min(readable, self.capacity_frames)
        cdef uint32_t taken
        cdef size_t first
        if frames < room:
            room = <uint32_t>frames
        taken = vc_ring_reserve(self.ring, room, &slices)
        with nogil:
            first = <size_t>slices.first_frames * self.channels
            vc_format_to_float(slices.first, samples, form, first)
            if slices.second != NULL:
                vc_format_to_float(slices.second, samples + first * vc_format_bytes(form), form,
                                   <size_t>slices.second_frames * self.channels)
            vc_ring_commit(self.ring, taken)
        return taken

    def begin(self, uint32_t clears):
        """Begins an utterance. Call it before its first frame is written.

        `clears` is the number of clears that the writer has seen. If there was one since then, all
        frames of the utterance are discarded.
        """
        vc_player_begin(self.player, clears)

    def expect_nothing(self):
        """No more frames come."""
        vc_player_expect_nothing(self.player)

    def finish(self, uint64_t position, uint32_t clears):
        """Ends the utterance at a position. Returns false if too many messages wait."""
        return vc_player_finish(self.player, position, clears)

    def mark(self, uint64_t position, uint32_t number, uint32_t clears, bint begins):
        """Sets a mark. Returns false if too many messages wait."""
        return vc_player_mark(self.player, position, number, clears, begins)

    def clear(self, uint32_t fade_frames):
        vc_player_clear(self.player, fade_frames)

    def pause(self, bint pause, uint32_t fade_frames):
        vc_player_pause(self.player, pause, fade_frames)

    @cython.critical_section
    def level(self, float gain, float left, float right, uint32_t ramp_frames):
        vc_player_level(self.player, gain, left, right, ramp_frames)

    def prebuffer(self, uint32_t frames):
        vc_player_prebuffer(self.player, frames)

    @cython.critical_section
    def take(self):
        """The oldest result as (kind, number, position, host_ns), or None."""
        cdef vc_player_result result
        if not vc_player_take(self.player, &result):
            return None
        return result.kind, result.number, result.position, result.host_ns

    def results_count(self):
        """A Count of the results so far."""
        return new_count(vc_count_results, self.player, self)

    def read_count(self):
        """A Count of the frames that were played or cleared so far."""
        return new_count(vc_count_read, self.ring, self)

    def hear(self, int64_t now_ns):
        """At a host time: (position before which all frames were heard or cleared, heard frames).
        """
        cdef vc_player_heard heard
        vc_player_hear(self.player, now_ns, &heard)
        return heard.passed, heard.frames

    @property
    def clears(self):
        return vc_player_clears(self.player)

    @property
    def written(self):
        """Frames that were written so far."""
        return vc_ring_total_written(self.ring)

    @property
    def capacity(self):
        """The most frames that can be queued."""
        return self.capacity_frames

    @property
    def room(self):
        """Frames that can be written now."""
        return self.capacity_frames - min(vc_ring_readable(self.ring), self.capacity_frames)

    @property
    def queued(self):
        """Frames that wait to be played and were not cleared."""
        cdef vc_player_counts counts
        cdef uint64_t written = vc_ring_total_written(self.ring)
        vc_player_count(self.player, &counts)
        return max(0, <int64_t>(written - counts.cleared_before))

    @property
    def underruns(self):
        cdef vc_player_counts counts
        vc_player_count(self.player, &counts)
        return counts.underruns, counts.underrun_frames
