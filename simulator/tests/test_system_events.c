/* test_system_events.c: sleep, headsets, devices that change by themselves, consent, voice activity
 * and other processes (S10, S11, S15). */
#include "check.h"

#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal,
                    input = kAudioObjectPropertyScopeInput,
                    output = kAudioObjectPropertyScopeOutput;
static AudioObjectID device;
static AudioDeviceIOProcID proc;
static int calls, heard;
static bool only_zeros;
static UInt32 channels;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in_time, (void)out_time, (void)data;
    calls++;
    if (in->mNumberBuffers > 0) {
        const float *samples = in->mBuffers[0].mData;
        only_zeros = only_zeros && samples[0] == 0 && samples[10] == 0;
    }
    if (out->mNumberBuffers > 0) {
        channels = out->mBuffers[0].mNumberChannels;
    }
    return 0;
}
static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)id, (void)a, (void)data;
    heard += (int)n;
    return 0;
}
static void listen(AudioObjectID id, UInt32 selector, UInt32 scope, bool on) {
    AudioObjectPropertyAddress a = {selector, scope, 0};
    heard = 0;
    EQUAL(on ? AudioObjectAddPropertyListener(id, &a, listener, NULL)
             : AudioObjectRemovePropertyListener(id, &a, listener, NULL),
          0);
}

static void begin(int fixture, const char *uid) {
    world_with(0, fixture);
    own_notification_thread();
    device = sim_find_device(uid);
    calls = 0;
    only_zeros = true;
}
static void start(void) {
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
}
static void stop(void) {
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
}
static int calls_within(uint64_t ns) {
    int before = calls;
    EQUAL(sim_advance_ns(ns), 0);
    return calls - before;
}

/* ---- sleep ---- */

static void sleep_and_wake(void) {
    for (int lost = 0; lost < 2; lost++) {
        begin(1, "BuiltInSpeakerDevice");
        sim_set("wake_io", lost);
        start();
        EQUAL(sim_sleep(true), 0);
        EQUAL(sim_sleep(true), -1);
        EQUAL(calls_within(100 * MS), 0);
        EQUAL(sim_wake(), 0);
        EQUAL(calls_within(400 * MS), 0);
        CHECK((calls_within(SECOND) > 50) == (lost == 0), "lost %d", lost);
        EQUAL(AudioDeviceStop(device, proc), 0);
        EQUAL(AudioDeviceStart(device, proc), 0);
        CHECK(calls_within(SECOND) > 50, "no callbacks after a restart");
        stop();
        world_is_clean();
    }
}

static void starting_soon_after_the_wake_up(void) {
    for (int how = 0; how < 3; how++) {
        begin(3, "USBDuplex:1");
        sim_set("wake_start", how);
        EQUAL(sim_sleep(true), 0);
        EQUAL(sim_wake(), 0);
        EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
        EQUAL(AudioDeviceStart(device, proc), how == 1 ? kAudioHardwareUnspecifiedError : 0);
        CHECK((calls_within(SECOND) > 50) == (how != 1), "how %d", how);
        EQUAL(only_zeros, how != 0);
        EQUAL(sim_advance_ns(5 * SECOND), 0);
        EQUAL(AudioDeviceStart(device, proc), 0);
        only_zeros = true;
        CHECK(calls_within(SECOND) > 50 && !only_zeros, "not awake, how %d", how);
        stop();
        world_is_clean();
    }
}

static void devices_that_come_back_as_others(void) {
    begin(3, "USBDuplex:1");
    sim_set("wake_ids", 1);
    start();
    EQUAL(sim_sleep(true), 0);
    EQUAL(sim_wake(), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    AudioObjectID again = sim_find_device("USBDuplex:1");
    CHECK(again != 0 && again != device, "the same object");
    EQUAL(AudioDeviceStop(device, proc), kAudioHardwareBadObjectError);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), kAudioHardwareBadObjectError);
    world_is_clean();
}

static void sleep_that_the_client_forbids(void) {
    begin(3, "USBDuplex:1");
    UInt32 no = 0;
    start();
    EQUAL(set_data(kAudioObjectSystemObject, kAudioHardwarePropertySleepingIsAllowed, &no, 4), 0);
    EQUAL(sim_sleep(false), -1);
    CHECK(calls_within(100 * MS) > 5, "no callbacks");
    EQUAL(sim_sleep(true), 0);
    EQUAL(sim_wake(), 0);
    stop();
    EQUAL(sim_sleep(false), 0);
    EQUAL(sim_wake(), 0);
    world_is_clean();
}

