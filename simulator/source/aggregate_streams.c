/* aggregate_streams.c: streams, rates and latencies of an aggregate, from its sub-devices and taps.
 */
#include "tap.h"

/* A stream of a sub-device, or of a tap. */
static void add_stream(device *d, int direction, const sub_device *sub, const device *from,
                       const stream *original, const tap *t) {
    size_t n = d->stream_count[direction];
    if (n == MAX_STREAMS) {
        return;
    }
    stream *s = calloc(1, sizeof *s);
    s->direction = (UInt32)direction;
    s->index = (UInt32)n;
    s->starting_channel = device_channels(d, direction) + 1;
    s->active = true;
    s->origin = sub;
    if (t != NULL) {
        s->tap = t;
        s->channels = tap_channels_locked(t);
        s->terminal = kAudioStreamTerminalTypeUnknown;
    } else {
        s->channels = original->channels;
        s->latency_frames = original->latency_frames;
        s->terminal = original->terminal;
        s->origin_serial = from->serial;
        s->origin_index = original->index;
    }
    stream_add_formats(s, "f32");
    object_add(&s->o, STREAM, kAudioStreamClassID, kAudioObjectClassID, &d->o, d);
    s->o.alive = d->o.alive;
    d->streams[direction][d->stream_count[direction]++] = s;
}

/* The rate that a device has or will have. */
static double rate_of(const device *d) { return d->pending_rate > 0 ? d->pending_rate : d->rate; }

/* Frames of a sub-device, or of the device that a tap records, for each frame of the aggregate,
 * less one. `main` is the device that gives the clock. Either may be NULL. */
static double slip_of(const device *d, const sub_device *s, const device *target,
                      const device *main) {
    if (target == NULL || main == NULL || (target == main && s->o.kind == SUB_DEVICE)) {
        return 0;
    }
    bool same_clock =
        target == main || (target->clock_domain != 0 && target->clock_domain == main->clock_domain);
    double ppm = s->drift || same_clock ? 0 : target->ppm - main->ppm;
    return rate_of(target) / rate_of(d) * (1 + ppm * 1e-6) - 1;
}

/* The tap that gives an aggregate of taps alone its clock and its rate. */
const tap *aggregate_clock_tap(const device *d) {
    for (size_t i = 0; aggregate_main(d) == NULL && i < d->aggregate->tap_count; i++) {
        const tap *t = tap_with_uid_locked(d->aggregate->taps[i]->uid);
        if (t != NULL) {
            return t;
        }
    }
    return NULL;
}

static void retire_streams(device *d) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            d->streams[direction][i]->o.alive = false;
            retire_locked(d->streams[direction][i]);
        }
        d->stream_count[direction] = 0;
    }
}

/* The rates that all sub-devices have. If there is none, the others are resampled to the rates of
 * the main one. */
static void build_rates(device *d, const device *main) {
    d->rate_count = 0;
    for (size_t i = 0; i < main->rate_count; i++) {
        bool all = true;
        for (size_t k = 0; k < d->aggregate->sub_count; k++) {
            const device *target = sub_device_target(d->aggregate->subs[k]);
            all = all && (target == NULL || (device_supports_rate(target, main->rates[i][0]) &&
                                             device_supports_rate(target, main->rates[i][1])));
        }
        if (all) {
            memcpy(d->rates[d->rate_count++], main->rates[i], sizeof main->rates[i]);
        }
    }
    if (d->rate_count == 0) {
        memcpy(d->rates, main->rates, sizeof main->rates);
        d->rate_count = main->rate_count;
    }
}

static void tune_streams(device *d, const device *main) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream *s = d->streams[direction][i];
            const device *target =
                s->tap != NULL ? tap_device_locked(s->tap) : sub_device_target(s->origin);
            s->slip = slip_of(d, s->origin, target, main);
        }
    }
}

/* An aggregate of taps alone has their rate, and no latency of hardware. */
static void tune_to_tap(device *d, const tap *t) {
    const device *tapped = tap_device_locked(t);
    d->rate_count = 1;
    d->rates[0][0] = d->rates[0][1] = tap_format_locked(t).mSampleRate;
    d->rate = d->rate == 0 ? d->rates[0][0] : d->rate;
    d->ppm = tapped != NULL ? tapped->ppm : 0;
    d->latency[INPUT] = d->latency[OUTPUT] = d->safety[INPUT] = d->safety[OUTPUT] = 0;
    d->variable_frames = 0;
    tune_streams(d, tapped);
}

/* Takes clock, latencies and rates from the main sub-device, and the slip of each stream from the
 * clocks and the drift compensation. */
void aggregate_tune_locked(device *d) {
    const sub_device *chosen = aggregate_main(d);
    const device *main = chosen != NULL ? sub_device_target(chosen) : NULL;
    const tap *t = aggregate_clock_tap(d);
    bool drifts = false;
    if (t != NULL) {
        tune_to_tap(d, t);
    }
    if (main == NULL) {
        return;
    }
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        const sub_device *s = d->aggregate->subs[i];
        drifts = drifts || (s->drift && s != chosen);
    }
    for (int direction = 0; direction < 2; direction++) {
        d->latency[direction] = main->latency[direction];
        d->safety[direction] = main->safety[direction];
    }
    build_rates(d, main);
    d->ppm = main->ppm;
    d->clock_domain = main->clock_domain;
    /* Compensation resamples, so the size of a cycle can vary by a frame. */
    d->variable_frames = drifts && SWITCH(aggregate_cycles) == 1 ? 1 : 0;
    if (d->rate == 0 || !device_supports_rate(d, d->rate)) {
        bool follows = device_supports_rate(d, main->rate) || d->rate_count == 0;
        d->rate = follows ? main->rate : d->rates[0][0];
    }
    tune_streams(d, main);
}

void aggregate_build_locked(device *d) {
    const sub_device *chosen = aggregate_main(d);
    retire_streams(d);
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        sub_device *s = d->aggregate->subs[i];
        device *target = sub_device_target(s);
        s->o.device = target;
        s->o.alive = target != NULL && d->o.alive;
        for (int direction = 0; direction < 2 && target != NULL; direction++) {
            if (d->aggregate->stacked && (direction == INPUT || s != chosen)) {
                continue; /* all outputs play the streams of the main one */
            }
            for (size_t k = 0; k < target->stream_count[direction]; k++) {
                add_stream(d, direction, s, target, target->streams[direction][k], NULL);
            }
        }
    }
    for (size_t i = 0; i < d->aggregate->tap_count; i++) {
        sub_device *s = d->aggregate->taps[i];
        const tap *t = tap_with_uid_locked(s->uid);
        s->o.alive = t != NULL && d->o.alive;
        if (t != NULL) {
            add_stream(d, INPUT, s, NULL, NULL, t);
        }
    }
    aggregate_tune_locked(d);
}
