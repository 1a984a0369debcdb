/* The time line of one stream: see callback.h. */
#if defined(__linux__)
#define _GNU_SOURCE /* SCHED_RESET_ON_FORK */
#include <pthread.h>
#include <sched.h>
#endif
#include "time_line.h"

/* If a callback is late, the time line moves later by at most this part of the callback's duration.
 * It must be larger than the error of a crystal, or the line could not follow a slow device. */
static const double DRIFT = 2e-4;
/* A longer latency is an error of the server. jack.py has the same limit. */
static const uint32_t MAX_LATENCY_FRAMES = 1u << 24;
/* Among RECOUNT_CYCLES cycles after an xrun of JACK, at least one callback comes in time. So the
 * shortest delay among them is the time that the server has lost, except for losses that are
 * already known. */
enum {
    RECOUNT_CYCLES = 16,
    RECOUNT_SHARE = 8 /* a delay below a period / RECOUNT_SHARE is not a loss */
};

/* Sets the priority of the IO thread. miniaudio gives its threads an ordinary priority or the
 * highest of all, and both are wrong. The priority is set in the first cycle of a run. This cycle
 * has the most time, because the device's buffer is still being filled. */
static void raise_priority(const vc_ma_io *io) VC_REALTIME;
static void raise_priority(const vc_ma_io *io) {
#if defined(__linux__)
    if (io->priority > 0) {
        struct sched_param parameters = {.sched_priority = io->priority};
        VC_UNPROVEN /* one system call for each start of the device */
            pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters);
        VC_PROVEN_AGAIN
    }
#else
    (void)io;
#endif
}

/* Begins a run of the device. The time line advances by the time since the last run. */
static void begin_run(vc_ma_io *io, int64_t now_ns) {
    if (io->position_ns != 0) {
        io->position += llrint((double)(now_ns - io->position_ns) / io->ns_per_frame);
    }
    io->base_ns = now_ns - frames_ns(io, io->position);
    io->settled_ns = now_ns + io->settle_ns;
}

/* Asks JACK for its latencies. INPUT and OUTPUT are also the values of
 * jack_latency_callback_mode_t. */
static void ask_latencies(vc_ma_io *io) VC_REALTIME;
static void ask_latencies(vc_ma_io *io) {
    for (int i = INPUT; i <= OUTPUT; i++) {
        direction *d = &io->directions[i];
        vc_jack_range range = {0};
        if (d->port) { /* do not compare with NULL: clang then assumes a function that may block */
            io->jack.jack.latency(d->port, i, &range);
            if (range.maximum < MAX_LATENCY_FRAMES) {
                d->latency_frames = (int64_t)range.maximum + d->added_frames;
                atomic_store_explicit(&d->port_frames, range.maximum, memory_order_relaxed);
            }
        }
    }
}

static int64_t expected_ns(const vc_ma_io *io) { return io->base_ns + frames_ns(io, io->position); }

static void lose(vc_ma_io *io, int64_t frames) {
    io->position += frames;
    vc_port_count(&io->lost_frames, (uint64_t)frames);
}

/* Advances the time line to a call at `now_ns`. A call that is late by up to `slack_ns` has lost no
 * frames. If `slack_ns` is negative, no call loses frames. Returns how late the call was, without
 * the duration of the lost frames, ns. */
static int64_t follow(vc_ma_io *io, uint32_t frames, int64_t now_ns, int64_t slack_ns) {
    int64_t late_ns = now_ns - expected_ns(io);
    if (late_ns < 0) {
        io->base_ns += late_ns;
        late_ns = 0;
    }
    bool dry = slack_ns >= 0 && late_ns > slack_ns;
    if (dry && now_ns < io->settled_ns) {
        io->base_ns += late_ns - slack_ns;
        late_ns = slack_ns;
    } else if (dry) {
        int64_t lost = llrint((double)(late_ns - slack_ns) / io->ns_per_frame);
        lose(io, lost);
        late_ns -= frames_ns(io, lost);
        io->recount = RECOUNT_CYCLES;
        io->shortest_ns = INT64_MAX;
    }
    int64_t give_ns = llrint((double)frames * io->ns_per_frame * DRIFT);
    io->base_ns += late_ns < give_ns ? late_ns : give_ns;
    return late_ns;
}

static int64_t from_arrival(vc_ma_io *io, uint32_t frames, int64_t now_ns) {
    follow(io, frames, now_ns, io->slack_ns);
    return expected_ns(io);
}

/* Finds lost frames that `follow` does not find. A stall of the server that was shorter than a
 * period is within the slack, and so is the last period of a longer stall. If all calls after the
 * stall are late, the server has not caught up. Then the shortest of their delays is counted as
 * lost. */