/* ---- devices that change by themselves ---- */

static void a_headset_has_a_call(void) {
    begin(6, "04-5D-4B-00-00-01:output");
    AudioObjectID microphone = sim_find_device("04-5D-4B-00-00-01:input");
    CHECK(device != 0 && microphone != 0, "no headset");
    listen(device, kAudioDevicePropertyNominalSampleRate, global, true);
    start();
    EQUAL(channels, 2);
    EQUAL(AudioDeviceStart(microphone, NULL), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(heard, 1);
    EQUAL(get_f64(device, kAudioDevicePropertyNominalSampleRate, global), 24000);
    CHECK(calls_within(SECOND) > 20, "no callbacks");
    EQUAL(channels, 1);
    EQUAL(AudioDeviceStop(microphone, NULL), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(get_f64(device, kAudioDevicePropertyNominalSampleRate, global), 48000);
    EQUAL(channels, 2);
    EQUAL(sim_add_process(4711, "com.example.call") != 0, 1); /* another program has a call */
    EQUAL(sim_process_io(4711, microphone, 0), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(channels, 1);
    EQUAL(sim_remove_process(4711), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(channels, 2);
    listen(device, kAudioDevicePropertyNominalSampleRate, global, false);
    stop();
    world_is_clean();
}

static void a_new_device_takes_the_default(void) {
    begin(1, "BuiltInSpeakerDevice");
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global, true);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
          device);
    AudioObjectID other = sim_add_device("uid=phones; out=2; in=1; takes_default=out");
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(heard, 1);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
          other);
    EQUAL(sim_remove_device(other), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global),
          device);
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyDefaultOutputDevice, global, false);
    world_is_clean();
}

static void a_device_flaps(void) {
    begin(10, "Continuity");
    EQUAL(get_u32(device, kAudioDevicePropertyTransportType, global),
          kAudioDeviceTransportTypeContinuityCaptureWireless);
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyDevices, global, true);
    for (int i = 1; i <= 6; i++) {
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(sim_find_device("Continuity") != 0, i % 2 == 0);
    }
    EQUAL(sim_advance_ns(10 * SECOND), 0);
    EQUAL(heard, 6);
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyDevices, global, false);
    world_is_clean();
}

static void voice_processing_adds_a_stream(void) {
    begin(17, "VoiceProcessing");
    UInt32 size;
    AudioObjectPropertyAddress a = {kAudioDevicePropertyStreams, input, 0};
    start();
    for (int on = 1; on >= 0; on--) {
        EQUAL(sim_voice_processing(device, on), 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(AudioObjectGetPropertyDataSize(device, &a, 0, NULL, &size), 0);
        EQUAL(size, 4 * on);
        CHECK(calls_within(SECOND) > 50, "no callbacks");
    }
    stop();
    world_is_clean();
}

/* ---- consent and voice activity ---- */

static void *decide_later(void *unused) {
    (void)unused;
    EQUAL(sim_wait_blocked(1, 5000), 1);
    EQUAL(sim_set_consent(SIM_GRANTED), 0);
    return NULL;
}

static void consent_to_the_microphone(void) {
    static const enum sim_consent states[] = {SIM_GRANTED, SIM_DENIED, SIM_UNDETERMINED};
    for (int i = 0; i < 3; i++) {
        begin(2, "BuiltInMicrophoneDevice");
        EQUAL(sim_set_consent(states[i]), 0);
        start();
        CHECK(calls > 3, "no callbacks");
        EQUAL(only_zeros, i != 0);
        EQUAL(sim_set_consent(SIM_GRANTED), 0);
        only_zeros = true;
        EQUAL(sim_advance_ns(100 * MS), 0);
        EQUAL(only_zeros, 0);
        stop();
        world_is_clean();
    }
    begin(2, "BuiltInMicrophoneDevice");
    sim_set("consent_start", 1);
    EQUAL(sim_set_consent(SIM_UNDETERMINED), 0);
    pthread_t user;
    EQUAL(pthread_create(&user, NULL, decide_later, NULL), 0);
    start(); /* returns when the user has decided */
    EQUAL(pthread_join(user, NULL), 0);
    EQUAL(only_zeros, 0);
    stop();
    world_is_clean();
}

static void voice_activity_and_mutes(void) {
    begin(2, "BuiltInMicrophoneDevice");
    AudioObjectPropertyAddress enable = {kAudioDevicePropertyVoiceActivityDetectionEnable, input,
                                         0};
    UInt32 on = 1, off = 0;
    listen(device, kAudioDevicePropertyVoiceActivityDetectionState, input, true);
    start();
    EQUAL(sim_speak(device, true), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyVoiceActivityDetectionState, input), 0);
    EQUAL(AudioObjectSetPropertyData(device, &enable, 0, NULL, 4, &on), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard, 1);
    EQUAL(get_u32(device, kAudioDevicePropertyVoiceActivityDetectionState, input), 1);
    EQUAL(set_data(kAudioObjectSystemObject, kAudioHardwarePropertyProcessInputMute, &on, 4), 0);
    only_zeros = true;
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(only_zeros, 1);
    EQUAL(get_u32(device, kAudioDevicePropertyVoiceActivityDetectionState, input), 1);
    EQUAL(set_data(kAudioObjectSystemObject, kAudioHardwarePropertyProcessInputMute, &off, 4), 0);
    EQUAL(set_data(device, kAudioDevicePropertyProcessMute, &on, 4), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(only_zeros, 1);
    EQUAL(sim_set_mute(device, input, 0, true), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyVoiceActivityDetectionState, input), 0);
    EQUAL(sim_set_mute(device, input, 0, false), 0);
    EQUAL(sim_speak(device, false), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyVoiceActivityDetectionState, input), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    listen(device, kAudioDevicePropertyVoiceActivityDetectionState, input, false);
    stop();
    world_is_clean();
}

