# The engine of a stream, and clocks.


cdef object event_tuple(vc_event *event):
    return (event.kind, event.host_ns, event.sample_frames, event.value, event.cause,
            event.waited_ns)


cdef object time_tuple(vc_time *time):
    return (time.host_ns if time.valid & 1 else None, time.sample_frames if time.valid & 2 else None)


def cycle_run_address():
    """The address of vc_cycle_run, for drivers in other extension modules."""
    return <uintptr_t>&vc_cycle_run


cdef class Clock:
    """A clock other than the machine's: a C function and its argument.

    A clock is `stepped` if only a test moves it.
    """

    cdef clock_fn function
    cdef void *argument
    cdef object keep
    cdef readonly bint stepped

    def __cinit__(self, *args, **kwargs):
        self.function = NULL
        self.argument = NULL
        self.stepped = False

    @staticmethod
    def from_addresses(uintptr_t function, uintptr_t argument, bint stepped, keep):
        """Makes a clock of two addresses. `keep` owns them and lives as long as the clock."""
        cdef Clock self = Clock()
        self.function = <clock_fn>function
        self.argument = <void *>argument
        self.stepped = stepped
        self.keep = keep
        return self

    def clock_ns(self):
        return self.function(self.argument)


cdef class ChannelMap:
    """Maps each channel of an engine to a channel of the new device, or to none."""

    cdef uint32_t *channels
    cdef uint32_t used

    def __cinit__(self, list channels):
        self.channels = <uint32_t *>PyMem_Calloc(len(channels) + 1, sizeof(uint32_t))
        if self.channels == NULL:
            raise MemoryError
        self.used = 0
        for i, channel in enumerate(channels):
            self.channels[i] = VC_NO_CHANNEL if channel is None else channel
            self.used += channel is not None

    def __dealloc__(self):
        PyMem_Free(self.channels)


