# The mixer and its clips.


cdef class MixerClip:
    """One piece of sound on its way through a mixer."""

    cdef vc_clip *clip
    cdef object keep  # the ring or the buffer whose memory the clip plays

    @staticmethod
    def from_memory(const float[:, ::1] frames, uint64_t loops, start_frame, float gain):
        cdef MixerClip self = MixerClip()
        cdef const float *data = &frames[0, 0] if frames.shape[0] else NULL
        self.keep = frames
        self.clip = vc_clip_from_memory(data, <uint64_t>frames.shape[0],
                                        <uint32_t>frames.shape[1], loops,
                                        VC_CLIP_NOW if start_frame is None else start_frame, gain)
        if self.clip == NULL:
            raise MemoryError
        return self

    @staticmethod
    def from_ring(Ring ring, start_frame, float gain):
        cdef MixerClip self = MixerClip()
        self.keep = ring
        self.clip = vc_clip_from_ring(ring.ring,
                                      VC_CLIP_NOW if start_frame is None else start_frame, gain)
        if self.clip == NULL:
            raise MemoryError
        return self

    def wait_for_ring(self, bint when_starved):
        """Makes the IO thread wait for the first frames and for those after a jump, and with
        `when_starved` for all frames, instead of playing silence.

        This is only for devices whose clock is not real. Call it before a mixer has the clip.
        """
        vc_clip_wait_with(self.clip, vc_device_wait_until, when_starved)

    def prepare(self, uint32_t prefill_frames, uint32_t ramp_frames):
        """Sets the frames that the ring must have before the clip begins, and the duration of the
        fades of a jump. Call it before a mixer has the clip."""
        vc_clip_prefill(self.clip, prefill_frames)
        vc_clip_ramp(self.clip, ramp_frames)

    def set_options(self, *, int when, int64_t at, bint skips_late, tuple loop, uint64_t loops,
                    uint64_t start, tuple fades, uint64_t end, float pan, double rate):
        """Sets how the clip is played; see vc_clip_options. Call it before a mixer has the clip."""
        cdef vc_clip_options options
        options.when = <vc_when>when
        options.at = at
        options.skips_late = skips_late
        options.loop_begin, options.loop_end = loop
        options.loops = loops
        options.start = start
        options.fade_in_frames, options.fade_out_frames = fades
        options.end = end
        options.pan = pan
        options.rate = rate
        vc_clip_set_options(self.clip, &options)

    def set_gain(self, float gain, uint32_t ramp_frames):
        vc_clip_set_gain(self.clip, gain, ramp_frames)

    def set_pan(self, float pan, uint32_t ramp_frames):
        vc_clip_set_pan(self.clip, pan, ramp_frames)

    @cython.critical_section
    def set_rate(self, double rate, uint32_t ramp_frames):
        vc_clip_set_rate(self.clip, rate, ramp_frames)

    def pause(self, bint pause, uint32_t fade_frames):
        vc_clip_set_pause(self.clip, pause, fade_frames)

    @cython.critical_section
    def ask_jump(self):
        """Begins a jump and returns its number. `jump` tells the destination."""
        return vc_clip_ask_jump(self.clip)

    @cython.critical_section
    def jump(self, uint32_t number, frame, uint64_t mark=0):
        """Tells the destination of the jump with that number. `frame` None gives the jump up."""
        vc_clip_jump(self.clip, number, VC_CLIP_NO_FRAME if frame is None else frame, mark)

    def heard(self, int64_t frame):
        """A number that changes with each jump, and the clip's frame that is heard while the
        mixer's frame `frame` is heard."""
        cdef uint32_t moves
        cdef uint64_t heard = vc_clip_heard(self.clip, frame, &moves)
        return moves, heard

    def __dealloc__(self):
        vc_clip_free(self.clip)

    @property
    def state(self):
        return vc_clip_get_state(self.clip)

    def done_count(self):
        """A Count that is 1 when the clip has ended."""
        return new_count(vc_count_done, self.clip, self)

    def started(self):
        """(frame of the mixer, host time), both None before the first frame, and how late, ns."""
        begun = vc_clip_get_state(self.clip) >= CLIP_PLAYING
        frame = vc_clip_started_at(self.clip)
        if not begun or frame == VC_CLIP_NOW:  # one that was stopped before its first frame
            return None, None, vc_clip_late_ns(self.clip)
        return frame, vc_clip_started_ns(self.clip), vc_clip_late_ns(self.clip)

    @property
    def position(self):
        return vc_clip_position(self.clip)

    @property
    def starved_frames(self):
        return vc_clip_starved_frames(self.clip)


cdef class MixerCode(Code):
    """Mixes clips, each of which begins at an exact frame."""

    cdef vc_mixer *mixer
    cdef dict clips  # MixerClips by address, kept alive as long as the IO thread may use them

    def __init__(self, uint32_t channels, uint32_t capacity, bint end_when_empty):
        self.mixer = vc_mixer_new(channels, capacity, end_when_empty)
        if self.mixer == NULL:
            raise MemoryError
        self.clips = {}
        self.process = vc_mixer_process
        self.user = self.mixer

    def __dealloc__(self):
        if self.mixer != NULL:
            vc_mixer_free(self.mixer)

    @cython.critical_section
    def add(self, MixerClip clip):
        """Gives a clip to the mixer. Returns false if the mixer is full."""
        self.collect()
        key = <uintptr_t>clip.clip
        self.clips[key] = clip  # before the IO thread has it: there may be no memory for the entry
        if vc_mixer_add(self.mixer, clip.clip):
            return True
        del self.clips[key]
        return False

    @cython.critical_section
    def stop(self, MixerClip clip, uint32_t fade_frames):
        """Fades a clip out. Returns false if too many commands wait for the IO thread."""
        return vc_mixer_stop(self.mixer, clip.clip, fade_frames)

    @cython.critical_section
    def collect(self):
        """Drops the clips that have ended. Returns the number of clips that remain."""
        cdef vc_clip *clip = vc_mixer_collect(self.mixer)
        while clip != NULL:
            self.clips.pop(<uintptr_t>clip, None)
            clip = vc_mixer_collect(self.mixer)
        return vc_mixer_alive(self.mixer)

    @cython.critical_section
    def playing(self):
        """The clips that were added and not yet collected."""
        return list(self.clips.values())

    @property
    def frames(self):
        """Frames mixed since the start."""
        return vc_mixer_frames(self.mixer)

    @property
    def next_ns(self):
        """Host time of the frame `frames` at the connector; 0 before the first block."""
        return vc_mixer_next_ns(self.mixer)
