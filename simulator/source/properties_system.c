/* properties_system.c: properties of the system object. The table is at the end of this file. */
#include "aggregate.h"

static OSStatus get_devices(const request *q, reply *r) {
    (void)q;
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        bool published = d->aggregate == NULL || d->aggregate->published;
        if (d->o.alive && published && !d->hidden) {
            put_u32(r, d->o.id);
        }
    }
    return 0;
}

static int default_index(UInt32 selector) {
    return selector == kAudioHardwarePropertyDefaultOutputDevice  ? 0
           : selector == kAudioHardwarePropertyDefaultInputDevice ? 1
                                                                  : 2;
}
static OSStatus get_default(const request *q, reply *r) {
    put_u32(r, world.default_device[default_index(q->selector)]);
    return 0;
}
static OSStatus set_default(const request *q, const void *data, UInt32 size) {
    AudioObjectID id;
    (void)size;
    memcpy(&id, data, sizeof id);
    device *d = device_find(id);
    int i = default_index(q->selector);
    if (d == NULL || !d->can_be_default[i == 1 ? INPUT : OUTPUT]) {
        return kAudioHardwareIllegalOperationError;
    }
    if (world.default_device[i] != id) {
        world.default_device[i] = id;
        notify_one_locked(kAudioObjectSystemObject, q->selector, kAudioObjectPropertyScopeGlobal);
    }
    return 0;
}

static AudioObjectID by_uid(CFStringRef string) {
    AudioObjectID id = kAudioObjectUnknown;
    char *uid = cf_copy_utf8(string);
    for (size_t i = 0; uid != NULL && i < world.device_count; i++) {
        if (strcmp(world.devices[i]->uid, uid) == 0) {
            id = world.devices[i]->o.id;
        }
    }
    free(uid);
    return id;
}

static OSStatus get_device_for_qualifier(const request *q, reply *r) {
    CFStringRef string;
    if (r->size_only) {
        put_u32(r, 0);
        return 0;
    }
    OSStatus error = qualifier_string(q, &string);
    put_u32(r, error == 0 ? by_uid(string) : kAudioObjectUnknown);
    return error;
}

static OSStatus get_plug_in_for_qualifier(const request *q, reply *r) {
    CFStringRef string = NULL;
    OSStatus error = r->size_only ? 0 : qualifier_string(q, &string);
    char *bundle = string ? cf_copy_utf8(string) : NULL;
    bool ours = bundle != NULL && strcmp(bundle, "org.voicecoil.simulated") == 0;
    put_u32(r, ours ? world.plug_in.id : kAudioObjectUnknown);
    free(bundle);
    return error;
}

static OSStatus get_device_for_uid(const request *q, reply *r) {
    AudioValueTranslation t = {0};
    if (!r->size_only && q->in_out != NULL) {
        memcpy(&t, q->in_out, sizeof t);
        if (t.mInputData == NULL || t.mOutputData == NULL) {
            return kAudioHardwareIllegalOperationError;
        }
        if (t.mInputDataSize < sizeof(CFStringRef) || t.mOutputDataSize < sizeof(AudioObjectID)) {
            return kAudioHardwareBadPropertySizeError;
        }
        CFStringRef string;
        memcpy(&string, t.mInputData, sizeof string);
        AudioObjectID id = by_uid(string);
        memcpy(t.mOutputData, &id, sizeof id);
    }
    put(r, &t, sizeof t);
    return 0;
}

static OSStatus get_run_loop(const request *q, reply *r) {
    (void)q;
    void *run_loop = world.run_loop;
    if (run_loop != NULL && !r->size_only) {
        CFRetain(run_loop);
    }
    put(r, &run_loop, sizeof run_loop);
    return 0;
}
static OSStatus set_run_loop(const request *q, const void *data, UInt32 size) {
    (void)q, (void)size;
    void *run_loop;
    memcpy(&run_loop, data, sizeof run_loop);
    if (run_loop != NULL && !run_loop_is_known_locked(run_loop)) {
        return kAudioHardwareIllegalOperationError;
    }
    world.run_loop = run_loop;
    return 0;
}

static OSStatus get_plug_ins(const request *q, reply *r) {
    (void)q;
    put_u32(r, world.plug_in.id);
    return 0;
}

/* Translates a UID to an object of a kind of which there is none. */
static OSStatus get_no_object(const request *q, reply *r) {
    CFStringRef string;
    OSStatus error = r->size_only ? 0 : qualifier_string(q, &string);
    put_u32(r, kAudioObjectUnknown);
    return error;
}

