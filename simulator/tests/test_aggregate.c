/* test_aggregate.c: aggregate devices (S12): creation, publication, streams, clocks, changes of the
 * composition, sub-devices that go, destruction. */
#include "check.h"

#include <stdbool.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal,
                    input = kAudioObjectPropertyScopeInput,
                    output = kAudioObjectPropertyScopeOutput;
static const AudioObjectID system_object = kAudioObjectSystemObject;
static AudioObjectID aggregate;
static AudioDeviceIOProcID proc;
static int calls, slips, heard;
static UInt32 frames_seen[2], in_buffers, out_buffers;
static uint32_t serials[4], last_time[4];

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in_time, (void)out_time, (void)data;
    in_buffers = in->mNumberBuffers;
    out_buffers = out->mNumberBuffers;
    for (UInt32 i = 0; i < in_buffers && i < 4; i++) {
        UInt32 channels = in->mBuffers[i].mNumberChannels;
        UInt32 frames = in->mBuffers[i].mDataByteSize / 4 / channels;
        const float *samples = in->mBuffers[i].mData;
        frames_seen[0] = calls == 0 || frames < frames_seen[0] ? frames : frames_seen[0];
        frames_seen[1] = frames > frames_seen[1] ? frames : frames_seen[1];
        for (UInt32 k = 0; k < frames; k++) {
            uint32_t time = 0;
            CHECK(sim_decode(samples[k * channels], &serials[i], NULL, NULL, &time), "no code");
            slips += (calls > 0 || k > 0) && time != ((last_time[i] + 1) & 0x3ffff);
            last_time[i] = time;
        }
    }
    calls++;
    return 0;
}
static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)id, (void)n, (void)a, (void)data;
    heard++;
    return 0;
}
static void listen(AudioObjectID id, UInt32 selector, bool on) {
    AudioObjectPropertyAddress a = {selector, global, 0};
    heard = 0;
    EQUAL(on ? AudioObjectAddPropertyListener(id, &a, listener, NULL)
             : AudioObjectRemovePropertyListener(id, &a, listener, NULL),
          0);
}

/* ---- dictionaries ---- */

static void add(CFMutableDictionaryRef d, const char *key, CFTypeRef value) {
    CFStringRef string = CFStringCreateWithCString(NULL, key, kCFStringEncodingUTF8);
    CFDictionarySetValue(d, string, value);
    CFRelease(string);
    CFRelease(value);
}
static CFStringRef text(const char *value) {
    return CFStringCreateWithCString(NULL, value, kCFStringEncodingUTF8);
}
static CFNumberRef number(int value) { return CFNumberCreate(NULL, kCFNumberSInt32Type, &value); }
static CFMutableDictionaryRef dictionary(void) {
    return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
}

/* The sub-devices end with NULL. The first one does not compensate. */
static CFDictionaryRef description(const char *uid, const char *const *subs, bool drift,
                                   bool is_private) {
    CFMutableDictionaryRef d = dictionary();
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (int i = 0; subs[i] != NULL; i++) {
        CFMutableDictionaryRef sub = dictionary();
        add(sub, kAudioSubDeviceUIDKey, text(subs[i]));
        add(sub, kAudioSubDeviceDriftCompensationKey, number(drift && i > 0));
        CFArrayAppendValue(list, sub);
        CFRelease(sub);
    }
    add(d, kAudioAggregateDeviceUIDKey, text(uid));
    add(d, kAudioAggregateDeviceNameKey, text("An aggregate"));
    add(d, kAudioAggregateDeviceSubDeviceListKey, list);
    add(d, kAudioAggregateDeviceMainSubDeviceKey, text(subs[0]));
    add(d, kAudioAggregateDeviceIsPrivateKey, number(is_private));
    return d;
}
static OSStatus create(const char *uid, const char *const *subs, bool drift, bool is_private) {
    CFDictionaryRef d = description(uid, subs, drift, is_private);
    OSStatus error = AudioHardwareCreateAggregateDevice(d, &aggregate);
    CFRelease(d);
    return error;
}
static const char *const pair[] = {"Aggregated:a", "Aggregated:b", NULL};

