# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The compiled core: a thin binding of ``core``, ``bridge`` and the virtual device.

No comfort and few checks: the modules that users import validate and explain. Calls that may wait
release the GIL. Where there is none, a critical section keeps calls of one object apart, as far as
they must not come at the same time.
"""

cimport cython
from cpython.exc cimport PyErr_SetObject, PyErr_WriteUnraisable
from cpython.pycapsule cimport PyCapsule_New
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.weakref cimport PyWeakref_NewRef
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from _voicecoil cimport *

from voicecoil._block import block as new_block

# Flags and states of voicecoil.h, for the modules above.
ZERO_COPY = 1
PACKED = 2
METER = 4
cdef uint32_t LEND = 8
IDLE, RUNNING, DRAINING, FINISHED = range(4)
REASON_NONE, REASON_STOP, REASON_ABORT, REASON_END, REASON_ERROR = range(5)
TIMING_MARGIN, TIMING_JITTER = range(2)
EVENT_XRUN, EVENT_FINISHED, EVENT_LATE = range(1, 4)
CLIP_NEW, CLIP_QUEUED, CLIP_PLAYING, CLIP_DONE = range(4)
MAX_CHANNELS = 1024
MAX_BLOCK_FRAMES = 65536


def clock_ns():
    """The machine's monotonic clock, ns."""
    return vc_clock_ns()


def name_thread(str name):
    """Names the calling thread for debuggers and system monitors; Linux keeps 15 characters."""
    vc_thread_name(name.encode("ascii", "replace"))


def guard_hard(int64_t limit_us):
    """Sets the hard limit on spinning that RealtimeKit demands. False: nobody would lower a thread.

    The process cannot take it back: see `vc_thread_guard` in core/thread.h.
    """
    return vc_thread_guard(limit_us)


def set_trap(uintptr_t enter, uintptr_t leave):
    """Sets the two functions that are told when the IO thread enters and leaves a cycle."""
    vc_cycle_set_trap(<void (*)() noexcept nogil>enter, <void (*)() noexcept nogil>leave)


def keep_for_ever(thing):
    """Never frees it, not even when the interpreter ends."""
    Py_INCREF(thing)


def write_unraisable(error, source):
    """Gives an error to `sys.unraisablehook`, which takes nothing but what CPython makes."""
    PyErr_SetObject(type(error), error)
    PyErr_WriteUnraisable(source)


def in_callback():
    """Whether the calling thread is a device's IO thread, in some stream's Python callback."""
    return bool(vc_bridge_on_io_thread())


def preempt_kind():
    """How others are made to let the GIL go: 0: not, 1: the main thread only, 2: any thread."""
    return vc_preempt_kind()


def preempt_count():
    """How often one was."""
    return vc_preempt_count()


def forget_parent():
    """In a forked child: none of the threads that wanted the GIL or the interpreter is there."""
    vc_preempt_forget()
    vc_guard_forget_all()


def count_allocations():
    """From now on counts Python allocations of every thread but this one, for ever."""
    if vc_count_allocations() != 0:
        raise RuntimeError("allocations are being counted already")


def spare_allocations():
    """Those of the calling thread are not counted from now on."""
    vc_spare_allocations()


def counted_allocations():
    return vc_counted_allocations()


def block_frames(uint32_t fixed_frames, uint32_t device_frames):
    """Frames that a stream's own block holds."""
    cdef vc_engine_config config
    memset(&config, 0, sizeof(config))
    config.block_frames = fixed_frames
    config.device_frames = device_frames
    return vc_engine_block_frames(&config)


cdef class Code:
    """What a stream runs on the IO thread."""

    cdef object __weakref__
    cdef vc_process_fn process
    cdef leave_fn leave
    cdef void *user
    cdef float *input_block  # the stream's own block; NULL: the engine allocates it
    cdef float *output_block
    cdef object memories  # what those are in
    cdef object given

    def __cinit__(self, *args, **kwargs):
        self.process = NULL
        self.leave = NULL
        self.user = NULL
        self.input_block = self.output_block = NULL
        self.memories = self.given = None

    @property
    def callable(self):
        """What the user gave; None: nothing."""
        with cython.critical_section(self):
            return self.given

    cdef use_memories(self, input_memory, output_memory):
        """Two of BlockMemory or None."""
        self.memories = input_memory, output_memory
        if input_memory is not None:
            self.input_block = (<vc_py_memory *>input_memory).data
        if output_memory is not None:
            self.output_block = (<vc_py_memory *>output_memory).data


