/* taps.c: makes and destroys process taps, and what they hear. */
#include "tap.h"

#include <math.h>
#include <unistd.h>

/* ---- the settings, from and to a CATapDescription ---- */

static void settings_free(tap_settings *s) {
    free(s->name);
    free(s->device_uid);
    for (size_t i = 0; i < s->bundle_count; i++) {
        free(s->bundles[i]);
    }
    *s = (tap_settings){0};
}

static const process *process_of(AudioObjectID id) {
    const object *o = object_find(id);
    return o != NULL && o->kind == PROCESS ? (const process *)(const void *)o : NULL;
}

/* A process may end before the tap is made. The switch says whether that is an error. */
static OSStatus take_processes(tap_settings *s, CFArrayRef list) {
    for (CFIndex i = 0; i < CFArrayGetCount(list) && i < MOST_TAPPED; i++) {
        SInt64 id = 0;
        CFNumberGetValue(CFArrayGetValueAtIndex(list, i), kCFNumberSInt64Type, &id);
        const process *p = process_of((AudioObjectID)id);
        if (p == NULL && SWITCH(tap_dead_process) == 1) {
            return kAudioHardwareBadObjectError;
        }
        s->processes[s->process_count++] = (AudioObjectID)id;
    }
    return 0;
}

static OSStatus settings_take(tap_settings *s, const tap_description *d) {
    *s = (tap_settings){.mono = d->mono,
                        .exclusive = d->exclusive,
                        .mixdown = d->mixdown,
                        .is_private = d->is_private,
                        .restores = d->restores,
                        .mute = d->mute,
                        .stream = -1,
                        .name = cf_copy_utf8(d->name),
                        .device_uid = cf_copy_utf8(d->device_uid)};
    if (d->stream != NULL) {
        CFNumberGetValue(d->stream, kCFNumberSInt64Type, &s->stream);
    }
    OSStatus error = take_processes(s, d->processes);
    for (CFIndex i = 0; i < CFArrayGetCount(d->bundles) && s->bundle_count < MOST_TAPPED; i++) {
        s->bundles[s->bundle_count++] = cf_copy_utf8(CFArrayGetValueAtIndex(d->bundles, i));
    }
    s->own_bundles = s->bundle_count;
    for (size_t i = 0; s->restores && i < s->process_count; i++) {
        const process *p = process_of(s->processes[i]);
        if (p != NULL && s->bundle_count < MOST_TAPPED) {
            s->bundles[s->bundle_count++] = text_copy(p->bundle);
        }
    }
    if (error != 0 || s->mute < 0 || s->mute > CATapMutedWhenTapped) {
        settings_free(s);
        return error != 0 ? error : kAudioHardwareIllegalOperationError;
    }
    return 0;
}

id tap_describe_locked(const tap *t) {
    tap_description *d = tap_description_new();
    CFRelease(d->name);
    d->name = cf_string(t->s.name != NULL ? t->s.name : "");
    CFRelease(d->uuid);
    d->uuid = objc_uuid_from_text(t->uid);
    d->mono = t->s.mono;
    d->exclusive = t->s.exclusive;
    d->mixdown = t->s.mixdown;
    d->is_private = t->s.is_private;
    d->restores = t->s.restores;
    d->mute = t->s.mute;
    d->device_uid = t->s.device_uid != NULL ? cf_string(t->s.device_uid) : NULL;
    d->stream = t->s.stream >= 0 ? CFNumberCreate(NULL, kCFNumberSInt64Type, &t->s.stream) : NULL;
    for (size_t i = 0; i < t->s.process_count; i++) {
        CFNumberRef number = CFNumberCreate(NULL, kCFNumberSInt32Type, &t->s.processes[i]);
        CFArrayAppendValue((CFMutableArrayRef)(uintptr_t)d->processes, number);
        CFRelease(number);
    }
    for (size_t i = 0; i < t->s.own_bundles; i++) {
        CFStringRef bundle = cf_string(t->s.bundles[i]);
        CFArrayAppendValue((CFMutableArrayRef)(uintptr_t)d->bundles, bundle);
        CFRelease(bundle);
    }
    return d;
}

