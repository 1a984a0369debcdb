/* test_answers.c: what shipping clients of the HAL rely on, and the real HAL answers. */
#include "check.h"

#include <stdbool.h>
#include <unistd.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal,
                    input = kAudioObjectPropertyScopeInput,
                    output = kAudioObjectPropertyScopeOutput;
static AudioObjectID device;
static int calls;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)out, (void)out_time, (void)data;
    calls++;
    return 0;
}

static AudioDeviceIOProcID address_of(AudioDeviceIOProc function) { return function; }
static void begin(int fixture, const char *uid) {
    world_with(0, fixture);
    device = sim_find_device(uid);
    calls = 0;
}
static bool has(AudioObjectID id, UInt32 selector, UInt32 scope, UInt32 element) {
    AudioObjectPropertyAddress a = {selector, scope, element};
    return AudioObjectHasProperty(id, &a) != 0;
}
static OSStatus set_at(UInt32 selector, UInt32 scope, const void *data, UInt32 size) {
    AudioObjectPropertyAddress a = {selector, scope, 0};
    return AudioObjectSetPropertyData(device, &a, 0, NULL, size, data);
}

/* ---- IOProcs ---- */

static void an_io_proc_is_found_by_its_function(void) {
    begin(3, "USBDuplex:1");
    AudioDeviceIOProcID id;
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &id), 0);
    EQUAL(AudioDeviceStart(device, address_of(io)), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    CHECK(calls > 5, "%d calls", calls);
    struct {
        AudioDeviceIOProcID proc;
        UInt32 streams, on[1];
    } usage = {.proc = address_of(io)};
    UInt32 size = sizeof usage;
    EQUAL(get_data(device, kAudioDevicePropertyIOProcStreamUsage, output, 0, &usage, &size), 0);
    EQUAL(usage.streams, 1);
    EQUAL(usage.on[0], 1);
    EQUAL(AudioDeviceStop(device, address_of(io)), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, id), 0);
    world_is_clean();
}

static void an_id_is_preferred_to_a_function(void) {
    begin(3, "USBDuplex:1");
    int first = 0, second = 0;
    AudioDeviceIOProcID ids[2];
    EQUAL(AudioDeviceCreateIOProcID(device, io, &first, &ids[0]), 0);
    EQUAL(AudioDeviceCreateIOProcID(device, io, &second, &ids[1]), 0);
    EQUAL(AudioDeviceStart(device, ids[1]), 0);
    EQUAL(AudioDeviceStop(device, ids[1]), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, ids[1]), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, ids[0]), 0);
    world_is_clean();
}

static void the_same_io_proc_twice(void) {
    for (int refused = 0; refused < 2; refused++) {
        begin(3, "USBDuplex:1");
        sim_set("duplicate_io_proc", refused);
        AudioDeviceIOProcID ids[3];
        EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &ids[0]), 0);
        EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &ids[1]),
              refused ? kAudioHardwareIllegalOperationError : 0);
        EQUAL(AudioDeviceCreateIOProcID(device, io, ids, &ids[2]), 0); /* other client data */
        for (int i = 0; i < 3; i++) {
            EQUAL(i == 1 && refused ? 0 : AudioDeviceDestroyIOProcID(device, ids[i]), 0);
        }
        world_is_clean();
    }
}

static void destroying_the_io_proc_of_a_device_that_has_gone(void) {
    begin(3, "USBDuplex:1");
    AudioDeviceIOProcID id;
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &id), 0);
    EQUAL(AudioDeviceStart(device, id), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(sim_remove_device(device), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, id), kAudioHardwareBadObjectError);
    EQUAL(AudioDeviceDestroyIOProcID(device, id), kAudioHardwareBadObjectError);
    world_is_clean();
}