cdef class PythonCode(Code):
    """A Python callable, through the bridge."""

    cdef vc_bridge *bridge
    cdef object block, types  # what the bridge borrows, beside `given`

    def __init__(self, callable, list views, memories, double samplerate_hz, bint zero_copy, types,
                 parameters, results):
        cdef vc_bridge_types c_types
        stop, escaped, result = types
        c_types.stop = <void *>stop
        c_types.escaped = <void *>escaped
        c_types.result = <void *>result
        self.use_memories(memories[0], memories[1])
        self.given = callable
        self.types = types
        self.block = new_block(views[0], views[1], samplerate_hz, parameters, results)
        views.clear()  # their only references must be the block's: bridge.c counts them
        self.bridge = vc_bridge_new(callable, self.block, zero_copy, &c_types)
        self.process = vc_bridge_process
        self.leave = vc_bridge_leave
        self.user = self.bridge

    def __dealloc__(self):
        if self.bridge != NULL:
            vc_bridge_free(self.bridge)

    def preempt(self):
        """Has its thread make others let the GIL go, where that is possible."""
        vc_bridge_preempt(self.bridge)

    @cython.critical_section
    def timings(self):
        """(GIL waits, run times) as counts of a histogram, bytes of uint64."""
        cdef uint64_t waits[VC_HISTOGRAM_BUCKETS]
        cdef uint64_t runs[VC_HISTOGRAM_BUCKETS]
        if self.bridge == NULL:  # an isolated one that has ended
            return b"", b""
        vc_bridge_timings(self.bridge, waits, runs)
        return (<char *>waits)[:sizeof(waits)], (<char *>runs)[:sizeof(runs)]

    @cython.critical_section
    def shut(self):
        """After this the bridge never enters Python again."""
        if self.bridge != NULL:
            vc_bridge_close(self.bridge)

    @property
    def running_on(self):
        """Ident of the thread on which the callable runs now, else 0."""
        with cython.critical_section(self):
            return vc_bridge_running_on(self.bridge) if self.bridge != NULL else 0

    @property
    def has_orphan(self):
        with cython.critical_section(self):
            return self.bridge != NULL and bool(vc_bridge_has_orphan(self.bridge))

    def reap(self):
        """Drops a thread state that its thread left; on a thread that ends right after."""
        vc_bridge_reap(self.bridge)

    def take_exception(self):
        """The exception that ended the stream, once; else None."""
        cdef void *exception = vc_bridge_take_exception(self.bridge)
        if exception == NULL:
            return None
        result = <object>exception
        Py_DECREF(result)  # the bridge's own reference
        return result

    @cython.critical_section
    def clear(self):
        """Lets go of the callable, when no cycle runs or will run."""
        self.process = NULL
        self.given = self.block = None


cdef class IsolatedCode(PythonCode):
    """A Python callable in an interpreter with a GIL of its own; see isolated_code.h."""

    cdef vc_isolated_code isolated

    def __init__(self, str name):
        self.given = name

    def __dealloc__(self):
        # In the child of a fork its interpreter is gone, and what it owned with it.
        self.bridge = NULL

    def make(self, bytes wanted):
        """[keeper] The answer, marshalled."""
        answer = vc_isolated_code_make(&self.isolated, wanted)
        self.user = self.bridge = self.isolated.bridge
        self.process = vc_bridge_process
        self.leave = vc_bridge_leave
        self.input_block = self.isolated.input_block
        self.output_block = self.isolated.output_block
        return answer

    def end(self):
        """[keeper] Ends the interpreter, when no cycle runs or will run."""
        with cython.critical_section(self):  # nobody uses the bridge any more
            self.bridge = NULL
            self.process = NULL
        vc_isolated_code_end(&self.isolated)

    def interrupt(self):
        """[keeper] Raises SystemExit in the callable if it runs now."""
        vc_isolated_code_interrupt(&self.isolated)

    def break_import(self):
        """Raises SystemExit in the keeper if it imports the callable now; returns at once."""
        vc_isolated_code_break_import(&self.isolated)

    def describe_exception(self):
        """The exception that ended the stream, once, as bytes; else None."""
        return vc_isolated_code_take_exception(&self.isolated)


