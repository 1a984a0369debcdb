/* tap_client.h: a client that records through a tap, for test_taps.c. */
#ifndef SIM_TESTS_TAP_CLIENT_H
#define SIM_TESTS_TAP_CLIENT_H

#include "objc_client.h"

#include <pthread.h>
#include <unistd.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal,
                    input = kAudioObjectPropertyScopeInput;
static const AudioObjectID system_object = kAudioObjectSystemObject;
enum { PLAYER = 4711, OTHER = 4712, MOST = 8 };
static AudioObjectID player, other, speakers, tap, aggregate;
static AudioDeviceIOProcID proc;
static void *pool;

/* ---- the client ---- */

static int calls, buffers;
static float heard[MOST][2][64]; /* of each input buffer: the first frames of the last call */
static double heard_time;
static UInt32 channels[MOST];

static OSStatus io(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)now, (void)data;
    calls++;
    buffers = in != NULL ? (int)in->mNumberBuffers : 0;
    heard_time = in_time->mSampleTime;
    for (int i = 0; i < buffers && i < MOST; i++) {
        channels[i] = in->mBuffers[i].mNumberChannels;
        const float *samples = in->mBuffers[i].mData;
        for (UInt32 c = 0; samples != NULL && c < channels[i] && c < 2; c++) {
            for (UInt32 f = 0; f < 64; f++) {
                heard[i][c][f] = samples[f * channels[i] + c];
            }
        }
    }
    for (UInt32 i = 0; out != NULL && i < out->mNumberBuffers; i++) {
        float *samples = out->mBuffers[i].mData;
        UInt32 n = out->mBuffers[i].mNumberChannels;
        UInt32 frames = out->mBuffers[i].mDataByteSize / (UInt32)sizeof(float) / n;
        for (UInt32 f = 0; f < frames * n; f++) {
            samples[f] = sim_encode(14, 0, f % n, (int64_t)out_time->mSampleTime + f / n);
        }
    }
    return 0;
}

static void begin(void) {
    sim_configure(0);
    sim_use_virtual_time();
    sim_set("tap_delay_ns", 20 * MS);
    sim_set("aggregate_delay_ns", 20 * MS);
    EQUAL(sim_load_fixture(1), 0);
    EQUAL(sim_load_fixture(2), 0);
    EQUAL(sim_load_fixture(3), 0);
    speakers = sim_find_device("BuiltInSpeakerDevice");
    player = sim_add_process(PLAYER, "com.example.player");
    other = sim_add_process(OTHER, "com.example.other");
    EQUAL(sim_process_io(PLAYER, 0, speakers), 0);
    pool = objc_autoreleasePoolPush();
    calls = buffers = 0;
    tap = aggregate = 0;
}

static OSStatus create_tap(id description) {
    OSStatus error = AudioHardwareCreateProcessTap(description, &tap);
    objc_release(description);
    return error;
}
static void add(CFMutableDictionaryRef d, const char *key, CFTypeRef value) {
    CFStringRef name = CFStringCreateWithCString(NULL, key, kCFStringEncodingUTF8);
    CFDictionarySetValue(d, name, value);
    CFRelease(name);
}
static void add_text(CFMutableDictionaryRef d, const char *key, const char *text) {
    CFStringRef value = CFStringCreateWithCString(NULL, text, kCFStringEncodingUTF8);
    add(d, key, value);
    CFRelease(value);
}
static CFStringRef uid_of(AudioObjectID id) {
    CFStringRef uid = NULL;
    UInt32 size = sizeof uid;
    EQUAL(get_data(id, kAudioTapPropertyUID, global, 0, &uid, &size), 0);
    return uid;
}
static CFMutableArrayRef list_with(CFTypeRef value) {
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    if (value != NULL) {
        CFArrayAppendValue(list, value);
    }
    return list;
}
static CFMutableDictionaryRef dictionary(void) {
    return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
}
/* Makes a private aggregate of a device (NULL: none) and a tap (0: none). */
static void create_aggregate(const char *device, AudioObjectID with, bool auto_start) {
    CFMutableDictionaryRef d = dictionary();
    CFMutableArrayRef subs = list_with(NULL), taps = list_with(NULL);
    add_text(d, kAudioAggregateDeviceUIDKey, "tapping");
    add_text(d, kAudioAggregateDeviceNameKey, "Tapping");
    add(d, kAudioAggregateDeviceIsPrivateKey, kCFBooleanTrue);
    if (auto_start) {
        add(d, kAudioAggregateDeviceTapAutoStartKey, kCFBooleanTrue);
    }
    if (device != NULL) {
        CFMutableDictionaryRef one = dictionary();
        add_text(one, kAudioSubDeviceUIDKey, device);
        CFArrayAppendValue(subs, one);
        CFRelease(one);
    }
    if (with != 0) {
        CFMutableDictionaryRef one = dictionary();
        CFStringRef uid = uid_of(with);
        add(one, kAudioSubTapUIDKey, uid);
        add(one, kAudioSubDeviceDriftCompensationKey, kCFBooleanTrue);
        CFArrayAppendValue(taps, one);
        CFRelease(uid);
        CFRelease(one);
    }
    add(d, kAudioAggregateDeviceSubDeviceListKey, subs);
    add(d, kAudioAggregateDeviceTapListKey, taps);
    EQUAL(AudioHardwareCreateAggregateDevice(d, &aggregate), 0);
    CFRelease(subs);
    CFRelease(taps);
    CFRelease(d);
    EQUAL(sim_advance_ns(SECOND), 0);
}
static void start(void) {
    EQUAL(AudioDeviceCreateIOProcID(aggregate, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(aggregate, proc), 0);
}
static void run(void) { EQUAL(sim_advance_ns(SECOND), 0); }
static void stop(void) {
    EQUAL(AudioDeviceStop(aggregate, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(aggregate, proc), 0);
}
static void destroy(void) {
    if (aggregate != 0) {
        EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), 0);
        run();
    }
    EQUAL(AudioHardwareDestroyProcessTap(tap), 0);
    EQUAL(AudioHardwareDestroyProcessTap(tap), kAudioHardwareBadObjectError);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
}
static UInt32 count_of(AudioObjectID id, UInt32 selector, UInt32 scope) {
    AudioObjectPropertyAddress a = {selector, scope, 0};
    UInt32 size = 4000;
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, 0, NULL, &size), 0);
    return size / 4;
}
/* The frame of the tapped sound at a frame of the aggregate. */
static int64_t place_of(int64_t time) {
    AudioStreamBasicDescription format;
    UInt32 size = sizeof format;
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size), 0);
    double rate = get_f64(aggregate, kAudioDevicePropertyNominalSampleRate, global);
    return (int64_t)((double)time + (double)time * (format.mSampleRate / rate - 1));
}
/* Whether the last callback had the sum of the processes' samples in a buffer. */
static bool has(int buffer, const int *pids, int count) {
    for (UInt32 c = 0; c < 2; c++) {
        for (int f = 0; f < 64; f++) {
            float wanted = 0;
            for (int i = 0; i < count; i++) {
                wanted += sim_process_sample(pids[i], c, place_of((int64_t)heard_time + f));
            }
            if (heard[buffer][c][f] != wanted) {
                return false;
            }
        }
    }
    return true;
}
static const int both[] = {PLAYER, OTHER};
static bool has_player(void) { return has(0, both, 1); }
static bool is_silent(void) { return has(0, both, 0); }

#endif
