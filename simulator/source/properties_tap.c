/* properties_tap.c: properties of taps, of their list, and of the taps of an aggregate. */
#include "tap.h"

/* ---- the system object ---- */

GET(list) {
    (void)q;
    for (size_t i = 0; i < world.tap_count; i++) {
        if (world.taps[i]->o.alive) {
            put_u32(r, world.taps[i]->o.id);
        }
    }
    return 0;
}
GET(for_uid) { return put_object_for_qualifier(q, r, tap_id_with_uid_locked); }

/* ---- a tap ---- */

static tap *of(const request *q) { return (tap *)(void *)q->o; }
const char *tap_name(const object *o) { return ((const tap *)(const void *)o)->s.name; }
GET_STRING(uid, of(q)->uid)
GET(description) {
    id description = r->size_only ? NULL : tap_describe_locked(of(q));
    put(r, &description, sizeof description);
    return 0;
}
SET(description) {
    const tap_description *description;
    (void)size;
    memcpy(&description, data, sizeof description);
    return cf_is(description, CF_TAP_DESCRIPTION) ? tap_change_locked(of(q), description)
                                                  : kAudioHardwareIllegalOperationError;
}
static bool has_format(const request *q) {
    return SWITCH(tap_early) == 0 || tap_is_ready_locked(of(q));
}
GET(format) {
    if (!tap_is_ready_locked(of(q))) {
        return kAudioHardwareBadObjectError;
    }
    AudioStreamBasicDescription format = tap_format_locked(of(q));
    put(r, &format, sizeof format);
    return 0;
}

/* ---- the taps of an aggregate ---- */

GET(tap_list) {
    put_sub_uids(r, q->d->aggregate->taps, q->d->aggregate->tap_count);
    return 0;
}
SET(tap_list) {
    CFArrayRef list;
    composition c;
    (void)size;
    memcpy(&list, data, sizeof list);
    if (!cf_is(list, CF_ARRAY) || CFArrayGetCount(list) > MAX_SUB_DEVICES) {
        return kAudioHardwareIllegalOperationError;
    }
    composition_of_device(q->d, &c);
    composition_drop_taps(&c);
    for (CFIndex i = 0; i < CFArrayGetCount(list); i++) {
        char *uid = cf_copy_utf8(CFArrayGetValueAtIndex(list, i));
        if (uid == NULL) {
            composition_free(&c);
            return kAudioHardwareIllegalOperationError;
        }
        c.taps[c.tap_count++].uid = uid;
    }
    aggregate_compose_locked(q->d, &c);
    composition_free(&c);
    return 0;
}
GET(sub_taps) {
    put_live_subs(r, q->d->aggregate->taps, q->d->aggregate->tap_count);
    return 0;
}

#define ROW(of, name, get, set, has) {of, name, get, set, has, NULL}
const behaviour tap_behaviours[] = {
    ROW(kAudioSystemObjectClassID, kAudioHardwarePropertyTapList, get_list, NULL, NULL),
    ROW(kAudioSystemObjectClassID, kAudioHardwarePropertyTranslateUIDToTap, get_for_uid, NULL,
        NULL),
    ROW(kAudioTapClassID, kAudioTapPropertyUID, get_uid, NULL, NULL),
    ROW(kAudioTapClassID, kAudioTapPropertyDescription, get_description, set_description, NULL),
    ROW(kAudioTapClassID, kAudioTapPropertyFormat, get_format, NULL, has_format),
    ROW(kAudioAggregateDeviceClassID, kAudioAggregateDevicePropertyTapList, get_tap_list,
        set_tap_list, NULL),
    ROW(kAudioAggregateDeviceClassID, kAudioAggregateDevicePropertySubTapList, get_sub_taps, NULL,
        NULL),
    {0, 0, NULL, NULL, NULL, NULL},
};
