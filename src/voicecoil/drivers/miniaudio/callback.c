/* The functions that the miniaudio library calls. See callback.h. */
#include "time_line.h"

#include <stdlib.h>
#include <string.h>

static size_t user_data_offset;

void vc_ma_set_user_data_offset(size_t offset) { user_data_offset = offset; }

static vc_ma_io *io_of(const void *device) {
    vc_ma_io *io;
    memcpy(&io, (const char *)device + user_data_offset, sizeof(void *));
    return io;
}

/* ---- the cycle --------------------------------------------------------------------------------
 */

static vc_audio channels_of(direction *d, float *data, uint32_t frames) {
    for (uint32_t c = 0; c < d->channels; c++) {
        d->list[c].data = data == NULL ? NULL : data + d->map[c];
        d->list[c].stride = (ptrdiff_t)d->device_channels;
    }
    return vc_port_audio(d->list, d->channels, frames);
}

static void silence(const direction *d, void *output, uint32_t frames) {
    if (output != NULL) {
        memset(output, 0, (size_t)frames * d->device_channels * sizeof(float));
    }
}

/* This function must not be inlined: see floating.h. */
__attribute__((noinline)) static void run_cycle(vc_ma_io *io, vc_engine *engine, float *output,
                                                const float *input, uint32_t frames,
                                                int64_t now_ns) {
    direction *in = &io->directions[INPUT], *out = &io->directions[OUTPUT];
    vc_cycle cycle = {
        .frames = frames, .now = vc_ma_advance(io, frames, now_ns), .called_ns = now_ns};
    if (in->channels) {
        /* Input is only read. It needs a cast, because vc_audio has one type for both directions.
         */
        cycle.input = channels_of(in, (float *)(uintptr_t)input, frames);
        cycle.input_time = later(io, cycle.now, -in->latency_frames);
        if (io->told && !io->pulse.pulse.is_playback) {
            cycle.input_time.host_ns = io->told_ns;
        }
    }
    if (out->channels) {
        cycle.output = channels_of(out, output, frames);
        cycle.output_time = later(io, cycle.now, out->latency_frames);
        if (io->told && io->pulse.pulse.is_playback) {
            cycle.output_time.host_ns = io->told_ns;
        }
        cycle.drain_frames = (uint32_t)out->latency_frames;
        if (out->partial) {
            silence(out, output, frames);
        }
    }
    io->run(engine, &cycle);
    vc_port_count(&io->cycles, 1);
}

static void empty_ring(vc_ma_io *io, uint32_t frames) {
    const vc_ma_jack *jack = &io->jack.jack;
    if (!jack->readable) {
        return;
    }
    atomic_store_explicit(&io->emptied, true, memory_order_relaxed);
    uint32_t held = jack->readable(jack->ring);
    if (held >
        frames) { /* miniaudio uses these frames after this callback, so they stay in the ring */
        jack->skip(jack->ring, held - frames);
    }
}

static bool too_early(vc_ma_io *io) VC_REALTIME;
static bool too_early(vc_ma_io *io) {
    if (!atomic_load_explicit(&io->early, memory_order_relaxed)) {
        return false;
    }
    /* Frames that miniaudio put into the ring before the first cycle would delay all input. */
    bool ring =
        io->jack.jack
            .readable; /* do not compare with NULL: clang then assumes a function that may block */
    bool stale = ring && !atomic_load_explicit(&io->emptied, memory_order_relaxed);
    uint32_t first = 0;
    bool early = stale || (vc_jack_line_first(&io->jack, &first) &&
                           first == atomic_load_explicit(&io->under_way, memory_order_relaxed));
    atomic_store_explicit(&io->early, early, memory_order_relaxed);
    return early;
}

/* Whether the engine can take a cycle of this many frames at the server's present rate. */
static bool takes(vc_ma_io *io, uint32_t frames) VC_REALTIME;
static bool takes(vc_ma_io *io, uint32_t frames) {
    uint32_t fixed = atomic_load_explicit(&io->engine_period_frames, memory_order_relaxed);
    uint32_t longest = atomic_load_explicit(&io->engine_max_period_frames, memory_order_relaxed);
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
        return; /* the device is still being opened */
    }
    int64_t now_ns = io->clock_ns();
    vc_engine *engine = vc_port_begin(&io->port);
    bool fits = engine != NULL && takes(io, frames);
    if (!fits || frames == 0 || too_early(io)) {
        empty_ring(io, frames);
        silence(&io->directions[OUTPUT], output, frames);
    } else {
        run_cycle(io, engine, output, input, frames, now_ns);
    }
    atomic_store_explicit(&io->last_host_ns, now_ns, memory_order_relaxed);
    vc_port_end(&io->port);
}

void vc_ma_notify(const void *notification) {
    /* The layout of a ma_device_notification: the device, then the type. */
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
    d->partial = given->channels < given->device_channels;
    for (uint32_t c = 0; c < given->channels; c++) {
        d->map[c] = given->map[c];
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
    io->pulse.pulse = config->pulse;
    io->pulse.ns_per_frame = io->ns_per_frame;
    atomic_store(&io->shortest_frames, -1);
    atomic_store(&io->longest_measured, -1);
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
    bool tells =
        io->jack.jack
            .latency; /* do not compare with NULL: clang then assumes a function that may block */
    io->directions[INPUT].port = tells ? input : NULL;
    io->directions[OUTPUT].port = tells ? output : NULL;
}

int64_t vc_ma_io_port_frames(const vc_ma_io *io, bool output) {
    return atomic_load_explicit(&io->directions[output].port_frames, memory_order_relaxed);
}

bool vc_ma_io_measured(const vc_ma_io *io, int64_t *shortest, int64_t *longest) {
    *shortest = atomic_load_explicit(&io->shortest_frames, memory_order_relaxed);
    *longest = atomic_load_explicit(&io->longest_measured, memory_order_relaxed);
    return *shortest >= 0 && *longest >= *shortest;
}

void vc_ma_io_attach(vc_ma_io *io, vc_engine *engine, vc_ma_frames frames, bool connected) {
    uint32_t first = 0;
    bool known = connected && vc_jack_line_first(&io->jack, &first);
    atomic_store(&io->engine_period_frames, frames.period_frames);
    atomic_store(&io->engine_max_period_frames, frames.max_period_frames);
    atomic_store(&io->under_way, first);
    atomic_store(&io->early, known);
    atomic_store(&io->fresh, true);
    vc_port_attach(&io->port, engine);
}

vc_port *vc_ma_io_port(vc_ma_io *io) { return &io->port; }

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
