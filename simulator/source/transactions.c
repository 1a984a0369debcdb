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

/* Notifies new formats of a stream: on the stream, and on the device in the stream's direction, for
 * the stream's first channel and, if it is the first stream, for element 0. */
static void notify_formats(device *d, const stream *s) {
    static const UInt32 selectors[] = {kAudioStreamPropertyVirtualFormat,
                                       kAudioStreamPropertyPhysicalFormat};
    UInt32 scope =
        s->direction == INPUT ? kAudioObjectPropertyScopeInput : kAudioObjectPropertyScopeOutput;
    change own = {.count = 0}, on_device = {.count = 0};
    for (size_t i = 0; i < 2; i++) {
        change_add(&own, selectors[i], kAudioObjectPropertyScopeGlobal);
        change_add_element(&on_device, selectors[i], scope, s->starting_channel);
        if (s->index == 0) {
            change_add_element(&on_device, selectors[i], scope, 0);
        }
    }
    notify_locked(s->o.id, &own);
    notify_locked(d->o.id, &on_device);
}

static void notify_all_formats(device *d) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t s = 0; s < d->stream_count[direction]; s++) {
            notify_formats(d, d->streams[direction][s]);
        }
    }
}

/* Adds the latencies, in the scopes in which the device has streams. */
static void add_latencies(change *c, const device *d, UInt32 selector) {
    for (int direction = 0; direction < 2; direction++) {
        if (d->stream_count[direction] > 0) {
            change_add(c, selector,
                       direction == INPUT ? kAudioObjectPropertyScopeInput
                                          : kAudioObjectPropertyScopeOutput);
        }
    }
}

/* Notifies listeners of the new rate, of the formats of each stream, and of everything that depends
 * on these. */
void device_announce_locked(device *d) {
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
        change one = {.count = 0};
        change *c = batch ? &all : &one;
        if (selectors[i] == kAudioDevicePropertyLatency ||
            selectors[i] == kAudioDevicePropertySafetyOffset) {
            add_latencies(c, d, selectors[i]);
        } else {
            change_add(c, selectors[i], kAudioObjectPropertyScopeGlobal);
        }
        if (!batch) {
            notify_locked(d->o.id, c);
        }
        if (i == 0) {
            notify_all_formats(d);
        }
    }
    if (batch) {
        notify_locked(d->o.id, &all);
    }
}

/* Gives the streams the formats that were set. */
static void apply_formats(device *d, bool notifies) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream *s = d->streams[direction][i];
            bool changes = s->next_format != NULL && s->next_format != s->format;
            s->format = changes ? s->next_format : s->format;
            s->next_format = NULL;
            if (changes && notifies) {
                notify_formats(d, s);
            }
        }
    }
}

static bool formats_change(const device *d) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            const stream *s = d->streams[direction][i];
            if (s->next_format != NULL && s->next_format != s->format) {
                return true;
            }
        }
    }
    return false;
}

static void revert_due(void *subject, uint64_t rate) {
    change_rate_locked(subject, (double)rate, false);
}

static void apply_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number || !io_has_ended_locked(d, apply_due, number)) {
        return;
    }
    double before = d->rate;
    d->rate = d->pending_rate;
    d->pending_rate = 0;
    apply_formats(d, false);
    if (d->rate != before) {
        d->old_rate = before;
        d->old_rate_until_ns = now_locked() + (uint64_t)SWITCH(getter_lag_ns) +
                               (SWITCH(getter_lag_ns) ? (uint64_t)SWITCH(notify_delay_ns) : 0);
        COUNT(rate_changes);
    }
    device_clamp_buffer(d);
    device_announce_locked(d);
    if (d->rate != before) {
        aggregates_follow_rate_locked(d);
        taps_update_locked();
    }
    at_locked(now_locked() + (uint64_t)SWITCH(rate_pause_ns) / 2, change_ended_due, d, number);
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
        io_wait_locked(w);
    }
    at_locked(now_locked() + (uint64_t)SWITCH(rate_pause_ns) / 2, apply_due, d, number);
}

/* IO resumes. What was set after the new rate was applied, and before this end, is a change of its
 * own. */
void change_ended_due(void *subject, uint64_t number) {
    device *d = subject;
    if (number != d->change_number) {
        return;
    }
    double rate = d->pending_rate;
    d->changing_rate = false;
    d->pending_rate = 0;
    io_resume_locked(d);
    if (rate > 0 && device_supports_rate(d, rate) && (rate != d->rate || formats_change(d))) {
        d->pending_rate = rate;
        at_locked(now_locked() + (uint64_t)SWITCH(rate_delay_ns), pause_due, d, ++d->change_number);
    }
}

OSStatus change_rate_locked(device *d, double rate, bool by_client) {
    double wanted = rate;
    if (!device_supports_rate(d, rate)) {
        if (!by_client || SWITCH(unsupported_rate) == 0) {
            return kAudioHardwareIllegalOperationError;
        }
        if (SWITCH(unsupported_rate) == 3) {
            return kAudioDeviceUnsupportedFormatError;
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

/* A format of a device that does not run, and keeps its rate, changes at once. Else IO pauses for
 * the change. */
OSStatus change_formats_locked(device *d, double rate) {
    if (!formats_change(d)) {
        apply_formats(d, false);
        return rate == d->rate ? 0 : change_rate_locked(d, rate, true);
    }
    bool at_once = SWITCH(format_delay_ns) == 0;
    if (at_once && d->current == NULL && !d->changing_rate) {
        apply_formats(d, true);
        return rate == d->rate ? 0 : change_rate_locked(d, rate, true);
    }
    d->pending_rate = rate;
    if (!d->changing_rate) {
        at_locked(now_locked() + (uint64_t)SWITCH(format_delay_ns), pause_due, d,
                  ++d->change_number);
    }
    return 0;
}

/* ---- buffer size, which is separate for each process ---- */

static void announce_buffer(device *d) {
    change c = {.count = 0};
    change_add(&c, kAudioDevicePropertyBufferFrameSize, kAudioObjectPropertyScopeGlobal);
    add_latencies(&c, d, kAudioDevicePropertyLatency);
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
    if (!io_has_ended_locked(d, buffer_resume_due, frames)) {
        return;
    }
    set_buffer(d, (UInt32)frames);
    io_resume_locked(d);
}

static void buffer_pause_due(void *subject, uint64_t frames) {
    device *d = subject;
    io_interrupt_locked(d);
    at_locked(now_locked(), buffer_resume_due, d, frames);
}

OSStatus change_buffer_locked(device *d, UInt32 frames) {
    UInt32 wanted = frames < d->buffer_min ? d->buffer_min : frames;
    wanted = wanted > d->buffer_max ? d->buffer_max : wanted;
    if (wanted != frames && SWITCH(buffer_out_of_range) == 1) {
        return kAudioHardwareIllegalOperationError;
    }
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
