/* io_thread.c: the IO thread, which performs one run of a device, with cycles and overloads (S5,
 * S9). */
#include "aggregate.h"

#include <math.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static void cycle_job(void *subject, uint64_t value);

/* ---- the floating-point state of the IO thread, on which a client must not rely ---- */

#if defined(__x86_64__)
typedef unsigned fp_state;
static fp_state fp_disturb(uint64_t noise) {
    fp_state old = _mm_getcsr();
    unsigned garbage =
        0x1f80u | (unsigned)(noise & 0x3fu); /* flush-to-zero off, sticky flags set */
    if (SWITCH(fp_exceptions) == 1) {
        garbage &= ~(0x3fu << 7); /* unmasks the exceptions, which then raise signals */
        garbage &= ~0x3fu;        /* clears the sticky flags */
    }
    _mm_setcsr(garbage);
    return old;
}
static void fp_restore(fp_state old) { _mm_setcsr(old); }
#else
typedef int fp_state;
static fp_state fp_disturb(uint64_t noise) { return (int)(noise & 0); }
static void fp_restore(fp_state old) { (void)old; }
#endif

/* ---- the run ---- */

bool device_wants_io(const device *d) {
    for (const io_proc *p = d->procs; p != NULL; p = p->next) {
        if (!p->destroyed && (p->running || p->linger > 0)) {
            return true;
        }
    }
    return d->null_starts > 0;
}

static void cycle_due(void *subject, uint64_t value) {
    run *r = subject;
    if (r->ending || r->worker == NULL || r->worker->stalled) {
        return;
    }
    worker *w = r->worker;
    worker_post_locked(w, cycle_job, r, value);
    if (world.is_virtual) {
        worker_wait_locked(w);
    }
}

/* Returns the number of frames of the next cycle. */
static UInt32 choose_frames(run *r) {
    const device *d = r->device;
    UInt32 n = d->buffer_frames;
    if (r->cycles == 0 && SWITCH(first_cycle_frames) == 1 && n >= 32) {
        return n / 2;
    }
    if (d->variable_frames > 0 && r->cycles > 0) {
        UInt32 spread = d->variable_frames < n / 2 ? d->variable_frames : n / 2;
        r->noise = mix64(r->noise);
        n = n - spread + (UInt32)(r->noise % (2 * spread + 1));
    }
    return n;
}

bool io_calls_back(const device *d) {
    int64_t never = SWITCH(callbacks_never);
    return never == 0 || (never == 2 && d->buffer_was_set);
}

static void schedule_cycle(run *r, UInt32 frames) {
    double ns = clock_predicted_ns(&r->clock, r->wake);
    uint64_t due = ns > 0 ? (uint64_t)ns : 0;
    if (world.is_virtual && due < world.now_ns) {
        due = world.now_ns;
    }
    if (io_calls_back(r->device)) {
        at_locked(due, cycle_due, r, frames);
    }
}

static void announce_job(void *subject, uint64_t value) {
    run *r = subject;
    (void)value;
    io_call_listeners_locked(r->device, kAudioDevicePropertyDeviceIsRunning,
                             kAudioObjectPropertyScopeGlobal);
}

static void announce_due(void *subject, uint64_t value) {
    run *r = subject;
    (void)value;
    if (!r->ending && r->worker != NULL) {
        worker *w = r->worker;
        worker_post_locked(w, announce_job, r, 0);
        if (world.is_virtual) {
            worker_wait_locked(w);
        }
    }
}

void io_begin_locked(device *d, uint64_t first_cycle_ns, bool announce) {
    if (world.asleep || d->lost_by_sleep) { /* power.c: sim_wake begins it, or a new Start */
        return;
    }
    run *r = calloc(1, sizeof *r), *before = d->last_run;
    r->device = d;
    r->index = d->run_count++;
    r->rate = d->rate;
    r->noise = mix64(world.noise ^ d->serial * 1000003u ^ r->index);
    for (int direction = 0; direction < 2; direction++) {
        r->stream_count[direction] = d->stream_count[direction];
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            const stream *s = d->streams[direction][i];
            r->channels[direction][i] = s->channels;
            r->samples[direction][i] = stream_sample_format(s);
            if (direction == INPUT) {
                r->input[i].serial = d->aggregate ? s->origin_serial : d->serial;
                r->input[i].index = d->aggregate ? s->origin_index : s->index;
                r->input[i].slip = s->slip;
                r->input[i].from = s->origin != NULL ? s->origin->o.device : NULL;
                r->input[i].tap = s->tap;
                r->input[i].deaf =
                    s->tap != NULL && s->origin->late && SWITCH(tap_added_later) == 0;
            }
            r->latency[direction][i] = d->latency[direction] + s->latency_frames;
        }
    }
    double origin = 0;
    if (SWITCH(restart_sample_time) == 1 && before != NULL) {
        origin = floor(before->wake) + 100000;
    }
    UInt32 frames = choose_frames(r);
    r->silent = SWITCH(wake_start) == 2 && power_is_waking_locked();
    r->nominal = d->buffer_frames;
    r->in_cursor = origin;
    r->first_wake = r->wake = origin + frames + d->safety[INPUT];
    r->out_cursor = r->wake + d->safety[OUTPUT] + 2 * (double)d->buffer_frames - frames;
    r->clock = (device_clock){.nominal_hz = d->rate,
                              .ppm = d->ppm + (double)SWITCH(ppm),
                              .wander_ppm = (double)SWITCH(clock_wander_ppm),
                              .wander_period_s = 60,
                              .jitter_ns = (double)SWITCH(clock_jitter_ns),
                              .zero_period_frames = 4096,
                              .noise = r->noise};
    clock_begin(&r->clock, (double)first_cycle_ns, r->wake);
    if (before != NULL) {
        before->next = r;
    } else {
        d->first_run = r;
    }
    d->last_run = d->current = r;
    if (SWITCH(workgroup) == 2) {
        workgroup_invalidate(d->workgroup);
        workgroup_release_internal(d->workgroup);
        d->workgroup = workgroup_new(d);
        notify_one_locked(d->o.id, kAudioDevicePropertyIOThreadOSWorkgroup,
                          kAudioObjectPropertyScopeGlobal);
    }
    voice_update_locked(d);
    r->worker = worker_start_locked("IO thread", d);
    r->thread_number = r->worker->number;
    if (announce) {
        at_locked(now_locked(), announce_due, r, 0);
    }
    schedule_cycle(r, frames);
}

