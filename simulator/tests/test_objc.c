/* test_objc.c: the runtime of Objective-C, and the classes that process taps need. */
#include "objc_client.h"

#include <pthread.h>

static id class_of(const char *name) {
    id found = objc_getClass(name);
    CHECK(found != NULL, "no class %s", name);
    return found;
}

static void classes_and_selectors(void) {
    sim_configure(0);
    id string = class_of("NSString");
    EQUAL(objc_getClass("NSNothing") == NULL, 1);
    EQUAL(sel_registerName("init") == sel_registerName("init"), 1);
    EQUAL(sel_registerName("init") == sel_registerName("initX"), 0);
    CHECK(strcmp(class_getName(string), "NSString") == 0, "is %s", class_getName(string));
    EQUAL(class_getSuperclass(class_of("NSMutableArray")) == class_of("NSArray"), 1);
    EQUAL(class_getSuperclass(class_of("NSObject")) == NULL, 1);
    EQUAL(class_respondsToSelector(string, sel_registerName("UTF8String")), 1);
    EQUAL(class_respondsToSelector(string, sel_registerName("alloc")), 0);
    EQUAL(class_respondsToSelector(object_getClass(string), sel_registerName("alloc")), 1);
    EQUAL(SEND(signed char, (id, SEL, SEL), string, "respondsToSelector:", sel_registerName("new")),
          1);
    EQUAL(SEND0(id, string, "class") == string, 1);
    EQUAL(sim_dlsym("objc_msgSend") == message_function(), 1);
    world_is_clean();
}

