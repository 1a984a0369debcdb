/* test_taps.c: process taps: what they hear, in an aggregate, and their properties. */
#include "tap_client.h"

static void a_tap_alone(void) {
    begin();
    id description = tap_description("initStereoMixdownOfProcesses:", &player, 1);
    SEND(void, (id, SEL, id), description, "setName:", ns_string("a tap"));
    EQUAL(create_tap(description), 0);
    AudioStreamBasicDescription format;
    UInt32 size = sizeof format;
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size),
          kAudioHardwareBadObjectError); /* too early */
    run();
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size), 0);
    EQUAL(format.mChannelsPerFrame, 2);
    EQUAL(format.mSampleRate, 44100);
    EQUAL(format.mBitsPerChannel, 32);
    EQUAL(get_u32(tap, kAudioObjectPropertyClass, global), kAudioTapClassID);
    EQUAL(count_of(system_object, kAudioHardwarePropertyTapList, global), 1);
    EQUAL(get_u32(system_object, kAudioHardwarePropertyTapList, global), tap);
    CFStringRef uid = uid_of(tap);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyTranslateUIDToTap, global, 0};
    AudioObjectID found = 0;
    size = sizeof found;
    EQUAL(AudioObjectGetPropertyData(system_object, &a, sizeof uid, &uid, &size, &found), 0);
    EQUAL(found, tap);
    create_aggregate(NULL, tap, false);
    EQUAL(get_f64(aggregate, kAudioDevicePropertyNominalSampleRate, global), 44100);
    EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, input), 1);
    EQUAL(count_of(aggregate, kAudioAggregateDevicePropertySubTapList, global), 1);
    AudioObjectID sub = get_u32(aggregate, kAudioAggregateDevicePropertySubTapList, global);
    EQUAL(get_u32(sub, kAudioObjectPropertyClass, global), kAudioSubTapClassID);
    EQUAL(get_u32(sub, kAudioSubTapPropertyDriftCompensation, global), 1);
    CFArrayRef list = NULL;
    size = sizeof list;
    EQUAL(get_data(aggregate, kAudioAggregateDevicePropertyTapList, global, 0, &list, &size), 0);
    EQUAL(CFArrayGetCount(list), 1);
    EQUAL(CFEqual(CFArrayGetValueAtIndex(list, 0), uid), 1);
    CFRelease(list);
    CFRelease(uid);
    int64_t opens = sim_counter("input_opens");
    start();
    run();
    CHECK(calls > 80, "%d calls", calls);
    EQUAL(buffers, 1);
    EQUAL(channels[0], 2);
    EQUAL(has_player(), 1);
    EQUAL(sim_counter("input_opens"), opens); /* no microphone */
    EQUAL(sim_process_io(PLAYER, 0, 0), 0);
    run();
    EQUAL(is_silent(), 1);
    EQUAL(sim_process_io(PLAYER, 0, speakers), 0);
    EQUAL(sim_process_sound(PLAYER, SIM_INPUT_SILENCE), 0);
    run();
    EQUAL(is_silent(), 1);
    stop();
    destroy();
}

