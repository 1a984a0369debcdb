/* boxes.c: boxes, which bring a device when they are acquired, and clock devices. */
#include "properties.h"

typedef struct box {
    object o;
    struct box *next;
    char *uid, *name, *description; /* of its device; NULL: a clock device */
    UInt32 acquired;
    AudioObjectID device; /* 0: not acquired */
    double rate;          /* of a clock device */
} box;
static box *boxes;
static const double clock_rates[] = {44100, 48000, 96000};

static box *add(const char *uid, const char *name, const char *description) {
    bool is_box = description != NULL;
    box *b = calloc(1, sizeof *b), **at = &boxes;
    b->uid = text_copy(uid);
    b->name = text_copy(name);
    b->description = is_box ? text_copy(description) : NULL;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = b;
    object_add(&b->o, is_box ? BOX : CLOCK, is_box ? kAudioBoxClassID : kAudioClockDeviceClassID,
               kAudioObjectClassID, &world.system, NULL);
    notify_one_locked(kAudioObjectSystemObject,
                      is_box ? kAudioHardwarePropertyBoxList
                             : kAudioHardwarePropertyClockDeviceList,
                      kAudioObjectPropertyScopeGlobal);
    return b;
}

EXPORT uint32_t sim_add_box(const char *uid, const char *name, const char *device_description) {
    if (uid == NULL || name == NULL || device_description == NULL) {
        return 0;
    }
    pthread_mutex_lock(&world.lock);
    uint32_t id = add(uid, name, device_description)->o.id;
    pthread_mutex_unlock(&world.lock);
    return id;
}

EXPORT uint32_t sim_add_clock_device(const char *uid, const char *name, double rate_hz) {
    if (uid == NULL || name == NULL) {
        return 0;
    }
    pthread_mutex_lock(&world.lock);
    box *b = add(uid, name, NULL);
    b->rate = rate_hz;
    uint32_t id = b->o.id;
    pthread_mutex_unlock(&world.lock);
    return id;
}

void boxes_reset_locked(void) {
    while (boxes != NULL) {
        box *b = boxes;
        boxes = b->next;
        free(b->uid);
        free(b->name);
        free(b->description);
        free(b);
    }
}

static box *of(const request *q) { return (box *)(void *)q->o; }
const char *box_name(const object *o) { return ((const box *)(const void *)o)->name; }

/* ---- lists and translations ---- */

static OSStatus list(reply *r, enum object_kind kind) {
    for (const box *b = boxes; b != NULL; b = b->next) {
        if (b->o.kind == kind) {
            put_u32(r, b->o.id);
        }
    }
    return 0;
}
OSStatus get_boxes(const request *q, reply *r) {
    (void)q;
    return list(r, BOX);
}
OSStatus get_clock_devices(const request *q, reply *r) {
    (void)q;
    return list(r, CLOCK);
}
static AudioObjectID with_uid(const char *uid, enum object_kind kind) {
    AudioObjectID id = kAudioObjectUnknown;
    for (const box *b = boxes; b != NULL; b = b->next) {
        if (b->o.kind == kind && strcmp(b->uid, uid) == 0) {
            id = b->o.id;
        }
    }
    return id;
}
static AudioObjectID find_box(const char *uid) { return with_uid(uid, BOX); }
static AudioObjectID find_clock(const char *uid) { return with_uid(uid, CLOCK); }
OSStatus get_box_for_uid(const request *q, reply *r) {
    return put_object_for_qualifier(q, r, find_box);
}
OSStatus get_clock_device_for_uid(const request *q, reply *r) {
    return put_object_for_qualifier(q, r, find_clock);
}

/* ---- a box ---- */

GET_STRING(uid, of(q)->uid)
GET_STRING(name, of(q)->name)
SET(name) {
    CFStringRef string;
    (void)size;
    memcpy(&string, data, sizeof string);
    char *name = cf_copy_utf8(string);
    if (name == NULL) {
        return kAudioHardwareIllegalOperationError;
    }
    free(of(q)->name);
    of(q)->name = name;
    notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    return 0;
}
GET_U32(transport, q->o->kind == BOX ? kAudioDeviceTransportTypeAVB : kAudioDeviceTransportTypePCI)
GET_U32(acquired, of(q)->acquired)
/* The device of the box comes or goes. */
SET(acquired) {
    UInt32 on;
    box *b = of(q);
    (void)size;
    memcpy(&on, data, sizeof on);
    if (b->acquired == (on != 0)) {
        return 0;
    }
    b->acquired = on != 0;
    device *d = on ? device_add_locked(b->description) : device_find(b->device);
    if (!on && d != NULL) {
        device_remove_locked(d);
    }
    b->device = on && d != NULL ? d->o.id : kAudioObjectUnknown;
    notify_one_locked(q->o->id, kAudioBoxPropertyAcquired, kAudioObjectPropertyScopeGlobal);
    notify_one_locked(q->o->id, kAudioBoxPropertyDeviceList, kAudioObjectPropertyScopeGlobal);
    return 0;
}
GET(devices) {
    if (device_find(of(q)->device) != NULL) {
        put_u32(r, of(q)->device);
    }
    return 0;
}

/* ---- a clock device ---- */

GET_F64(rate, of(q)->rate)
SET(rate) {
    double rate;
    (void)size;
    memcpy(&rate, data, sizeof rate);
    for (size_t i = 0; i < sizeof clock_rates / sizeof clock_rates[0]; i++) {
        if (clock_rates[i] == rate) {
            of(q)->rate = rate;
            notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
            return 0;
        }
    }
    return kAudioHardwareIllegalOperationError;
}
GET(rates) {
    (void)q;
    for (size_t i = 0; i < sizeof clock_rates / sizeof clock_rates[0]; i++) {
        AudioValueRange range = {clock_rates[i], clock_rates[i]};
        put(r, &range, sizeof range);
    }
    return 0;
}

#define BOX_ROW(name, get, set) {kAudioBoxClassID, kAudioBoxProperty##name, get, set, NULL, NULL}
#define CLOCK_ROW(selector, get, set) {kAudioClockDeviceClassID, selector, get, set, NULL, NULL}
const behaviour box_behaviours[] = {
    {kAudioBoxClassID, kAudioObjectPropertyName, get_name, set_name, NULL, NULL},
    BOX_ROW(BoxUID, get_uid, NULL),
    BOX_ROW(TransportType, get_transport, NULL),
    BOX_ROW(HasAudio, get_one, NULL),
    BOX_ROW(HasVideo, get_zero, NULL),
    BOX_ROW(HasMIDI, get_zero, NULL),
    BOX_ROW(IsProtected, get_zero, NULL),
    BOX_ROW(Acquired, get_acquired, set_acquired),
    BOX_ROW(AcquisitionFailed, get_zero, NULL),
    BOX_ROW(DeviceList, get_devices, NULL),
    BOX_ROW(ClockDeviceList, get_nothing, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyDeviceUID, get_uid, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyTransportType, get_transport, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyClockDomain, get_zero, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyDeviceIsAlive, get_one, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyDeviceIsRunning, get_zero, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyLatency, get_zero, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyControlList, get_nothing, NULL),
    CLOCK_ROW(kAudioClockDevicePropertyNominalSampleRate, get_rate, set_rate),
    CLOCK_ROW(kAudioClockDevicePropertyAvailableNominalSampleRates, get_rates, NULL),
    {0, 0, NULL, NULL, NULL, NULL},
};
