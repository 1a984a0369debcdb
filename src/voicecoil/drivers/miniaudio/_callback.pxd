"""Declarations from callback.h and messages.h: functions that the miniaudio library calls."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from _port cimport *

cdef extern from "callback.h" nogil:
    ctypedef struct vc_ma_io
    ctypedef void *vc_cycle_run_fn
    ctypedef void *vc_jack_cycle_times_fn
    ctypedef void *vc_jack_period_fn
    ctypedef void *vc_jack_latency_fn
    ctypedef void *vc_ma_ring_readable_fn
    ctypedef void *vc_ma_ring_skip_fn

    ctypedef struct vc_ma_jack:
        vc_jack_cycle_times_fn cycle_times
        vc_jack_period_fn period
        void *client
        bint exact_times
        vc_jack_latency_fn latency
        vc_ma_ring_readable_fn readable
        vc_ma_ring_skip_fn skip
        void *ring

    ctypedef void *vc_pulse_info_fn
    ctypedef void *vc_pulse_update_fn
    ctypedef void *vc_pulse_unref_fn

    ctypedef struct vc_ma_pulse:
        vc_pulse_info_fn info
        vc_pulse_update_fn update
        vc_pulse_unref_fn unref
        void *stream
        bint is_playback
        uint32_t frame_bytes

    enum:
        VC_MA_NOTIFICATIONS

    ctypedef struct vc_ma_direction:
        const uint32_t *map
        uint32_t channels
        uint32_t device_channels
        uint32_t latency_frames
        uint32_t added_frames

    ctypedef struct vc_ma_config:
        vc_cycle_run_fn run
        vc_ma_direction input
        vc_ma_direction output
        double samplerate_hz
        int32_t priority
        int64_t slack_frames
        int64_t settle_frames
        vc_ma_jack jack
        vc_ma_pulse pulse

    ctypedef struct vc_ma_counts:
        uint64_t cycles
        uint64_t lost_frames
        int64_t last_host_ns
        uint32_t resized
        uint32_t rate_hz
        bint gone
        uint64_t overloads
        int64_t overload_ns
        uint64_t notifications[5]
        int64_t notified_ns[5]

    ctypedef struct vc_ma_frames:
        uint32_t period_frames
        uint32_t max_period_frames

    void vc_ma_set_user_data_offset(size_t offset)
    vc_ma_io *vc_ma_io_new(const vc_ma_config *config)
    void vc_ma_io_free(vc_ma_io *io)
    void vc_ma_io_prepare(vc_ma_io *io, void *input, void *output)
    int64_t vc_ma_io_port_frames(const vc_ma_io *io, bint output)
    void vc_ma_io_attach(vc_ma_io *io, vc_engine *engine, vc_ma_frames takes, bint connected)
    vc_port *vc_ma_io_port(vc_ma_io *io)
    bint vc_ma_io_measured(const vc_ma_io *io, int64_t *shortest, int64_t *longest)
    void vc_ma_io_count(const vc_ma_io *io, vc_ma_counts *out)
    void vc_ma_data(void *device, void *output, const void *input, uint32_t frames)
    void vc_ma_notify(const void *notification)
    void vc_ma_gone(void *io)
    int vc_ma_overload(void *io)
    int vc_ma_rate(uint32_t rate_hz, void *io)

cdef extern from "messages.h" nogil:
    enum:
        VC_MESSAGE_BYTES
    void vc_message_jack(const char *text)
    void vc_message_alsa(const char *file, int line, const char *function, int error,
                         const char *format, ...)
    bint vc_message_take(char *text)
