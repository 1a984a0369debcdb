/* transactions.c: changes of the rate and the buffer size, which take time (S8). After a delay, IO
 * pauses, the value changes, listeners are notified, and IO resumes. */
#include "properties.h"

#include <math.h>

static const uint64_t ms = 1000000;

double device_reported_rate(const device *d) {
    if (d->reports_old_rate && d->old_rate != 0) {
        return d->old_rate;
    }
    return now_locked() < d->old_rate_until_ns ? d->old_rate : d->rate;
}

static double nearest_rate(const device *d, double rate) {
    double best = d->rates[0][0];
    for (size_t i = 0; i < d->rate_count; i++) {
        double low = d->rates[i][0], high = d->rates[i][1];
        double candidate = rate < low ? low : rate > high ? high : rate;
        if (fabs(candidate - rate) < fabs(best - rate)) {
            best = candidate;
        }
    }
    return best;
}

static double another_rate(const device *d, double rate) {
    for (size_t i = 0; i < d->rate_count; i++) {
        if (d->rates[i][0] != rate && d->rates[i][0] != d->rate) {
            return d->rates[i][0];
        }
    }
    return d->rate;
}

/* Notifies listeners of the new rate, of the formats of each stream, and of everything that depends
 * on these. */
static void announce(device *d) {
    change all = {.count = 0};
    bool batch = SWITCH(rate_batch) == 1;
    const UInt32 selectors[] = {kAudioDevicePropertyNominalSampleRate,
                                kAudioDevicePropertyActualSampleRate,
                                kAudioDevicePropertyLatency,
                                kAudioDevicePropertySafetyOffset,
                                kAudioDevicePropertyBufferFrameSizeRange,
                                kAudioDevicePropertyBufferFrameSize,
                                kAudioDevicePropertyDeviceHasChanged};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        if (batch) {
            change_add(&all, selectors[i], kAudioObjectPropertyScopeGlobal);
        } else {
            notify_one_locked(d->o.id, selectors[i], kAudioObjectPropertyScopeGlobal);
        }
        if (i > 0) {
            continue;
        }
        for (int direction = 0; direction < 2;
             direction++) { /* formats are notified after the rate */
            for (size_t s = 0; s < d->stream_count[direction]; s++) {
                change formats = {.count = 0};
                change_add(&formats, kAudioStreamPropertyVirtualFormat,
                           kAudioObjectPropertyScopeGlobal);
                change_add(&formats, kAudioStreamPropertyPhysicalFormat,
                           kAudioObjectPropertyScopeGlobal);
                notify_locked(d->streams[direction][s]->o.id, &formats);
            }
        }
    }
    if (batch) {
        notify_locked(d->o.id, &all);
    }
}

static void resume_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number) {
        return;
    }
    d->changing_rate = false;
    if (device_wants_io(d) && d->current == NULL) {
        io_begin_locked(d, now_locked() + (uint64_t)(d->buffer_frames * 1e9 / d->rate), false);
    }
}

static void revert_due(void *subject, uint64_t rate) {
    change_rate_locked(subject, (double)rate, false);
}

static void apply_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number) {
        return;
    }
    if (d->last_run != NULL && !d->last_run->ended) { /* its last callback may not have returned */
        at_locked(now_locked() + ms, apply_due, d, number);
        return;
    }
    double before = d->rate;
    d->rate = d->pending_rate;
    d->pending_rate = 0;
    if (d->rate != before) {
        d->old_rate = before;
        d->old_rate_until_ns = now_locked() + (uint64_t)SWITCH(getter_lag_ns) +
                               (SWITCH(getter_lag_ns) ? (uint64_t)SWITCH(notify_delay_ns) : 0);
        COUNT(rate_changes);
    }
    device_clamp_buffer(d);
    announce(d);
    at_locked(now_locked() + (uint64_t)SWITCH(rate_pause_ns) / 2, resume_due, d, number);
}

