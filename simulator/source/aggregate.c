/* aggregate.c: makes, changes and destroys aggregate devices (S12). An aggregate is a device whose
 * streams are those of its sub-devices, in their order, and then those of its taps, on the clock of
 * its main sub-device. A sub-device without drift compensation and with another clock loses or
 * repeats input frames; with compensation it does not. A sub-device that does not have the rate of
 * the aggregate is resampled. An aggregate of taps alone has the clock of the device that is
 * tapped. */
#include "tap.h"

device *sub_device_target(const sub_device *s) {
    for (size_t i = 0; i < world.device_count; i++) {
        if (world.devices[i]->aggregate == NULL && strcmp(world.devices[i]->uid, s->uid) == 0) {
            return world.devices[i];
        }
    }
    return NULL;
}

/* The sub-device that gives the clock: the one that was chosen, or the first one that is there. */
const sub_device *aggregate_main(const device *d) {
    const sub_device *first = NULL;
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        const sub_device *s = d->aggregate->subs[i];
        if (sub_device_target(s) == NULL) {
            continue;
        }
        if (d->aggregate->main_uid != NULL && strcmp(d->aggregate->main_uid, s->uid) == 0) {
            return s;
        }
        first = first == NULL ? s : first;
    }
    return first;
}

/* The clock or the compensation has changed. The next start of IO uses it. */
void aggregate_rebuild_locked(device *d) { aggregate_tune_locked(d); }

static void restart_due(void *subject, uint64_t unused) {
    device *d = subject;
    (void)unused;
    if (io_has_ended_locked(d, restart_due, 0)) {
        io_resume_locked(d);
    }
}

/* Takes other slips into use. IO that runs restarts with them. */
static void retune(device *d) {
    double before[MAX_STREAMS];
    bool changes = false;
    for (size_t i = 0; i < d->stream_count[INPUT]; i++) {
        before[i] = d->streams[INPUT][i]->slip;
    }
    aggregate_tune_locked(d);
    for (size_t i = 0; i < d->stream_count[INPUT]; i++) {
        changes = changes || d->streams[INPUT][i]->slip != before[i];
    }
    if (changes && d->current != NULL && !d->changing_rate && d->pending_rate == 0) {
        io_interrupt_locked(d);
        at_locked(now_locked(), restart_due, d, 0);
    }
}

/* A rate has changed. If it is that of a main sub-device, its aggregate changes as well. Else the
 * aggregate resamples this sub-device. */
void aggregates_follow_rate_locked(const device *changed) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        const sub_device *main = d->aggregate != NULL ? aggregate_main(d) : NULL;
        bool follows = main != NULL && sub_device_target(main) == changed;
        if (d->aggregate == NULL || !d->o.alive) {
            continue;
        }
        if (follows && device_supports_rate(d, changed->rate)) {
            change_rate_locked(d, changed->rate, false);
        } else {
            retune(d);
        }
    }
}

/* The rate of a tap has changed. */
void aggregates_follow_tap_locked(const tap *t) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        if (d->aggregate == NULL || !d->o.alive || d->aggregate->tap_count == 0) {
            continue;
        }
        if (aggregate_clock_tap(d) == t) {
            aggregate_tune_locked(d); /* the rate that it has now */
            change_rate_locked(d, tap_format_locked(t).mSampleRate, false);
        } else {
            retune(d);
        }
    }
}

