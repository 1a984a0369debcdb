/* end_points.c: transport managers, the end points that they find, such as receivers of AirPlay,
 * and the devices that a client makes of end points. Such a device is one of its transport manager,
 * with a stream for each direction of each end point. */
#include "dictionary.h"
#include "properties.h"

#include <unistd.h>

enum { MAX_PARTS = MAX_STREAMS };

typedef struct manager {
    object o;
    struct manager *next;
    char *bundle;
} manager;
typedef struct end_point {
    struct end_point *next;
    device *identity; /* a device without streams, which is not in the list of devices */
    UInt32 channels[2];
} end_point;
struct end_points { /* of a device */
    const end_point *parts[MAX_PARTS], *main;
    size_t count;
    bool is_private, counts; /* in live_end_point_devices */
};
static manager *managers;
static end_point *end_points;

/* ---- the world ---- */

EXPORT uint32_t sim_add_transport_manager(const char *bundle_id) {
    if (bundle_id == NULL) {
        return 0;
    }
    pthread_mutex_lock(&world.lock);
    manager *m = calloc(1, sizeof *m), **at = &managers;
    m->bundle = text_copy(bundle_id);
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = m;
    object_add(&m->o, TRANSPORT, kAudioTransportManagerClassID, kAudioPlugInClassID, &world.system,
               NULL);
    notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyTransportManagerList,
                      kAudioObjectPropertyScopeGlobal);
    uint32_t id = m->o.id;
    pthread_mutex_unlock(&world.lock);
    return id;
}

static void notify_end_points(const object *owner) {
    const UInt32 global = kAudioObjectPropertyScopeGlobal;
    notify_one_locked(owner->id, kAudioTransportManagerPropertyEndPointList, global);
    notify_one_locked(owner->id, kAudioObjectPropertyOwnedObjects, global);
}

static void name_device(device *d, const char *uid, const char *name) {
    free(d->uid);
    free(d->name);
    d->uid = text_copy(uid);
    d->name = text_copy(name != NULL ? name : uid);
    d->transport = kAudioDeviceTransportTypeAirPlay;
}

static end_point *find(const object *owner, const char *uid) {
    for (end_point *e = end_points; e != NULL; e = e->next) {
        const object *o = &e->identity->o;
        if (o->alive && (owner == NULL || o->owner == owner) &&
            strcmp(e->identity->uid, uid) == 0) {
            return e;
        }
    }
    return NULL;
}

static uint32_t add(object *owner, const char *uid, const char *name, const UInt32 channels[2]) {
    if (owner == NULL || owner->kind != TRANSPORT || find(owner, uid) != NULL ||
        world.all_device_count == sizeof world.all_devices / sizeof world.all_devices[0]) {
        report_line("sim_add_end_point: no such transport manager, or the UID is in use");
        return 0;
    }
    AudioObjectID id;
    end_point *e = calloc(1, sizeof *e), **at = &end_points;
    e->identity = device_from_description("uid=end point; default=none", 0, &id);
    world.all_devices[world.all_device_count++] = e->identity;
    name_device(e->identity, uid, name);
    memcpy(e->channels, channels, sizeof e->channels);
    object *o = &e->identity->o;
    o->kind = END_POINT;
    o->class_id = kAudioEndPointClassID;
    o->base_class_id = kAudioDeviceClassID;
    o->owner = owner;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = e;
    notify_end_points(owner);
    return id;
}

EXPORT uint32_t sim_add_end_point(uint32_t transport_manager, const char *uid, const char *name,
                                  uint32_t channels_in, uint32_t channels_out) {
    UInt32 channels[2] = {[INPUT] = channels_in, [OUTPUT] = channels_out};
    if (uid == NULL || channels_in > MAX_CHANNELS || channels_out > MAX_CHANNELS) {
        return 0;
    }
    pthread_mutex_lock(&world.lock);
    uint32_t id = add(object_find(transport_manager), uid, name, channels);
    pthread_mutex_unlock(&world.lock);
    return id;
}