static void starting_at_a_time_while_nothing_runs(void) {
    begin(3, "USBDuplex:1");
    sim_set("start_at_time", 2);
    AudioDeviceIOProcID id;
    AudioTimeStamp at = {.mFlags = kAudioTimeStampSampleTimeValid, .mSampleTime = 4096};
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &id), 0);
    EQUAL(AudioDeviceStartAtTime(device, id, &at, 0), kAudioHardwareNotRunningError);
    EQUAL(AudioDeviceStart(device, NULL), 0);
    EQUAL(AudioDeviceStartAtTime(device, id, &at, 0), 0);
    EQUAL(AudioDeviceStop(device, id), 0);
    EQUAL(AudioDeviceStop(device, NULL), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, id), 0);
    world_is_clean();
}

/* ---- streams and channels ---- */

static void a_stream_configuration_has_the_bytes_of_the_buffers(void) {
    begin(4, "MultiStream:2+2+8");
    EQUAL(set_buffer_frames(device, 256), 0);
    union {
        AudioBufferList list;
        unsigned char bytes[8 + 3 * sizeof(AudioBuffer)];
    } u;
    UInt32 size = sizeof u;
    EQUAL(get_data(device, kAudioDevicePropertyStreamConfiguration, output, 0, &u, &size), 0);
    EQUAL(u.list.mNumberBuffers, 3);
    static const UInt32 channels[] = {2, 2, 8};
    for (int i = 0; i < 3; i++) {
        AudioBuffer b;
        memcpy(&b, u.bytes + 8 + (size_t)i * sizeof b, sizeof b);
        EQUAL(b.mNumberChannels, channels[i]);
        EQUAL(b.mDataByteSize, 256 * 4 * channels[i]);
        CHECK(b.mData == NULL, "has memory");
    }
    UInt32 bytes = 0;
    size = sizeof bytes;
    EQUAL(get_data(device, kAudioDevicePropertyBufferSize, output, 5, &bytes, &size), 0);
    EQUAL(bytes, 256 * 4 * 8);
    sim_reset();
}

static void old_selectors(void) {
    begin(3, "USBDuplex:1");
    char text[64];
    UInt32 size = sizeof text, value;
    EQUAL(get_data(device, kAudioDevicePropertyDeviceName, global, 0, text, &size), 0);
    CHECK(strcmp(text, "Simulated USB Duplex") == 0, "is %s", text);
    EQUAL(size, strlen(text) + 1);
    size = sizeof text;
    EQUAL(get_data(device, kAudioDevicePropertyDeviceManufacturer, global, 0, text, &size), 0);
    CHECK(strcmp(text, "Simulated") == 0, "is %s", text);
    EQUAL(get_u32(device, kAudioDevicePropertyBufferSize, output), 512 * 8);
    value = 256 * 8;
    EQUAL(set_at(kAudioDevicePropertyBufferSize, output, &value, 4), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, global), 256);
    AudioValueRange range;
    size = sizeof range;
    EQUAL(get_data(device, kAudioDevicePropertyBufferSizeRange, input, 0, &range, &size), 0);
    EQUAL(range.mMinimum, 15 * 8);
    EQUAL(range.mMaximum, 4096 * 8);
    EQUAL(get_u32(device, kAudioDevicePropertySupportsMixing, global), 1);
    EQUAL(get_u32(device, kAudioDeviceProcessorOverload, global), 0);
    AudioStreamBasicDescription list[64], f;
    size = sizeof list;
    EQUAL(get_data(device, kAudioDevicePropertyStreamFormats, output, 0, list, &size), 0);
    CHECK(size >= 4 * sizeof f && size % sizeof f == 0, "%u bytes", size);
    EQUAL(list[0].mFormatFlags, kAudioFormatFlagIsFloat | kAudioFormatFlagIsPacked);
    EQUAL(list[1].mSampleRate, 48000);
    f = list[1];
    size = sizeof f;
    EQUAL(get_data(device, kAudioDevicePropertyStreamFormatSupported, output, 0, &f, &size), 0);
    f.mSampleRate = 12345;
    EQUAL(get_data(device, kAudioDevicePropertyStreamFormatSupported, output, 0, &f, &size),
          kAudioDeviceUnsupportedFormatError);
    EQUAL(get_data(device, kAudioDevicePropertyStreamFormatMatch, output, 0, &f, &size), 0);
    EQUAL(f.mSampleRate, 48000);
    EQUAL(f.mBytesPerFrame, 8);
    sim_reset();
}