bool aggregate_has_tap_locked(const tap *t, bool running) {
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        for (size_t k = 0; d->aggregate != NULL && k < d->aggregate->tap_count; k++) {
            bool is_there = d->o.alive && (!running || d->current != NULL);
            if (is_there && strcmp(d->aggregate->taps[k]->uid, t->uid) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Only a private aggregate can wait for the first sound of its taps. */
bool aggregate_waits_for_sound_locked(const device *d) {
    const struct aggregate *a = d->aggregate;
    bool waits = a->tap_auto_start && a->is_private && a->tap_count > 0;
    for (size_t i = 0; waits && i < a->tap_count; i++) {
        const tap *t = tap_with_uid_locked(a->taps[i]->uid);
        waits = t == NULL || !tap_sounds_locked(t);
    }
    return waits;
}

/* The rate of an aggregate is imposed on its sub-devices. */
void aggregate_impose_rate_locked(const device *d, double rate) {
    for (size_t i = 0; d->aggregate != NULL && i < d->aggregate->sub_count; i++) {
        device *target = sub_device_target(d->aggregate->subs[i]);
        if (target != NULL && device_supports_rate(target, rate)) {
            change_rate_locked(target, rate, false);
        }
    }
}

bool aggregate_runs_locked(const device *sub) {
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        for (size_t k = 0; d->aggregate != NULL && k < d->aggregate->sub_count; k++) {
            if (d->current != NULL && d->aggregate->subs[k]->o.device == sub) {
                return true;
            }
        }
    }
    return false;
}

/* ---- publication ---- */

static void set_alive(device *d, bool alive) {
    d->o.alive = alive;
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            d->streams[direction][i]->o.alive = alive;
        }
    }
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        d->aggregate->subs[i]->o.alive = alive && d->aggregate->subs[i]->o.device != NULL;
    }
    for (size_t i = 0; i < d->aggregate->tap_count; i++) {
        sub_device *s = d->aggregate->taps[i];
        s->o.alive = alive && tap_with_uid_locked(s->uid) != NULL;
    }
}

static void notify_lists(const device *d) {
    if (!d->aggregate->is_private) { /* a private one raises no event */
        notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyDevices,
                          kAudioObjectPropertyScopeGlobal);
        notify_one_locked(kAudioObjectSystemObject, kAudioObjectPropertyOwnedObjects,
                          kAudioObjectPropertyScopeGlobal);
    }
}

static void notify_composition(const device *d) {
    const UInt32 global = kAudioObjectPropertyScopeGlobal;
    notify_one_locked(d->o.id, kAudioAggregateDevicePropertyFullSubDeviceList, global);
    notify_one_locked(d->o.id, kAudioAggregateDevicePropertyActiveSubDeviceList, global);
    notify_one_locked(d->o.id, kAudioAggregateDevicePropertyTapList, global);
    notify_one_locked(d->o.id, kAudioAggregateDevicePropertySubTapList, global);
    notify_sides_locked(d->o.id, kAudioDevicePropertyStreams);
    notify_sides_locked(d->o.id, kAudioDevicePropertyStreamConfiguration);
    notify_one_locked(d->o.id, kAudioObjectPropertyOwnedObjects, global);
}

static void publish_due(void *subject, uint64_t changed) {
    device *d = subject;
    if (!io_has_ended_locked(d, publish_due, changed)) {
        return;
    }
    d->aggregate->published = true;
    set_alive(d, true);
    aggregate_impose_rate_locked(d, d->rate);
    aggregate_tune_locked(d);
    d->changing_rate = false;
    if (d->pending_rate > 0) { /* a change that came meanwhile */
        double rate = d->pending_rate;
        d->pending_rate = 0;
        change_rate_locked(d, rate, false);
    }
    if (changed) {
        notify_composition(d);
        io_resume_locked(d);
    } else {
        notify_lists(d);
    }
}

static void publish_later(device *d, bool changed) {
    d->aggregate->published = false;
    set_alive(d, SWITCH(aggregate_early) == 1); /* '!obj', or 'who?' from the living object */
    at_locked(now_locked() + (uint64_t)SWITCH(aggregate_delay_ns), publish_due, d, changed);
}

