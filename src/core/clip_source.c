/* Where the frames of a clip come from: its memory or its ring, with loops, jumps and any rate.
 *
 * At rate 1 the frames are mixed where they are. At another rate they are copied into a window, a
 * few frames ahead of the position, and vc_between_frames makes frames between them. The window
 * also holds the frame before the position. So loops and the ends of a ring need no care there. */
#include "clip.h"
#include "memory.h"
#include "smaller.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool vc_clip_new_window(vc_clip *clip) {
    clip->window = vc_memory_new(VC_CLIP_WINDOW + VC_PATH_FRAMES, clip->channels * sizeof(float));
    if (clip->window == NULL) {
        return false;
    }
    clip->made = clip->window + (size_t)VC_CLIP_WINDOW * clip->channels;
    clip->filled = 1;
    return true;
}

/* ---- memory and ring ------------------------------------------------------------------------- */

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

static bool has_ended(const vc_clip *clip) {
    if (clip->ring != NULL) {
        return vc_ring_finished(clip->ring);
    }
    return clip->cursor == clip->frames && (clip->loops == 1 || clip->frames == 0);
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
        return (uint32_t)vc_smaller_64(slices.first_frames, until_mark(clip));
    }
    if (has_ended(clip)) {
        return 0;
    }
    if (clip->loops != 1 && clip->cursor == clip->options.loop_end) {
        clip->loops -= clip->loops != 0;
        clip->cursor = clip->options.loop_begin;
    }
    uint64_t end = clip->loops == 1 ? clip->frames : clip->options.loop_end;
    *source = clip->data + clip->cursor * clip->channels;
    return (uint32_t)vc_smaller_64(end - clip->cursor, frames);
}

static void consume(vc_clip *clip, uint32_t frames) {
    if (clip->ring != NULL) {
        vc_ring_release(clip->ring, frames);
    } else {
        clip->cursor += frames;
    }
}

/* ---- rate ------------------------------------------------------------------------------------ */

/* Whether the frames can be mixed where they are. */
static bool is_whole(const vc_clip *clip) {
    return clip->filled == 1 && clip->phase == 0.0 && clip->levels.rate.left == 0 &&
           clip->levels.rate.target == 1.0;
}

/* Copies source frames until the window has `frames` frames. */
static void fill(vc_clip *clip, uint32_t frames, bool *starved) {
    const size_t channels = clip->channels;
    const float *source;
    while (clip->filled < frames) {
        uint32_t got = next_source(clip, frames - clip->filled, &source, starved);
        if (got == 0) {
            return;
        }
        memcpy(clip->window + clip->filled * channels, source, got * channels * sizeof(float));
        clip->filled += got;
        consume(clip, got);
    }
}

/* The frames of the window that are needed for that number of frames. */
static uint32_t needed(const vc_path *path, uint32_t frames) {
    return (uint32_t)vc_path_at(path, (double)(frames - 1)) + 4;
}

/* The number of frames that the window can have in one path. */
static uint32_t most_frames(const vc_clip *clip, const vc_path *path, uint32_t frames) {
    uint32_t count = vc_smaller(frames, VC_PATH_FRAMES);
    double last = path->rate + 2.0 * path->rate_change * (double)count;
    double fastest = last > path->rate ? last : path->rate;
    double fits = ((double)VC_CLIP_WINDOW - 5.0 - clip->phase) / fastest;
    return fits < (double)count ? (uint32_t)fits : count;
}

uint32_t vc_clip_take(vc_clip *clip, uint32_t frames, const float **from, bool *starved) {
    if (is_whole(clip)) {
        return next_source(clip, frames, from, starved);
    }
    *starved = false;
    vc_path *path = &clip->path;
    *path = (vc_path){.base = 1.0,
                      .first = clip->phase,
                      .rate = vc_glide_value(&clip->levels.rate),
                      .rate_change = vc_levels_rate_change(&clip->levels)};
    uint32_t count = most_frames(clip, path, frames);
    uint32_t wanted = needed(path, count);
    assert(count > 0 && wanted <= VC_CLIP_WINDOW);
    fill(clip, wanted, starved);
    uint32_t filled = clip->filled;
    if (filled < wanted && has_ended(clip)) { /* behind the end is silence */
        size_t channels = clip->channels;
        memset(clip->window + filled * channels, 0, (wanted - filled) * channels * sizeof(float));
        while (count > 0 && vc_path_at(path, (double)(count - 1)) >= (double)(filled - 1)) {
            count--;
        }
    } else {
        while (count > 0 && needed(path, count) > filled) {
            count--;
        }
    }
    if (count > 0) {
        vc_between_frames(clip->made, clip->window, clip->channels, path, count);
    }
    *from = clip->made;
    return count;
}

void vc_clip_pass(vc_clip *clip, const float *from, uint32_t frames) {
    const size_t channels = clip->channels, bytes = channels * sizeof(float);
    if (is_whole(clip)) {
        memcpy(clip->window, from + (frames - 1) * channels, bytes);
        consume(clip, frames);
        clip->now_at += frames;
        return;
    }
    double position = vc_path_at(&clip->path, (double)frames);
    uint32_t gone = vc_smaller((uint32_t)position, clip->filled - 1);
    clip->filled -= gone;
    memmove(clip->window, clip->window + gone * channels, clip->filled * bytes);
    clip->phase = position - (double)gone;
    clip->now_at += gone;
}

bool vc_clip_is_empty(const vc_clip *clip) {
    return has_ended(clip) && (double)(clip->filled - 1) <= clip->phase;
}

/* ---- waits ----------------------------------------------------------------------------------- */

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
    return atomic_load(&clip->destination.number) == atomic_load(&clip->asked_jump);
}

/* Waits until `ready` is true if the device's clock is not real. Returns its last value. */
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

bool vc_clip_is_filled(const vc_clip *clip) { return is_known(clip, is_filled); }

bool vc_clip_wait_for_frames(const vc_clip *clip) {
    return clip->waits_when_starved && wait_until(clip, has_frames);
}

/* ---- jumps ----------------------------------------------------------------------------------- */

void vc_clip_set_cursor(vc_clip *clip, uint64_t frame) {
    const uint64_t begin = clip->options.loop_begin, end = clip->options.loop_end;
    const uint64_t all = clip->options.loops, length = end - begin;
    uint64_t pass = length == 0 || frame < end ? 0 : (frame - begin) / length;
    if (all != 0 && pass >= all - 1) {
        clip->loops = 1;
        clip->cursor = vc_smaller_64(frame - (all - 1) * length, clip->frames);
        return;
    }
    clip->loops = all != 0 ? all - pass : 0;
    clip->cursor = frame - pass * length;
}

bool vc_clip_jump_if_known(vc_clip *clip) {
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
    if (frame == VC_CLIP_NO_FRAME) {
        return true;
    }
    if (clip->ring != NULL) {
        vc_ring_skip_to(clip->ring, mark);
        clip->filling = clip->prefill_frames > 0;
    } else {
        vc_clip_set_cursor(clip, frame);
    }
    memset(clip->window, 0, clip->channels * sizeof(float));
    clip->filled = 1;
    clip->phase = 0.0;
    clip->now_at = frame;
    vc_heard_begin_clear(&clip->heard); /* vc_clip_heard reads the three words below as well */
    atomic_fetch_add(&clip->moves, 1);
    atomic_store(&clip->base, frame);
    atomic_store(&clip->position, frame);
    vc_heard_end_clear(&clip->heard);
    return true;
}