static void old_programs_ask_the_system_with_a_wildcard(void) {
    static const UInt32 selectors[] = {kAudioHardwarePropertyDevices,
                                       kAudioHardwarePropertyDefaultInputDevice,
                                       kAudioHardwarePropertyDefaultOutputDevice};
    begin(3, "USBDuplex:1");
    for (size_t i = 0; i < 3; i++) {
        EQUAL(get_u32(kAudioObjectSystemObject, selectors[i], kAudioObjectPropertyScopeWildcard),
              device);
    }
    sim_reset();
}

static void elements_of_channels(void) {
    begin(4, "MultiStream:2+2+8");
    UInt32 pair[2], size = sizeof pair;
    for (UInt32 element = 0; element < 14; element++) {
        EQUAL(get_data(device, kAudioDevicePropertyPreferredChannelsForStereo, output, element,
                       pair, &size),
              0);
        EQUAL(pair[1], 2);
        EQUAL(has(device, kAudioDevicePropertyPreferredChannelLayout, output, element), 1);
        AudioStreamBasicDescription f = {0};
        UInt32 bytes = sizeof f;
        OSStatus error =
            get_data(device, kAudioDevicePropertyStreamFormat, output, element, &f, &bytes);
        EQUAL(error, element < 13 ? 0 : kAudioHardwareUnknownPropertyError);
        EQUAL(f.mChannelsPerFrame, element < 5 ? 2 : element < 13 ? 8 : 0);
    }
    EQUAL(has(device, kAudioDevicePropertyStreamFormat, global, 0), 0);
    for (int any = 0; any < 2; any++) {
        sim_set("device_elements", any);
        EQUAL(has(device, kAudioDevicePropertyNominalSampleRate, global, 3), any);
    }
    sim_reset();
}

/* Programs that ship set the buffer size of element 1 for their input. */
static void a_property_of_the_whole_device_has_any_element(void) {
    begin(3, "USBDuplex:1");
    AudioObjectPropertyAddress a = {kAudioDevicePropertyBufferFrameSize, output, 1};
    UInt32 frames = 256;
    EQUAL(AudioObjectSetPropertyData(device, &a, 0, NULL, sizeof frames, &frames), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, global), 256);
    sim_reset();
}

static void a_direction_without_streams_has_no_latency(void) {
    begin(20, "OutputOnly");
    EQUAL(has(device, kAudioDevicePropertyLatency, output, 0), 1);
    EQUAL(has(device, kAudioDevicePropertySafetyOffset, output, 0), 1);
    EQUAL(has(device, kAudioDevicePropertyLatency, input, 0), 0);
    EQUAL(has(device, kAudioDevicePropertySafetyOffset, input, 0), 0);
    sim_reset();
}

/* ---- notifications ---- */

static struct {
    AudioObjectID object;
    AudioObjectPropertyAddress address;
} heard[64];
static int heard_count;
static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)data;
    for (UInt32 i = 0; i < n && heard_count < 64; i++) {
        heard[heard_count].object = id;
        heard[heard_count++].address = a[i];
    }
    return 0;
}
static bool was_heard(UInt32 selector, UInt32 scope, UInt32 element) {
    for (int i = 0; i < heard_count; i++) {
        AudioObjectPropertyAddress a = heard[i].address;
        if (a.mSelector == selector && a.mScope == scope && a.mElement == element) {
            return true;
        }
    }
    return false;
}