/* Which processes the initialisers choose. */
static void which_processes(void) {
    static const struct {
        const char *initialiser;
        size_t listed;
        int hears_player, hears_other;
    } rows[] = {{"initStereoMixdownOfProcesses:", 1, 1, 0},
                {"initStereoMixdownOfProcesses:", 2, 1, 1},
                {"initStereoMixdownOfProcesses:", 0, 0, 0},
                {"initStereoGlobalTapButExcludeProcesses:", 1, 0, 1},
                {"initStereoGlobalTapButExcludeProcesses:", 0, 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin();
        EQUAL(sim_process_io(OTHER, 0, speakers), 0);
        const AudioObjectID ids[2] = {player, other};
        EQUAL(create_tap(tap_description(rows[i].initialiser, ids, rows[i].listed)), 0);
        create_aggregate(NULL, tap, false);
        start();
        run();
        stop();
        EQUAL(has(0, rows[i].hears_player ? both : both + 1,
                  rows[i].hears_player + rows[i].hears_other),
              1);
        destroy();
    }
    begin();
    EQUAL(create_tap(tap_description("initMonoGlobalTapButExcludeProcesses:", NULL, 0)), 0);
    create_aggregate(NULL, tap, false);
    start();
    run();
    stop();
    EQUAL(channels[0], 1);
    for (int f = 0; f < 64; f++) {
        float left = sim_process_sample(PLAYER, 0, (int64_t)heard_time + f);
        float right = sim_process_sample(PLAYER, 1, (int64_t)heard_time + f);
        CHECK(heard[0][0][f] == 0.5f * (left + right), "frame %d", f);
    }
    destroy();
}

/* Microphone, system audio and output on one time line, in one callback. A sound at another rate is
 * resampled. */
static void with_devices(void) {
    enum { ANOTHER_RATE, SAME_DEVICE, OWN };
    for (int i = ANOTHER_RATE; i <= OWN; i++) {
        bool own = i == OWN;
        begin();
        AudioObjectPropertyAddress a = {kAudioHardwarePropertyTranslatePIDToProcessObject, global,
                                        0};
        pid_t pid = getpid();
        AudioObjectID self = 0;
        UInt32 size = sizeof self;
        EQUAL(AudioObjectGetPropertyData(system_object, &a, sizeof pid, &pid, &size, &self), 0);
        EQUAL(create_tap(tap_description("initStereoGlobalTapButExcludeProcesses:", &self, !own)),
              0);
        AudioObjectID to = i == SAME_DEVICE ? sim_find_device("USBDuplex:1") : speakers;
        EQUAL(sim_process_io(PLAYER, 0, own ? 0 : to), 0);
        if (i == SAME_DEVICE) {
            EQUAL(sim_set_default(kAudioHardwarePropertyDefaultOutputDevice, to), 0);
        }
        create_aggregate("USBDuplex:1", tap, false);
        EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, input), 2);
        start();
        run();
        stop();
        UInt32 serial = sim_device_serial(sim_find_device("USBDuplex:1"));
        EQUAL(buffers, 2);
        for (int f = 0; f < 64; f++) {
            int64_t time = (int64_t)heard_time + f;
            int64_t place = place_of(time);
            CHECK(i != SAME_DEVICE || place == time, "place %ld", (long)place);
            float wanted = own ? sim_encode(14, 0, 1, time) : sim_process_sample(PLAYER, 1, place);
            CHECK(heard[0][1][f] == sim_encode(serial, 0, 1, time), "microphone, frame %d", f);
            CHECK(heard[1][1][f] == wanted, "tap, case %d, frame %d", i, f);
        }
        destroy();
    }
}

/* The sound of one device, or of one of its streams. */
static void of_one_device(void) {
    for (int stream = 0; stream < 2; stream++) {
        begin();
        EQUAL(sim_load_fixture(4), 0); /* streams of 2, 2 and 8 channels */
        AudioObjectID multi = sim_find_device("MultiStream:2+2+8");
        EQUAL(sim_process_io(OTHER, 0, multi), 0);
        const AudioObjectID ids[2] = {player, other};
        id d =
            SEND(id, (id, SEL, id, id, long), SEND0(id, objc_getClass("CATapDescription"), "alloc"),
                 "initWithProcesses:andDeviceUID:withStream:", ns_processes(ids, 2),
                 ns_string("MultiStream:2+2+8"), stream == 0 ? 0 : 2);
        EQUAL(create_tap(d), 0);
        create_aggregate(NULL, tap, false);
        start();
        run();
        stop();
        EQUAL(channels[0], stream == 0 ? 2 : 8);
        EQUAL(has(0, both + 1, stream == 0), 1);
        destroy();
    }
}

/* Programs that ship use a tap and its aggregate at once. */
static void a_client_that_does_not_wait(void) {
    sim_configure(0);
    int64_t tap_ns = sim_get("tap_delay_ns"), aggregate_ns = sim_get("aggregate_delay_ns");
    begin();
    sim_set("tap_delay_ns", tap_ns);
    sim_set("aggregate_delay_ns", aggregate_ns);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
    AudioStreamBasicDescription format;
    UInt32 size = sizeof format;
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size), 0);
    EQUAL(format.mChannelsPerFrame, 2);
    create_aggregate(NULL, tap, false);
    start();
    run();
    EQUAL(has_player(), 1);
    stop();
    destroy();
}

/* Without consent, every call succeeds and the tap is silent. */
static void consent(void) {
    begin();
    EQUAL(sim_set_tap_consent(SIM_DENIED), 0);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
    create_aggregate(NULL, tap, false);
    start();
    run();
    EQUAL(is_silent(), 1);
    EQUAL(get_u32(player, kAudioProcessPropertyIsRunningOutput, global), 1);
    const OSStatus answers[] = {0, kAudioHardwareIllegalOperationError,
                                kAudioDevicePermissionsError};
    for (int fails = 0; fails < 3; fails++) { /* a client may ask by a set of the description */
        sim_set("tap_consent_set", fails);
        id description = NULL;
        UInt32 size = sizeof description;
        EQUAL(get_data(tap, kAudioTapPropertyDescription, global, 0, &description, &size), 0);
        EQUAL(set_data(tap, kAudioTapPropertyDescription, &description, size), answers[fails]);
        objc_release(description);
    }
    EQUAL(sim_set_tap_consent(SIM_GRANTED), 0);
    run();
    EQUAL(has_player(), 1);
    stop();
    EQUAL(sim_set_consent(SIM_DENIED), 0); /* that of the microphone is another one */
    start();
    run();
    EQUAL(has_player(), 1);
    stop();
    destroy();
}

