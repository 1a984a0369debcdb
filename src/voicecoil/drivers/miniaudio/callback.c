/* The functions that the miniaudio library calls. See callback.h. */
#if defined(__linux__)
#define _GNU_SOURCE /* SCHED_RESET_ON_FORK */
#include <pthread.h>
#include <sched.h>
#endif
#include "callback.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT = 0, OUTPUT = 1 };
/* What the time line gives way when callbacks come later: more than a crystal's error. */
static const double DRIFT = 2e-4;
static const uint32_t MAX_LATENCY_FRAMES = 1u << 24; /* more is nonsense; as in jack.py */
/* After an xrun of JACK's: in so many cycles at least one callback comes in time, so that the
 * shortest delay among them is what the server lost beyond what is known already. */
enum { RECOUNT_CYCLES = 16, RECOUNT_SHARE = 8 /* of a period: less is none */ };

typedef struct direction {
    uint32_t channels;
    uint32_t device_channels;
    int64_t latency_frames;
    uint32_t added_frames;
    void *port;
    _Atomic int64_t port_frames;
    uint32_t *map;
    vc_channel *list; /* filled anew in each cycle */
    bool uniform;     /* the mapped channels are equally far apart, */
    ptrdiff_t step;   /* this far */
    bool partial;     /* some of the device's channels are not mapped */
} direction;

struct vc_ma_io {
    _Atomic(vc_engine *) engine;
    _Atomic uint64_t turn; /* odd while inside */
    _Atomic bool fresh;    /* the next cycle begins a new run of the device */
    _Atomic bool early;    /* not in JACK's cycle `under_way` */
    _Atomic uint32_t under_way;
    _Atomic bool emptied; /* the ring, in this run */
    vc_cycle_run_fn run;
    int64_t (*clock_ns)(void) VC_REALTIME;
    uint32_t samplerate_hz;
    double ns_per_frame;
    int64_t slack_ns;
    int64_t settle_ns;
    int32_t priority;
    _Atomic uint32_t fixed_frames; /* as vc_ma_frames has it */
    _Atomic uint32_t longest_frames;
    direction directions[2];

    /* the IO thread's */
    int64_t position;    /* of the next frame */
    int64_t base_ns;     /* host time of frame 0, as this run of the device has it */
    int64_t position_ns; /* host time of `position` when it was last known */
    int64_t settled_ns;  /* host time from which on late callbacks lose frames */
    vc_jack_line jack;
    uint32_t period_frames;  /* JACK's, when the latencies were asked for */
    uint64_t seen_overloads; /* those that the time line knows of */
    uint32_t recount;        /* callbacks until the shortest delay is taken for lost */
    int64_t shortest_ns;

    _Atomic uint64_t cycles, lost_frames;
    _Atomic int64_t last_host_ns;
    _Atomic uint32_t resized, rate_hz;
    _Atomic bool gone;
    _Atomic uint64_t overloads;
    _Atomic int64_t overload_ns;
    _Atomic uint64_t notifications[VC_MA_NOTIFICATIONS];
    _Atomic int64_t notified_ns[VC_MA_NOTIFICATIONS];
};

static size_t user_data_offset;

void vc_ma_set_user_data_offset(size_t offset) { user_data_offset = offset; }

static vc_ma_io *io_of(const void *device) {
    vc_ma_io *io;
    memcpy(&io, (const char *)device + user_data_offset, sizeof(void *));
    return io;
}