static void end_job(void *subject, uint64_t announce) {
    run *r = subject;
    if (announce) {
        io_call_listeners_locked(r->device, kAudioDevicePropertyDeviceIsRunning,
                                 kAudioObjectPropertyScopeGlobal);
    }
    r->ended = true;
    worker_finish_locked(r->worker);
    r->worker = NULL;
}

void io_end_locked(run *r, bool announce) {
    if (r->ending) {
        return;
    }
    r->ending = true;
    if (r->device->current == r) {
        r->device->current = NULL;
    }
    cancel_events_locked(r);
    worker_post_locked(r->worker, end_job, r, announce);
}

/* ---- interruptions: by a change of the device, by its removal, or by sleep ---- */

void io_interrupt_locked(device *d) {
    if (d->current != NULL) {
        worker *w = d->current->worker;
        io_end_locked(d->current, false);
        io_wait_locked(w);
    }
}

void io_wait_locked(worker *io) {
    if (world.is_virtual && thread_self()->worker != io) {
        worker_wait_locked(io);
    }
}

bool io_has_ended_locked(device *d, event_fn again, uint64_t value) {
    bool ended = d->last_run == NULL || d->last_run->ended;
    if (!ended) {
        at_locked(now_locked() + NS_PER_S / 1000, again, d, value);
    }
    return ended;
}

void io_resume_locked(device *d) {
    if (d->current == NULL && !d->changing_rate && device_wants_io(d)) {
        io_begin_locked(d, now_locked() + (uint64_t)(d->buffer_frames * 1e9 / d->rate), false);
    }
}

/* ---- the cycle ---- */

static AudioTimeStamp stamp(const run *r, double frame) {
    double ns = clock_predicted_ns(&r->clock, frame);
    return (AudioTimeStamp){.mSampleTime = frame,
                            .mHostTime = sim_ticks_from_ns(ns > 0 ? (uint64_t)(ns + 0.5) : 0),
                            .mRateScalar = clock_rate_scalar(&r->clock),
                            .mFlags = kAudioTimeStampSampleTimeValid |
                                      kAudioTimeStampHostTimeValid |
                                      kAudioTimeStampRateScalarValid};
}

/* Returns the time stamp of one direction. The switch `host_time` decides its host time. */
static AudioTimeStamp direction_stamp(const run *r, int direction, double frame,
                                      const AudioTimeStamp *now) {
    if (r->stream_count[direction] == 0) {
        return (AudioTimeStamp){0};
    }
    AudioTimeStamp t = stamp(r, frame);
    if (SWITCH(host_time) == 1) {
        t.mHostTime = 0;
        t.mFlags &= ~kAudioTimeStampHostTimeValid;
    } else if (SWITCH(host_time) == 2) {
        UInt64 back = sim_ticks_from_ns(40000000);
        t.mHostTime = now->mHostTime - back;
    }
    return t;
}

static void call_proc(run *r, io_proc *p, UInt32 frames, const AudioTimeStamp *now,
                      const AudioTimeStamp *in, const AudioTimeStamp *out) {
    sim_thread *self = thread_self();
    io_call call;
    if (!io_buffers_prepare(r, p, frames, &call)) {
        return;
    }
    COUNT(callbacks);
    AudioObjectID id = r->device->o.id;
    pthread_mutex_unlock(&world.lock);
    fp_state fp = fp_disturb(r->noise ^ r->cycles);
    self->in_callback = self->in_io_callback = true;
    if (p->block != NULL) {
        typedef void (*io_block)(const void *, const AudioTimeStamp *, const AudioBufferList *,
                                 const AudioTimeStamp *, AudioBufferList *, const AudioTimeStamp *);
        io_block invoke;
        void *address = block_invoke(p->block);
        memcpy(&invoke, &address, sizeof invoke);
        invoke(p->block, now, call.input, in, call.output, out);
    } else {
        p->proc(id, now, call.input, in, call.output, out, p->client_data);
    }
    self->in_callback = self->in_io_callback = false;
    fp_restore(fp);
    pthread_mutex_lock(&world.lock);
    io_buffers_finish(r, p, frames, &call, true);
}