def forget_interpreters(double timeout_s):
    """At exit: from now on Python ends none of the isolated interpreters.

    Waits for those that are being made or ended. False: one of them took longer.
    """
    return vc_isolated_forget_all(timeout_s)


cdef class Worker(Code):
    """Other code, run ahead of the device on a thread of its own."""

    cdef vc_worker *worker
    cdef Code code
    cdef readonly uint32_t lead_frames
    cdef uint64_t run

    def __init__(self, Code code not None, *, uint32_t input_channels, uint32_t output_channels,
                 uint32_t block_frames, uint32_t device_frames, uint32_t lead_frames,
                 double samplerate_hz, bint waited_for):
        cdef vc_lead_config config
        memset(&config, 0, sizeof(config))
        config.input_channels = input_channels
        config.output_channels = output_channels
        config.block_frames = block_frames
        config.device_frames = device_frames
        config.lead_frames = self.lead_frames = lead_frames
        config.samplerate_hz = samplerate_hz
        config.process = code.process
        config.user = code.user
        config.input_block = code.input_block
        config.output_block = code.output_block
        if isinstance(code, PythonCode):
            config.inside = vc_bridge_inside
            config.rest = vc_bridge_rest
            vc_bridge_stay((<PythonCode>code).bridge)
        self.code = code
        self.worker = vc_worker_new(&config, code.leave, waited_for)
        if self.worker == NULL:
            raise MemoryError(f"no memory for a lead of {lead_frames} frames")
        self.process = vc_lead_process
        self.user = vc_worker_lead(self.worker)

    def __dealloc__(self):
        vc_worker_free(self.worker)

    def fit(self, uint32_t device_frames, uint32_t lead_frames, bint waited_for):
        """For another device, while its thread does not run; what was made is dropped."""
        if not vc_worker_fit(self.worker, device_frames, lead_frames, waited_for):
            raise MemoryError(f"no memory for a lead of {lead_frames} frames")
        self.lead_frames = lead_frames

    # Requests name their run, as those of an Engine do.

    @cython.critical_section
    def start(self, uint64_t run):
        """Begins its thread. False: the system gives none."""
        self.run = run
        return vc_worker_start(self.worker)

    @property
    def thread(self):
        """(policy, level, errno of a refusal, the system's number of the thread).

        The policy is a vc_policy. The number is 0 when the thread does not run.
        """
        cdef vc_thread *thread = vc_worker_thread(self.worker)
        return vc_thread_policy(thread), thread.level, thread.error, thread.id

    def granted(self, int32_t level):
        """RealtimeKit has given its thread that priority. False: it is not kept."""
        return vc_thread_granted(vc_worker_thread(self.worker), level)

    @cython.critical_section
    def stop(self, uint64_t run):
        """Asks for the end of that run when all that was made is played."""
        if run == self.run:
            vc_lead_stop(vc_worker_lead(self.worker))

    @cython.critical_section
    def quit(self, uint64_t run):
        """Asks its thread to end after the block that it is at, if it belongs to that run."""
        if run == self.run:
            vc_worker_quit(self.worker)

    @property
    def ended(self):
        """Whether its thread has ended, or was never begun."""
        return vc_worker_ended(self.worker)

    def join(self, double timeout_s):
        """Waits until its thread has ended. False: it has not."""
        cdef bint ended
        with nogil:
            ended = vc_worker_join(self.worker, <int64_t>(timeout_s * 1e9))
        return ended

    def margins(self):
        """What was in reserve in each cycle, as counts of a histogram, bytes of uint64."""
        cdef uint64_t counts[VC_HISTOGRAM_BUCKETS]
        vc_lead_margins(vc_worker_lead(self.worker), counts)
        return (<char *>counts)[:sizeof(counts)]

    @property
    def blocks(self):
        """Calls of the code."""
        return vc_lead_blocks(vc_worker_lead(self.worker))

    @property
    def frames(self):
        """Frames in them."""
        return vc_lead_frames(vc_worker_lead(self.worker))