static void take_list(device *d, sub_device **list, size_t *count, const sub_device *from,
                      size_t from_count, enum object_kind kind) {
    bool taps = kind == SUB_TAP;
    for (size_t i = 0; i < *count; i++) {
        list[i]->o.alive = false;
        retire_locked(list[i]->uid);
        retire_locked(list[i]);
    }
    *count = from_count;
    for (size_t i = 0; i < from_count; i++) {
        sub_device *s = calloc(1, sizeof *s);
        *s = from[i];
        s->uid = text_copy(from[i].uid);
        if (s->extra_latency == 0) {
            s->extra_latency = s->extra_in > s->extra_out ? s->extra_in : s->extra_out;
        }
        object_add(&s->o, kind, taps ? kAudioSubTapClassID : kAudioSubDeviceClassID,
                   taps ? kAudioObjectClassID : kAudioDeviceClassID, &d->o, NULL);
        list[i] = s;
    }
}

static void take_subs(device *d, const composition *c) {
    struct aggregate *a = d->aggregate;
    a->tap_auto_start = c->tap_auto_start;
    take_list(d, a->subs, &a->sub_count, c->subs, c->sub_count, SUB_DEVICE);
    take_list(d, a->taps, &a->tap_count, c->taps, c->tap_count, SUB_TAP);
}

/* Whether a tap was in an aggregate from its creation on. */
static bool was_created_with(const struct aggregate *a, const char *uid) {
    for (size_t i = 0; i < a->tap_count; i++) {
        if (strcmp(a->taps[i]->uid, uid) == 0) {
            return !a->taps[i]->late;
        }
    }
    return false;
}

static void end_io(device *d) {
    d->changing_rate = true;
    io_interrupt_locked(d);
}

/* Changes the sub-devices of an aggregate, which disappears for a moment. */
void aggregate_compose_locked(device *d, composition *c) {
    for (size_t i = 0; i < c->tap_count; i++) {
        c->taps[i].late = !was_created_with(d->aggregate, c->taps[i].uid);
    }
    end_io(d);
    take_subs(d, c);
    d->o.alive = true;
    aggregate_build_locked(d);
    publish_later(d, true);
}

static bool lists(sub_device *const subs[], size_t count, const char *uid) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(subs[i]->uid, uid) == 0) {
            return true;
        }
    }
    return false;
}

static void update(const char *uid, bool is_tap) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        struct aggregate *a = d->aggregate;
        if (a != NULL &&
            (is_tap ? lists(a->taps, a->tap_count, uid) : lists(a->subs, a->sub_count, uid))) {
            end_io(d);
            aggregate_build_locked(d);
            at_locked(now_locked(), publish_due, d, true);
        }
    }
}

/* A device has come or gone: rebuilds the aggregates that have it. */
void aggregates_update_locked(const char *uid) { update(uid, false); }
void aggregates_update_tap_locked(const tap *t) { update(t->uid, true); }

/* ---- creation and destruction ---- */

static bool is_refused(const composition *c) {
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        if (strcmp(d->uid, c->uid) == 0) {
            return true; /* the UID is in use */
        }
        for (size_t k = 0; d->aggregate != NULL && k < c->sub_count; k++) {
            if (strcmp(c->subs[k].uid, d->uid) == 0) {
                return true; /* an aggregate of an aggregate */
            }
        }
    }
    return false;
}

