/* test_contract.c: the contract of the functions for properties, for every selector of the table on
 * an object of each class: what HasProperty, IsPropertySettable, GetPropertyDataSize,
 * GetPropertyData and SetPropertyData answer must agree, for buffers of every size, for scopes and
 * elements that an object does not have, and for NULL pointers. */
#include "table_client.h"

enum { ROOM = 32768, EMPTY = 0xA5 };
static unsigned char bytes[ROOM + 64], again[ROOM + 64], empty[ROOM + 64];

static void clear(unsigned char *buffer) { memset(buffer, EMPTY, sizeof empty); }
static bool is_untouched(const unsigned char *buffer, size_t from) {
    return memcmp(buffer + from, empty, sizeof empty - from) == 0;
}

static bool is_object(const row *r) {
    return is_cf(r) || r->type == COREAUDIO_TYPE_TAP_DESCRIPTION ||
           r->type == COREAUDIO_TYPE_RUN_LOOP;
}
static void release_value(const row *r, const unsigned char *buffer) {
    void *object;
    memcpy(&object, buffer, sizeof object);
    if (object != NULL && r->type == COREAUDIO_TYPE_WORKGROUP) {
        os_release(object);
    } else if (object != NULL && is_object(r)) {
        CFRelease(object);
    }
}

/* Size of an item of an array, or 0: a short buffer gets no part of the value. */
static UInt32 item_of(const row *r) {
    switch (r->type) {
    case COREAUDIO_TYPE_U32_LIST:
    case COREAUDIO_TYPE_ID_LIST:
        return 4;
    case COREAUDIO_TYPE_RANGE_LIST:
        return sizeof(AudioValueRange);
    case COREAUDIO_TYPE_FORMAT_LIST:
        return sizeof(AudioStreamBasicDescription);
    case COREAUDIO_TYPE_RANGED_FORMAT_LIST:
        return sizeof(AudioStreamRangedDescription);
    default:
        return 0;
    }
}

static const char *about(const row *r, AudioObjectID id, const AudioObjectPropertyAddress *a) {
    static char text[200];
    snprintf(text, sizeof text, "%s of object %u, scope %08x, element %u: ", r->name, id, a->mScope,
             a->mElement);
    return text;
}

/* ---- get ---- */

static void get_with_room(AudioObjectID id, const AudioObjectPropertyAddress *a, const row *r,
                          UInt32 size, UInt32 room) {
    UInt32 got = room;
    clear(bytes);
    EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &got, bytes), 0);
    EQUAL(got, size);
    CHECK(is_untouched(bytes, size), "bytes after the value were written");
    release_value(r, bytes);
}

/* An array is cut to the whole items that fit, a text ends with a zero, any other value is
 * refused. */
static void get_with_less(AudioObjectID id, const AudioObjectPropertyAddress *a, const row *r,
                          UInt32 size, UInt32 room) {
    UInt32 got = room, item = item_of(r);
    clear(bytes);
    OSStatus error = AudioObjectGetPropertyData(id, a, 0, NULL, &got, bytes);
    if (item > 0) {
        UInt32 whole = room / item * item;
        EQUAL(error, 0);
        EQUAL(got, whole < size ? whole : size);
        CHECK(is_untouched(bytes, got), "bytes after the items were written");
    } else if (r->type == COREAUDIO_TYPE_C_STRING) {
        EQUAL(error, 0);
        EQUAL(got, room);
        CHECK(room == 0 || bytes[room - 1] == 0, "the text does not end in its buffer");
        CHECK(is_untouched(bytes, room), "bytes after the text were written");
    } else {
        EQUAL(error, kAudioHardwareBadPropertySizeError);
        CHECK(is_untouched(bytes, 0), "a refused get wrote");
    }
}

