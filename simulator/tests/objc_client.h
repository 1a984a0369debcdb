/* objc_client.h: how a C client sends messages: objc_msgSend through a pointer of the method's own
 * type. */
#ifndef SIM_TESTS_OBJC_CLIENT_H
#define SIM_TESTS_OBJC_CLIENT_H

#include "check.h"

typedef void *id;
typedef const void *SEL;
id objc_getClass(const char *name);
SEL sel_registerName(const char *name);
void objc_msgSend(void);
id objc_retain(id object);
void objc_release(id object);
id objc_autorelease(id object);
id objc_alloc(id class_object);
id objc_alloc_init(id class_object);
void *objc_autoreleasePoolPush(void);
void objc_autoreleasePoolPop(void *pool);
id object_getClass(id object);
const char *object_getClassName(id object);
const char *class_getName(id class_object);
id class_getSuperclass(id class_object);
signed char class_respondsToSelector(id class_object, SEL selector);

static inline void *message_function(void) {
    void (*function)(void) = objc_msgSend;
    void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}
#define SEND(result, types, object, name, ...)                                                     \
    (((result(*) types)message_function())((object), sel_registerName(name), __VA_ARGS__))
#define SEND0(result, object, name)                                                                \
    (((result (*)(id, SEL))message_function())((object), sel_registerName(name)))
#define SEND_ID(object, name, argument) SEND(id, (id, SEL, id), object, name, argument)
#define SET_BOOL(object, name, on) SEND(void, (id, SEL, signed char), object, name, on)

static inline id ns_string(const char *utf8) {
    return SEND(id, (id, SEL, const char *), objc_getClass("NSString"),
                "stringWithUTF8String:", utf8);
}
/* An NSArray of the IDs of process objects. */
static inline id ns_processes(const AudioObjectID *ids, size_t count) {
    id numbers[16];
    for (size_t i = 0; i < count; i++) {
        numbers[i] = SEND(id, (id, SEL, unsigned), objc_getClass("NSNumber"),
                          "numberWithUnsignedInt:", ids[i]);
    }
    return SEND(id, (id, SEL, id *, unsigned long), objc_getClass("NSArray"),
                "arrayWithObjects:count:", numbers, count);
}
/* A new CATapDescription, which the caller releases. */
static inline id tap_description(const char *initialiser, const AudioObjectID *ids, size_t count) {
    return SEND_ID(SEND0(id, objc_getClass("CATapDescription"), "alloc"), initialiser,
                   ns_processes(ids, count));
}

#endif
