/* Statistics, levels and events: written on the IO thread, read on any other. */
#include "audio.h"
#include "engine.h"

#include <math.h>
#include <string.h>

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* A sequence lock (H.-J. Boehm, "Can seqlocks get along with programming language memory models?",
 * 2012). The IO thread publishes only at the end of a cycle. So the user's code may read the
 * statistics on the IO thread, where it would otherwise wait for its own thread. The fences order
 * the relaxed words against the sequence. ThreadSanitizer does not model fences, but it reports
 * nothing, because every word is atomic. */
_Static_assert(sizeof(vc_statistics) % sizeof(uint64_t) == 0, "published word by word");

static void begin_write(_Atomic uint32_t *sequence) {
    atomic_store_explicit(sequence, LOAD(*sequence) + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_write(_Atomic uint32_t *sequence) {
    atomic_store_explicit(sequence, LOAD(*sequence) + 1, memory_order_release);
}

static uint32_t begin_read(const _Atomic uint32_t *sequence) {
    return atomic_load_explicit(sequence, memory_order_acquire);
}

/* Returns false if the words that were read since `begun` may not belong together. */
static bool end_read(const _Atomic uint32_t *sequence, uint32_t begun) {
    atomic_thread_fence(memory_order_acquire);
    return (begun & 1u) == 0 && LOAD(*sequence) == begun;
}

void vc_publish(vc_engine *engine) {
    vc_published *p = &engine->published;
    begin_write(&p->sequence);
#pragma GCC unroll 32
    for (size_t i = 0; i < VC_STATISTICS_WORDS; i++) {
        /* The words are copied one by one, because the fields were written one by one. A wider load
         * would have to wait until these stores are complete. */
        uint64_t word;
        memcpy(&word, (const char *)&engine->counted + i * sizeof word, sizeof word);
        atomic_store_explicit(&p->words[i], word, memory_order_relaxed);
    }
    end_write(&p->sequence);
}

void vc_engine_statistics(const vc_engine *engine, vc_statistics *out) {
    const vc_published *p = &engine->published;
    uint64_t words[VC_STATISTICS_WORDS];
    uint32_t begun;
    do {
        begun = begin_read(&p->sequence);
        for (size_t i = 0; i < VC_STATISTICS_WORDS; i++) {
            words[i] = LOAD(p->words[i]);
        }
    } while (!end_read(&p->sequence, begun));
    memcpy(out, words, sizeof words);
}

void vc_count_levels(vc_engine *engine, uint32_t first_meter, const vc_audio *audio,
                     uint32_t frames) {
    begin_write(&engine->meter_sequence);
    for (uint32_t c = 0; c < audio->channels; c++) {
        const float *data = audio->data + (ptrdiff_t)c * audio->channel_stride;
        float peak = 0.0f;
        float squares = 0.0f;
        for (uint32_t f = 0; f < frames; f++) {
            float value = fabsf(data[(ptrdiff_t)f * audio->frame_stride]);
            value = vc_nonfinite(value) ? 0.0f : value; /* input may be NaN, and the sum would stay
                                                         * NaN */
            peak = value > peak ? value : peak;
            squares += value * value;
        }
        vc_meter *meter = &engine->meters[first_meter + c];
        if (peak > LOAD(meter->peak)) {
            atomic_store_explicit(&meter->peak, peak, memory_order_relaxed);
        }
        atomic_store_explicit(&meter->squares, LOAD(meter->squares) + (double)squares,
                              memory_order_relaxed);
        atomic_store_explicit(&meter->frames, LOAD(meter->frames) + frames, memory_order_relaxed);
    }
    end_write(&engine->meter_sequence);
}

/* The sums only grow, and the reader remembers their last values. If the reader set them to 0, the
 * IO thread could overwrite the 0 with an old sum plus a block, and the next level would be wrong.
 */
static void read_meter(vc_engine *engine, vc_meter *meter, vc_level *level) {
    double squares;
    uint64_t frames;
    uint32_t begun;
    do {
        begun = begin_read(&engine->meter_sequence);
        squares = LOAD(meter->squares);
        frames = LOAD(meter->frames);
    } while (!end_read(&engine->meter_sequence, begun));
    /* A peak is lost if this exchange happens between the IO thread's load and its store. One
     * missing block does not matter in a level meter. */
    level->peak = atomic_exchange_explicit(&meter->peak, 0.0f, memory_order_relaxed);
    uint64_t more = frames - meter->seen_frames;
    level->mean_square = more > 0 ? (float)((squares - meter->seen_squares) / (double)more) : 0.0f;
    meter->seen_squares = squares;
    meter->seen_frames = frames;
}

void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count) {
    uint32_t available = engine->config.output_channels + engine->config.input_channels;
    for (uint32_t i = 0; i < count; i++) {
        levels[i] = (vc_level){0.0f, 0.0f};
        if (engine->meters != NULL && i < available) {
            read_meter(engine, &engine->meters[i], &levels[i]);
        }
    }
}

static void post(vc_engine *engine, const vc_event *event) {
    if (!vc_queue_push(engine->events, event)) {
        engine->counted.lost_events++;
    }
}

void vc_post_event(vc_engine *engine, vc_event_kind kind, int64_t value, const vc_time *time) {
    vc_event event = {.host_ns = time->host_ns,
                      .sample_frames = time->sample_frames,
                      .value = value,
                      .kind = (uint32_t)kind,
                      .waited_ns = kind == VC_EVENT_LATE ? engine->waited_ns : 0};
    post(engine, &event);
}

bool vc_engine_event(vc_engine *engine, vc_event *out) { return vc_queue_pop(engine->events, out); }

uint32_t vc_engine_events_waiting(const vc_engine *engine) {
    return vc_queue_waiting(engine->events);
}

_Static_assert(sizeof(vc_event) % sizeof(uint64_t) == 0, "kept word by word");

void vc_post_xrun(vc_engine *engine, uint64_t frames, const vc_time *time, uint32_t cause) {
    vc_event event = {.host_ns = time->host_ns,
                      .sample_frames = time->sample_frames,
                      .value = (int64_t)frames,
                      .kind = VC_EVENT_XRUN,
                      .cause = cause};
    post(engine, &event);
    vc_xruns *xruns = &engine->xruns;
    uint64_t number = LOAD(xruns->begun);
    atomic_store_explicit(&xruns->begun, number + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    uint64_t words[VC_EVENT_WORDS];
    memcpy(words, &event, sizeof words);
    for (size_t i = 0; i < VC_EVENT_WORDS; i++) {
        atomic_store_explicit(&xruns->words[number % VC_XRUNS][i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&xruns->written, number + 1, memory_order_release);
}

/* Reads one xrun by its number. Returns false if it was overwritten meanwhile. */
static bool read_xrun(const vc_xruns *xruns, uint64_t number, vc_event *out) {
    uint64_t words[VC_EVENT_WORDS];
    for (size_t i = 0; i < VC_EVENT_WORDS; i++) {
        words[i] = LOAD(xruns->words[number % VC_XRUNS][i]);
    }
    memcpy(out, words, sizeof words);
    atomic_thread_fence(memory_order_acquire);
    return LOAD(xruns->begun) <= number + VC_XRUNS;
}

uint32_t vc_engine_xruns(const vc_engine *engine, vc_event *out, uint32_t count) {
    const vc_xruns *xruns = &engine->xruns;
    uint64_t written = atomic_load_explicit(&xruns->written, memory_order_acquire);
    uint64_t first = written > VC_XRUNS ? written - VC_XRUNS : 0;
    first = written - first > count ? written - count : first;
    uint32_t got = 0;
    for (uint64_t number = first; number < written; number++) {
        got += read_xrun(xruns, number, &out[got]);
    }
    return got;
}

void vc_engine_timing(const vc_engine *engine, vc_timing which, uint64_t *counts) {
    vc_histogram_read(&engine->timings[which], counts);
}
