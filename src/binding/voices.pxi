# The voices of a mixer.

VOICE_WAITS, VOICE_SOUNDS, VOICE_DONE, VOICE_LATE = range(4)
WHEN_NEXT, WHEN_FRAME, WHEN_HOST = range(3)
GROUP_FRAMES = VC_GROUP_FRAMES


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
        config.when = <vc_when>when
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

    def heard(self, int64_t host_ns):
        """The frame of the clip that is at the connector at a host time."""
        return vc_voice_heard(self.voice, host_ns)

    def done_count(self):
        """A Count that is 1 when the voice has ended."""
        return new_count(vc_count_voice, self.voice, self)


cdef int32_t run_effect(float *output, const float *given, uint32_t frames,
                        const vc_block *block, void *user) noexcept:
    cdef GroupEffect effect = <GroupEffect>user
    cdef size_t size = frames * <size_t>effect.audio.shape[1] * sizeof(float)
    cdef int32_t answer
    memcpy(&effect.audio[0, 0], given, size)
    answer = effect.run(frames)
    memcpy(output, &effect.audio[0, 0], size)
    return answer


cdef class GroupEffect:
    """The `user` of run_effect, which is called with the GIL."""

    cdef object run
    cdef float[:, ::1] audio


cdef class VoicesCode(Code):
    """Plays clips at exact frames or host times, in groups."""

    cdef vc_voices *voices
    cdef uint32_t channels
    cdef dict alive  # VoiceCodes by address, kept alive as long as the IO thread may use them
    cdef list effects  # objects that the effects of the groups need
    cdef readonly int64_t last_end_ns  # host time at which all voices that have ended were heard

    def __init__(self, uint32_t channels, uint32_t capacity, float gain):
        self.voices = vc_voices_new(channels, capacity, gain)
        if self.voices == NULL:
            raise MemoryError
        self.channels = channels
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

    def python_group(self, float gain, run, float[:, ::1] audio not None):
        """Makes a group with an effect in Python, like group(). Only for codes that use mix().

        `run` gets the number of frames. It changes as many rows of `audio`, which has GROUP_FRAMES
        and the channels of the voices, and returns 0, or a negative number after an error. It
        raises nothing.
        """
        cdef GroupEffect effect = GroupEffect()
        if audio.shape[0] != VC_GROUP_FRAMES or audio.shape[1] != self.channels:
            raise ValueError(f"{audio.shape[0]} frames with {audio.shape[1]} channels")
        effect.run = run
        effect.audio = audio
        return self.group(gain, <uintptr_t>run_effect, <uintptr_t><void *>effect, effect)

    def mix(self, float[:, ::1] output not None, time, double samplerate_hz):
        """Mixes a block in the callback of a stream. `time` is the BlockTime of the block.

        The caller holds the GIL, so effects can be Python. One thread at a time may call it, and
        not on a code that is itself the code of a stream.
        """
        cdef vc_block block
        cdef vc_py_time *block_time = <vc_py_time *>time
        if output.shape[1] != self.channels:
            raise ValueError(f"{output.shape[1]} channels instead of {self.channels}")
        memset(&block, 0, sizeof(block))
        block.frames = block.valid_frames = <uint32_t>output.shape[0]
        block.samplerate_hz = samplerate_hz
        block.now = block_time.now
        block.output_time = block_time.output
        set_audio(&block.output, &output[0, 0], <uint32_t>output.shape[1])
        vc_voices_process(&block, self.voices)

    @cython.critical_section
    def group_gain(self, uint32_t group, float gain, uint32_t ramp_frames):
        vc_voices_group_gain(self.voices, group, gain, ramp_frames)

    @cython.critical_section
    def group_pause(self, uint32_t group, bint pause, uint32_t fade_frames):
        vc_voices_group_pause(self.voices, group, pause, fade_frames)

    def group_error(self, uint32_t group):
        """The negative number that the effect has returned, or 0."""
        return vc_voices_group_error(self.voices, group)

    @cython.critical_section
    def add(self, VoiceCode voice not None):
        """Gives a voice to the mixer. Returns false if the mixer is full."""
        self.collect()
        key = <uintptr_t>voice.voice
        self.alive[key] = voice  # before the IO thread has it: there may be no memory for the entry
        if vc_voices_add(self.voices, voice.voice):
            return True
        del self.alive[key]
        return False

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
