# Declarations of core, bridge and the virtual device. Their headers have the documentation.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

ctypedef void (*leave_fn)(void *user) noexcept nogil
ctypedef int64_t (*clock_fn)(void *clock) noexcept nogil

cdef extern from "<stdbool.h>":
    ctypedef bint c_bool "bool"


cdef extern from "voicecoil.h" nogil:
    int64_t vc_clock_ns()

    ctypedef struct vc_time:
        int64_t host_ns
        int64_t sample_frames
        uint32_t valid

    ctypedef struct vc_audio:
        float *data
        ptrdiff_t frame_stride
        ptrdiff_t channel_stride
        uint32_t channels

    uint32_t vc_audio_scrub(const vc_audio *audio, uint32_t frames)

    ctypedef struct vc_block:
        vc_audio input
        vc_audio output
        uint32_t frames
        uint32_t lost_frames
        uint32_t valid_frames
        double samplerate_hz
        vc_time now
        vc_time input_time
        vc_time output_time

    ctypedef int32_t (*vc_process_fn)(vc_block *block, void *user) noexcept
    ctypedef int32_t (*vc_native_fn)(float *output, const float *input, uint32_t frames,
                                     const vc_block *block, void *user) noexcept

    ctypedef struct vc_native:
        vc_native_fn function
        void *user

    ctypedef struct vc_mailbox:
        pass

    ctypedef struct vc_slot:
        pass

    vc_slot *vc_slot_new(const vc_native *first, vc_mailbox *parameters)
    void vc_slot_free(vc_slot *slot)
    uint64_t vc_slot_swap(vc_slot *slot, const vc_native *next)
    uint64_t vc_slot_taken(const vc_slot *slot)

    ctypedef struct vc_engine:
        pass

    ctypedef struct vc_engine_config:
        uint32_t input_channels
        uint32_t output_channels
        uint32_t block_frames
        uint32_t period_frames
        uint32_t flags
        double samplerate_hz
        float *input_block
        float *output_block
        clock_fn clock_ns
        void *clock
        vc_process_fn process
        leave_fn leave
        void *user

    uint32_t vc_engine_max_block_frames(const vc_engine_config *config)
    vc_engine *vc_engine_new(const vc_engine_config *config)
    void vc_engine_free(vc_engine *engine)
    void vc_engine_start(vc_engine *engine)
    void vc_engine_stop(vc_engine *engine)
    void vc_engine_fade_out(vc_engine *engine, uint32_t frames)
    void vc_engine_abort(vc_engine *engine)
    void vc_engine_end(vc_engine *engine)
    int vc_engine_state(const vc_engine *engine)
    int vc_engine_reason(const vc_engine *engine)
    int32_t vc_engine_error(const vc_engine *engine)

    uint32_t VC_NO_CHANNEL

    ctypedef struct vc_move:
        const uint32_t *input_map
        const uint32_t *output_map
        uint32_t output_places
        uint32_t input_channels
        uint32_t output_channels
        uint32_t period_frames
        clock_fn clock_ns
        void *clock
        double samplerate_hz
        double device_hz
        vc_process_fn process
        leave_fn leave
        void *user

    bint vc_engine_move(vc_engine *engine, const vc_move *move)

    ctypedef struct vc_cycle:
        pass

    ctypedef void (*vc_input_fn)(void *argument, vc_cycle *cycle) noexcept
    void vc_engine_set_input(vc_engine *engine, vc_input_fn fill, void *argument)

    ctypedef struct vc_history:
        pass

    ctypedef struct vc_stamp:
        uint64_t position
        uint64_t lost_frames
        int64_t host_ns
        int64_t sample_frames
        int64_t device_frames
        double samplerate_hz
        uint64_t valid

    ctypedef c_bool (*vc_wait_fn)(c_bool (*ready)(const void *argument) noexcept,
                                  const void *argument) noexcept
    ctypedef enum vc_direction:
        VC_INPUT
        VC_OUTPUT

    vc_history *vc_history_new(uint32_t frames, const uint32_t *map, uint32_t channels)
    void vc_history_free(vc_history *history)
    void vc_history_limit(vc_history *history, uint32_t frames, c_bool ends, vc_wait_fn wait)
    uint32_t vc_history_capacity(const vc_history *history)
    uint32_t vc_history_channels(const vc_history *history)
    uint64_t vc_history_written(const vc_history *history)
    c_bool vc_history_ended(const vc_history *history)
    void vc_history_release(vc_history *history, uint64_t position)
    uint64_t vc_history_copy(const vc_history *history, uint64_t position, float *out,
                             uint32_t frames)
    uint64_t vc_history_stamps(const vc_history *history)
    c_bool vc_history_stamp(const vc_history *history, uint64_t number, vc_stamp *out)
    c_bool vc_engine_add_history(vc_engine *engine, vc_history *history, vc_direction direction)
    uint64_t vc_engine_remove_history(vc_engine *engine, const vc_history *history)
    c_bool vc_engine_history_is_unused(const vc_engine *engine, uint64_t removed)
    int32_t vc_nothing_process(vc_block *block, void *user) noexcept

    ctypedef struct vc_statistics:
        uint64_t cycles, blocks, frames, xruns, lost_frames, late_cycles, late_blocks
        uint64_t nonfinite_samples, copied_blocks, lost_events, busy_ns, busy_max_ns
        double load
        vc_time last_output, last_input

    void vc_engine_statistics(const vc_engine *engine, vc_statistics *out)

    uint32_t vc_cycle_run(vc_engine *engine, const vc_cycle *cycle) noexcept

    ctypedef struct vc_level:
        float peak
        float mean_square

    void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count)
    uint64_t vc_engine_zero_frames(const vc_engine *engine)

    ctypedef struct vc_event:
        int64_t host_ns
        int64_t sample_frames
        int64_t value
        uint32_t kind
        uint32_t cause
        int64_t waited_ns

    enum:
        VC_XRUNS
        VC_HISTOGRAM_BUCKETS

    uint32_t vc_engine_xruns(const vc_engine *engine, vc_event *out, uint32_t count)
    void vc_engine_timing(const vc_engine *engine, uint32_t which, uint64_t *counts)
    bint vc_engine_event(vc_engine *engine, vc_event *out)
    void vc_cycle_set_trap(void (*enter)() noexcept, void (*leave)() noexcept)

    ctypedef struct vc_ring:
        pass

    ctypedef struct vc_slices:
        float *first
        uint32_t first_frames
        float *second
        uint32_t second_frames

    uint32_t vc_ring_reserve(vc_ring *ring, uint32_t frames, vc_slices *slices)
    void vc_ring_commit(vc_ring *ring, uint32_t frames)
    vc_ring *vc_ring_new(uint32_t frames, uint32_t channels)
    void vc_ring_free(vc_ring *ring)
    uint32_t vc_ring_capacity(const vc_ring *ring)
    uint32_t vc_ring_channels(const vc_ring *ring)
    uint32_t vc_ring_readable(const vc_ring *ring)
    uint32_t vc_ring_writable(const vc_ring *ring)
    uint64_t vc_ring_total_read(const vc_ring *ring)
    uint64_t vc_ring_total_written(const vc_ring *ring)
    uint32_t vc_ring_write(vc_ring *ring, const float *frames_in, uint32_t frames)
    uint32_t vc_ring_read(vc_ring *ring, float *frames_out, uint32_t frames)
    void vc_ring_end(vc_ring *ring)
    void vc_ring_reopen(vc_ring *ring)
    bint vc_ring_finished(const vc_ring *ring)

    ctypedef struct vc_queue:
        pass

    vc_queue *vc_queue_new(uint32_t messages, uint32_t message_bytes)
    void vc_queue_free(vc_queue *queue)
    bint vc_queue_pop(vc_queue *queue, void *message)

    ctypedef struct vc_gap:
        uint64_t position
        uint64_t frames
        uint32_t cause

    ctypedef enum vc_when:
        pass

    ctypedef struct vc_clip:
        pass

    ctypedef struct vc_clip_options:
        vc_when when
        int64_t at
        c_bool skips_late
        uint64_t loop_begin
        uint64_t loop_end
        uint64_t loops
        uint64_t start
        uint32_t fade_in_frames
        uint32_t fade_out_frames
        uint64_t end
        float pan
        double rate

    ctypedef struct vc_mixer:
        pass

    int64_t VC_CLIP_NOW
    vc_clip *vc_clip_from_memory(const float *data, uint64_t frames, uint32_t channels,
                                 uint64_t loops, int64_t start_frame, float gain)
    vc_clip *vc_clip_from_ring(vc_ring *ring, int64_t start_frame, float gain)
    void vc_clip_wait_with(vc_clip *clip, vc_wait_fn wait, c_bool when_starved)
    void vc_clip_prefill(vc_clip *clip, uint32_t frames)
    void vc_clip_ramp(vc_clip *clip, uint32_t frames)
    void vc_clip_set_options(vc_clip *clip, const vc_clip_options *options)
    void vc_clip_set_gain(vc_clip *clip, float gain, uint32_t ramp_frames)
    void vc_clip_set_pan(vc_clip *clip, float pan, uint32_t ramp_frames)
    void vc_clip_set_rate(vc_clip *clip, double rate, uint32_t ramp_frames)
    void vc_clip_set_pause(vc_clip *clip, c_bool pause, uint32_t fade_frames)
    uint32_t vc_clip_ask_jump(vc_clip *clip)
    void vc_clip_jump(vc_clip *clip, uint32_t number, uint64_t frame, uint64_t mark)
    uint64_t VC_CLIP_NO_FRAME
    uint64_t vc_clip_heard(const vc_clip *clip, int64_t frame, uint32_t *moves)
    void vc_clip_free(vc_clip *clip)
    int vc_clip_get_state(const vc_clip *clip)
    uint64_t vc_clip_position(const vc_clip *clip)
    uint64_t vc_clip_starved_frames(const vc_clip *clip)
    int64_t vc_clip_started_at(const vc_clip *clip)
    int64_t vc_clip_started_ns(const vc_clip *clip)
    int64_t vc_clip_late_ns(const vc_clip *clip)
    vc_mixer *vc_mixer_new(uint32_t channels, uint32_t capacity, bint end_when_empty)
    void vc_mixer_free(vc_mixer *mixer)
    bint vc_mixer_add(vc_mixer *mixer, vc_clip *clip)
    bint vc_mixer_stop(vc_mixer *mixer, vc_clip *clip, uint32_t fade_frames)
    vc_clip *vc_mixer_collect(vc_mixer *mixer)
    uint32_t vc_mixer_alive(const vc_mixer *mixer)
    uint64_t vc_mixer_frames(const vc_mixer *mixer)
    int64_t vc_mixer_next_ns(const vc_mixer *mixer)
    int32_t vc_mixer_process(vc_block *block, void *user) noexcept

    ctypedef struct vc_recorder:
        pass

    vc_recorder *vc_recorder_new(vc_ring *ring, uint64_t limit_frames)
    void vc_recorder_free(vc_recorder *recorder)
    void vc_recorder_push_gaps(vc_recorder *recorder, vc_queue *gaps, bint stop_at_first)
    uint64_t vc_recorder_overflow_frames(const vc_recorder *recorder)
    uint64_t vc_recorder_missed_frames(const vc_recorder *recorder)
    uint64_t vc_recorder_frames(const vc_recorder *recorder)
    bint vc_recorder_first_ns(const vc_recorder *recorder, int64_t *host_ns)
    int32_t vc_recorder_process(vc_block *block, void *user) noexcept

    ctypedef struct vc_playrec:
        pass

    ctypedef struct vc_playrec_config:
        const float *sound
        uint64_t sound_frames
        float *recorded
        uint64_t recorded_frames
        uint64_t margin_frames
        uint64_t round_trip_frames
        uint64_t zero_frame
        uint32_t output_channels
        uint32_t input_channels

    ctypedef struct vc_playrec_loss:
        uint64_t position
        uint64_t frames
        uint32_t is_output

    ctypedef struct vc_playrec_state:
        uint64_t played
        uint64_t recorded
        uint64_t lost_output
        uint64_t lost_input
        int64_t round_trip_frames
        c_bool round_trip_known
        c_bool zero_known
        int64_t zero_ns
        c_bool times_known
        double apart_ns

    vc_playrec *vc_playrec_new(const vc_playrec_config *config)
    void vc_playrec_free(vc_playrec *playrec)
    bint vc_playrec_take_loss(vc_playrec *playrec, vc_playrec_loss *loss)
    void vc_playrec_read(const vc_playrec *playrec, vc_playrec_state *state)
    int32_t vc_playrec_process(vc_block *block, void *user) noexcept

    ctypedef struct vc_voice:
        pass

    ctypedef struct vc_voices:
        pass

    ctypedef struct vc_voice_config:
        const float *data
        uint64_t frames
        uint32_t channels
        uint32_t group
        uint64_t start
        uint64_t loop_begin
        uint64_t loop_end
        uint64_t loops
        uint32_t fade_in_frames
        uint32_t fade_out_frames
        uint32_t ramp_frames
        vc_when when
        int64_t at
        c_bool skips_late
        float gain
        float left
        float right
        double rate

    int64_t VC_NOT_STARTED

    ctypedef struct vc_voice_facts:
        uint64_t position
        int state
        int64_t started_frame
        int64_t started_ns
        int64_t ended_ns
        int64_t late_ns

    vc_voice *vc_voice_new(const vc_voice_config *config)
    void vc_voice_free(vc_voice *voice)
    void vc_voice_set_gain(vc_voice *voice, float gain, uint32_t ramp_frames)
    void vc_voice_set_pan(vc_voice *voice, float pan, uint32_t ramp_frames)
    void vc_voice_set_rate(vc_voice *voice, double rate, uint32_t ramp_frames)
    void vc_voice_pause(vc_voice *voice, c_bool pause, uint32_t fade_frames)
    void vc_voice_seek(vc_voice *voice, uint64_t frame)
    void vc_voice_look(const vc_voice *voice, vc_voice_facts *facts)
    uint64_t vc_voice_heard(const vc_voice *voice, int64_t host_ns)
    enum: VC_GROUP_FRAMES
    vc_voices *vc_voices_new(uint32_t channels, uint32_t capacity, float gain)
    void vc_voices_free(vc_voices *voices)
    uint32_t vc_voices_group(vc_voices *voices, float gain, const vc_native *effect)
    void vc_voices_group_gain(vc_voices *voices, uint32_t group, float gain, uint32_t ramp_frames)
    void vc_voices_group_pause(vc_voices *voices, uint32_t group, c_bool pause,
                               uint32_t fade_frames)
    int32_t vc_voices_group_error(const vc_voices *voices, uint32_t group)
    c_bool vc_voices_add(vc_voices *voices, vc_voice *voice)
    void vc_voices_stop(vc_voices *voices, vc_voice *voice, uint32_t fade_frames)
    vc_voice *vc_voices_collect(vc_voices *voices)
    uint64_t vc_voices_frames(const vc_voices *voices)
    int64_t vc_voices_next_ns(const vc_voices *voices)
    void vc_voices_count(const vc_voices *voices, uint32_t *waiting, uint32_t *sounding)
    int32_t vc_voices_process(vc_block *block, void *user) noexcept

    ctypedef struct vc_player:
        pass

    ctypedef struct vc_player_config:
        uint32_t channels
        uint32_t output_channels
        uint32_t capacity_frames
        uint32_t prebuffer_frames
        uint32_t fade_frames
        uint32_t messages
        float gain
        float left
        float right

    ctypedef struct vc_player_heard:
        uint64_t passed
        uint64_t frames

    ctypedef struct vc_player_result:
        int64_t host_ns
        uint64_t position
        uint32_t number
        uint32_t kind

    ctypedef struct vc_player_counts:
        uint64_t underruns
        uint64_t underrun_frames
        uint64_t cleared_before

    vc_player *vc_player_new(const vc_player_config *config)
    void vc_player_free(vc_player *player)
    vc_ring *vc_player_ring(vc_player *player)
    void vc_player_begin(vc_player *player, uint32_t clears)
    void vc_player_expect_nothing(vc_player *player)
    c_bool vc_player_finish(vc_player *player, uint64_t position, uint32_t clears)
    c_bool vc_player_mark(vc_player *player, uint64_t position, uint32_t number, uint32_t clears,
                          bint begins)
    void vc_player_clear(vc_player *player, uint32_t fade_frames)
    uint32_t vc_player_clears(const vc_player *player)
    void vc_player_pause(vc_player *player, c_bool pause, uint32_t fade_frames)
    void vc_player_level(vc_player *player, float gain, float left, float right,
                         uint32_t ramp_frames)
    void vc_player_prebuffer(vc_player *player, uint32_t frames)
    void vc_player_hear(const vc_player *player, int64_t now_ns, vc_player_heard *heard)
    c_bool vc_player_take(vc_player *player, vc_player_result *result)
    uint64_t vc_player_results(const vc_player *player)
    void vc_player_count(const vc_player *player, vc_player_counts *counts)
    void vc_player_wait_with(vc_player *player, vc_wait_fn wait)
    c_bool vc_player_finite(const void *samples, size_t count)
    int32_t vc_player_process(vc_block *block, void *user) noexcept


