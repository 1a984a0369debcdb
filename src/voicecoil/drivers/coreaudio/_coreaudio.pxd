# Declarations of the functions of CoreAudio's HAL that _hal.pyx calls, and of ioproc.h and
# listener.h.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from _port cimport *


cdef extern from "coreaudio_abi.h" nogil:
    ctypedef struct AudioObjectPropertyAddress:
        uint32_t mSelector
        uint32_t mScope
        uint32_t mElement

    ctypedef const void *CFTypeRef
    ctypedef const void *CFStringRef "CFStringRef"
    ctypedef struct AudioStreamBasicDescription:
        double mSampleRate
        uint32_t mFormatID
        uint32_t mFormatFlags
        uint32_t mBytesPerPacket
        uint32_t mFramesPerPacket
        uint32_t mBytesPerFrame
        uint32_t mChannelsPerFrame
        uint32_t mBitsPerChannel
        uint32_t mReserved

    ctypedef struct CFRange:
        long location
        long length

    ctypedef int32_t (*AudioDeviceIOProc)(...) noexcept
    ctypedef AudioDeviceIOProc AudioDeviceIOProcID
    ctypedef int32_t (*AudioObjectPropertyListenerProc)(
        uint32_t, uint32_t, const AudioObjectPropertyAddress *, void *) noexcept

    ctypedef unsigned char (*AudioObjectHasProperty_fn)(
        uint32_t, const AudioObjectPropertyAddress *) noexcept
    ctypedef int32_t (*AudioObjectIsPropertySettable_fn)(
        uint32_t, const AudioObjectPropertyAddress *, unsigned char *) noexcept
    ctypedef int32_t (*AudioObjectGetPropertyDataSize_fn)(
        uint32_t, const AudioObjectPropertyAddress *, uint32_t, const void *,
        uint32_t *) noexcept
    ctypedef int32_t (*AudioObjectGetPropertyData_fn)(
        uint32_t, const AudioObjectPropertyAddress *, uint32_t, const void *, uint32_t *,
        void *) noexcept
    ctypedef int32_t (*AudioObjectSetPropertyData_fn)(
        uint32_t, const AudioObjectPropertyAddress *, uint32_t, const void *, uint32_t,
        const void *) noexcept
    ctypedef int32_t (*AudioObjectAddPropertyListener_fn)(
        uint32_t, const AudioObjectPropertyAddress *, AudioObjectPropertyListenerProc,
        void *) noexcept
    ctypedef int32_t (*AudioObjectRemovePropertyListener_fn)(
        uint32_t, const AudioObjectPropertyAddress *, AudioObjectPropertyListenerProc,
        void *) noexcept
    ctypedef int32_t (*AudioDeviceCreateIOProcID_fn)(
        uint32_t, AudioDeviceIOProc, void *, AudioDeviceIOProcID *) noexcept
    ctypedef int32_t (*AudioDeviceDestroyIOProcID_fn)(uint32_t, AudioDeviceIOProcID) noexcept
    ctypedef int32_t (*AudioDeviceStart_fn)(uint32_t, AudioDeviceIOProcID) noexcept
    ctypedef int32_t (*AudioDeviceStop_fn)(uint32_t, AudioDeviceIOProcID) noexcept

    ctypedef void (*CFRelease_fn)(CFTypeRef) noexcept
    ctypedef unsigned long (*CFGetTypeID_fn)(CFTypeRef) noexcept
    ctypedef unsigned long (*CFStringGetTypeID_fn)() noexcept
    ctypedef long (*CFStringGetLength_fn)(CFStringRef) noexcept
    ctypedef long (*CFStringGetBytes_fn)(
        CFStringRef, CFRange, uint32_t, unsigned char, unsigned char, unsigned char *, long,
        long *) noexcept
    uint32_t kCFStringEncodingUTF8

    ctypedef struct AudioValueTranslation:
        void *mInputData
        uint32_t mInputDataSize
        void *mOutputData
        uint32_t mOutputDataSize

    ctypedef unsigned char (*CFBooleanGetValue_fn)(CFTypeRef) noexcept
    ctypedef long (*CFNumberGetType_fn)(CFTypeRef) noexcept
    ctypedef unsigned char (*CFNumberGetValue_fn)(CFTypeRef, long, void *) noexcept
    ctypedef CFTypeRef (*CFNumberCreate_fn)(void *, long, const void *) noexcept
    ctypedef long (*CFArrayGetCount_fn)(CFTypeRef) noexcept
    ctypedef CFTypeRef (*CFArrayGetValueAtIndex_fn)(CFTypeRef, long) noexcept
    ctypedef CFTypeRef (*CFArrayCreateMutable_fn)(void *, long, const void *) noexcept
    ctypedef void (*CFArrayAppendValue_fn)(CFTypeRef, CFTypeRef) noexcept
    ctypedef void (*CFDictionaryGetKeysAndValues_fn)(
        CFTypeRef, const void **, const void **) noexcept
    ctypedef CFTypeRef (*CFDictionaryCreateMutable_fn)(
        void *, long, const void *, const void *) noexcept
    ctypedef void (*CFDictionarySetValue_fn)(CFTypeRef, CFTypeRef, CFTypeRef) noexcept
    ctypedef const unsigned char *(*CFDataGetBytePtr_fn)(CFTypeRef) noexcept
    ctypedef unsigned char (*CFURLGetFileSystemRepresentation_fn)(
        CFTypeRef, unsigned char, unsigned char *, long) noexcept
    ctypedef CFTypeRef (*CFURLCreate_fn "CFURLCreateFromFileSystemRepresentation_fn")(
        void *, const unsigned char *, long, unsigned char) noexcept
    ctypedef CFTypeRef (*CFStringCreateWithBytes_fn)(
        void *, const unsigned char *, long, uint32_t, unsigned char) noexcept
    long kCFNumberSInt32Type
    long kCFNumberSInt64Type
    long kCFNumberFloat64Type

    ctypedef struct mach_timebase_info_data_t "struct mach_timebase_info":
        uint32_t numer
        uint32_t denom

    ctypedef uint64_t (*mach_absolute_time_fn)() noexcept
    ctypedef int (*mach_timebase_info_fn)(mach_timebase_info_data_t *) noexcept
    ctypedef int (*mach_wait_until_fn)(uint64_t) noexcept


