# A Python callable that the callback of another PythonCode calls.


cdef void set_audio(vc_audio *audio, float *data, uint32_t channels) noexcept:
    audio.data = data
    audio.frame_stride = channels
    audio.channel_stride = 1
    audio.channels = channels


cdef class InnerCode(PythonCode):
    """A Python callable that the callback of another PythonCode calls, with blocks of its own.

    The rate converter of a stream uses it, because its blocks have another rate than the device's.
    """

    def __init__(self, *args):
        PythonCode.__init__(self, *args)
        self.shut()  # the callback of the other PythonCode enters Python, and this one never does

    def call(self, const float[:, ::1] given, float[:, ::1] made, uint32_t frames,
             uint32_t lost_frames, time, moments):
        """Calls the callable for one block.

        `given` is copied to the block's input, and the block's output is copied to `made`. Either
        is None if the stream does not have this direction. `time` is the BlockTime of the device's
        block. `moments` has five numbers: by how many ns the times of the first input and of the
        first output frame differ from it, the sample times of
        these frames, and the sample time now. Returns (whether
        the callable raised Stop, how many samples were not finite and are now 0).
        """
        cdef vc_block block
        cdef vc_py_time *device_time = <vc_py_time *>time
        cdef size_t samples
        memset(&block, 0, sizeof(block))
        block.frames = block.valid_frames = frames
        block.lost_frames = lost_frames
        block.now = device_time.now
        block.input_time = device_time.input
        block.output_time = device_time.output
        block.input_time.host_ns += <int64_t>moments[0]
        block.output_time.host_ns += <int64_t>moments[1]
        block.input_time.sample_frames = moments[2]
        block.output_time.sample_frames = moments[3]
        block.now.sample_frames = moments[4]
        if given is not None:
            samples = frames * given.shape[1]
            set_audio(&block.input, self.input_block, given.shape[1])
            memcpy(self.input_block, &given[0, 0], samples * sizeof(float))
        if made is not None:
            samples = frames * made.shape[1]
            set_audio(&block.output, self.output_block, made.shape[1])
            memset(self.output_block, 0, samples * sizeof(float))
        stopped = vc_bridge_call(self.bridge, &block) == 1
        if made is None:
            return stopped, 0
        wrong = vc_audio_scrub(&block.output, frames)
        memcpy(&made[0, 0], self.output_block, samples * sizeof(float))
        return stopped, wrong


cdef class ConvertingCode(PythonCode):
    """A Python callable that calls the program's callable, which is an InnerCode."""

    cdef InnerCode inner

    def __init__(self, InnerCode inner not None, *args):
        self.inner = inner
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
