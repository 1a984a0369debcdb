/* Mixes clips on the IO thread. Each clip begins at an exact frame.
 *
 * The control thread owns the memory of a clip. A command gives the clip to the IO thread, which
 * keeps it in an array that no other thread touches. A result returns the clip, and then the
 * control thread frees it. clip.c has the clips themselves.
 *
 * Invariant: a clip is in exactly one place: with the control thread, in the queue of commands,
 * with the IO thread, or in the queue of results. The fields that other threads read are atomic. */
#include "clip.h"
#include "memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

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
    _Atomic int64_t next_ns;
};

/* ---- control --------------------------------------------------------------------------------- */

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

int64_t vc_mixer_next_ns(const vc_mixer *mixer) { return atomic_load(&mixer->next_ns); }

/* ---- IO thread ------------------------------------------------------------------------------- */

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
                vc_clip_fade_out(command.clip, command.fade_frames);
            }
        }
    }
}

int32_t vc_mixer_process(vc_block *block, void *user) {
    vc_mixer *mixer = user;
    const bool has_time = (block->output_time.valid & VC_TIME_HOST) != 0;
    const vc_place place = {
        .to = block->output.data,
        .channels = mixer->channels,
        .first_frame = (int64_t)atomic_load_explicit(&mixer->frames, memory_order_relaxed),
        .first_ns = has_time ? block->output_time.host_ns : vc_clock_ns(),
        .ns_per_frame = block->samplerate_hz > 0.0 ? 1e9 / block->samplerate_hz : 0.0,
        .frames = block->frames};
    uint32_t last = 0;
    take_commands(mixer);
    for (uint32_t i = 0; i < mixer->count;) {
        vc_clip *clip = mixer->playing[i];
        uint32_t end = 0;
        bool done = vc_clip_play(clip, &place, &end);
        last = end > last ? end : last;
        if (done) {
            atomic_store_explicit(&clip->state, clip->skipped ? VC_CLIP_LATE : VC_CLIP_DONE,
                                  memory_order_release);
            vc_queue_push(mixer->results, &clip); /* the queue has room for all clips */
            mixer->playing[i] = mixer->playing[--mixer->count];
        } else {
            i++;
        }
    }
    atomic_store(&mixer->next_ns,
                 place.first_ns + (int64_t)(place.ns_per_frame * block->frames + 0.5));
    atomic_store_explicit(&mixer->frames, (uint64_t)place.first_frame + block->frames,
                          memory_order_release);
    bool over = mixer->end_when_empty && mixer->count == 0;
    /* While clips are left, all frames are content, also the silence before a scheduled clip. */
    block->valid_frames = mixer->count > 0 ? block->frames : last;
    return over ? VC_STOP : VC_CONTINUE;
}
