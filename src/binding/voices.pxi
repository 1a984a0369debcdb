# The voices of a mixer.

VOICE_WAITS, VOICE_SOUNDS, VOICE_DONE, VOICE_LATE = range(4)
WHEN_NEXT, WHEN_FRAME, WHEN_HOST = range(3)


cdef class VoiceCode:
    """One clip on its way through a VoicesCode."""

    cdef vc_voice *voice
    cdef object keep  # the memory of the clip
    cdef readonly uint32_t group

    def __init__(self, const float[:, ::1] frames not None, *, uint32_t group, uint64_t start,
                 tuple loop, uint64_t loops, tuple fades, uint32_t ramp_frames, int when,
                 int64_t at, bint skips_late, tuple levels, double rate):
        cdef vc_voice_config config
        memset(&config, 0, sizeof(config))
        config.data = &frames[0, 0] if frames.shape[0] else NULL
        config.frames = <uint64_t>frames.shape[0]
        config.channels = <uint32_t>frames.shape[1]
        config.group = self.group = group
        config.start = start
        config.loop_begin, config.loop_end = loop
        config.loops = loops
        config.fade_in_frames, config.fade_out_frames = fades
        config.ramp_frames = ramp_frames
        config.when = <vc_voice_when>when
        config.at = at
        config.skips_late = skips_late
        config.gain, config.left, config.right = levels
        config.rate = rate
        self.keep = frames
        self.voice = vc_voice_new(&config)
        if self.voice == NULL:
            raise MemoryError

    def __dealloc__(self):
        vc_voice_free(self.voice)

    @cython.critical_section
    def set_gain(self, float gain, uint32_t ramp_frames):
        vc_voice_set_gain(self.voice, gain, ramp_frames)

    @cython.critical_section
    def set_pan(self, float pan, uint32_t ramp_frames):
        vc_voice_set_pan(self.voice, pan, ramp_frames)

    @cython.critical_section
    def set_rate(self, double rate, uint32_t ramp_frames):
        vc_voice_set_rate(self.voice, rate, ramp_frames)

    @cython.critical_section
    def pause(self, bint pause, uint32_t fade_frames):
        vc_voice_pause(self.voice, pause, fade_frames)

    @cython.critical_section
    def seek(self, uint64_t frame):
        vc_voice_seek(self.voice, frame)

    def look(self):
        """(state, position, started_frame, started_ns or None, ended_ns, late_ns)"""
        cdef vc_voice_facts facts
        vc_voice_look(self.voice, &facts)
        started_ns = None if facts.started_ns == VC_NOT_STARTED else facts.started_ns
        return (facts.state, facts.position, facts.started_frame, started_ns, facts.ended_ns,
                facts.late_ns)

    def done_count(self):
        """A Count that is 1 when the voice has ended."""
        return new_count(vc_count_voice, self.voice, self)


cdef class VoicesCode(Code):
    """Plays clips at exact frames or host times, in groups."""

    cdef vc_voices *voices
    cdef dict alive  # VoiceCodes by address, kept alive as long as the IO thread may use them
    cdef list effects  # objects that the effects of the groups need
    cdef readonly int64_t last_end_ns  # host time at which all voices that have ended were heard

    def __init__(self, uint32_t channels, uint32_t capacity, float gain):
        self.voices = vc_voices_new(channels, capacity, gain)
        if self.voices == NULL:
            raise MemoryError
        self.alive = {}
        self.last_end_ns = VC_NOT_STARTED
        self.effects = []
        self.process = vc_voices_process
        self.user = self.voices

    def __dealloc__(self):
        vc_voices_free(self.voices)

    @cython.critical_section
    def group(self, float gain, uintptr_t function=0, uintptr_t user=0, keep=None):
        """Makes a group with the effect at an address. Returns its number; 0: there is no room."""
        cdef vc_native effect
        effect.function = <vc_native_fn>function
        effect.user = <void *>user
        self.effects.append(keep)
        return vc_voices_group(self.voices, gain, &effect if function else NULL)

    @cython.critical_section
    def group_gain(self, uint32_t group, float gain, uint32_t ramp_frames):
        vc_voices_group_gain(self.voices, group, gain, ramp_frames)

    def group_error(self, uint32_t group):
        """The negative number that the effect has returned, or 0."""
        return vc_voices_group_error(self.voices, group)

    @cython.critical_section
    def add(self, VoiceCode voice not None):
        """Gives a voice to the mixer. Returns false if the mixer is full."""
        self.collect()
        if not vc_voices_add(self.voices, voice.voice):
            return False
        self.alive[<uintptr_t>voice.voice] = voice
        return True

    @cython.critical_section
    def stop(self, VoiceCode voice not None, uint32_t fade_frames):
        """Fades a voice out and ends it."""
        if <uintptr_t>voice.voice in self.alive:
            vc_voices_stop(self.voices, voice.voice, fade_frames)

    @cython.critical_section
    def collect(self):
        """Drops the voices that have ended. Returns the number of those that remain."""
        cdef vc_voice *voice = vc_voices_collect(self.voices)
        cdef vc_voice_facts facts
        while voice != NULL:
            vc_voice_look(voice, &facts)
            self.last_end_ns = max(self.last_end_ns, facts.ended_ns)
            self.alive.pop(<uintptr_t>voice, None)
            voice = vc_voices_collect(self.voices)
        return len(self.alive)

    @cython.critical_section
    def all(self):
        """The voices that were added and have not ended."""
        self.collect()
        return list(self.alive.values())

    def counts(self):
        """(voices that wait for their time, voices that sound)"""
        cdef uint32_t waiting, sounding
        vc_voices_count(self.voices, &waiting, &sounding)
        return waiting, sounding

    @property
    def frames(self):
        """Frames mixed since the start."""
        return vc_voices_frames(self.voices)

    @property
    def next_ns(self):
        """Host time at which that frame is at the connector; 0 before the first block."""
        return vc_voices_next_ns(self.voices)
