/* The function that CoreAudio calls on its IO thread. See ioproc.h. */
#include "ioproc.h"

#include "memory.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT = 0, OUTPUT = 1 };
enum { FAR_NS = 10000000 }; /* no drift or jitter is as large as this */

typedef struct direction {
    uint32_t channels;
    uint32_t buffers; /* number of the device's AudioBuffers up to the last one that is mapped */
    _Atomic uint32_t latency_frames;
    vc_ioproc_channel *map;
    vc_channel *list; /* filled again in each cycle */
    uint32_t *used;   /* for each of the first `buffers` AudioBuffers: its mapped channels */
    uint32_t *needed; /* for each of these: the channels that it must have for them */
    vc_ioproc_buffer *formats; /* of the first `format_count` AudioBuffers; 0 if all are float32 */
    uint32_t format_count;
    /* For each of these: interleaved float samples of a mapped AudioBuffer of integers; or NULL. */
    float **converted;
    bool converts; /* one of them is not NULL */
} direction;

struct vc_ioproc {
    vc_port port;
    vc_cycle_run_fn run;
    vc_timebase timebase;
    _Atomic uint32_t drain_frames;
    double ns_per_frame;
    uint32_t room_frames;
    direction directions[2];
    vc_watched **watched;
    uint32_t watched_count;

    _Atomic uint64_t cycles, silent_cycles, empty_cycles;
    _Atomic int64_t first_host_ns, last_host_ns, content_first, content_end;
    _Atomic uint32_t oddities;
};

/* ---- time -------------------------------------------------------------------------------------
 */

/* Computes value * numerator / denominator in two halves. Nothing overflows, because the remainder
 * that is carried over is less than the denominator. */
static uint64_t scale(uint64_t value, uint32_t numerator, uint32_t denominator, bool up) {
    uint64_t high = (value >> 32) * numerator;
    uint64_t low = (value & 0xffffffffu) * numerator;
    high += low >> 32;
    uint64_t rest = (high % denominator) << 32 | (low & 0xffffffffu);
    uint64_t result = ((high / denominator) << 32) + rest / denominator;
    return up && rest % denominator != 0 ? result + 1 : result;
}

int64_t vc_ticks_to_ns(vc_timebase timebase, uint64_t ticks) {
    if (timebase.numerator == timebase.denominator) {
        return (int64_t)ticks;
    }
    return (int64_t)scale(ticks, timebase.numerator, timebase.denominator, false);
}

uint64_t vc_ns_to_ticks(vc_timebase timebase, int64_t ns) {
    if (ns <= 0) {
        return 0;
    }
    return scale((uint64_t)ns, timebase.denominator, timebase.numerator, true);
}

int64_t vc_host_clock_ns(void *clock) {
    const vc_host_clock *host = clock;
    VC_UNPROVEN /* mach_absolute_time was looked up at run time; it only reads a register */
        uint64_t ticks = host->ticks();
    VC_PROVEN_AGAIN
    return vc_ticks_to_ns(host->timebase, ticks);
}

static vc_time moment(const vc_ioproc *ioproc, const AudioTimeStamp *stamp) {
    vc_time time = {0};
    if (stamp == NULL) {
        return time;
    }
    if (stamp->mFlags & kAudioTimeStampHostTimeValid) {
        time.host_ns = vc_ticks_to_ns(ioproc->timebase, stamp->mHostTime);
        time.valid |= VC_TIME_HOST;
    }
    /* The comparison is also false for NaN. */
    if ((stamp->mFlags & kAudioTimeStampSampleTimeValid) && fabs(stamp->mSampleTime) < 0x1p62) {
        time.sample_frames = llrint(stamp->mSampleTime);
        time.valid |= VC_TIME_SAMPLE;
    }
    return time;
}

/* Returns the time of the first frame at the connector. If the host time is missing, or far from
 * the time that the sample times give, it is computed from `now` and the sample times. */
