/* Statistics, levels and events: written on the IO thread, read on any other. */
#include "audio.h"
#include "engine.h"

#include <math.h>
#include <string.h>

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

_Static_assert(sizeof(vc_statistics) % sizeof(uint64_t) == 0, "published word by word");
_Static_assert(sizeof(vc_event) % sizeof(uint64_t) == 0, "kept word by word");
_Static_assert(sizeof(vc_metered) == 2 * sizeof(uint64_t), "kept word by word");

/* The IO thread publishes only at the end of a cycle. So the user's code that reads the statistics
 * on the IO thread gets those of the last cycle. */
void vc_publish(vc_engine *engine) {
    vc_published *to = &engine->published;
    vc_kept_write(&to->kept, to->words, 2, VC_STATISTICS_WORDS, &engine->counted);
}

void vc_engine_statistics(const vc_engine *engine, vc_statistics *out) {
    const vc_published *from = &engine->published;
    vc_kept_newest(&from->kept, from->words, 2, VC_STATISTICS_WORDS, out);
}

/* A louder sample counts as this in a mean square. A sample of 1e30, which a device may give, would
 * make the sum infinite, or so large that no later sample changes it. */
#define LOUDEST 1e3f

void vc_count_levels(vc_engine *engine, uint32_t first_meter, const vc_audio *audio,
                     uint32_t frames) {
    for (uint32_t c = 0; c < audio->channels; c++) {
        const float *data = audio->data + (ptrdiff_t)c * audio->channel_stride;
        float peak = 0.0f;
        float squares = 0.0f;
        for (uint32_t f = 0; f < frames; f++) {
            float value = fabsf(data[(ptrdiff_t)f * audio->frame_stride]);
            value = vc_nonfinite(value) ? 0.0f : value; /* input may be NaN, and the sum would stay
                                                         * NaN */
            peak = value > peak ? value : peak;
            value = value < LOUDEST ? value : LOUDEST;
            squares += value * value;
        }
        vc_meter *meter = &engine->meters[first_meter + c];
        if (peak > LOAD(meter->peak)) {
            atomic_store_explicit(&meter->peak, peak, memory_order_relaxed);
        }
        meter->sums.squares += (double)squares;
        meter->sums.frames += frames;
        vc_kept_write(&meter->kept, meter->words, 2, VC_METERED_WORDS, &meter->sums);
    }
}

/* The sums only grow, and the reader remembers their last values. If the reader set them to 0, the
 * IO thread could overwrite the 0 with an old sum plus a block, and the next level would be wrong.
 */
static void read_meter(vc_meter *meter, vc_level *level) {
    vc_metered sums;
    vc_kept_newest(&meter->kept, meter->words, 2, VC_METERED_WORDS, &sums);
    /* A peak is lost if this exchange happens between the IO thread's load and its store. One
     * missing block does not matter in a level meter. */
    level->peak = atomic_exchange_explicit(&meter->peak, 0.0f, memory_order_relaxed);
    uint64_t more = sums.frames - meter->seen.frames;
    double squares = sums.squares - meter->seen.squares;
    level->mean_square = more > 0 ? (float)(squares / (double)more) : 0.0f;
    meter->seen = sums;
}

void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count) {
    uint32_t available = engine->config.output_channels + engine->config.input_channels;
    for (uint32_t i = 0; i < count; i++) {
        levels[i] = (vc_level){0.0f, 0.0f};
        if (engine->meters != NULL && i < available) {
            read_meter(&engine->meters[i], &levels[i]);
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

void vc_post_xrun(vc_engine *engine, uint64_t frames, const vc_time *time, uint32_t cause) {
    vc_event event = {.host_ns = time->host_ns,
                      .sample_frames = time->sample_frames,
                      .value = (int64_t)frames,
                      .kind = VC_EVENT_XRUN,
                      .cause = cause};
    post(engine, &event);
    vc_xruns *xruns = &engine->xruns;
    vc_kept_write(&xruns->kept, xruns->words, VC_XRUNS, VC_EVENT_WORDS, &event);
}

uint32_t vc_engine_xruns(const vc_engine *engine, vc_event *out, uint32_t count) {
    const vc_xruns *xruns = &engine->xruns;
    uint64_t written = vc_kept_count(&xruns->kept);
    uint64_t first = written > VC_XRUNS ? written - VC_XRUNS : 0;
    first = written - first > count ? written - count : first;
    uint32_t got = 0;
    for (uint64_t number = first; number < written; number++) {
        got +=
            vc_kept_read(&xruns->kept, xruns->words, VC_XRUNS, VC_EVENT_WORDS, number, &out[got]);
    }
    return got;
}

void vc_engine_timing(const vc_engine *engine, vc_timing which, uint64_t *counts) {
    vc_histogram_read(&engine->timings[which], counts);
}
