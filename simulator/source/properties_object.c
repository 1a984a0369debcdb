/* properties_object.c: properties that every object, or every plug-in, has. */
#include "properties.h"

GET_U32(class, q->o->class_id)
GET_U32(base_class, q->o->base_class_id)
GET_U32(owner, q->o->owner ? q->o->owner->id : kAudioObjectUnknown)

/* Programs look for this one to make aggregates with it. */
const char plug_in_bundle[] = "com.apple.audio.CoreAudio";

static bool class_wanted(const request *q, const object *o) {
    const unsigned char *wanted = q->qualifier;
    for (UInt32 i = 0; wanted != NULL && i < q->qualifier_size / sizeof(AudioClassID); i++) {
        AudioClassID class_id;
        memcpy(&class_id, wanted + i * sizeof class_id, sizeof class_id);
        if (class_is_a(o->class_id, class_id)) {
            return true;
        }
    }
    return wanted == NULL || q->qualifier_size == 0;
}

GET(owned) {
    if (q->qualifier_size % sizeof(AudioClassID) != 0) {
        return kAudioHardwareBadPropertySizeError;
    }
    object *owned[1024];
    size_t n = objects_owned(q->o, owned, sizeof owned / sizeof owned[0]);
    for (size_t i = 0; i < n; i++) {
        const object *o = owned[i];
        bool hidden = o->kind == DEVICE && o->device->hidden;
        bool side = q->direction < 0 || o->kind != STREAM ||
                    (int)((const stream *)(const void *)o)->direction == q->direction;
        if (!hidden && side && class_wanted(q, o)) {
            put_u32(r, o->id);
        }
    }
    return 0;
}

static bool is_device(const request *q) {
    return (q->o->kind & (DEVICE | SUB_DEVICE | END_POINT)) != 0 && q->d != NULL;
}
static bool has_name(const request *q) {
    return q->o->kind == SYSTEM || q->o->kind == PLUGIN || q->o->kind == CLOCK ||
           q->o->kind == TAP || q->o->kind == TRANSPORT || (is_device(q) && q->d->name != NULL);
}
GET(name) {
    put_text(q, r,
             q->o->kind == SYSTEM      ? "System"
             : q->o->kind == PLUGIN    ? "Simulated HAL"
             : q->o->kind == CLOCK     ? box_name(q->o)
             : q->o->kind == TAP       ? tap_name(q->o)
             : q->o->kind == TRANSPORT ? "Simulated Transport"
                                       : q->d->name);
    return 0;
}

/* The texts of a device that only some devices have. */
static const char *text_of(const request *q) {
    if (!is_device(q)) {
        return NULL;
    }
    switch (q->selector) {
    case kAudioObjectPropertyManufacturer:
    case kAudioDevicePropertyDeviceManufacturer:
        return q->d->maker;
    case kAudioObjectPropertyModelName:
        return q->d->model_name;
    case kAudioObjectPropertySerialNumber:
        return q->d->serial_number;
    case kAudioObjectPropertyFirmwareVersion:
        return q->d->firmware;
    default:
        return plug_in_bundle; /* Creator */
    }
}
static bool has_text(const request *q) { return text_of(q) != NULL; }
GET(text) {
    put_text(q, r, text_of(q));
    return 0;
}

static bool can_identify(const request *q) { return q->o->kind == DEVICE && q->d->identifies; }
GET_U32(identify, q->d->identifying)
static OSStatus set_identify(const request *q, const void *data, UInt32 size) {
    (void)size;
    memcpy(&q->d->identifying, data, sizeof q->d->identifying);
    notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    return 0;
}

/* ---- the names of channels ---- */