cdef extern from "formats.h" nogil:
    ctypedef enum vc_format:
        pass
    size_t vc_format_bytes(vc_format format)
    void vc_format_to_float(float *to, const void *source, vc_format format, size_t samples)
    size_t vc_format_from_float(void *to, vc_format format, const float *source, size_t samples)

cdef extern from "bridge.h":
    ctypedef struct vc_bridge:
        pass

    ctypedef struct vc_bridge_types:
        void *stop
        void *escaped
        void *result

    vc_bridge *vc_bridge_new(object callable, object block, int zero_copy,
                             const vc_bridge_types *types) except NULL
    void vc_bridge_free(vc_bridge *bridge)
    int32_t vc_bridge_process(vc_block *block, void *user) noexcept nogil
    int32_t vc_bridge_call(vc_bridge *bridge, const vc_block *block) except? -1
    void vc_bridge_leave(void *user) noexcept nogil
    void vc_bridge_close(vc_bridge *bridge)
    int vc_bridge_on_io_thread()
    void *vc_bridge_take_exception(vc_bridge *bridge)
    unsigned long vc_bridge_running_on(const vc_bridge *bridge)
    int vc_bridge_has_orphan(const vc_bridge *bridge)
    void vc_bridge_reap(vc_bridge *bridge)
    void vc_bridge_preempt(vc_bridge *bridge)
    void vc_bridge_timings(const vc_bridge *bridge, uint64_t *waits, uint64_t *runs)
    uint64_t vc_bridge_clipped(const vc_bridge *bridge)
    c_bool vc_bridge_inside(const void *bridge) noexcept nogil
    void vc_bridge_keep_gil(vc_bridge *bridge)
    void vc_bridge_release_gil(void *user) noexcept nogil