static void count(_Atomic uint64_t *counter, uint64_t more) {
    /* One writer: no read-modify-write is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* ---- time -------------------------------------------------------------------------------------
 */

static int64_t frames_ns(const vc_ma_io *io, int64_t frames) {
    return llrint((double)frames * io->ns_per_frame);
}

/* miniaudio's threads are ordinary ones, or have the highest priority of all; both are wrong. In
 * the first cycle of a run, which has more time than any: the buffer is only being filled. */
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

/* The device was not running, or is new: its time line goes on by the time that passed. */
static void begin_run(vc_ma_io *io, int64_t now_ns) {
    if (io->position_ns != 0) {
        io->position += llrint((double)(now_ns - io->position_ns) / io->ns_per_frame);
    }
    io->base_ns = now_ns - frames_ns(io, io->position);
    io->settled_ns = now_ns + io->settle_ns;
}

/* jack_latency_callback_mode_t has the input's first, as we do. */
static void ask_latencies(vc_ma_io *io) VC_REALTIME;
static void ask_latencies(vc_ma_io *io) {
    for (int i = INPUT; i <= OUTPUT; i++) {
        direction *d = &io->directions[i];
        vc_jack_range range = {0};
        if (d->port) { /* not compared with NULL: see vc_cycle_run */
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
    count(&io->lost_frames, (uint64_t)frames);
}

/* The time line goes on to a call at `now_ns`, which is late by up to `slack_ns` without having
 * lost anything. Negative: by any time. Gives how late it was, without what was lost. */
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

/* A stall that was shorter than a period is within the slack, and the last period of a longer one,
 * too. If all calls are late after that, the server did not make up for it. */
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

/* False: JACK does not say. */
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
        io->settled_ns = at_ns; /* JACK plays what it gets from the first cycle on */
        io->recount = 0;
    }
    /* A counter that jumps ahead by more than time has passed was restarted, too. */
    int64_t passed_ns = at_ns - expected_ns(io) + period_ns;
    if (call.skipped_frames > 0 && frames_ns(io, call.skipped_frames) <= passed_ns) {
        lose(io, call.skipped_frames);
    }
    int64_t late_ns = follow(io, frames, at_ns, period_ns);
    recount(io, late_ns, period_ns);
    *host_ns = expected_ns(io);
    return true;
}

static vc_time advance(vc_ma_io *io, uint32_t frames, int64_t now_ns) {
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
        host_ns = from_arrival(io, frames, now_ns);
    }
    vc_time now = {
        .host_ns = host_ns, .sample_frames = io->position, .valid = VC_TIME_HOST | VC_TIME_SAMPLE};
    io->position += frames;
    io->position_ns = host_ns + frames_ns(io, frames);
    return now;
}

static vc_time later(const vc_ma_io *io, vc_time time, int64_t frames) {
    time.sample_frames += frames;
    time.host_ns += frames_ns(io, frames);
    return time;
}

/* ---- the cycle --------------------------------------------------------------------------------
 */

static vc_audio channels_of(direction *d, float *data) {
    vc_audio audio = {.channels = d->channels};
    if (d->uniform && data != NULL) {
        audio.data = data + d->map[0];
        audio.frame_stride = (ptrdiff_t)d->device_channels;
        audio.channel_stride = d->step;
        return audio;
    }
    for (uint32_t c = 0; c < d->channels; c++) {
        d->list[c].data = data == NULL ? NULL : data + d->map[c];
        d->list[c].stride = (ptrdiff_t)d->device_channels;
    }
    audio.list = d->list;
    return audio;
}

static void silence(const direction *d, void *output, uint32_t frames) {
    if (output != NULL) {
        memset(output, 0, (size_t)frames * d->device_channels * sizeof(float));
    }
}

static void run_cycle(vc_ma_io *io, vc_engine *engine, float *output, const float *input,
                      uint32_t frames, int64_t now_ns) {
    direction *in = &io->directions[INPUT], *out = &io->directions[OUTPUT];
    vc_cycle cycle = {.frames = frames, .now = advance(io, frames, now_ns), .called_ns = now_ns};
    if (in->channels) {
        /* Only read from: vc_audio has one type for both ways. */
        cycle.input = channels_of(in, (float *)(uintptr_t)input);
        cycle.input_time = later(io, cycle.now, -in->latency_frames);
    }
    if (out->channels) {
        cycle.output = channels_of(out, output);
        cycle.output_time = later(io, cycle.now, out->latency_frames);
        cycle.drain_frames = (uint32_t)out->latency_frames;
        if (out->partial) {
            silence(out, output, frames);
        }
    }
    io->run(engine, &cycle);
    count(&io->cycles, 1);
}

