/* tap_description.c: CATapDescription, which says what a process tap records. */
#include "objc.h"

static void release_field(CFTypeRef *field) {
    if (*field != NULL) {
        CFRelease(*field);
    }
    *field = NULL;
}
/* Gives a field another value, which is retained; the setters copy, and the values that they get
 * do not change. */
#define REPLACE(field, value)                                                                      \
    do {                                                                                           \
        CFTypeRef old_ = (field);                                                                  \
        (field) = (value) != NULL ? (void *)(uintptr_t)CFRetain(value) : NULL;                     \
        release_field(&old_);                                                                      \
    } while (0)

static void finalise(cf_object *o) {
    tap_description *t = (tap_description *)(void *)o;
    CFTypeRef fields[] = {t->name, t->device_uid, t->uuid, t->processes, t->bundles, t->stream};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        release_field(&fields[i]);
    }
}

tap_description *tap_description_new(void) {
    tap_description *t = cf_new(CF_TAP_DESCRIPTION, sizeof *t, finalise);
    CFUUIDRef made = CFUUIDCreate(NULL);
    CFStringRef string = CFUUIDCreateString(NULL, made);
    char *text = cf_copy_utf8(string);
    t->uuid = objc_uuid_from_text(text);
    t->name = cf_string("");
    t->processes = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    t->bundles = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    free(text);
    CFRelease(string);
    CFRelease(made);
    return t;
}

static CFArrayRef array_copy(CFArrayRef array) {
    CFMutableArrayRef copy = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (CFIndex i = 0; array != NULL && i < CFArrayGetCount(array); i++) {
        CFArrayAppendValue(copy, CFArrayGetValueAtIndex(array, i));
    }
    return copy;
}
static bool holds(CFArrayRef array, enum objc_class_index wanted) {
    for (CFIndex i = 0; array != NULL && i < CFArrayGetCount(array); i++) {
        if (!objc_is((id)(uintptr_t)CFArrayGetValueAtIndex(array, i), wanted)) {
            return false;
        }
    }
    return array == NULL || cf_is(array, CF_ARRAY);
}
static void set_processes(tap_description *t, SEL s, CFArrayRef processes) {
    if (!holds(processes, NS_NUMBER)) {
        objc_exception("-[CATapDescription %s]: the processes must be NSNumbers with the IDs of "
                       "process objects",
                       sel_getName(s));
        return;
    }
    CFTypeRef old = t->processes;
    t->processes = array_copy(processes);
    release_field(&old);
}

/* ---- initialisers ---- */

static tap_description *begin(tap_description *t, SEL s, CFArrayRef processes, bool exclusive,
                              bool mono) {
    set_processes(t, s, processes);
    t->exclusive = exclusive;
    t->mono = mono;
    t->mixdown = true;
    return t;
}
static id init_stereo_mixdown(id self, SEL s, CFArrayRef processes) {
    return begin(self, s, processes, false, false);
}
static id init_mono_mixdown(id self, SEL s, CFArrayRef processes) {
    return begin(self, s, processes, false, true);
}
static id init_stereo_global(id self, SEL s, CFArrayRef processes) {
    return begin(self, s, processes, true, false);
}
static id init_mono_global(id self, SEL s, CFArrayRef processes) {
    return begin(self, s, processes, true, true);
}
static tap_description *of_stream(tap_description *t, SEL s, CFArrayRef processes,
                                  CFStringRef device, int64_t stream, bool exclusive) {
    begin(t, s, processes, exclusive, false);
    t->mixdown = false;
    REPLACE(t->device_uid, device);
    CFTypeRef old = t->stream;
    t->stream = CFNumberCreate(NULL, kCFNumberSInt64Type, &stream);
    release_field(&old);
    return t;
}
static id init_with_stream(id self, SEL s, CFArrayRef processes, CFStringRef device,
                           int64_t stream) {
    return of_stream(self, s, processes, device, stream, false);
}
static id init_excluding_stream(id self, SEL s, CFArrayRef processes, CFStringRef device,
                                int64_t stream) {
    return of_stream(self, s, processes, device, stream, true);
}

/* ---- properties ---- */