cdef extern from "lead.h" nogil:
    ctypedef struct vc_lead:
        pass

    ctypedef struct vc_lead_config:
        uint32_t input_channels
        uint32_t output_channels
        uint32_t block_frames
        uint32_t max_period_frames
        uint32_t lead_frames
        uint32_t max_lead_frames
        double samplerate_hz
        float *input_block
        float *output_block
        vc_process_fn process
        void *user
        c_bool (*inside)(const void *user) noexcept nogil
        void (*rest)(void *user) noexcept nogil

    int32_t vc_lead_process(vc_block *block, void *lead) noexcept
    void vc_lead_stop(vc_lead *lead)
    void vc_lead_margins(const vc_lead *lead, uint64_t *counts)
    uint64_t vc_lead_blocks(const vc_lead *lead)
    uint64_t vc_lead_frames(const vc_lead *lead)
    uint32_t vc_lead_length(const vc_lead *lead)

    ctypedef struct vc_growth:
        vc_time now
        uint32_t lead_frames

    bint vc_lead_growth(vc_lead *lead, vc_growth *growth)


cdef extern from "drift.h" nogil:
    ctypedef struct vc_drift:
        pass

    ctypedef struct vc_drift_config:
        uint32_t channels
        double input_rate_hz
        double output_rate_hz
        uint32_t input_period_frames
        uint32_t output_period_frames
        uint32_t delay_frames

    uint32_t vc_drift_extra_frames(const vc_drift_config *config)
    vc_drift *vc_drift_new(const vc_drift_config *config)
    void vc_drift_free(vc_drift *drift)
    void vc_drift_start(vc_drift *drift)
    uint32_t vc_drift_delay_frames(const vc_drift *drift)
    int32_t vc_drift_process(vc_block *block, void *drift) noexcept
    void vc_drift_fill(void *drift, vc_cycle *cycle) noexcept


