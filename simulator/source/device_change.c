/* device_change.c: a device changes by itself (S10): IO pauses without notice, the device changes,
 * listeners are told everything, and IO resumes on a new thread. */
#include "world.h"

static const uint64_t ms = 1000000;

static void apply_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number || !io_has_ended_locked(d, apply_due, number)) {
        return;
    }
    double rate = d->rate;
    for (size_t i = 0; i < d->self_change_count; i++) {
        d->self_changes[i].apply(d, d->self_changes[i].value);
    }
    d->self_change_count = 0;
    if (rate != d->rate) {
        COUNT(rate_changes);
    }
    device_clamp_buffer(d);
    device_announce_locked(d);
    notify_one_locked(d->o.id, kAudioDevicePropertyAvailableNominalSampleRates,
                      kAudioObjectPropertyScopeGlobal);
    notify_sides_locked(d->o.id, kAudioDevicePropertyStreamConfiguration);
    notify_sides_locked(d->o.id, kAudioDevicePropertyStreams);
    notify_one_locked(d->o.id, kAudioObjectPropertyOwnedObjects, kAudioObjectPropertyScopeGlobal);
    at_locked(now_locked() + (uint64_t)SWITCH(rate_pause_ns), change_ended_due, d, number);
}

static void pause_due(void *subject, uint64_t unused) {
    device *d = subject;
    (void)unused;
    d->changing_rate = true;
    d->pending_rate = 0;
    d->change_number++; /* ends a change of the rate that is under way */
    io_interrupt_locked(d);
    at_locked(now_locked(), apply_due, d, d->change_number);
}

/* Lets a device change by itself, after a delay. `apply` makes the change. */
static void change_later(device *d, void (*apply)(device *d, uint64_t value), uint64_t value,
                         uint64_t delay_ns) {
    if (d->self_change_count < sizeof d->self_changes / sizeof d->self_changes[0]) {
        d->self_changes[d->self_change_count].apply = apply;
        d->self_changes[d->self_change_count++].value = value;
    }
    at_locked(now_locked() + delay_ns, pause_due, d, 0);
}

/* ---- the headset of fixture 6: two devices that share one radio ---- */

/* A headset plays stereo at its best rate, or it has a call: mono at the call's rate, both ways. */
static void apply_profile(device *d, uint64_t call) {
    d->in_call = call != 0;
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            d->streams[direction][i]->channels =
                call || direction == INPUT ? 1 : d->headset_channels;
        }
    }
    d->rates[0][0] = d->rates[0][1] = d->rate = call ? d->call_rate : d->best_rate;
    d->rate_count = 1;
}

/* Whether anybody uses the microphone of a headset. */
static bool microphone_in_use(const char *headset) {
    for (size_t i = 0; i < world.device_count; i++) {
        const device *d = world.devices[i];
        if (d->headset != NULL && strcmp(d->headset, headset) == 0 && d->stream_count[INPUT] > 0 &&
            (device_wants_io(d) || process_uses_locked(d->o.id, INPUT))) {
            return true;
        }
    }
    return false;
}

/* Changes the profile of all devices of a headset, if the use of its microphone has changed. */
void headset_update_locked(const device *changed) {
    if (changed->headset == NULL) {
        return;
    }
    bool call = microphone_in_use(changed->headset);
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        if (d->headset != NULL && strcmp(d->headset, changed->headset) == 0 &&
            d->wants_call != call) {
            d->wants_call = call;
            change_later(d, apply_profile, call, (uint64_t)SWITCH(profile_delay_ns));
        }
    }
}

/* ---- voice processing adds an input stream to a device ---- */

static void apply_voice_processing(device *d, uint64_t on) {
    size_t n = d->stream_count[INPUT];
    if (on && n < MAX_STREAMS && !d->has_tap_stream) {
        stream *s = calloc(1, sizeof *s);
        s->direction = INPUT;
        s->index = (UInt32)n;
        s->starting_channel = device_channels(d, INPUT) + 1;
        s->channels = 2;
        s->active = true;
        s->terminal = kAudioStreamTerminalTypeUnknown;
        stream_add_formats(s, "f32");
        object_add(&s->o, STREAM, kAudioStreamClassID, kAudioObjectClassID, &d->o, d);
        d->streams[INPUT][d->stream_count[INPUT]++] = s;
    } else if (!on && d->has_tap_stream) {
        d->streams[INPUT][n - 1]->o.alive = false;
        retire_locked(d->streams[INPUT][n - 1]);
        d->stream_count[INPUT]--;
    }
    d->has_tap_stream = on != 0;
}

EXPORT int sim_voice_processing(uint32_t id, bool on) {
    device *d = device_begin("sim_voice_processing", id);
    if (d == NULL) {
        return -1;
    }
    change_later(d, apply_voice_processing, on, 0);
    pthread_mutex_unlock(&world.lock);
    return 0;
}

/* ---- a device that comes and goes by itself ---- */

static void flap_due(void *subject, uint64_t times) {
    device *d = subject;
    if (d->o.alive) {
        device_remove_locked(d);
    } else {
        d = device_replug_locked(d);
    }
    if (d != NULL && times > 1) {
        at_locked(now_locked() + 1000 * ms, flap_due, d, times - 1);
    }
}

void device_flaps_locked(device *d, UInt32 times) {
    if (times > 0) {
        at_locked(now_locked() + 1000 * ms, flap_due, d, times);
    }
}
