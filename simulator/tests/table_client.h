/* table_client.h: the table of properties for tests that ask every object for every selector, and a
 * world that has an object of each class. */
#ifndef SIM_TESTS_TABLE_CLIENT_H
#define SIM_TESTS_TABLE_CLIENT_H

#include "coreaudio_properties.h"
#include "objc_client.h"

#include <stdbool.h>

typedef struct row {
    AudioClassID class_id;
    UInt32 selector;
    const char *name;
    enum coreaudio_type type;
    enum coreaudio_scopes scopes;
    enum coreaudio_elements elements;
    enum coreaudio_settable settable;
    int since;
    unsigned answers;
} row;
static row rows[] = {
#define COREAUDIO_PROPERTY(class_id, selector, type, scopes, elements, settable, since)            \
    {class_id, selector, #class_id " " #selector, type, scopes, elements, settable, since, 0},
    COREAUDIO_PROPERTIES
#undef COREAUDIO_PROPERTY
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct {
    AudioClassID class_id, parent;
} classes[] = {
#define COREAUDIO_CLASS(class_id, parent) {class_id, parent},
    COREAUDIO_CLASSES
#undef COREAUDIO_CLASS
};

static inline AudioClassID parent_of(AudioClassID class_id) {
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].class_id == class_id) {
            return classes[i].parent;
        }
    }
    CHECK(false, "class %08x is not in the table", class_id);
    return 0;
}

/* The row of a class or of its nearest ancestor. */
static inline row *row_for(AudioClassID class_id, UInt32 selector) {
    for (; class_id != 0; class_id = parent_of(class_id)) {
        for (size_t i = 0; i < ROWS; i++) {
            if (rows[i].class_id == class_id && rows[i].selector == selector) {
                return &rows[i];
            }
        }
    }
    return NULL;
}

static const UInt32 scopes[] = {kAudioObjectPropertyScopeGlobal, kAudioObjectPropertyScopeInput,
                                kAudioObjectPropertyScopeOutput,
                                kAudioObjectPropertyScopePlayThrough};

static inline bool scope_allowed(const row *r, UInt32 scope) {
    bool global = scope == scopes[0], side = scope == scopes[1] || scope == scopes[2];
    switch (r->scopes) {
    case COREAUDIO_SCOPES_GLOBAL:
        return global;
    case COREAUDIO_SCOPES_ANY:
        return true;
    case COREAUDIO_SCOPES_SIDES:
        return side;
    case COREAUDIO_SCOPES_SIDES_AND_GLOBAL:
        return global || side;
    case COREAUDIO_SCOPES_INPUT:
        return scope == scopes[1];
    case COREAUDIO_SCOPES_PLAYTHROUGH:
        return scope == scopes[3];
    }
    return false;
}

/* Size of a value; 0: it varies. */
static inline UInt32 size_of(const row *r) {
    switch (r->type) {
    case COREAUDIO_TYPE_U32:
    case COREAUDIO_TYPE_F32:
    case COREAUDIO_TYPE_PID:
    case COREAUDIO_TYPE_STATUS:
    case COREAUDIO_TYPE_ID:
    case COREAUDIO_TYPE_CLASS:
        return 4;
    case COREAUDIO_TYPE_F64:
    case COREAUDIO_TYPE_U32_PAIR:
    case COREAUDIO_TYPE_WORKGROUP:
    case COREAUDIO_TYPE_RUN_LOOP:
    case COREAUDIO_TYPE_TAP_DESCRIPTION:
    case COREAUDIO_TYPE_CFSTRING:
    case COREAUDIO_TYPE_CFURL:
    case COREAUDIO_TYPE_CFARRAY:
    case COREAUDIO_TYPE_CFDICTIONARY:
        return 8;
    case COREAUDIO_TYPE_ADDRESS:
        return 12;
    case COREAUDIO_TYPE_RANGE:
        return sizeof(AudioValueRange);
    case COREAUDIO_TYPE_FORMAT:
        return sizeof(AudioStreamBasicDescription);
    case COREAUDIO_TYPE_TRANSLATION:
        return sizeof(AudioValueTranslation);
    default:
        return 0;
    }
}

static inline bool is_cf(const row *r) {
    return r->type == COREAUDIO_TYPE_CFSTRING || r->type == COREAUDIO_TYPE_CFURL ||
           r->type == COREAUDIO_TYPE_CFARRAY || r->type == COREAUDIO_TYPE_CFDICTIONARY;
}

