/* properties_system.c: properties of the system object. The table is at the end of this file. */
#include "aggregate.h"

GET(devices) {
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

GET_U32(default, world.default_device[default_index(q->selector)])
SET(default) {
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
        taps_update_locked();
    }
    return 0;
}

/* ---- translations of UIDs and bundle IDs to objects ---- */

static AudioObjectID find_plug_in(const char *bundle) {
    return strcmp(bundle, plug_in_bundle) == 0 ? world.plug_in.id : kAudioObjectUnknown;
}
GET(device_for_qualifier) {
    OSStatus error = put_object_for_qualifier(q, r, device_id_with_uid_locked);
    if (q->o->kind == TRANSPORT) {
        put_only_owned(q, r);
    }
    return error;
}
GET(plug_in_for_qualifier) { return put_object_for_qualifier(q, r, find_plug_in); }
GET(device_for_uid) { return put_object_translation(q, r, device_id_with_uid_locked); }
GET(plug_in_for_bundle) { return put_object_translation(q, r, find_plug_in); }

/* ---- run loop, plug-ins and settings ---- */

GET(run_loop) {
    (void)q;
    void *run_loop = world.run_loop;
    if (run_loop != NULL && !r->size_only) {
        CFRetain(run_loop);
    }
    put(r, &run_loop, sizeof run_loop);
    return 0;
}
SET(run_loop) {
    (void)q, (void)size;
    void *run_loop;
    memcpy(&run_loop, data, sizeof run_loop);
    if (run_loop != NULL && !run_loop_is_known_locked(run_loop)) {
        return kAudioHardwareIllegalOperationError;
    }
    world.run_loop = run_loop;
    return 0;
}

GET_U32(plug_ins, world.plug_in.id)

/* A set of any value discards what is cached for the user. The simulator caches nothing. */
SET(user_changed) {
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
GET_U32(setting, *setting(q->selector))
SET(setting) {
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
    ROW(TransportManagerList, get_transport_managers, NULL),
    ROW(TranslateBundleIDToTransportManager, get_transport_manager_for_bundle, NULL),
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