static vc_time connector_time(vc_ioproc *ioproc, int d, const AudioTimeStamp *stamp,
                              const vc_time *now) {
    const uint32_t both = VC_TIME_HOST | VC_TIME_SAMPLE;
    vc_time time = moment(ioproc, stamp);
    if (now->valid == both && (time.valid & VC_TIME_SAMPLE)) {
        double ahead = (double)(time.sample_frames - now->sample_frames);
        int64_t derived_ns = now->host_ns + llrint(ahead * ioproc->ns_per_frame);
        int64_t apart_ns = time.host_ns - derived_ns;
        if (!(time.valid & VC_TIME_HOST) || apart_ns > FAR_NS || apart_ns < -FAR_NS) {
            atomic_fetch_or_explicit(&ioproc->oddities, VC_ODD_HOST_TIME, memory_order_relaxed);
            time.host_ns = derived_ns;
            time.valid |= VC_TIME_HOST;
        }
    }
    int64_t latency =
        atomic_load_explicit(&ioproc->directions[d].latency_frames, memory_order_relaxed);
    latency = d == INPUT ? -latency : latency;
    if (time.valid & VC_TIME_HOST) {
        time.host_ns += llrint((double)latency * ioproc->ns_per_frame);
    }
    if (time.valid & VC_TIME_SAMPLE) {
        time.sample_frames += latency;
    }
    return time;
}

/* ---- memory -----------------------------------------------------------------------------------
 */

/* Returns the size of a sample of an AudioBuffer; 0: it is not known. */
static uint32_t sample_bytes(const direction *d, uint32_t buffer) {
    if (buffer >= d->format_count || d->formats[buffer].kind == VC_SAMPLES_FLOAT32) {
        return (uint32_t)sizeof(float);
    }
    return d->formats[buffer].kind == VC_SAMPLES_INTEGER ? d->formats[buffer].pcm.bytes : 0;
}

/* Returns the memory for the converted samples of an AudioBuffer; NULL: it is not converted. */
static float *converted(const direction *d, uint32_t buffer) {
    return d->converts && buffer < d->format_count ? d->converted[buffer] : NULL;
}

/* Returns the number of frames in the smallest of the first `buffers` buffers, but at most
 * `frames`. The size that was requested from the device is not used, because a cycle may differ.
 * Buffers without memory also have a size. With `with_memory`, these buffers are left out. */
static uint32_t buffer_frames(const direction *d, const AudioBufferList *list, uint32_t buffers,
                              bool with_memory, uint32_t frames) {
    for (uint32_t i = 0; list != NULL && i < list->mNumberBuffers && i < buffers; i++) {
        const AudioBuffer *buffer = &list->mBuffers[i];
        uint32_t bytes = sample_bytes(d, i);
        if (buffer->mNumberChannels == 0 || bytes == 0 || (with_memory && buffer->mData == NULL)) {
            continue;
        }
        uint32_t held = buffer->mDataByteSize / (bytes * buffer->mNumberChannels);
        frames = held < frames ? held : frames;
    }
    return frames;
}

static uint32_t cycle_frames(const vc_ioproc *ioproc, const AudioBufferList *input,
                             const AudioBufferList *output) {
    const direction *in = &ioproc->directions[INPUT], *out = &ioproc->directions[OUTPUT];
    uint32_t frames = buffer_frames(in, input, in->buffers, true, UINT32_MAX);
    frames = buffer_frames(out, output, out->buffers, true, frames);
    if (frames == UINT32_MAX) {
        frames = buffer_frames(in, input, UINT32_MAX, false, frames);
        frames = buffer_frames(out, output, UINT32_MAX, false, frames);
    }
    if ((in->converts || out->converts) && frames != UINT32_MAX && frames > ioproc->room_frames) {
        frames = ioproc->room_frames;
    }
    return frames == UINT32_MAX ? 0 : frames;
}

/* Describes the stream's channels in the device's buffers. */
static vc_audio channels_of(vc_ioproc *ioproc, direction *d, const AudioBufferList *list,
                            uint32_t frames) {
    bool missing = false;
    for (uint32_t c = 0; c < d->channels; c++) {
        vc_ioproc_channel at = d->map[c];
        vc_channel *channel = &d->list[c];
        *channel = (vc_channel){NULL, 0};
        if (list == NULL || at.buffer >= list->mNumberBuffers) {
            missing = true;
            continue;
        }
        const AudioBuffer *buffer = &list->mBuffers[at.buffer];
        if (buffer->mData == NULL || at.channel >= buffer->mNumberChannels) {
            missing = true;
            continue;
        }
        float *samples = converted(d, at.buffer);
        if (samples == NULL) {
            samples = buffer->mData;
        } else if (buffer->mNumberChannels != d->formats[at.buffer].channels) {
            missing = true;
            continue;
        }
        channel->data = samples + at.channel;
        channel->stride = (ptrdiff_t)buffer->mNumberChannels;
    }
    if (missing) {
        atomic_fetch_or_explicit(&ioproc->oddities, VC_ODD_LAYOUT, memory_order_relaxed);
    }
    return vc_port_audio(d->list, d->channels, frames);
}

