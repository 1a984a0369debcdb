/* listeners.c: registers property listeners and calls them on the threads that S7 prescribes. */
#include "world.h"

struct listener {
    listener *next;
    AudioObjectID object;
    AudioObjectPropertyAddress address;
    listener_call call;
    const void *block; /* our copy of the client's block */
    bool removed;
    int uses; /* pending notifications that will call this listener */
};

/* One notification that has been posted and not delivered yet. */
typedef struct delivery {
    AudioObjectID object;
    change what;
    listener **listeners; /* chosen at the time of the change; NULL: chosen at delivery */
    size_t count;
    int times;
    bool restart; /* 'srst': the last notification, because coreaudiod restarts */
} delivery;

static listener *listeners;

/* ---- registration ---- */

/* An old function removes a listener without stating its client data. */
static bool same(const listener *l, AudioObjectID object, const AudioObjectPropertyAddress *a,
                 const listener_call *c) {
    return !l->removed && l->object == object && memcmp(&l->address, a, sizeof *a) == 0 &&
           l->call.manner == c->manner && l->call.proc == c->proc && l->call.block == c->block &&
           (l->call.client_data == c->client_data || c->any_client_data);
}

/* Returns the IO mutex of the device that an object belongs to, or NULL for the system object. */
static struct io_mutex *mutex_of(const object *o) {
    return o != NULL && o->device != NULL ? &o->device->mutex : NULL;
}

OSStatus listener_add(const char *call, AudioObjectID id, const AudioObjectPropertyAddress *a,
                      listener_call c) {
    if (!enter(call)) {
        return refused();
    }
    OSStatus error = 0;
    object *o = object_find(id);
    struct io_mutex *mutex = mutex_of(o);
    if (o == NULL) {
        error = kAudioHardwareBadObjectError;
    } else if (a == NULL || (c.proc == NULL && c.block == NULL)) {
        report_fault(CN_fault_null, "%s: a NULL pointer", call);
        error = kAudioHardwareIllegalOperationError;
    } else if (mutex != NULL && !io_mutex_lock(mutex)) {
        error = kAudioHardwareIllegalOperationError;
    } else {
        listener **at = &listeners;
        while (*at != NULL && !same(*at, id, a, &c)) {
            at = &(*at)->next;
        }
        if (*at != NULL) {
            error = kAudioHardwareIllegalOperationError;
        } else {
            listener *l = calloc(1, sizeof *l);
            *l = (listener){.object = id,
                            .address = *a,
                            .call = c,
                            .block = c.block ? block_copy(c.block) : NULL};
            *at = l;
            o->listened[0] = *a;
            COUNT(live_listeners);
        }
        if (mutex != NULL) {
            io_mutex_unlock(mutex);
        }
    }
    leave();
    return error;
}

static void forget_unused(void) {
    for (listener **at = &listeners; *at != NULL;) {
        listener *l = *at;
        if (l->removed && l->uses == 0) {
            *at = l->next;
            if (l->block != NULL) {
                block_release(l->block);
            }
            free(l);
        } else {
            at = &l->next;
        }
    }
}

OSStatus listener_remove(const char *call, AudioObjectID id, const AudioObjectPropertyAddress *a,
                         listener_call c) {
    if (!enter(call)) {
        return refused();
    }
    OSStatus error = 0;
    object *o = object_find(id);
    struct io_mutex *mutex = mutex_of(o);
    bool was_alive = object_even_dead(id) != NULL;
    if (a == NULL) {
        report_fault(CN_fault_null, "%s: a NULL pointer", call);
        error = kAudioHardwareIllegalOperationError;
    } else if (mutex != NULL && !io_mutex_lock(mutex)) {
        error = kAudioHardwareIllegalOperationError;
    } else {
        for (listener *l = listeners; l != NULL; l = l->next) {
            if (same(l, id, a, &c)) {
                l->removed = true;
                UNCOUNT(live_listeners);
                if (o != NULL) {
                    o->listened[1] = *a;
                }
            }
        }
        forget_unused();
        if (mutex != NULL) {
            io_mutex_unlock(mutex);
        }
        if (o == NULL && (!was_alive || SWITCH(remove_dead_listener) == 0)) {
            error = kAudioHardwareBadObjectError;
        }
    }
    leave();
    return error;
}

EXPORT OSStatus AudioObjectAddPropertyListener(AudioObjectID inObjectID,
                                               const AudioObjectPropertyAddress *inAddress,
                                               AudioObjectPropertyListenerProc inListener,
                                               void *inClientData) {
    listener_call c = {.proc = (void (*)(void))inListener, .client_data = inClientData};
    return listener_add(__func__, inObjectID, inAddress, c);
}

EXPORT OSStatus AudioObjectRemovePropertyListener(AudioObjectID inObjectID,
                                                  const AudioObjectPropertyAddress *inAddress,
                                                  AudioObjectPropertyListenerProc inListener,
                                                  void *inClientData) {
    listener_call c = {.proc = (void (*)(void))inListener, .client_data = inClientData};
    return listener_remove(__func__, inObjectID, inAddress, c);
}