cdef extern from "ioproc.h" nogil:
    ctypedef uint32_t (*vc_cycle_run_fn)(vc_engine *, const void *) noexcept

    ctypedef struct vc_timebase:
        uint32_t numerator
        uint32_t denominator

    ctypedef struct vc_ioproc_channel:
        uint32_t buffer
        uint32_t channel

    ctypedef struct vc_pcm:
        unsigned char bytes
        unsigned char bits
        bint high
        bint big_endian

    ctypedef enum vc_ioproc_kind:
        VC_SAMPLES_FLOAT32
        VC_SAMPLES_INTEGER
        VC_SAMPLES_OTHER

    ctypedef struct vc_ioproc_buffer:
        vc_ioproc_kind kind
        vc_pcm pcm
        uint32_t channels

    ctypedef struct vc_ioproc_direction:
        const vc_ioproc_channel *map
        uint32_t channels
        uint32_t latency_frames
        const vc_ioproc_buffer *buffers
        uint32_t buffer_count

    ctypedef struct vc_watched:
        pass

    ctypedef struct vc_ioproc_config:
        vc_cycle_run_fn run
        vc_engine *engine
        vc_ioproc_direction input
        vc_ioproc_direction output
        uint32_t drain_frames
        vc_timebase timebase
        double samplerate_hz
        uint32_t room_frames
        vc_watched **watched
        uint32_t watched_count

    ctypedef struct vc_ioproc:
        pass

    ctypedef struct vc_ioproc_counts:
        uint64_t cycles
        uint64_t silent_cycles
        uint64_t empty_cycles
        int64_t first_host_ns
        int64_t last_host_ns
        int64_t content_first
        int64_t content_end
        uint32_t oddities

    vc_ioproc *vc_ioproc_new(const vc_ioproc_config *config)
    void vc_ioproc_free(vc_ioproc *ioproc)
    vc_port *vc_ioproc_port(vc_ioproc *ioproc)
    void vc_ioproc_set_latencies(vc_ioproc *ioproc, uint32_t input_frames, uint32_t output_frames,
                                 uint32_t drain_frames)
    void vc_ioproc_count(const vc_ioproc *ioproc, vc_ioproc_counts *out)
    int32_t vc_ioproc_run(...) noexcept
    int64_t vc_ticks_to_ns(vc_timebase timebase, uint64_t ticks)
    uint64_t vc_ns_to_ticks(vc_timebase timebase, int64_t ns)

    ctypedef struct vc_host_clock:
        mach_absolute_time_fn ticks
        vc_timebase timebase

    int64_t vc_host_clock_ns(void *clock) noexcept


