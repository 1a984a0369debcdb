/* test_end_points.c: transport managers, their end points, and devices made of them; the selectors
 * of the HAL's own, and the list of buffers that a client registers. */
#include "check.h"

#include <unistd.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal;
static CFStringRef text(const char *utf8) {
    return CFStringCreateWithCString(NULL, utf8, kCFStringEncodingUTF8);
}
static void add(CFMutableDictionaryRef d, const char *key, CFTypeRef value) { /* takes the value */
    CFStringRef string = text(key);
    CFDictionarySetValue(d, string, value);
    CFRelease(string);
    CFRelease(value);
}
static CFMutableDictionaryRef dictionary(void) {
    return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
}
static CFDictionaryRef description(const char *uid, const char *const *parts, bool is_private) {
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (; *parts != NULL; parts++) {
        CFMutableDictionaryRef one = dictionary();
        add(one, kAudioEndPointUIDKey, text(*parts));
        CFArrayAppendValue(list, one);
        CFRelease(one);
    }
    CFMutableDictionaryRef whole = dictionary();
    add(whole, kAudioEndPointDeviceUIDKey, text(uid));
    add(whole, kAudioEndPointDeviceNameKey, text("Two rooms"));
    add(whole, kAudioEndPointDeviceIsPrivateKey,
        CFRetain(is_private ? kCFBooleanTrue : kCFBooleanFalse));
    add(whole, kAudioEndPointDeviceEndPointListKey, list);
    return whole;
}

static AudioObjectID manager(void) {
    return get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyTransportManagerList, global);
}
static OSStatus create(const char *uid, const char *const *parts, bool is_private,
                       AudioObjectID *made) {
    AudioObjectPropertyAddress a = {kAudioTransportManagerCreateEndPointDevice, global, 0};
    CFDictionaryRef d = description(uid, parts, is_private);
    UInt32 size = sizeof *made;
    OSStatus error = AudioObjectGetPropertyData(manager(), &a, sizeof d, &d, &size, made);
    CFRelease(d);
    return error;
}
static OSStatus destroy(AudioObjectID device) {
    UInt32 size = sizeof device;
    return get_data(manager(), kAudioTransportManagerDestroyEndPointDevice, global, 0, &device,
                    &size);
}
static AudioObjectID find(AudioObjectID object, UInt32 selector, const char *uid) {
    AudioObjectPropertyAddress a = {selector, global, 0};
    CFStringRef string = text(uid);
    AudioObjectID found = 99;
    UInt32 size = sizeof found;
    EQUAL(AudioObjectGetPropertyData(object, &a, sizeof string, &string, &size, &found), 0);
    CFRelease(string);
    return found;
}
static UInt32 list(AudioObjectID object, UInt32 selector, AudioObjectID ids[8]) {
    UInt32 size = 8 * sizeof ids[0];
    EQUAL(get_data(object, selector, global, 0, ids, &size), 0);
    return size / (UInt32)sizeof ids[0];
}

static const char *const rooms[] = {"EndPoint:kitchen", "EndPoint:garden", NULL};

static void a_world_has_no_transport_manager_of_itself(void) {
    AudioObjectID ids[8];
    world_with(0, 3);
    EQUAL(list(kAudioObjectSystemObject, kAudioHardwarePropertyTransportManagerList, ids), 0);
    EQUAL(find(kAudioObjectSystemObject, kAudioHardwarePropertyTranslateBundleIDToTransportManager,
               "org.voicecoil.simulated.transport"),
          0);
    world_is_clean();
}