static void empty_ring(vc_ma_io *io, uint32_t frames) {
    const vc_ma_jack *jack = &io->jack.jack;
    if (!jack->readable) {
        return;
    }
    atomic_store_explicit(&io->emptied, true, memory_order_relaxed);
    uint32_t held = jack->readable(jack->ring);
    if (held > frames) { /* these frames are given back when this callback returns */
        jack->skip(jack->ring, held - frames);
    }
}

static bool too_early(vc_ma_io *io) VC_REALTIME;
static bool too_early(vc_ma_io *io) {
    if (!atomic_load_explicit(&io->early, memory_order_relaxed)) {
        return false;
    }
    /* What miniaudio put into the ring before the first cycle would make all input late. */
    bool ring = io->jack.jack.readable; /* not compared with NULL: see vc_cycle_run */
    bool stale = ring && !atomic_load_explicit(&io->emptied, memory_order_relaxed);
    uint32_t first = 0;
    bool early = stale || (vc_jack_line_first(&io->jack, &first) &&
                           first == atomic_load_explicit(&io->under_way, memory_order_relaxed));
    atomic_store_explicit(&io->early, early, memory_order_relaxed);
    return early;
}

/* Whether the engine can have a cycle of so many frames at the rate that the server has now. */
static bool takes(vc_ma_io *io, uint32_t frames) VC_REALTIME;
static bool takes(vc_ma_io *io, uint32_t frames) {
    uint32_t fixed = atomic_load_explicit(&io->fixed_frames, memory_order_relaxed);
    uint32_t longest = atomic_load_explicit(&io->longest_frames, memory_order_relaxed);
    if (fixed ? frames != fixed : frames > longest) {
        atomic_store_explicit(&io->resized, frames, memory_order_relaxed);
        return false;
    }
    uint32_t rate_hz = atomic_load_explicit(&io->rate_hz, memory_order_relaxed);
    return rate_hz == 0 || rate_hz == io->samplerate_hz;
}

void vc_ma_data(void *device, void *output, const void *input, uint32_t frames) {
    vc_ma_io *io = io_of(device);
    if (io == NULL) {
        return; /* it is still being opened */
    }
    int64_t now_ns = io->clock_ns();
    uint64_t turn = atomic_load_explicit(&io->turn, memory_order_relaxed);
    /* Sequentially consistent, against a detach: the turn before the engine. */
    atomic_store(&io->turn, turn + 1);
    vc_engine *engine = atomic_load(&io->engine);
    bool fits = engine != NULL && takes(io, frames);
    if (!fits || frames == 0 || too_early(io)) {
        empty_ring(io, frames);
        silence(&io->directions[OUTPUT], output, frames);
    } else {
        run_cycle(io, engine, output, input, frames, now_ns);
    }
    atomic_store_explicit(&io->last_host_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&io->turn, turn + 2, memory_order_release);
}

void vc_ma_notify(const void *notification) {
    /* ma_device_notification: the device, then the type. */
    struct {
        const void *device;
        int32_t type;
    } told;
    memcpy(&told, notification, sizeof told.device + sizeof told.type);
    vc_ma_io *io = io_of(told.device);
    if (io != NULL && told.type >= 0 && told.type < VC_MA_NOTIFICATIONS) {
        atomic_store(&io->notified_ns[told.type], io->clock_ns());
        atomic_fetch_add(&io->notifications[told.type], 1);
    }
}

void vc_ma_gone(void *io) { atomic_store(&((vc_ma_io *)io)->gone, true); }

int vc_ma_overload(void *io) {
    vc_ma_io *of = io;
    atomic_store(&of->overload_ns, of->clock_ns());
    atomic_fetch_add(&of->overloads, 1);
    return 0;
}

int vc_ma_rate(uint32_t rate_hz, void *io) {
    atomic_store(&((vc_ma_io *)io)->rate_hz, rate_hz);
    return 0;
}

/* ---- control ----------------------------------------------------------------------------------
 */