static void recount(vc_ma_io *io, int64_t late_ns, int64_t period_ns) {
    uint64_t overloads = atomic_load_explicit(&io->overloads, memory_order_relaxed);
    if (overloads != io->seen_overloads) {
        io->seen_overloads = overloads;
        io->recount = RECOUNT_CYCLES;
        io->shortest_ns = INT64_MAX;
    }
    if (io->recount == 0) {
        return;
    }
    io->shortest_ns = late_ns < io->shortest_ns ? late_ns : io->shortest_ns;
    if (--io->recount == 0 && io->shortest_ns > period_ns / RECOUNT_SHARE) {
        lose(io, llrint((double)io->shortest_ns / io->ns_per_frame));
    }
}

/* Advances the time line by JACK's counts and times. Returns false if JACK does not report its
 * cycles. */
static bool from_jack(vc_ma_io *io, bool fresh, uint32_t frames, int64_t now_ns, int64_t *host_ns) {
    vc_jack_call call;
    if (!vc_jack_line_next(&io->jack, fresh, frames, &call)) {
        return false;
    }
    if (fresh || call.period_frames != io->period_frames) {
        io->period_frames = call.period_frames;
        ask_latencies(io);
    }
    int64_t period_ns = frames_ns(io, call.period_frames);
    bool told = io->jack.jack.exact_times && call.begin_ns < now_ns;
    int64_t at_ns = (told ? call.begin_ns : now_ns) + frames_ns(io, call.done_frames);
    if (fresh) {
        begin_run(io, at_ns);
        io->settled_ns = at_ns; /* JACK plays from the first cycle on */
        io->recount = 0;
    }
    /* If the counter jumps ahead by more than the time that has passed, it was restarted. */
    int64_t passed_ns = at_ns - expected_ns(io) + period_ns;
    if (call.skipped_frames > 0 && frames_ns(io, call.skipped_frames) <= passed_ns) {
        lose(io, call.skipped_frames);
    }
    int64_t late_ns = follow(io, frames, at_ns, period_ns);
    recount(io, late_ns, period_ns);
    *host_ns = expected_ns(io);
    return true;
}

static void measure(vc_ma_io *io, int64_t now_ns) {
    int64_t away_ns = io->pulse.pulse.is_playback ? io->told_ns - now_ns : now_ns - io->told_ns;
    int64_t away = llrint((double)away_ns / io->ns_per_frame);
    if (away < 0) {
        return; /* the server has not reported the break yet */
    }
    int64_t shortest = atomic_load_explicit(&io->shortest_frames, memory_order_relaxed);
    if (shortest < 0 || away < shortest) {
        atomic_store_explicit(&io->shortest_frames, away, memory_order_relaxed);
    }
    if (away > atomic_load_explicit(&io->longest_measured, memory_order_relaxed)) {
        atomic_store_explicit(&io->longest_measured, away, memory_order_relaxed);
    }
}

static void ask_pulse(vc_ma_io *io, bool fresh, int64_t now_ns) {
    if (fresh) {
        vc_pulse_line_begin(&io->pulse);
        atomic_store(&io->shortest_frames, -1);
        atomic_store(&io->longest_measured, -1);
    }
    vc_pulse_call call;
    bool known = vc_pulse_line_next(&io->pulse, now_ns, &call);
    /* Times never go back, even if the stream moves to a sink with less latency. */
    int64_t earliest_ns = io->told_ns + 1;
    io->told = known || io->pulse.pulse.is_playback;
    if (fresh) {
        io->begin_ns = now_ns;
        io->begin = io->position;
    }
    if (!known) { /* without a report, a frame counts as heard at once */
        io->told_ns = io->begin_ns + frames_ns(io, io->position - io->begin);
        return;
    }
    if (call.lost_frames > 0) {
        lose(io, call.lost_frames);
        atomic_store_explicit(&io->shortest_frames, -1, memory_order_relaxed);
        atomic_store_explicit(&io->longest_measured, -1, memory_order_relaxed);
    }
    io->told_ns = call.host_ns;
    measure(io, now_ns);
    io->told_ns = io->told_ns < earliest_ns ? earliest_ns : io->told_ns;
}

vc_time vc_ma_advance(vc_ma_io *io, uint32_t frames, int64_t now_ns) {
    bool fresh = atomic_load_explicit(&io->fresh, memory_order_relaxed);
    if (fresh) {
        atomic_store_explicit(&io->fresh, false, memory_order_relaxed);
        raise_priority(io);
    }
    int64_t host_ns = 0;
    if (!io->jack.jack.cycle_times || !from_jack(io, fresh, frames, now_ns, &host_ns)) {
        if (fresh) {
            ask_latencies(io);
            begin_run(io, now_ns);
        }
        if (io->pulse.pulse.info) {
            ask_pulse(io, fresh, now_ns);
        }
        host_ns = from_arrival(io, frames, now_ns);
    }
    vc_time now = {
        .host_ns = host_ns, .sample_frames = io->position, .valid = VC_TIME_HOST | VC_TIME_SAMPLE};
    io->position += frames;
    io->position_ns = host_ns + frames_ns(io, frames);
    return now;
}
