/* test_properties.c: the table of errors with every value of its switches, and the properties of
 * the fixtures. */
#include "check.h"

#include <stdbool.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal;
static AudioObjectID speakers;

static OSStatus size_of(AudioObjectID id, UInt32 selector, UInt32 scope, UInt32 element,
                        UInt32 *size) {
    AudioObjectPropertyAddress a = {selector, scope, element};
    return AudioObjectGetPropertyDataSize(id, &a, 0, NULL, size);
}

static void unknown_things(void) {
    UInt32 value = 0, size = 4;
    EQUAL(get_data(9999, kAudioObjectPropertyClass, global, 0, &value, &size),
          kAudioHardwareBadObjectError);
    EQUAL(get_data(0, kAudioObjectPropertyClass, global, 0, &value, &size),
          kAudioHardwareBadObjectError);
    EQUAL(get_data(speakers, 0x71717171, global, 0, &value, &size),
          kAudioHardwareUnknownPropertyError);
    sim_set("device_elements", 0);
    EQUAL(get_data(speakers, kAudioDevicePropertyNominalSampleRate, global, 77, &value, &size),
          kAudioHardwareUnknownPropertyError);
    EQUAL(get_data(speakers, kAudioDevicePropertyLatency, kAudioObjectPropertyScopePlayThrough, 0,
                   &value, &size),
          kAudioHardwareUnknownPropertyError);
    AudioObjectPropertyAddress a = {0x71717171, global, 0};
    EQUAL(AudioObjectHasProperty(speakers, &a), 0);
    Boolean settable = 9;
    EQUAL(AudioObjectIsPropertySettable(speakers, &a, &settable),
          kAudioHardwareUnknownPropertyError);
    EQUAL(AudioObjectHasProperty(9999, &a), 0);
}

static void sizes(void) {
    double rate = 0;
    UInt32 size = 4;
    EQUAL(get_data(speakers, kAudioDevicePropertyNominalSampleRate, global, 0, &rate, &size),
          kAudioHardwareBadPropertySizeError);
    UInt32 small = 1;
    EQUAL(set_data(speakers, kAudioDevicePropertyNominalSampleRate, &small, 4),
          kAudioHardwareBadPropertySizeError);
    double large[4];
    size = sizeof large;
    EQUAL(get_data(speakers, kAudioDevicePropertyNominalSampleRate, global, 0, large, &size), 0);
    EQUAL(size, 8);
    AudioValueRange ranges[4];
    size = 2 * sizeof ranges[0] + 5;
    EQUAL(get_data(speakers, kAudioDevicePropertyAvailableNominalSampleRates, global, 0, ranges,
                   &size),
          0);
    EQUAL(size, 2 * sizeof ranges[0]);
    EQUAL(ranges[1].mMinimum, 48000);
    EQUAL(size_of(speakers, kAudioDevicePropertyAvailableNominalSampleRates, global, 0, &size), 0);
    EQUAL(size, 4 * sizeof ranges[0]);
}

static void null_pointers(void) {
    UInt32 size = 8;
    double rate;
    EQUAL(AudioObjectGetPropertyData(speakers, NULL, 0, NULL, &size, &rate),
          kAudioHardwareIllegalOperationError);
    EQUAL(get_data(speakers, kAudioDevicePropertyNominalSampleRate, global, 0, NULL, &size),
          kAudioHardwareIllegalOperationError);
    EQUAL(set_data(speakers, kAudioDevicePropertyNominalSampleRate, NULL, 8),
          kAudioHardwareIllegalOperationError);
}

static void read_only(void) {
    static const OSStatus errors[3] = {kAudioHardwareUnknownPropertyError,
                                       kAudioHardwareUnsupportedOperationError,
                                       kAudioHardwareIllegalOperationError};
    for (int i = 0; i < 3; i++) {
        UInt32 one = 1;
        EQUAL(sim_set("set_readonly_error", i), 0);
        EQUAL(set_data(speakers, kAudioDevicePropertyDeviceIsAlive, &one, 4), errors[i]);
    }
}

static void unsupported_rates(void) {
    for (int i = 0; i < 3; i++) {
        sim_set("unsupported_rate", i);
        EQUAL(set_rate(speakers, 12345), i == 0 ? kAudioHardwareIllegalOperationError : 0);
        sim_advance_ns(5 * SECOND);
        EQUAL(get_f64(speakers, kAudioDevicePropertyNominalSampleRate, global), 44100);
    }
    /* The switch still has the value 2, with which the device takes the nearest rate that it has.
     */
    EQUAL(set_rate(speakers, 50000), 0);
    sim_advance_ns(5 * SECOND);
    EQUAL(get_f64(speakers, kAudioDevicePropertyNominalSampleRate, global), 48000);
}