static bool has_channel(const request *q) {
    return q->o->kind == DEVICE && q->d->names_channels && q->direction >= 0 && q->element >= 1 &&
           q->element <= device_channels(q->d, q->direction);
}
GET(channel_text) {
    char text[32];
    const char *side = q->direction == INPUT ? "Input" : "Output";
    switch (q->selector) {
    case kAudioObjectPropertyElementCategoryName:
    case kAudioDevicePropertyChannelCategoryName:
        snprintf(text, sizeof text, "%s", side);
        break;
    case kAudioObjectPropertyElementNumberName:
    case kAudioDevicePropertyChannelNumberName:
        snprintf(text, sizeof text, "%u", q->element);
        break;
    default:
        snprintf(text, sizeof text, "%s %u", side, q->element);
    }
    put_text(q, r, text);
    return 0;
}

/* ---- plug-ins ---- */

static bool is_hardware(const request *q) { return q->o->kind != TRANSPORT; }
GET_STRING(bundle, is_hardware(q) ? plug_in_bundle : transport_manager_bundle(q->o))
GET(devices) {
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        if (is_hardware(q) ? d->end_points == NULL : d->o.owner == q->o) {
            put_u32(r, d->o.id);
        }
    }
    return 0;
}
GET(plug_in_boxes) { return is_hardware(q) ? get_boxes(q, r) : 0; }
GET(plug_in_clocks) { return is_hardware(q) ? get_clock_devices(q, r) : 0; }

/* ---- listeners, as the HAL itself sees them ---- */

static bool shows_internal(const request *q) {
    (void)q;
    return SWITCH(internal_selectors) == 1;
}
GET(listened) {
    bool removed = q->selector == kAudioObjectPropertyListenerRemoved;
    put(r, &q->o->listened[removed], sizeof q->o->listened[removed]);
    return 0;
}

#define ROW(name, get, set, has)                                                                   \
    {kAudioObjectClassID, kAudioObjectProperty##name, get, set, has, NULL}
/* Selectors of AudioHardwareDeprecated.h for the same texts. */
#define OLD_TEXT(name, get, has)                                                                   \
    {kAudioDeviceClassID, kAudioDeviceProperty##name, get, NULL, has, NULL}
#define PLUG_IN(name, get) {kAudioPlugInClassID, kAudioPlugInProperty##name, get, NULL, NULL, NULL}
const behaviour object_behaviours[] = {
    ROW(Class, get_class, NULL, NULL),
    ROW(BaseClass, get_base_class, NULL, NULL),
    ROW(Owner, get_owner, NULL, NULL),
    ROW(OwnedObjects, get_owned, NULL, NULL),
    ROW(Name, get_name, NULL, has_name),
    ROW(Manufacturer, get_text, NULL, has_text),
    ROW(ModelName, get_text, NULL, has_text),
    ROW(SerialNumber, get_text, NULL, has_text),
    ROW(FirmwareVersion, get_text, NULL, has_text),
    ROW(Creator, get_text, NULL, has_text),
    ROW(Identify, get_identify, set_identify, can_identify),
    ROW(ListenerAdded, get_listened, NULL, shows_internal),
    ROW(ListenerRemoved, get_listened, NULL, shows_internal),
    ROW(ElementName, get_channel_text, NULL, has_channel),
    ROW(ElementCategoryName, get_channel_text, NULL, has_channel),
    ROW(ElementNumberName, get_channel_text, NULL, has_channel),
    OLD_TEXT(DeviceName, get_name, has_name),
    OLD_TEXT(DeviceManufacturer, get_text, has_text),
    OLD_TEXT(ChannelName, get_channel_text, has_channel),
    OLD_TEXT(ChannelCategoryName, get_channel_text, has_channel),
    OLD_TEXT(ChannelNumberName, get_channel_text, has_channel),
    PLUG_IN(BundleID, get_bundle),
    PLUG_IN(DeviceList, get_devices),
    PLUG_IN(BoxList, get_plug_in_boxes),
    PLUG_IN(ClockDeviceList, get_plug_in_clocks),
    {0, 0, NULL, NULL, NULL, NULL},
};
