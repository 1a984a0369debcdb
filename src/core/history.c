/* The newest frames of a stream for other threads: one producer, any number of readers, no lock.
 *
 * The memory is a ring that the producer overwrites. It announces in `claimed` how far it is going
 * to write before it writes the frames, and counts them in `written` afterwards. A reader copies
 * frames that `written` counts, and then reads `claimed`: frames before `claimed - capacity` may
 * have been overwritten during the copy. Stamps work the same way: kept.h.
 *
 * Invariant: a frame that is copied and not reported as overwritten is the one that was written at
 * its position. tests/models/history.pml is a model of this. As in kept.h, samples are relaxed
 * atomic words, and the fences order them against the counts. */
#include "history.h"
#include "audio.h"
#include "engine.h"
#include "kept.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { STAMPS = 4096 }; /* a power of two */
enum { STAMP_WORDS = sizeof(vc_stamp) / sizeof(uint64_t) };
_Static_assert(sizeof(vc_stamp) % sizeof(uint64_t) == 0, "kept word by word");
_Static_assert(sizeof(float) == sizeof(uint32_t), "a sample is one word");

struct vc_history {
    _Atomic uint32_t *samples;
    vc_kept kept_stamps;
    _Atomic uint64_t *stamps; /* STAMPS records */
    uint32_t *map;
    uint32_t capacity; /* frames */
    uint32_t channels;
    uint32_t limit;       /* 0: none */
    bool ends;            /* at the limit */
    vc_wait_fn wait;      /* NULL: the IO thread does not wait */
    uint32_t spacing;     /* most frames without a stamp */
    vc_stamp last;        /* the newest stamp. [producer] */
    uint64_t lost_before; /* frames that the stream had lost before the first frame. [producer] */
    _Atomic uint64_t claimed;
    _Atomic uint64_t written;
    _Atomic bool ended;
    unsigned char apart[64];
    _Atomic uint64_t released; /* written by the reader */
};

vc_history *vc_history_new(uint32_t frames, const uint32_t *map, uint32_t channels) {
    vc_history *history = calloc(1, sizeof *history);
    if (history == NULL) {
        return NULL;
    }
    history->samples = vc_memory_new(frames, channels * sizeof(uint32_t));
    history->stamps = vc_memory_new(STAMPS, sizeof(vc_stamp));
    history->map = calloc(channels + 1, sizeof *history->map);
    if (history->samples == NULL || history->stamps == NULL || history->map == NULL) {
        vc_history_free(history);
        return NULL;
    }
    memcpy(history->map, map, channels * sizeof *map);
    history->capacity = frames;
    history->channels = channels;
    history->spacing = frames / (STAMPS / 2) + 1;
    return history;
}

void vc_history_free(vc_history *history) {
    if (history != NULL) {
        vc_memory_free((void *)history->samples);
        vc_memory_free((void *)history->stamps);
        free(history->map);
        free(history);
    }
}

void vc_history_limit(vc_history *history, uint32_t frames, bool ends, vc_wait_fn wait) {
    history->limit = frames;
    history->ends = ends;
    history->wait = wait;
}

uint32_t vc_history_capacity(const vc_history *history) { return history->capacity; }

uint32_t vc_history_channels(const vc_history *history) { return history->channels; }

uint64_t vc_history_written(const vc_history *history) {
    return atomic_load_explicit(&history->written, memory_order_acquire);
}

bool vc_history_ended(const vc_history *history) {
    return atomic_load_explicit(&history->ended, memory_order_acquire);
}

void vc_history_release(vc_history *history, uint64_t position) {
    atomic_store_explicit(&history->released, position, memory_order_release);
}

/* ---- readers --------------------------------------------------------------------------------- */

uint64_t vc_history_copy(const vc_history *history, uint64_t position, float *out,
                         uint32_t frames) {
    const uint32_t channels = history->channels;
    uint64_t at = position % history->capacity;
    for (uint32_t f = 0; f < frames; f++) {
        const _Atomic uint32_t *from = history->samples + at * channels;
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t word = atomic_load_explicit(&from[c], memory_order_relaxed);
            memcpy(out++, &word, sizeof word);
        }
        at = at + 1 == history->capacity ? 0 : at + 1;
    }
    atomic_thread_fence(memory_order_acquire);
    uint64_t end = atomic_load_explicit(&history->claimed, memory_order_relaxed);
    return end > history->capacity ? end - history->capacity : 0;
}

uint64_t vc_history_stamps(const vc_history *history) {
    return vc_kept_count(&history->kept_stamps);
}

bool vc_history_stamp(const vc_history *history, uint64_t number, vc_stamp *out) {
    return vc_kept_read(&history->kept_stamps, history->stamps, STAMPS, STAMP_WORDS, number, out);
}

/* ---- the producer ---------------------------------------------------------------------------- */

/* Keeps a stamp if the times do not follow from the last one, and now and then otherwise. */
static void note(vc_history *history, uint64_t position, const vc_stamp *given) {
    vc_stamp *last = &history->last;
    bool first = history->last.samplerate_hz == 0.0;
    history->lost_before = first ? given->lost_frames : history->lost_before;
    vc_stamp stamp = *given;
    stamp.position = position;
    stamp.lost_frames = given->lost_frames - history->lost_before;
    int64_t passed = (int64_t)(position - last->position);
    bool follows = stamp.lost_frames == last->lost_frames &&
                   stamp.samplerate_hz == last->samplerate_hz && stamp.valid == last->valid &&
                   stamp.sample_frames == last->sample_frames + passed &&
                   stamp.device_frames == last->device_frames + passed;
    if (first || !follows || passed >= (int64_t)history->spacing) {
        vc_kept_write(&history->kept_stamps, history->stamps, STAMPS, STAMP_WORDS, &stamp);
        *last = stamp;
    }
}

