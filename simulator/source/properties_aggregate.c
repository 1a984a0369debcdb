/* properties_aggregate.c: properties of aggregate devices and their sub-devices. */
#include "aggregate.h"

/* ---- the aggregate ---- */

void put_sub_uids(reply *r, sub_device *const *subs, size_t count) {
    CFMutableArrayRef list = NULL;
    if (!r->size_only) {
        list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
        for (size_t i = 0; i < count; i++) {
            CFStringRef uid = cf_string(subs[i]->uid);
            CFArrayAppendValue(list, uid);
            CFRelease(uid);
        }
    }
    put(r, &list, sizeof list);
}
void put_live_subs(reply *r, sub_device *const *subs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (subs[i]->o.alive) {
            put_u32(r, subs[i]->o.id);
        }
    }
}
GET(full_list) {
    put_sub_uids(r, q->d->aggregate->subs, q->d->aggregate->sub_count);
    return 0;
}
/* A new list resets what was set for each sub-device. */
SET(full_list) {
    CFArrayRef list;
    composition c;
    (void)size;
    memcpy(&list, data, sizeof list);
    if (!cf_is(list, CF_ARRAY) || CFArrayGetCount(list) > MAX_SUB_DEVICES) {
        return kAudioHardwareIllegalOperationError;
    }
    composition_of_device(q->d, &c);
    for (size_t i = 0; i < c.sub_count; i++) {
        free(c.subs[i].uid);
        c.subs[i] = (sub_device){0};
    }
    c.sub_count = 0;
    for (CFIndex i = 0; i < CFArrayGetCount(list); i++) {
        c.subs[c.sub_count].uid = cf_copy_utf8(CFArrayGetValueAtIndex(list, i));
        if (c.subs[c.sub_count].uid == NULL) {
            composition_free(&c);
            return kAudioHardwareIllegalOperationError;
        }
        c.sub_count++;
    }
    aggregate_compose_locked(q->d, &c);
    composition_free(&c);
    return 0;
}
GET(active_list) {
    put_live_subs(r, q->d->aggregate->subs, q->d->aggregate->sub_count);
    return 0;
}
GET(composition) {
    CFDictionaryRef dictionary = r->size_only ? NULL : composition_write(q->d);
    put(r, &dictionary, sizeof dictionary);
    return 0;
}
SET(composition) {
    CFDictionaryRef dictionary;
    composition c;
    (void)size;
    memcpy(&dictionary, data, sizeof dictionary);
    OSStatus error = composition_read(dictionary, &c);
    if (error == 0) {
        free(q->d->aggregate->main_uid);
        q->d->aggregate->main_uid = c.main_uid;
        c.main_uid = NULL;
        q->d->aggregate->stacked = c.stacked;
        aggregate_compose_locked(q->d, &c);
    }
    composition_free(&c);
    return error;
}
GET(main) {
    const sub_device *main = aggregate_main(q->d);
    const char *uid = q->d->aggregate->main_uid;
    put_string(r, uid != NULL ? uid : main != NULL ? main->uid : "");
    return 0;
}
static OSStatus text_from(const void *data, char **text) {
    CFStringRef string;
    memcpy(&string, data, sizeof string);
    *text = cf_copy_utf8(string);
    return *text != NULL ? 0 : kAudioHardwareIllegalOperationError;
}
/* Also succeeds with a UID that is not in the list. */
SET(main) {
    char *uid;
    (void)size;
    OSStatus error = text_from(data, &uid);
    if (error == 0) {
        free(q->d->aggregate->main_uid);
        q->d->aggregate->main_uid = uid;
        aggregate_rebuild_locked(q->d);
        notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    }
    return error;
}
static bool has_clock(const request *q) { return q->d->aggregate->clock_uid != NULL; }
GET_STRING(clock, has_clock(q) ? q->d->aggregate->clock_uid : "")
/* A clock device makes all sub-devices compensate. */
SET(clock) {
    char *uid;
    (void)size;
    OSStatus error = text_from(data, &uid);
    if (error == 0) {
        free(q->d->aggregate->clock_uid);
        q->d->aggregate->clock_uid = uid;
        for (size_t i = 0; i < q->d->aggregate->sub_count; i++) {
            q->d->aggregate->subs[i]->drift = 1;
        }
        aggregate_rebuild_locked(q->d);
        notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    }
    return error;
}

