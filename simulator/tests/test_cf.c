/* test_cf.c: reference counts of CoreFoundation objects, the mistakes that the simulator finds,
 * workgroups and blocks. */
#include "check.h"

#include <pthread.h>

static bool report_has(const char *text) {
    static char report[65536];
    sim_report(report, sizeof report);
    return strstr(report, text) != NULL;
}

static CFStringRef string(const char *text) {
    return CFStringCreateWithCString(NULL, text, kCFStringEncodingUTF8);
}

static void counts(void) {
    sim_configure(0);
    CFStringRef s = string("a leak");
    EQUAL(sim_counter("live_cf_objects"), 1);
    EQUAL(CFGetRetainCount(s), 1);
    CFRetain(s);
    CFRelease(s);
    EQUAL(sim_check_clean(), 1);
    CHECK(report_has("CFString") && report_has("a leak"), "the leak is not named");
    CFRelease(s);
    EQUAL(sim_counter("live_cf_objects"), 0);
    CFRelease(s);
    EQUAL(sim_counter("fault_over_release"), 1);
    CFRelease(kCFBooleanTrue);
    CFRelease(kCFBooleanTrue);
    EQUAL(sim_counter("fault_over_release"), 1);
    sim_reset();
    s = string("freed by the reset");
    (void)s;
    sim_reset();
    EQUAL(sim_counter("live_cf_objects"), 0);
}

static void strings(void) {
    char text[8];
    CFStringRef s = string("12345678");
    EQUAL(CFStringGetCString(s, text, 8, kCFStringEncodingUTF8), 0);
    EQUAL(CFStringGetCString(s, text, 8, kCFStringEncodingASCII), 0);
    CHECK(CFStringGetCStringPtr(s, kCFStringEncodingUTF8) == NULL, "a pointer by default");
    sim_set("cstring_ptr", 1);
    CHECK(strcmp(CFStringGetCStringPtr(s, kCFStringEncodingUTF8), "12345678") == 0, "no pointer");
    CFStringRef same = string("12345678"), other = string("12345679");
    EQUAL(CFEqual(s, same), 1);
    EQUAL(CFHash(s), CFHash(same));
    EQUAL(CFEqual(s, other), 0);
    EQUAL(CFStringCompare(s, other, 0), -1);
    CHECK(string("\xff\xfe") == NULL && string("\xc0\x80") == NULL, "broken UTF-8 was taken");
    UInt8 bytes[32];
    CFIndex used = 0;
    CFStringRef clef = string("\xf0\x9d\x84\x9e!");
    EQUAL(CFStringGetLength(clef), 3);
    EQUAL(CFStringGetBytes(clef, (CFRange){0, 3}, kCFStringEncodingUTF8, 0, 0, bytes, 32, &used),
          3);
    EQUAL(used, 5);
    EQUAL(CFStringGetBytes(clef, (CFRange){0, 3}, kCFStringEncodingUTF8, 0, 0, bytes, 3, &used), 0);
    EQUAL(CFStringGetBytes(clef, (CFRange){0, 3}, kCFStringEncodingASCII, '?', 0, bytes, 32, &used),
          3);
    EQUAL(CFStringGetBytes(clef, (CFRange){0, 3}, kCFStringEncodingUTF16LE, 0, 0, NULL, 0, &used),
          3);
    EQUAL(used, 6);
    CFRelease(s);
    CFRelease(same);
    CFRelease(other);
    CFRelease(clef);
    world_is_clean();
}

/* Nothing of a string stays in the buffer that it does not fit into. */
static void strings_that_do_not_fit(void) {
    char text[8] = "before!";
    CFStringRef s = string("12345678");
    EQUAL(CFStringGetCString(s, text, 8, kCFStringEncodingUTF8), 0);
    EQUAL(text[0], 0);
    CFRelease(s);
    s = string("Kopfh\xc3\xb6rer");
    strcpy(text, "before!");
    EQUAL(CFStringGetCString(s, text, 8, kCFStringEncodingASCII), 0);
    EQUAL(text[0], 0);
    CFRelease(s);
}

static void old_encodings(void) {
    char text[16];
    CFStringRef s = string("\xc3\xb6 \xe2\x82\xac \xcf\x80");
    EQUAL(CFStringGetCString(s, text, sizeof text, kCFStringEncodingMacRoman), 1);
    CHECK(strcmp(text, "\x9a \xdb \xb9") == 0, "is %s", text);
    CFStringRef back = CFStringCreateWithCString(NULL, text, kCFStringEncodingMacRoman);
    EQUAL(CFEqual(s, back), 1);
    EQUAL(CFStringGetCString(s, text, sizeof text, kCFStringEncodingWindowsLatin1), 0);
    CFRelease(s);
    CFRelease(back);
    s = CFStringCreateWithCString(NULL, "\xf6 \x80", kCFStringEncodingWindowsLatin1);
    CHECK(CFStringGetCString(s, text, sizeof text, kCFStringEncodingUTF8) &&
              strcmp(text, "\xc3\xb6 \xe2\x82\xac") == 0,
          "is %s", text);
    CFRelease(s);
    CHECK(CFStringCreateWithCString(NULL, "\x81", kCFStringEncodingWindowsLatin1) == NULL,
          "a byte without a character");
    world_is_clean();
}