cdef class Gate:
    """A gate of another extension; see gate.h."""

    cdef voicecoil_gate *gate

    def __init__(self, uintptr_t address):
        self.gate = <voicecoil_gate *>address
        vc_gate_hold(self.gate)

    def __dealloc__(self):
        if self.gate != NULL:
            vc_gate_release(self.gate)

    def shut(self, double timeout_s):
        """How many threads are still inside; -1: this is one of them."""
        return vc_gate_shut(self.gate, timeout_s)

    def take(self):
        """The exception that is kept, or bytes that describe it, or None."""
        return vc_gate_take_exception(self.gate)

    def clear(self):
        """Lets go of the callable, when it is shut."""
        vc_gate_clear(self.gate)

    def make(self, bytes wanted):
        """[keeper] The answer, marshalled."""
        return vc_gate_make(self.gate, wanted)

    def interrupt(self):
        """[keeper] Several threads may be inside, each with its own reasons."""

    def end(self):
        """[keeper] Ends the interpreter, when it is shut."""
        vc_gate_end(self.gate)

    def break_import(self):
        """Raises SystemExit in the keeper if it imports the callable now; returns at once."""
        vc_gate_break_import(self.gate)


# For voicecoil_bridge.h.
_bridge_api = PyCapsule_New(<void *>vc_bridge_api(), "voicecoil._core._bridge_api", NULL)


cdef class NativeCode(Code):
    """A native function of the signature vc_native_fn, which can be exchanged for another one.

    What is in `keep` lives as long as its function may run. `parameters` is a vc_mailbox's address,
    and `record` what keeps that alive; 0: none.
    """

    cdef vc_native_code code
    cdef object record, exception
    cdef list kept  # [(number, what a function needs)]
    cdef object __weakref__

    def __init__(self, uintptr_t function, uintptr_t user, keep, uintptr_t parameters=0,
                 record=None):
        cdef vc_native native
        native.function = <vc_native_fn>function
        native.user = <void *>user
        self.record = record
        self.kept = [(0, keep)]
        self.given = keep[0]
        self.exception = None
        self.code.slot = vc_slot_new(&native, <vc_mailbox *>parameters)
        if self.code.slot == NULL:
            raise MemoryError
        self.process = vc_native_code_process
        self.user = &self.code

    def __dealloc__(self):
        vc_slot_free(self.code.slot)

    @cython.critical_section
    def swap(self, uintptr_t function, uintptr_t user, keep):
        """From the next block on another function."""
        cdef vc_native native
        native.function = <vc_native_fn>function
        native.user = <void *>user
        self.kept.append((vc_slot_swap(self.code.slot, &native), keep))
        taken = vc_slot_taken(self.code.slot)
        self.kept = [one for one in self.kept if one[0] >= taken]

    @property
    def running_on(self):
        """Ident of the thread on which the function runs now, else 0."""
        return vc_native_code_running_on(&self.code)

    @cython.critical_section
    def keep_exception(self, exception):
        """Ends the stream with what Python code inside of the function raised.

        On the function's own thread. False: an earlier exception is kept already.
        """
        if self.exception is not None:
            return False
        self.exception = exception
        vc_native_code_set_raised(&self.code)
        return True

    @cython.critical_section
    def take_exception(self):
        """The exception that ended the stream, once; else None. While it does not run."""
        exception, self.exception = self.exception, None
        vc_native_code_clear_raised(&self.code)
        return exception