/* ---- format ---- */

tap *tap_with_uid_locked(const char *uid) {
    for (size_t i = 0; uid != NULL && i < world.tap_count; i++) {
        if (world.taps[i]->o.alive && strcmp(world.taps[i]->uid, uid) == 0) {
            return world.taps[i];
        }
    }
    return NULL;
}

AudioObjectID tap_id_with_uid_locked(const char *uid) {
    const tap *t = tap_with_uid_locked(uid);
    return t != NULL ? t->o.id : kAudioObjectUnknown;
}

const device *tap_device_locked(const tap *t) {
    return t->s.device_uid != NULL ? device_find(device_id_with_uid_locked(t->s.device_uid))
                                   : device_find(world.default_device[0]);
}

bool tap_is_ready_locked(const tap *t) { return now_locked() >= t->ready_ns; }

UInt32 tap_channels_locked(const tap *t) {
    const device *d = t->s.mixdown || t->s.device_uid == NULL ? NULL : tap_device_locked(t);
    if (d == NULL) {
        return t->s.mono ? 1 : 2;
    }
    if (t->s.stream < 0) {
        return device_channels(d, OUTPUT);
    }
    return (size_t)t->s.stream < d->stream_count[OUTPUT] ? d->streams[OUTPUT][t->s.stream]->channels
                                                         : 2;
}

static double rate_of(const tap *t) {
    const device *d = tap_device_locked(t);
    return d != NULL ? d->rate : t->rate > 0 ? t->rate : 48000;
}

AudioStreamBasicDescription tap_format_locked(const tap *t) {
    UInt32 channels = tap_channels_locked(t), bytes = channels * (UInt32)sizeof(float);
    return (AudioStreamBasicDescription){.mSampleRate = rate_of(t),
                                         .mFormatID = kAudioFormatLinearPCM,
                                         .mFormatFlags =
                                             kAudioFormatFlagIsFloat | kAudioFormatFlagIsPacked,
                                         .mBytesPerPacket = bytes,
                                         .mFramesPerPacket = 1,
                                         .mBytesPerFrame = bytes,
                                         .mChannelsPerFrame = channels,
                                         .mBitsPerChannel = 32};
}

/* The format of a tap, and the rate of an aggregate of taps alone, follow the tapped device. */
void taps_update_locked(void) {
    for (size_t i = 0; i < world.tap_count; i++) {
        tap *t = world.taps[i];
        double rate = rate_of(t);
        if (t->o.alive && t->rate != rate) {
            t->rate = rate;
            notify_one_locked(t->o.id, kAudioTapPropertyFormat, kAudioObjectPropertyScopeGlobal);
            aggregates_follow_tap_locked(t);
        }
    }
}

/* ---- creation, change and destruction ---- */

static void notify_list(const tap *t) {
    if (!t->s.is_private) {
        notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyTapList,
                          kAudioObjectPropertyScopeGlobal);
        notify_one_locked(kAudioObjectSystemObject, kAudioObjectPropertyOwnedObjects,
                          kAudioObjectPropertyScopeGlobal);
    }
}

static OSStatus create(const tap_description *d, AudioObjectID *id) {
    const char *uid = objc_uuid_text(d->uuid);
    if (tap_with_uid_locked(uid) != NULL ||
        world.tap_count == sizeof world.taps / sizeof world.taps[0]) {
        return kAudioHardwareIllegalOperationError;
    }
    tap_settings s;
    process_own_locked(); /* so that the tap can hear it */
    OSStatus error = settings_take(&s, d);
    if (error != 0) {
        return error;
    }
    tap *t = calloc(1, sizeof *t);
    t->s = s;
    t->uid = text_copy(uid);
    t->rate = rate_of(t);
    t->ready_ns = now_locked() + (uint64_t)SWITCH(tap_delay_ns);
    object_add(&t->o, TAP, kAudioTapClassID, kAudioObjectClassID, &world.system, NULL);
    world.taps[world.tap_count++] = t;
    COUNT(live_taps);
    notify_list(t);
    *id = t->o.id;
    aggregates_update_tap_locked(t); /* one may have waited for it */
    return 0;
}