/* Whether an AudioBuffer has integers that are converted, in memory and with the channels for which
 * there is room. */
static bool is_converted(const direction *d, const AudioBufferList *list, uint32_t buffer) {
    return converted(d, buffer) != NULL && buffer < list->mNumberBuffers &&
           list->mBuffers[buffer].mData != NULL &&
           list->mBuffers[buffer].mNumberChannels == d->formats[buffer].channels;
}

/* Converts the stream's input to float. */
static void convert_input(const direction *d, const AudioBufferList *list, uint32_t frames) {
    for (uint32_t i = 0; list != NULL && i < d->format_count; i++) {
        if (is_converted(d, list, i)) {
            vc_pcm_to_float(d->converted[i], list->mBuffers[i].mData, d->formats[i].pcm,
                            (size_t)frames * d->formats[i].channels);
        }
    }
}

/* Converts what the engine has written. */
static void convert_output(const direction *d, AudioBufferList *list, uint32_t frames) {
    for (uint32_t i = 0; list != NULL && i < d->format_count; i++) {
        if (is_converted(d, list, i)) {
            vc_pcm_from_float(list->mBuffers[i].mData, d->formats[i].pcm, d->converted[i],
                              (size_t)frames * d->formats[i].channels);
        }
    }
}

/* Whether the engine fills all channels of an AudioBuffer. It does not if the AudioBuffer has
 * another number of channels than before, as in the cycles between a change and its notification.
 */
static bool is_filled(const direction *d, const AudioBufferList *list, uint32_t buffer) {
    uint32_t channels = list->mBuffers[buffer].mNumberChannels;
    if (buffer >= d->buffers || d->used[buffer] != channels) {
        return channels == 0;
    }
    return converted(d, buffer) == NULL ? d->needed[buffer] <= channels
                                        : is_converted(d, list, buffer);
}

/* Silences each buffer that has channels which the stream does not use, because CoreAudio does not
 * guarantee that they are zero. The engine fills the stream's channels afterwards. */
static void silence_rest(const direction *d, AudioBufferList *list, uint32_t frames) {
    for (uint32_t i = 0; list != NULL && i < list->mNumberBuffers; i++) {
        AudioBuffer *buffer = &list->mBuffers[i];
        if (buffer->mData == NULL || is_filled(d, list, i)) {
            continue;
        }
        if (is_converted(d, list, i)) {
            memset(d->converted[i], 0, (size_t)frames * d->formats[i].channels * sizeof(float));
        } else {
            memset(buffer->mData, 0, buffer->mDataByteSize);
        }
    }
}

/* Silences the frames after those that the engine wrote, if the buffers of a cycle differ in size.
 */
static void silence_tail(const direction *d, AudioBufferList *list, uint32_t frames) {
    for (uint32_t i = 0; list != NULL && i < list->mNumberBuffers && i < d->buffers; i++) {
        AudioBuffer *buffer = &list->mBuffers[i];
        size_t written = (size_t)frames * buffer->mNumberChannels * sample_bytes(d, i);
        if (buffer->mData != NULL && buffer->mDataByteSize > written) {
            memset((char *)buffer->mData + written, 0, buffer->mDataByteSize - written);
        }
    }
}

static void silence(AudioBufferList *list) {
    for (uint32_t i = 0; list != NULL && i < list->mNumberBuffers; i++) {
        if (list->mBuffers[i].mData != NULL) {
            memset(list->mBuffers[i].mData, 0, list->mBuffers[i].mDataByteSize);
        }
    }
}

/* ---- the cycle --------------------------------------------------------------------------------
 */

static void keep_content(vc_ioproc *ioproc, const AudioTimeStamp *output_time, uint32_t made) {
    if (made == 0 || output_time == NULL ||
        !(output_time->mFlags & kAudioTimeStampSampleTimeValid) ||
        !(fabs(output_time->mSampleTime) < 0x1p62)) {
        return;
    }
    int64_t first = llrint(output_time->mSampleTime);
    if (atomic_load_explicit(&ioproc->content_first, memory_order_relaxed) == INT64_MIN) {
        atomic_store_explicit(&ioproc->content_first, first, memory_order_relaxed);
    }
    atomic_store_explicit(&ioproc->content_end, first + made, memory_order_relaxed);
}