static OSStatus get_plug_in_for_bundle(const request *q, reply *r) {
    AudioValueTranslation t = {0};
    if (!r->size_only) {
        memcpy(&t, q->in_out, sizeof t);
        if (t.mInputData == NULL || t.mOutputData == NULL) {
            return kAudioHardwareIllegalOperationError;
        }
        if (t.mInputDataSize < sizeof(CFStringRef) || t.mOutputDataSize < sizeof(AudioObjectID)) {
            return kAudioHardwareBadPropertySizeError;
        }
        CFStringRef string;
        memcpy(&string, t.mInputData, sizeof string);
        char *bundle = cf_copy_utf8(string);
        bool ours = bundle != NULL && strcmp(bundle, "org.voicecoil.simulated") == 0;
        AudioObjectID id = ours ? world.plug_in.id : kAudioObjectUnknown;
        free(bundle);
        memcpy(t.mOutputData, &id, sizeof id);
    }
    put(r, &t, sizeof t);
    return 0;
}

/* A set of any value discards what is cached for the user. The simulator caches nothing. */
static OSStatus set_user_changed(const request *q, const void *data, UInt32 size) {
    (void)q, (void)data, (void)size;
    return 0;
}

static UInt32 *setting(UInt32 selector) {
    switch (selector) {
    case kAudioHardwarePropertySleepingIsAllowed:
        return &world.sleeping_allowed;
    case kAudioHardwarePropertyHogModeIsAllowed:
        return &world.hog_allowed;
    case kAudioHardwarePropertyUnloadingIsAllowed:
        return &world.unloading_allowed;
    case kAudioHardwarePropertyPowerHint:
        return &world.power_hint;
    case kAudioHardwarePropertyProcessIsAudible:
        return &world.is_audible;
    case kAudioHardwarePropertyProcessInputMute:
        return &world.input_mute;
    default:
        return &world.mono;
    }
}
static OSStatus get_setting(const request *q, reply *r) {
    put_u32(r, *setting(q->selector));
    return 0;
}
static OSStatus set_setting(const request *q, const void *data, UInt32 size) {
    (void)size;
    memcpy(setting(q->selector), data, sizeof(UInt32));
    notify_one_locked(kAudioObjectSystemObject, q->selector, kAudioObjectPropertyScopeGlobal);
    return 0;
}

#define ROW(name, get, set)                                                                        \
    {kAudioSystemObjectClassID, kAudioHardwareProperty##name, get, set, NULL, NULL}
const behaviour system_behaviours[] = {
    ROW(Devices, get_devices, NULL),
    ROW(DefaultOutputDevice, get_default, set_default),
    ROW(DefaultInputDevice, get_default, set_default),
    ROW(DefaultSystemOutputDevice, get_default, set_default),
    ROW(TranslateUIDToDevice, get_device_for_qualifier, NULL),
    ROW(DeviceForUID, get_device_for_uid, NULL),
    ROW(RunLoop, get_run_loop, set_run_loop),
    ROW(PlugInList, get_plug_ins, NULL),
    ROW(TranslateBundleIDToPlugIn, get_plug_in_for_qualifier, NULL),
    ROW(PlugInForBundleID, get_plug_in_for_bundle, NULL),
    ROW(TransportManagerList, get_nothing, NULL),
    ROW(TranslateBundleIDToTransportManager, get_no_object, NULL),
    ROW(BoxList, get_boxes, NULL),
    ROW(TranslateUIDToBox, get_box_for_uid, NULL),
    ROW(ClockDeviceList, get_clock_devices, NULL),
    ROW(TranslateUIDToClockDevice, get_clock_device_for_uid, NULL),
    ROW(ProcessIsMain, get_one, NULL),
    ROW(ProcessIsMaster, get_one, NULL),
    ROW(IsInitingOrExiting, get_zero, NULL),
    ROW(UserIDChanged, get_zero, set_user_changed),
    ROW(UserSessionIsActiveOrHeadless, get_one, NULL),
    ROW(ServiceRestarted, get_zero, NULL),
    ROW(SleepingIsAllowed, get_setting, set_setting),
    ROW(HogModeIsAllowed, get_setting, set_setting),
    ROW(UnloadingIsAllowed, get_setting, set_setting),
    ROW(PowerHint, get_setting, set_setting),
    ROW(ProcessIsAudible, get_setting, set_setting),
    ROW(ProcessInputMute, get_setting, set_setting),
    ROW(MixStereoToMono, get_setting, set_setting),
    {kAudioPlugInClassID, kAudioPlugInPropertyTranslateUIDToDevice, get_device_for_qualifier, NULL,
     NULL, NULL},
    {kAudioPlugInClassID, kAudioPlugInPropertyTranslateUIDToBox, get_box_for_uid, NULL, NULL, NULL},
    {kAudioPlugInClassID, kAudioPlugInPropertyTranslateUIDToClockDevice, get_clock_device_for_uid,
     NULL, NULL, NULL},
    {0, 0, NULL, NULL, NULL, NULL},
};