static void begin(void) {
    sim_configure(0);
    sim_use_virtual_time();
    sim_set("aggregate_delay_ns", 20 * MS);
    own_notification_thread();
    CHECK(sim_add_device("uid=Aggregated:a; in=2; out=2; rates=44100,48000; rate=48000; ppm=200") !=
              0,
          "no device");
    CHECK(sim_add_device("uid=Aggregated:b; in=1; out=2; rates=48000,96000; rate=96000") != 0,
          "no device");
    calls = slips = 0;
    frames_seen[0] = frames_seen[1] = 0;
}
static UInt32 count_of(AudioObjectID id, UInt32 selector, UInt32 scope) {
    AudioObjectPropertyAddress a = {selector, scope, 0};
    UInt32 size = 4000;
    EQUAL(AudioObjectGetPropertyDataSize(id, &a, 0, NULL, &size), 0);
    return size / 4;
}
static void start(void) {
    EQUAL(AudioDeviceCreateIOProcID(aggregate, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(aggregate, proc), 0);
}
static void stop(void) {
    EQUAL(AudioDeviceStop(aggregate, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(aggregate, proc), 0);
}
static void destroy(void) {
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), kAudioHardwareBadObjectError);
}

/* ---- the tests ---- */

static void it_is_published_later(void) {
    for (int early = 0; early < 2; early++) {
        for (int is_private = 0; is_private < 2; is_private++) {
            begin();
            sim_set("aggregate_early", early);
            listen(system_object, kAudioHardwarePropertyDevices, true);
            EQUAL(create("together", pair, true, is_private), 0);
            UInt32 class_id = 0, size = sizeof class_id;
            EQUAL(get_data(aggregate, kAudioObjectPropertyClass, global, 0, &class_id, &size),
                  early ? kAudioHardwareUnknownPropertyError : kAudioHardwareBadObjectError);
            EQUAL(count_of(system_object, kAudioHardwarePropertyDevices, global), 2);
            EQUAL(sim_advance_ns(SECOND), 0);
            EQUAL(heard, !is_private);
            EQUAL(count_of(system_object, kAudioHardwarePropertyDevices, global), 3);
            EQUAL(get_u32(aggregate, kAudioObjectPropertyClass, global),
                  kAudioAggregateDeviceClassID);
            EQUAL(get_u32(aggregate, kAudioObjectPropertyBaseClass, global), kAudioDeviceClassID);
            EQUAL(get_u32(aggregate, kAudioDevicePropertyTransportType, global),
                  kAudioDeviceTransportTypeAggregate);
            EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, input), 2);
            EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, output), 2);
            destroy();
            EQUAL(heard, is_private ? 0 : 2);
            EQUAL(count_of(system_object, kAudioHardwarePropertyDevices, global), 2);
            listen(system_object, kAudioHardwarePropertyDevices, false);
            world_is_clean();
        }
    }
}

static void what_is_refused(void) {
    static const char *const nested[] = {"together", NULL}, *const none[] = {"nobody", NULL};
    begin();
    EQUAL(create("together", pair, true, true), 0);
    AudioObjectID first = aggregate;
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(create("together", pair, true, true), kAudioHardwareIllegalOperationError);
    EQUAL(create("nested", nested, true, true), kAudioHardwareIllegalOperationError);
    EQUAL(create("empty", none, true, true), 0); /* a sub-device that may come later */
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(count_of(aggregate, kAudioAggregateDevicePropertyActiveSubDeviceList, global), 0);
    EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, output), 0);
    destroy();
    EQUAL(AudioHardwareDestroyAggregateDevice(sim_find_device("Aggregated:a")),
          kAudioHardwareBadObjectError);
    EQUAL(sim_counter("live_aggregates"), 1);
    aggregate = first;
    destroy();
    world_is_clean();
}