cdef extern from "listener.h" nogil:
    ctypedef struct vc_change:
        int64_t host_ns
        uint32_t object
        uint32_t selector
        uint32_t scope
        uint32_t element

    ctypedef struct vc_changes:
        pass

    vc_changes *vc_changes_new(vc_host_clock *clock)
    vc_watched *vc_watched_new(vc_changes *changes, uint32_t stream,
                               const AudioStreamBasicDescription *expected,
                               AudioObjectGetPropertyData_fn get)
    void vc_watched_free(vc_changes *changes, vc_watched *watched)
    bint vc_watched_check(vc_watched *watched)
    int32_t vc_changes_listen(uint32_t object, uint32_t count,
                              const AudioObjectPropertyAddress *addresses,
                              void *client_data) noexcept
    int32_t vc_changes_listen_and_ring(uint32_t object, uint32_t count,
                                       const AudioObjectPropertyAddress *addresses,
                                       void *client_data) noexcept
    void vc_changes_ring(vc_changes *changes)
    uint32_t vc_changes_rings(const vc_changes *changes)
    bint vc_changes_wait(vc_changes *changes, uint32_t seen, int64_t timeout_ns, int64_t look_ns)
    bint vc_changes_take(vc_changes *changes, vc_change *out)
    uint64_t vc_changes_lost(vc_changes *changes)


cdef extern from "quick.h" nogil:
    int VC_QUICK_POKED
    int VC_QUICK_ABANDONED
    int VC_QUICK_WORK

    ctypedef struct vc_quick_request:
        AudioObjectGetPropertyData_fn get
        uint32_t object
        AudioObjectPropertyAddress address
        uint32_t size
        int32_t status
        unsigned char *data

    ctypedef struct vc_quick:
        pass

    vc_quick *vc_quick_new()
    void vc_quick_free(vc_quick *quick)
    int vc_quick_serve(vc_quick *quick, uint32_t seen, int64_t timeout_ns)
    const unsigned char *vc_quick_work(const vc_quick *quick)
    bint vc_quick_finish(vc_quick *quick)
    uint32_t vc_quick_pokes(const vc_quick *quick)
    void vc_quick_poke(vc_quick *quick)
    bint vc_quick_begin(vc_quick *quick, const vc_quick_request *request)
    bint vc_quick_spin(vc_quick *quick)
    bint vc_quick_wait(vc_quick *quick, int64_t timeout_ns)
    void vc_quick_take(vc_quick *quick, vc_quick_request *answer)
    bint vc_quick_abandon(vc_quick *quick)


cdef extern from "library.h" nogil:
    void *vc_library_open(const char *path)
    void *vc_library_find(void *library, const char *name)
    const char *vc_library_error()