cdef class Engine:
    """The engine of one stream.

    The engine is freed with its last reference. The owner must keep its reference until no cycle
    runs or will run.

    The engine has only a weak reference to its code. The stream's connection keeps the code alive
    as long as cycles run. A device has references to the engines that are attached to it, and a
    driver that was chosen by name lives as long as the process. If an engine kept its code alive, a
    dropped stream would play for ever if its callback is a method of the object that owns the
    stream.
    """

    cdef vc_engine *engine
    cdef object code  # a weak reference
    cdef uint64_t run
    cdef object clock_owner
    cdef Drift input  # the input of another device, or None
    cdef list histories  # [(history, number of its removal, or None)]
    cdef readonly uint32_t input_channels, output_channels
    cdef readonly uint32_t period_frames
    """Frames that every cycle must have; 0: the number may vary."""

    def __init__(self, Code code, *, uint32_t input_channels, uint32_t output_channels,
                 uint32_t block_frames, uint32_t period_frames, double samplerate_hz,
                 uint32_t flags, clock=None):
        cdef vc_engine_config config
        memset(&config, 0, sizeof(config))
        config.input_channels = self.input_channels = input_channels
        config.output_channels = self.output_channels = output_channels
        config.block_frames = block_frames
        config.period_frames = self.period_frames = period_frames
        config.samplerate_hz = samplerate_hz
        # Only Python code may keep references to a block's memory. All other code gets the memory
        # of the device.
        config.flags = flags if isinstance(code, PythonCode) else flags | LEND
        config.process = code.process
        config.leave = code.leave
        config.user = code.user
        config.input_block = code.input_block
        config.output_block = code.output_block
        if clock is not None:
            self.clock_owner = clock
            config.clock_ns = (<Clock?>clock).function
            config.clock = (<Clock>clock).argument
        self.code = PyWeakref_NewRef(code, None)
        self.histories = []
        self.engine = vc_engine_new(&config)
        if self.engine == NULL:
            raise MemoryError("no memory for the stream's engine")

    def __dealloc__(self):
        vc_engine_free(self.engine)

    @property
    def max_period_frames(self):
        """The largest number of frames that a cycle may have. A worker cannot fill a cycle that is
        longer than its lead."""
        code = self.code()
        return code.lead_frames if isinstance(code, Worker) else UINT32_MAX

    @property
    def address(self):
        """The address of the vc_engine, for drivers."""
        return <uintptr_t>self.engine

    def wait_finished(self, double timeout_s):
        """Waits without the GIL until the state is FINISHED.

        Returns false if the time passed or a signal arrived. Python runs the handler of the signal
        after this call has returned.
        """
        cdef bint finished
        with nogil:
            finished = vc_wait_finished(self.engine, <int64_t>(timeout_s * 1e9))
        return finished

    # A request names the run that it is meant for, so that a late request does not end a later run.
    # No other thread and no signal handler can come between the check and the request.

    @cython.critical_section
    def start(self, uint64_t run=0):
        """Begins the run with the number `run`. Call it before the device is started."""
        self.run = run
        vc_engine_start(self.engine)

    @cython.critical_section
    def stop(self, uint64_t run=0):
        """Asks the run with the number `run` to end after the current block."""
        if run == self.run:
            vc_engine_stop(self.engine)

    @cython.critical_section
    def fade_out(self, uint32_t frames, uint64_t run=0):
        """Fades the output of the run with the number `run` out, and then ends the run."""
        if run == self.run:
            vc_engine_fade_out(self.engine, frames)

    @cython.critical_section
    def abort(self, uint64_t run=0):
        """Asks the run with the number `run` to end at once."""
        if run == self.run:
            vc_engine_abort(self.engine)

    @cython.critical_section
    def end(self):
        """Ends a run whose device was stopped before a cycle handled the request to end."""
        vc_engine_end(self.engine)

    @cython.critical_section
    def move(self, input_map, output_map, *, uint32_t period_frames, clock=None,
             double samplerate_hz=0.0, double device_hz=0.0, Code code=None):
        """Continues with another device, which brings its input. Call it when no cycle runs.

        `samplerate_hz` 0 and `code` None: the rate and the code stay the same. `device_hz` is the
        device's rate if the engine keeps its own and converts; 0: they are the same.

        Each map lists one entry for each channel of the engine: the channel of the device's IO
        cycles that it uses, or None.
        """
        cdef vc_move to
        cdef ChannelMap inputs = ChannelMap(input_map), outputs = ChannelMap(output_map)
        memset(&to, 0, sizeof(to))
        to.input_map, to.input_channels = inputs.channels, inputs.used
        to.output_map, to.output_channels = outputs.channels, outputs.used
        to.output_places = len(output_map)
        to.period_frames = period_frames
        if clock is not None:
            to.clock_ns = (<Clock?>clock).function
            to.clock = (<Clock>clock).argument
        to.samplerate_hz = samplerate_hz
        to.device_hz = device_hz
        if code is not None:
            to.process, to.leave, to.user = code.process, code.leave, code.user
        self.period_frames = period_frames
        if not vc_engine_move(self.engine, &to):
            raise MemoryError("no memory to continue a stream with another device")
        self.input = None
        if code is not None:
            self.code = PyWeakref_NewRef(code, None)
        self.clock_owner = clock

    @cython.critical_section
    def set_input(self, Drift drift):
        """Takes the input of each cycle from `drift`; None: the device brings it.

        Call it when no cycle runs.
        """
        if drift is None:
            vc_engine_set_input(self.engine, NULL, NULL)
        else:
            vc_engine_set_input(self.engine, vc_drift_fill, drift.drift)
        self.input = drift

    @cython.critical_section
    def add_history(self, History history not None, bint plays):
        """Writes the output (`plays`) or the input of each cycle into a history from now on.

        Returns false if the engine has as many histories as it can have.
        """
        self.drop_histories()
        direction = VC_OUTPUT if plays else VC_INPUT
        if not vc_engine_add_history(self.engine, history.history, direction):
            return False
        self.histories.append((history, None))
        return True

    @cython.critical_section
    def remove_history(self, History history not None):
        """Writes nothing into that history any more."""
        removed = vc_engine_remove_history(self.engine, history.history)
        self.histories = [(one, removed if one is history else number)
                          for one, number in self.histories]
        self.drop_histories()

    cdef drop_histories(self):
        self.histories = [(one, number) for one, number in self.histories
                          if number is None
                          or not vc_engine_history_is_unused(self.engine, number)]

    @property
    def state(self):
        return vc_engine_state(self.engine)

    def finished_count(self):
        """A Count that is 1 when the stream has ended."""
        return new_count(vc_count_finished, self.engine, self)

    def events_count(self):
        """A Count of the events that were not taken yet."""
        return new_count(vc_count_events, self.engine, self)

    @property
    def zero_frames(self):
        """Frames of this run, if its input was exactly zero in all of them; otherwise 0."""
        return vc_engine_zero_frames(self.engine)

    @property
    def reason(self):
        return vc_engine_reason(self.engine)

    @property
    def error(self):
        return vc_engine_error(self.engine)

    def statistics(self):
        """The fields of vc_statistics as a dict.

        With a worker, blocks and frames are those of the worker's code, because the engine's own
        blocks are the device's cycles.
        """
        cdef vc_statistics s
        vc_engine_statistics(self.engine, &s)
        code = self.code()
        ahead = isinstance(code, Worker)
        return {
            "cycles": s.cycles,
            "blocks": (<Worker>code).blocks if ahead else s.blocks,
            "frames": (<Worker>code).frames if ahead else s.frames,
            "xruns": s.xruns,
            "lost_frames": s.lost_frames, "late_cycles": s.late_cycles,
            "late_blocks": s.late_blocks,
            "nonfinite_samples": s.nonfinite_samples, "copied_blocks": s.copied_blocks,
            "lost_events": s.lost_events, "busy_ns": s.busy_ns, "busy_max_ns": s.busy_max_ns,
            "load": s.load, "output_time": time_tuple(&s.last_output),
            "input_time": time_tuple(&s.last_input),
        }

    def timing(self, uint32_t which):
        """One of the histograms of vc_timing, as bytes of uint64."""
        cdef uint64_t counts[VC_HISTOGRAM_BUCKETS]
        vc_engine_timing(self.engine, which, counts)
        return (<char *>counts)[:sizeof(counts)]

    def xruns(self):
        """The newest xruns: [(kind, host_ns, sample_frames, value, cause, waited_ns)]."""
        cdef vc_event *events = <vc_event *>PyMem_Calloc(VC_XRUNS, sizeof(vc_event))
        if events == NULL:
            raise MemoryError
        try:
            count = vc_engine_xruns(self.engine, events, VC_XRUNS)
            return [event_tuple(&events[i]) for i in range(count)]
        finally:
            PyMem_Free(events)

    @cython.critical_section
    def levels(self):
        """[(peak, mean square)] of the output channels, then of the input channels, linear."""
        cdef uint32_t count = self.output_channels + self.input_channels
        cdef vc_level *levels = <vc_level *>PyMem_Calloc(count, sizeof(vc_level))
        if levels == NULL:
            raise MemoryError
        try:
            vc_engine_levels(self.engine, levels, count)
            return [(levels[i].peak, levels[i].mean_square) for i in range(count)]
        finally:
            PyMem_Free(levels)

    @cython.critical_section
    def events(self):
        """Takes all waiting events: [(kind, host_ns, sample_frames, value, cause, waited_ns)]."""
        cdef vc_event event
        taken = []
        while vc_engine_event(self.engine, &event):
            taken.append(event_tuple(&event))
        return taken