/* ---- other processes ---- */

static UInt32 object_for(pid_t pid) {
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyTranslatePIDToProcessObject, global, 0};
    UInt32 id = 77, size = sizeof id;
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, sizeof pid, &pid, &size, &id),
          0);
    return id;
}

static void process_objects(void) {
    begin(3, "USBDuplex:1");
    AudioObjectID me = object_for(getpid()), list[4];
    EQUAL(object_for(4711), 0);
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyProcessObjectList, global, true);
    AudioObjectID other = sim_add_process(4711, "com.example.player");
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard, 1);
    listen(kAudioObjectSystemObject, kAudioHardwarePropertyProcessObjectList, global, false);
    EQUAL(object_for(4711), other);
    UInt32 size = sizeof list;
    EQUAL(get_data(kAudioObjectSystemObject, kAudioHardwarePropertyProcessObjectList, global, 0,
                   list, &size),
          0);
    EQUAL(size, 8);
    EQUAL(get_u32(me, kAudioProcessPropertyPID, global), getpid());
    EQUAL(get_u32(other, kAudioProcessPropertyIsRunning, global), 0);
    listen(other, kAudioProcessPropertyIsRunningInput, global, true);
    EQUAL(get_u32(device, kAudioDevicePropertyDeviceIsRunningSomewhere, global), 0);
    EQUAL(sim_process_io(4711, device, 0), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard, 1);
    listen(other, kAudioProcessPropertyIsRunningInput, global, false);
    EQUAL(get_u32(other, kAudioProcessPropertyIsRunningInput, global), 1);
    EQUAL(get_u32(other, kAudioProcessPropertyIsRunningOutput, global), 0);
    EQUAL(get_u32(other, kAudioProcessPropertyDevices, input), device);
    EQUAL(get_u32(device, kAudioDevicePropertyDeviceIsRunningSomewhere, global), 1);
    EQUAL(get_u32(device, kAudioDevicePropertyDeviceIsRunning, global), 0);
    start();
    EQUAL(get_u32(me, kAudioProcessPropertyIsRunningInput, global), 1);
    stop();
    EQUAL(get_u32(me, kAudioProcessPropertyIsRunning, global), 0);
    EQUAL(sim_hog(device, 4711), 0);
    EQUAL(sim_remove_process(4711), 0);
    EQUAL((SInt32)get_u32(device, kAudioDevicePropertyHogMode, global), -1);
    EQUAL(object_for(4711), 0);
    UInt32 value;
    size = sizeof value;
    EQUAL(get_data(other, kAudioProcessPropertyPID, global, 0, &value, &size),
          kAudioHardwareBadObjectError);
    world_is_clean();
}

