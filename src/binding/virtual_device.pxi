# The virtual device.


cdef class VirtualDevice(Clock):
    """A simulated device without hardware; see drivers/virtual/device.h."""

    cdef vc_device *device
    cdef Ring capture_ring
    cdef object capture_memory
    cdef dict engines  # the attached engines by address, so that they stay alive

    def __cinit__(self, *, uint32_t input_channels, uint32_t output_channels, uint32_t frames,
                  pattern, double samplerate_hz, uint32_t clock, uint32_t layout,
                  uint32_t input_latency_frames, uint32_t output_latency_frames,
                  uint32_t tolerance_frames, int64_t epoch_ns, uint32_t stack_bytes,
                  bint loopback, bint poison, double clock_ppm, uint32_t jitter_ns):
        cdef vc_device_config config
        memset(&config, 0, sizeof(config))
        config.input_channels = input_channels
        config.output_channels = output_channels
        config.frames = frames
        if len(pattern) > VC_DEVICE_PATTERN:
            raise ValueError(f"a pattern has at most {VC_DEVICE_PATTERN} cycles")
        for i, length in enumerate(pattern):
            config.pattern[i] = length
        config.pattern_length = len(pattern)
        config.samplerate_hz = samplerate_hz
        config.clock = clock
        config.layout = layout
        config.input_latency_frames = input_latency_frames
        config.output_latency_frames = output_latency_frames
        config.tolerance_frames = tolerance_frames
        config.epoch_ns = epoch_ns
        config.stack_bytes = stack_bytes
        config.loopback = loopback
        config.poison = poison
        config.clock_ppm = clock_ppm
        config.jitter_ns = jitter_ns
        self.engines = {}
        self.device = vc_device_new(&config)
        if self.device == NULL:
            raise MemoryError("no memory for the virtual device")
        self.function = vc_device_clock_ns
        self.argument = self.device
        self.stepped = clock == VC_CLOCK_STEPPED

    def __dealloc__(self):
        cdef vc_device *device = self.device
        with nogil:
            vc_device_free(device)

    @cython.critical_section
    def attach(self, Engine engine, input_map, output_map):
        cdef uint32_t *maps[2]
        cdef bint attached
        key = <uintptr_t>engine.engine
        maps[0] = <uint32_t *>PyMem_Calloc(len(input_map) + 1, sizeof(uint32_t))
        maps[1] = <uint32_t *>PyMem_Calloc(len(output_map) + 1, sizeof(uint32_t))
        try:
            if maps[0] == NULL or maps[1] == NULL:
                raise MemoryError
            for d, channels in enumerate((input_map, output_map)):
                for i, channel in enumerate(channels):
                    maps[d][i] = channel
            # First the entry: there may be no memory for it.
            self.engines[key] = engine
            attached = vc_device_attach(self.device, engine.engine, maps[0], len(input_map),
                                        maps[1], len(output_map))
        finally:
            PyMem_Free(maps[0])
            PyMem_Free(maps[1])
        if not attached:
            del self.engines[key]
        return attached

    def quiet(self, Engine engine, int64_t deadline_ns):
        cdef bint quiet
        cdef vc_engine *c_engine = engine.engine
        with nogil:
            quiet = vc_device_quiet(self.device, c_engine, deadline_ns)
        return quiet

    def detach(self, Engine engine, int64_t deadline_ns):
        cdef bint detached
        cdef vc_engine *c_engine = engine.engine
        with nogil:
            detached = vc_device_detach(self.device, c_engine, deadline_ns)
        if detached:
            self.engines.pop(<uintptr_t>c_engine, None)
        return detached

    def step(self, uint64_t cycles, int64_t deadline_ns):
        cdef bint reached
        with nogil:
            reached = vc_device_step(self.device, cycles, deadline_ns)
        return reached

    @property
    def owed(self):
        """Cycles of the last step that had not begun when its deadline passed."""
        return vc_device_owed(self.device)

    @cython.critical_section
    def inject(self, uint32_t kind, int64_t value, int64_t at_frame):
        cdef vc_fault fault
        fault.kind = kind
        fault.value = value
        fault.at_frame = at_frame
        return vc_device_inject(self.device, &fault)

    @property
    def condition(self):
        return vc_device_get_condition(self.device)

    @property
    def frame(self):
        return vc_device_frame(self.device)

    @property
    def new_samplerate(self):
        """The rate that a fault has set, Hz."""
        return vc_device_new_rate(self.device)

    @property
    def lost_frames(self):
        return vc_device_lost_frames(self.device)

    @property
    def capture_room(self):
        """Frames that still fit into the array of capture_into(). Read it while no cycle runs."""
        return vc_device_capture_room(self.device)

    @property
    def capture_lost_frames(self):
        return vc_device_capture_lost_frames(self.device)

    def capture(self, Ring ring not None):
        self.capture_ring = ring
        vc_device_capture(self.device, ring.ring, ring.gaps)

    def capture_into(self, float[:, ::1] frames):
        """Captures into an array of shape (frames, channels) until it is full."""
        self.capture_memory = frames
        vc_device_capture_memory(self.device, &frames[0, 0], <uint64_t>frames.shape[0])
