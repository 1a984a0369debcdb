/* io_proc.c: IOProcs, AudioDeviceStart and AudioDeviceStop (S5, S6). */
#include "world.h"

#include <time.h>
#include <unistd.h>

enum { OK = 0 };

OSStatus dead_device(void) {
    return SWITCH(dead_device_error) == 1 ? kAudioHardwareBadDeviceError
                                          : kAudioHardwareBadObjectError;
}

/* Finds an IOProc by its ID, or by its function. */
io_proc *io_proc_find(device *d, AudioDeviceIOProcID id) {
    io_proc *by_function = NULL;
    for (io_proc *p = d->procs; p != NULL; p = p->next) {
        AudioDeviceIOProcID own;
        memcpy(&own, &p, sizeof own);
        if (!p->destroyed && !p->by_function && own == id) {
            return p;
        }
        if (!p->destroyed && by_function == NULL && p->proc != NULL && p->proc == id) {
            by_function = p;
        }
    }
    return by_function;
}

/* Whether the switch `duplicate_io_proc` refuses a second IOProc of this function and data. */
static bool is_refused(const device *d, AudioDeviceIOProc proc, const void *client_data) {
    for (const io_proc *p = d->procs; p != NULL && SWITCH(duplicate_io_proc) == 1; p = p->next) {
        if (!p->destroyed && p->proc == proc && p->client_data == client_data) {
            return true;
        }
    }
    return false;
}

static io_proc *proc_new(device *d, AudioDeviceIOProc proc, const void *block, void *client_data) {
    io_proc *p = calloc(1, sizeof *p), **at = &d->procs;
    p->device = d;
    p->proc = proc;
    p->block = block;
    p->client_data = client_data;
    memset(p->usage, true, sizeof p->usage);
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = p;
    COUNT(live_io_procs);
    return p;
}

void io_proc_free(io_proc **at) {
    io_proc *p = *at;
    *at = p->next;
    if (p->block != NULL) {
        block_release(p->block);
    }
    free(p);
}

void io_procs_forget_locked(device *d) {
    while (d->procs != NULL) {
        io_proc_free(&d->procs);
    }
}

