/* Counting on the IO thread, reading from any other. */
#include "engine.h"

#include <math.h>
#include <string.h>

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* A sequence lock (H.-J. Boehm, "Can seqlocks get along with programming language memory
 * models?", 2012). Published once at the end of a cycle, so that the user's code may itself ask
 * for statistics. The fences order the relaxed words against the sequence; ThreadSanitizer does
 * not model fences, but every word is atomic, so it has nothing to report. */
_Static_assert(sizeof(vc_statistics) % sizeof(uint64_t) == 0, "published word by word");

void vc_publish(vc_engine *engine) {
    vc_published *p = &engine->published;
    uint64_t words[VC_STATISTICS_WORDS];
    memcpy(words, &engine->counted, sizeof words);
    uint32_t sequence = LOAD(p->sequence);
    atomic_store_explicit(&p->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < VC_STATISTICS_WORDS; i++) {
        atomic_store_explicit(&p->words[i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&p->sequence, sequence + 2, memory_order_release);
}

void vc_engine_statistics(const vc_engine *engine, vc_statistics *out) {
    const vc_published *p = &engine->published;
    uint64_t words[VC_STATISTICS_WORDS];
    for (;;) {
        uint32_t before = atomic_load_explicit(&p->sequence, memory_order_acquire);
        for (size_t i = 0; i < VC_STATISTICS_WORDS; i++) {
            words[i] = LOAD(p->words[i]);
        }
        atomic_thread_fence(memory_order_acquire);
        if ((before & 1u) == 0 && LOAD(p->sequence) == before) {
            memcpy(out, words, sizeof words);
            return;
        }
    }
}

void vc_count_levels(vc_engine *engine, uint32_t first_meter, const vc_audio *audio,
                     uint32_t frames) {
    for (uint32_t c = 0; c < audio->channels; c++) {
        const float *data = audio->data + (ptrdiff_t)c * audio->channel_stride;
        float peak = 0.0f;
        float squares = 0.0f;
        for (uint32_t f = 0; f < frames; f++) {
            float value = fabsf(data[(ptrdiff_t)f * audio->frame_stride]);
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
}

void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count) {
    uint32_t available = engine->config.output_channels + engine->config.input_channels;
    for (uint32_t i = 0; i < count; i++) {
        levels[i] = (vc_level){0.0f, 0.0f};
        if (engine->meters == NULL || i >= available) {
            continue;
        }
        vc_meter *meter = &engine->meters[i];
        /* The three are read one by one while the IO thread may add to them: a block more or less
         * in a level that a person looks at. */
        levels[i].peak = atomic_exchange_explicit(&meter->peak, 0.0f, memory_order_relaxed);
        double squares = atomic_exchange_explicit(&meter->squares, 0.0, memory_order_relaxed);
        uint64_t frames = atomic_exchange_explicit(&meter->frames, 0, memory_order_relaxed);
        levels[i].mean_square = frames > 0 ? (float)(squares / (double)frames) : 0.0f;
    }
}

void vc_post_event(vc_engine *engine, vc_event_kind kind, int64_t value, const vc_time *time) {
    vc_event event = {.host_ns = time->host_ns,
                      .sample_frames = time->sample_frames,
                      .value = value,
                      .kind = (uint32_t)kind};
    if (!vc_queue_push(engine->events, &event)) {
        engine->counted.lost_events++;
    }
}

bool vc_engine_event(vc_engine *engine, vc_event *out) { return vc_queue_pop(engine->events, out); }
