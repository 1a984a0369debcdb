# Formats of AudioBuffers, and their changes. Included by _hal.pyx.

cdef class WatchedFormats:
    """The virtual formats of some AudioStreams: while one differs, an IOProc plays silence.

    `Library.watch_formats` makes it. A stream for which there is no room is not watched.
    """

    cdef vc_changes *changes
    cdef vc_watched **watched
    cdef uint32_t count
    cdef object library

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.count):
            vc_watched_free(self.changes, self.watched[i])
        PyMem_Free(self.watched)

    def check(self):
        """Compares the formats now, and returns whether one differs.

        Call it after a listener was registered for them.
        """
        cdef uint32_t i
        cdef bint differs = False
        for i in range(self.count):
            with nogil:
                differs |= vc_watched_check(self.watched[i])
        return differs


cdef WatchedFormats watch_formats(vc_changes *changes, object library,
                                  AudioObjectGetPropertyData_fn get, dict streams):
    cdef WatchedFormats made = WatchedFormats.__new__(WatchedFormats)
    cdef vc_watched *found
    cdef AudioStreamBasicDescription expected
    made.library = library  # it has the memory of `changes`
    made.changes = changes
    made.watched = <vc_watched **>PyMem_Calloc(len(streams) + 1, sizeof(void *))
    if made.watched == NULL:
        raise MemoryError
    for stream, form in streams.items():
        memset(&expected, 0, sizeof(expected))
        expected.mFormatID = int.from_bytes(form.format_id[1:5].encode("latin-1"), "big")
        expected.mFormatFlags = form.flags
        expected.mBytesPerFrame = form.bytes_per_frame
        expected.mChannelsPerFrame = form.channels
        expected.mBitsPerChannel = form.bits
        found = vc_watched_new(changes, <uint32_t>stream, &expected, get)
        if found != NULL:
            made.watched[made.count] = found
            made.count += 1
    return made


cdef class Direction:
    """One direction of an IOProc's configuration, with the memory to which it points."""

    cdef vc_ioproc_direction c

    def __cinit__(self, channels, formats, uint32_t latency_frames):
        cdef vc_ioproc_channel *places
        cdef vc_ioproc_buffer *buffers
        places = <vc_ioproc_channel *>PyMem_Calloc(len(channels) + 1, sizeof(vc_ioproc_channel))
        self.c.map = places
        buffers = <vc_ioproc_buffer *>PyMem_Calloc(len(formats) + 1, sizeof(vc_ioproc_buffer))
        self.c.buffers = buffers
        if places == NULL or buffers == NULL:
            raise MemoryError
        for i, (buffer, channel) in enumerate(channels):
            places[i].buffer = buffer
            places[i].channel = channel
        for i, form in enumerate(formats):
            buffers[i].channels = form.channels
            if form.is_float32:
                buffers[i].kind = VC_SAMPLES_FLOAT32
            elif form.is_integer:
                buffers[i].kind = VC_SAMPLES_INTEGER
                buffers[i].pcm.bytes = form.sample_bytes
                buffers[i].pcm.bits = form.bits
                buffers[i].pcm.high = form.is_aligned_high
                buffers[i].pcm.big_endian = form.is_big_endian
            else:
                buffers[i].kind = VC_SAMPLES_OTHER
        self.c.channels = <uint32_t>len(channels)
        self.c.buffer_count = <uint32_t>len(formats)
        self.c.latency_frames = latency_frames

    def __dealloc__(self):
        PyMem_Free(<void *>self.c.map)
        PyMem_Free(<void *>self.c.buffers)