static void get_without_pointers(AudioObjectID id, const AudioObjectPropertyAddress *a,
                                 UInt32 size) {
    UInt32 got = size;
    const OSStatus wanted = kAudioHardwareIllegalOperationError;
    if (size > 0) {
        EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &got, NULL), wanted);
        EQUAL(got, size);
    }
    EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, NULL, bytes), wanted);
    EQUAL(AudioObjectGetPropertyDataSize(id, a, 0, NULL, NULL), wanted);
    EQUAL(AudioObjectIsPropertySettable(id, a, NULL), wanted);
}

static void get_every_way(AudioObjectID id, const AudioObjectPropertyAddress *a, const row *r) {
    UInt32 size = ROOM + 1;
    EQUAL(AudioObjectGetPropertyDataSize(id, a, 0, NULL, &size), 0);
    CHECK(size <= ROOM, "%u bytes", size);
    CHECK(item_of(r) == 0 || size % item_of(r) == 0, "%u bytes are no whole items", size);
    get_without_pointers(id, a, size);
    if (is_question(r)) {
        return;
    }
    get_with_room(id, a, r, size, size);
    get_with_room(id, a, r, size, size + 1);
    get_with_room(id, a, r, size, ROOM);
    if (size > 0) {
        get_with_less(id, a, r, size, size - 1);
        get_with_less(id, a, r, size, size / 2);
        get_with_less(id, a, r, size, 0);
    }
    UInt32 none = 0; /* no buffer at all is a buffer of no size */
    OSStatus error = AudioObjectGetPropertyData(id, a, 0, NULL, &none, NULL);
    bool shortens = item_of(r) > 0 || r->type == COREAUDIO_TYPE_C_STRING;
    EQUAL(error, shortens || size == 0 ? 0 : kAudioHardwareBadPropertySizeError);
}

/* ---- set ---- */

/* A set of these has an effect that the value does not show, or takes other values than a get
 * gives. */
static bool acts(const row *r) {
    return r->selector == kAudioDevicePropertyHogMode || is_question(r) || is_object(r) ||
           r->type == COREAUDIO_TYPE_WORKGROUP;
}

static void set_every_way(AudioObjectID id, const AudioObjectPropertyAddress *a, const row *r) {
    Boolean settable = 7;
    UInt32 size = ROOM, after = ROOM;
    EQUAL(AudioObjectIsPropertySettable(id, a, &settable), 0);
    CHECK(settable <= 1, "settable is %u", settable);
    CHECK(settable == 0 || r->settable != COREAUDIO_SETTABLE_NO, "it is settable");
    if (acts(r)) {
        return;
    }
    clear(bytes);
    EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &size, bytes), 0);
    OSStatus error = AudioObjectSetPropertyData(id, a, 0, NULL, size, bytes);
    if (settable == 0) {
        EQUAL(error, kAudioHardwareUnknownPropertyError);
    } else {
        EQUAL(error, 0); /* an object accepts the value that it has */
        EQUAL(AudioObjectSetPropertyData(id, a, 0, NULL, size, NULL),
              kAudioHardwareIllegalOperationError);
        if (size_of(r) > 0) {
            EQUAL(AudioObjectSetPropertyData(id, a, 0, NULL, size - 1, bytes),
                  kAudioHardwareBadPropertySizeError);
            EQUAL(AudioObjectSetPropertyData(id, a, 0, NULL, size + 1, bytes),
                  kAudioHardwareBadPropertySizeError);
        }
        EQUAL(AudioObjectSetPropertyData(id, a, 0, NULL, 0, bytes),
              kAudioHardwareBadPropertySizeError);
    }
    clear(again);
    EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &after, again), 0);
    CHECK(after == size && memcmp(bytes, again, size) == 0, "the set changed the value");
}

/* ---- what an object does not have ---- */