static void mute_behaviour(void) {
    for (long mute = CATapUnmuted; mute <= CATapMutedWhenTapped; mute++) {
        begin();
        id d = tap_description("initStereoMixdownOfProcesses:", &player, 1);
        SEND(void, (id, SEL, long), d, "setMuteBehavior:", mute);
        EQUAL(sim_process_is_audible(PLAYER), 1);
        EQUAL(create_tap(d), 0);
        EQUAL(sim_process_is_audible(PLAYER), mute != CATapMuted);
        create_aggregate(NULL, tap, false);
        start();
        run();
        EQUAL(has_player(), 1);
        EQUAL(sim_process_is_audible(PLAYER), mute == CATapUnmuted);
        EQUAL(sim_process_is_audible(OTHER), 1);
        stop();
        EQUAL(sim_process_is_audible(PLAYER), mute != CATapMuted);
        destroy();
    }
}

/* A live tap takes other processes with a set of its description. */
static void changes(void) {
    begin();
    EQUAL(sim_process_io(OTHER, 0, speakers), 0);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
    create_aggregate(NULL, tap, false);
    start();
    run();
    EQUAL(has_player(), 1);
    id d = NULL;
    UInt32 size = sizeof d;
    EQUAL(get_data(tap, kAudioTapPropertyDescription, global, 0, &d, &size), 0);
    id ids = SEND0(id, d, "processes");
    EQUAL(SEND0(unsigned, SEND0(id, ids, "firstObject"), "unsignedIntValue"), player);
    SEND(void, (id, SEL, id), d, "setProcesses:", ns_processes(&other, 1));
    EQUAL(set_data(tap, kAudioTapPropertyDescription, &d, sizeof d), 0);
    run();
    EQUAL(has(0, both + 1, 1), 1);
    SET_BOOL(d, "setMono:", 1); /* another format: the aggregate gets another stream */
    EQUAL(set_data(tap, kAudioTapPropertyDescription, &d, sizeof d), 0);
    run();
    EQUAL(channels[0], 1);
    objc_release(d);
    EQUAL(set_rate(speakers, 96000), 0); /* the rate of the tap follows the device */
    run();
    AudioStreamBasicDescription format;
    size = sizeof format;
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size), 0);
    EQUAL(format.mSampleRate, 96000);
    EQUAL(get_f64(aggregate, kAudioDevicePropertyNominalSampleRate, global), 96000);
    stop();
    destroy();
}

/* A tap of a bundle follows its processes, also new ones; from macOS 26 on. */
static void bundles(void) {
    for (int restores = 0; restores < 2; restores++) {
        begin();
        id d = tap_description("initStereoMixdownOfProcesses:", &player, restores ? 1 : 0);
        if (restores) {
            SET_BOOL(d, "setProcessRestoreEnabled:", 1);
        } else {
            SEND(void, (id, SEL, id), d, "setBundleIDs:",
                 SEND_ID(objc_getClass("NSArray"),
                         "arrayWithObject:", ns_string("com.example.player")));
        }
        EQUAL(create_tap(d), 0);
        create_aggregate(NULL, tap, false);
        start();
        run();
        EQUAL(has_player(), 1);
        EQUAL(sim_remove_process(PLAYER), 0);
        run();
        EQUAL(is_silent(), 1);
        EQUAL(sim_add_process(PLAYER, "com.example.player") != 0, 1);
        EQUAL(sim_process_io(PLAYER, 0, speakers), 0);
        run();
        EQUAL(has_player(), 1);
        stop();
        destroy();
    }
}

/* A tap that was added after the creation of the aggregate records zeros. */
static void added_later(void) {
    for (int works = 0; works < 2; works++) {
        begin();
        sim_set("tap_added_later", works);
        EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
        create_aggregate("BuiltInMicrophoneDevice", 0, false);
        CFStringRef uid = uid_of(tap);
        CFMutableArrayRef list = list_with(uid);
        EQUAL(set_data(aggregate, kAudioAggregateDevicePropertyTapList, &list, sizeof list), 0);
        CFRelease(list);
        CFRelease(uid);
        run();
        EQUAL(count_of(aggregate, kAudioDevicePropertyStreams, input), 2);
        start();
        run();
        stop();
        EQUAL(has(1, both, works), 1);
        EQUAL(count_of(aggregate, kAudioAggregateDevicePropertyActiveSubDeviceList, global), 1);
        destroy();
    }
}