cdef extern from "resampler.h" nogil:
    int VC_RESAMPLER_MAX_RATIO


cdef extern from "rate.h" nogil:
    uint32_t vc_rate_delay_frames(double from_hz, double to_hz)


cdef extern from "preempt.h" nogil:
    int vc_preempt_kind()
    uint64_t vc_preempt_count()
    void vc_preempt_forget()


cdef extern from "entry.h":
    void vc_guard_release_all()


cdef extern from "thread.h" nogil:
    ctypedef struct vc_thread:
        int64_t id
        int32_t level
        int32_t error

    ctypedef struct vc_thread_group:
        pass

    void vc_thread_name(const char *name)
    int vc_thread_policy(const vc_thread *thread)
    bint vc_thread_granted(vc_thread *thread, int32_t level)
    bint vc_thread_guard(int64_t hard_us)


cdef extern from "worker.h" nogil:
    ctypedef struct vc_worker:
        pass

    vc_worker *vc_worker_new(const vc_lead_config *config, leave_fn leave, bint waited_for)
    void vc_worker_free(vc_worker *worker)
    vc_lead *vc_worker_lead(vc_worker *worker)
    bint vc_worker_resize(vc_worker *worker, uint32_t max_period_frames, uint32_t lead_frames,
                       uint32_t max_lead_frames, bint waited_for)
    bint vc_worker_start(vc_worker *worker)
    vc_thread *vc_worker_thread(vc_worker *worker)
    bint vc_wait_finished(const vc_engine *engine, int64_t timeout_ns)
    void vc_worker_join_group(vc_worker *worker, vc_thread_group *group)
    void vc_worker_quit(vc_worker *worker)
    bint vc_worker_ended(const vc_worker *worker)
    bint vc_worker_join(vc_worker *worker, int64_t deadline_ns)