static void absent(AudioObjectID id, const AudioObjectPropertyAddress *a, OSStatus wanted) {
    Boolean settable = 7;
    UInt32 size = 123, got = 16;
    clear(bytes);
    EQUAL(AudioObjectHasProperty(id, a), 0);
    EQUAL(AudioObjectIsPropertySettable(id, a, &settable), wanted);
    EQUAL(AudioObjectGetPropertyDataSize(id, a, 0, NULL, &size), wanted);
    EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &got, bytes), wanted);
    CHECK(is_untouched(bytes, 0) && got == 16 && size == 123 && settable == 7, "something changed");
    EQUAL(AudioObjectSetPropertyData(id, a, 0, NULL, 4, bytes), wanted);
}

/* The addresses that no object answers: wildcards are for listeners (a scope that is a wildcard is
 * accepted, because programs that ship ask so). */
static void addresses_of_nothing(AudioObjectID id, UInt32 selector) {
    const UInt32 global = kAudioObjectPropertyScopeGlobal;
    const AudioObjectPropertyAddress nothing[] = {{kAudioObjectPropertySelectorWildcard, global, 0},
                                                  {0, global, 0},
                                                  {selector, 0, 0},
                                                  {selector, 0x7a7a7a7a, 0}};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        absent(id, &nothing[i], kAudioHardwareUnknownPropertyError);
    }
}

static void ask(AudioObjectID id, AudioClassID class_id, const row *named) {
    const UInt32 elements[] = {0, 1, 9, kAudioObjectPropertyElementWildcard};
    row *r = row_for(class_id, named->selector);
    for (size_t s = 0; s < 4; s++) {
        for (size_t e = 0; e < sizeof elements / sizeof elements[0]; e++) {
            AudioObjectPropertyAddress a = {named->selector, scopes[s], elements[e]};
            check_context = about(named, id, &a);
            if (AudioObjectHasProperty(id, &a)) {
                CHECK(r != NULL, "no class of the object has it");
                get_every_way(id, &a, r);
                set_every_way(id, &a, r);
            } else {
                absent(id, &a, kAudioHardwareUnknownPropertyError);
            }
        }
    }
    addresses_of_nothing(id, named->selector);
    check_context = "";
}

static bool is_first_row(size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (rows[k].selector == rows[i].selector) {
            return false;
        }
    }
    return true;
}

/* Objects that differ from those that were asked already: a class is asked twice. */
static unsigned times_asked(AudioClassID class_id) {
    static struct {
        AudioClassID class_id;
        unsigned times;
    } asked[100];
    size_t i = 0;
    while (asked[i].times > 0 && asked[i].class_id != class_id) {
        i++;
    }
    asked[i].class_id = class_id;
    return asked[i].times++;
}

static void every_object(void) {
    world_of_every_class(2600);
    clear(empty);
    unsigned objects = 0;
    for (AudioObjectID id = 1; id < 300; id++) {
        AudioClassID class_id = 0;
        UInt32 size = sizeof class_id;
        if (get_data(id, kAudioObjectPropertyClass, kAudioObjectPropertyScopeGlobal, 0, &class_id,
                     &size) == 0 &&
            times_asked(class_id) < 2) {
            objects++;
            for (size_t i = 0; i < ROWS; i++) {
                if (is_first_row(i)) {
                    ask(id, class_id, &rows[i]);
                }
            }
        }
    }
    CHECK(objects > 40, "%u objects", objects);
    EQUAL(sim_counter("live_cf_objects"), 0);
    EQUAL(sim_counter("live_workgroups"), 0);
    sim_reset();
}

/* ---- objects that are none ---- */

