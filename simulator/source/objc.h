/* objc.h: the small Objective-C runtime that process taps need. Objects are those of CoreFoundation
 * (cf_object): NSString, NSArray, NSNumber and NSDictionary are CoreFoundation's objects, as on a
 * Mac. NSUUID and CATapDescription are not, and are types of their own. */
#ifndef SIM_OBJC_H
#define SIM_OBJC_H

#include "cf.h"

typedef void *id;
typedef const struct selector *SEL;
typedef const struct objc_class *Class;
typedef void (*objc_imp)(void);

/* Classes, in the order of objc.c. */
enum objc_class_index {
    NO_CLASS = -1,
    NS_OBJECT,
    NS_STRING,
    NS_ARRAY,
    NS_MUTABLE_ARRAY,
    NS_NUMBER,
    NS_DICTIONARY,
    NS_MUTABLE_DICTIONARY,
    NS_UUID,
    NS_AUTORELEASE_POOL,
    CA_TAP_DESCRIPTION,
    CLASS_COUNT
};

struct objc_class {
    cf_object head; /* immortal */
    const char *name;
    enum objc_class_index index, parent;
    bool is_meta;
    int since;
};

typedef struct objc_method {
    enum objc_class_index of;
    bool on_class; /* +method */
    const char *name;
    objc_imp imp;
    int since; /* the first macOS that has it */
    SEL selector;
} objc_method;
/* Each ends with an empty row. */
extern objc_method object_methods[], foundation_methods[], collection_methods[],
    tap_description_methods[];

#define ON_OBJECT(of, name, imp, since) {of, false, name, (objc_imp)(imp), since, NULL}
#define ON_CLASS(of, name, imp, since) {of, true, name, (objc_imp)(imp), since, NULL}

/* What +alloc returns. The initialiser replaces it, and it must not be used before. */
id objc_new_placeholder(Class c);
/* Ends the placeholder of an initialiser. Returns the class for which it was allocated. */
void objc_take_placeholder(id self);
id objc_later_released(id object); /* autorelease */
id objc_retain(id object);
void objc_release(id object);
id objc_autorelease(id object);
id objc_retainAutorelease(id object);
SEL sel_registerName(const char *name);
/* Returns the function of a method, for objc_msgSend. */
objc_imp sim_objc_find(id self, SEL selector) __attribute__((visibility("hidden"), used));
Class object_getClass(id object);
const char *object_getClassName(id object);
Class class_getSuperclass(Class c);
signed char class_respondsToSelector(Class c, SEL selector);
const char *sel_getName(SEL s);
static inline id unconst(CFTypeRef object) { return (id)(uintptr_t)object; }
static inline id later(CFTypeRef object) {
    return object != NULL ? objc_later_released(unconst(object)) : NULL;
}
bool objc_is(id object, enum objc_class_index index);
/* Reports a message that the real runtime answers with an exception. Returns NULL. */
id objc_exception(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- tap_description.c ---- */
typedef struct tap_description {
    cf_object head;
    CFStringRef name, device_uid; /* device: NULL: all */
    id uuid;                      /* NSUUID */
    CFArrayRef processes, bundles;
    CFNumberRef stream; /* NULL: all */
    bool mono, exclusive, mixdown, is_private, restores;
    int64_t mute;
} tap_description;
tap_description *tap_description_new(void);
const char *objc_uuid_text(id uuid);
id objc_uuid_from_text(const char *text);

#endif
