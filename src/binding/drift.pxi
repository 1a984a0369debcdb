# The input of a stream whose input and output are two devices.


cdef class Drift(Code):
    """Passes the input of one device to the engine of another one; see core/drift.h.

    It is the code of the input device's engine. `Engine.set_input` connects it to the stream's
    engine.
    """

    cdef vc_drift *drift

    def __init__(self, *, uint32_t channels, double input_rate_hz, double output_rate_hz,
                 uint32_t input_period_frames, uint32_t output_period_frames,
                 uint32_t devices_frames):
        """`devices_frames` is the latency of both devices together, in frames of the output."""
        cdef vc_drift_config config
        memset(&config, 0, sizeof(config))
        config.channels = channels
        config.input_rate_hz = input_rate_hz
        config.output_rate_hz = output_rate_hz
        config.input_period_frames = input_period_frames
        config.output_period_frames = output_period_frames
        config.delay_frames = devices_frames + vc_drift_extra_frames(&config)
        self.drift = vc_drift_new(&config)
        if self.drift == NULL:
            raise MemoryError("no memory for the input of a second device")
        self.process = vc_drift_process
        self.user = self.drift

    def __dealloc__(self):
        vc_drift_free(self.drift)

    def start(self):
        """Begins a new run. Call it when neither device runs."""
        vc_drift_start(self.drift)

    @property
    def delay_frames(self):
        """The delay between the two connectors, in frames of the output."""
        return vc_drift_delay_frames(self.drift)