EXPORT OSStatus AudioObjectAddPropertyListenerBlock(AudioObjectID inObjectID,
                                                    const AudioObjectPropertyAddress *inAddress,
                                                    dispatch_queue_t inDispatchQueue,
                                                    AudioObjectPropertyListenerBlock inListener) {
    (void)inDispatchQueue; /* the block runs on the thread that notifies */
    return listener_add(__func__, inObjectID, inAddress, (listener_call){.block = inListener});
}

EXPORT OSStatus AudioObjectRemovePropertyListenerBlock(
    AudioObjectID inObjectID, const AudioObjectPropertyAddress *inAddress,
    dispatch_queue_t inDispatchQueue, AudioObjectPropertyListenerBlock inListener) {
    (void)inDispatchQueue;
    return listener_remove(__func__, inObjectID, inAddress, (listener_call){.block = inListener});
}

/* ---- delivery ---- */

static bool address_matches(const AudioObjectPropertyAddress *wanted,
                            const AudioObjectPropertyAddress *got) {
    return (wanted->mSelector == kAudioObjectPropertySelectorWildcard ||
            wanted->mSelector == got->mSelector) &&
           (wanted->mScope == kAudioObjectPropertyScopeWildcard || wanted->mScope == got->mScope ||
            got->mSelector == kAudioDeviceProcessorOverload) &&
           (wanted->mElement == kAudioObjectPropertyElementWildcard ||
            wanted->mElement == got->mElement);
}

/* The old functions for devices know two scopes only. Their listeners hear of global properties,
 * too. */
static bool wants(const listener *l, const AudioObjectPropertyAddress *got) {
    AudioObjectPropertyAddress wanted = l->address;
    if (l->call.manner == DEVICE_LISTENER && got->mScope == kAudioObjectPropertyScopeGlobal) {
        wanted.mScope = kAudioObjectPropertyScopeWildcard;
    }
    return address_matches(&wanted, got);
}

static bool listener_matches(const listener *l, AudioObjectID object, const change *c) {
    for (UInt32 i = 0; l->object == object && i < c->count; i++) {
        if (wants(l, &c->addresses[i])) {
            return true;
        }
    }
    return false;
}

static void choose(delivery *d) {
    size_t n = 0;
    for (listener *l = listeners; l != NULL; l = l->next) {
        n += !l->removed && listener_matches(l, d->object, &d->what);
    }
    d->listeners = calloc(n + 1, sizeof *d->listeners);
    for (listener *l = listeners; l != NULL; l = l->next) {
        if (!l->removed && listener_matches(l, d->object, &d->what)) {
            d->listeners[d->count++] = l;
            l->uses++;
        }
    }
}

/* Collects the addresses that a listener gets as arguments. Returns their number. */
static UInt32 shown(const listener *l, const change *c, AudioObjectPropertyAddress out[130]) {
    UInt32 n = 0;
    /* An old listener gets one property, and only one for which it is registered. */
    int64_t mode = l->call.manner == OBJECT_LISTENER ? SWITCH(listener_addresses) : 0;
    UInt32 copies = SWITCH(notify_duplicates) == 1 ? 2 : 1;
    for (UInt32 i = 0; i < c->count; i++) {
        for (UInt32 k = 0; k < copies && n < 128; k++) {
            if (mode > 0 || wants(l, &c->addresses[i])) {
                out[n++] = c->addresses[i];
            }
        }
    }
    if (mode == 2) {
        out[n++] = (AudioObjectPropertyAddress){kAudioObjectPropertyName,
                                                kAudioObjectPropertyScopeGlobal, 0};
    }
    return n;
}

static void call_one(listener *l, AudioObjectID id, const change *c) {
    AudioObjectPropertyAddress addresses[130];
    UInt32 n = shown(l, c, addresses);
    sim_thread *self = thread_self();
    COUNT(listener_calls);
    pthread_mutex_unlock(&world.lock);
    self->in_callback = true;
    if (l->block != NULL) {
        void (*invoke)(const void *, UInt32, const AudioObjectPropertyAddress *);
        void *address = block_invoke(l->block);
        memcpy(&invoke, &address, sizeof invoke);
        invoke(l->block, n, addresses);
    } else {
        listener_invoke(&l->call, id, n, addresses);
    }
    self->in_callback = false;
    pthread_mutex_lock(&world.lock);
    if (self->worker != NULL) {
        self->worker->record->spent_ns = 0;
    }
}

/* Removes the listeners, because coreaudiod has ended. Notifications go to the main run loop again.
 */
static void end_listeners_locked(void) {
    for (listener *l = listeners; l != NULL; l = l->next) {
        bool stays = l->object == kAudioObjectSystemObject && SWITCH(restart_listeners) == 1;
        if (!l->removed && !stays) {
            l->removed = true;
            UNCOUNT(live_listeners);
        }
    }
    world.run_loop = run_loop_main_locked();
}

