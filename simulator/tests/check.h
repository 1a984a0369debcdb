/* check.h: checks that print a failure and continue, and helpers that several tests use. */
#ifndef SIM_TESTS_CHECK_H
#define SIM_TESTS_CHECK_H

#ifndef COREAUDIO_ABI_PROTOTYPES
#define COREAUDIO_ABI_PROTOTYPES
#endif
#include "coreaudio_abi.h"
#include "coreaudio_simulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;
static const char *check_context = "";

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_failures++;                                                                      \
            if (check_failures < 30) {                                                             \
                printf("%s:%d: %s%s: ", __FILE__, __LINE__, check_context, #condition);            \
                printf(__VA_ARGS__);                                                               \
                printf("\n");                                                                      \
            }                                                                                      \
        }                                                                                          \
    } while (0)
#define EQUAL(got, wanted)                                                                         \
    do {                                                                                           \
        long long got_ = (long long)(got), wanted_ = (long long)(wanted);                          \
        CHECK(got_ == wanted_, "is %lld, not %lld", got_, wanted_);                                \
    } while (0)

#define MS 1000000ull
#define SECOND 1000000000ull

/* Begins a test with a new world in virtual time and one fixture. */
static inline void world_with(uint64_t seed, int fixture) {
    sim_configure(seed);
    sim_use_virtual_time();
    CHECK(sim_load_fixture(fixture) == 0, "fixture %d", fixture);
}

/* Ends a test. The client has closed everything, so nothing may be left. */
static inline void world_is_clean(void) {
    int64_t dirt = sim_check_clean();
    if (dirt != 0) {
        static char text[65536];
        sim_report(text, sizeof text);
        CHECK(dirt == 0, "%lld things are left or wrong:\n%s", (long long)dirt, text);
    }
    sim_reset();
}

static inline int check_result(const char *name) {
    printf("%s: %s\n", name, check_failures ? "FAILED" : "passed");
    return check_failures != 0;
}

static inline OSStatus get_data(AudioObjectID id, UInt32 selector, UInt32 scope, UInt32 element,
                                void *data, UInt32 *size) {
    AudioObjectPropertyAddress a = {selector, scope, element};
    return AudioObjectGetPropertyData(id, &a, 0, NULL, size, data);
}
static inline UInt32 get_u32(AudioObjectID id, UInt32 selector, UInt32 scope) {
    UInt32 value = 0xdeadbeef, size = sizeof value;
    OSStatus error = get_data(id, selector, scope, 0, &value, &size);
    CHECK(error == 0, "get of %08x on %u: %d", selector, id, (int)error);
    return value;
}
static inline double get_f64(AudioObjectID id, UInt32 selector, UInt32 scope) {
    double value = -1;
    UInt32 size = sizeof value;
    OSStatus error = get_data(id, selector, scope, 0, &value, &size);
    CHECK(error == 0, "get of %08x on %u: %d", selector, id, (int)error);
    return value;
}
static inline OSStatus set_data(AudioObjectID id, UInt32 selector, const void *data, UInt32 size) {
    AudioObjectPropertyAddress a = {selector, kAudioObjectPropertyScopeGlobal, 0};
    return AudioObjectSetPropertyData(id, &a, 0, NULL, size, data);
}
static inline OSStatus set_rate(AudioObjectID id, double rate) {
    return set_data(id, kAudioDevicePropertyNominalSampleRate, &rate, sizeof rate);
}
static inline OSStatus set_buffer_frames(AudioObjectID id, UInt32 frames) {
    return set_data(id, kAudioDevicePropertyBufferFrameSize, &frames, sizeof frames);
}
/* Sets 'rnlp' to NULL, so that listeners are called on a thread of the HAL. */
static inline void own_notification_thread(void) {
    CFRunLoopRef none = NULL;
    EQUAL(set_data(kAudioObjectSystemObject, kAudioHardwarePropertyRunLoop, &none, sizeof none), 0);
}

#endif
