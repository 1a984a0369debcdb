# Waits for the ends of streams and clips.


cdef class Ends:
    """Waits until one of several streams and clips has ended."""

    cdef vc_ends *ends

    def __cinit__(self):
        self.ends = vc_ends_new()
        if self.ends == NULL:
            raise MemoryError

    def __dealloc__(self):
        vc_ends_free(self.ends)

    def ring(self):
        """Makes `wait` return soon."""
        vc_ends_ring(self.ends)

    @property
    def rings(self):
        """How often `ring` was called."""
        return vc_ends_rings(self.ends)

    def wait(self, list things, uint32_t seen, double timeout_s):
        """Waits without the GIL until an Engine or a MixerClip of `things` has ended, `rings` is
        not `seen`, or the time has passed."""
        cdef size_t engine_count = 0, clip_count = 0
        cdef size_t size = len(things) + 1
        cdef const vc_engine **engines = <const vc_engine **>PyMem_Calloc(size, sizeof(void *))
        cdef const vc_clip **clips = <const vc_clip **>PyMem_Calloc(size, sizeof(void *))
        try:
            if engines == NULL or clips == NULL:
                raise MemoryError
            for thing in things:
                if isinstance(thing, Engine):
                    engines[engine_count] = (<Engine>thing).engine
                    engine_count += 1
                else:
                    clips[clip_count] = (<MixerClip?>thing).clip
                    clip_count += 1
            with nogil:
                vc_ends_wait(self.ends, engines, engine_count, clips, clip_count, seen,
                             <int64_t>(timeout_s * 1e9))
        finally:
            PyMem_Free(engines)
            PyMem_Free(clips)