/* Streams come in the order of the sub-devices, on the clock of the main one. */
static void streams_and_clocks(void) {
    for (int drift = 0; drift < 2; drift++) {
        begin();
        sim_set("aggregate_cycles", 1);
        EQUAL(create("together", pair, drift, true), 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(get_f64(aggregate, kAudioDevicePropertyNominalSampleRate, global), 48000);
        EQUAL(
            get_f64(sim_find_device("Aggregated:b"), kAudioDevicePropertyNominalSampleRate, global),
            48000); /* imposed */
        EQUAL(count_of(aggregate, kAudioDevicePropertyAvailableNominalSampleRates, global), 4);
        start();
        EQUAL(sim_advance_ns(2 * SECOND), 0);
        EQUAL(get_u32(sim_find_device("Aggregated:b"), kAudioDevicePropertyDeviceIsRunningSomewhere,
                      global),
              1);
        stop();
        CHECK(calls > 100, "%d calls", calls);
        EQUAL(in_buffers, 2);
        EQUAL(out_buffers, 2);
        EQUAL(serials[0], sim_device_serial(sim_find_device("Aggregated:a")));
        EQUAL(serials[1], sim_device_serial(sim_find_device("Aggregated:b")));
        EQUAL(slips > 0, !drift);
        EQUAL(frames_seen[1] - frames_seen[0], drift ? 2 : 0); /* 511 to 513 frames */
        destroy();
        world_is_clean();
    }
}

static UInt32 drift_of(UInt32 index) {
    AudioObjectID subs[4];
    UInt32 size = sizeof subs;
    EQUAL(get_data(aggregate, kAudioAggregateDevicePropertyActiveSubDeviceList, global, 0, subs,
                   &size),
          0);
    EQUAL(get_u32(subs[index], kAudioObjectPropertyClass, global), kAudioSubDeviceClassID);
    return get_u32(subs[index], kAudioSubDevicePropertyDriftCompensation, global);
}

static void changes_of_the_composition(void) {
    begin();
    EQUAL(create("together", pair, true, true), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(drift_of(0), 0);
    EQUAL(drift_of(1), 1);
    listen(aggregate, kAudioAggregateDevicePropertyFullSubDeviceList, true);
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (int i = 1; i >= 0; i--) {
        CFStringRef uid = text(pair[i]);
        CFArrayAppendValue(list, uid);
        CFRelease(uid);
    }
    EQUAL(set_data(aggregate, kAudioAggregateDevicePropertyFullSubDeviceList, &list, sizeof list),
          0);
    CFRelease(list);
    UInt32 class_id, size = sizeof class_id;
    EQUAL(get_data(aggregate, kAudioObjectPropertyClass, global, 0, &class_id, &size),
          kAudioHardwareBadObjectError); /* gone for a moment */
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(heard, 1);
    EQUAL(drift_of(0), 0);
    EQUAL(drift_of(1), 0); /* a new list resets it */
    CFArrayRef got = NULL;
    size = sizeof got;
    EQUAL(
        get_data(aggregate, kAudioAggregateDevicePropertyFullSubDeviceList, global, 0, &got, &size),
        0);
    EQUAL(CFArrayGetCount(got), 2);
    char uid[32] = "";
    CFStringGetCString(CFArrayGetValueAtIndex(got, 0), uid, sizeof uid, kCFStringEncodingUTF8);
    CHECK(strcmp(uid, "Aggregated:b") == 0, "is %s", uid);
    CFRelease(got);
    CFStringRef main = text("Aggregated:b"), read = NULL;
    EQUAL(set_data(aggregate, kAudioAggregateDevicePropertyMainSubDevice, &main, sizeof main), 0);
    size = sizeof read;
    EQUAL(get_data(aggregate, kAudioAggregateDevicePropertyMainSubDevice, global, 0, &read, &size),
          0);
    EQUAL(CFEqual(main, read), 1);
    CFRelease(main);
    CFRelease(read);
    CFDictionaryRef whole = NULL;
    size = sizeof whole;
    EQUAL(get_data(aggregate, kAudioAggregateDevicePropertyComposition, global, 0, &whole, &size),
          0);
    EQUAL(CFDictionaryGetCount(whole), 6);
    CFRelease(whole);
    listen(aggregate, kAudioAggregateDevicePropertyFullSubDeviceList, false);
    destroy();
    world_is_clean();
}

static void a_sub_device_goes_and_comes_back(void) {
    begin();
    EQUAL(create("together", pair, true, true), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    AudioObjectID b = sim_find_device("Aggregated:b");
    start();
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(in_buffers, 2);
    EQUAL(sim_remove_device(b), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(in_buffers, 1);
    EQUAL(count_of(aggregate, kAudioAggregateDevicePropertyActiveSubDeviceList, global), 1);
    EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, output), 1);
    CHECK(sim_replug_device(b) != 0, "no device");
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(in_buffers, 2);
    stop();
    destroy();
    world_is_clean();
}

/* A sub-device that does not have the rate of the aggregate is resampled: its own frames come at
 * its own rate. The same holds after another process has changed the rate of a sub-device. */
static void another_rate(void) {
    static const char *const uids[] = {"at48", "at96", NULL};
    for (int changed = 0; changed < 2; changed++) {
        sim_configure(0);
        sim_use_virtual_time();
        sim_add_device(changed ? "uid=at48; in=1; out=2; rates=48000,96000; rate=48000"
                               : "uid=at48; in=1; out=2; rates=44100,48000; rate=48000");
        sim_add_device(changed ? "uid=at96; in=1; rates=48000,96000; rate=48000"
                               : "uid=at96; in=1; rates=96000; rate=96000");
        calls = slips = 0;
        EQUAL(create("together", uids, true, true), 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(get_f64(aggregate, kAudioDevicePropertyNominalSampleRate, global), 48000);
        EQUAL(count_of(aggregate, kAudioDevicePropertyAvailableNominalSampleRates, global), 8);
        start();
        EQUAL(sim_advance_ns(SECOND), 0);
        EQUAL(slips > 0, !changed); /* each second frame of the second stream */
        if (changed) {
            EQUAL(sim_change_rate(sim_find_device("at96"), 96000), 0);
            EQUAL(sim_advance_ns(SECOND), 0);
            CHECK(slips > 10000, "%d slips", slips);
            EQUAL(set_rate(aggregate, 96000), 0);
            EQUAL(sim_advance_ns(SECOND), 0);
            slips = 0; /* both are at 96 kHz now */
            EQUAL(sim_advance_ns(SECOND), 0);
            EQUAL(slips, 0);
        }
        EQUAL(last_time[1] != last_time[0], !changed);
        stop();
        destroy();
        world_is_clean();
    }
}

/* The plug-in makes and destroys aggregates, too: each is the get of a property. */
static void through_the_plug_in(void) {
    begin();
    AudioObjectID plug_in = get_u32(system_object, kAudioHardwarePropertyPlugInList, global);
    CFDictionaryRef d = description("together", pair, true, true);
    AudioObjectPropertyAddress a = {kAudioPlugInCreateAggregateDevice, global, 0};
    UInt32 size = sizeof aggregate;
    EQUAL(AudioObjectGetPropertyData(plug_in, &a, sizeof d, &d, &size, &aggregate), 0);
    CFRelease(d);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, output), 2);
    a.mSelector = kAudioPlugInDestroyAggregateDevice;
    AudioObjectID id = aggregate;
    EQUAL(AudioObjectGetPropertyData(plug_in, &a, 0, NULL, &size, &id), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(sim_counter("live_aggregates"), 0);
    world_is_clean();
}

/* An aggregate that the client leaves behind is found. The user's is not the client's. */
/* Programs that ship use an aggregate at once. A delay comes with a seed. */
static void it_is_there_at_once(void) {
    sim_configure(0);
    int64_t delay_ns = sim_get("aggregate_delay_ns");
    begin();
    sim_set("aggregate_delay_ns", delay_ns);
    EQUAL(create("together", pair, true, true), 0);
    EQUAL(get_u32(aggregate, kAudioObjectPropertyClass, global), kAudioAggregateDeviceClassID);
    EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, input), 2);
    start();
    EQUAL(sim_advance_ns(SECOND), 0);
    CHECK(calls > 10, "%d calls", calls);
    stop();
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), 0);
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), kAudioHardwareBadObjectError);
    world_is_clean();
}

