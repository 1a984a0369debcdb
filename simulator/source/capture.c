/* capture.c: keeps the frames that a device got for its output, and the times of its output. */
#include "world.h"

/* Makes room for a total of `frames` captured frames. Returns false if memory is exhausted. */
static bool grow(run *r, uint64_t frames) {
    if (frames > r->capture_room) {
        uint64_t room = frames + frames / 2 + 65536;
        for (size_t i = 0; i < r->stream_count[OUTPUT]; i++) {
            float *grown = realloc(r->capture[i], room * r->channels[OUTPUT][i] * sizeof(float));
            if (grown == NULL) {
                return false;
            }
            r->capture[i] = grown;
        }
        uint8_t *present = realloc(r->present, room);
        if (present == NULL) {
            return false;
        }
        r->present = present;
        r->capture_room = room;
    }
    return true;
}

/* Drops the oldest frames if there are many more than the switch `capture_limit_frames` allows. */
static void limit(run *r) {
    uint64_t most = (uint64_t)SWITCH(capture_limit_frames);
    if (r->capture_frames < most + most / 4 + 4096) {
        return;
    }
    uint64_t drop = r->capture_frames - most;
    for (size_t i = 0; i < r->stream_count[OUTPUT]; i++) {
        size_t channels = r->channels[OUTPUT][i];
        memmove(r->capture[i], r->capture[i] + drop * channels, most * channels * sizeof(float));
    }
    memmove(r->present, r->present + drop, most);
    r->capture_frames = most;
    r->capture_dropped += drop;
}

/* Appends a gap, so that the capture has `end` frames. Dropped frames do not count. */
static bool extend(run *r, uint64_t end) {
    if (!grow(r, end)) {
        return false;
    }
    uint64_t from = r->capture_frames, n = end - from;
    for (size_t i = 0; i < r->stream_count[OUTPUT]; i++) {
        size_t channels = r->channels[OUTPUT][i];
        memset(r->capture[i] + from * channels, 0, n * channels * sizeof(float));
    }
    memset(r->present + from, 0, n);
    r->gap_frames += n;
    r->capture_frames = end;
    return true;
}

void capture_write(run *r, double sample_time, UInt32 frames, float *const mix[]) {
    if (r->stream_count[OUTPUT] == 0) {
        return;
    }
    if (r->capture_frames == 0 && r->capture_dropped == 0) {
        r->capture_first = sample_time;
    }
    double place = sample_time - r->capture_first - (double)r->capture_dropped;
    if (place < 0) {
        return;
    }
    uint64_t at = (uint64_t)place, end = at + frames;
    if (end > r->capture_frames && !extend(r, end)) {
        return;
    }
    for (size_t i = 0; i < r->stream_count[OUTPUT]; i++) {
        size_t channels = r->channels[OUTPUT][i];
        memcpy(r->capture[i] + at * channels, mix[i], frames * channels * sizeof(float));
    }
    for (uint64_t f = at; f < end; f++) {
        r->gap_frames -= r->present[f] == 0;
        r->present[f] = 1;
    }
    limit(r);
}

void capture_gap(run *r, double sample_time, UInt32 frames) {
    if (r->stream_count[OUTPUT] == 0) {
        return;
    }
    if (r->capture_frames == 0 && r->capture_dropped == 0) {
        r->capture_first = sample_time;
    }
    double end = sample_time + frames - r->capture_first - (double)r->capture_dropped;
    if (end > (double)r->capture_frames) {
        extend(r, (uint64_t)end);
    }
}

float capture_sample(const run *r, UInt32 stream, UInt32 channel, double sample_time) {
    double place = sample_time - r->capture_first - (double)r->capture_dropped;
    if (place < 0 || place >= (double)r->capture_frames || stream >= r->stream_count[OUTPUT] ||
        channel >= r->channels[OUTPUT][stream]) {
        return 0;
    }
    return r->capture[stream][(uint64_t)place * r->channels[OUTPUT][stream] + channel];
}

void capture_free(run *r) {
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        free(r->capture[i]);
    }
    free(r->present);
}

/* ---- reading ---- */

static run *find(uint32_t id, size_t index) {
    device *d = device_even_dead(id);
    run *r = d ? d->first_run : NULL;
    while (r != NULL && r->index != index) {
        r = r->next;
    }
    return r;
}

EXPORT size_t sim_run_count(uint32_t id) {
    pthread_mutex_lock(&world.lock);
    device *d = device_even_dead(id);
    size_t n = d ? d->run_count : 0;
    pthread_mutex_unlock(&world.lock);
    return n;
}

EXPORT int sim_run_info(uint32_t id, size_t index, sim_run *info) {
    pthread_mutex_lock(&world.lock);
    run *r = find(id, index);
    if (r != NULL) {
        *info = (sim_run){
            .thread = r->thread_number,
            .rate_hz = r->rate,
            .true_rate_hz = r->rate * (1 + r->clock.ppm * 1e-6),
            .first_sample_time = r->capture_first,
            .frames = r->capture_frames + r->capture_dropped,
            .gap_frames = r->gap_frames,
            .first_emission_ns = (uint64_t)clock_true_ns(
                &r->clock, r->capture_first + (double)r->latency[OUTPUT][0]),
            .cycles = r->cycles,
            .skipped_frames = r->skipped_frames,
            .running = !r->ended,
        };
    } else {
        report_line("sim_run_info: device %u has no run %zu", id, index);
    }
    pthread_mutex_unlock(&world.lock);
    return r != NULL ? 0 : -1;
}

EXPORT size_t sim_capture_read(uint32_t id, size_t index, uint32_t stream, uint32_t channel,
                               uint64_t first, size_t frames, float *samples, uint8_t *present) {
    pthread_mutex_lock(&world.lock);
    run *r = find(id, index);
    size_t n = 0;
    if (r == NULL || stream >= r->stream_count[OUTPUT] || channel >= r->channels[OUTPUT][stream]) {
        report_line("sim_capture_read: device %u has no run %zu, stream %u, channel %u", id, index,
                    stream, channel);
    } else {
        uint64_t all = r->capture_frames + r->capture_dropped;
        size_t channels = r->channels[OUTPUT][stream];
        n = first >= all ? 0 : all - first < frames ? (size_t)(all - first) : frames;
        for (size_t i = 0; i < n; i++) {
            bool kept = first + i >= r->capture_dropped;
            uint64_t at = kept ? first + i - r->capture_dropped : 0;
            samples[i] = kept ? r->capture[stream][at * channels + channel] : 0;
            if (present != NULL) {
                present[i] = kept && r->present[at];
            }
        }
    }
    pthread_mutex_unlock(&world.lock);
    return n;
}

static uint64_t moment(uint32_t id, size_t index, uint32_t stream, int direction, double frame) {
    pthread_mutex_lock(&world.lock);
    run *r = find(id, index);
    uint64_t ns = 0;
    if (r != NULL && stream < MAX_STREAMS) {
        double latency = r->latency[direction][stream];
        ns = (uint64_t)clock_true_ns(&r->clock, frame + (direction == OUTPUT ? latency : -latency));
    }
    pthread_mutex_unlock(&world.lock);
    return ns;
}

EXPORT uint64_t sim_emission_ns(uint32_t id, size_t index, uint32_t stream, double sample_time) {
    return moment(id, index, stream, OUTPUT, sample_time);
}

EXPORT uint64_t sim_arrival_ns(uint32_t id, size_t index, uint32_t stream, double sample_time) {
    return moment(id, index, stream, INPUT, sample_time);
}