static void *steps(void *unused) {
    EQUAL(sim_wait_blocked(1, 5000) >= 1, 1);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(sim_process_io(PLAYER, 0, speakers), 0);
    return unused;
}
static void waits_for_sound(void) {
    begin();
    EQUAL(sim_process_io(PLAYER, 0, 0), 0);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
    create_aggregate(NULL, tap, true);
    pthread_t thread;
    pthread_create(&thread, NULL, steps, NULL);
    uint64_t before = sim_now_ns();
    start(); /* blocks until the player plays */
    CHECK(sim_now_ns() >= before + SECOND, "%llu ns", (unsigned long long)(sim_now_ns() - before));
    pthread_join(thread, NULL);
    run();
    EQUAL(has_player(), 1);
    stop();
    destroy();
}

/* Before macOS 26, a tap beside an output hears only what is played to this output. */
static void routing(void) {
    static const int versions[] = {1500, 2600};
    for (int i = 0; i < 2; i++) {
        begin();
        EQUAL(sim_set_macos(versions[i]), 0);
        EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
        create_aggregate("USBDuplex:1", tap, false);
        start();
        run();
        stop();
        EQUAL(has(1, both, i), 1);
        destroy();
    }
}

static void mistakes_and_old_versions(void) {
    begin();
    EQUAL(AudioHardwareCreateProcessTap(NULL, &tap), kAudioHardwareIllegalOperationError);
    EQUAL(sim_counter("fault_null"), 1);
    EQUAL(AudioHardwareCreateProcessTap(ns_string("no description"), &tap),
          kAudioHardwareIllegalOperationError);
    EQUAL(sim_counter("fault_message"), 1);
    EQUAL(AudioHardwareDestroyProcessTap(speakers), kAudioHardwareBadObjectError);
    id d = tap_description("initStereoMixdownOfProcesses:", &player, 1);
    AudioObjectID second;
    EQUAL(AudioHardwareCreateProcessTap(d, &tap), 0);
    EQUAL(AudioHardwareCreateProcessTap(d, &second), kAudioHardwareIllegalOperationError);
    objc_release(d); /* the HAL keeps its own */
    create_aggregate(NULL, tap, false);
    EQUAL(AudioHardwareDestroyProcessTap(tap), 0); /* the aggregate still has it */
    EQUAL(sim_counter("fault_tap_order"), 1);
    EQUAL(AudioHardwareDestroyAggregateDevice(aggregate), 0);
    sim_reset();
    begin();
    sim_set("tap_early", 1);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &player, 1)), 0);
    UInt32 size = sizeof(AudioStreamBasicDescription);
    AudioStreamBasicDescription format;
    EQUAL(get_data(tap, kAudioTapPropertyFormat, global, 0, &format, &size),
          kAudioHardwareUnknownPropertyError);
    objc_autoreleasePoolPop(pool);
    EQUAL(sim_check_clean(), 1); /* a tap is left */
    sim_reset();
    begin();
    const AudioObjectID gone = 9999;
    sim_set("tap_dead_process", 1);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &gone, 1)),
          kAudioHardwareBadObjectError);
    sim_set("tap_dead_process", 0);
    EQUAL(create_tap(tap_description("initStereoMixdownOfProcesses:", &gone, 1)), 0);
    sim_restart_service();
    EQUAL(AudioHardwareDestroyProcessTap(tap), kAudioHardwareBadObjectError);
    objc_autoreleasePoolPop(pool);
    world_is_clean();
    sim_configure(0);
    EQUAL(sim_set_macos(1400), 0);
    EQUAL(sim_dlsym("AudioHardwareCreateProcessTap") == NULL, 1);
    AudioObjectPropertyAddress a = {kAudioHardwarePropertyTapList, global, 0};
    EQUAL(AudioObjectHasProperty(system_object, &a), 0);
    EQUAL(sim_set_macos(1402), 0);
    EQUAL(sim_dlsym("AudioHardwareCreateProcessTap") != NULL, 1);
    EQUAL(AudioObjectHasProperty(system_object, &a), 1);
    world_is_clean();
}

int main(void) {
    a_tap_alone();
    which_processes();
    with_devices();
    of_one_device();
    a_client_that_does_not_wait();
    consent();
    mute_behaviour();
    changes();
    bundles();
    added_later();
    waits_for_sound();
    routing();
    mistakes_and_old_versions();
    return check_result("taps");
}
