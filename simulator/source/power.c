/* power.c: sleep and wake (S10), and consent to the microphone and to taps (S11). */
#include "world.h"

/* Sleep ends the IO of all devices without notice. */
EXPORT int sim_sleep(bool forced) {
    pthread_mutex_lock(&world.lock);
    bool running = false;
    for (size_t i = 0; i < world.device_count; i++) {
        running = running || world.devices[i]->current != NULL;
    }
    if (world.asleep || (!forced && running && !world.sleeping_allowed)) {
        pthread_mutex_unlock(&world.lock);
        return -1;
    }
    world.asleep = true;
    for (size_t i = 0; i < world.device_count; i++) {
        device *d = world.devices[i];
        if (d->current != NULL) {
            d->lost_by_sleep = SWITCH(wake_io) == 1;
            io_interrupt_locked(d);
        }
    }
    pthread_mutex_unlock(&world.lock);
    workers_reap(false);
    return 0;
}

static void resume_due(void *subject, uint64_t unused) {
    device *d = subject;
    (void)unused;
    if (d->o.alive) {
        io_resume_locked(d);
    }
}

EXPORT int sim_wake(void) {
    enum { MOST = sizeof world.devices / sizeof world.devices[0] };
    pthread_mutex_lock(&world.lock);
    if (!world.asleep) {
        pthread_mutex_unlock(&world.lock);
        return -1;
    }
    world.asleep = false;
    world.woken_ns = now_locked();
    device *before[MOST];
    size_t n = world.device_count;
    memcpy(before, world.devices, n * sizeof before[0]);
    for (size_t i = 0; i < n; i++) {
        device *d = before[i];
        bool external = d->transport == kAudioDeviceTransportTypeUSB ||
                        d->transport == kAudioDeviceTransportTypeBluetooth;
        if (SWITCH(wake_ids) == 1 && external) {
            device_remove_locked(d);
            device_replug_locked(d);
        } else {
            at_locked(now_locked() + (uint64_t)SWITCH(wake_delay_ns), resume_due, d, 0);
        }
    }
    pthread_mutex_unlock(&world.lock);
    workers_reap(false);
    return 0;
}

/* For some seconds after the wake-up, new IO can fail or stay silent. */
bool power_is_waking_locked(void) {
    return world.woken_ns != 0 && now_locked() < world.woken_ns + 5 * NS_PER_S;
}

/* ---- consent ---- */

static device gate; /* the waits for a decision of the user belong to it */

static int set_consent(enum sim_consent *which, enum sim_consent consent) {
    if (consent != SIM_GRANTED && consent != SIM_DENIED && consent != SIM_UNDETERMINED) {
        return -1;
    }
    pthread_mutex_lock(&world.lock);
    *which = consent;
    if (consent != SIM_UNDETERMINED) {
        release_waits_locked(&gate);
    }
    pthread_mutex_unlock(&world.lock);
    return 0;
}
EXPORT int sim_set_consent(enum sim_consent consent) {
    return set_consent(&world.consent, consent);
}
EXPORT int sim_set_tap_consent(enum sim_consent consent) {
    return set_consent(&world.tap_consent, consent);
}

/* Waits for the decision, if the switch `consent_start` says so. Returns false if the world was
 * reset. */
bool consent_wait_locked(bool to_taps) {
    const enum sim_consent *consent = to_taps ? &world.tap_consent : &world.consent;
    while (*consent == SIM_UNDETERMINED && SWITCH(consent_start) == 1) {
        if (!block_until_locked(SIM_FOREVER, &gate)) {
            return false;
        }
    }
    return true;
}