EXPORT OSStatus AudioDeviceCreateIOProcID(AudioObjectID inDevice, AudioDeviceIOProc inProc,
                                          void *inClientData, AudioDeviceIOProcID *outIOProcID) {
    if (!enter(__func__)) {
        return refused();
    }
    device *d = device_find(inDevice);
    OSStatus error = OK;
    if (d == NULL) {
        error = dead_device();
    } else if (inProc == NULL || outIOProcID == NULL) {
        report_fault(CN_fault_null, "AudioDeviceCreateIOProcID: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else if (is_refused(d, inProc, inClientData)) {
        error = kAudioHardwareIllegalOperationError;
    } else {
        io_proc *p = proc_new(d, inProc, NULL, inClientData);
        memcpy(outIOProcID, &p, sizeof *outIOProcID);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceCreateIOProcIDWithBlock(AudioDeviceIOProcID *outIOProcID,
                                                   AudioObjectID inDevice,
                                                   dispatch_queue_t inDispatchQueue,
                                                   AudioDeviceIOBlock inIOBlock) {
    (void)inDispatchQueue; /* the queue is ignored: the block runs on the IO thread, as with NULL */
    if (!enter(__func__)) {
        return refused();
    }
    device *d = device_find(inDevice);
    OSStatus error = OK;
    if (d == NULL) {
        error = dead_device();
    } else if (inIOBlock == NULL || outIOProcID == NULL) {
        report_fault(CN_fault_null, "AudioDeviceCreateIOProcIDWithBlock: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else {
        io_proc *p = proc_new(d, NULL, block_copy(inIOBlock), NULL);
        memcpy(outIOProcID, &p, sizeof *outIOProcID);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceAddIOProc(AudioDeviceID inDevice, AudioDeviceIOProc inProc,
                                     void *inClientData) {
    if (!enter(__func__)) {
        return refused();
    }
    device *d = device_find(inDevice);
    OSStatus error = d == NULL ? dead_device() : OK;
    if (d != NULL && (inProc == NULL || io_proc_find(d, inProc) != NULL)) {
        error = kAudioHardwareIllegalOperationError;
    } else if (d != NULL) {
        proc_new(d, inProc, NULL, inClientData)->by_function = true;
    }
    leave();
    return error;
}

/* Waits for the end of an IO thread. Call this on another thread, without the IO mutex. Returns
 * false if the IO thread cannot end, which is a deadlock. */
static bool wait_for_end(worker *w) {
    sim_thread *self = thread_self();
    self->waits_thread = w->record;
    bool fine = !thread_wait_deadlocks_locked(self, "AudioDeviceStop and the device's IO thread");
    struct timespec deadline;
    deadline_in(&deadline, (uint64_t)SWITCH(stall_real_ms) * 1000000u);
    uint64_t number = w->number;
    for (;;) {
        /* Another thread may have joined and freed `w`, so the list is searched again. */
        worker *alive = world.workers;
        while (alive != NULL && alive->number != number) {
            alive = alive->next;
        }
        if (!fine || alive == NULL || alive->ended) {
            break;
        }
        if (pthread_cond_timedwait(&world.changed, &world.lock, &deadline) != 0) {
            COUNT(deadlocks);
            report_line("deadlock: AudioDeviceStop waits for an IO thread whose callback does not "
                        "return (it waits for a lock of the client?); the stacks:");
            report_stack_of(self);
            report_stack_of(alive->record);
            alive->stalled = true;
            fine = false;
        }
    }
    self->waits_thread = NULL;
    return fine;
}

static bool on_io_thread_of(const device *d) {
    sim_thread *self = thread_self();
    return self->worker != NULL && self->worker->io_device == d;
}

/* Ends the device's IO if no IOProc is running any more. Releases the IO mutex. */
static OSStatus end_unwanted_io(device *d, bool wait) {
    run *r = d->current;
    OSStatus error = OK;
    if (!device_wants_io(d)) {
        d->lost_by_sleep = false;
        headset_update_locked(d);
    }
    process_io_changed_locked();
    if (device_wants_io(d) || r == NULL) {
        io_mutex_unlock(&d->mutex);
        return OK;
    }
    worker *w = r->worker;
    io_end_locked(r, true);
    if (d->hogged_by_format) {
        device_hog_locked(d, -1);
    }
    notify_one_locked(d->o.id, kAudioDevicePropertyDeviceIsRunningSomewhere,
                      kAudioObjectPropertyScopeGlobal);
    io_mutex_unlock(&d->mutex);
    if (wait && w != NULL && !wait_for_end(w)) {
        error = kAudioHardwareIllegalOperationError;
    }
    return error;
}

static void stop_proc(io_proc *p) {
    if (p->running) {
        p->running = false;
        UNCOUNT(live_running_io_procs);
    }
}

static OSStatus destroy(device *d, io_proc *p) {
    bool on_io = on_io_thread_of(d);
    if (p->running && d->o.alive) {
        report_fault(CN_fault_destroyed_running, "an IOProc of '%s' was destroyed while it ran",
                     d->uid);
    }
    stop_proc(p);
    p->linger = 0;
    UNCOUNT(live_io_procs);
    if (on_io) {
        /* The running cycle uses the list, and perhaps the block. It frees the IOProc later. */
        p->destroyed = true;
    } else {
        io_proc **at = &d->procs;
        while (*at != p) {
            at = &(*at)->next;
        }
        io_proc_free(at);
    }
    return end_unwanted_io(d, !on_io);
}

static OSStatus destroy_id(const char *call, AudioObjectID id, AudioDeviceIOProcID proc) {
    if (!enter(call)) {
        return refused();
    }
    /* the IOProcs of a removed device can still be destroyed */
    device *d = device_even_dead(id);
    OSStatus error = OK;
    if (d == NULL) {
        error = dead_device();
    } else if (!io_mutex_lock(&d->mutex)) {
        error = kAudioHardwareIllegalOperationError;
    } else {
        io_proc *p = io_proc_find(d, proc);
        if (p == NULL) {
            if (d->o.alive) { /* the IOProcs of a device that has gone may be gone as well */
                report_fault(CN_fault_dead_io_proc, "%s: no such IOProc on '%s'", call, d->uid);
            }
            io_mutex_unlock(&d->mutex);
            error = kAudioHardwareIllegalOperationError;
        } else {
            error = destroy(d, p);
        }
        if (!d->o.alive) {
            error = dead_device();
        }
    }
    leave();
    workers_reap(false);
    return error;
}

EXPORT OSStatus AudioDeviceDestroyIOProcID(AudioObjectID inDevice, AudioDeviceIOProcID inIOProcID) {
    return destroy_id(__func__, inDevice, inIOProcID);
}

EXPORT OSStatus AudioDeviceRemoveIOProc(AudioDeviceID inDevice, AudioDeviceIOProc inProc) {
    return destroy_id(__func__, inDevice, inProc);
}

/* ---- start ---- */

/* Whether an IOProc uses an input of the hardware, or one of a tap. */
static bool uses_input(const device *d, const io_proc *p, bool of_tap) {
    for (size_t i = 0; i < d->stream_count[INPUT]; i++) {
        bool is_tap = d->streams[INPUT][i]->tap != NULL;
        if (is_tap == of_tap && (p == NULL || p->usage[INPUT][i])) {
            return true;
        }
    }
    return false;
}

/* Called with the IO mutex held. */
static OSStatus start_locked(device *d, AudioDeviceIOProcID id, const AudioTimeStamp *at) {
    if (d->hog != -1 && d->hog != getpid()) {
        return kAudioDevicePermissionsError;
    }
    if (SWITCH(wake_start) == 1 && power_is_waking_locked()) {
        return kAudioHardwareUnspecifiedError;
    }
    io_proc *p = NULL;
    if (id != NULL) {
        p = io_proc_find(d, id);
        if (p == NULL) {
            report_fault(CN_fault_dead_io_proc, "AudioDeviceStart: no such IOProc on '%s'", d->uid);
            return kAudioHardwareIllegalOperationError;
        }
        if (!p->running) {
            p->running = true;
            COUNT(live_running_io_procs);
        }
        p->linger = 0;
        if (at != NULL) {
            p->waits_for_time = true;
            p->start_frame = at->mSampleTime;
        }
    } else {
        d->null_starts++;
    }
    if (uses_input(d, p, false)) {
        COUNT(input_opens);
    }
    if (!device_is_mixable(d) && d->hog == -1 && world.hog_allowed) {
        device_hog_locked(d, getpid()); /* the HAL takes it for the first client, until IO ends */
        d->hogged_by_format = true;
    }
    headset_update_locked(d);
    process_io_changed_locked();
    if (d->current == NULL && !d->changing_rate) {
        double cycle_ns = d->buffer_frames * 1e9 / d->rate;
        io_begin_locked(
            d, now_locked() + (uint64_t)SWITCH(first_callback_delay_ns) + (uint64_t)cycle_ns, true);
        notify_one_locked(d->o.id, kAudioDevicePropertyDeviceIsRunningSomewhere,
                          kAudioObjectPropertyScopeGlobal);
    }
    return OK;
}

static OSStatus start(const char *call, AudioObjectID id, AudioDeviceIOProcID proc,
                      const AudioTimeStamp *at) {
    if (!enter(call)) {
        return refused();
    }
    device *d = device_find(id);
    if (d == NULL) {
        leave();
        return dead_device();
    }
    uint64_t wait_ns = (uint64_t)SWITCH(start_block_ns);
    wait_ns = d->hang_start_ns > wait_ns ? d->hang_start_ns : wait_ns;
    /* A client that advances the time itself does not hold the mutex: the cycles that it makes due
     * would wait for it for ever. */
    bool steps = world.is_virtual && SWITCH(auto_advance) == 1 && wait_ns != SIM_FOREVER;
    bool holds = SWITCH(hang_holds_io_mutex) == 1 && !steps, locked = false;
    OSStatus error = OK;
    if (wait_ns > 0) {
        if (holds) {
            locked = io_mutex_lock(&d->mutex);
            error = locked ? OK : kAudioHardwareIllegalOperationError;
        }
        if (error == OK && thread_self()->in_io_callback) {
            sim_spend_ns(wait_ns == SIM_FOREVER ? 10 * NS_PER_S : wait_ns);
        } else if (error == OK &&
                   !block_until_locked(
                       wait_ns == SIM_FOREVER ? SIM_FOREVER : now_locked() + wait_ns, d)) {
            error = kAudioHardwareBadObjectError;
        }
    }
    for (int of_tap = 0; of_tap < 2; of_tap++) {
        if (error == OK && d->o.alive && !thread_self()->in_io_callback &&
            uses_input(d, proc == NULL ? NULL : io_proc_find(d, proc), of_tap) &&
            !(consent_wait_locked(of_tap) && (!of_tap || taps_wait_locked(d)))) {
            error = kAudioHardwareBadObjectError;
        }
    }
    if (error == OK && !locked) {
        locked = io_mutex_lock(&d->mutex);
        error = locked ? OK : kAudioHardwareIllegalOperationError;
    }
    if (error == OK) {
        error = d->o.alive ? start_locked(d, proc, at) : dead_device();
    }
    if (locked) {
        io_mutex_unlock(&d->mutex);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceStart(AudioObjectID inDevice, AudioDeviceIOProcID inProcID) {
    return start(__func__, inDevice, inProcID, NULL);
}

static bool runs(AudioObjectID id) {
    pthread_mutex_lock(&world.lock);
    const device *d = device_find(id);
    bool running = d == NULL || d->current != NULL; /* a dead device has errors of its own */
    pthread_mutex_unlock(&world.lock);
    return running;
}

EXPORT OSStatus AudioDeviceStartAtTime(AudioObjectID inDevice, AudioDeviceIOProcID inProcID,
                                       AudioTimeStamp *ioRequestedStartTime, UInt32 inFlags) {
    (void)inFlags; /* input and output share one time line in the simulator */
    if (SWITCH(start_at_time) == 1) {
        return kAudioHardwareUnsupportedOperationError;
    }
    if (SWITCH(start_at_time) == 2 && !runs(inDevice)) {
        return kAudioHardwareNotRunningError;
    }
    if (ioRequestedStartTime == NULL) {
        return kAudioHardwareIllegalOperationError;
    }
    AudioTimeStamp at = *ioRequestedStartTime;
    if ((at.mFlags & kAudioTimeStampSampleTimeValid) == 0) {
        if (!enter(__func__)) {
            return refused();
        }
        device *d = device_find(inDevice);
        bool known = d != NULL && d->current != NULL && (at.mFlags & kAudioTimeStampHostTimeValid);
        if (known) {
            uint64_t ns = at.mHostTime * world.timebase_numer / world.timebase_denom;
            at.mSampleTime = clock_predicted_frame(&d->current->clock, (double)ns);
        } else {
            at.mSampleTime = 0; /* as soon as the device starts */
        }
        leave();
    }
    OSStatus error = start(__func__, inDevice, inProcID, &at);
    if (error == OK) {
        *ioRequestedStartTime = at;
    }
    return error;
}

/* ---- stop ---- */

EXPORT OSStatus AudioDeviceStop(AudioObjectID inDevice, AudioDeviceIOProcID inProcID) {
    if (!enter_time(__func__)) {
        return refused();
    }
    device *d = device_find(inDevice);
    if (d == NULL) {
        device *dead = device_even_dead(inDevice);
        io_proc *p = dead ? io_proc_find(dead, inProcID) : NULL;
        if (p != NULL) {
            stop_proc(p);
        }
        leave();
        return dead_device();
    }
    bool on_io = on_io_thread_of(d);
    if (!on_io) {
        sim_realtime_violation(__func__); /* a callback stops another device, which can block */
    }
    OSStatus error = OK;
    if (!io_mutex_lock(&d->mutex)) {
        leave();
        return kAudioHardwareIllegalOperationError;
    }
    bool asynchronous = !on_io && SWITCH(stop_mode) == 1;
    if (inProcID == NULL) {
        d->null_starts -= d->null_starts > 0;
    } else {
        io_proc *p = io_proc_find(d, inProcID);
        if (p == NULL) {
            report_fault(CN_fault_unregistered_stop, "AudioDeviceStop: no such IOProc on '%s'",
                         d->uid);
        } else if (p->running) {
            stop_proc(p);
            bool cycles = d->current != NULL && io_calls_back(d);
            p->linger = asynchronous && cycles ? (UInt32)SWITCH(stop_extra_cycles) : 0;
        }
    }
    if (on_io) {
        io_mutex_unlock(&d->mutex); /* the current cycle ends IO if no IOProc needs it */
    } else {
        error = end_unwanted_io(d, true);
    }
    leave();
    workers_reap(false);
    return error;
}