static void texts(void) {
    void *pool = objc_autoreleasePoolPush();
    id text = ns_string("Grüße 🎧");
    CHECK(strcmp(SEND0(const char *, text, "UTF8String"), "Grüße 🎧") == 0, "is another text");
    EQUAL(SEND0(unsigned long, text, "length"), 8);
    EQUAL(CFStringGetLength(text), 8); /* the same object */
    EQUAL(SEND(signed char, (id, SEL, id), text, "isEqualToString:", ns_string("Grüße 🎧")), 1);
    EQUAL(SEND(signed char, (id, SEL, id), text, "isEqual:", ns_string("x")), 0);
    EQUAL(SEND(signed char, (id, SEL, id), text, "hasPrefix:", ns_string("Gr")), 1);
    EQUAL(SEND(signed char, (id, SEL, id), text, "hasSuffix:", ns_string("Gr")), 0);
    id own = SEND(id, (id, SEL, const char *), SEND0(id, class_of("NSString"), "alloc"),
                  "initWithUTF8String:", "mine");
    EQUAL(CFGetRetainCount(own), 1);
    objc_retain(own);
    EQUAL(SEND0(unsigned long, own, "retainCount"), 2);
    SEND0(void, own, "release");
    objc_release(own);
    CFStringRef core = CFStringCreateWithCString(NULL, "bridged", kCFStringEncodingUTF8);
    EQUAL(SEND0(unsigned long, (id)(uintptr_t)core, "length"), 7);
    EQUAL(SEND(signed char, (id, SEL, id), (id)(uintptr_t)core,
               "isKindOfClass:", class_of("NSString")),
          1);
    CFRelease(core);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

static void numbers(void) {
    void *pool = objc_autoreleasePoolPush();
    id class_object = class_of("NSNumber");
    id big = SEND(id, (id, SEL, unsigned), class_object, "numberWithUnsignedInt:", 4000000000u);
    EQUAL(SEND0(unsigned, big, "unsignedIntValue"), 4000000000u);
    EQUAL(SEND0(long, big, "longValue"), 4000000000);
    id small = SEND(id, (id, SEL, int), class_object, "numberWithInt:", -7);
    EQUAL(SEND0(int, small, "intValue"), -7);
    EQUAL(SEND0(long, small, "integerValue"), -7);
    EQUAL(SEND0(double, small, "doubleValue") == -7.0, 1);
    id real = SEND(id, (id, SEL, double), class_object, "numberWithDouble:", 0.25);
    EQUAL(SEND0(double, real, "doubleValue") == 0.25, 1);
    EQUAL(SEND0(float, real, "floatValue") == 0.25f, 1);
    id on = SEND(id, (id, SEL, signed char), class_object, "numberWithBool:", 1);
    EQUAL((CFBooleanRef)on == kCFBooleanTrue, 1);
    EQUAL(SEND0(signed char, on, "boolValue"), 1);
    EQUAL(SEND0(int, on, "intValue"), 1);
    EQUAL(SEND(signed char, (id, SEL, id), small, "isEqualToNumber:", big), 0);
    SInt32 value = 0;
    EQUAL(CFNumberGetValue(small, kCFNumberSInt32Type, &value), 1);
    EQUAL(value, -7);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

static void collections(void) {
    void *pool = objc_autoreleasePoolPush();
    id a = ns_string("a"), b = ns_string("b");
    id array = SEND(id, (id, SEL, id, ...), class_of("NSArray"), "arrayWithObjects:", a, b, NULL);
    EQUAL(SEND0(unsigned long, array, "count"), 2);
    EQUAL(SEND(id, (id, SEL, unsigned long), array, "objectAtIndex:", 1) == b, 1);
    EQUAL(SEND0(id, array, "firstObject") == a, 1);
    EQUAL(SEND(signed char, (id, SEL, id), array, "containsObject:", ns_string("b")), 1);
    EQUAL(CFArrayGetCount(array), 2);
    id more = objc_alloc_init(class_of("NSMutableArray"));
    EQUAL(SEND0(id, more, "lastObject") == NULL, 1);
    SEND(void, (id, SEL, id), more, "addObject:", a);
    EQUAL(SEND0(unsigned long, more, "count"), 1);
    objc_release(more);
    id dictionary = SEND0(id, class_of("NSMutableDictionary"), "dictionary");
    SEND(void, (id, SEL, id, id), dictionary, "setObject:forKey:", array, a);
    EQUAL(SEND_ID(dictionary, "objectForKey:", ns_string("a")) == array, 1);
    EQUAL(CFDictionaryGetCount(dictionary), 1);
    id copy = SEND_ID(class_of("NSDictionary"), "dictionaryWithDictionary:", dictionary);
    EQUAL(copy != dictionary && SEND_ID(copy, "objectForKey:", ns_string("a")) == array, 1);
    EQUAL(SEND(signed char, (id, SEL, id), copy, "isEqualToDictionary:", dictionary), 1);
    id keys = SEND0(id, copy, "allKeys"), values = SEND0(id, copy, "allValues");
    EQUAL(CFArrayGetCount(keys), 1);
    EQUAL(SEND(signed char, (id, SEL, id), values, "containsObject:", array), 1);
    id paired = SEND(id, (id, SEL, id, id), class_of("NSDictionary"),
                     "dictionaryWithObjects:forKeys:", values, keys);
    EQUAL(SEND(signed char, (id, SEL, id), paired, "isEqualToDictionary:", copy), 1);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

static void identifiers(void) {
    void *pool = objc_autoreleasePoolPush();
    id uuid_class = class_of("NSUUID");
    id one = SEND0(id, uuid_class, "UUID"), other = SEND0(id, uuid_class, "UUID");
    EQUAL(SEND(signed char, (id, SEL, id), one, "isEqual:", other), 0);
    id text = SEND0(id, one, "UUIDString");
    EQUAL(SEND0(unsigned long, text, "length"), 36);
    id again = SEND_ID(SEND0(id, uuid_class, "alloc"), "initWithUUIDString:", text);
    EQUAL(SEND(signed char, (id, SEL, id), one, "isEqual:", again), 1);
    unsigned char bytes[16];
    SEND(void, (id, SEL, unsigned char *), one, "getUUIDBytes:", bytes);
    id third = SEND(id, (id, SEL, unsigned char *), SEND0(id, uuid_class, "alloc"),
                    "initWithUUIDBytes:", bytes);
    EQUAL(SEND(signed char, (id, SEL, id), third, "isEqual:", again), 1);
    objc_release(again);
    objc_release(third);
    EQUAL(SEND_ID(SEND0(id, uuid_class, "alloc"), "initWithUUIDString:", ns_string("no")) == NULL,
          1);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

/* Every initialiser and property of CATapDescription, each through a pointer of its own type. */
static void descriptions_of_taps(void) {
    static const struct {
        const char *initialiser;
        int exclusive, mono;
    } wanted[] = {{"initStereoMixdownOfProcesses:", 0, 0},
                  {"initMonoMixdownOfProcesses:", 0, 1},
                  {"initStereoGlobalTapButExcludeProcesses:", 1, 0},
                  {"initMonoGlobalTapButExcludeProcesses:", 1, 1}};
    const AudioObjectID ids[2] = {41, 42};
    void *pool = objc_autoreleasePoolPush();
    for (size_t i = 0; i < 4; i++) {
        id d = tap_description(wanted[i].initialiser, ids, 2);
        EQUAL(SEND0(signed char, d, "isExclusive"), wanted[i].exclusive);
        EQUAL(SEND0(signed char, d, "isMono"), wanted[i].mono);
        EQUAL(SEND0(signed char, d, "isMixdown"), 1);
        EQUAL(SEND0(signed char, d, "isPrivate"), 0);
        EQUAL(SEND0(long, d, "isMuted"), CATapUnmuted);
        EQUAL(SEND0(id, d, "deviceUID") == NULL, 1);
        EQUAL(SEND0(id, d, "stream") == NULL, 1);
        id list = SEND0(id, d, "processes");
        EQUAL(SEND0(unsigned long, list, "count"), 2);
        EQUAL(SEND0(unsigned, SEND0(id, list, "lastObject"), "unsignedIntValue"), 42);
        objc_release(d);
    }
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        id d = SEND(id, (id, SEL, id, id, long), SEND0(id, class_of("CATapDescription"), "alloc"),
                    exclusive ? "initExcludingProcesses:andDeviceUID:withStream:"
                              : "initWithProcesses:andDeviceUID:withStream:",
                    ns_processes(ids, 1), ns_string("USBDuplex:1"), 1);
        EQUAL(SEND0(signed char, d, "isExclusive"), exclusive);
        EQUAL(SEND0(signed char, d, "isMixdown"), 0);
        EQUAL(SEND0(long, SEND0(id, d, "stream"), "integerValue"), 1);
        EQUAL(SEND(signed char, (id, SEL, id), SEND0(id, d, "deviceUID"),
                   "isEqualToString:", ns_string("USBDuplex:1")),
              1);
        SEND(void, (id, SEL, id), d, "setName:", ns_string("name"));
        EQUAL(SEND0(unsigned long, SEND0(id, d, "name"), "length"), 4);
        id uuid = SEND0(id, class_of("NSUUID"), "UUID");
        EQUAL(SEND(signed char, (id, SEL, id), uuid, "isEqual:", SEND0(id, d, "UUID")), 0);
        SEND(void, (id, SEL, id), d, "setUUID:", uuid);
        EQUAL(SEND(signed char, (id, SEL, id), uuid, "isEqual:", SEND0(id, d, "UUID")), 1);
        SEND(void, (id, SEL, long), d, "setMuteBehavior:", CATapMutedWhenTapped);
        EQUAL(SEND0(long, d, "isMuted"), CATapMutedWhenTapped);
        static const char *const flags[][2] = {
            {"setMono:", "isMono"},
            {"setExclusive:", "isExclusive"},
            {"setMixdown:", "isMixdown"},
            {"setPrivate:", "isPrivate"},
            {"setProcessRestoreEnabled:", "isProcessRestoreEnabled"}};
        for (size_t i = 0; i < 5; i++) {
            for (signed char on = 1; on >= 0; on--) {
                SET_BOOL(d, flags[i][0], on);
                EQUAL(SEND0(signed char, d, flags[i][1]), on);
            }
        }
        /* only the lowest byte of the register of a BOOL counts */
        SEND(void, (id, SEL, unsigned long), d, "setMono:", 0x7fffff00ul);
        EQUAL(SEND0(signed char, d, "isMono"), 0);
        id bundle = ns_string("com.example.player");
        SEND(void, (id, SEL, id), d,
             "setBundleIDs:", SEND_ID(class_of("NSArray"), "arrayWithObject:", bundle));
        EQUAL(SEND0(unsigned long, SEND0(id, d, "bundleIDs"), "count"), 1);
        SEND(void, (id, SEL, id), d, "setDeviceUID:", NULL);
        EQUAL(SEND0(id, d, "deviceUID") == NULL, 1);
        SEND(void, (id, SEL, id), d, "setStream:", NULL);
        EQUAL(SEND0(id, d, "stream") == NULL, 1);
        SEND(void, (id, SEL, id), d, "setProcesses:", ns_processes(ids, 0));
        EQUAL(SEND0(unsigned long, SEND0(id, d, "processes"), "count"), 0);
        objc_release(d);
    }
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

static void older_versions(void) {
    SEL bundles = sel_registerName("setBundleIDs:");
    SEL mute = sel_registerName("setMuteBehavior:");
    sim_set_macos(1100);
    EQUAL(objc_getClass("CATapDescription") == NULL, 1);
    EQUAL(objc_getClass("NSUUID") != NULL, 1);
    sim_set_macos(1200);
    EQUAL(class_respondsToSelector(class_of("CATapDescription"), mute), 0);
    sim_set_macos(1500);
    EQUAL(class_respondsToSelector(class_of("CATapDescription"), mute), 1);
    EQUAL(class_respondsToSelector(class_of("CATapDescription"), bundles), 0);
    sim_set_macos(2600);
    EQUAL(class_respondsToSelector(class_of("CATapDescription"), bundles), 1);
    world_is_clean();
}

static void *leaves_objects(void *unused) {
    ns_string("released when the thread ends");
    return unused;
}

/* What the real runtime answers with an exception or a crash, and what it allows. */
static void mistakes(void) {
    void *pool = objc_autoreleasePoolPush();
    EQUAL(SEND0(long, NULL, "count"), 0);
    EQUAL(SEND0(double, NULL, "doubleValue") == 0.0, 1);
    EQUAL(sim_counter("fault_message"), 0);
    SEND0(id, ns_string("x"), "count");
    EQUAL(sim_counter("fault_message"), 1);
    SEND(id, (id, SEL, unsigned long), SEND0(id, class_of("NSArray"), "array"),
         "objectAtIndex:", 0);
    EQUAL(sim_counter("fault_message"), 2);
    SEND(void, (id, SEL, id), SEND0(id, class_of("NSMutableArray"), "array"), "addObject:", NULL);
    EQUAL(sim_counter("fault_message"), 3);
    id d = objc_alloc_init(class_of("CATapDescription"));
    SEND(void, (id, SEL, id), d,
         "setProcesses:", SEND_ID(class_of("NSArray"), "arrayWithObject:", ns_string("no number")));
    EQUAL(sim_counter("fault_message"), 4);
    objc_release(d);
    SEND0(id, d, "name");
    EQUAL(sim_counter("fault_over_release"), 1);
    objc_autoreleasePoolPop(pool);
    pthread_t thread;
    pthread_create(&thread, NULL, leaves_objects, NULL);
    pthread_join(thread, NULL);
    EQUAL(sim_counter("live_cf_objects"), 0);
    id left = objc_alloc_init(class_of("CATapDescription"));
    EQUAL(left != NULL, 1);
    EQUAL(sim_check_clean() > 5, 1); /* a leak as well */
    sim_reset();
    pool = objc_autoreleasePoolPush();
    ns_string("not seen by the new world");
    sim_reset();
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}

int main(void) {
    classes_and_selectors();
    texts();
    numbers();
    collections();
    identifiers();
    descriptions_of_taps();
    older_versions();
    mistakes();
    return check_result("objc");
}