/* Properties that need a question in the buffer, or a qualifier, are read by other tests. */
static inline bool is_question(const row *r) {
    switch (r->selector) {
    case kAudioSelectorControlPropertyItemName:
    case kAudioSelectorControlPropertyItemKind:
    case kAudioDevicePropertyStreamFormatSupported:
    case kAudioDevicePropertyStreamFormatMatch:
    case kAudioStreamPropertyPhysicalFormatSupported:
    case kAudioStreamPropertyPhysicalFormatMatch:
    case kAudioHardwarePropertyTranslateUIDToDevice:
    case kAudioHardwarePropertyTranslateUIDToBox:
    case kAudioHardwarePropertyTranslateUIDToClockDevice:
    case kAudioHardwarePropertyTranslateUIDToTap:
    case kAudioHardwarePropertyTranslatePIDToProcessObject:
    case kAudioHardwarePropertyTranslateBundleIDToPlugIn:
    case kAudioHardwarePropertyTranslateBundleIDToTransportManager:
    case kAudioPlugInCreateAggregateDevice:
    case kAudioPlugInDestroyAggregateDevice:
    case kAudioTransportManagerPropertyTranslateUIDToEndPoint:
    case kAudioTransportManagerCreateEndPointDevice:
    case kAudioTransportManagerDestroyEndPointDevice:
        return true;
    default:
        return r->type == COREAUDIO_TYPE_TRANSLATION || r->type == COREAUDIO_TYPE_STREAM_USAGE;
    }
}

static inline void add_value(CFMutableDictionaryRef d, const char *key, CFTypeRef value) {
    CFStringRef string = CFStringCreateWithCString(NULL, key, kCFStringEncodingUTF8);
    CFDictionarySetValue(d, string, value);
    CFRelease(string);
}
/* Makes a tap, and an aggregate that has it. */
static inline void make_a_tap(void) {
    const UInt32 global = kAudioObjectPropertyScopeGlobal;
    void *pool = objc_autoreleasePoolPush();
    id description = tap_description("initStereoGlobalTapButExcludeProcesses:", NULL, 0);
    AudioObjectID tap = 0, aggregate = 0;
    EQUAL(AudioHardwareCreateProcessTap(description, &tap), 0);
    objc_release(description);
    CFStringRef uid = NULL;
    UInt32 size = sizeof uid;
    EQUAL(get_data(tap, kAudioTapPropertyUID, global, 0, &uid, &size), 0);
    id dictionaries = objc_getClass("NSMutableDictionary");
    CFMutableDictionaryRef one = SEND0(id, dictionaries, "dictionary");
    CFMutableDictionaryRef whole = SEND0(id, dictionaries, "dictionary");
    add_value(one, kAudioSubTapUIDKey, uid);
    add_value(whole, kAudioAggregateDeviceUIDKey, uid);
    add_value(whole, kAudioAggregateDeviceIsPrivateKey, kCFBooleanTrue);
    add_value(whole, kAudioAggregateDeviceTapListKey,
              SEND_ID(objc_getClass("NSArray"), "arrayWithObject:", (id)one));
    EQUAL(AudioHardwareCreateAggregateDevice(whole, &aggregate), 0);
    CFRelease(uid);
    objc_autoreleasePoolPop(pool);
    EQUAL(sim_advance_ns(SECOND), 0);
}

/* Makes a device of an end point. */
static inline void make_an_end_point_device(void) {
    const UInt32 global = kAudioObjectPropertyScopeGlobal;
    AudioObjectPropertyAddress a = {kAudioTransportManagerCreateEndPointDevice, global, 0};
    AudioObjectID manager =
        get_u32(kAudioObjectSystemObject, kAudioHardwarePropertyTransportManagerList, global);
    AudioObjectID made = 0;
    UInt32 size = sizeof made;
    void *pool = objc_autoreleasePoolPush();
    id dictionaries = objc_getClass("NSMutableDictionary");
    CFMutableDictionaryRef one = SEND0(id, dictionaries, "dictionary");
    CFMutableDictionaryRef whole = SEND0(id, dictionaries, "dictionary");
    CFStringRef uid = CFStringCreateWithCString(NULL, "EndPoint:garden", kCFStringEncodingUTF8);
    add_value(one, kAudioEndPointUIDKey, uid);
    add_value(whole, kAudioEndPointDeviceUIDKey, uid);
    add_value(whole, kAudioEndPointDeviceEndPointListKey,
              SEND_ID(objc_getClass("NSArray"), "arrayWithObject:", (id)one));
    CFRelease(uid);
    EQUAL(AudioObjectGetPropertyData(manager, &a, sizeof whole, &whole, &size, &made), 0);
    EQUAL(made != 0, true);
    objc_autoreleasePoolPop(pool);
}

/* Makes a world with all fixtures, a tap, a process and a device of an end point. */
static inline void world_of_every_class(int macos) {
    static const int fixtures[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                   13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    sim_configure(0);
    sim_use_virtual_time();
    EQUAL(sim_set("internal_selectors", 1), 0);
    EQUAL(sim_set("device_elements", 0), 0); /* as the table says */
    EQUAL(sim_set_macos(macos), 0);
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        EQUAL(sim_load_fixture(fixtures[i]), 0);
    }
    EQUAL(sim_add_device("uid=Clocked; in=1; clock_device=Clock:1") != 0, true);
    EQUAL(sim_add_process(4711, "com.example.player") != 0, macos >= 1402);
    if (macos >= 1402) {
        make_a_tap();
    }
    make_an_end_point_device();
}

#endif
