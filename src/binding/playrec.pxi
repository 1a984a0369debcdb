# A sound that is played while the input is recorded.


cdef class PlayrecCode(Code):
    """Plays `sound` and writes the input of the same blocks to `recorded`.

    Both are C-contiguous. `recorded` must be filled with silence.
    """

    cdef vc_playrec *playrec
    cdef object keep  # the arrays whose memory the IO thread uses

    def __init__(self, const float[:, ::1] sound, float[:, ::1] recorded, *,
                 uint64_t margin_frames, uint64_t round_trip_frames, uint64_t zero_frame):
        cdef vc_playrec_config config
        self.keep = (sound, recorded)
        config.sound = &sound[0, 0] if sound.shape[0] else NULL
        config.sound_frames = <uint64_t>sound.shape[0]
        config.recorded = &recorded[0, 0] if recorded.shape[0] else NULL
        config.recorded_frames = <uint64_t>recorded.shape[0]
        config.margin_frames = margin_frames
        config.round_trip_frames = round_trip_frames
        config.zero_frame = zero_frame
        config.output_channels = <uint32_t>sound.shape[1]
        config.input_channels = <uint32_t>recorded.shape[1]
        self.playrec = vc_playrec_new(&config)
        if self.playrec == NULL:
            raise MemoryError
        self.process = vc_playrec_process
        self.user = self.playrec

    def __dealloc__(self):
        vc_playrec_free(self.playrec)

    @cython.critical_section
    def take_loss(self):
        """(position, frames, is_output) of the oldest loss that was not taken yet, or None."""
        cdef vc_playrec_loss loss
        if not vc_playrec_take_loss(self.playrec, &loss):
            return None
        return loss.position, loss.frames, bool(loss.is_output)

    def state(self):
        """The counts and times so far, as a dict. See vc_playrec_state."""
        cdef vc_playrec_state state
        vc_playrec_read(self.playrec, &state)
        return {
            "played": state.played,
            "recorded": state.recorded,
            "lost_output": state.lost_output,
            "lost_input": state.lost_input,
            "round_trip_frames": state.round_trip_frames if state.round_trip_known else None,
            "zero_ns": state.zero_ns if state.zero_known else None,
            "apart_ns": state.apart_ns if state.times_known else None,
        }