cdef class Ring:
    """Frames from one thread to another, and with `gaps` the frames that are missing between them.

    `gaps` is how many gaps can wait for the consumer.
    """

    cdef vc_ring *ring
    cdef vc_queue *gaps

    def __cinit__(self, uint32_t frames, uint32_t channels, uint32_t gaps=0):
        self.ring = vc_ring_new(frames, channels)
        if self.ring != NULL and gaps > 0:
            self.gaps = vc_queue_new(gaps, sizeof(vc_gap))
        if self.ring == NULL or (gaps > 0 and self.gaps == NULL):
            raise MemoryError(f"no memory for a ring of {frames} frames")

    def __dealloc__(self):
        vc_ring_free(self.ring)
        vc_queue_free(self.gaps)

    @cython.critical_section
    def take_gap(self):
        """The next gap as (position, frames, cause), or None."""
        cdef vc_gap gap
        if self.gaps == NULL or not vc_queue_pop(self.gaps, &gap):
            return None
        return gap.position, gap.frames, gap.cause

    @property
    def capacity(self):
        return vc_ring_capacity(self.ring)

    @property
    def readable(self):
        return vc_ring_readable(self.ring)

    @property
    def writable(self):
        return vc_ring_writable(self.ring)

    @property
    def total_read(self):
        return vc_ring_total_read(self.ring)

    @property
    def total_written(self):
        return vc_ring_total_written(self.ring)

    @property
    def finished(self):
        return vc_ring_finished(self.ring)

    @cython.critical_section
    def write(self, const float[:, ::1] frames):
        """Writes what fits of frames, shape (frames, channels); returns how many."""
        if frames.shape[0] == 0:
            return 0
        if <uint32_t>frames.shape[1] != vc_ring_channels(self.ring):
            raise ValueError("the ring has another number of channels")
        return vc_ring_write(self.ring, &frames[0, 0], <uint32_t>frames.shape[0])

    @cython.critical_section
    def read(self, float[:, ::1] frames):
        """Fills as many leading frames as there are; returns how many."""
        if frames.shape[0] == 0:
            return 0
        if <uint32_t>frames.shape[1] != vc_ring_channels(self.ring):
            raise ValueError("the ring has another number of channels")
        return vc_ring_read(self.ring, &frames[0, 0], <uint32_t>frames.shape[0])

    def end(self):
        vc_ring_end(self.ring)


cdef class Clip:
    """One piece of sound on its way through a mixer."""

    cdef vc_clip *clip
    cdef object keep  # the ring or the buffer whose memory it plays
    cdef object alive_in  # the mixer, while it has the clip

    @staticmethod
    def from_memory(const float[:, ::1] frames, uint64_t loops, start_frame, float gain):
        cdef Clip self = Clip()
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
        cdef Clip self = Clip()
        self.keep = ring
        self.clip = vc_clip_from_ring(ring.ring,
                                      VC_CLIP_NOW if start_frame is None else start_frame, gain)
        if self.clip == NULL:
            raise MemoryError
        return self

    def wait_for_ring(self):
        """Never starve: the clock waits for who fills the ring. Before a mixer has the clip."""
        vc_clip_wait_with(self.clip, vc_device_wait_for_ring)

    def __dealloc__(self):
        vc_clip_free(self.clip)

    @property
    def state(self):
        return vc_clip_get_state(self.clip)

    @property
    def position(self):
        return vc_clip_position(self.clip)

    @property
    def starved_frames(self):
        return vc_clip_starved_frames(self.clip)

    @property
    def started_at(self):
        """Mixer frame of its first frame; None before that."""
        cdef int64_t frame = vc_clip_started_at(self.clip)
        return None if frame == VC_CLIP_NOW else frame


cdef class MixerCode(Code):
    """Clips at exact frames."""

    cdef vc_mixer *mixer
    cdef dict clips  # address -> Clip: alive as long as the IO thread may have them

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
    def add(self, Clip clip):
        """False: as many clips as it can hold are alive."""
        self.collect()
        if not vc_mixer_add(self.mixer, clip.clip):
            return False
        self.clips[<uintptr_t>clip.clip] = clip
        return True

    @cython.critical_section
    def stop(self, Clip clip, uint32_t fade_frames):
        return vc_mixer_stop(self.mixer, clip.clip, fade_frames)

    @cython.critical_section
    def collect(self):
        """Lets go of the clips that are done; returns how many are left."""
        cdef vc_clip *clip = vc_mixer_collect(self.mixer)
        while clip != NULL:
            self.clips.pop(<uintptr_t>clip, None)
            clip = vc_mixer_collect(self.mixer)
        return vc_mixer_alive(self.mixer)

    @property
    def frames(self):
        return vc_mixer_frames(self.mixer)