/* Pauses IO. If a switch requests a partial cycle, IO ends after one more, shorter cycle. */
static void pause_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number) {
        return;
    }
    d->changing_rate = true;
    if (d->current != NULL) {
        run *r = d->current;
        worker *w = r->worker;
        if (SWITCH(rate_partial_cycle) == 1 && io_calls_back(d)) {
            r->last_cycle = true;
        } else {
            io_end_locked(r, false);
        }
        if (world.is_virtual) {
            worker_wait_locked(w);
        }
    }
    at_locked(now_locked() + (uint64_t)SWITCH(rate_pause_ns) / 2, apply_due, d, number);
}

OSStatus change_rate_locked(device *d, double rate, bool by_client) {
    double wanted = rate;
    if (!device_supports_rate(d, rate)) {
        if (!by_client || SWITCH(unsupported_rate) == 0) {
            return kAudioHardwareIllegalOperationError;
        }
        if (SWITCH(unsupported_rate) == 1) {
            return 0;
        }
        wanted = nearest_rate(d, rate);
    }
    if (wanted == d->rate && d->pending_rate == 0) {
        return 0;
    }
    int64_t outcome = by_client ? SWITCH(rate_outcome) : 0;
    if (outcome == 1) {
        return 0;
    }
    uint64_t delay = (uint64_t)SWITCH(rate_delay_ns);
    if (outcome == 2) {
        wanted = another_rate(d, rate);
    } else if (outcome == 3) {
        at_locked(now_locked() + delay + (uint64_t)SWITCH(rate_pause_ns) + 100 * ms, revert_due, d,
                  (uint64_t)d->rate);
    }
    if (d->changing_rate) { /* The rate was set again during a change. The last value counts. */
        d->pending_rate = wanted;
        return 0;
    }
    d->pending_rate = wanted;
    at_locked(now_locked() + delay, pause_due, d, ++d->change_number);
    return 0;
}

/* ---- buffer size, which is separate for each process ---- */

static void announce_buffer(device *d) {
    change c = {.count = 0};
    change_add(&c, kAudioDevicePropertyBufferFrameSize, kAudioObjectPropertyScopeGlobal);
    change_add(&c, kAudioDevicePropertyLatency, kAudioObjectPropertyScopeGlobal);
    notify_locked(d->o.id, &c);
}

static void set_buffer(device *d, UInt32 frames) {
    d->buffer_frames = frames;
    device_clamp_buffer(d);
    COUNT(buffer_changes);
    announce_buffer(d);
}

static void buffer_due(void *subject, uint64_t frames) { set_buffer(subject, (UInt32)frames); }

static void buffer_resume_due(void *subject, uint64_t frames) {
    device *d = subject;
    if (d->last_run != NULL && !d->last_run->ended) {
        at_locked(now_locked() + ms, buffer_resume_due, d, frames);
        return;
    }
    set_buffer(d, (UInt32)frames);
    if (!d->changing_rate && device_wants_io(d) && d->current == NULL) {
        io_begin_locked(d, now_locked() + (uint64_t)(d->buffer_frames * 1e9 / d->rate), false);
    }
}

static void buffer_pause_due(void *subject, uint64_t frames) {
    device *d = subject;
    if (d->current != NULL) {
        worker *w = d->current->worker;
        io_end_locked(d->current, false);
        if (world.is_virtual) {
            worker_wait_locked(w);
        }
    }
    at_locked(now_locked(), buffer_resume_due, d, frames);
}

OSStatus change_buffer_locked(device *d, UInt32 frames) {
    UInt32 wanted = frames < d->buffer_min ? d->buffer_min : frames;
    wanted = wanted > d->buffer_max ? d->buffer_max : wanted;
    d->buffer_was_set = true;
    if (wanted == d->buffer_frames) {
        return 0;
    }
    uint64_t delay = (uint64_t)SWITCH(buffer_delay_ns);
    if (SWITCH(buffer_change) == 0) {
        set_buffer(d, wanted);
    } else if (SWITCH(buffer_change) == 1 || d->current == NULL) {
        at_locked(now_locked() + delay, buffer_due, d, wanted);
    } else {
        at_locked(now_locked() + delay, buffer_pause_due, d, wanted);
    }
    return 0;
}