static void formats(void) {
    AudioObjectID stream =
        get_u32(speakers, kAudioDevicePropertyStreams, kAudioObjectPropertyScopeOutput);
    AudioStreamBasicDescription f;
    UInt32 size = sizeof f;
    EQUAL(get_data(stream, kAudioStreamPropertyVirtualFormat, global, 0, &f, &size), 0);
    EQUAL(f.mBitsPerChannel, 32);
    EQUAL(f.mFormatFlags, kAudioFormatFlagIsFloat | kAudioFormatFlagIsPacked);
    EQUAL(f.mBytesPerFrame, 8);
    AudioStreamBasicDescription same;
    EQUAL(get_data(speakers, kAudioDevicePropertyStreamFormat, kAudioObjectPropertyScopeOutput, 0,
                   &same, &size),
          0);
    CHECK(memcmp(&f, &same, sizeof f) == 0, "the device names another format than its stream");
    f.mChannelsPerFrame = 5;
    EQUAL(set_data(stream, kAudioStreamPropertyVirtualFormat, &f, sizeof f),
          kAudioDeviceUnsupportedFormatError);
    EQUAL(get_data(stream, kAudioStreamPropertyPhysicalFormat, global, 0, &f, &size), 0);
    EQUAL(f.mBitsPerChannel, 24);
    f.mBitsPerChannel = 16;
    f.mBytesPerFrame = f.mBytesPerPacket = 4;
    EQUAL(set_data(stream, kAudioStreamPropertyPhysicalFormat, &f, sizeof f), 0);
    EQUAL(get_data(stream, kAudioStreamPropertyPhysicalFormat, global, 0, &f, &size), 0);
    EQUAL(f.mBitsPerChannel, 16);
    EQUAL(get_data(stream, kAudioStreamPropertyVirtualFormat, kAudioObjectPropertyScopeOutput, 0,
                   &f, &size),
          kAudioHardwareUnknownPropertyError); /* streams answer only in the global scope */
}

static void dead_devices(void) {
    static const OSStatus errors[2] = {kAudioHardwareBadObjectError, kAudioHardwareBadDeviceError};
    AudioTimeStamp t;
    for (int i = 0; i < 2; i++) {
        sim_set("dead_device_error", i);
        EQUAL(AudioDeviceStart(7777, NULL), errors[i]);
        EQUAL(AudioDeviceStop(7777, NULL), errors[i]);
        EQUAL(AudioDeviceGetCurrentTime(7777, &t), errors[i]);
        EQUAL(AudioDeviceDestroyIOProcID(7777, NULL), errors[i]);
    }
    EQUAL(AudioDeviceGetCurrentTime(speakers, &t), kAudioHardwareNotRunningError);
    for (int i = 0; i < 2; i++) {
        sim_set("start_at_time", i);
        AudioTimeStamp at = {.mFlags = 1};
        EQUAL(AudioDeviceStartAtTime(speakers, NULL, &at, 0),
              i == 0 ? 0 : kAudioHardwareUnsupportedOperationError);
    }
    EQUAL(AudioDeviceStop(speakers, NULL), 0);
    EQUAL(AudioDeviceStop(speakers, NULL), 0); /* stopping a stopped device is no error */
}

static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)id, (void)n, (void)a, (void)data;
    return 0;
}
static void listener_errors(void) {
    AudioObjectPropertyAddress a = {kAudioDevicePropertyNominalSampleRate, global, 0};
    EQUAL(AudioObjectAddPropertyListener(0, &a, listener, NULL), kAudioHardwareBadObjectError);
    EQUAL(AudioObjectRemovePropertyListener(0, &a, listener, NULL), kAudioHardwareBadObjectError);
    EQUAL(AudioObjectRemovePropertyListener(speakers, &a, listener, NULL), 0);
    EQUAL(AudioObjectAddPropertyListener(speakers, &a, listener, NULL), 0);
    EQUAL(AudioObjectAddPropertyListener(speakers, &a, listener, NULL),
          kAudioHardwareIllegalOperationError);
    EQUAL(AudioObjectAddPropertyListener(speakers, &a, listener, &a), 0);
    EQUAL(AudioObjectRemovePropertyListener(speakers, &a, listener, &a), 0);
    EQUAL(AudioObjectRemovePropertyListener(speakers, &a, listener, NULL), 0);
    for (int i = 0; i < 2; i++) {
        sim_set("remove_dead_listener", i);
        AudioObjectID twin = sim_add_device("uid=short-lived; out=2");
        EQUAL(AudioObjectAddPropertyListener(twin, &a, listener, NULL), 0);
        sim_remove_device(twin);
        EQUAL(AudioObjectRemovePropertyListener(twin, &a, listener, NULL),
              i == 0 ? kAudioHardwareBadObjectError : 0);
    }
    EQUAL(sim_counter("live_listeners"), 0);
}