static void call_procs(run *r, UInt32 frames) {
    device *d = r->device;
    AudioTimeStamp now = stamp(r, r->wake);
    AudioTimeStamp in = direction_stamp(r, INPUT, r->in_cursor, &now);
    AudioTimeStamp out = direction_stamp(r, OUTPUT, r->out_cursor, &now);
    double start_cursor = r->stream_count[OUTPUT] > 0 ? r->out_cursor : r->in_cursor;
    for (io_proc *p = d->procs; p != NULL; p = p->next) {
        if (p->destroyed || (!p->running && p->linger == 0)) {
            continue;
        }
        if (p->waits_for_time && start_cursor + frames <= p->start_frame) {
            continue;
        }
        p->waits_for_time = false;
        bool lingers = !p->running;
        call_proc(r, p, frames, &now, &in, &out);
        p->cycles++;
        if (lingers && p->linger > 0) {
            p->linger--;
        }
    }
    for (io_proc **at = &d->procs; *at != NULL;) { /* frees IOProcs that a callback has destroyed */
        if ((*at)->destroyed) {
            io_proc_free(at);
        } else {
            at = &(*at)->next;
        }
    }
}

static void overload(run *r) {
    static const UInt32 scopes[3] = {kAudioObjectPropertyScopeGlobal,
                                     kAudioObjectPropertyScopeOutput,
                                     kAudioObjectPropertyScopeInput};
    COUNT(overloads);
    io_call_listeners_locked(r->device, kAudioDeviceProcessorOverload,
                             scopes[SWITCH(overload_scope)]);
}

static void cycle_job(void *subject, uint64_t value) {
    run *r = subject;
    device *d = r->device;
    sim_thread *self = thread_self();
    UInt32 frames = r->last_cycle && value > 1 ? (UInt32)value / 2 : (UInt32)value;
    if (r->ending || !io_mutex_lock(&d->mutex)) {
        return;
    }
    if (r->ending) {
        io_mutex_unlock(&d->mutex);
        return;
    }
    clock_advance(&r->clock, r->wake);
    double wake_ns = clock_predicted_ns(&r->clock, r->wake);
    double duration_ns = frames * 1e9 / r->rate;
    io_buffers_fill_input(r, r->in_cursor, frames);
    self->call = "an IOProc";
    self->spent_ns = 0;
    call_procs(r, frames);
    self->call = "the HAL";
    /* The time counts from the planned beginning of the cycle, because a thread that wakes up late
     * has less time left. */
    double spent_ns = (double)now_locked() - wake_ns;
    self->spent_ns = 0;
    r->cycles++;
    UInt32 skip = 0;
    bool late = spent_ns > duration_ns;
    if (late) {
        COUNT(late_callbacks);
        skip = (UInt32)(spent_ns / duration_ns);
    }
    r->silent = r->silent && power_is_waking_locked();
    if (r->silent || (late && SWITCH(overload_output) == 0)) {
        capture_gap(r, r->out_cursor, frames);
    } else {
        capture_write(r, r->out_cursor, frames, r->mix);
    }
    bool spurious = SWITCH(spurious_overload) == 1 && r->cycles == 2;
    if (d->inject_pending) {
        d->inject_pending = false;
        skip += d->inject_overload;
        overload(r);
    } else if (late || spurious) {
        overload(r);
    }
    io_mutex_unlock(&d->mutex);
    if (r->ending) {
        return;
    }
    if (r->last_cycle || !device_wants_io(d)) {
        io_end_locked(r, !r->last_cycle);
        return;
    }
    /* Moves to the next cycle. Input and output must keep their distance from the hardware. If the
     * buffer size grows, the output therefore has a gap. If it shrinks, the input has one. */
    if (skip > 0) {
        double lost = (double)skip * r->nominal;
        count(CN_skipped_frames, (int64_t)lost);
        r->skipped_frames += (uint64_t)lost;
        r->wake += lost;
        r->in_cursor += lost;
        r->out_cursor += lost;
    }
    r->in_cursor += frames;
    r->out_cursor += frames;
    UInt32 next = choose_frames(r);
    double wake = r->in_cursor + next + d->safety[INPUT];
    if (d->buffer_frames != r->nominal) {
        r->nominal = d->buffer_frames;
        double out = wake + d->safety[OUTPUT] + 2 * (double)d->buffer_frames - next;
        if (out < r->out_cursor) {
            wake += r->out_cursor - out;
            r->in_cursor = wake - next - d->safety[INPUT];
        } else {
            r->out_cursor = out;
        }
    }
    r->wake = wake;
    schedule_cycle(r, next);
}