cdef class RecorderCode(Code):
    """The input into a ring."""

    cdef vc_recorder *recorder
    cdef Ring ring

    def __init__(self, Ring ring, uint64_t limit_frames, bint stop_at_first_loss=False):
        self.ring = ring
        self.recorder = vc_recorder_new(ring.ring, limit_frames)
        if self.recorder == NULL:
            raise MemoryError
        vc_recorder_tell_gaps(self.recorder, ring.gaps, stop_at_first_loss)
        self.process = vc_recorder_process
        self.user = self.recorder

    def __dealloc__(self):
        if self.recorder != NULL:
            vc_recorder_free(self.recorder)

    @property
    def overflow_frames(self):
        return vc_recorder_overflow_frames(self.recorder)

    @property
    def missed_frames(self):
        return vc_recorder_missed_frames(self.recorder)

    @property
    def frames(self):
        return vc_recorder_frames(self.recorder)


cdef object happened(vc_event *event):
    return (event.kind, event.host_ns, event.sample_frames, event.value, event.cause,
            event.waited_ns)


cdef object moment(vc_time *time):
    return (time.host_ns if time.valid & 1 else None, time.sample_frames if time.valid & 2 else None)


def cycle_run_address():
    """The address of vc_cycle_run, for drivers that are extension modules of their own."""
    return <uintptr_t>&vc_cycle_run


cdef class Clock:
    """A clock that is not the machine's: two addresses, and whether only a test moves it."""

    cdef clock_fn function
    cdef void *argument
    cdef object keep
    cdef readonly bint stepped

    def __cinit__(self, *args, **kwargs):
        self.function = NULL
        self.argument = NULL
        self.stepped = False

    @staticmethod
    def from_addresses(uintptr_t function, uintptr_t argument, bint stepped, keep):
        """`keep` is what has to live as long as the addresses are used."""
        cdef Clock self = Clock()
        self.function = <clock_fn>function
        self.argument = <void *>argument
        self.stepped = stepped
        self.keep = keep
        return self

    def clock_ns(self):
        return self.function(self.argument)


cdef class ChannelMap:
    """Where a moved engine's channels are; None: nowhere."""

    cdef uint32_t *channels
    cdef uint32_t used

    def __cinit__(self, list channels):
        self.channels = <uint32_t *>PyMem_Calloc(len(channels) + 1, sizeof(uint32_t))
        if self.channels == NULL:
            raise MemoryError
        self.used = 0
        for i, channel in enumerate(channels):
            self.channels[i] = VC_NO_CHANNEL if channel is None else channel
            self.used += channel is not None

    def __dealloc__(self):
        PyMem_Free(self.channels)