static AudioObjectID device_for_uid(const char *text) {
    CFStringRef uid = CFStringCreateWithCString(NULL, text, kCFStringEncodingUTF8);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyTranslateUIDToDevice, global, 0};
    AudioObjectID id = 4711;
    UInt32 size = sizeof id;
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, sizeof uid, &uid, &size, &id),
          0);
    CFRelease(uid);
    return id;
}
static void finding_devices(void) {
    EQUAL(device_for_uid("BuiltInSpeakerDevice"), speakers);
    EQUAL(device_for_uid("no such thing"), 0);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
          speakers);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultInputDevice, global), 0);
    EQUAL(sim_set_default(kAudioHardwarePropertyDefaultOutputDevice, 0), 0);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global), 0);
}

static void hog_is_a_toggle(void) {
    SInt32 hog = 12345;
    EQUAL((SInt32)get_u32(speakers, kAudioDevicePropertyHogMode, global), -1);
    EQUAL(set_data(speakers, kAudioDevicePropertyHogMode, &hog, 4), 0);
    EQUAL(sim_counter("live_hogs"), 1);
    CHECK((SInt32)get_u32(speakers, kAudioDevicePropertyHogMode, global) > 0, "not taken");
    EQUAL(set_data(speakers, kAudioDevicePropertyHogMode, &hog, 4), 0);
    EQUAL(sim_counter("live_hogs"), 0);
}

static void what_a_test_dictates(void) {
    UInt32 size = 0, value = 0;
    EQUAL(sim_override_property(speakers, kAudioDevicePropertyLatency,
                                kAudioObjectPropertyScopeOutput, 0, 0, 400, "abc", 3),
          0);
    EQUAL(size_of(speakers, kAudioDevicePropertyLatency, kAudioObjectPropertyScopeOutput, 0, &size),
          0);
    EQUAL(size, 400);
    size = 4;
    EQUAL(get_data(speakers, kAudioDevicePropertyLatency, kAudioObjectPropertyScopeOutput, 0,
                   &value, &size),
          0);
    EQUAL(size, 3);
    EQUAL(sim_fail_call("AudioDeviceStart", -50, 1, 2), 0);
    EQUAL(AudioDeviceStart(speakers, NULL), 0);
    EQUAL(AudioDeviceStart(speakers, NULL), -50);
    EQUAL(AudioDeviceStart(speakers, NULL), -50);
    EQUAL(AudioDeviceStop(speakers, NULL), 0);
    EQUAL(AudioDeviceStart(speakers, NULL), 0);
    EQUAL(AudioDeviceStop(speakers, NULL), 0);
}

static void hogged_by_another(void) {
    EQUAL(sim_hog(speakers, 1), 0);
    EQUAL(set_rate(speakers, 48000), kAudioDevicePermissionsError);
    EQUAL(AudioDeviceStart(speakers, NULL), kAudioDevicePermissionsError);
    SInt32 hog = 0;
    EQUAL(set_data(speakers, kAudioDevicePropertyHogMode, &hog, 4), 0);
    EQUAL(get_u32(speakers, kAudioDevicePropertyHogMode, global), 1);
    EQUAL(sim_hog(speakers, -1), 0);
}

/* Properties of the whole device answer in every scope. */
static void scopes(void) {
    static const UInt32 tried[] = {kAudioObjectPropertyScopeGlobal, kAudioObjectPropertyScopeInput,
                                   kAudioObjectPropertyScopeOutput,
                                   kAudioObjectPropertyScopePlayThrough};
    for (size_t i = 0; i < 4; i++) {
        EQUAL(get_f64(speakers, kAudioDevicePropertyNominalSampleRate, tried[i]), 44100);
    }
}