static size_t living_parts(const device *d) {
    size_t n = 0;
    for (size_t i = 0; i < d->end_points->count; i++) {
        n += d->end_points->parts[i]->identity->o.alive;
    }
    return n;
}
static bool has_part(const device *d, const end_point *e) {
    for (size_t i = 0; i < d->end_points->count; i++) {
        if (d->end_points->parts[i] == e) {
            return true;
        }
    }
    return false;
}

/* A device that has other end points stays, with all its streams. */
static void remove_end_point(end_point *e) {
    e->identity->o.alive = false;
    notify_end_points(e->identity->o.owner);
    for (size_t i = world.device_count; i-- > 0;) {
        device *d = world.devices[i];
        if (d->end_points == NULL || !has_part(d, e)) {
            continue;
        }
        if (living_parts(d) == 0) {
            device_remove_locked(d);
        } else {
            notify_one_locked(d->o.id, kAudioEndPointDevicePropertyEndPointList,
                              kAudioObjectPropertyScopeGlobal);
        }
    }
}

EXPORT int sim_remove_end_point(uint32_t id) {
    int result = -1;
    pthread_mutex_lock(&world.lock);
    for (end_point *e = end_points; e != NULL; e = e->next) {
        if (e->identity->o.id == id && e->identity->o.alive) {
            remove_end_point(e);
            result = 0;
        }
    }
    if (result != 0) {
        report_line("sim_remove_end_point: no living end point %u", id);
    }
    pthread_mutex_unlock(&world.lock);
    workers_reap(false);
    return result;
}

/* Devices are freed with all other devices. */
void end_points_reset_locked(void) {
    while (managers != NULL) {
        manager *m = managers;
        managers = m->next;
        free(m->bundle);
        free(m);
    }
    while (end_points != NULL) {
        end_point *e = end_points;
        end_points = e->next;
        free(e);
    }
}

void end_points_device_gone_locked(device *d) {
    if (d->end_points != NULL && d->end_points->counts) {
        d->end_points->counts = false;
        UNCOUNT(live_end_point_devices);
    }
}

/* ---- a device of end points ---- */

/* Reads the end points of a dictionary. All must be there. */
static OSStatus read_parts(CFDictionaryRef dictionary, const object *owner, struct end_points *p) {
    CFTypeRef list = dictionary_value(dictionary, kAudioEndPointDeviceEndPointListKey);
    bool fine = cf_is(list, CF_ARRAY) && CFArrayGetCount(list) > 0;
    for (CFIndex i = 0; fine && i < CFArrayGetCount(list); i++) {
        CFTypeRef one = CFArrayGetValueAtIndex(list, i);
        char *uid = cf_is(one, CF_DICTIONARY) ? dictionary_text(one, kAudioEndPointUIDKey) : NULL;
        const end_point *e = uid != NULL ? find(owner, uid) : NULL;
        free(uid);
        fine = e != NULL && p->count < MAX_PARTS;
        if (fine) {
            p->parts[p->count++] = e;
        }
    }
    return fine ? 0 : kAudioHardwareIllegalOperationError;
}

/* The end point that gives the clock: the one that was chosen, or the first one. */
static const end_point *read_main(CFDictionaryRef dictionary, const struct end_points *p) {
    char *uid = dictionary_text(dictionary, kAudioEndPointDeviceMainEndPointKey);
    uid = uid != NULL ? uid : dictionary_text(dictionary, kAudioEndPointDeviceMasterEndPointKey);
    const end_point *main = p->parts[0];
    for (size_t i = 0; uid != NULL && i < p->count; i++) {
        main = strcmp(p->parts[i]->identity->uid, uid) == 0 ? p->parts[i] : main;
    }
    free(uid);
    return main;
}

