/* Mixes clips on the IO thread. Each clip begins at an exact frame.
 *
 * The control thread owns the memory of a clip. A command gives the clip to the IO thread, which
 * keeps it in an array that no other thread touches. A result returns the clip, and then the
 * control thread frees it.
 *
 * Invariant: a clip is in exactly one place: with the control thread, in the queue of commands,
 * with the IO thread, or in the queue of results. The fields that other threads read are atomic. */
#include "memory.h"
#include "voicecoil.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct vc_clip {
    const float *data; /* NULL: the clip plays `ring` */
    vc_ring *ring;
    uint64_t frames; /* length of one loop */
    uint64_t loops;  /* loops left; 0: for ever */
    uint32_t channels;
    int64_t start_frame;
    float gain;
    bool (*wait)(const vc_ring *ring); /* NULL: the mixer does not wait for frames */
    /* Only for the IO thread. */
    uint64_t cursor; /* frames into the current loop */
    uint32_t fade_left, fade_frames;
    bool fading;
    /* For all threads. */
    _Atomic int state;
    _Atomic uint64_t position;
    _Atomic uint64_t starved;
    _Atomic int64_t started_at;
};

typedef struct vc_command {
    vc_clip *clip;
    uint32_t stop; /* 0: add the clip; 1: stop it */
    uint32_t fade_frames;
} vc_command;

struct vc_mixer {
    uint32_t channels;
    uint32_t capacity;
    bool end_when_empty;
    uint32_t given; /* only for control: clips that were added and not yet collected */
    vc_queue *commands;
    vc_queue *results;
    vc_clip **playing; /* only for the IO thread */
    uint32_t count;
    _Atomic uint64_t frames;
};

/* ---- control --------------------------------------------------------------------------------- */

static vc_clip *new_clip(int64_t start_frame, float gain) {
    vc_clip *clip = calloc(1, sizeof *clip);
    if (clip != NULL) {
        clip->start_frame = start_frame;
        clip->gain = gain;
        atomic_store(&clip->started_at, VC_CLIP_NOW);
    }
    return clip;
}

vc_clip *vc_clip_from_memory(const float *data, uint64_t frames, uint32_t channels, uint64_t loops,
                             int64_t start_frame, float gain) {
    vc_clip *clip = new_clip(start_frame, gain);
    if (clip != NULL) {
        clip->data = data;
        clip->frames = frames;
        clip->channels = channels;
        clip->loops = loops;
    }
    return clip;
}

vc_clip *vc_clip_from_ring(vc_ring *ring, int64_t start_frame, float gain) {
    vc_clip *clip = new_clip(start_frame, gain);
    if (clip != NULL) {
        clip->ring = ring;
        clip->channels = vc_ring_channels(ring);
    }
    return clip;
}

void vc_clip_wait_with(vc_clip *clip, bool (*wait)(const vc_ring *ring)) { clip->wait = wait; }

void vc_clip_free(vc_clip *clip) { free(clip); }

vc_clip_state vc_clip_get_state(const vc_clip *clip) {
    return (vc_clip_state)atomic_load_explicit(&clip->state, memory_order_acquire);
}

uint64_t vc_clip_position(const vc_clip *clip) {
    return atomic_load_explicit(&clip->position, memory_order_acquire);
}

uint64_t vc_clip_starved_frames(const vc_clip *clip) {
    return atomic_load_explicit(&clip->starved, memory_order_acquire);
}

int64_t vc_clip_started_at(const vc_clip *clip) {
    return atomic_load_explicit(&clip->started_at, memory_order_acquire);
}

vc_mixer *vc_mixer_new(uint32_t channels, uint32_t capacity, bool end_when_empty) {
    vc_mixer *mixer = calloc(1, sizeof *mixer);
    if (mixer == NULL) {
        return NULL;
    }
    mixer->channels = channels;
    mixer->capacity = capacity;
    mixer->end_when_empty = end_when_empty;
    mixer->commands = vc_queue_new(capacity * 2, sizeof(vc_command));
    mixer->results = vc_queue_new(capacity, sizeof(vc_clip *));
    mixer->playing = vc_memory_new(capacity, sizeof *mixer->playing);
    if (mixer->commands == NULL || mixer->results == NULL || mixer->playing == NULL) {
        vc_mixer_free(mixer);
        return NULL;
    }
    return mixer;
}