static void write_channel(const vc_history *history, uint64_t at, uint32_t channel,
                          const vc_channel *from, uint32_t frames) {
    _Atomic uint32_t *to = history->samples + channel;
    for (uint32_t f = 0; f < frames; f++) {
        uint32_t word = 0;
        if (from->data != NULL) {
            memcpy(&word, from->data + (ptrdiff_t)f * from->stride, sizeof word);
        }
        atomic_store_explicit(&to[at * history->channels], word, memory_order_relaxed);
        at = at + 1 == history->capacity ? 0 : at + 1;
    }
}

typedef struct wanted_room {
    const vc_history *history;
    uint64_t end;
} wanted_room;

static bool has_room(const void *argument) {
    const wanted_room *wanted = argument;
    uint64_t released = atomic_load_explicit(&wanted->history->released, memory_order_acquire);
    return wanted->end <= released + wanted->history->limit;
}

/* Returns how many frames may be written, and ends the history if these are not all. */
static uint32_t room(vc_history *history, uint64_t position, uint32_t frames) VC_REALTIME {
    const wanted_room wanted = {history, position + frames};
    if (history->limit == 0 || has_room(&wanted)) {
        return frames;
    }
    if (history->wait) { /* do not compare with NULL: see cycle.c */
        VC_UNPROVEN      /* only a device whose clock is not real waits */
            history->wait(has_room, &wanted);
        VC_PROVEN_AGAIN
    }
    /* The reader may release frames at any time, so there may be more room now than is wanted. */
    uint64_t released = atomic_load_explicit(&history->released, memory_order_acquire);
    uint64_t left = released + history->limit - position;
    if (!history->ends || left >= frames) {
        return frames;
    }
    atomic_store_explicit(&history->ended, true, memory_order_release);
    return (uint32_t)left;
}

void vc_history_write(vc_history *history, const vc_audio *audio, uint32_t frames,
                      const vc_stamp *stamp) {
    uint64_t position = atomic_load_explicit(&history->written, memory_order_relaxed);
    if (vc_history_ended(history)) {
        return;
    }
    frames = room(history, position, frames);
    if (frames == 0) {
        return;
    }
    note(history, position, stamp);
    atomic_store_explicit(&history->claimed, position + frames, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (uint32_t c = 0; c < history->channels; c++) {
        const uint32_t of = history->map[c];
        const vc_channel from =
            of < audio->channels ? vc_channel_of(audio, of) : (vc_channel){NULL, 0};
        write_channel(history, position % history->capacity, c, &from, frames);
    }
    atomic_store_explicit(&history->written, position + frames, memory_order_release);
}

/* ---- the histories of an engine -------------------------------------------------------------- */

bool vc_engine_add_history(vc_engine *engine, vc_history *history, vc_direction direction) {
    vc_histories *all = &engine->histories;
    for (uint32_t i = 0; i < VC_HISTORIES; i++) {
        if (atomic_load(&all->slots[i]) == NULL) {
            atomic_store(&all->directions[i], (uint32_t)direction);
            atomic_store(&all->slots[i], history);
            if (i >= atomic_load(&all->used)) {
                atomic_store(&all->used, i + 1);
            }
            return true;
        }
    }
    return false;
}

uint64_t vc_engine_remove_history(vc_engine *engine, const vc_history *history) {
    vc_histories *all = &engine->histories;
    for (uint32_t i = 0; i < VC_HISTORIES; i++) {
        if (atomic_load(&all->slots[i]) == history) {
            atomic_store(&all->slots[i], NULL);
        }
    }
    return atomic_load(&all->turn);
}

bool vc_engine_history_is_unused(const vc_engine *engine, uint64_t removed) {
    return (removed & 1u) == 0 || atomic_load(&engine->histories.turn) != removed;
}

int32_t vc_nothing_process(vc_block *block, void *user) {
    (void)block;
    (void)user;
    return VC_CONTINUE;
}

static vc_stamp stamp_of(const vc_engine *engine, const vc_time *stream, const vc_time *device) {
    return (vc_stamp){.lost_frames = engine->counted.lost_frames,
                      .host_ns = stream->host_ns,
                      .sample_frames = stream->sample_frames,
                      .device_frames = device->sample_frames,
                      .samplerate_hz = engine->config.samplerate_hz,
                      .valid = stream->valid};
}

/* The output is that of the device's cycle. A stream that has moved may play on other channels, or
 * leave some of its channels out. */
void vc_listen_all(vc_engine *engine, const vc_cycle *device, const vc_cycle *stream) {
    vc_histories *histories = &engine->histories;
    uint64_t turn = atomic_load_explicit(&histories->turn, memory_order_relaxed);
    atomic_store(&histories->turn, turn + 1);
    const vc_stamp input = stamp_of(engine, &stream->input_time, &device->input_time);
    const vc_stamp output = stamp_of(engine, &stream->output_time, &device->output_time);
    uint32_t used = atomic_load_explicit(&histories->used, memory_order_relaxed);
    for (uint32_t i = 0; i < used; i++) {
        vc_history *history = atomic_load(&histories->slots[i]);
        if (history != NULL) {
            bool plays = atomic_load_explicit(&histories->directions[i], memory_order_relaxed) ==
                         (uint32_t)VC_OUTPUT;
            vc_history_write(history, plays ? &device->output : &stream->input, stream->frames,
                             plays ? &output : &input);
        }
    }
    atomic_store_explicit(&histories->turn, turn + 2, memory_order_release);
}