cdef extern from "waking.h" nogil:
    ctypedef uint64_t (*vc_count_fn)(const void *thing) noexcept nogil

    ctypedef struct vc_awaited:
        vc_count_fn count
        const void *thing
        uint64_t target

    uint64_t vc_count_written(const void *ring)
    uint64_t vc_count_read(const void *ring)
    uint64_t vc_count_history(const void *history)
    uint64_t vc_count_finished(const void *engine)
    uint64_t vc_count_events(const void *engine)
    uint64_t vc_count_done(const void *clip)
    uint64_t vc_count_results(const void *player)
    uint64_t vc_count_voice(const void *voice)

    ctypedef struct vc_waker:
        pass

    vc_waker *vc_waker_new()
    void vc_waker_free(vc_waker *waker)
    void vc_waker_ring(vc_waker *waker)
    uint32_t vc_waker_rings(const vc_waker *waker)
    void vc_waker_wait(const vc_waker *waker, const vc_awaited *awaited, size_t count,
                       uint32_t seen, int64_t period_ns, int64_t timeout_ns)


cdef extern from "block.h":
    ctypedef struct vc_py_memory:
        float *data

    ctypedef struct vc_py_time:
        vc_time now
        vc_time input
        vc_time output


cdef extern from "isolated.h":
    bint vc_isolated_forget_all(double timeout_s)