static id shared(CFTypeRef value) {
    return value != NULL ? objc_retainAutorelease((id)(uintptr_t)value) : NULL;
}
static id get_name(tap_description *t, SEL s) {
    (void)s;
    return shared(t->name);
}
static void set_name(tap_description *t, SEL s, CFStringRef name) {
    (void)s;
    REPLACE(t->name, name);
}
static id get_uuid(tap_description *t, SEL s) {
    (void)s;
    return shared(t->uuid);
}
static void set_uuid(tap_description *t, SEL s, id uuid) {
    (void)s;
    if (uuid == NULL || !objc_is(uuid, NS_UUID)) {
        objc_exception("-[CATapDescription setUUID:]: the value must be an NSUUID");
        return;
    }
    REPLACE(t->uuid, uuid);
}
static id get_processes(tap_description *t, SEL s) {
    (void)s;
    return shared(t->processes);
}
static id get_device(tap_description *t, SEL s) {
    (void)s;
    return shared(t->device_uid);
}
static void set_device(tap_description *t, SEL s, CFStringRef uid) {
    (void)s;
    REPLACE(t->device_uid, uid);
}
static id get_stream(tap_description *t, SEL s) {
    (void)s;
    return shared(t->stream);
}
static void set_stream(tap_description *t, SEL s, CFNumberRef stream) {
    (void)s;
    REPLACE(t->stream, stream);
}
static id get_bundles(tap_description *t, SEL s) {
    (void)s;
    return shared(t->bundles);
}
static void set_bundles(tap_description *t, SEL s, CFArrayRef bundles) {
    if (!holds(bundles, NS_STRING)) {
        objc_exception("-[CATapDescription %s]: the bundle IDs must be NSStrings", sel_getName(s));
        return;
    }
    CFTypeRef old = t->bundles;
    t->bundles = array_copy(bundles);
    release_field(&old);
}
/* A BOOL is one byte. The rest of its register means nothing. */
#define FLAG(field)                                                                                \
    static signed char get_##field(const tap_description *t, SEL s) {                              \
        (void)s;                                                                                   \
        return t->field;                                                                           \
    }                                                                                              \
    static void set_##field(tap_description *t, SEL s, signed char on) {                           \
        (void)s;                                                                                   \
        t->field = on != 0;                                                                        \
    }
FLAG(mono)
FLAG(exclusive)
FLAG(mixdown)
FLAG(is_private)
FLAG(restores)
static int64_t get_mute(const tap_description *t, SEL s) {
    (void)s;
    return t->mute;
}
static void set_mute(tap_description *t, SEL s, int64_t mute) {
    (void)s;
    t->mute = mute;
}

#define TAP(name, imp, since) ON_OBJECT(CA_TAP_DESCRIPTION, name, imp, since)
objc_method tap_description_methods[] = {
    TAP("initStereoMixdownOfProcesses:", init_stereo_mixdown, 1200),
    TAP("initMonoMixdownOfProcesses:", init_mono_mixdown, 1200),
    TAP("initStereoGlobalTapButExcludeProcesses:", init_stereo_global, 1200),
    TAP("initMonoGlobalTapButExcludeProcesses:", init_mono_global, 1200),
    TAP("initWithProcesses:andDeviceUID:withStream:", init_with_stream, 1200),
    TAP("initExcludingProcesses:andDeviceUID:withStream:", init_excluding_stream, 1402),
    TAP("name", get_name, 1200),
    TAP("setName:", set_name, 1200),
    TAP("UUID", get_uuid, 1200),
    TAP("setUUID:", set_uuid, 1200),
    TAP("processes", get_processes, 1200),
    TAP("setProcesses:", set_processes, 1200),
    TAP("isMono", get_mono, 1200),
    TAP("setMono:", set_mono, 1200),
    TAP("isExclusive", get_exclusive, 1200),
    TAP("setExclusive:", set_exclusive, 1200),
    TAP("isMixdown", get_mixdown, 1200),
    TAP("setMixdown:", set_mixdown, 1200),
    TAP("isPrivate", get_is_private, 1200),
    TAP("setPrivate:", set_is_private, 1200),
    TAP("isMuted", get_mute, 1200),
    TAP("setMuteBehavior:", set_mute, 1300),
    TAP("deviceUID", get_device, 1200),
    TAP("setDeviceUID:", set_device, 1200),
    TAP("stream", get_stream, 1200),
    TAP("setStream:", set_stream, 1200),
    TAP("bundleIDs", get_bundles, 2600),
    TAP("setBundleIDs:", set_bundles, 2600),
    TAP("isProcessRestoreEnabled", get_restores, 2600),
    TAP("setProcessRestoreEnabled:", set_restores, 2600),
    {NO_CLASS, false, NULL, NULL, 0, NULL},
};
