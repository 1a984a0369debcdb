/* objc_object.c: NSObject, ownership and autorelease pools. */
#include "objc.h"

/* ---- ownership ---- */

EXPORT id objc_retain(id object) {
    if (object != NULL) {
        CFRetain(object);
    }
    return object;
}
EXPORT void objc_release(id object) {
    if (object != NULL) {
        CFRelease(object);
    }
}

/* The autoreleased objects of one thread. A pool is the part of the list from its token on. Objects
 * that are released in no pool stay until the thread ends. */
typedef struct pools {
    id *objects;
    size_t count, room;
    uint64_t world; /* number of the world to which the objects belong */
} pools;
static _Thread_local pools *own_pools;
static pthread_key_t pools_key;
static _Atomic uint64_t world_number;

static pools *pools_of_thread(void) {
    if (own_pools == NULL) {
        own_pools = calloc(1, sizeof *own_pools);
        pthread_setspecific(pools_key, own_pools);
    }
    if (own_pools->world != world_number) { /* a reset has freed them */
        own_pools->count = 0;
        own_pools->world = world_number;
    }
    return own_pools;
}
void objc_reset(void) { world_number++; }

static void drain(pools *p, size_t left) {
    while (p->count > left) {
        CFRelease(p->objects[--p->count]);
    }
}
static void thread_exits(void *own) {
    pools *p = own;
    if (p->world == world_number) {
        drain(p, 0);
    }
    free(p->objects);
    free(p);
    own_pools = NULL;
}
__attribute__((constructor)) static void make_key(void) {
    pthread_key_create(&pools_key, thread_exits);
}

id objc_later_released(id object) {
    pools *p = pools_of_thread();
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 16;
        p->objects = realloc(p->objects, p->room * sizeof *p->objects);
    }
    p->objects[p->count++] = object;
    return object;
}
EXPORT id objc_autorelease(id object) {
    return object != NULL ? objc_later_released(object) : NULL;
}
EXPORT id objc_retainAutorelease(id object) { return objc_autorelease(objc_retain(object)); }
EXPORT void *objc_autoreleasePoolPush(void) {
    return (void *)(uintptr_t)(pools_of_thread()->count + 1);
}
EXPORT void objc_autoreleasePoolPop(void *pool) {
    drain(pools_of_thread(), (size_t)(uintptr_t)pool - 1);
}

/* ---- NSObject and NSAutoreleasePool ---- */

EXPORT id objc_alloc(Class c) {
    return c == NULL                        ? NULL
           : c->index == CA_TAP_DESCRIPTION ? (id)tap_description_new()
                                            : objc_new_placeholder(c);
}
EXPORT id objc_alloc_init(Class c) {
    id object = objc_alloc(c);
    if (object == NULL) {
        return NULL;
    }
    SEL init = sel_registerName("init");
    id (*imp)(id, SEL) = (id (*)(id, SEL))sim_objc_find(object, init);
    return imp(object, init);
}
EXPORT id objc_opt_new(Class c) { return objc_alloc_init(c); }