static void a_transport_manager_has_end_points(void) {
    AudioObjectID ids[8];
    world_with(0, 24);
    EQUAL(list(kAudioObjectSystemObject, kAudioHardwarePropertyTransportManagerList, ids), 1);
    EQUAL(find(kAudioObjectSystemObject, kAudioHardwarePropertyTranslateBundleIDToTransportManager,
               "org.voicecoil.simulated.transport"),
          ids[0]);
    EQUAL(get_u32(manager(), kAudioObjectPropertyClass, global), kAudioTransportManagerClassID);
    EQUAL(get_u32(manager(), kAudioObjectPropertyBaseClass, global), kAudioPlugInClassID);
    EQUAL(get_u32(manager(), kAudioTransportManagerPropertyTransportType, global),
          kAudioDeviceTransportTypeAirPlay);
    EQUAL(list(manager(), kAudioPlugInPropertyDeviceList, ids), 0);
    EQUAL(list(manager(), kAudioPlugInPropertyBoxList, ids), 0);
    AudioObjectPropertyAddress aggregates = {kAudioPlugInCreateAggregateDevice, global, 0};
    EQUAL(AudioObjectHasProperty(manager(), &aggregates), false);

    EQUAL(list(manager(), kAudioTransportManagerPropertyEndPointList, ids), 3);
    EQUAL(find(manager(), kAudioTransportManagerPropertyTranslateUIDToEndPoint, "EndPoint:garden"),
          ids[1]);
    EQUAL(find(manager(), kAudioTransportManagerPropertyTranslateUIDToEndPoint, "no such"), 0);
    EQUAL(get_u32(ids[1], kAudioObjectPropertyClass, global), kAudioEndPointClassID);
    EQUAL(get_u32(ids[1], kAudioObjectPropertyOwner, global), manager());
    EQUAL(get_u32(ids[1], kAudioDevicePropertyTransportType, global),
          kAudioDeviceTransportTypeAirPlay);
    /* An end point has no IO of its own, and is in no list of devices. */
    AudioObjectPropertyAddress rate = {kAudioDevicePropertyNominalSampleRate, global, 0};
    EQUAL(AudioObjectHasProperty(ids[1], &rate), false);
    EQUAL(AudioDeviceStart(ids[1], NULL), kAudioHardwareBadObjectError);
    AudioObjectID devices[8];
    EQUAL(list(kAudioObjectSystemObject, kAudioHardwarePropertyDevices, devices), 0);
    EQUAL(find(kAudioObjectSystemObject, kAudioHardwarePropertyTranslateUIDToDevice,
               "EndPoint:garden"),
          0);
    world_is_clean();
}

static UInt32 cycles, buffers;
static OSStatus play(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                     const AudioTimeStamp *in_time, AudioBufferList *out,
                     const AudioTimeStamp *out_time, void *client) {
    (void)device, (void)now, (void)in, (void)in_time, (void)out_time, (void)client;
    cycles++;
    buffers = out->mNumberBuffers;
    for (UInt32 b = 0; b < buffers; b++) {
        float *samples = out->mBuffers[b].mData;
        samples[0] = 0.25f * (float)(b + 1);
    }
    return 0;
}