/* This function must not be inlined: see floating.h. */
__attribute__((noinline)) static void
run_cycle(vc_ioproc *ioproc, vc_engine *engine, const AudioTimeStamp *now,
          const AudioBufferList *input, const AudioTimeStamp *input_time, AudioBufferList *output,
          const AudioTimeStamp *output_time) {
    direction *in = &ioproc->directions[INPUT], *out = &ioproc->directions[OUTPUT];
    vc_cycle cycle = {.frames = cycle_frames(ioproc, input, output), .now = moment(ioproc, now)};
    if (cycle.now.valid & VC_TIME_HOST) {
        if (atomic_load_explicit(&ioproc->first_host_ns, memory_order_relaxed) == 0) {
            atomic_store_explicit(&ioproc->first_host_ns, cycle.now.host_ns, memory_order_relaxed);
        }
        atomic_store_explicit(&ioproc->last_host_ns, cycle.now.host_ns, memory_order_relaxed);
    }
    if (cycle.frames == 0) {
        silence(output);
        vc_port_count(&ioproc->empty_cycles, 1);
        return;
    }
    cycle.input = channels_of(ioproc, in, input, cycle.frames);
    cycle.output = channels_of(ioproc, out, output, cycle.frames);
    if (in->channels) {
        cycle.input_time = connector_time(ioproc, INPUT, input_time, &cycle.now);
    }
    if (out->channels) {
        cycle.output_time = connector_time(ioproc, OUTPUT, output_time, &cycle.now);
        cycle.drain_frames = atomic_load_explicit(&ioproc->drain_frames, memory_order_relaxed);
    }
    if (in->converts) {
        convert_input(in, input, cycle.frames);
    }
    silence_rest(out, output, cycle.frames);
    uint32_t made = ioproc->run(engine, &cycle);
    if (out->converts) {
        convert_output(out, output, cycle.frames);
    }
    silence_tail(out, output, cycle.frames);
    if (out->channels) {
        keep_content(ioproc, output_time, made);
    }
    vc_port_count(&ioproc->cycles, 1);
}

/* Whether the AudioBuffers have the formats of the configuration. */
static bool formats_fit(const vc_ioproc *ioproc) {
    for (uint32_t i = 0; i < ioproc->watched_count; i++) {
        if (atomic_load_explicit(&ioproc->watched[i]->differs, memory_order_relaxed)) {
            return false;
        }
    }
    return true;
}

OSStatus vc_ioproc_run(AudioObjectID device, const AudioTimeStamp *now,
                       const AudioBufferList *input, const AudioTimeStamp *input_time,
                       AudioBufferList *output, const AudioTimeStamp *output_time,
                       void *client_data) {
    (void)device;
    vc_ioproc *ioproc = client_data;
    vc_engine *engine = vc_port_begin(&ioproc->port);
    if (engine != NULL && formats_fit(ioproc)) {
        run_cycle(ioproc, engine, now, input, input_time, output, output_time);
    } else {
        silence(output);
        vc_port_count(&ioproc->silent_cycles, 1);
    }
    vc_port_end(&ioproc->port);
    return kAudioHardwareNoError;
}

/* ---- control ----------------------------------------------------------------------------------
 */

/* Makes the memory for converted samples. Call it when `buffers` is known. */
static bool fill_formats(direction *d, const vc_ioproc_direction *given, uint32_t room_frames) {
    d->formats = calloc(given->buffer_count + 1u, sizeof *d->formats);
    d->converted = calloc(given->buffer_count + 1u, sizeof *d->converted);
    if (d->formats == NULL || d->converted == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < given->buffer_count; i++) {
        d->formats[i] = given->buffers[i];
        if (given->buffers[i].kind != VC_SAMPLES_FLOAT32) {
            d->format_count = given->buffer_count;
        }
    }
    for (uint32_t c = 0; c < given->channels; c++) {
        uint32_t i = given->map[c].buffer;
        if (i >= given->buffer_count || given->buffers[i].kind != VC_SAMPLES_INTEGER ||
            d->converted[i] != NULL) {
            continue;
        }
        size_t samples = (size_t)room_frames * given->buffers[i].channels + 1;
        d->converted[i] = vc_memory_new(samples, sizeof(float));
        if (d->converted[i] == NULL) {
            return false;
        }
        d->converts = true;
    }
    return true;
}