/* Calls the listeners of a notification. Runs on the thread on which they must be called. */
static void deliver_job(void *subject, uint64_t finishes) {
    delivery *d = subject;
    if (d->listeners == NULL) {
        choose(d);
    }
    if (d->restart) {
        end_listeners_locked(); /* before the calls, because a called listener may register again */
    }
    bool always = d->restart || SWITCH(listener_after_remove) == 1;
    for (int turn = 0; turn < d->times; turn++) {
        for (size_t i = 0; i < d->count; i++) {
            if (!d->listeners[i]->removed || always) {
                call_one(d->listeners[i], d->object, &d->what);
            }
        }
    }
    for (size_t i = 0; i < d->count; i++) {
        d->listeners[i]->uses--;
    }
    forget_unused();
    free(d->listeners);
    free(d);
    if (finishes) {
        worker_finish_locked(thread_self()->worker);
    }
}

static void deliver_due(void *subject, uint64_t unused) {
    (void)unused;
    if (world.run_loop != NULL) {
        run_loop_deliver_locked(world.run_loop, deliver_job, subject);
        return;
    }
    bool own_thread = SWITCH(listener_thread) == 1;
    worker *w;
    if (own_thread) {
        w = worker_start_locked("notification thread", NULL);
    } else {
        if (world.notifier == NULL) {
            world.notifier = worker_start_locked("notification thread", NULL);
        }
        w = world.notifier;
    }
    if (!worker_post_locked(w, deliver_job, subject, own_thread)) {
        deliveries_drop_locked(subject);
        return;
    }
    if (world.is_virtual) {
        worker_wait_locked(w);
    }
}

static bool anyone_cares(AudioObjectID object, const change *c) {
    for (listener *l = listeners; l != NULL; l = l->next) {
        if (!l->removed && listener_matches(l, object, c)) {
            return true;
        }
    }
    return false;
}

void change_add_element(change *c, UInt32 selector, UInt32 scope, UInt32 element) {
    if (c->count < sizeof c->addresses / sizeof c->addresses[0]) {
        c->addresses[c->count++] = (AudioObjectPropertyAddress){selector, scope, element};
    }
}

void change_add(change *c, UInt32 selector, UInt32 scope) {
    change_add_element(c, selector, scope, 0);
}

static void post_locked(AudioObjectID object, const change *c, bool restart) {
    delivery *d = calloc(1, sizeof *d);
    d->object = object;
    d->what = *c;
    d->times = (int)SWITCH(notify_burst);
    d->restart = restart;
    if (SWITCH(listener_after_remove) == 1) {
        choose(d);
    }
    at_locked(now_locked() + (uint64_t)SWITCH(notify_delay_ns), deliver_due, d, 0);
}

void notify_locked(AudioObjectID object, const change *c) {
    if (c->count == 0) {
        return;
    }
    COUNT(notifications);
    if (anyone_cares(object, c)) {
        post_locked(object, c, false);
    }
}

void notify_restart_locked(void) {
    change c = {.count = 0};
    change_add(&c, kAudioHardwarePropertyServiceRestarted, kAudioObjectPropertyScopeGlobal);
    COUNT(notifications);
    post_locked(kAudioObjectSystemObject, &c, true);
}

void notify_one_locked(AudioObjectID object, UInt32 selector, UInt32 scope) {
    change c = {.count = 0};
    change_add(&c, selector, scope);
    notify_locked(object, &c);
}

void notify_sides_locked(AudioObjectID object, UInt32 selector) {
    change c = {.count = 0};
    change_add(&c, selector, kAudioObjectPropertyScopeInput);
    change_add(&c, selector, kAudioObjectPropertyScopeOutput);
    notify_locked(object, &c);
}

/* Calls the listeners of 'goin' or 'over' at once, on the IO thread, which holds the IO mutex. */
void io_call_listeners_locked(device *d, UInt32 selector, UInt32 scope) {
    delivery *now = calloc(1, sizeof *now);
    now->object = d->o.id;
    change_add(&now->what, selector, scope);
    now->times = 1;
    COUNT(notifications);
    if (io_mutex_lock(&d->mutex)) {
        deliver_job(now, 0);
        io_mutex_unlock(&d->mutex);
    } else {
        free(now);
    }
}

void deliveries_drop_locked(void *subject) {
    delivery *d = subject;
    COUNT(dropped_notifications);
    for (size_t i = 0; i < d->count; i++) {
        d->listeners[i]->uses--;
    }
    free(d->listeners);
    free(d);
}

event_fn listeners_event(void) { return deliver_due; }

void listeners_reset_locked(void) {
    for (listener *l = listeners; l != NULL; l = l->next) {
        l->removed = true;
        l->uses = 0;
    }
    forget_unused();
}
