# The code that a stream runs: the base class and Python callables.


cdef class Code:
    """The code that a stream runs for each block."""

    cdef object __weakref__
    cdef vc_process_fn process
    cdef leave_fn leave
    cdef void *user
    cdef float *input_block  # the stream's own block memory; NULL: the engine allocates it
    cdef float *output_block
    cdef object memories  # the two BlockMemory objects that own this memory
    cdef object given  # the user's callable

    def __cinit__(self, *args, **kwargs):
        self.process = NULL
        self.leave = NULL
        self.user = NULL
        self.input_block = self.output_block = NULL
        self.memories = self.given = None

    @property
    def callable(self):
        """The callable that the user gave, or None."""
        with cython.critical_section(self):
            return self.given

    cdef use_memories(self, input_memory, output_memory):
        """Uses the memory of two BlockMemory objects for input and output; each may be None."""
        self.memories = input_memory, output_memory
        if input_memory is not None:
            self.input_block = (<vc_py_memory *>input_memory).data
        if output_memory is not None:
            self.output_block = (<vc_py_memory *>output_memory).data


cdef void set_audio(vc_audio *audio, float *data, uint32_t channels) noexcept:
    audio.data = data
    audio.frame_stride = channels
    audio.channel_stride = 1
    audio.channels = channels


cdef class PythonCode(Code):
    """A Python callable, called through the bridge."""

    cdef vc_bridge *bridge
    cdef uint64_t clipped  # clipped samples of a bridge that has been freed
    cdef object block, types  # the bridge borrows these and `given`, so they must stay alive

    def __init__(self, callable, list views, memories, double samplerate_hz, bint zero_copy, types,
                 parameters, results):
        cdef vc_bridge_types c_types
        stop, escaped, result = types
        c_types.stop = <void *>stop
        c_types.escaped = <void *>escaped
        c_types.result = <void *>result
        self.use_memories(memories[0], memories[1])
        self.given = callable
        self.types = types
        self.block = new_block(views[0], views[1], samplerate_hz, parameters, results)
        views.clear()  # bridge.c counts references, so only the block may have one to each view
        self.bridge = vc_bridge_new(callable, self.block, zero_copy, &c_types)
        self.process = vc_bridge_process
        self.leave = vc_bridge_leave
        self.user = self.bridge

    def __dealloc__(self):
        if self.bridge != NULL:
            vc_bridge_free(self.bridge)

    def preempt(self):
        """Lets the callback's thread ask other threads to release the GIL, where that is possible.

        See bridge/preempt.h.
        """
        vc_bridge_preempt(self.bridge)

    @cython.critical_section
    def timings(self):
        """The histograms of GIL waits and of run times, each as bytes of uint64."""
        cdef uint64_t waits[VC_HISTOGRAM_BUCKETS]
        cdef uint64_t runs[VC_HISTOGRAM_BUCKETS]
        if self.bridge == NULL:  # the isolated interpreter has ended
            return b"", b""
        vc_bridge_timings(self.bridge, waits, runs)
        return (<char *>waits)[:sizeof(waits)], (<char *>runs)[:sizeof(runs)]

    @property
    def clipped_samples(self):
        """Samples that the conversion to the callback's sample type has clipped."""
        with cython.critical_section(self):
            return self.clipped if self.bridge == NULL else vc_bridge_clipped(self.bridge)

    @cython.critical_section
    def shut(self):
        """Closes the bridge, which never enters Python again afterwards."""
        if self.bridge != NULL:
            vc_bridge_close(self.bridge)

    @property
    def running_on(self):
        """Ident of the thread that runs the callable now; 0 if no thread runs it."""
        with cython.critical_section(self):
            return vc_bridge_running_on(self.bridge) if self.bridge != NULL else 0

    @property
    def has_orphan(self):
        """Whether a thread has left its Python thread state behind; see reap()."""
        with cython.critical_section(self):
            return self.bridge != NULL and bool(vc_bridge_has_orphan(self.bridge))

    def reap(self):
        """Drops the Python thread state that a thread has left behind.

        Call it on a thread that ends immediately afterwards.
        """
        vc_bridge_reap(self.bridge)

    def take_exception(self):
        """The exception that ended the stream. A second call returns None."""
        cdef void *exception = vc_bridge_take_exception(self.bridge)
        if exception == NULL:
            return None
        result = <object>exception
        Py_DECREF(result)  # the reference that vc_bridge_take_exception returned
        return result

    def call(self, const float[:, ::1] given, float[:, ::1] made, uint32_t frames,
             uint32_t lost_frames, time, moments):
        """Calls the callable for one block, in the callback of another PythonCode.

        `given` is copied to the block's input, and the block's output is copied to `made`. Either
        is None if the stream does not have this direction. `time` is the BlockTime of the device's
        block. `moments` has five numbers: by how many ns the times of the first input and of the
        first output frame differ from it, the sample times of these frames, and the sample time
        now. Returns (whether the callable raised Stop, how many samples were not finite and are
        now 0).
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

    @cython.critical_section
    def clear(self):
        """Drops the callable. Call it when no cycle runs or will run."""
        self.process = NULL
        self.given = self.block = None


cdef class IsolatedCode(PythonCode):
    """A Python callable in an interpreter with a GIL of its own; see isolated_code.h.

    Methods marked [keeper] must be called on the thread that owns this interpreter.
    """

    cdef vc_isolated_code isolated

    def __init__(self, str name):
        self.given = name

    def __dealloc__(self):
        # end() has freed the bridge. In a forked child the interpreter does not exist any more, so
        # the bridge must not be freed there.
        self.bridge = NULL

    def make(self, bytes wanted):
        """[keeper] Makes the interpreter and imports the callable.

        Returns marshalled None, or the marshalled reason why the callable cannot be used.
        """
        answer = vc_isolated_code_make(&self.isolated, wanted)
        self.user = self.bridge = self.isolated.bridge
        self.process = vc_bridge_process
        self.leave = vc_bridge_leave
        self.input_block = self.isolated.input_block
        self.output_block = self.isolated.output_block
        return answer

    def end(self):
        """[keeper] Ends the interpreter. Call it when no cycle runs or will run."""
        with cython.critical_section(self):  # other threads may be reading self.bridge
            if self.bridge != NULL:
                self.clipped = vc_bridge_clipped(self.bridge)
            self.bridge = NULL
            self.process = NULL
        vc_isolated_code_end(&self.isolated)

    def interrupt(self):
        """[keeper] Raises SystemExit in the callable if it is running."""
        vc_isolated_code_interrupt(&self.isolated)

    def break_import(self):
        """Raises SystemExit in the keeper if it is importing the callable. Returns at once."""
        vc_isolated_code_break_import(&self.isolated)

    def describe_exception(self):
        """Bytes that describe the exception that ended the stream. A second call returns None."""
        return vc_isolated_code_take_exception(&self.isolated)


def forget_interpreters(double timeout_s):
    """Prevents Python from ending the isolated interpreters. Call it when the process exits.

    Waits until no interpreter is being made or ended. Returns false if that took longer than
    `timeout_s`.
    """
    return vc_isolated_forget_all(timeout_s)