/* Every property of every object of every fixture: the size is right, and the value can be read. */
static void every_property(void) {
    static const int fixtures[] = {1, 2, 3, 4, 5, 7, 8, 11, 14, 15, 16, 18, 19, 20, 21};
    sim_configure(0);
    sim_use_virtual_time();
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        EQUAL(sim_load_fixture(fixtures[i]), 0);
    }
    unsigned answered = 0;
    for (AudioObjectID id = 1; id < 200; id++) {
        static const UInt32 scopes_tried[] = {kAudioObjectPropertyScopeGlobal,
                                              kAudioObjectPropertyScopeInput,
                                              kAudioObjectPropertyScopeOutput};
        static const UInt32 selectors[] = {kAudioObjectPropertyClass,
                                           kAudioObjectPropertyOwner,
                                           kAudioObjectPropertyOwnedObjects,
                                           kAudioObjectPropertyName,
                                           kAudioObjectPropertyManufacturer,
                                           kAudioDevicePropertyDeviceUID,
                                           kAudioDevicePropertyModelUID,
                                           kAudioDevicePropertyTransportType,
                                           kAudioDevicePropertyStreams,
                                           kAudioDevicePropertyStreamConfiguration,
                                           kAudioDevicePropertyPreferredChannelLayout,
                                           kAudioDevicePropertyBufferFrameSizeRange,
                                           kAudioDevicePropertyVolumeScalar,
                                           kAudioDevicePropertyDataSources,
                                           kAudioStreamPropertyAvailablePhysicalFormats,
                                           kAudioStreamPropertyPhysicalFormat,
                                           kAudioLevelControlPropertyScalarValue,
                                           kAudioSelectorControlPropertyAvailableItems,
                                           kAudioHardwarePropertyDevices,
                                           kAudioDevicePropertyPreferredChannelsForStereo,
                                           kAudioDevicePropertyRelatedDevices};
        for (size_t s = 0; s < sizeof selectors / sizeof selectors[0] * 3; s++) {
            AudioObjectPropertyAddress a = {selectors[s / 3], scopes_tried[s % 3], 0};
            UInt32 size = 0, got = 8192;
            static unsigned char bytes[8192];
            if (!AudioObjectHasProperty(id, &a)) {
                continue;
            }
            EQUAL(AudioObjectGetPropertyDataSize(id, &a, 0, NULL, &size), 0);
            EQUAL(AudioObjectGetPropertyData(id, &a, 0, NULL, &got, bytes), 0);
            CHECK(got == size, "object %u selector %08x: %u of %u bytes", id, a.mSelector, got,
                  size);
            answered++;
            if (a.mSelector == kAudioObjectPropertyName ||
                a.mSelector == kAudioObjectPropertyManufacturer ||
                a.mSelector == kAudioDevicePropertyDeviceUID ||
                a.mSelector == kAudioDevicePropertyModelUID) {
                CFTypeRef string;
                memcpy(&string, bytes, sizeof string);
                EQUAL(CFGetTypeID(string), CFStringGetTypeID());
                CFRelease(string);
            }
        }
    }
    CHECK(answered > 700, "only %u properties answered", answered);
    world_is_clean();
}

static void strange_names(void) {
    world_with(0, 14);
    AudioObjectPropertyAddress a = {kAudioObjectPropertyName, global, 0};
    EQUAL(AudioObjectHasProperty(sim_find_device("Names:missing"), &a), 0);
    EQUAL(AudioObjectHasProperty(sim_find_device("Names:empty"), &a), 1);
    CFStringRef name;
    UInt32 size = sizeof name;
    EQUAL(get_data(sim_find_device("Names:unicode"), a.mSelector, global, 0, &name, &size), 0);
    char text[64], small[8];
    CHECK(CFStringGetCString(name, text, sizeof text, kCFStringEncodingUTF8) &&
              strcmp(text, "Kopfh\xc3\xb6rer \xf0\x9f\x8e\xa7 \xe9\x9f\xb3") == 0,
          "is %s", text);
    EQUAL(CFStringGetLength(name), 14); /* in UTF-16, the headphones symbol has two units */
    EQUAL(CFStringGetCString(name, small, sizeof small, kCFStringEncodingUTF8), 0);
    EQUAL(CFStringGetCString(name, text, sizeof text, kCFStringEncodingASCII), 0);
    CHECK(CFStringGetCStringPtr(name, kCFStringEncodingUTF8) == NULL,
          "a pointer to what is no ASCII");
    CFRelease(name);
    UInt32 scopes_tried[2] = {kAudioObjectPropertyScopeInput, global};
    for (int i = 0; i < 2; i++) {
        AudioObjectPropertyAddress model = {kAudioDevicePropertyModelUID, scopes_tried[i], 0};
        EQUAL(AudioObjectHasProperty(sim_find_device("Names:unicode"), &model), i);
    }
    world_is_clean();
}