OSStatus aggregate_create_locked(composition *c, AudioObjectID *id) {
    if (c->uid == NULL || is_refused(c)) {
        return kAudioHardwareIllegalOperationError;
    }
    device *d = device_make_locked("uid=aggregate; rates=48000; default=none", 0);
    if (d == NULL) {
        return kAudioHardwareUnspecifiedError;
    }
    free(d->uid);
    free(d->name);
    d->uid = text_copy(c->uid);
    d->name = text_copy(c->name != NULL ? c->name : c->uid);
    d->rate = 0;
    d->transport = kAudioDeviceTransportTypeAggregate;
    d->o.class_id = kAudioAggregateDeviceClassID;
    d->o.base_class_id = kAudioDeviceClassID;
    d->can_be_default[0] = d->can_be_default[1] = !c->is_private;
    d->aggregate = calloc(1, sizeof *d->aggregate);
    d->aggregate->is_private = c->is_private;
    d->aggregate->stacked = c->stacked;
    d->aggregate->main_uid = c->main_uid != NULL ? text_copy(c->main_uid) : NULL;
    d->aggregate->clock_uid = c->clock_uid != NULL ? text_copy(c->clock_uid) : NULL;
    take_subs(d, c);
    aggregate_build_locked(d);
    d->rate = d->rate == 0 ? 48000 : d->rate;
    *id = d->o.id;
    d->aggregate->counts = true;
    COUNT(live_aggregates);
    if (SWITCH(aggregate_delay_ns) == 0) {
        publish_due(d, false);
    } else {
        publish_later(d, false);
    }
    return 0;
}

/* The client has to destroy the aggregate no longer. */
void aggregate_uncount_locked(struct aggregate *a) {
    if (a->counts) {
        a->counts = false;
        UNCOUNT(live_aggregates);
    }
}

static void destroy_due(void *subject, uint64_t unused) {
    device *d = subject;
    (void)unused;
    device_remove_locked(d);
    set_alive(d, false);
}

OSStatus aggregate_destroy_locked(AudioObjectID id) {
    device *d = device_even_dead(id);
    if (d == NULL || d->aggregate == NULL || (d->aggregate->published && !d->o.alive)) {
        return kAudioHardwareBadObjectError;
    }
    aggregate_uncount_locked(d->aggregate); /* also if it exists a while longer */
    cancel_events_locked(d);                /* its publication */
    d->aggregate->published = true;
    if (SWITCH(aggregate_delay_ns) == 0) {
        destroy_due(d, 0);
    } else {
        at_locked(now_locked() + (uint64_t)SWITCH(aggregate_delay_ns), destroy_due, d, 0);
    }
    return 0;
}

void aggregate_free(struct aggregate *a) {
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < a->sub_count; i++) {
        free(a->subs[i]->uid);
        free(a->subs[i]);
    }
    for (size_t i = 0; i < a->tap_count; i++) {
        free(a->taps[i]->uid);
        free(a->taps[i]);
    }
    free(a->main_uid);
    free(a->clock_uid);
    free(a);
}

/* Fixture 9: a public aggregate of the user's. */
void aggregate_of_user_locked(const char *uid, const char *name, const char *const subs[2]) {
    composition c = {.uid = text_copy(uid), .name = text_copy(name), .sub_count = 2};
    AudioObjectID id;
    for (int i = 0; i < 2; i++) {
        c.subs[i].uid = text_copy(subs[i]);
        c.subs[i].drift = i > 0;
    }
    if (aggregate_create_locked(&c, &id) == 0) {
        device *d = device_even_dead(id);
        aggregate_uncount_locked(d->aggregate);
        if (!d->aggregate->published) {
            cancel_events_locked(d);
            publish_due(d, false);
        }
    }
    composition_free(&c);
}

EXPORT OSStatus AudioHardwareCreateAggregateDevice(CFDictionaryRef inDescription,
                                                   AudioObjectID *outDeviceID) {
    if (!enter(__func__)) {
        return refused();
    }
    composition c = {0};
    OSStatus error = kAudioHardwareIllegalOperationError;
    if (inDescription == NULL || outDeviceID == NULL) {
        report_fault(CN_fault_null, "AudioHardwareCreateAggregateDevice: a NULL pointer");
    } else {
        error = composition_read(inDescription, &c);
        if (error == 0) {
            error = aggregate_create_locked(&c, outDeviceID);
        }
        composition_free(&c);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioHardwareDestroyAggregateDevice(AudioObjectID inDeviceID) {
    if (!enter(__func__)) {
        return refused();
    }
    OSStatus error = aggregate_destroy_locked(inDeviceID);
    leave();
    workers_reap(false);
    return error;
}