void vc_mixer_free(vc_mixer *mixer) {
    if (mixer != NULL) {
        vc_queue_free(mixer->commands);
        vc_queue_free(mixer->results);
        vc_memory_free(mixer->playing);
        free(mixer);
    }
}

bool vc_mixer_add(vc_mixer *mixer, vc_clip *clip) {
    assert(clip->channels == mixer->channels);
    vc_command command = {.clip = clip};
    if (mixer->given == mixer->capacity || !vc_queue_push(mixer->commands, &command)) {
        return false;
    }
    /* The IO thread may be playing the clip already. From here on, only the IO thread changes the
     * state. */
    int fresh = VC_CLIP_NEW;
    atomic_compare_exchange_strong(&clip->state, &fresh, VC_CLIP_QUEUED);
    mixer->given++;
    return true;
}

bool vc_mixer_stop(vc_mixer *mixer, vc_clip *clip, uint32_t fade_frames) {
    vc_command command = {.clip = clip, .stop = 1, .fade_frames = fade_frames};
    return vc_queue_push(mixer->commands, &command);
}

vc_clip *vc_mixer_collect(vc_mixer *mixer) {
    vc_clip *clip;
    if (!vc_queue_pop(mixer->results, &clip)) {
        return NULL;
    }
    mixer->given--;
    return clip;
}

uint32_t vc_mixer_alive(const vc_mixer *mixer) { return mixer->given; }

uint64_t vc_mixer_frames(const vc_mixer *mixer) {
    return atomic_load_explicit(&mixer->frames, memory_order_acquire);
}

/* ---- IO thread ------------------------------------------------------------------------------- */

/* Begins a fade at the clip's current level, which an earlier fade may have lowered. A second stop
 * can make the fade shorter, but not longer. */
static void begin_fade(vc_clip *clip, uint32_t fade_frames) {
    if (clip->fading) {
        if (fade_frames >= clip->fade_left) {
            return;
        }
        clip->gain *= (float)clip->fade_left / (float)clip->fade_frames;
    }
    clip->fading = true;
    clip->fade_frames = clip->fade_left = fade_frames;
}

static void take_commands(vc_mixer *mixer) {
    vc_command command;
    while (vc_queue_pop(mixer->commands, &command)) {
        if (!command.stop) {
            mixer->playing[mixer->count++] = command.clip; /* there is room: given <= capacity */
            continue;
        }
        /* If the clip has ended meanwhile, it is not found, and there is nothing to stop. */
        for (uint32_t i = 0; i < mixer->count; i++) {
            if (mixer->playing[i] == command.clip) {
                begin_fade(command.clip, command.fade_frames);
            }
        }
    }
}

/* Adds `frames` frames of a clip to `to`, with the clip's gain and fade. */
static void mix(vc_clip *clip, float *to, const float *from, uint32_t frames) {
    float gain = clip->gain;
    float step = 0.0f;
    if (clip->fading) {
        float per_frame = clip->gain / (float)clip->fade_frames;
        gain = per_frame * (float)clip->fade_left;
        step = -per_frame;
        clip->fade_left -= frames;
    }
    vc_mix_add(to, from, frames, clip->channels, gain, step);
}

/* Finds the next contiguous source frames, at most `frames`. Returns 0 at the end. `starved` is set
 * if a ring is empty but has not ended. */
static uint32_t next_source(vc_clip *clip, uint32_t frames, const float **source, bool *starved) {
    *starved = false;
    if (clip->ring != NULL) {
        vc_slices slices;
        /* The end is checked before the peek, so that frames written just before the end are not
         * missed. */
        bool finished = vc_ring_finished(clip->ring);
        vc_ring_peek(clip->ring, frames, &slices);
        *source = slices.first;
        *starved = slices.first_frames == 0 && !finished;
        return slices.first_frames;
    }
    if (clip->cursor == clip->frames) {
        if (clip->loops == 1 || clip->frames == 0) {
            return 0;
        }
        clip->loops -= clip->loops != 0;
        clip->cursor = 0;
    }
    uint64_t left = clip->frames - clip->cursor;
    *source = clip->data + clip->cursor * clip->channels;
    return left < frames ? (uint32_t)left : frames;
}