static void a_device_of_end_points_plays(void) {
    AudioObjectID made = 0, ids[8], same[8];
    AudioDeviceIOProcID proc;
    float sample = 0;
    world_with(0, 24);
    EQUAL(create("Rooms", rooms, false, &made), 0);
    EQUAL(sim_counter("live_end_point_devices"), 1);
    EQUAL(get_u32(made, kAudioObjectPropertyClass, global), kAudioEndPointDeviceClassID);
    EQUAL(get_u32(made, kAudioObjectPropertyOwner, global), manager());
    EQUAL(get_u32(made, kAudioEndPointDevicePropertyIsPrivate, global), 0);
    EQUAL(list(manager(), kAudioPlugInPropertyDeviceList, ids), 1);
    EQUAL(ids[0], made);
    EQUAL(list(kAudioObjectSystemObject, kAudioHardwarePropertyDevices, ids), 1);
    EQUAL(find(kAudioObjectSystemObject, kAudioHardwarePropertyTranslateUIDToDevice, "Rooms"),
          made);
    EQUAL(find(manager(), kAudioPlugInPropertyTranslateUIDToDevice, "Rooms"), made);
    EQUAL(list(made, kAudioEndPointDevicePropertyEndPointList, ids), 2);
    EQUAL(list(manager(), kAudioTransportManagerPropertyEndPointList, same), 3);
    EQUAL(ids[0] == same[0] && ids[1] == same[1], true);

    EQUAL(AudioDeviceCreateIOProcID(made, play, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(made, proc), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(AudioDeviceStop(made, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(made, proc), 0);
    CHECK(cycles > 10 && buffers == 2, "%u cycles, %u buffers", cycles, buffers);
    EQUAL(sim_capture_read(made, 0, 1, 0, 0, 1, &sample, NULL), 1);
    CHECK(sample == 0.5f, "%g", (double)sample);

    EQUAL(destroy(made), 0);
    EQUAL(destroy(made), kAudioHardwareBadObjectError);
    EQUAL(list(manager(), kAudioPlugInPropertyDeviceList, ids), 0);
    world_is_clean();
}

static void the_composition_describes_the_device(void) {
    AudioObjectID made = 0;
    CFDictionaryRef whole = NULL;
    UInt32 size = sizeof whole;
    SInt32 channels = 0;
    static const char *const door[] = {"EndPoint:door", NULL};
    world_with(0, 24);
    EQUAL(create("Door", door, true, &made), 0);
    EQUAL(get_u32(made, kAudioEndPointDevicePropertyIsPrivate, global), getpid());
    EQUAL(get_data(made, kAudioEndPointDevicePropertyComposition, global, 0, &whole, &size), 0);
    CFStringRef endpoints = text(kAudioEndPointDeviceEndPointListKey);
    CFStringRef in = text(kAudioEndPointInputChannelsKey), uid = text("EndPoint:door");
    CFStringRef main = text(kAudioEndPointDeviceMainEndPointKey);
    CFArrayRef parts = CFDictionaryGetValue(whole, endpoints);
    EQUAL(CFArrayGetCount(parts), 1);
    CFNumberRef number = CFDictionaryGetValue(CFArrayGetValueAtIndex(parts, 0), in);
    EQUAL(CFNumberGetValue(number, kCFNumberSInt32Type, &channels), true);
    EQUAL(channels, 1);
    EQUAL(CFEqual(CFDictionaryGetValue(whole, main), uid), true);
    CFRelease(endpoints);
    CFRelease(in);
    CFRelease(uid);
    CFRelease(main);
    CFRelease(whole);
    EQUAL(destroy(made), 0);
    world_is_clean();
}

static void what_a_transport_manager_refuses(void) {
    static const char *const none[] = {NULL}, *const unknown[] = {"no such", NULL};
    AudioObjectID made = 0, other = 0;
    world_with(0, 24);
    EQUAL(sim_load_fixture(3), 0);
    EQUAL(create("Rooms", none, false, &made), kAudioHardwareIllegalOperationError);
    EQUAL(create("Rooms", unknown, false, &made), kAudioHardwareIllegalOperationError);
    EQUAL(create("USBDuplex:1", rooms, false, &made), kAudioHardwareIllegalOperationError);
    EQUAL(destroy(sim_find_device("USBDuplex:1")), kAudioHardwareIllegalOperationError);
    EQUAL(find(manager(), kAudioPlugInPropertyTranslateUIDToDevice, "USBDuplex:1"), 0);
    EQUAL(create("Rooms", rooms, false, &made), 0);
    EQUAL(create("Rooms", rooms, false, &other), kAudioHardwareIllegalOperationError);
    CHECK(sim_counter("live_end_point_devices") == 1, "one device");
    EQUAL(destroy(made), 0);
    world_is_clean();
}

static void end_points_come_and_go(void) {
    AudioObjectID made = 0, ids[8];
    world_with(0, 24);
    EQUAL(create("Rooms", rooms, false, &made), 0);
    EQUAL(list(made, kAudioEndPointDevicePropertyEndPointList, ids), 2);
    EQUAL(sim_remove_end_point(ids[0]), 0);
    EQUAL(sim_remove_end_point(ids[0]), -1);
    EQUAL(list(made, kAudioEndPointDevicePropertyEndPointList, ids), 1);
    EQUAL(list(manager(), kAudioTransportManagerPropertyEndPointList, ids), 2);
    EQUAL(sim_remove_end_point(ids[0]), 0); /* the last one of the device */
    EQUAL(destroy(made), kAudioHardwareBadObjectError);
    EQUAL(sim_counter("live_end_point_devices"), 0);
    EQUAL(sim_add_end_point(manager(), "EndPoint:kitchen", NULL, 0, 2) != 0, true);
    EQUAL(list(manager(), kAudioTransportManagerPropertyEndPointList, ids), 2);
    /* A restart of coreaudiod ends the devices of clients. */
    static const char *const kitchen[] = {"EndPoint:kitchen", NULL};
    EQUAL(create("Rooms", kitchen, false, &made), 0);
    sim_restart_service();
    EQUAL(list(kAudioObjectSystemObject, kAudioHardwarePropertyDevices, ids), 0);
    EQUAL(sim_counter("live_end_point_devices"), 0);
    world_is_clean();
}

static OSStatus listen(AudioObjectID object, UInt32 count, const AudioObjectPropertyAddress *a,
                       void *client) {
    (void)object, (void)count, (void)a, (void)client;
    return 0;
}

static void selectors_of_the_hal_itself(void) {
    world_with(0, 3);
    AudioObjectID device = sim_find_device("USBDuplex:1");
    AudioObjectPropertyAddress rate = {kAudioDevicePropertyNominalSampleRate, global, 0};
    AudioObjectPropertyAddress added = {kAudioObjectPropertyListenerAdded, global, 0}, got;
    AudioObjectPropertyAddress buffers_of = {kAudioDevicePropertyRegisterBufferList,
                                             kAudioObjectPropertyScopeInput, 0};
    EQUAL(AudioObjectHasProperty(device, &added), false);
    EQUAL(AudioObjectHasProperty(device, &buffers_of), false);
    EQUAL(sim_set("internal_selectors", 1), 0);
    EQUAL(AudioObjectAddPropertyListener(device, &rate, listen, NULL), 0);
    UInt32 size = sizeof got;
    EQUAL(get_data(device, kAudioObjectPropertyListenerAdded, global, 0, &got, &size), 0);
    EQUAL(memcmp(&got, &rate, sizeof got), 0);
    EQUAL(get_data(device, kAudioObjectPropertyListenerRemoved, global, 0, &got, &size), 0);
    EQUAL(got.mSelector, 0);
    EQUAL(AudioObjectRemovePropertyListener(device, &rate, listen, NULL), 0);
    EQUAL(get_data(device, kAudioObjectPropertyListenerRemoved, global, 0, &got, &size), 0);
    EQUAL(memcmp(&got, &rate, sizeof got), 0);
    Boolean settable = true;
    EQUAL(AudioObjectIsPropertySettable(device, &added, &settable), 0);
    EQUAL(settable, false);

    float memory[1024];
    AudioBufferList registered = {1, {{2, sizeof memory, memory}}}, answer;
    size = sizeof answer; /* before, the topology of the streams */
    EQUAL(AudioObjectGetPropertyData(device, &buffers_of, 0, NULL, &size, &answer), 0);
    EQUAL(answer.mNumberBuffers == 1 && answer.mBuffers[0].mNumberChannels == 2, true);
    EQUAL(answer.mBuffers[0].mData == NULL, true);
    EQUAL(AudioObjectSetPropertyData(device, &buffers_of, 0, NULL, sizeof registered, &registered),
          0);
    size = sizeof answer;
    EQUAL(AudioObjectGetPropertyData(device, &buffers_of, 0, NULL, &size, &answer), 0);
    EQUAL(answer.mBuffers[0].mData == memory, true);
    registered.mBuffers[0].mNumberChannels = 3;
    EQUAL(AudioObjectSetPropertyData(device, &buffers_of, 0, NULL, sizeof registered, &registered),
          kAudioHardwareIllegalOperationError);
    world_is_clean();
}

int main(void) {
    a_world_has_no_transport_manager_of_itself();
    a_transport_manager_has_end_points();
    a_device_of_end_points_plays();
    the_composition_describes_the_device();
    what_a_transport_manager_refuses();
    end_points_come_and_go();
    selectors_of_the_hal_itself();
    return check_result("end points");
}