static bool fill_direction(direction *d, const vc_ma_direction *given) {
    d->channels = given->channels;
    d->device_channels = given->device_channels;
    d->latency_frames = given->latency_frames;
    d->added_frames = given->added_frames;
    atomic_store(&d->port_frames, -1);
    d->map = calloc(given->channels + 1u, sizeof *d->map);
    d->list = calloc(given->channels + 1u, sizeof *d->list);
    if (d->map == NULL || d->list == NULL) {
        return false;
    }
    d->uniform = given->channels > 0;
    d->step = 1;
    d->partial = given->channels < given->device_channels;
    for (uint32_t c = 0; c < given->channels; c++) {
        d->map[c] = given->map[c];
        if (c > 0) {
            ptrdiff_t step = (ptrdiff_t)given->map[c] - (ptrdiff_t)given->map[c - 1];
            d->uniform = d->uniform && (c == 1 || step == d->step);
            d->step = step;
        }
    }
    return true;
}

vc_ma_io *vc_ma_io_new(const vc_ma_config *config) {
    vc_ma_io *io = calloc(1, sizeof *io);
    if (io == NULL) {
        return NULL;
    }
    io->run = config->run;
    io->clock_ns = vc_clock_ns;
    if (config->clock_ns) {
        io->clock_ns = config->clock_ns;
    }
    io->samplerate_hz = (uint32_t)llrint(config->samplerate_hz);
    io->ns_per_frame = 1e9 / config->samplerate_hz;
    io->jack.jack = config->jack;
    io->slack_ns = config->slack_frames < 0 ? -1 : frames_ns(io, config->slack_frames);
    io->settle_ns = frames_ns(io, config->settle_frames);
    io->priority = config->priority;
    if (!fill_direction(&io->directions[INPUT], &config->input) ||
        !fill_direction(&io->directions[OUTPUT], &config->output)) {
        vc_ma_io_free(io);
        return NULL;
    }
    return io;
}

void vc_ma_io_free(vc_ma_io *io) {
    if (io == NULL) {
        return;
    }
    for (int d = INPUT; d <= OUTPUT; d++) {
        free(io->directions[d].map);
        free(io->directions[d].list);
    }
    free(io);
}

void vc_ma_io_prepare(vc_ma_io *io, void *input, void *output) {
    atomic_store(&io->emptied, false);
    bool tells = io->jack.jack.latency; /* not compared with NULL: see vc_cycle_run */
    io->directions[INPUT].port = tells ? input : NULL;
    io->directions[OUTPUT].port = tells ? output : NULL;
}

int64_t vc_ma_io_port_frames(const vc_ma_io *io, bool output) {
    return atomic_load_explicit(&io->directions[output].port_frames, memory_order_relaxed);
}

void vc_ma_io_attach(vc_ma_io *io, vc_engine *engine, vc_ma_frames frames, bool connected) {
    uint32_t first = 0;
    bool known = connected && vc_jack_line_first(&io->jack, &first);
    atomic_store(&io->fixed_frames, frames.fixed);
    atomic_store(&io->longest_frames, frames.longest);
    atomic_store(&io->under_way, first);
    atomic_store(&io->early, known);
    atomic_store(&io->fresh, true);
    atomic_store(&io->engine, engine);
}

void vc_ma_io_reattach(vc_ma_io *io, vc_engine *engine) { atomic_store(&io->engine, engine); }

void vc_ma_io_detach(vc_ma_io *io) { atomic_store(&io->engine, NULL); }

uint64_t vc_ma_io_turn(const vc_ma_io *io) { return atomic_load(&io->turn); }

void vc_ma_io_count(const vc_ma_io *io, vc_ma_counts *out) {
    *out = (vc_ma_counts){
        .cycles = atomic_load(&io->cycles),
        .lost_frames = atomic_load(&io->lost_frames),
        .last_host_ns = atomic_load(&io->last_host_ns),
        .resized = atomic_load(&io->resized),
        .rate_hz = atomic_load(&io->rate_hz),
        .gone = atomic_load(&io->gone),
        .overloads = atomic_load(&io->overloads),
        .overload_ns = atomic_load(&io->overload_ns),
    };
    for (int i = 0; i < VC_MA_NOTIFICATIONS; i++) {
        out->notifications[i] = atomic_load(&io->notifications[i]);
        out->notified_ns[i] = atomic_load(&io->notified_ns[i]);
    }
}