static void formats_and_latencies_are_notified_on_the_device(void) {
    begin(4, "MultiStream:2+2+8");
    own_notification_thread();
    heard_count = 0;
    AudioObjectPropertyAddress all = {kAudioObjectPropertySelectorWildcard,
                                      kAudioObjectPropertyScopeWildcard,
                                      kAudioObjectPropertyElementWildcard};
    EQUAL(AudioObjectAddPropertyListener(device, &all, listener, NULL), 0);
    EQUAL(set_rate(device, 96000), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    for (int i = 0; i < 2; i++) {
        UInt32 scope = i ? input : output;
        CHECK(was_heard(kAudioDevicePropertyStreamFormat, scope, 0), "no format of the device");
        static const UInt32 channels[] = {1, 3, 5};
        for (int k = 0; k < 3; k++) {
            CHECK(was_heard(kAudioDevicePropertyStreamFormat, scope, channels[k]), "no format");
            CHECK(was_heard(kAudioStreamPropertyPhysicalFormat, scope, channels[k]), "no format");
        }
        CHECK(was_heard(kAudioDevicePropertyLatency, scope, 0), "no latency");
        CHECK(was_heard(kAudioDevicePropertySafetyOffset, scope, 0), "no safety offset");
    }
    CHECK(!was_heard(kAudioDevicePropertyStreamFormat, output, 7), "a channel within a stream");
    CHECK(!was_heard(kAudioDevicePropertyLatency, global, 0), "a latency without direction");
    EQUAL(AudioObjectRemovePropertyListener(device, &all, listener, NULL), 0);
    world_is_clean();
}

/* ---- errors ---- */

static void a_rate_that_is_not_offered_can_be_a_wrong_format(void) {
    begin(3, "USBDuplex:1");
    sim_set("unsupported_rate", 3);
    EQUAL(set_rate(device, 12345), kAudioDeviceUnsupportedFormatError);
    sim_reset();
}

static void a_buffer_size_out_of_range(void) {
    for (int refused = 0; refused < 2; refused++) {
        begin(3, "USBDuplex:1");
        sim_set("buffer_out_of_range", refused);
        EQUAL(set_buffer_frames(device, 100000), refused ? kAudioHardwareIllegalOperationError : 0);
        EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, global), refused ? 512 : 4096);
        EQUAL(set_buffer_frames(device, 4096), 0);
        sim_reset();
    }
}

static void a_set_of_hog_mode_gives_the_owner(void) {
    begin(3, "USBDuplex:1");
    pid_t pid = 77;
    EQUAL(set_data(device, kAudioDevicePropertyHogMode, &pid, sizeof pid), 0);
    EQUAL(pid, getpid());
    EQUAL(set_data(device, kAudioDevicePropertyHogMode, &pid, sizeof pid), 0);
    EQUAL(pid, -1);
    EQUAL(sim_hog(device, 4711), 0);
    EQUAL(set_data(device, kAudioDevicePropertyHogMode, &pid, sizeof pid), 0);
    EQUAL(pid, 4711);
    sim_set("hog_error", 1);
    EQUAL(set_data(device, kAudioDevicePropertyHogMode, &pid, sizeof pid),
          kAudioDevicePermissionsError);
    world_is_clean();
}

static void guessed_settable_flags_differ_by_seed(void) {
    AudioObjectPropertyAddress a = {kAudioDevicePropertyPreferredChannelsForStereo, output, 0};
    int settable = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Boolean is = 0;
        world_with(seed, 3);
        device = sim_find_device("USBDuplex:1");
        EQUAL(AudioObjectIsPropertySettable(device, &a, &is), 0);
        settable += is != 0;
        UInt32 pair[2] = {2, 1};
        OSStatus error = AudioObjectSetPropertyData(device, &a, 0, NULL, sizeof pair, pair);
        EQUAL(error == 0, is != 0);
        sim_reset();
    }
    CHECK(settable > 5 && settable < 40, "%d of 40", settable);
}

int main(void) {
    an_io_proc_is_found_by_its_function();
    an_id_is_preferred_to_a_function();
    the_same_io_proc_twice();
    destroying_the_io_proc_of_a_device_that_has_gone();
    starting_at_a_time_while_nothing_runs();
    a_stream_configuration_has_the_bytes_of_the_buffers();
    old_selectors();
    old_programs_ask_the_system_with_a_wildcard();
    elements_of_channels();
    a_property_of_the_whole_device_has_any_element();
    a_direction_without_streams_has_no_latency();
    formats_and_latencies_are_notified_on_the_device();
    a_rate_that_is_not_offered_can_be_a_wrong_format();
    a_buffer_size_out_of_range();
    a_set_of_hog_mode_gives_the_owner();
    guessed_settable_flags_differ_by_seed();
    return check_result("answers");
}