static void describe(char *text, size_t room, const struct end_points *p) {
    size_t n = (size_t)snprintf(text, room, "uid=end points; rates=44100,48000%s",
                                p->is_private ? "; default=none" : "");
    for (int direction = 0; direction < 2; direction++) {
        const char *before = direction == INPUT ? "; in=" : "; out=";
        for (size_t i = 0; i < p->count; i++) {
            if (p->parts[i]->channels[direction] > 0) {
                n += (size_t)snprintf(text + n, room - n, "%s%u", before,
                                      p->parts[i]->channels[direction]);
                before = ",";
            }
        }
    }
}

static OSStatus create(CFDictionaryRef dictionary, object *owner, AudioObjectID *id) {
    struct end_points p = {.counts = true};
    if (!cf_is(dictionary, CF_DICTIONARY) || read_parts(dictionary, owner, &p) != 0) {
        return kAudioHardwareIllegalOperationError;
    }
    p.is_private = dictionary_number(dictionary, kAudioEndPointDeviceIsPrivateKey) != 0;
    p.main = read_main(dictionary, &p);
    char *uid = dictionary_text(dictionary, kAudioEndPointDeviceUIDKey);
    char *name = dictionary_text(dictionary, kAudioEndPointDeviceNameKey);
    OSStatus error = kAudioHardwareIllegalOperationError;
    if (uid != NULL && device_id_with_uid_locked(uid) == kAudioObjectUnknown) {
        char text[512];
        describe(text, sizeof text, &p);
        device *d = device_add_locked(text);
        error = d != NULL ? 0 : kAudioHardwareUnspecifiedError;
        if (d != NULL) {
            name_device(d, uid, name);
            d->o.class_id = kAudioEndPointDeviceClassID;
            d->o.base_class_id = kAudioDeviceClassID;
            d->o.owner = owner;
            d->end_points = malloc(sizeof p);
            *d->end_points = p;
            COUNT(live_end_point_devices);
            aggregates_update_locked(d->uid);
            notify_one_locked(owner->id, kAudioPlugInPropertyDeviceList,
                              kAudioObjectPropertyScopeGlobal);
            *id = d->o.id;
        }
    }
    free(uid);
    free(name);
    return error;
}

/* A get that acts: the qualifier is the address of the dictionary. */
GET(created) {
    CFDictionaryRef dictionary = NULL;
    AudioObjectID id = kAudioObjectUnknown;
    OSStatus error = 0;
    if (!r->size_only) {
        if (q->qualifier == NULL || q->qualifier_size != sizeof dictionary) {
            return kAudioHardwareBadPropertySizeError;
        }
        memcpy(&dictionary, q->qualifier, sizeof dictionary);
        error = create(dictionary, q->o, &id);
    }
    put_u32(r, id);
    return error;
}
/* The ID is in the buffer of the answer. */
GET(destroyed) {
    AudioObjectID id = kAudioObjectUnknown;
    OSStatus error = 0;
    if (!r->size_only) {
        memcpy(&id, q->in_out, sizeof id);
        device *d = device_find(id);
        bool is_own = d != NULL && d->end_points != NULL && d->o.owner == q->o;
        error = is_own      ? 0
                : d != NULL ? kAudioHardwareIllegalOperationError
                            : kAudioHardwareBadObjectError;
        if (is_own) {
            device_remove_locked(d);
            notify_one_locked(q->o->id, kAudioPlugInPropertyDeviceList,
                              kAudioObjectPropertyScopeGlobal);
        }
    }
    put_u32(r, id);
    return error;
}

