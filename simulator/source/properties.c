/* properties.c: finds the row of a property. Also has the properties that every object has. */
#include "properties.h"

void put(reply *r, const void *data, size_t size) {
    if (r->size + size <= sizeof r->bytes) {
        memcpy(r->bytes + r->size, data, size);
        r->size += (UInt32)size;
    }
}

void put_u32(reply *r, UInt32 value) { put(r, &value, sizeof value); }
void put_f32(reply *r, Float32 value) { put(r, &value, sizeof value); }
void put_f64(reply *r, Float64 value) { put(r, &value, sizeof value); }

/* Puts a new CFString into the reply. The client owns the string. */
void put_string(reply *r, const char *text) {
    CFStringRef string = r->size_only ? NULL : cf_string(text);
    put(r, &string, sizeof string);
}

static bool scope_fits(const request *q, enum scope_rule rule) {
    UInt32 s = q->scope;
    bool global = s == kAudioObjectPropertyScopeGlobal;
    bool sided = s == kAudioObjectPropertyScopeInput || s == kAudioObjectPropertyScopeOutput;
    switch (rule) {
    case GLOBAL_ONLY:
        return global;
    case ANY_SCOPE:
        return global ||
               (SWITCH(device_scope) == 0 && (sided || s == kAudioObjectPropertyScopeWildcard));
    case IN_OUT:
        return sided;
    case IN_OUT_GLOBAL:
        return sided || global;
    }
    return false;
}

static const property *table_of(enum object_kind kind) {
    switch (kind) {
    case SYSTEM:
        return system_properties;
    case DEVICE:
        return device_properties;
    case STREAM:
        return stream_properties;
    case CONTROL:
        return control_properties;
    case PLUGIN:
        break;
    }
    return object_properties;
}

static const property *row_in(const property *table, const request *q) {
    for (const property *p = table; p->selector != 0; p++) {
        if (p->selector != q->selector || (p->kinds & (UInt32)q->o->kind) == 0 ||
            p->since > world.macos || !scope_fits(q, p->scope)) {
            continue;
        }
        if (p->has != NULL ? p->has(q) : q->element == 0) {
            return p;
        }
    }
    return NULL;
}

const property *property_find(request *q, OSStatus *error) {
    q->direction = q->scope == kAudioObjectPropertyScopeInput    ? INPUT
                   : q->scope == kAudioObjectPropertyScopeOutput ? OUTPUT
                                                                 : -1;
    q->d = q->o->device;
    q->s = q->o->kind == STREAM ? (stream *)(void *)q->o : NULL;
    q->c = q->o->kind == CONTROL ? (control *)(void *)q->o : NULL;
    const property *p = row_in(table_of(q->o->kind), q);
    if (p == NULL) {
        p = row_in(object_properties, q);
    }
    *error = p == NULL ? kAudioHardwareUnknownPropertyError : 0;
    return p;
}

/* ---- every object ---- */

static OSStatus get_class(const request *q, reply *r) {
    put_u32(r, q->o->class_id);
    return 0;
}
static OSStatus get_base_class(const request *q, reply *r) {
    put_u32(r, q->o->base_class_id);
    return 0;
}
static OSStatus get_owner(const request *q, reply *r) {
    put_u32(r, q->o->owner ? q->o->owner->id : kAudioObjectUnknown);
    return 0;
}

static bool class_wanted(const request *q, const object *o) {
    const UInt32 *wanted = q->qualifier;
    for (UInt32 i = 0; i < q->qualifier_size / sizeof *wanted; i++) {
        if (wanted[i] == o->class_id || wanted[i] == o->base_class_id ||
            wanted[i] == kAudioObjectClassID) {
            return true;
        }
    }
    return wanted == NULL || q->qualifier_size == 0;
}

static OSStatus get_owned(const request *q, reply *r) {
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

static bool has_name(const request *q) {
    return q->element == 0 && (q->d == NULL || q->d->name != NULL) && q->o->kind != CONTROL;
}
static OSStatus get_name(const request *q, reply *r) {
    put_string(r, q->o->kind == SYSTEM   ? "System"
                  : q->o->kind == PLUGIN ? "Simulated HAL"
                                         : q->d->name);
    return 0;
}
static bool has_device(const request *q) { return q->element == 0 && q->d != NULL; }
static OSStatus get_maker(const request *q, reply *r) {
    put_string(r, q->d->maker);
    return 0;
}
static OSStatus get_plug_in_bundle(const request *q, reply *r) {
    (void)q;
    put_string(r, "org.voicecoil.simulated");
    return 0;
}
static OSStatus get_device_list(const request *q, reply *r) {
    (void)q;
    for (size_t i = 0; i < world.device_count; i++) {
        put_u32(r, world.devices[i]->o.id);
    }
    return 0;
}

#define EVERY (SYSTEM | PLUGIN | DEVICE | STREAM | CONTROL)
const property object_properties[] = {
    {kAudioObjectPropertyClass, EVERY, ANY_SCOPE, SCALAR, 4, 0, get_class, NULL, NULL},
    {kAudioObjectPropertyBaseClass, EVERY, ANY_SCOPE, SCALAR, 4, 0, get_base_class, NULL, NULL},
    {kAudioObjectPropertyOwner, EVERY, ANY_SCOPE, SCALAR, 4, 0, get_owner, NULL, NULL},
    {kAudioObjectPropertyOwnedObjects, EVERY, IN_OUT_GLOBAL, ARRAY, 4, 0, get_owned, NULL, NULL},
    {kAudioObjectPropertyName, SYSTEM | PLUGIN | DEVICE, ANY_SCOPE, OBJECT, 8, 0, get_name, NULL,
     has_name},
    {kAudioObjectPropertyManufacturer, DEVICE, ANY_SCOPE, OBJECT, 8, 0, get_maker, NULL,
     has_device},
    {kAudioPlugInPropertyBundleID, PLUGIN, GLOBAL_ONLY, OBJECT, 8, 0, get_plug_in_bundle, NULL,
     NULL},
    {kAudioPlugInPropertyDeviceList, PLUGIN, GLOBAL_ONLY, ARRAY, 4, 0, get_device_list, NULL, NULL},
    {0, 0, GLOBAL_ONLY, SCALAR, 0, 0, NULL, NULL, NULL},
};
