/* cf_object.c: reference counts of CoreFoundation objects (S14). An over-released object is kept
 * until the reset, so that a later use of the object is found. For an object that was not released,
 * the report shows the place where it was made. */
#include "cf.h"

#include <execinfo.h>

static const uint32_t alive_magic = 0xcf0a11feu, dead_magic = 0xcf0dead0u;
static pthread_mutex_t cf_lock = PTHREAD_MUTEX_INITIALIZER;
static cf_object *living, *dead;

void *cf_new(enum cf_type type, size_t size, void (*finalise)(cf_object *)) {
    sim_realtime_violation("a CoreFoundation object was made");
    cf_object *o = calloc(1, size);
    o->magic = alive_magic;
    o->type = type;
    o->count = 1;
    o->finalise = finalise;
    o->made_depth = backtrace(o->made_at, 6);
    pthread_mutex_lock(&cf_lock);
    o->next = living;
    if (living != NULL) {
        living->previous = o;
    }
    living = o;
    pthread_mutex_unlock(&cf_lock);
    COUNT(live_cf_objects);
    return o;
}

bool cf_is(const void *object, enum cf_type type) {
    const cf_object *o = object;
    return o != NULL && (o->immortal || o->magic == alive_magic) && o->type == type;
}

/* Marks an object as the simulator's own. Such objects are neither counted nor reported. */
void cf_make_internal(cf_object *o) {
    o->internal = true;
    UNCOUNT(live_cf_objects);
}

EXPORT CFTypeRef CFRetain(CFTypeRef cf) {
    cf_object *o = (cf_object *)(uintptr_t)cf;
    sim_realtime_violation("CFRetain");
    if (o == NULL) {
        report_fault(CN_fault_null, "CFRetain(NULL)");
        return NULL;
    }
    pthread_mutex_lock(&cf_lock);
    if (o->magic == dead_magic) {
        pthread_mutex_unlock(&cf_lock);
        report_fault(CN_fault_over_release, "CFRetain of %p, which was released for good", cf);
        return cf;
    }
    if (!o->immortal) { /* constants are in read-only memory */
        o->count++;
    }
    pthread_mutex_unlock(&cf_lock);
    return cf;
}

static void unlink_living(cf_object *o) {
    if (o->previous != NULL) {
        o->previous->next = o->next;
    } else {
        living = o->next;
    }
    if (o->next != NULL) {
        o->next->previous = o->previous;
    }
}

EXPORT void CFRelease(CFTypeRef cf) {
    cf_object *o = (cf_object *)(uintptr_t)cf;
    sim_realtime_violation("CFRelease");
    if (o == NULL) {
        report_fault(CN_fault_null, "CFRelease(NULL), which the real one answers with a crash");
        return;
    }
    if (o->immortal) {
        return;
    }
    pthread_mutex_lock(&cf_lock);
    if (o->magic != alive_magic) {
        pthread_mutex_unlock(&cf_lock);
        report_fault(CN_fault_over_release, "CFRelease of %p, which was released for good", cf);
        return;
    }
    bool last = --o->count == 0;
    if (last) {
        o->magic = dead_magic;
        unlink_living(o);
        o->previous = NULL;
        o->next = dead;
        dead = o;
    }
    pthread_mutex_unlock(&cf_lock);
    if (last) {
        if (o->finalise != NULL) {
            o->finalise(o);
        }
        if (!o->internal) {
            UNCOUNT(live_cf_objects);
        }
    }
}

EXPORT CFIndex CFGetRetainCount(CFTypeRef cf) {
    const cf_object *o = cf;
    return o->immortal ? INT64_MAX : (CFIndex)o->count;
}

EXPORT CFTypeID CFGetTypeID(CFTypeRef cf) {
    const cf_object *o = cf;
    if (o == NULL || (!o->immortal && o->magic != alive_magic)) {
        report_fault(CN_fault_over_release, "CFGetTypeID of %p, which is no living object", cf);
        return 0;
    }
    return (CFTypeID)o->type;
}

#define TYPE_ID(name, type)                                                                        \
    EXPORT CFTypeID name##GetTypeID(void) { return type; }
TYPE_ID(CFString, CF_STRING)
TYPE_ID(CFArray, CF_ARRAY)
TYPE_ID(CFNumber, CF_NUMBER)
TYPE_ID(CFBoolean, CF_BOOLEAN)
TYPE_ID(CFDictionary, CF_DICTIONARY)
TYPE_ID(CFData, CF_DATA)
TYPE_ID(CFRunLoop, CF_RUN_LOOP)