static bool fill_direction(direction *d, const vc_ioproc_direction *given, uint32_t room_frames) {
    d->channels = given->channels;
    atomic_store(&d->latency_frames, given->latency_frames);
    d->map = calloc(given->channels + 1u, sizeof *d->map);
    d->list = calloc(given->channels + 1u, sizeof *d->list);
    for (uint32_t c = 0; c < given->channels; c++) {
        d->buffers = given->map[c].buffer + 1 > d->buffers ? given->map[c].buffer + 1 : d->buffers;
    }
    d->used = calloc(d->buffers + 1u, sizeof *d->used);
    d->needed = calloc(d->buffers + 1u, sizeof *d->needed);
    if (d->map == NULL || d->list == NULL || d->used == NULL || d->needed == NULL ||
        !fill_formats(d, given, room_frames)) {
        return false;
    }
    for (uint32_t c = 0; c < given->channels; c++) {
        bool seen = false;
        for (uint32_t i = 0; i < c; i++) {
            seen = seen || memcmp(&given->map[i], &given->map[c], sizeof given->map[c]) == 0;
        }
        vc_ioproc_channel at = d->map[c] = given->map[c];
        d->used[at.buffer] += !seen;
        d->needed[at.buffer] =
            at.channel < d->needed[at.buffer] ? d->needed[at.buffer] : at.channel + 1;
    }
    return true;
}

vc_ioproc *vc_ioproc_new(const vc_ioproc_config *config) {
    vc_ioproc *ioproc = calloc(1, sizeof *ioproc);
    if (ioproc == NULL) {
        return NULL;
    }
    ioproc->run = config->run;
    ioproc->timebase = config->timebase;
    atomic_store(&ioproc->drain_frames, config->drain_frames);
    ioproc->ns_per_frame = 1e9 / config->samplerate_hz;
    vc_port_attach(&ioproc->port, config->engine);
    atomic_store(&ioproc->content_first, INT64_MIN);
    atomic_store(&ioproc->content_end, INT64_MIN);
    ioproc->room_frames = config->room_frames;
    ioproc->watched = calloc(config->watched_count + 1u, sizeof *ioproc->watched);
    if (ioproc->watched == NULL ||
        !fill_direction(&ioproc->directions[INPUT], &config->input, config->room_frames) ||
        !fill_direction(&ioproc->directions[OUTPUT], &config->output, config->room_frames)) {
        vc_ioproc_free(ioproc);
        return NULL;
    }
    for (uint32_t i = 0; i < config->watched_count; i++) {
        ioproc->watched[i] = config->watched[i];
    }
    ioproc->watched_count = config->watched_count;
    return ioproc;
}

void vc_ioproc_free(vc_ioproc *ioproc) {
    if (ioproc == NULL) {
        return;
    }
    for (int d = INPUT; d <= OUTPUT; d++) {
        free(ioproc->directions[d].map);
        free(ioproc->directions[d].list);
        free(ioproc->directions[d].used);
        free(ioproc->directions[d].needed);
        for (uint32_t i = 0; i < ioproc->directions[d].format_count; i++) {
            vc_memory_free(ioproc->directions[d].converted[i]);
        }
        free(ioproc->directions[d].converted);
        free(ioproc->directions[d].formats);
    }
    free(ioproc->watched);
    free(ioproc);
}

vc_port *vc_ioproc_port(vc_ioproc *ioproc) { return &ioproc->port; }

void vc_ioproc_set_latencies(vc_ioproc *ioproc, uint32_t input_frames, uint32_t output_frames,
                             uint32_t drain_frames) {
    atomic_store(&ioproc->drain_frames, drain_frames);
    atomic_store(&ioproc->directions[INPUT].latency_frames, input_frames);
    atomic_store(&ioproc->directions[OUTPUT].latency_frames, output_frames);
}

void vc_ioproc_count(const vc_ioproc *ioproc, vc_ioproc_counts *out) {
    *out = (vc_ioproc_counts){
        .cycles = atomic_load(&ioproc->cycles),
        .silent_cycles = atomic_load(&ioproc->silent_cycles),
        .empty_cycles = atomic_load(&ioproc->empty_cycles),
        .first_host_ns = atomic_load(&ioproc->first_host_ns),
        .last_host_ns = atomic_load(&ioproc->last_host_ns),
        .content_first = atomic_load(&ioproc->content_first),
        .content_end = atomic_load(&ioproc->content_end),
        .oddities = atomic_load(&ioproc->oddities),
    };
}