/* ---- a sub-device or a sub-tap ---- */

static sub_device *sub_of(const request *q) { return (sub_device *)(void *)q->o; }
static void sub_changed(const request *q) {
    notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    aggregate_rebuild_locked(q->o->owner->device);
}
GET_F64(extra_latency, sub_of(q)->extra_latency)
SET(extra_latency) {
    (void)size;
    memcpy(&sub_of(q)->extra_latency, data, sizeof sub_of(q)->extra_latency);
    sub_changed(q);
    return 0;
}
GET_U32(drift, sub_of(q)->drift)
SET(drift) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    if (sub_of(q)->drift != (on != 0)) {
        sub_of(q)->drift = on != 0;
        sub_changed(q);
    }
    return 0;
}
GET_U32(quality, sub_of(q)->quality)
SET(quality) {
    UInt32 quality;
    (void)size;
    memcpy(&quality, data, sizeof quality);
    sub_of(q)->quality = quality > kAudioSubDeviceDriftCompensationMaxQuality
                             ? kAudioSubDeviceDriftCompensationMaxQuality
                             : quality;
    sub_changed(q);
    return 0;
}

/* ---- creation through the plug-in: a get that acts ---- */

GET(created) {
    CFDictionaryRef dictionary = NULL;
    AudioObjectID id = kAudioObjectUnknown;
    OSStatus error = 0;
    if (!r->size_only) {
        if (q->qualifier == NULL || q->qualifier_size != sizeof dictionary) {
            return kAudioHardwareBadPropertySizeError;
        }
        memcpy(&dictionary, q->qualifier, sizeof dictionary);
        composition c;
        error = composition_read(dictionary, &c);
        error = error == 0 ? aggregate_create_locked(&c, &id) : error;
        composition_free(&c);
    }
    put_u32(r, id);
    return error;
}
GET(destroyed) {
    AudioObjectID id = kAudioObjectUnknown;
    OSStatus error = 0;
    if (!r->size_only) {
        memcpy(&id, q->in_out, sizeof id);
        error = aggregate_destroy_locked(id);
    }
    put_u32(r, id);
    return error;
}

/* A transport manager makes devices of end points instead. */
static bool makes_aggregates(const request *q) { return q->o->kind == PLUGIN; }

#define AGGREGATE(name, get, set, has)                                                             \
    {kAudioAggregateDeviceClassID, kAudioAggregateDeviceProperty##name, get, set, has, NULL}
#define SUB(name, get, set)                                                                        \
    {kAudioSubDeviceClassID, kAudioSubDeviceProperty##name, get, set, NULL, NULL}, {               \
        kAudioSubTapClassID, kAudioSubTapProperty##name, get, set, NULL, NULL                      \
    }
const behaviour aggregate_behaviours[] = {
    AGGREGATE(FullSubDeviceList, get_full_list, set_full_list, NULL),
    AGGREGATE(ActiveSubDeviceList, get_active_list, NULL, NULL),
    AGGREGATE(Composition, get_composition, set_composition, NULL),
    AGGREGATE(MainSubDevice, get_main, set_main, NULL),
    AGGREGATE(ClockDevice, get_clock, set_clock, NULL),
    SUB(ExtraLatency, get_extra_latency, set_extra_latency),
    SUB(DriftCompensation, get_drift, set_drift),
    SUB(DriftCompensationQuality, get_quality, set_quality),
    {kAudioPlugInClassID, kAudioPlugInCreateAggregateDevice, get_created, NULL, makes_aggregates,
     NULL},
    {kAudioPlugInClassID, kAudioPlugInDestroyAggregateDevice, get_destroyed, NULL, makes_aggregates,
     NULL},
    {0, 0, NULL, NULL, NULL, NULL},
};