static id class_alloc(Class c, SEL s) {
    (void)s;
    return objc_alloc(c);
}
static id class_alloc_zone(Class c, SEL s, void *zone) {
    (void)s, (void)zone;
    return objc_alloc(c);
}
static id class_new(Class c, SEL s) {
    (void)s;
    return objc_alloc_init(c);
}
static id class_self(id self, SEL s) {
    (void)s;
    return self;
}
static Class class_superclass(Class c, SEL s) {
    (void)s;
    return class_getSuperclass(c);
}
static signed char class_instances_respond(Class c, SEL s, SEL wanted) {
    (void)s;
    return class_respondsToSelector(c, wanted);
}
static id object_init(id self, SEL s) {
    (void)s;
    return self;
}
static id object_retain(id self, SEL s) {
    (void)s;
    return objc_retain(self);
}
static void object_release(id self, SEL s) {
    (void)s;
    objc_release(self);
}
static id object_autorelease(id self, SEL s) {
    (void)s;
    return objc_autorelease(self);
}
static uint64_t object_retain_count(id self, SEL s) {
    (void)s;
    return (uint64_t)CFGetRetainCount(self);
}
static Class object_class(id self, SEL s) {
    (void)s;
    return object_getClass(self);
}
static Class object_superclass(id self, SEL s) {
    (void)s;
    return class_getSuperclass(object_getClass(self));
}
static signed char object_is_kind(id self, SEL s, Class wanted) {
    (void)s;
    Class c = object_getClass(self);
    while (c != NULL && c != wanted) {
        c = class_getSuperclass(c);
    }
    return c != NULL;
}
static signed char object_is_member(id self, SEL s, Class wanted) {
    (void)s;
    return object_getClass(self) == wanted;
}
static signed char object_responds(id self, SEL s, SEL wanted) {
    (void)s;
    return class_respondsToSelector(object_getClass(self), wanted);
}
static signed char object_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && (signed char)CFEqual(self, other);
}
static uint64_t object_hash(id self, SEL s) {
    (void)s;
    return CFHash(self);
}
static id object_description(id self, SEL s) {
    (void)s;
    char text[256];
    snprintf(text, sizeof text, "<%s: %p>", object_getClassName(self), self);
    return objc_later_released((id)(uintptr_t)cf_string(text));
}
/* A pool object is a token. -drain and -release end the pool. */
typedef struct pool_object {
    cf_object head;
    void *token;
} pool_object;
static void pool_ends(cf_object *o) { objc_autoreleasePoolPop(((pool_object *)(void *)o)->token); }
static id pool_init(id self, SEL s) {
    (void)s;
    objc_take_placeholder(self);
    pool_object *p = cf_new(CF_POOL, sizeof *p, pool_ends);
    p->token = objc_autoreleasePoolPush();
    return p;
}

objc_method object_methods[] = {
    ON_CLASS(NS_OBJECT, "alloc", class_alloc, 1000),
    ON_CLASS(NS_OBJECT, "allocWithZone:", class_alloc_zone, 1000),
    ON_CLASS(NS_OBJECT, "new", class_new, 1000),
    ON_CLASS(NS_OBJECT, "class", class_self, 1000),
    ON_CLASS(NS_OBJECT, "superclass", class_superclass, 1000),
    ON_CLASS(NS_OBJECT, "instancesRespondToSelector:", class_instances_respond, 1000),
    ON_OBJECT(NS_OBJECT, "init", object_init, 1000),
    ON_OBJECT(NS_OBJECT, "self", class_self, 1000),
    ON_OBJECT(NS_OBJECT, "retain", object_retain, 1000),
    ON_OBJECT(NS_OBJECT, "release", object_release, 1000),
    ON_OBJECT(NS_OBJECT, "autorelease", object_autorelease, 1000),
    ON_OBJECT(NS_OBJECT, "retainCount", object_retain_count, 1000),
    ON_OBJECT(NS_OBJECT, "class", object_class, 1000),
    ON_OBJECT(NS_OBJECT, "superclass", object_superclass, 1000),
    ON_OBJECT(NS_OBJECT, "isKindOfClass:", object_is_kind, 1000),
    ON_OBJECT(NS_OBJECT, "isMemberOfClass:", object_is_member, 1000),
    ON_OBJECT(NS_OBJECT, "respondsToSelector:", object_responds, 1000),
    ON_OBJECT(NS_OBJECT, "isEqual:", object_is_equal, 1000),
    ON_OBJECT(NS_OBJECT, "hash", object_hash, 1000),
    ON_OBJECT(NS_OBJECT, "description", object_description, 1000),
    ON_OBJECT(NS_OBJECT, "debugDescription", object_description, 1000),
    ON_OBJECT(NS_AUTORELEASE_POOL, "init", pool_init, 1000),
    ON_OBJECT(NS_AUTORELEASE_POOL, "drain", object_release, 1000),
    {NO_CLASS, false, NULL, NULL, 0, NULL},
};
