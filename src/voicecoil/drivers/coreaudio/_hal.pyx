# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""A thin binding of CoreAudio's functions, which are looked up at run time.

A method returns CoreAudio's OSStatus, or a tuple of the OSStatus and the results. `hal.py` raises
errors from them. Every call releases the GIL. Otherwise it could wait for a lock of the HAL whose
holder, an IO thread, waits for the GIL.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AsString
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from _coreaudio cimport *

NO_CONTENT = -2**63


class MissingSymbolError(LookupError):
    """The library does not have this function: macOS is too old, or it is not CoreAudio."""


def ticks_to_ns(uint32_t numerator, uint32_t denominator, uint64_t ticks):
    """Converts ticks of host time to ns."""
    cdef vc_timebase timebase
    timebase.numerator = numerator
    timebase.denominator = denominator
    return vc_ticks_to_ns(timebase, ticks)


def ns_to_ticks(uint32_t numerator, uint32_t denominator, int64_t ns):
    """Converts ns to ticks of host time, rounded up."""
    cdef vc_timebase timebase
    timebase.numerator = numerator
    timebase.denominator = denominator
    return vc_ns_to_ticks(timebase, ns)


def ioproc_address():
    """The address of the AudioDeviceIOProc; `IOProc.address` is its client data."""
    return <uintptr_t>&vc_ioproc_run


include "../../../binding/port.pxi"


include "formats.pxi"


cdef class IOProc(EnginePort):
    """The callback on CoreAudio's IO thread: see ioproc.h.

    Keep a reference to this object as long as CoreAudio may call it, because its memory is freed
    with it. The formats are those of the first AudioBuffers of each direction. All other
    AudioBuffers are float32.
    """

    cdef vc_ioproc *ioproc
    cdef AudioDeviceIOProcID proc_id
    cdef WatchedFormats watched

    def __cinit__(self, engine, uintptr_t cycle_run, input_map, output_map,
                  uint32_t input_latency_frames, uint32_t output_latency_frames,
                  uint32_t drain_frames, timebase, double samplerate_hz, *,
                  input_formats=(), output_formats=(), uint32_t room_frames=0,
                  WatchedFormats watched=None):
        cdef vc_ioproc_config config
        cdef Direction input = Direction(input_map, input_formats, input_latency_frames)
        cdef Direction output = Direction(output_map, output_formats, output_latency_frames)
        memset(&config, 0, sizeof(config))
        config.run = <vc_cycle_run_fn>cycle_run
        config.engine = <vc_engine *><uintptr_t>engine.address
        config.input = input.c
        config.output = output.c
        config.drain_frames = drain_frames
        config.timebase.numerator, config.timebase.denominator = timebase
        config.samplerate_hz = samplerate_hz
        config.room_frames = room_frames
        if watched is not None:
            config.watched = watched.watched
            config.watched_count = watched.count
        self.watched = watched
        self.ioproc = vc_ioproc_new(&config)
        if self.ioproc == NULL:
            raise MemoryError("no memory for an IOProc")
        self.port = vc_ioproc_port(self.ioproc)
        self.engine = engine

    def __dealloc__(self):
        vc_ioproc_free(self.ioproc)

    @property
    def address(self):
        """The address of the vc_ioproc."""
        return <uintptr_t>self.ioproc

    def set_latencies(self, uint32_t input_frames, uint32_t output_frames, uint32_t drain_frames):
        """Sets the latencies of later cycles, frames."""
        vc_ioproc_set_latencies(self.ioproc, input_frames, output_frames, drain_frames)

    def counts(self):
        """The fields of vc_ioproc_counts, as a dict."""
        cdef vc_ioproc_counts c
        vc_ioproc_count(self.ioproc, &c)
        return {
            "cycles": c.cycles, "silent_cycles": c.silent_cycles, "empty_cycles": c.empty_cycles,
            "first_host_ns": c.first_host_ns, "last_host_ns": c.last_host_ns,
            "content_first": c.content_first, "content_end": c.content_end,
            "oddities": c.oddities,
        }

    @property
    def last_host_ns(self):
        """Host time of the newest cycle, ns; 0: there was none."""
        cdef vc_ioproc_counts c
        vc_ioproc_count(self.ioproc, &c)
        return c.last_host_ns


cdef AudioObjectPropertyAddress address(uint32_t selector, uint32_t scope, uint32_t element):
    cdef AudioObjectPropertyAddress made
    made.mSelector = selector
    made.mScope = scope
    made.mElement = element
    return made