cdef extern from "isolated_code.h":
    ctypedef struct vc_isolated_code:
        vc_bridge *bridge
        float *input_block
        float *output_block

    object vc_isolated_code_make(vc_isolated_code *code, object wanted)
    void vc_isolated_code_end(vc_isolated_code *code)
    object vc_isolated_code_take_exception(vc_isolated_code *code)
    void vc_isolated_code_interrupt(vc_isolated_code *code)
    void vc_isolated_code_break_import(vc_isolated_code *code)


cdef extern from "gate.h":
    ctypedef struct voicecoil_gate:
        pass

    const void *vc_bridge_api()
    void vc_gate_hold(voicecoil_gate *gate)
    void vc_gate_release(voicecoil_gate *gate)
    bint vc_gate_is_inside(voicecoil_gate *gate)
    int vc_gate_shut(voicecoil_gate *gate, double timeout_s)
    void vc_gate_clear(voicecoil_gate *gate)
    object vc_gate_take_exception(voicecoil_gate *gate)
    object vc_gate_make(voicecoil_gate *gate, object wanted)
    void vc_gate_end(voicecoil_gate *gate)
    void vc_gate_break_import(voicecoil_gate *gate)


cdef extern from "allocations.h":
    int vc_count_allocations()
    void vc_spare_allocations()
    uint64_t vc_counted_allocations()