static void collections(void) {
    CFStringRef key = string("key"), same_key = string("key"), value = string("value");
    CFMutableDictionaryRef d = CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                                         &kCFTypeDictionaryValueCallBacks);
    CFDictionaryAddValue(d, key, value);
    CFDictionarySetValue(d, same_key, kCFBooleanTrue);
    EQUAL(CFDictionaryGetCount(d), 1);
    CHECK(CFDictionaryGetValue(d, same_key) == kCFBooleanTrue, "not found by equality");
    EQUAL(CFGetRetainCount(key), 2);
    EQUAL(CFGetRetainCount(value), 1);
    SInt32 number = -7;
    CFNumberRef n = CFNumberCreate(NULL, kCFNumberSInt32Type, &number);
    SInt64 wide = 0;
    double real = 0;
    EQUAL(CFNumberGetValue(n, kCFNumberSInt64Type, &wide), 1);
    EQUAL(wide, -7);
    EQUAL(CFNumberGetValue(n, kCFNumberFloat64Type, &real), 1);
    EQUAL(real, -7);
    const void *values[2] = {n, d};
    CFArrayRef a = CFArrayCreate(NULL, values, 2, &kCFTypeArrayCallBacks);
    CFRelease(n);
    CFRelease(d);
    EQUAL(CFArrayGetCount(a), 2);
    EQUAL(CFGetTypeID(CFArrayGetValueAtIndex(a, 1)), CFDictionaryGetTypeID());
    CFRelease(a);
    CFDataRef data = CFDataCreate(NULL, (const UInt8 *)"xyz", 3);
    EQUAL(CFDataGetLength(data), 3);
    CFRelease(data);
    CFRelease(key);
    CFRelease(same_key);
    CFRelease(value);
    world_is_clean();
}

/* ---- workgroups ---- */

static os_workgroup_t group;
static void *other_thread(void *token) {
    os_workgroup_leave(group, token);
    EQUAL(sim_counter("fault_workgroup"), 1);
    struct os_workgroup_join_token_opaque_s mine;
    EQUAL(os_workgroup_join(group, &mine), 0);
    return NULL; /* the mistake: without leaving the workgroup */
}
static void workgroups(void) {
    world_with(0, 1);
    AudioObjectID device = sim_find_device("BuiltInSpeakerDevice");
    UInt32 size = sizeof group;
    EQUAL(get_data(device, kAudioDevicePropertyIOThreadOSWorkgroup, kAudioObjectPropertyScopeGlobal,
                   0, &group, &size),
          0);
    EQUAL(sim_counter("live_workgroups"), 1);
    struct os_workgroup_join_token_opaque_s token, again;
    EQUAL(os_workgroup_join(group, &token), 0);
    EQUAL(os_workgroup_join(group, &again), 37);
    pthread_t t;
    pthread_create(&t, NULL, other_thread, &token);
    pthread_join(t, NULL);
    /* The other thread has left with this thread's token, and has ended without leaving itself.
     */
    EQUAL(sim_counter("fault_workgroup"), 2);
    os_workgroup_leave(group, &token);
    os_workgroup_leave(group, &token);
    EQUAL(sim_counter("fault_workgroup"), 3);
    sim_remove_device(device);
    EQUAL(os_workgroup_join(group, &token), 22);
    os_release(group);
    EQUAL(sim_counter("live_workgroups"), 0);
    sim_set("workgroup", 1);
    AudioObjectPropertyAddress a = {kAudioDevicePropertyIOThreadOSWorkgroup,
                                    kAudioObjectPropertyScopeGlobal, 0};
    EQUAL(AudioObjectHasProperty(sim_replug_device(device), &a), 0);
    sim_reset();
}

/* ---- blocks in the layout that a compiler uses ---- */

struct block {
    void *isa;
    int flags, reserved;
    void (*invoke)(void *, ...);
    struct {
        unsigned long reserved, size;
    } *descriptor;
    int *counter;
};
static void invoked(struct block *b, UInt32 n, const AudioObjectPropertyAddress *addresses) {
    (void)addresses;
    *b->counter += (int)n;
}
static void blocks(void) {
    world_with(0, 1);
    own_notification_thread();
    int counter = 0;
    static struct {
        unsigned long reserved, size;
    } descriptor = {0, sizeof(struct block)};
    struct block b = {.counter = &counter};
    void (*function)(struct block *, UInt32, const AudioObjectPropertyAddress *) = invoked;
    memcpy(&b.invoke, &function, sizeof function);
    void *d = &descriptor;
    memcpy(&b.descriptor, &d, sizeof d);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyDevices, kAudioObjectPropertyScopeGlobal,
                                    0};
    EQUAL(AudioObjectAddPropertyListenerBlock(kAudioObjectSystemObject, &a, NULL, &b), 0);
    EQUAL(sim_counter("live_blocks"), 1);
    sim_add_device("uid=new; out=2");
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(counter, 1);
    EQUAL(AudioObjectRemovePropertyListenerBlock(kAudioObjectSystemObject, &a, NULL, &b), 0);
    EQUAL(sim_counter("live_blocks"), 0);
    world_is_clean();
}

int main(void) {
    counts();
    strings();
    strings_that_do_not_fit();
    old_encodings();
    collections();
    workgroups();
    blocks();
    return check_result("cf");
}