# CoreAudio reports these on its IO thread, on which no other thread is woken: goin, over.
cdef uint32_t[2] on_io_thread = [0x676F696E, 0x6F766572]
REPORTED_BY_IO_THREADS = frozenset(on_io_thread)


cdef AudioObjectPropertyListenerProc listener(uint32_t selector):
    if selector == on_io_thread[0] or selector == on_io_thread[1]:
        return vc_changes_listen
    return vc_changes_listen_and_ring


cdef class Library:
    """CoreAudio: the system's frameworks, or a library that replaces them.

    The library is never closed, because CoreAudio has threads of its own that continue to run.
    `before_call` is called before each call of the HAL. If it raises, the call is not made.
    """

    cdef list handles
    cdef readonly tuple paths
    cdef dict symbols
    cdef vc_host_clock host_clock
    cdef mach_wait_until_fn wait_until
    cdef vc_changes *changes
    cdef object before_call

    def __cinit__(self, paths, before_call=None):
        cdef void *handle
        cdef bytes encoded
        cdef const char *name
        self.paths = tuple(paths)
        self.before_call = before_call
        self.handles = []
        self.symbols = {}
        for path in self.paths:
            encoded = path.encode()
            name = encoded
            with nogil:
                handle = vc_library_open(name)
            if handle == NULL:
                reason = vc_library_error()
                raise OSError(reason.decode("utf-8", "replace"))
            self.handles.append(<uintptr_t>handle)
        self.host_clock.ticks = <mach_absolute_time_fn>self.find("mach_absolute_time")
        self.wait_until = <mach_wait_until_fn>self.find("mach_wait_until")
        self.read_timebase()
        # The queue is never freed, because a listener may still be running when its registration
        # is removed.
        self.changes = vc_changes_new(&self.host_clock)
        if self.changes == NULL:
            raise MemoryError

    cdef void *find(self, str name) except NULL:
        cdef void *found = NULL
        cdef uintptr_t known
        cdef bytes encoded
        if name in self.symbols:
            known = self.symbols[name]
            return <void *>known
        encoded = name.encode()
        for handle in self.handles:
            known = handle
            found = vc_library_find(<void *>known, encoded)
            if found != NULL:
                self.symbols[name] = <uintptr_t>found
                return found
        raise MissingSymbolError(name)

    cdef void *find_call(self, str name) except NULL:
        """Looks up a function of the HAL. The caller calls the function immediately afterwards."""
        if self.before_call is not None:
            self.before_call()
        return self.find(name)

    def has_symbol(self, str name):
        """Whether the library has this function."""
        try:
            self.find(name)
        except MissingSymbolError:
            return False
        return True

    # ---- time ----

    def read_timebase(self):
        """Reads the length of a tick. It can change only in the simulator."""
        cdef mach_timebase_info_data_t timebase
        cdef mach_timebase_info_fn call
        call = <mach_timebase_info_fn>self.find("mach_timebase_info")
        with nogil:
            call(&timebase)
        self.host_clock.timebase.numerator = timebase.numer
        self.host_clock.timebase.denominator = timebase.denom

    @property
    def timebase(self):
        """Nanoseconds per tick of host time, as (numerator, denominator)."""
        return self.host_clock.timebase.numerator, self.host_clock.timebase.denominator

    def now_ns(self):
        """The current host time, ns."""
        return vc_host_clock_ns(&self.host_clock)

    @property
    def clock_address(self):
        """The clock for an engine, as the addresses (function, argument).

        They are valid as long as this object exists.
        """
        return <uintptr_t>&vc_host_clock_ns, <uintptr_t>&self.host_clock

    def wait_ns(self, int64_t ns):
        """Waits for `ns` of host time."""
        cdef uint64_t until = vc_ns_to_ticks(self.host_clock.timebase, self.now_ns() + ns)
        cdef mach_wait_until_fn wait = self.wait_until
        with nogil:
            wait(until)

    # ---- properties ----

    def has(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectHasProperty_fn call
        cdef unsigned char found
        call = <AudioObjectHasProperty_fn>self.find_call("AudioObjectHasProperty")
        with nogil:
            found = call(object, &at)
        return found != 0

    def settable(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        """Whether a property can be set: (OSStatus, bool)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectIsPropertySettable_fn call
        cdef unsigned char can = 0
        cdef int32_t status
        call = <AudioObjectIsPropertySettable_fn>self.find_call("AudioObjectIsPropertySettable")
        with nogil:
            status = call(object, &at, &can)
        return status, can != 0

    def size(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        """The size of a property's value: (OSStatus, number of bytes)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectGetPropertyDataSize_fn call
        cdef uint32_t size = 0
        cdef int32_t status
        call = <AudioObjectGetPropertyDataSize_fn>self.find_call("AudioObjectGetPropertyDataSize")
        with nogil:
            status = call(object, &at, 0, NULL, &size)
        return status, size

    def get(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
            uint32_t capacity):
        """A property's value, cut to `capacity`: (OSStatus, bytes)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectGetPropertyData_fn call
        cdef uint32_t size = capacity
        cdef int32_t status
        call = <AudioObjectGetPropertyData_fn>self.find_call("AudioObjectGetPropertyData")
        cdef bytes value = PyBytes_FromStringAndSize(NULL, capacity)
        cdef char *memory = PyBytes_AS_STRING(value)
        memset(memory, 0, capacity)
        with nogil:
            status = call(object, &at, 0, NULL, &size, memory)
        return status, value if size >= capacity else value[:size]

    def set(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
            bytes value):
        """Sets a property's value. Returns the OSStatus."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectSetPropertyData_fn call
        cdef uint32_t size = <uint32_t>len(value)
        cdef const char *memory = value
        cdef int32_t status
        call = <AudioObjectSetPropertyData_fn>self.find_call("AudioObjectSetPropertyData")
        with nogil:
            status = call(object, &at, 0, NULL, size, memory)
        return status

    def get_string(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        """A property's string: (OSStatus, str or None if it is no string, size in bytes)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectGetPropertyData_fn call
        cdef CFRelease_fn release
        cdef CFTypeRef value = NULL
        cdef uint32_t size = sizeof(value)
        cdef int32_t status
        call = <AudioObjectGetPropertyData_fn>self.find_call("AudioObjectGetPropertyData")
        release = <CFRelease_fn>self.find("CFRelease")
        with nogil:
            status = call(object, &at, 0, NULL, &size, &value)
        if status != 0 or size != sizeof(value) or value == NULL:
            return status, None, size
        try:
            return status, self.text(value), size
        finally:
            with nogil:
                release(value)  # the HAL has given the caller a reference

    cdef object text(self, CFTypeRef value):
        cdef CFGetTypeID_fn type_of = <CFGetTypeID_fn>self.find("CFGetTypeID")
        cdef CFStringGetTypeID_fn string_type = <CFStringGetTypeID_fn>self.find("CFStringGetTypeID")
        cdef CFStringGetLength_fn length_of = <CFStringGetLength_fn>self.find("CFStringGetLength")
        cdef CFStringGetBytes_fn bytes_of = <CFStringGetBytes_fn>self.find("CFStringGetBytes")
        cdef CFRange all_of_it
        cdef long used = 0
        cdef bint is_string
        cdef bytes memory
        cdef unsigned char *at
        with nogil:
            is_string = type_of(value) == string_type()
        if not is_string:
            return None
        with nogil:
            all_of_it.location = 0
            all_of_it.length = length_of(<CFStringRef>value)
            # '?' (63) replaces a lone surrogate, because UTF-8 cannot encode it.
            bytes_of(<CFStringRef>value, all_of_it, kCFStringEncodingUTF8, 63, 0, NULL, 0, &used)
        memory = PyBytes_FromStringAndSize(NULL, used)
        at = <unsigned char *>PyBytes_AS_STRING(memory)
        with nogil:
            bytes_of(<CFStringRef>value, all_of_it, kCFStringEncodingUTF8, 63, 0, at, used, &used)
        return memory[:used].decode("utf-8", "replace")

    # ---- listening ----

    def listen(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        """Registers for notifications of a property. Returns the OSStatus."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectAddPropertyListener_fn call
        cdef int32_t status
        cdef void *queue = self.changes
        cdef AudioObjectPropertyListenerProc heard = listener(selector)
        call = <AudioObjectAddPropertyListener_fn>self.find_call("AudioObjectAddPropertyListener")
        with nogil:
            status = call(object, &at, heard, queue)
        return status

    def unlisten(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element):
        """Removes a registration that `listen` has made. Returns the OSStatus."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectRemovePropertyListener_fn call
        cdef int32_t status
        cdef void *queue = self.changes
        cdef AudioObjectPropertyListenerProc heard = listener(selector)
        call = <AudioObjectRemovePropertyListener_fn>self.find_call(
            "AudioObjectRemovePropertyListener")
        with nogil:
            status = call(object, &at, heard, queue)
        return status

    def watch_formats(self, streams):
        """Watches the virtual formats of AudioStreams: a dict from IDs to expected formats."""
        cdef AudioObjectGetPropertyData_fn get
        get = <AudioObjectGetPropertyData_fn>self.find("AudioObjectGetPropertyData")
        return watch_formats(self.changes, self, get, streams)

    @cython.critical_section
    def take_changes(self):
        """Takes all notifications: [(host_ns, object, selector, scope, element)]."""
        cdef vc_change change
        taken = []
        while vc_changes_take(self.changes, &change):
            taken.append((change.host_ns, change.object, change.selector, change.scope,
                          change.element))
        return taken

    def take_lost_changes(self):
        """Number of notifications since the last call for which the queue had no room."""
        return vc_changes_lost(self.changes)

    @property
    def rings(self):
        """How often notifications, or `ring`, have woken the threads in `wait_for_ring`."""
        return vc_changes_rings(self.changes)

    def ring(self):
        """Wakes the threads in `wait_for_ring`. Never waits."""
        with nogil:
            vc_changes_ring(self.changes)

    def wait_for_ring(self, uint32_t seen, double timeout_s, double look_s=0.0):
        """Waits until `rings` is no longer `seen`; False: that took longer than the timeout.

        If `look_s` is not 0, it also looks for notifications at this interval.
        """
        cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9)
        cdef int64_t look_ns = <int64_t>(look_s * 1e9)
        cdef bint woken
        with nogil:
            woken = vc_changes_wait(self.changes, seen, timeout_ns, look_ns)
        return woken

    # ---- IO ----

    def create_ioproc(self, uint32_t device, IOProc ioproc not None):
        """Creates an IOProc of the device. Returns the OSStatus."""
        cdef AudioDeviceCreateIOProcID_fn call
        cdef AudioDeviceIOProcID proc_id = NULL
        cdef int32_t status
        cdef void *client_data = ioproc.ioproc
        call = <AudioDeviceCreateIOProcID_fn>self.find_call("AudioDeviceCreateIOProcID")
        with nogil:
            status = call(device, <AudioDeviceIOProc>vc_ioproc_run, client_data, &proc_id)
        ioproc.proc_id = proc_id
        return status

    def use_streams(self, uint32_t device, IOProc ioproc not None, uint32_t scope, streams):
        """Sets which streams of a direction the IOProc uses. Returns the OSStatus."""
        # The value is an AudioHardwareIOProcStreamUsage: the address of the IOProc, the number of
        # streams, and a UInt32 for each stream.
        cdef bytes value
        cdef uintptr_t proc_id = <uintptr_t><void *>ioproc.proc_id
        words = [len(streams), *(1 if used else 0 for used in streams)]
        value = proc_id.to_bytes(8, "little") + b"".join(w.to_bytes(4, "little") for w in words)
        return self.set(device, 0x73757365, scope, 0, value)  # 'suse'

    def start(self, uint32_t device, IOProc ioproc not None):
        """Starts IO. Returns the OSStatus."""
        cdef AudioDeviceStart_fn call = <AudioDeviceStart_fn>self.find_call("AudioDeviceStart")
        cdef int32_t status
        cdef AudioDeviceIOProcID proc_id = ioproc.proc_id
        with nogil:
            status = call(device, proc_id)
        return status

    def stop(self, uint32_t device, IOProc ioproc not None):
        """Stops IO. Returns the OSStatus."""
        cdef AudioDeviceStop_fn call = <AudioDeviceStop_fn>self.find_call("AudioDeviceStop")
        cdef int32_t status
        cdef AudioDeviceIOProcID proc_id = ioproc.proc_id
        with nogil:
            status = call(device, proc_id)
        return status

    def destroy_ioproc(self, uint32_t device, IOProc ioproc not None):
        """Destroys the IOProc. Returns the OSStatus."""
        cdef AudioDeviceDestroyIOProcID_fn call
        cdef int32_t status
        cdef AudioDeviceIOProcID proc_id = ioproc.proc_id
        call = <AudioDeviceDestroyIOProcID_fn>self.find_call("AudioDeviceDestroyIOProcID")
        with nogil:
            status = call(device, proc_id)
        return status


include "values.pxi"
include "quick.pxi"
include "workgroup.pxi"