static void older_macos(void) {
    static const int versions[] = {1100, 1200, 1300, 1400, 1402, 1500, 2600};
    world_with(0, 1);
    for (size_t i = 0; i < 7; i++) {
        EQUAL(sim_set_macos(versions[i]), 0);
        AudioObjectPropertyAddress a = {kAudioHardwarePropertyProcessInputMute, global, 0};
        EQUAL(AudioObjectHasProperty(kAudioObjectSystemObject, &a), versions[i] >= 1400);
        AudioObjectPropertyAddress m = {kAudioHardwarePropertyProcessIsMain, global, 0};
        EQUAL(AudioObjectHasProperty(kAudioObjectSystemObject, &m), versions[i] >= 1200);
        CHECK(sim_dlsym("AudioDeviceStart") != NULL, "no AudioDeviceStart");
        CHECK(sim_dlsym("kCFBooleanTrue") != NULL, "no kCFBooleanTrue");
        CHECK(sim_dlsym("malloc") == NULL, "malloc is not CoreAudio's");
    }
    EQUAL(sim_set_macos(999), -1);
    sim_reset();
}

static void volume_and_source(void) {
    float half = 0.5f, got = 0;
    UInt32 size = 4;
    AudioObjectPropertyAddress a = {kAudioDevicePropertyVolumeScalar,
                                    kAudioObjectPropertyScopeOutput, 2};
    EQUAL(AudioObjectSetPropertyData(speakers, &a, 0, NULL, 4, &half), 0);
    EQUAL(AudioObjectGetPropertyData(speakers, &a, 0, NULL, &size, &got), 0);
    CHECK(got == 0.5f, "is %g", (double)got);
    a.mElement = 0;
    EQUAL(AudioObjectHasProperty(speakers, &a), 0); /* each channel has a volume, the device none */
    CFStringRef name = NULL;
    UInt32 source =
        get_u32(speakers, kAudioDevicePropertyDataSource, kAudioObjectPropertyScopeOutput);
    AudioValueTranslation t = {&source, sizeof source, &name, sizeof name};
    size = sizeof t;
    EQUAL(get_data(speakers, kAudioDevicePropertyDataSourceNameForIDCFString,
                   kAudioObjectPropertyScopeOutput, 0, &t, &size),
          0);
    char text[32] = "";
    CFStringGetCString(name, text, sizeof text, kCFStringEncodingUTF8);
    CHECK(strcmp(text, "Internal Speakers") == 0, "is %s", text);
    CFRelease(name);
}

/* The chime at the start of the computer: level, decibels, and the conversions. */
static void the_chime(void) {
    world_with(0, 1);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyBootChimeVolumeScalar,
                                    kAudioObjectPropertyScopeGlobal, 0};
    Float32 level = 0.25f, read = 0;
    UInt32 size = sizeof read;
    EQUAL(AudioObjectSetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, size, &level), 0);
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, &size, &read), 0);
    EQUAL(read == 0.25f, 1);
    a.mSelector = kAudioHardwarePropertyBootChimeVolumeDecibels;
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, &size, &read), 0);
    EQUAL(read == -36.0f, 1);
    a.mSelector = kAudioHardwarePropertyBootChimeVolumeDecibelsToScalar;
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, &size, &read), 0);
    EQUAL(read == 0.25f, 1);
    world_is_clean();
}

int main(void) {
    the_chime();
    world_with(0, 1);
    speakers = sim_find_device("BuiltInSpeakerDevice");
    unknown_things();
    sizes();
    null_pointers();
    EQUAL(sim_counter("fault_null"), 3);
    EQUAL(sim_counter("fault_bad_size"), 2);
    EQUAL(sim_check_clean(), 5);
    world_with(0, 1);
    speakers = sim_find_device("BuiltInSpeakerDevice");
    read_only();
    formats();
    volume_and_source();
    dead_devices();
    listener_errors();
    hog_is_a_toggle();
    hogged_by_another();
    what_a_test_dictates();
    scopes();
    unsupported_rates();
    finding_devices();
    world_is_clean();
    every_property();
    strange_names();
    older_macos();
    return check_result("properties");
}