static void what_other_processes_change(void) {
    begin(3, "USBDuplex:1");
    listen(device, kAudioDevicePropertyVolumeScalar, output, true);
    EQUAL(sim_set_volume(device, output, 0, 0.25f), 0);
    EQUAL(sim_set_volume(device, output, 9, 0.25f), -1);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(heard, 1);
    float volume = 0;
    UInt32 size = sizeof volume;
    EQUAL(get_data(device, kAudioDevicePropertyVolumeScalar, output, 0, &volume, &size), 0);
    EQUAL(volume * 100, 25);
    EQUAL(get_data(device, kAudioHardwareServiceDeviceProperty_VirtualMainVolume, output, 0,
                   &volume, &size),
          0);
    EQUAL(volume * 100, 25);
    listen(device, kAudioDevicePropertyVolumeScalar, output, false);
    world_is_clean();
}

/* ---- boxes and clock devices ---- */

static AudioObjectID translate(UInt32 selector, const char *text) {
    CFStringRef uid = CFStringCreateWithCString(NULL, text, kCFStringEncodingUTF8);
    AudioObjectPropertyAddress a = {selector, global, 0};
    AudioObjectID id = 77;
    UInt32 size = sizeof id;
    EQUAL(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, sizeof uid, &uid, &size, &id),
          0);
    CFRelease(uid);
    return id;
}

static void boxes_and_clock_devices(void) {
    world_with(0, 23);
    own_notification_thread();
    AudioObjectID box = translate(kAudioHardwarePropertyTranslateUIDToBox, "Box:1");
    AudioObjectID clock = translate(kAudioHardwarePropertyTranslateUIDToClockDevice, "Clock:1");
    EQUAL(translate(kAudioHardwarePropertyTranslateUIDToBox, "Clock:1"), 0);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyBoxList, global), box);
    EQUAL(get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyClockDeviceList, global), clock);
    listen(box, kAudioBoxPropertyAcquired, global, true);
    for (UInt32 on = 1; on < 2; on--) { /* on, off */
        EQUAL(set_data(box, kAudioBoxPropertyAcquired, &on, sizeof on), 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(heard, 2 - on);
        EQUAL(get_u32(box, kAudioBoxPropertyAcquired, global), on);
        EQUAL(sim_find_device("InBox") != 0, on);
        AudioObjectPropertyAddress a = {kAudioBoxPropertyDeviceList, global, 0};
        UInt32 size = 77;
        EQUAL(AudioObjectGetPropertyDataSize(box, &a, 0, NULL, &size), 0);
        EQUAL(size, 4 * on);
    }
    listen(box, kAudioBoxPropertyAcquired, global, false);
    AudioObjectID follows = sim_add_device("uid=Follows; in=1; clock_device=Clock:1");
    CFStringRef uid = NULL;
    UInt32 uid_size = sizeof uid;
    EQUAL(get_data(follows, kAudioDevicePropertyClockDevice, global, 0, &uid, &uid_size), 0);
    char text[16];
    EQUAL(CFStringGetCString(uid, text, sizeof text, kCFStringEncodingUTF8), true);
    CHECK(strcmp(text, "Clock:1") == 0, "the clock is %s", text);
    CFRelease(uid);
    AudioObjectPropertyAddress no_clock = {kAudioDevicePropertyClockDevice, global, 0};
    EQUAL(AudioObjectHasProperty(sim_add_device("uid=Free; in=1"), &no_clock), false);
    double rate = 96000, other = 12345;
    EQUAL(set_data(clock, kAudioClockDevicePropertyNominalSampleRate, &rate, sizeof rate), 0);
    EQUAL(set_data(clock, kAudioClockDevicePropertyNominalSampleRate, &other, sizeof other),
          kAudioHardwareIllegalOperationError);
    EQUAL(get_f64(clock, kAudioClockDevicePropertyNominalSampleRate, global), 96000);
    world_is_clean();
}

int main(void) {
    boxes_and_clock_devices();
    sleep_and_wake();
    starting_soon_after_the_wake_up();
    devices_that_come_back_as_others();
    sleep_that_the_client_forbids();
    a_headset_has_a_call();
    a_new_device_takes_the_default();
    a_device_flaps();
    voice_processing_adds_a_stream();
    consent_to_the_microphone();
    voice_activity_and_mutes();
    process_objects();
    what_other_processes_change();
    return check_result("system_events");
}