cdef class Engine:
    """One stream's engine. Its owner frees it by dropping it, when no cycle runs or will run.

    It does not keep its code: the stream's connection does, for as long as cycles run. A device
    keeps the engines that are attached to it, and a driver that was chosen by name lives as long as
    the process. If that led to the callback, a stream that is dropped, and whose callback is a
    method of the object that has the stream, would play for ever.
    """

    cdef vc_engine *engine
    cdef object code  # a weak reference
    cdef uint64_t run
    cdef object clock_owner
    cdef readonly uint32_t input_channels, output_channels
    cdef readonly uint32_t device_frames
    """Frames that each cycle must have; 0: they may vary."""

    def __init__(self, Code code, *, uint32_t input_channels, uint32_t output_channels,
                 uint32_t block_frames, uint32_t device_frames, double samplerate_hz,
                 uint32_t flags, clock=None):
        cdef vc_engine_config config
        memset(&config, 0, sizeof(config))
        config.input_channels = self.input_channels = input_channels
        config.output_channels = self.output_channels = output_channels
        config.block_frames = block_frames
        config.device_frames = self.device_frames = device_frames
        config.samplerate_hz = samplerate_hz
        # Only Python keeps references to a block's memory; all other code may have the device's own.
        config.flags = flags if isinstance(code, PythonCode) else flags | LEND
        config.process = code.process
        config.leave = code.leave
        config.user = code.user
        config.input_block = code.input_block
        config.output_block = code.output_block
        if clock is not None:
            self.clock_owner = clock
            config.clock_ns = (<Clock?>clock).function
            config.clock = (<Clock>clock).argument
        self.code = PyWeakref_NewRef(code, None)
        self.engine = vc_engine_new(&config)
        if self.engine == NULL:
            raise MemoryError("no memory for the stream's engine")

    def __dealloc__(self):
        vc_engine_free(self.engine)

    @property
    def longest_frames(self):
        """Frames that no cycle may exceed: a longer one would find the lead too short."""
        code = self.code()
        return (<Worker>code).lead_frames if isinstance(code, Worker) else UINT32_MAX

    @property
    def address(self):
        """The vc_engine*, for drivers."""
        return <uintptr_t>self.engine

    def wait_finished(self, double timeout_s):
        """Waits without the GIL until its state is FINISHED.

        False: the time passed, or a signal came; then its handler runs when this returns.
        """
        cdef bint finished
        with nogil:
            finished = vc_wait_finished(self.engine, <int64_t>(timeout_s * 1e9))
        return finished

    # A request names the run that it is meant for: the check and the request are one step for all
    # other threads, for signal handlers too, and a request that comes late ends no later run.

    @cython.critical_section
    def start(self, uint64_t run=0):
        """Begins the run of that number, before the device is started."""
        self.run = run
        vc_engine_start(self.engine)

    @cython.critical_section
    def stop(self, uint64_t run=0):
        """Asks for the end of that run after the current block."""
        if run == self.run:
            vc_engine_stop(self.engine)

    @cython.critical_section
    def abort(self, uint64_t run=0):
        """The same at once."""
        if run == self.run:
            vc_engine_abort(self.engine)

    @cython.critical_section
    def end(self):
        """Ends a run whose device was stopped before a cycle had found its end."""
        vc_engine_end(self.engine)

    @cython.critical_section
    def move(self, input_map, output_map, *, uint32_t device_frames, clock=None):
        """Goes on with another device, when no cycle runs.

        The maps have for each channel the one of the device's cycles, or None.
        """
        cdef vc_move to
        cdef ChannelMap inputs = ChannelMap(input_map), outputs = ChannelMap(output_map)
        memset(&to, 0, sizeof(to))
        to.input_map, to.input_channels = inputs.channels, inputs.used
        to.output_map, to.output_channels = outputs.channels, outputs.used
        to.device_frames = device_frames
        if clock is not None:
            to.clock_ns = (<Clock?>clock).function
            to.clock = (<Clock>clock).argument
        self.device_frames = device_frames
        if not vc_engine_move(self.engine, &to):
            raise MemoryError("no memory for a stream's other device")
        self.clock_owner = clock

    @property
    def state(self):
        return vc_engine_state(self.engine)

    @property
    def reason(self):
        return vc_engine_reason(self.engine)

    @property
    def error(self):
        return vc_engine_error(self.engine)

    def statistics(self):
        """The fields of vc_statistics, as a dict."""
        cdef vc_statistics s
        vc_engine_statistics(self.engine, &s)
        code = self.code()
        ahead = isinstance(code, Worker)  # then the engine's blocks are the device's
        return {
            "cycles": s.cycles,
            "blocks": (<Worker>code).blocks if ahead else s.blocks,
            "frames": (<Worker>code).frames if ahead else s.frames,
            "xruns": s.xruns,
            "lost_frames": s.lost_frames, "late_cycles": s.late_cycles,
            "nonfinite_samples": s.nonfinite_samples, "copied_blocks": s.copied_blocks,
            "lost_events": s.lost_events, "busy_ns": s.busy_ns, "busy_max_ns": s.busy_max_ns,
            "load": s.load, "output_time": moment(&s.last_output),
            "input_time": moment(&s.last_input),
        }

    def timing(self, uint32_t which):
        """The counts of one of vc_timing's histograms, bytes of uint64."""
        cdef uint64_t counts[VC_HISTOGRAM_BUCKETS]
        vc_engine_timing(self.engine, which, counts)
        return (<char *>counts)[:sizeof(counts)]

    def xruns(self):
        """The newest ones: [(kind, host_ns, sample_frames, value, cause, waited_ns)]."""
        cdef vc_event *events = <vc_event *>PyMem_Calloc(VC_XRUNS, sizeof(vc_event))
        if events == NULL:
            raise MemoryError
        try:
            count = vc_engine_xruns(self.engine, events, VC_XRUNS)
            return [happened(&events[i]) for i in range(count)]
        finally:
            PyMem_Free(events)

    @cython.critical_section
    def levels(self):
        """[(peak, mean square)] of the output channels, then of the input channels."""
        cdef uint32_t count = self.output_channels + self.input_channels
        cdef vc_level *levels = <vc_level *>PyMem_Calloc(count, sizeof(vc_level))
        if levels == NULL:
            raise MemoryError
        try:
            vc_engine_levels(self.engine, levels, count)
            return [(levels[i].peak, levels[i].mean_square) for i in range(count)]
        finally:
            PyMem_Free(levels)

    @cython.critical_section
    def events(self):
        """Takes all waiting events: [(kind, host_ns, sample_frames, value, cause, waited_ns)]."""
        cdef vc_event event
        taken = []
        while vc_engine_event(self.engine, &event):
            taken.append(happened(&event))
        return taken