OSStatus tap_change_locked(tap *t, const tap_description *d) {
    tap_settings s;
    UInt32 channels = tap_channels_locked(t);
    if (world.tap_consent != SIM_GRANTED && SWITCH(tap_consent_set) > 0) {
        return SWITCH(tap_consent_set) == 1 ? kAudioHardwareIllegalOperationError
                                            : kAudioDevicePermissionsError;
    }
    OSStatus error = settings_take(&s, d);
    if (error != 0) {
        return error;
    }
    settings_free(&t->s);
    t->s = s;
    notify_one_locked(t->o.id, kAudioTapPropertyDescription, kAudioObjectPropertyScopeGlobal);
    if (tap_channels_locked(t) != channels) {
        notify_one_locked(t->o.id, kAudioTapPropertyFormat, kAudioObjectPropertyScopeGlobal);
        aggregates_update_tap_locked(t);
    }
    taps_update_locked();
    taps_wake_locked();
    return 0;
}

static void end(tap *t) {
    t->o.alive = false;
    UNCOUNT(live_taps);
}

EXPORT OSStatus AudioHardwareCreateProcessTap(void *inDescription, AudioObjectID *outTapID) {
    if (!enter(__func__)) {
        return refused();
    }
    OSStatus error = kAudioHardwareIllegalOperationError;
    if (world.macos < 1402) { /* a client of this macOS does not find the function */
        error = kAudioHardwareUnsupportedOperationError;
    } else if (inDescription == NULL || outTapID == NULL) {
        report_fault(CN_fault_null, "AudioHardwareCreateProcessTap: a NULL pointer");
    } else if (!cf_is(inDescription, CF_TAP_DESCRIPTION)) {
        report_fault(CN_fault_message,
                     "AudioHardwareCreateProcessTap: %p is no living CATapDescription",
                     inDescription);
    } else {
        error = create(inDescription, outTapID);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioHardwareDestroyProcessTap(AudioObjectID inTapID) {
    if (!enter(__func__)) {
        return refused();
    }
    object *o = object_find(inTapID);
    OSStatus error = o != NULL && o->kind == TAP ? 0 : kAudioHardwareBadObjectError;
    if (error == 0) {
        tap *t = (tap *)(void *)o;
        if (aggregate_has_tap_locked(t, false)) {
            report_fault(CN_fault_tap_order,
                         "AudioHardwareDestroyProcessTap: an aggregate device still has tap %s",
                         t->uid);
        }
        end(t);
        notify_list(t);
        aggregates_update_tap_locked(t);
    }
    leave();
    workers_reap(false);
    return error;
}

/* The end of coreaudiod ends all taps. */
void taps_end_locked(void) {
    for (size_t i = 0; i < world.tap_count; i++) {
        if (world.taps[i]->o.alive) {
            end(world.taps[i]);
        }
    }
}

void taps_reset_locked(void) {
    for (size_t i = 0; i < world.tap_count; i++) {
        settings_free(&world.taps[i]->s);
        free(world.taps[i]->uid);
        free(world.taps[i]);
    }
    world.tap_count = 0;
}

/* ---- what a tap hears ---- */

/* A process is listed by its object, or by its bundle ID. */
static bool hears(const tap *t, const process *p) {
    bool listed = false;
    for (size_t i = 0; i < t->s.process_count; i++) {
        listed = listed || t->s.processes[i] == p->o.id;
    }
    for (size_t i = 0; i < t->s.bundle_count && !listed; i++) {
        listed = strcmp(t->s.bundles[i], p->bundle) == 0;
    }
    return listed != t->s.exclusive;
}

static bool hears_on(const tap *t, const process *p, const device *d) {
    return process_uses_device_locked(p, d, OUTPUT) &&
           (t->s.device_uid == NULL || strcmp(t->s.device_uid, d->uid) == 0);
}

bool tap_sounds_locked(const tap *t) {
    for (size_t i = 0; i < world.process_count; i++) {
        const process *p = world.processes[i];
        for (size_t k = 0; p->o.alive && hears(t, p) && k < world.device_count; k++) {
            if (hears_on(t, p, world.devices[k])) {
                return true;
            }
        }
    }
    return false;
}

/* One sample of a process on one device. This process is heard as its capture has it, at the same
 * host time. */
static float sample_of(const run *r, const tap *t, const process *p, const device *d,
                       UInt32 channel, double time, double frame) {
    UInt32 stream = t->s.mixdown || t->s.stream < 0 ? 0 : (UInt32)t->s.stream;
    if (p->pid != getpid()) {
        bool here = stream == 0 && channel < 2;
        return here ? process_sample_locked(p, channel, (int64_t)frame) : 0;
    }
    if (d->current == NULL) {
        return 0;
    }
    double place = time;
    if (d->current != r) {
        double ns = clock_predicted_ns(&r->clock, time);
        place = floor(clock_predicted_frame(&d->current->clock, ns) + 0.5);
    }
    if (!t->s.mixdown && t->s.stream < 0) {
        for (; stream + 1 < d->current->stream_count[OUTPUT] &&
               channel >= d->current->channels[OUTPUT][stream];
             stream++) {
            channel -= d->current->channels[OUTPUT][stream];
        }
    }
    return capture_sample(d->current, stream, channel, place);
}

/* Before macOS 26, a tap in an aggregate whose clock is an output hears only what is played to this
 * output. */
static bool is_routed(const run *r, const device *d) {
    const sub_device *main = world.macos < 2600 ? aggregate_main(r->device) : NULL;
    const device *target = main != NULL ? sub_device_target(main) : NULL;
    return target == NULL || target->stream_count[OUTPUT] == 0 || target == d;
}

static float channel_sample(const run *r, const tap *t, UInt32 channel, double time, double frame) {
    float sum = 0;
    for (size_t i = 0; i < world.process_count; i++) {
        const process *p = world.processes[i];
        if (!p->o.alive || !hears(t, p)) {
            continue;
        }
        for (size_t k = 0; k < world.device_count; k++) {
            const device *d = world.devices[k];
            if (hears_on(t, p, d) && is_routed(r, d)) {
                sum += sample_of(r, t, p, d, channel, time, frame);
            }
        }
    }
    return sum;
}

float tap_sample_locked(const run *r, const tap *t, UInt32 channel, double time, double slip) {
    if (!t->o.alive || world.tap_consent != SIM_GRANTED || !tap_is_ready_locked(t)) {
        return 0;
    }
    double frame = floor(time + time * slip);
    if (t->s.mono && t->s.mixdown) {
        return 0.5f * (channel_sample(r, t, 0, time, frame) + channel_sample(r, t, 1, time, frame));
    }
    return channel_sample(r, t, channel, time, frame);
}

/* ---- consent, waiting and muting ---- */

static device gate; /* the waits for the first tapped sound belong to it */

void taps_wake_locked(void) { release_waits_locked(&gate); }

/* With `tapautostart`, AudioDeviceStart waits for the first sound. Returns false if the world was
 * reset. */
bool taps_wait_locked(const device *d) {
    while (d->o.alive && d->aggregate != NULL && aggregate_waits_for_sound_locked(d)) {
        if (!block_until_locked(SIM_FOREVER, &gate)) {
            return false;
        }
    }
    return true;
}

EXPORT int sim_process_is_audible(int32_t pid) {
    pthread_mutex_lock(&world.lock);
    const process *p = process_find_locked(pid);
    int audible = p != NULL ? 1 : -1;
    for (size_t i = 0; p != NULL && i < world.tap_count; i++) {
        const tap *t = world.taps[i];
        bool mutes = t->s.mute == CATapMuted ||
                     (t->s.mute == CATapMutedWhenTapped && aggregate_has_tap_locked(t, true));
        if (t->o.alive && mutes && hears(t, p)) {
            audible = 0;
        }
    }
    pthread_mutex_unlock(&world.lock);
    return audible;
}