GET(parts) {
    for (size_t i = 0; i < q->d->end_points->count; i++) {
        const object *o = &q->d->end_points->parts[i]->identity->o;
        if (o->alive) {
            put_u32(r, o->id);
        }
    }
    return 0;
}
GET(composition) {
    if (r->size_only) {
        put(r, &(CFDictionaryRef){NULL}, sizeof(CFDictionaryRef));
        return 0;
    }
    const struct end_points *p = q->d->end_points;
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (size_t i = 0; i < p->count; i++) {
        CFMutableDictionaryRef one = dictionary_new();
        dictionary_add_text(one, kAudioEndPointUIDKey, p->parts[i]->identity->uid);
        dictionary_add_text(one, kAudioEndPointNameKey, p->parts[i]->identity->name);
        dictionary_add_number(one, kAudioEndPointInputChannelsKey, p->parts[i]->channels[INPUT]);
        dictionary_add_number(one, kAudioEndPointOutputChannelsKey, p->parts[i]->channels[OUTPUT]);
        CFArrayAppendValue(list, one);
        CFRelease(one);
    }
    CFMutableDictionaryRef whole = dictionary_new();
    dictionary_add_text(whole, kAudioEndPointDeviceUIDKey, q->d->uid);
    dictionary_add_text(whole, kAudioEndPointDeviceNameKey, q->d->name);
    dictionary_add_text(whole, kAudioEndPointDeviceMainEndPointKey, p->main->identity->uid);
    dictionary_add_number(whole, kAudioEndPointDeviceIsPrivateKey, p->is_private);
    dictionary_add(whole, kAudioEndPointDeviceEndPointListKey, list);
    put(r, &whole, sizeof whole);
    return 0;
}
GET_U32(owner_pid, q->d->end_points->is_private ? (UInt32)getpid() : 0)

/* ---- a transport manager ---- */

const char *transport_manager_bundle(const object *o) {
    return ((const manager *)(const void *)o)->bundle;
}
OSStatus get_transport_managers(const request *q, reply *r) {
    (void)q;
    for (const manager *m = managers; m != NULL; m = m->next) {
        put_u32(r, m->o.id);
    }
    return 0;
}
static AudioObjectID manager_with_bundle(const char *bundle) {
    for (const manager *m = managers; m != NULL; m = m->next) {
        if (strcmp(m->bundle, bundle) == 0) {
            return m->o.id;
        }
    }
    return kAudioObjectUnknown;
}
OSStatus get_transport_manager_for_bundle(const request *q, reply *r) {
    return put_object_for_qualifier(q, r, manager_with_bundle);
}
void put_only_owned(const request *q, reply *r) {
    AudioObjectID id;
    memcpy(&id, r->bytes, sizeof id);
    const object *o = object_find(id);
    if (o != NULL && o->owner != q->o) {
        r->size = 0;
        put_u32(r, kAudioObjectUnknown);
    }
}

GET(end_points) {
    for (const end_point *e = end_points; e != NULL; e = e->next) {
        if (e->identity->o.alive && e->identity->o.owner == q->o) {
            put_u32(r, e->identity->o.id);
        }
    }
    return 0;
}
GET(end_point_for_uid) {
    CFStringRef string = NULL;
    OSStatus error = r->size_only ? 0 : qualifier_string(q, &string);
    char *uid = string != NULL && error == 0 ? cf_copy_utf8(string) : NULL;
    const end_point *e = uid != NULL ? find(q->o, uid) : NULL;
    free(uid);
    put_u32(r, e != NULL ? e->identity->o.id : kAudioObjectUnknown);
    return error;
}
GET_U32(transport, kAudioDeviceTransportTypeAirPlay)

#define MANAGER(name, get)                                                                         \
    {kAudioTransportManagerClassID, kAudioTransportManager##name, get, NULL, NULL, NULL}
#define DEVICE_ROW(name, get)                                                                      \
    {kAudioEndPointDeviceClassID, kAudioEndPointDeviceProperty##name, get, NULL, NULL, NULL}
const behaviour end_point_behaviours[] = {
    MANAGER(PropertyEndPointList, get_end_points),
    MANAGER(PropertyTranslateUIDToEndPoint, get_end_point_for_uid),
    MANAGER(PropertyTransportType, get_transport),
    MANAGER(CreateEndPointDevice, get_created),
    MANAGER(DestroyEndPointDevice, get_destroyed),
    DEVICE_ROW(Composition, get_composition),
    DEVICE_ROW(EndPointList, get_parts),
    DEVICE_ROW(IsPrivate, get_owner_pid),
    {0, 0, NULL, NULL, NULL, NULL},
};