static void no_object(void) {
    world_with(0, 3);
    clear(empty);
    AudioObjectID dead = sim_find_device("USBDuplex:1");
    EQUAL(sim_remove_device(dead), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    const AudioObjectID ids[] = {kAudioObjectUnknown, dead, 100000, UINT32_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        for (size_t k = 0; k < ROWS; k++) {
            AudioObjectPropertyAddress a = {rows[k].selector, kAudioObjectPropertyScopeGlobal, 0};
            check_context = about(&rows[k], ids[i], &a);
            absent(ids[i], &a, kAudioHardwareBadObjectError);
        }
    }
    check_context = "";
    EQUAL(AudioObjectHasProperty(kAudioObjectSystemObject, NULL), 0);
    sim_reset();
}

/* ---- qualifiers ---- */

static void qualifiers_of_translators(void) {
    static const UInt32 texts[] = {kAudioHardwarePropertyTranslateUIDToDevice,
                                   kAudioHardwarePropertyTranslateUIDToBox,
                                   kAudioHardwarePropertyTranslateUIDToClockDevice,
                                   kAudioHardwarePropertyTranslateUIDToTap,
                                   kAudioHardwarePropertyTranslateBundleIDToPlugIn,
                                   kAudioHardwarePropertyTranslateBundleIDToTransportManager};
    world_with(0, 3);
    CFStringRef nobody = CFStringCreateWithCString(NULL, "nobody", kCFStringEncodingUTF8);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AudioObjectPropertyAddress a = {texts[i], kAudioObjectPropertyScopeGlobal, 0};
        AudioObjectID id = 99;
        UInt32 size = sizeof id;
        EQUAL(AudioObjectGetPropertyData(1, &a, sizeof nobody, &nobody, &size, &id), 0);
        EQUAL(id, kAudioObjectUnknown);
        EQUAL(size, sizeof id);
        id = 99;
        EQUAL(AudioObjectGetPropertyData(1, &a, 0, NULL, &size, &id),
              kAudioHardwareBadPropertySizeError);
        EQUAL(AudioObjectGetPropertyData(1, &a, 4, &nobody, &size, &id),
              kAudioHardwareBadPropertySizeError);
        EQUAL(AudioObjectGetPropertyData(1, &a, sizeof nobody, NULL, &size, &id),
              kAudioHardwareBadPropertySizeError);
        EQUAL(id, 99);
    }
    CFRelease(nobody);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyTranslatePIDToProcessObject,
                                    kAudioObjectPropertyScopeGlobal, 0};
    SInt32 pid = 99999999;
    AudioObjectID id = 99;
    UInt32 size = sizeof id;
    EQUAL(AudioObjectGetPropertyData(1, &a, sizeof pid, &pid, &size, &id), 0);
    EQUAL(id, kAudioObjectUnknown);
    EQUAL(AudioObjectGetPropertyData(1, &a, 0, NULL, &size, &id),
          kAudioHardwareBadPropertySizeError);
    sim_reset();
}

/* The qualifier of 'ownd' chooses classes; subclasses match, and an object is listed once. */
static void qualifier_of_owned_objects(void) {
    world_with(0, 22);
    AudioObjectPropertyAddress a = {kAudioObjectPropertyOwnedObjects,
                                    kAudioObjectPropertyScopeGlobal, 0};
    AudioObjectID id = sim_find_device("Desk"), all[256], some[256];
    UInt32 size = sizeof all, whole = 0;
    EQUAL(AudioObjectGetPropertyData(id, &a, 0, NULL, &size, all), 0);
    const AudioClassID any[] = {kAudioObjectClassID, kAudioStreamClassID, kAudioControlClassID};
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, sizeof any, any, &whole), 0);
    EQUAL(whole, size);
    const AudioClassID one = kAudioVolumeControlClassID, base = kAudioLevelControlClassID;
    UInt32 of_one = 0, of_base = sizeof some, of_none = 77;
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, sizeof one, &one, &of_one), 0);
    EQUAL(AudioObjectGetPropertyData(id, &a, sizeof base, &base, &of_base, some), 0);
    CHECK(of_one > 0 && of_base >= of_one && of_base < size, "%u, %u of %u bytes", of_one, of_base,
          size);
    const AudioClassID none = kAudioBoxClassID;
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, sizeof none, &none, &of_none), 0);
    EQUAL(of_none, 0);
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, 3, any, &whole),
          kAudioHardwareBadPropertySizeError);
    sim_reset();
}

int main(void) {
    every_object();
    no_object();
    qualifiers_of_translators();
    qualifier_of_owned_objects();
    return check_result("contract");
}