/* An aggregate exists a while longer after its client has destroyed it. It is no leftover. */
static void a_destroyed_one_is_no_leftover(void) {
    begin();
    EQUAL(create("together", pair, true, true), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(sim_counter("live_aggregates"), 1);
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), 0);
    EQUAL(sim_counter("live_aggregates"), 0);
    EQUAL(get_u32(aggregate, kAudioDevicePropertyDeviceIsAlive, global), 1);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(sim_counter("live_aggregates"), 0);
    world_is_clean();
}

static void leftovers(void) {
    begin();
    EQUAL(create("together", pair, true, false), 0);
    EQUAL(sim_check_clean(), 1);
    sim_reset();
    world_with(0, 9);
    aggregate = sim_find_device("Aggregate:1");
    EQUAL(get_u32(aggregate, kAudioObjectPropertyClass, global), kAudioAggregateDeviceClassID);
    EQUAL(drift_of(1), 1);
    calls = slips = 0;
    start();
    EQUAL(sim_advance_ns(SECOND), 0);
    stop();
    EQUAL(slips, 0);
    world_is_clean();
    begin();
    EQUAL(create("together", pair, true, false), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    sim_restart_service(); /* ends all aggregates */
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(sim_find_device("together"), 0);
    world_is_clean();
}

int main(void) {
    it_is_published_later();
    what_is_refused();
    streams_and_clocks();
    changes_of_the_composition();
    a_sub_device_goes_and_comes_back();
    another_rate();
    through_the_plug_in();
    it_is_there_at_once();
    a_destroyed_one_is_no_leftover();
    leftovers();
    return check_result("aggregate");
}
