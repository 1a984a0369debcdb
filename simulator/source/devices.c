/* devices.c: adds and removes devices, and their control functions. */
#include "aggregate.h"

#include <unistd.h>

UInt32 device_channels(const device *d, int direction) {
    UInt32 n = 0;
    for (size_t i = 0; i < d->stream_count[direction]; i++) {
        n += d->streams[direction][i]->channels;
    }
    return n;
}

bool device_supports_rate(const device *d, double rate) {
    for (size_t i = 0; i < d->rate_count; i++) {
        if (rate >= d->rates[i][0] && rate <= d->rates[i][1]) {
            return true;
        }
    }
    return false;
}

void device_clamp_buffer(device *d) {
    d->buffer_max = d->base_buffer_max;
    if (SWITCH(buffer_range_follows_rate) == 1) {
        d->buffer_max *= d->rate > 96000 ? 4 : d->rate > 48000 ? 2 : 1;
    }
    if (d->buffer_frames < d->buffer_min) {
        d->buffer_frames = d->buffer_min;
    }
    if (d->buffer_frames > d->buffer_max) {
        d->buffer_frames = d->buffer_max;
    }
}

void device_hog_locked(device *d, pid_t pid) {
    pid_t me = getpid();
    if (d->hog != pid) {
        count(CN_live_hogs, (pid == me) - (d->hog == me));
        d->hog = pid;
        d->hogged_by_format = false;
        notify_one_locked(d->o.id, kAudioDevicePropertyHogMode, kAudioObjectPropertyScopeGlobal);
    }
}

/* Tells listeners whether somebody speaks. The detector works while this process is muted, and not
 * while the device itself is. */
void voice_update_locked(device *d) {
    control *mute = control_find(d, kAudioMuteControlClassID, kAudioObjectPropertyScopeInput, 0);
    UInt32 state =
        d->detects_voice && d->somebody_speaks && d->current != NULL && (mute == NULL || !mute->on);
    if (state != d->voice_state) {
        d->voice_state = state;
        notify_one_locked(d->o.id, kAudioDevicePropertyVoiceActivityDetectionState,
                          kAudioObjectPropertyScopeInput);
    }
}

/* Finds a living device for a control function and locks the world. If no such device exists,
 * returns NULL and leaves the world unlocked. */
device *device_begin(const char *call, uint32_t id) {
    pthread_mutex_lock(&world.lock);
    device *d = device_find(id);
    if (d == NULL) {
        report_line("%s: no living device %u", call, id);
        pthread_mutex_unlock(&world.lock);
    }
    return d;
}

EXPORT int sim_speak(uint32_t id, bool speaks) {
    device *d = device_begin("sim_speak", id);
    if (d == NULL) {
        return -1;
    }
    d->somebody_speaks = speaks;
    voice_update_locked(d);
    pthread_mutex_unlock(&world.lock);
    return 0;
}

/* Posts the notifications of one event one by one. A switch decides their order. */
static void notify_in_order(const AudioObjectID *objects, const UInt32 *selectors, size_t n) {
    size_t turn = (size_t)SWITCH(notify_order);
    for (size_t i = 0; i < n; i++) {
        size_t k = (i + turn) % n;
        notify_one_locked(objects[k], selectors[k], kAudioObjectPropertyScopeGlobal);
    }
}

static const UInt32 default_selectors[3] = {kAudioHardwarePropertyDefaultOutputDevice,
                                            kAudioHardwarePropertyDefaultInputDevice,
                                            kAudioHardwarePropertyDefaultSystemOutputDevice};

int default_index(UInt32 selector) {
    for (int i = 0; i < 3; i++) {
        if (default_selectors[i] == selector) {
            return i;
        }
    }
    return -1;
}

static AudioObjectID first_default(int direction) {
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        if (d->o.alive && d->stream_count[direction] > 0 && d->can_be_default[direction] &&
            !d->hidden) {
            return d->o.id;
        }
    }
    return kAudioObjectUnknown;
}

