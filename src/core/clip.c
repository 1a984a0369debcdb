/* Clips: sounds that a mixer plays, with their gain, pauses and jumps.
 *
 * The requests of the control thread (gain, pause, jump) are atomic fields, and only the newest one
 * counts. So any number of requests can come between two IO cycles. The IO thread reads them at the
 * beginning of each block.
 *
 * The gain of a clip moves along one straight line at a time, from its present value to a target.
 * Each request begins a new line at the value that the previous line has reached. */
#include "clip.h"

#include <assert.h>
#include <stdlib.h>

#define PAUSE_BIT (UINT64_C(1) << 32)

/* ---- control --------------------------------------------------------------------------------- */

static vc_clip *new_clip(int64_t start_frame, float gain) {
    vc_clip *clip = calloc(1, sizeof *clip);
    if (clip != NULL) {
        clip->start_frame = start_frame;
        clip->target = gain;
        clip->left = clip->right = vc_glide_at(1.0);
        clip->gain_word = vc_ramp_word(gain, 0);
        atomic_store(&clip->gain, clip->gain_word);
        atomic_store(&clip->started_at, VC_CLIP_NOW);
        atomic_store(&clip->origin, INT64_MAX);
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
        clip->loops = clip->all_loops = loops;
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

void vc_clip_wait_with(vc_clip *clip, vc_wait_fn wait, bool when_starved) {
    clip->wait = wait;
    clip->waits_when_starved = when_starved;
}

void vc_clip_prefill(vc_clip *clip, uint32_t frames) {
    clip->prefill_frames = frames;
    clip->filling = frames > 0;
}

void vc_clip_ramp(vc_clip *clip, uint32_t frames) { clip->ramp_frames = frames; }

void vc_clip_free(vc_clip *clip) { free(clip); }

void vc_clip_set_gain(vc_clip *clip, float gain, uint32_t ramp_frames) {
    atomic_store_explicit(&clip->gain, vc_ramp_word(gain, ramp_frames), memory_order_release);
}

void vc_clip_set_pan(vc_clip *clip, float pan, uint32_t ramp_frames) {
    atomic_store_explicit(&clip->pan, vc_ramp_word(pan, ramp_frames), memory_order_release);
}

void vc_clip_set_pause(vc_clip *clip, bool pause, uint32_t fade_frames) {
    atomic_store_explicit(&clip->pause, (pause ? PAUSE_BIT : 0) | fade_frames,
                          memory_order_release);
}

uint32_t vc_clip_ask_jump(vc_clip *clip) {
    uint32_t number = atomic_load_explicit(&clip->asked, memory_order_relaxed) + 1;
    number += number == 0; /* 0 means that the destination is being changed */
    atomic_store_explicit(&clip->asked, number, memory_order_release);
    return number;
}

void vc_clip_jump(vc_clip *clip, uint32_t number, uint64_t frame, uint64_t mark) {
    vc_destination *to = &clip->destination;
    atomic_store(&to->number, 0);
    atomic_store(&to->frame, frame);
    atomic_store(&to->mark, mark);
    atomic_store(&to->number, number);
}

/* ---- all threads ----------------------------------------------------------------------------- */

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

uint64_t vc_clip_heard(const vc_clip *clip, int64_t frame, uint32_t *moves) {
    uint64_t base, mixed;
    int64_t origin;
    do {
        *moves = atomic_load(&clip->moves);
        base = atomic_load(&clip->base);
        mixed = atomic_load(&clip->position);
        origin = atomic_load(&clip->origin);
    } while (*moves % 2 == 1 || *moves != atomic_load(&clip->moves));
    int64_t heard = origin == INT64_MAX || frame < origin ? 0 : frame - origin;
    heard = heard < (int64_t)mixed ? heard : (int64_t)mixed;
    return (uint64_t)heard > base ? (uint64_t)heard : base;
}

/* ---- IO thread: the gain --------------------------------------------------------------------- */

/* Begins a new line of the gain at its present value. */
static void ramp_to(vc_clip *clip, float target, uint32_t frames) {
    float from = clip->target + clip->per_frame * (float)clip->ramp_left;
    clip->target = target;
    clip->per_frame = frames ? (from - target) / (float)frames : 0.0f;
    clip->ramp_left = frames;
}

static bool has_begun(const vc_clip *clip) {
    return atomic_load_explicit(&clip->state, memory_order_relaxed) == VC_CLIP_PLAYING;
}

static bool jump_asked(const vc_clip *clip) {
    return clip->mode != VC_CLIP_ENDS &&
           atomic_load_explicit(&clip->asked, memory_order_acquire) != clip->jumped;
}

/* Whether the clip is faded out and waits for the end of a pause or a jump. */
static bool is_faded_out(const vc_clip *clip) {
    return clip->mode != VC_CLIP_SOUNDS && clip->mode != VC_CLIP_ENDS && clip->ramp_left == 0;
}

static void obey_pan(vc_clip *clip, bool silent) {
    uint64_t word = atomic_load_explicit(&clip->pan, memory_order_acquire);
    if (word != clip->pan_word) {
        clip->pan_word = word;
        vc_glide_pan(&clip->left, &clip->right, vc_ramp_value(word), silent ? 0 : (uint32_t)word);
    }
}

static void obey_gain_and_mode(vc_clip *clip) {
    uint64_t gain = atomic_load_explicit(&clip->gain, memory_order_acquire);
    uint64_t pause = atomic_load_explicit(&clip->pause, memory_order_acquire);
    vc_clip_mode mode = pause & PAUSE_BIT  ? VC_CLIP_PAUSES
                        : jump_asked(clip) ? VC_CLIP_JUMPS
                                           : VC_CLIP_SOUNDS;
    if (mode == clip->mode && (mode != VC_CLIP_SOUNDS || gain == clip->gain_word)) {
        return;
    }
    bool pauses = mode == VC_CLIP_PAUSES || clip->mode == VC_CLIP_PAUSES;
    uint32_t frames = mode == clip->mode ? (uint32_t)gain
                      : pauses           ? (uint32_t)pause
                                         : clip->ramp_frames;
    if (mode != VC_CLIP_SOUNDS && clip->mode != VC_CLIP_SOUNDS) {
        frames = clip->ramp_left; /* the fade that has begun is the right one for both */
    }
    clip->mode = mode;
    clip->gain_word = gain;
    ramp_to(clip, mode == VC_CLIP_SOUNDS ? vc_ramp_value(gain) : 0.0f,
            has_begun(clip) ? frames : 0);
}

/* Begins the ramps that the newest requests of the control thread need, if they have not begun yet.
 * While nothing is heard, a ramp ends at once: after a pause it would be heard. */
static void obey(vc_clip *clip) {
    if (clip->mode != VC_CLIP_ENDS) {
        bool silent = !has_begun(clip) || is_faded_out(clip);
        obey_gain_and_mode(clip);
        obey_pan(clip, silent || is_faded_out(clip));
    }
}

void vc_clip_fade_out(vc_clip *clip, uint32_t fade_frames) {
    obey(clip); /* a clip that was paused before its first frame is silent */
    bool silent = clip->filling || (clip->mode != VC_CLIP_SOUNDS && clip->ramp_left == 0);
    if (clip->mode == VC_CLIP_ENDS && fade_frames >= clip->ramp_left) {
        return;
    }
    clip->mode = VC_CLIP_ENDS;
    ramp_to(clip, 0.0f, silent ? 0 : fade_frames);
}

static void mix_panned(vc_clip *clip, float *to, const float *from, uint32_t frames, float gain,
                       float step) {
    const uint32_t channels = clip->channels;
    for (uint32_t f = 0; f < frames; f++) {
        float even = gain + step * (float)f;
        float sides[2] = {even * (float)vc_glide_next(&clip->left),
                          even * (float)vc_glide_next(&clip->right)};
        for (uint32_t c = 0; c < channels; c++) {
            to[(size_t)f * channels + c] +=
                from[(size_t)f * channels + c] * (c < 2 ? sides[c] : even);
        }
    }
}

/* Adds `frames` frames of a clip to `to`, with the clip's gain. The ramp does not end inside. */
static void mix(vc_clip *clip, float *to, const float *from, uint32_t frames) {
    float gain = clip->target + clip->per_frame * (float)clip->ramp_left;
    float step = clip->ramp_left ? -clip->per_frame : 0.0f;
    clip->ramp_left -= clip->ramp_left ? frames : 0;
    if (clip->channels > 1 && ((clip->left.left | clip->right.left) != 0 ||
                               clip->left.target != 1.0 || clip->right.target != 1.0)) {
        mix_panned(clip, to, from, frames, gain, step);
    } else {
        vc_mix_add(to, from, frames, clip->channels, gain, step);
    }
}

/* ---- IO thread: the source ------------------------------------------------------------------- */

/* Frames of the ring before the destination of a jump that has not been made yet. The control
 * thread tells the destination before it writes the first frame from there. So call this after the
 * peek. */
static uint64_t until_mark(const vc_clip *clip) {
    const vc_destination *to = &clip->destination;
    uint32_t number = atomic_load(&to->number);
    if (number == 0 || number == clip->jumped || atomic_load(&to->frame) == VC_CLIP_NO_FRAME) {
        return UINT64_MAX;
    }
    uint64_t mark = atomic_load(&to->mark), read = vc_ring_total_read(clip->ring);
    return mark > read ? mark - read : 0;
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
        uint64_t most = until_mark(clip);
        return slices.first_frames < most ? slices.first_frames : (uint32_t)most;
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

static bool has_frames(const void *clip) {
    vc_ring *ring = ((const vc_clip *)clip)->ring;
    return vc_ring_readable(ring) > 0 || vc_ring_finished(ring);
}

static bool is_filled(const void *argument) {
    const vc_clip *clip = argument;
    return vc_ring_ended(clip->ring) || vc_ring_readable(clip->ring) >= clip->prefill_frames;
}

static bool knows_destination(const void *argument) {
    const vc_clip *clip = argument;
    return atomic_load(&clip->destination.number) == atomic_load(&clip->asked);
}

/* Waits until `ready` if the device's clock is not real. Returns whether it is. */
static bool wait_until(const vc_clip *clip, bool (*ready)(const void *clip)) VC_REALTIME {
    bool arrived = false;
    VC_UNPROVEN /* the call waits, but only if the device's clock is not real */
        arrived = clip->wait != NULL && clip->wait(ready, clip);
    VC_PROVEN_AGAIN
    return arrived;
}

static bool is_known(const vc_clip *clip, bool (*ready)(const void *clip)) VC_REALTIME {
    bool known = false;
    VC_UNPROVEN /* the three functions above only load atomic fields */
        known = ready(clip);
    VC_PROVEN_AGAIN
    return known || wait_until(clip, ready);
}

static bool at_end(const vc_clip *clip) {
    if (clip->mode == VC_CLIP_ENDS && clip->ramp_left == 0) {
        return true;
    }
    if (jump_asked(clip)) {
        return false;
    }
    if (clip->ring != NULL) {
        return vc_ring_finished(clip->ring);
    }
    return clip->cursor == clip->frames && (clip->loops == 1 || clip->frames == 0);
}

/* Moves the clip of a memory to a frame that is counted over all loops. */
static void set_cursor(vc_clip *clip, uint64_t frame) {
    uint64_t pass = clip->frames ? frame / clip->frames : 0;
    if (clip->all_loops != 0 && pass >= clip->all_loops) {
        clip->loops = 1;
        clip->cursor = clip->frames;
        return;
    }
    clip->loops = clip->all_loops ? clip->all_loops - pass : 0;
    clip->cursor = clip->frames ? frame % clip->frames : 0;
}

static void skip_to_mark(vc_ring *ring, uint64_t mark) {
    vc_slices old;
    uint64_t read = vc_ring_total_read(ring);
    while (read < mark) {
        uint64_t left = mark - read;
        uint32_t most = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
        uint32_t dropped = vc_ring_peek(ring, most, &old);
        vc_ring_release(ring, dropped);
        read += dropped;
    }
}

/* Makes the jump that was requested if its destination is known. */
static bool jump(vc_clip *clip) {
    if (!is_known(clip, knows_destination)) {
        return false;
    }
    uint32_t number = atomic_load(&clip->destination.number);
    uint64_t frame = atomic_load(&clip->destination.frame);
    uint64_t mark = atomic_load(&clip->destination.mark);
    if (number == 0 || number != atomic_load(&clip->destination.number)) {
        return false; /* a newer jump was requested meanwhile */
    }
    clip->jumped = number;
    if (frame != VC_CLIP_NO_FRAME) {
        if (clip->ring != NULL) {
            skip_to_mark(clip->ring, mark);
            clip->filling = clip->prefill_frames > 0;
        } else {
            set_cursor(clip, frame);
        }
        atomic_fetch_add(&clip->moves, 1);
        atomic_store(&clip->base, frame);
        atomic_store(&clip->position, frame);
        atomic_store(&clip->origin, INT64_MAX);
        atomic_fetch_add(&clip->moves, 1);
    }
    obey(clip);
    return true;
}

/* Counts `frames` frames that are mixed from the mixer's frame `frame` on. */
static void count_played(vc_clip *clip, int64_t frame, uint32_t frames) {
    uint64_t position = atomic_load_explicit(&clip->position, memory_order_relaxed);
    if (!has_begun(clip)) {
        atomic_store_explicit(&clip->started_at, frame, memory_order_relaxed);
        atomic_store_explicit(&clip->state, VC_CLIP_PLAYING, memory_order_release);
    }
    atomic_store_explicit(&clip->origin, frame - (int64_t)position, memory_order_release);
    atomic_store_explicit(&clip->position, position + frames, memory_order_release);
}

/* Whether the clip has nothing to play at this moment, because it is paused, or because frames at
 * the destination of a jump or at the beginning have not been read yet. */
static bool is_silent(vc_clip *clip) {
    if (is_faded_out(clip)) {
        bool moved = jump_asked(clip) && jump(clip);
        if (!moved || clip->mode == VC_CLIP_PAUSES) {
            return true;
        }
    }
    if (clip->filling && clip->mode != VC_CLIP_ENDS) {
        clip->filling = !is_known(clip, is_filled);
    }
    return clip->filling && clip->mode != VC_CLIP_ENDS;
}

/* Plays from frame `offset` of the block on. Returns the frame of the block after the last one. */
static uint32_t play(vc_clip *clip, vc_block *block, uint32_t offset, int64_t now) {
    while (offset < block->frames && !at_end(clip)) {
        if (is_silent(clip)) {
            return block->frames;
        }
        uint32_t wanted = block->frames - offset;
        if (clip->ramp_left > 0 && clip->ramp_left < wanted) {
            wanted = clip->ramp_left;
        }
        const float *source = NULL;
        bool starved = false;
        uint32_t got = next_source(clip, wanted, &source, &starved);
        if (got == 0 && jump_asked(clip)) { /* no frames are left for the fade */
            obey(clip);
            clip->ramp_left = 0;
            continue;
        }
        if (starved && clip->waits_when_starved && wait_until(clip, has_frames)) {
            continue;
        }
        if (starved) {
            atomic_fetch_add_explicit(&clip->starved, wanted, memory_order_relaxed);
            clip->ramp_left -= clip->ramp_left ? wanted : 0; /* otherwise a stop would not end */
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

bool vc_clip_play(vc_clip *clip, vc_block *block, int64_t now, uint32_t *end) {
    obey(clip);
    /* VC_CLIP_NOW is the smallest number, so `wait` is 0 for it. */
    int64_t wait = clip->start_frame > now ? clip->start_frame - now : 0;
    if (clip->mode == VC_CLIP_ENDS && (clip->ramp_left == 0 || wait > 0)) {
        return true;
    }
    if (wait >= (int64_t)block->frames) {
        return false;
    }
    *end = play(clip, block, (uint32_t)wait, now);
    return at_end(clip);
}