EXPORT Boolean CFEqual(CFTypeRef a, CFTypeRef b) {
    if (a == b) {
        return 1;
    }
    enum cf_type type = ((const cf_object *)a)->type;
    if (type != ((const cf_object *)b)->type) {
        return 0;
    }
    switch (type) {
    case CF_STRING:
        return CFStringCompare(a, b, 0) == 0;
    case CF_NUMBER:
        return cf_number_equal(a, b);
    case CF_ARRAY:
        return cf_array_equal(a, b);
    case CF_DICTIONARY:
        return cf_dictionary_equal(a, b);
    case CF_DATA:
        return CFDataGetLength(a) == CFDataGetLength(b) &&
               memcmp(CFDataGetBytePtr(a), CFDataGetBytePtr(b), (size_t)CFDataGetLength(a)) == 0;
    default:
        return 0;
    }
}

EXPORT CFHashCode CFHash(CFTypeRef cf) {
    const cf_object *o = cf;
    switch (o->type) {
    case CF_STRING:
        return cf_string_hash(cf);
    case CF_NUMBER:
        return cf_number_hash(cf);
    case CF_ARRAY:
        return (CFHashCode)CFArrayGetCount(cf);
    case CF_DICTIONARY:
        return (CFHashCode)CFDictionaryGetCount(cf);
    case CF_DATA:
        return (CFHashCode)CFDataGetLength(cf);
    default:
        return (CFHashCode)(uintptr_t)cf;
    }
}

static void describe(CFTypeRef cf, char *text, size_t size) {
    static const char *const names[] = {"?",
                                        "CFString",
                                        "CFArray",
                                        "CFNumber",
                                        "CFBoolean",
                                        "CFDictionary",
                                        "CFData",
                                        "CFURL",
                                        "CFRunLoop",
                                        "CFAllocator",
                                        "CFNull",
                                        "CFUUID",
                                        "CFRunLoopSource",
                                        "CFRunLoopTimer",
                                        "Class",
                                        "object without init",
                                        "NSAutoreleasePool",
                                        "NSUUID",
                                        "CATapDescription"};
    const cf_object *o = cf;
    char *utf8 = o->type == CF_STRING ? cf_copy_utf8(cf) : NULL;
    snprintf(text, size, "<%s %p>%s%s", names[o->type], cf, utf8 ? " " : "", utf8 ? utf8 : "");
    free(utf8);
}

EXPORT CFStringRef CFCopyDescription(CFTypeRef cf) {
    char text[512];
    describe(cf, text, sizeof text);
    return cf_string(text);
}

/* The real function prints. The simulated one adds the text to the report. */
EXPORT void CFShow(CFTypeRef obj) {
    char text[512] = "NULL";
    if (obj != NULL) {
        describe(obj, text, sizeof text);
    }
    report_line("CFShow: %s", text);
}

size_t cf_report_leaks(void) {
    size_t n = 0;
    pthread_mutex_lock(&cf_lock);
    for (cf_object *o = living; o != NULL; o = o->next) {
        if (o->internal) {
            continue;
        }
        char text[512];
        describe(o, text, sizeof text);
        report_line("leak: %s, retain count %lld, made at:", text, (long long)o->count);
        char **names = backtrace_symbols(o->made_at, o->made_depth);
        for (int i = 1; names != NULL && i < o->made_depth; i++) {
            report_line("    %s", names[i]);
        }
        free(names);
        n++;
    }
    pthread_mutex_unlock(&cf_lock);
    return n;
}

void cf_reset(void) {
    pthread_mutex_lock(&cf_lock);
    cf_object *kept = NULL;
    for (cf_object *o = living, *next; o != NULL; o = next) {
        next = o->next;
        if (o->internal) {
            o->previous = NULL;
            o->next = kept;
            if (kept != NULL) {
                kept->previous = o;
            }
            kept = o;
        } else {
            o->next = dead;
            dead = o;
            if (o->type == CF_ARRAY || o->type == CF_DICTIONARY) {
                o->finalise = cf_drop_storage;
            } else if (o->type == CF_TAP_DESCRIPTION || o->type == CF_POOL) {
                o->finalise = NULL; /* what they hold is in this list as well */
            }
            if (o->finalise != NULL) {
                o->finalise(o);
            }
        }
    }
    living = kept;
    for (cf_object *o = dead, *next; o != NULL; o = next) {
        next = o->next;
        free(o);
    }
    dead = NULL;
    pthread_mutex_unlock(&cf_lock);
}