static void renew_defaults(AudioObjectID *objects, UInt32 *selectors, size_t *n,
                           const device *added) {
    for (int i = 0; i < 3; i++) {
        if (device_find(world.default_device[i]) == NULL) {
            int direction = i == 1 ? INPUT : OUTPUT;
            AudioObjectID next = added != NULL && added->becomes_default[direction]
                                     ? added->o.id
                                     : first_default(direction);
            if (next != world.default_device[i]) {
                world.default_device[i] = next;
                objects[*n] = kAudioObjectSystemObject;
                selectors[(*n)++] = default_selectors[i];
            }
        }
    }
}

/* Adds a device without a notification. */
device *device_make_locked(const char *description, UInt32 serial) {
    if (world.device_count == sizeof world.devices / sizeof world.devices[0] ||
        world.all_device_count == sizeof world.all_devices / sizeof world.all_devices[0]) {
        report_line("sim_add_device: too many devices");
        return NULL;
    }
    AudioObjectID id;
    device *d = device_from_description(description, serial, &id);
    world.all_devices[world.all_device_count++] = d;
    if (id == 0) {
        d->o.alive = false;
        return NULL;
    }
    d->workgroup = workgroup_new(d);
    device_clamp_buffer(d);
    world.devices[world.device_count++] = d;
    return d;
}

static device *add(const char *description, UInt32 serial) {
    device *d = device_make_locked(description, serial);
    if (d == NULL) {
        return NULL;
    }
    aggregates_update_locked(d->uid);
    AudioObjectID objects[8] = {kAudioObjectSystemObject, kAudioObjectSystemObject};
    UInt32 selectors[8] = {kAudioHardwarePropertyDevices, kAudioObjectPropertyOwnedObjects};
    size_t n = 2;
    for (int i = 0; i < 3; i++) {
        if (d->becomes_default[i == 1 ? INPUT : OUTPUT]) { /* renewed to the new device */
            world.default_device[i] = kAudioObjectUnknown;
        }
    }
    renew_defaults(objects, selectors, &n, d);
    notify_in_order(objects, selectors, n);
    taps_update_locked();
    return d;
}

static UInt32 new_serial(void) {
    world.next_serial = world.next_serial % 15 + 1;
    return world.next_serial;
}

device *device_add_locked(const char *description) { return add(description, new_serial()); }

EXPORT uint32_t sim_add_device(const char *description) {
    pthread_mutex_lock(&world.lock);
    device *d = description ? add(description, new_serial()) : NULL;
    if (d != NULL) {
        device_flaps_locked(d, d->flaps);
    }
    uint32_t id = d ? d->o.id : 0;
    pthread_mutex_unlock(&world.lock);
    return id;
}

/* Removes a device without a notification. Its IO ends without a stop, and its objects die. */
static void end_locked(device *d) {
    io_interrupt_locked(d);
    d->hang_start_ns = d->hang_get_ns = 0;
    cancel_waits_locked(d);
    d->o.alive = false;
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            d->streams[direction][i]->o.alive = false;
        }
    }
    for (size_t i = 0; i < d->control_count; i++) {
        d->controls[i]->o.alive = false;
    }
    if (d->hog == getpid()) {
        UNCOUNT(live_hogs);
    }
    if (d->aggregate != NULL) {
        aggregate_uncount_locked(d->aggregate);
    }
    end_points_device_gone_locked(d);
    d->hog = -1;
    d->pending_rate = 0;
    d->changing_rate = false;
    d->self_change_count = 0;
    cancel_events_locked(d);
    workgroup_invalidate(d->workgroup);
    for (size_t i = 0; i < world.device_count; i++) {
        if (world.devices[i] == d) {
            memmove(&world.devices[i], &world.devices[i + 1],
                    (world.device_count - i - 1) * sizeof world.devices[0]);
            world.device_count--;
            break;
        }
    }
}

void device_remove_locked(device *d) {
    end_locked(d);
    AudioObjectID objects[8] = {d->o.id, kAudioObjectSystemObject, kAudioObjectSystemObject};
    UInt32 selectors[8] = {kAudioDevicePropertyDeviceIsAlive, kAudioHardwarePropertyDevices,
                           kAudioObjectPropertyOwnedObjects};
    size_t n = 3;
    renew_defaults(objects, selectors, &n, NULL);
    bool quiet = d->aggregate != NULL && d->aggregate->is_private;
    notify_in_order(objects, selectors, quiet ? 1 : n);
    aggregates_update_locked(d->uid);
    taps_update_locked();
    taps_wake_locked();
}