cdef extern from "device.h" nogil:
    enum:
        VC_DEVICE_PATTERN
        VC_CLOCK_STEPPED

    ctypedef struct vc_device_config:
        uint32_t input_channels
        uint32_t output_channels
        uint32_t frames
        uint32_t pattern[16]
        uint32_t pattern_length
        double samplerate_hz
        uint32_t clock
        uint32_t layout
        uint32_t input_latency_frames
        uint32_t output_latency_frames
        uint32_t tolerance_frames
        int64_t epoch_ns
        uint32_t stack_bytes
        bint loopback
        double clock_ppm
        uint32_t jitter_ns
        bint poison

    ctypedef struct vc_device:
        pass

    ctypedef struct vc_fault:
        int64_t at_frame
        int64_t value
        uint32_t kind

    vc_device *vc_device_new(const vc_device_config *config)
    void vc_device_free(vc_device *device)
    bint vc_device_attach(vc_device *device, vc_engine *engine, const uint32_t *input_map,
                          uint32_t input_channels, const uint32_t *output_map,
                          uint32_t output_channels)
    bint vc_device_quiet(vc_device *device, vc_engine *engine, int64_t deadline_ns)
    bint vc_device_detach(vc_device *device, vc_engine *engine, int64_t deadline_ns)
    bint vc_device_step(vc_device *device, uint64_t cycles, int64_t deadline_ns)
    uint64_t vc_device_owed(vc_device *device)
    bint vc_device_inject(vc_device *device, const vc_fault *fault)
    int vc_device_get_condition(const vc_device *device)
    int64_t vc_device_clock_ns(void *device) noexcept
    c_bool vc_device_wait_until(c_bool (*ready)(const void *argument) noexcept,
                                const void *argument) noexcept
    int64_t vc_device_frame(const vc_device *device)
    int64_t vc_device_new_rate(const vc_device *device)
    uint64_t vc_device_lost_frames(const vc_device *device)
    void vc_device_capture(vc_device *device, vc_ring *ring, vc_queue *gaps)
    void vc_device_capture_memory(vc_device *device, float *frames, uint64_t count)
    uint64_t vc_device_capture_room(const vc_device *device)
    uint64_t vc_device_capture_lost_frames(const vc_device *device)


cdef extern from "native_code.h" nogil:
    ctypedef struct vc_native_code:
        vc_slot *slot

    int32_t vc_native_code_process(vc_block *block, void *code) noexcept
    unsigned long vc_native_code_running_on(const vc_native_code *code)
    void vc_native_code_set_raised(vc_native_code *code)
    void vc_native_code_clear_raised(vc_native_code *code)
