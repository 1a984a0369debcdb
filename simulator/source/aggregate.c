/* aggregate.c: makes, changes and destroys aggregate devices (S12). An aggregate is a device whose
 * streams are those of its sub-devices, in their order, on the clock of its main sub-device. A
 * sub-device without drift compensation and with another clock loses or repeats input frames; with
 * compensation it does not. */
#include "aggregate.h"

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

/* ---- streams, rates and latencies, from the sub-devices ---- */

static void add_stream(device *d, int direction, const sub_device *sub, const device *from,
                       const stream *original) {
    size_t n = d->stream_count[direction];
    if (n == MAX_STREAMS) {
        return;
    }
    stream *s = calloc(1, sizeof *s);
    s->direction = (UInt32)direction;
    s->index = (UInt32)n;
    s->starting_channel = device_channels(d, direction) + 1;
    s->channels = original->channels;
    s->latency_frames = original->latency_frames;
    s->terminal = original->terminal;
    s->active = true;
    s->origin_serial = from->serial;
    s->origin_index = original->index;
    s->origin = sub;
    stream_add_formats(s, "f32");
    object_add(&s->o, STREAM, kAudioStreamClassID, kAudioObjectClassID, &d->o, d);
    s->o.alive = d->o.alive;
    d->streams[direction][d->stream_count[direction]++] = s;
}

/* Frames of a sub-device for each frame of the main one, less one. */
static double slip_of(const sub_device *s, const device *target, const device *main) {
    bool same_clock =
        target == main || (target->clock_domain != 0 && target->clock_domain == main->clock_domain);
    return s->drift || same_clock ? 0 : (target->ppm - main->ppm) * 1e-6;
}

static void retire_streams(device *d) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            d->streams[direction][i]->o.alive = false;
            retire_locked(d->streams[direction][i]);
        }
        d->stream_count[direction] = 0;
    }
}

/* The rates that all sub-devices have. */
static void build_rates(device *d, const device *main) {
    d->rate_count = 0;
    for (size_t i = 0; i < main->rate_count; i++) {
        bool all = true;
        for (size_t k = 0; k < d->aggregate->sub_count; k++) {
            const device *target = sub_device_target(d->aggregate->subs[k]);
            all = all && (target == NULL || (device_supports_rate(target, main->rates[i][0]) &&
                                             device_supports_rate(target, main->rates[i][1])));
        }
        if (all) {
            memcpy(d->rates[d->rate_count++], main->rates[i], sizeof main->rates[i]);
        }
    }
}

/* Takes clock, latencies and rates from the main sub-device, and the slip of each stream from the
 * clocks and the drift compensation. */
static void tune(device *d) {
    const sub_device *chosen = aggregate_main(d);
    const device *main = chosen != NULL ? sub_device_target(chosen) : NULL;
    bool drifts = false;
    if (main == NULL) {
        return;
    }
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        const sub_device *s = d->aggregate->subs[i];
        drifts = drifts || (s->drift && s != chosen);
    }
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream *s = d->streams[direction][i];
            const device *target = sub_device_target(s->origin);
            s->slip = target == NULL ? 0 : slip_of(s->origin, target, main);
        }
        d->latency[direction] = main->latency[direction];
        d->safety[direction] = main->safety[direction];
    }
    build_rates(d, main);
    d->ppm = main->ppm;
    d->clock_domain = main->clock_domain;
    /* Compensation resamples, so the size of a cycle can vary by a frame. */
    d->variable_frames = drifts && SWITCH(aggregate_cycles) == 1 ? 1 : 0;
    if (d->rate == 0 || !device_supports_rate(d, d->rate)) {
        bool follows = device_supports_rate(d, main->rate) || d->rate_count == 0;
        d->rate = follows ? main->rate : d->rates[0][0];
    }
}

static void build(device *d) {
    const sub_device *chosen = aggregate_main(d);
    retire_streams(d);
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        sub_device *s = d->aggregate->subs[i];
        device *target = sub_device_target(s);
        s->o.device = target;
        s->o.alive = target != NULL && d->o.alive;
        for (int direction = 0; direction < 2 && target != NULL; direction++) {
            if (d->aggregate->stacked && (direction == INPUT || s != chosen)) {
                continue; /* all outputs play the streams of the main one */
            }
            for (size_t k = 0; k < target->stream_count[direction]; k++) {
                add_stream(d, direction, s, target, target->streams[direction][k]);
            }
        }
    }
    tune(d);
}

/* The clock or the compensation has changed. The next start of IO uses it. */
void aggregate_rebuild_locked(device *d) { tune(d); }

/* The rate of the main sub-device has changed, so the aggregate changes as well. */
void aggregates_follow_rate_locked(const device *changed) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        const sub_device *main = d->aggregate != NULL ? aggregate_main(d) : NULL;
        if (main != NULL && d->o.alive && sub_device_target(main) == changed) {
            change_rate_locked(d, changed->rate, false);
        }
    }
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
    d->changing_rate = false;
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

static void take_subs(device *d, const composition *c) {
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        d->aggregate->subs[i]->o.alive = false;
        retire_locked(d->aggregate->subs[i]->uid);
        retire_locked(d->aggregate->subs[i]);
    }
    d->aggregate->sub_count = 0;
    for (size_t i = 0; i < c->sub_count; i++) {
        sub_device *s = calloc(1, sizeof *s);
        *s = c->subs[i];
        s->uid = text_copy(c->subs[i].uid);
        s->extra_latency = s->extra_in > s->extra_out ? s->extra_in : s->extra_out;
        object_add(&s->o, SUB_DEVICE, kAudioSubDeviceClassID, kAudioDeviceClassID, &d->o, NULL);
        d->aggregate->subs[d->aggregate->sub_count++] = s;
    }
}

static void end_io(device *d) {
    d->changing_rate = true;
    io_interrupt_locked(d);
}

/* Changes the sub-devices of an aggregate, which disappears for a moment. */
void aggregate_compose_locked(device *d, const composition *c) {
    end_io(d);
    take_subs(d, c);
    d->o.alive = true;
    build(d);
    publish_later(d, true);
}

/* A device has come or gone: rebuilds the aggregates that have it. */
void aggregates_update_locked(const char *uid) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        for (size_t k = 0; d->aggregate != NULL && k < d->aggregate->sub_count; k++) {
            if (strcmp(d->aggregate->subs[k]->uid, uid) == 0) {
                end_io(d);
                build(d);
                at_locked(now_locked(), publish_due, d, true);
                break;
            }
        }
    }
}

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
    build(d);
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
    cancel_events_locked(d); /* its publication */
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
        d->aggregate->counts = false;
        UNCOUNT(live_aggregates);
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
