/* test_old_calls.c: the functions for properties that are older than macOS 10.6. */
#include "check.h"

#include <stdbool.h>

static AudioObjectID device;
static int hardware_calls, device_calls, stream_calls;
static UInt32 last_channel;
static Boolean last_side;

static OSStatus hardware_listener(AudioHardwarePropertyID property, void *data) {
    hardware_calls += property == kAudioHardwarePropertyDevices && data == &hardware_calls;
    return 0;
}
static OSStatus device_listener(AudioDeviceID id, UInt32 channel, Boolean is_input,
                                AudioDevicePropertyID property, void *data) {
    (void)property, (void)data;
    device_calls += id == device;
    last_channel = channel;
    last_side = is_input;
    return 0;
}
static OSStatus stream_listener(AudioStreamID id, UInt32 channel, AudioDevicePropertyID property,
                                void *data) {
    (void)id, (void)channel, (void)data;
    stream_calls += property == kAudioStreamPropertyPhysicalFormat;
    return 0;
}

static void begin(int fixture, const char *uid) {
    world_with(0, fixture);
    own_notification_thread();
    device = sim_find_device(uid);
    hardware_calls = device_calls = stream_calls = 0;
}

static void properties(void) {
    begin(4, "MultiStream:2+2+8");
    AudioDeviceID found = 0;
    UInt32 size = sizeof found;
    Boolean writable = 9;
    EQUAL(AudioHardwareGetProperty(kAudioHardwarePropertyDefaultOutputDevice, &size, &found), 0);
    EQUAL(found, device);
    EQUAL(AudioHardwareGetPropertyInfo(kAudioHardwarePropertyDevices, &size, &writable), 0);
    EQUAL(size, 4);
    EQUAL(writable, 0);
    EQUAL(AudioHardwareSetProperty(kAudioHardwarePropertyDefaultOutputDevice, 4, &found), 0);
    double rate = 0;
    size = sizeof rate;
    EQUAL(AudioDeviceGetProperty(device, 0, false, kAudioDevicePropertyNominalSampleRate, &size,
                                 &rate),
          0);
    EQUAL(rate, 48000);
    AudioStreamBasicDescription f;
    size = sizeof f;
    EQUAL(AudioDeviceGetProperty(device, 5, true, kAudioDevicePropertyStreamFormat, &size, &f), 0);
    EQUAL(f.mChannelsPerFrame, 8);
    EQUAL(AudioDeviceGetPropertyInfo(device, 0, true, kAudioDevicePropertyBufferSize, &size,
                                     &writable),
          0);
    EQUAL(writable, 1);
    EQUAL(AudioDeviceGetPropertyInfo(device, 0, false, 0x71717171, NULL, NULL),
          kAudioHardwareUnknownPropertyError);
    UInt32 frames = 128;
    EQUAL(AudioDeviceSetProperty(device, NULL, 0, false, kAudioDevicePropertyBufferFrameSize, 4,
                                 &frames),
          0);
    EQUAL(get_u32(device, kAudioDevicePropertyBufferFrameSize, kAudioObjectPropertyScopeGlobal),
          128);
    sim_reset();
}

static void listeners(void) {
    begin(3, "USBDuplex:1");
    AudioStreamID stream =
        get_u32(device, kAudioDevicePropertyStreams, kAudioObjectPropertyScopeOutput);
    EQUAL(AudioHardwareAddPropertyListener(kAudioHardwarePropertyDevices, hardware_listener,
                                           &hardware_calls),
          0);
    EQUAL(AudioDeviceAddPropertyListener(device, 0, true, kAudioDevicePropertyNominalSampleRate,
                                         device_listener, NULL),
          0);
    EQUAL(AudioDeviceAddPropertyListener(device, 0, false, kAudioDevicePropertyVolumeScalar,
                                         device_listener, NULL),
          0);
    EQUAL(AudioStreamAddPropertyListener(stream, 0, kAudioStreamPropertyPhysicalFormat,
                                         stream_listener, NULL),
          0);
    sim_set("listener_addresses", 2);
    EQUAL(set_rate(device, 96000), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(device_calls, 1);
    EQUAL(stream_calls, 1);
    AudioObjectPropertyAddress in = {kAudioDevicePropertyVolumeScalar,
                                     kAudioObjectPropertyScopeInput, 0};
    float half = 0.5f;
    EQUAL(AudioObjectSetPropertyData(device, &in, 0, NULL, 4, &half), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(device_calls, 1); /* it listens to the output */
    EQUAL(
        AudioDeviceSetProperty(device, NULL, 0, false, kAudioDevicePropertyVolumeScalar, 4, &half),
        0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(device_calls, 2);
    EQUAL(last_channel, 0);
    EQUAL(last_side, 0);
    sim_add_device("uid=new; out=2");
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(hardware_calls, 1);
    EQUAL(AudioHardwareRemovePropertyListener(kAudioHardwarePropertyDevices, hardware_listener), 0);
    EQUAL(AudioDeviceRemovePropertyListener(device, 0, true, kAudioDevicePropertyNominalSampleRate,
                                            device_listener),
          0);
    EQUAL(AudioDeviceRemovePropertyListener(device, 0, false, kAudioDevicePropertyVolumeScalar,
                                            device_listener),
          0);
    EQUAL(AudioStreamRemovePropertyListener(stream, 0, kAudioStreamPropertyPhysicalFormat,
                                            stream_listener),
          0);
    world_is_clean();
}

int main(void) {
    properties();
    listeners();
    return check_result("old_calls");
}
