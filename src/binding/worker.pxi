# The worker: a thread that runs code ahead of the device.


cdef class Worker(Code):
    """Runs another Code ahead of the device, on a thread of its own."""

    cdef vc_worker *worker
    cdef Code code
    cdef uint64_t run
    cdef list groups  # those that the thread may be in

    def __init__(self, Code code not None, *, uint32_t input_channels, uint32_t output_channels,
                 uint32_t block_frames, uint32_t max_period_frames, uint32_t lead_frames,
                 double samplerate_hz, bint waited_for, uint32_t max_lead_frames=0):
        cdef vc_lead_config config
        memset(&config, 0, sizeof(config))
        config.input_channels = input_channels
        config.output_channels = output_channels
        config.block_frames = block_frames
        config.max_period_frames = max_period_frames
        config.lead_frames = lead_frames
        config.max_lead_frames = max_lead_frames
        config.samplerate_hz = samplerate_hz
        config.process = code.process
        config.user = code.user
        config.input_block = code.input_block
        config.output_block = code.output_block
        if isinstance(code, PythonCode):
            config.inside = vc_bridge_inside
            config.rest = vc_bridge_release_gil
            vc_bridge_keep_gil((<PythonCode>code).bridge)
        self.code = code
        self.groups = []
        self.worker = vc_worker_new(&config, code.leave, waited_for)
        if self.worker == NULL:
            raise MemoryError(
                f"no memory for a lead of {max(lead_frames, max_lead_frames)} frames"
            )
        self.process = vc_lead_process
        self.user = vc_worker_lead(self.worker)

    def __dealloc__(self):
        vc_worker_free(self.worker)

    # stop() may come from another thread at any time, and uses the rings that fit() replaces.

    @cython.critical_section
    def fit(self, uint32_t max_period_frames, uint32_t lead_frames, uint32_t max_lead_frames,
            bint waited_for):
        """Adapts the lead to another device. Frames that are ready are dropped.

        Call it while the worker thread does not run.
        """
        if not vc_worker_resize(self.worker, max_period_frames, lead_frames, max_lead_frames,
                                waited_for):
            raise MemoryError(
                f"no memory for a lead of {max(lead_frames, max_lead_frames)} frames"
            )

    @property
    def lead_frames(self):
        """The lead in force, which may have grown."""
        return vc_lead_length(vc_worker_lead(self.worker))

    @cython.critical_section
    def growths(self):
        """Takes all growths of the lead: [(host_ns, sample_frames, lead_frames)]."""
        cdef vc_growth growth
        taken = []
        while vc_lead_growth(vc_worker_lead(self.worker), &growth):
            taken.append((growth.now.host_ns, growth.now.sample_frames, growth.lead_frames))
        return taken

    # stop() and quit() name the run that they are meant for, as in Engine.

    @cython.critical_section
    def start(self, uint64_t run):
        """Starts the worker thread. Returns false if the system cannot create a thread."""
        self.run = run
        return vc_worker_start(self.worker)

    @property
    def thread(self):
        """(policy, level, errno of a refused priority, thread number of the system).

        The policy is a vc_policy. The number is 0 while the thread does not run.
        """
        cdef vc_thread *thread = vc_worker_thread(self.worker)
        return vc_thread_policy(thread), thread.level, thread.error, thread.id

    def granted(self, int32_t level):
        """Tells the worker that RealtimeKit has granted this priority.

        Returns false if the thread has ended meanwhile.
        """
        return vc_thread_granted(vc_worker_thread(self.worker), level)

    @cython.critical_section
    def join_group(self, group):
        """Lets the thread join a group of real-time threads, and leave the one before.

        Parameters
        ----------
        group : object or None
            Its `address` is that of a vc_thread_group. It is kept until `leave_groups`, which
            closes it.
        """
        cdef uintptr_t address = 0 if group is None else group.address
        self.groups.append(group)
        vc_worker_join_group(self.worker, <vc_thread_group *>address)

    def leave_groups(self):
        """Closes the groups. Call it while the thread does not run."""
        vc_worker_join_group(self.worker, NULL)
        groups, self.groups = self.groups, []
        for group in groups:
            if group is not None:
                group.close()

    @cython.critical_section
    def stop(self, uint64_t run):
        """Asks the run with the number `run` to end after the device has played all ready frames.
        """
        if run == self.run:
            vc_lead_stop(vc_worker_lead(self.worker))

    @cython.critical_section
    def quit(self, uint64_t run):
        """Asks the thread of the run with the number `run` to end after its current block."""
        if run == self.run:
            vc_worker_quit(self.worker)

    @property
    def ended(self):
        """Whether the thread has ended or was never started."""
        return vc_worker_ended(self.worker)

    def join(self, double timeout_s):
        """Waits until the thread has ended. Returns false if it did not end in that time."""
        cdef bint ended
        with nogil:
            ended = vc_worker_join(self.worker, <int64_t>(timeout_s * 1e9))
        return ended

    def margins(self):
        """Histogram of the reserve at each cycle, in ns of sound, as bytes of uint64."""
        cdef uint64_t counts[VC_HISTOGRAM_BUCKETS]
        vc_lead_margins(vc_worker_lead(self.worker), counts)
        return (<char *>counts)[:sizeof(counts)]

    @property
    def blocks(self):
        """How often the worker has called the user's code, in all runs."""
        return vc_lead_blocks(vc_worker_lead(self.worker))

    @property
    def frames(self):
        """Frames for which the worker has called the user's code, in all runs."""
        return vc_lead_frames(vc_worker_lead(self.worker))