static bool wait_for_ring(const vc_clip *clip) VC_REALTIME {
    bool arrived = false;
    VC_UNPROVEN /* the call waits, but only if the device's clock is not real */
        arrived = clip->wait != NULL && clip->wait(clip->ring);
    VC_PROVEN_AGAIN
    return arrived;
}

static bool at_end(const vc_clip *clip) {
    if (clip->fading && clip->fade_left == 0) {
        return true;
    }
    if (clip->ring != NULL) {
        return vc_ring_finished(clip->ring);
    }
    return clip->cursor == clip->frames && (clip->loops == 1 || clip->frames == 0);
}

/* Counts `frames` frames that are mixed from the mixer's frame `frame` on. */
static void count_played(vc_clip *clip, int64_t frame, uint32_t frames) {
    if (atomic_load_explicit(&clip->state, memory_order_relaxed) != VC_CLIP_PLAYING) {
        atomic_store_explicit(&clip->started_at, frame, memory_order_relaxed);
        atomic_store_explicit(&clip->state, VC_CLIP_PLAYING, memory_order_release);
    }
    atomic_fetch_add_explicit(&clip->position, frames, memory_order_release);
}

/* Plays one clip from frame `offset` of the block on. The block begins at the mixer's frame `now`.
 * Returns the frame of the block after the clip's last one. */
static uint32_t play(vc_clip *clip, vc_block *block, uint32_t offset, int64_t now) {
    while (offset < block->frames && !at_end(clip)) {
        uint32_t frames = block->frames;
        uint32_t wanted = frames - offset;
        if (clip->fading && clip->fade_left < wanted) {
            wanted = clip->fade_left;
        }
        const float *source = NULL;
        bool starved = false;
        uint32_t got = next_source(clip, wanted, &source, &starved);
        if (starved && wait_for_ring(clip)) {
            continue;
        }
        if (starved) {
            atomic_fetch_add_explicit(&clip->starved, wanted, memory_order_relaxed);
            if (clip->fading) { /* otherwise a stop would not end while the ring is empty */
                clip->fade_left -= wanted;
            }
            offset += wanted;
            continue;
        }
        if (got == 0) {
            continue; /* the ring has ended since the peek, and at_end finds out */
        }
        mix(clip, block->output.data + (size_t)offset * clip->channels, source, got);
        if (clip->ring != NULL) {
            vc_ring_release(clip->ring, got);
        } else {
            clip->cursor += got;
        }
        count_played(clip, now + offset, got);
        offset += got;
    }
    return offset;
}

int32_t vc_mixer_process(vc_block *block, void *user) {
    vc_mixer *mixer = user;
    int64_t now = (int64_t)atomic_load_explicit(&mixer->frames, memory_order_relaxed);
    uint32_t last = 0;
    take_commands(mixer);
    for (uint32_t i = 0; i < mixer->count;) {
        vc_clip *clip = mixer->playing[i];
        /* VC_CLIP_NOW is the smallest number, so `wait` is 0 for it. */
        int64_t wait = clip->start_frame > now ? clip->start_frame - now : 0;
        bool done = clip->fading && (clip->fade_left == 0 || wait > 0);
        if (!done && wait >= (int64_t)block->frames) {
            i++;
            continue;
        }
        if (!done) {
            uint32_t end = play(clip, block, (uint32_t)wait, now);
            last = end > last ? end : last;
            done = at_end(clip);
        }
        if (done) {
            atomic_store_explicit(&clip->state, VC_CLIP_DONE, memory_order_release);
            vc_queue_push(mixer->results, &clip); /* the queue has room for all clips */
            mixer->playing[i] = mixer->playing[--mixer->count];
        } else {
            i++;
        }
    }
    atomic_store_explicit(&mixer->frames, (uint64_t)now + block->frames, memory_order_release);
    bool over = mixer->end_when_empty && mixer->count == 0;
    /* While clips are left, all frames are content, also the silence before a scheduled clip. */
    block->valid_frames = mixer->count > 0 ? block->frames : last;
    return over ? VC_STOP : VC_CONTINUE;
}
