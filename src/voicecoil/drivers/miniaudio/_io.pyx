# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The C functions that the miniaudio library calls on its IO thread, and their addresses."""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from _callback cimport *


def set_user_data_offset(size_t offset):
    """Sets the offset of the user data in a ma_device, bytes. Call it before a device is made."""
    vc_ma_set_user_data_offset(offset)


def data_callback_address():
    """The address of the ma_device_data_proc."""
    return <uintptr_t>&vc_ma_data


def notification_callback_address():
    """The address of the ma_device_notification_proc."""
    return <uintptr_t>&vc_ma_notify


def gone_address():
    """The address of a function for jack_on_shutdown. Its argument is the address of an IO."""
    return <uintptr_t>&vc_ma_gone


def overload_address():
    """The address of a function for jack_set_xrun_callback.

    Its argument is the address of an IO.
    """
    return <uintptr_t>&vc_ma_overload


def rate_address():
    """The address of a function for jack_set_sample_rate_callback.

    Its argument is the address of an IO.
    """
    return <uintptr_t>&vc_ma_rate


cdef int connect_nothing(void *client, const char *source, const char *destination) noexcept nogil:
    return 0


def no_connect_address():
    """The address of a replacement for jack_connect that connects nothing and reports success."""
    return <uintptr_t>&connect_nothing


def jack_message_address():
    """The address of a function for jack_set_error_function and jack_set_info_function."""
    return <uintptr_t>&vc_message_jack


def alsa_message_address():
    """The address of a function for snd_lib_error_set_handler."""
    return <uintptr_t>&vc_message_alsa


cdef object taking = object()


def take_messages():
    """Returns the messages of the client libraries since the last call, oldest first."""
    cdef char text[VC_MESSAGE_BYTES]
    taken = []
    with cython.critical_section(taking):
        while vc_message_take(text):
            taken.append((<bytes>text).decode("utf-8", "replace").strip())
    return taken


include "../../../binding/port.pxi"


cdef class IO(EnginePort):
    """The user data of one ma_device: see callback.h.

    Keep a reference to this object as long as the device may call, because its memory is freed
    with it.
    """

    cdef vc_ma_io *io

    def __cinit__(self, uintptr_t cycle_run, input, output, double samplerate_hz,
                  int32_t priority, int64_t slack_frames, int64_t settle_frames, jack,
                  pulse=None):
        cdef vc_ma_config config
        cdef uint32_t *maps[2]
        cdef vc_ma_direction *direction
        memset(&config, 0, sizeof(config))
        maps[0] = maps[1] = NULL
        try:
            for d, (channels, device_channels, latency_frames, added_frames) in enumerate(
                    (input, output)):
                maps[d] = <uint32_t *>PyMem_Calloc(len(channels) + 1, sizeof(uint32_t))
                if maps[d] == NULL:
                    raise MemoryError
                for i, channel in enumerate(channels):
                    maps[d][i] = channel
                direction = &config.output if d else &config.input
                direction.map = maps[d]
                direction.channels = len(channels)
                direction.device_channels = device_channels
                direction.latency_frames = latency_frames
                direction.added_frames = added_frames
            config.run = <vc_cycle_run_fn>cycle_run
            config.samplerate_hz = samplerate_hz
            config.priority = priority
            config.slack_frames = slack_frames
            config.settle_frames = settle_frames
            config.jack.cycle_times = <vc_jack_cycle_times_fn><uintptr_t>jack.cycle_times
            config.jack.period = <vc_jack_period_fn><uintptr_t>jack.period
            config.jack.client = <void *><uintptr_t>jack.client
            config.jack.exact_times = jack.exact_times
            config.jack.latency = <vc_jack_latency_fn><uintptr_t>jack.latency
            config.jack.readable = <vc_ma_ring_readable_fn><uintptr_t>jack.readable
            config.jack.skip = <vc_ma_ring_skip_fn><uintptr_t>jack.skip
            config.jack.ring = <void *><uintptr_t>jack.ring
            if pulse is not None:
                config.pulse.info = <vc_pulse_info_fn><uintptr_t>pulse.info
                config.pulse.update = <vc_pulse_update_fn><uintptr_t>pulse.update
                config.pulse.unref = <vc_pulse_unref_fn><uintptr_t>pulse.unref
                config.pulse.stream = <void *><uintptr_t>pulse.stream
                config.pulse.is_playback = pulse.is_playback
                config.pulse.frame_bytes = pulse.frame_bytes
            self.io = vc_ma_io_new(&config)
        finally:
            PyMem_Free(maps[0])
            PyMem_Free(maps[1])
        if self.io == NULL:
            raise MemoryError("no memory for a stream's callback")
        self.port = vc_ma_io_port(self.io)

    def __dealloc__(self):
        vc_ma_io_free(self.io)

    @property
    def address(self):
        """The address for the pUserData of a ma_device."""
        return <uintptr_t>self.io

    def prepare(self, uintptr_t input, uintptr_t output):
        """Prepares a start of the device. Call it before each start.

        `input` and `output` are addresses of the JACK ports that are asked for their latency, or
        0: see vc_ma_io_prepare.
        """
        vc_ma_io_prepare(self.io, <void *>input, <void *>output)

    def port_frames(self, bint output):
        """The latency that JACK has reported for a direction, frames; None: not reported."""
        cdef int64_t frames = vc_ma_io_port_frames(self.io, output)
        return frames if frames >= 0 else None

    def measured(self):
        """(shortest, longest) time from a callback to the connector, frames; None: not known."""
        cdef int64_t shortest, longest
        if vc_ma_io_measured(self.io, &shortest, &longest):
            return shortest, longest
        return None

    @cython.critical_section
    def attach(self, engine, uint32_t period_frames, uint32_t max_period_frames,
               bint connected=False):
        """Attaches an engine, which is called from the next cycle on; see vc_ma_io_attach."""
        cdef vc_ma_frames takes
        takes.period_frames = period_frames
        takes.max_period_frames = max_period_frames
        self.engine = engine
        vc_ma_io_attach(self.io, <vc_engine *><uintptr_t>engine.address, takes, connected)

    @cython.critical_section
    def lose_server(self):
        """Simulates that the server has ended the connection."""
        vc_ma_gone(self.io)

    @property
    def last_host_ns(self):
        """Host time of the newest callback; 0: none has come."""
        return self.counts()["last_host_ns"]

    def counts(self):
        """The fields of vc_ma_counts, as a dict."""
        cdef vc_ma_counts c
        vc_ma_io_count(self.io, &c)
        return {
            "cycles": c.cycles, "lost_frames": c.lost_frames, "last_host_ns": c.last_host_ns,
            "resized": c.resized, "rate_hz": c.rate_hz, "gone": bool(c.gone),
            "overloads": (c.overloads, c.overload_ns),
            "notifications": [(c.notifications[i], c.notified_ns[i])
                              for i in range(VC_MA_NOTIFICATIONS)],
        }