cdef class VirtualDevice(Clock):
    """A device made of a clock; see drivers/virtual/device.h."""

    cdef vc_device *device
    cdef Ring capture_ring
    cdef object capture_memory
    cdef dict engines  # alive as long as they are attached

    def __cinit__(self, *, uint32_t input_channels, uint32_t output_channels, uint32_t frames,
                  pattern, double samplerate_hz, uint32_t clock, uint32_t layout,
                  uint32_t input_latency_frames, uint32_t output_latency_frames,
                  uint32_t tolerance_frames, int64_t epoch_ns, uint32_t stack_bytes,
                  bint loopback, bint poison):
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
        maps[0] = <uint32_t *>PyMem_Calloc(len(input_map) + 1, sizeof(uint32_t))
        maps[1] = <uint32_t *>PyMem_Calloc(len(output_map) + 1, sizeof(uint32_t))
        try:
            if maps[0] == NULL or maps[1] == NULL:
                raise MemoryError
            for d, channels in enumerate((input_map, output_map)):
                for i, channel in enumerate(channels):
                    maps[d][i] = channel
            attached = vc_device_attach(self.device, engine.engine, maps[0], len(input_map),
                                        maps[1], len(output_map))
        finally:
            PyMem_Free(maps[0])
            PyMem_Free(maps[1])
        if attached:
            self.engines[<uintptr_t>engine.engine] = engine
        return attached

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
        """The rate that it changed to by a fault, Hz."""
        return vc_device_new_rate(self.device)

    @property
    def lost_frames(self):
        return vc_device_lost_frames(self.device)

    @property
    def capture_room(self):
        """Frames of capture_into's array that nothing was written to, when no cycle runs."""
        return vc_device_capture_room(self.device)

    @property
    def capture_lost_frames(self):
        return vc_device_capture_lost_frames(self.device)

    def capture(self, Ring ring not None):
        self.capture_ring = ring
        vc_device_capture(self.device, ring.ring, ring.gaps)

    def capture_into(self, float[:, ::1] frames):
        """Captures into an array of shape (frames, channels) instead; the cable's end is its end."""
        self.capture_memory = frames
        vc_device_capture_memory(self.device, &frames[0, 0], <uint64_t>frames.shape[0])