device *device_replug_locked(const device *old) { return add(old->description, old->serial); }

EXPORT int sim_remove_device(uint32_t id) {
    device *d = device_begin("sim_remove_device", id);
    if (d == NULL) {
        return -1;
    }
    device_remove_locked(d);
    pthread_mutex_unlock(&world.lock);
    workers_reap(false);
    return 0;
}

EXPORT uint32_t sim_replug_device(uint32_t id) {
    pthread_mutex_lock(&world.lock);
    device *old = device_even_dead(id), *d = NULL;
    if (old == NULL || old->o.alive || old->end_points != NULL) {
        report_line("sim_replug_device: %u is not a removed device", id);
    } else {
        d = device_replug_locked(old);
    }
    uint32_t new_id = d ? d->o.id : 0;
    pthread_mutex_unlock(&world.lock);
    return new_id;
}

EXPORT void sim_restart_service(void) {
    enum { MOST = sizeof world.devices / sizeof world.devices[0] };
    pthread_mutex_lock(&world.lock);
    device *before[MOST];
    size_t n = world.device_count;
    memcpy(before, world.devices, n * sizeof before[0]);
    for (size_t i = 0; i < n; i++) {
        end_locked(before[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (before[i]->aggregate != NULL || before[i]->end_points != NULL) {
            /* its client makes it again, if it wants to */
            continue;
        }
        device *d = device_make_locked(before[i]->description, before[i]->serial);
        for (int k = 0; d != NULL && k < 3; k++) {
            if (world.default_device[k] == before[i]->o.id) {
                world.default_device[k] = d->o.id;
            }
        }
    }
    taps_end_locked();
    taps_wake_locked();
    notify_restart_locked();
    pthread_mutex_unlock(&world.lock);
    workers_reap(false);
}

AudioObjectID device_id_with_uid_locked(const char *uid) {
    AudioObjectID id = kAudioObjectUnknown;
    for (size_t i = 0; i < world.device_count; i++) {
        if (strcmp(world.devices[i]->uid, uid) == 0) {
            id = world.devices[i]->o.id;
        }
    }
    return id;
}

EXPORT uint32_t sim_find_device(const char *uid) {
    pthread_mutex_lock(&world.lock);
    uint32_t id = uid != NULL ? device_id_with_uid_locked(uid) : 0;
    pthread_mutex_unlock(&world.lock);
    return id;
}

EXPORT uint32_t sim_device_serial(uint32_t id) {
    pthread_mutex_lock(&world.lock);
    device *d = device_even_dead(id);
    uint32_t serial = d ? d->serial : 0;
    pthread_mutex_unlock(&world.lock);
    return serial;
}

EXPORT int sim_set_default(uint32_t selector, uint32_t id) {
    int which = default_index(selector);
    pthread_mutex_lock(&world.lock);
    int result = -1;
    if (which >= 0 && (id == 0 || device_find(id) != NULL)) {
        world.default_device[which] = id;
        notify_one_locked(kAudioObjectSystemObject, selector, kAudioObjectPropertyScopeGlobal);
        taps_update_locked();
        result = 0;
    } else {
        report_line("sim_set_default: no such default or device %u", id);
    }
    pthread_mutex_unlock(&world.lock);
    return result;
}

EXPORT int sim_set_data_source(uint32_t id, uint32_t source) {
    device *d = device_begin("sim_set_data_source", id);
    int result = -1;
    if (d != NULL) {
        control *c =
            control_find(d, kAudioDataSourceControlClassID, kAudioObjectPropertyScopeOutput, 0);
        result = c != NULL && control_select(c, source) == 0 ? 0 : -1;
        pthread_mutex_unlock(&world.lock);
    }
    return result;
}

EXPORT int sim_set_volume(uint32_t id, uint32_t scope, uint32_t element, float scalar) {
    device *d = device_begin("sim_set_volume", id);
    if (d == NULL) {
        return -1;
    }
    control *c = control_find(d, kAudioVolumeControlClassID, scope, element);
    if (c != NULL) {
        control_set_level(c, scalar);
    }
    pthread_mutex_unlock(&world.lock);
    return c != NULL ? 0 : -1;
}

EXPORT int sim_set_mute(uint32_t id, uint32_t scope, uint32_t element, bool on) {
    device *d = device_begin("sim_set_mute", id);
    if (d == NULL) {
        return -1;
    }
    control *c = control_find(d, kAudioMuteControlClassID, scope, element);
    if (c != NULL) {
        control_set_on(c, on);
    }
    pthread_mutex_unlock(&world.lock);
    return c != NULL ? 0 : -1;
}

EXPORT int sim_change_rate(uint32_t id, double rate_hz) {
    device *d = device_begin("sim_change_rate", id);
    if (d == NULL) {
        return -1;
    }
    OSStatus error = change_rate_locked(d, rate_hz, false);
    pthread_mutex_unlock(&world.lock);
    return error == 0 ? 0 : -1;
}

EXPORT int sim_notify(uint32_t id, uint32_t selector, uint32_t scope, uint32_t element) {
    pthread_mutex_lock(&world.lock);
    change c = {.addresses = {{selector, scope, element}}, .count = 1};
    notify_locked(id, &c);
    pthread_mutex_unlock(&world.lock);
    return 0;
}

EXPORT int sim_hang(uint32_t id, uint32_t what, uint64_t duration_ns) {
    device *d = device_begin("sim_hang", id);
    if (d == NULL) {
        return -1;
    }
    if (what == 0) {
        d->hang_start_ns = duration_ns;
    } else {
        d->hang_selector = what;
        d->hang_get_ns = duration_ns;
    }
    pthread_mutex_unlock(&world.lock);
    return 0;
}

EXPORT int sim_set_input(uint32_t id, enum sim_input input) {
    device *d = device_begin("sim_set_input", id);
    if (d == NULL) {
        return -1;
    }
    d->input = input;
    pthread_mutex_unlock(&world.lock);
    return 0;
}

EXPORT int sim_hog(uint32_t id, int32_t pid) {
    device *d = device_begin("sim_hog", id);
    if (d == NULL) {
        return -1;
    }
    device_hog_locked(d, pid);
    pthread_mutex_unlock(&world.lock);
    return 0;
}

EXPORT int sim_inject_overload(uint32_t id, uint32_t cycles) {
    device *d = device_begin("sim_inject_overload", id);
    if (d == NULL) {
        return -1;
    }
    d->inject_overload = cycles;
    d->inject_pending = true;
    pthread_mutex_unlock(&world.lock);
    return 0;
}

/* Objects that have gone stay in memory until the reset, because the table of objects has them. */
void retire_locked(void *memory) {
    struct retired *r = malloc(sizeof *r);
    *r = (struct retired){.next = world.retired, .memory = memory};
    world.retired = r;
}

void devices_reset_locked(void) {
    while (world.retired != NULL) {
        struct retired *r = world.retired;
        world.retired = r->next;
        free(r->memory);
        free(r);
    }
    for (size_t i = 0; i < world.all_device_count; i++) {
        device *d = world.all_devices[i];
        for (run *r = d->first_run, *next; r != NULL; r = next) {
            next = r->next;
            capture_free(r);
            io_buffers_free(r);
            free(r);
        }
        io_procs_forget_locked(d);
        for (int direction = 0; direction < 2; direction++) {
            for (size_t s = 0; s < d->stream_count[direction]; s++) {
                free(d->streams[direction][s]);
            }
        }
        aggregate_free(d->aggregate);
        free(d->end_points);
        free(d->registered[0]);
        free(d->registered[1]);
        free(d->headset);
        for (size_t c = 0; c < d->control_count; c++) {
            for (size_t i = 0; i < d->controls[c]->item_count; i++) {
                free(d->controls[c]->items[i].name);
            }
            free(d->controls[c]);
        }
        workgroup_release_internal(d->workgroup);
        pthread_cond_destroy(&d->mutex.freed);
        free(d->description);
        free(d->uid);
        free(d->name);
        free(d->maker);
        free(d->model_uid);
        free(d->model_name);
        free(d->serial_number);
        free(d->firmware);
        free(d->clock_device);
        free(d);
    }
    world.all_device_count = world.device_count = 0;
    world.next_serial = 0;
}
