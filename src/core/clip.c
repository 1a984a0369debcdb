/* Clips: sounds that a mixer plays, with their gain, pan, fades, pauses and jumps.
 *
 * The requests of the control thread (gain, pan, rate, pause, jump) are atomic fields, and only the
 * newest one counts. So any number of requests can come between two IO cycles. The IO thread reads
 * them at the beginning of each block. clip_source.c has the frames, with loops and rates. */
#include "clip.h"
#include "gains.h"
#include "memory.h"
#include "smaller.h"

#include <math.h>
#include <stdlib.h>

#define PAUSE_BIT (UINT64_C(1) << 32)

/* ---- control --------------------------------------------------------------------------------- */

static vc_clip *new_clip(uint32_t channels, int64_t start_frame, float gain) {
    vc_clip *clip = calloc(1, sizeof *clip);
    if (clip == NULL) {
        return NULL;
    }
    clip->channels = channels;
    if (!vc_clip_new_window(clip)) {
        free(clip);
        return NULL;
    }
    vc_levels_begin(&clip->levels, gain, 0.0f, 1.0, 0);
    atomic_store(&clip->started_at, VC_CLIP_NOW);
    atomic_store(&clip->started_ns, VC_CLIP_NOW);
    clip->options.when = start_frame == VC_CLIP_NOW ? VC_WHEN_NEXT : VC_WHEN_FRAME;
    clip->options.at = start_frame;
    return clip;
}

vc_clip *vc_clip_from_memory(const float *data, uint64_t frames, uint32_t channels, uint64_t loops,
                             int64_t start_frame, float gain) {
    vc_clip *clip = new_clip(channels, start_frame, gain);
    if (clip != NULL) {
        clip->data = data;
        clip->frames = frames;
        clip->options.loop_end = frames;
        clip->loops = clip->options.loops = loops;
    }
    return clip;
}

vc_clip *vc_clip_from_ring(vc_ring *ring, int64_t start_frame, float gain) {
    vc_clip *clip = new_clip(vc_ring_channels(ring), start_frame, gain);
    if (clip != NULL) {
        clip->ring = ring;
    }
    return clip;
}

void vc_clip_set_options(vc_clip *clip, const vc_clip_options *options) {
    clip->options = *options;
    vc_levels_begin(&clip->levels, (float)clip->levels.gain.target, options->pan, options->rate,
                    options->fade_in_frames);
    clip->now_at = options->start;
    atomic_store(&clip->base, options->start);
    atomic_store(&clip->position, options->start);
    if (clip->ring == NULL) {
        vc_clip_set_cursor(clip, options->start);
    }
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

void vc_clip_free(vc_clip *clip) {
    if (clip != NULL) {
        vc_memory_free(clip->window);
        free(clip);
    }
}

void vc_clip_set_gain(vc_clip *clip, float gain, uint32_t ramp_frames) {
    vc_levels_set_gain(&clip->levels, gain, ramp_frames);
}

void vc_clip_set_pan(vc_clip *clip, float pan, uint32_t ramp_frames) {
    vc_levels_set_pan(&clip->levels, pan, ramp_frames);
}

void vc_clip_set_rate(vc_clip *clip, double rate, uint32_t ramp_frames) {
    vc_levels_set_rate(&clip->levels, rate, ramp_frames);
}

void vc_clip_set_pause(vc_clip *clip, bool pause, uint32_t fade_frames) {
    atomic_store_explicit(&clip->asked_pause, (pause ? PAUSE_BIT : 0) | fade_frames,
                          memory_order_release);
}

uint32_t vc_clip_ask_jump(vc_clip *clip) {
    uint32_t number = atomic_load_explicit(&clip->asked_jump, memory_order_relaxed) + 1;
    number += number == 0; /* 0 means that the destination is being changed */
    atomic_store_explicit(&clip->asked_jump, number, memory_order_release);
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

int64_t vc_clip_started_ns(const vc_clip *clip) { return atomic_load(&clip->started_ns); }

int64_t vc_clip_late_ns(const vc_clip *clip) { return atomic_load(&clip->late_ns); }

uint64_t vc_clip_heard(const vc_clip *clip, int64_t frame, uint32_t *moves) {
    uint64_t base = 0;
    double heard = 0.0;
    for (int i = 0; i < VC_HEARD_TRIES; i++) {
        uint32_t begun = vc_heard_begin_read(&clip->heard);
        *moves = atomic_load(&clip->moves);
        base = atomic_load(&clip->base);
        double mixed = (double)atomic_load(&clip->position);
        heard = vc_heard_at(&clip->heard, frame, mixed, (double)base);
        if (vc_heard_end_read(&clip->heard, begun)) {
            break;
        }
    }
    return heard > (double)base ? (uint64_t)(heard + 1e-6) : base;
}

/* ---- IO thread: requests --------------------------------------------------------------------- */

static bool has_begun(const vc_clip *clip) {
    return atomic_load_explicit(&clip->state, memory_order_relaxed) == VC_CLIP_PLAYING;
}

static bool jump_asked(const vc_clip *clip) {
    return clip->mode != VC_CLIP_ENDS &&
           atomic_load_explicit(&clip->asked_jump, memory_order_acquire) != clip->jumped;
}

/* Whether the clip is faded out and waits for the end of a pause or a jump. */
static bool is_faded_out(const vc_clip *clip) {
    return clip->mode != VC_CLIP_SOUNDS && clip->mode != VC_CLIP_ENDS &&
           clip->levels.fade.left == 0;
}

/* Begins the fade that the newest requests need, if it has not begun yet. */
static void obey_fades(vc_clip *clip) {
    uint64_t pause = atomic_load_explicit(&clip->asked_pause, memory_order_acquire);
    vc_clip_mode mode = pause & PAUSE_BIT  ? VC_CLIP_PAUSES
                        : jump_asked(clip) ? VC_CLIP_JUMPS
                                           : VC_CLIP_SOUNDS;
    if (mode == clip->mode) {
        return;
    }
    bool pauses = mode == VC_CLIP_PAUSES || clip->mode == VC_CLIP_PAUSES;
    uint32_t frames = pauses ? (uint32_t)pause : clip->ramp_frames;
    if (mode != VC_CLIP_SOUNDS && clip->mode != VC_CLIP_SOUNDS) {
        frames = clip->levels.fade.left; /* the fade that has begun is the right one for both */
    }
    if (!has_begun(clip)) {
        frames = mode == VC_CLIP_SOUNDS ? clip->options.fade_in_frames : 0;
    }
    clip->mode = mode;
    vc_glide_to(&clip->levels.fade, mode == VC_CLIP_SOUNDS ? 1.0 : 0.0, frames);
}

/* Begins the ramps that the newest requests of the control thread need, if they have not begun yet.
 * While nothing is heard, a ramp ends at once: after a pause it would be heard. */
static void obey(vc_clip *clip) {
    if (clip->mode == VC_CLIP_ENDS) {
        return;
    }
    bool silent = !has_begun(clip) || is_faded_out(clip);
    obey_fades(clip);
    silent |= is_faded_out(clip);
    vc_levels_obey(&clip->levels, silent);
}

void vc_clip_fade_out(vc_clip *clip, uint32_t fade_frames) {
    obey(clip); /* a clip that was paused before its first frame is silent */
    bool silent = clip->filling || vc_glide_value(&clip->levels.fade) == 0.0;
    if (clip->mode == VC_CLIP_ENDS && fade_frames >= clip->levels.fade.left) {
        return;
    }
    clip->mode = VC_CLIP_ENDS;
    vc_glide_to(&clip->levels.fade, 0.0, silent ? 0 : fade_frames);
}

/* ---- IO thread: gains ------------------------------------------------------------------------ */

/* By how much the position grows with each of the next frames, on average. */
static double mean_rate(const vc_clip *clip, uint32_t frames) {
    return vc_glide_value(&clip->levels.rate) +
           vc_levels_rate_change(&clip->levels) * (double)(frames - 1);
}

static bool fades_out(const vc_clip *clip, uint32_t frames) {
    const vc_clip_options *options = &clip->options;
    double reached = (double)clip->now_at + clip->phase + mean_rate(clip, frames) * (double)frames;
    return options->fade_out_frames > 0 &&
           reached + (double)options->fade_out_frames > (double)options->end;
}

/* Whether a gain changes within the next frames. */
static bool gains_move(const vc_clip *clip, uint32_t frames) {
    return vc_levels_gains_move(&clip->levels) || fades_out(clip, frames);
}

/* Adds frames with the clip's gains. No line of a glide ends inside. */
static void mix(const vc_clip *clip, float *to, const float *from, uint32_t frames) {
    float fading[VC_GAINS_FRAMES];
    const bool ends = fades_out(clip, frames);
    vc_gains gains = vc_levels_gains(&clip->levels);
    gains.move = ends || vc_levels_gains_move(&clip->levels);
    if (ends) {
        const double out = (double)clip->options.fade_out_frames, rate = mean_rate(clip, frames);
        const double left = (double)clip->options.end - (double)clip->now_at - clip->phase;
        for (uint32_t f = 0; f < frames; f++) {
            fading[f] = (float)fmax(0.0, fmin(1.0, (left - rate * (double)f) / out));
        }
        gains.fading = fading;
    }
    vc_gains_add(to, clip->channels, from, clip->channels, frames, &gains);
}

/* ---- IO thread: playing ---------------------------------------------------------------------- */

static bool at_end(const vc_clip *clip) {
    if (clip->mode == VC_CLIP_ENDS && clip->levels.fade.left == 0) {
        return true;
    }
    return !jump_asked(clip) && vc_clip_is_empty(clip);
}

/* Whether the clip has nothing to play at this moment, because it is paused, or because frames at
 * the destination of a jump or at the beginning have not been read yet. */
static bool is_silent(vc_clip *clip) {
    if (is_faded_out(clip)) {
        bool moved = jump_asked(clip) && vc_clip_jump_if_known(clip);
        if (moved) {
            obey(clip);
        }
        if (!moved || clip->mode == VC_CLIP_PAUSES) {
            return true;
        }
    }
    if (clip->filling && clip->mode != VC_CLIP_ENDS) {
        clip->filling = !vc_clip_is_filled(clip);
    }
    return clip->filling && clip->mode != VC_CLIP_ENDS;
}

/* Notes where the next `frames` frames are heard, before they are passed. */
static void note_played(vc_clip *clip, const vc_place *place, uint32_t offset, uint32_t frames) {
    int64_t frame = place->first_frame + offset;
    if (!has_begun(clip)) {
        atomic_store(&clip->started_at, frame);
        atomic_store(&clip->started_ns, vc_place_ns(place, offset));
        atomic_store_explicit(&clip->state, VC_CLIP_PLAYING, memory_order_release);
    }
    double position = (double)clip->now_at + clip->phase;
    double end = position + mean_rate(clip, frames) * (double)frames;
    vc_heard_note(&clip->heard, frame, position, frame + frames, end, 1e-3);
}

/* Counts a time in which a clip whose time has come waits for the first frames of its file. */
static void note_late(vc_clip *clip, const vc_place *place, uint32_t frames) {
    if (clip->options.when != VC_WHEN_NEXT && clip->filling && !has_begun(clip)) {
        atomic_fetch_add(&clip->late_ns, (int64_t)(place->ns_per_frame * (double)frames + 0.5));
    }
}

/* Plays from frame `offset` of the place on. Returns the frame of the place after the last one. */
static uint32_t play(vc_clip *clip, const vc_place *place, uint32_t offset) {
    while (offset < place->frames && !at_end(clip)) {
        if (is_silent(clip)) {
            note_late(clip, place, place->frames - offset);
            return place->frames;
        }
        uint32_t wanted = vc_levels_until_change(&clip->levels, place->frames - offset);
        wanted = gains_move(clip, wanted) ? vc_smaller(wanted, VC_GAINS_FRAMES) : wanted;
        const float *source = NULL;
        bool starved = false;
        uint32_t got = vc_clip_take(clip, wanted, &source, &starved);
        if (got == 0 && jump_asked(clip)) { /* no frames are left for the fade */
            obey(clip);
            clip->levels.fade.left = 0;
            continue;
        }
        if (got == 0 && starved) {
            if (!vc_clip_wait_for_frames(clip)) {
                atomic_fetch_add_explicit(&clip->starved, wanted, memory_order_relaxed);
                vc_levels_pass(&clip->levels, wanted); /* otherwise a stop would not end */
                offset += wanted;
            }
            continue;
        }
        if (got == 0) {
            /* Either the ring has ended since the peek, which at_end notices. Or the clip was
             * stopped before a jump, and only frames of the destination are left. They are not
             * played. */
            clip->levels.fade.left = clip->mode == VC_CLIP_ENDS ? 0 : clip->levels.fade.left;
            continue;
        }
        mix(clip, place->to + (size_t)offset * clip->channels, source, got);
        note_played(clip, place, offset, got);
        vc_clip_pass(clip, source, got);
        vc_levels_pass(&clip->levels, got);
        atomic_store_explicit(&clip->position, clip->now_at, memory_order_release);
        offset += got;
    }
    return offset;
}

/* Finds the frame of the place at which the clip begins, and how late that is, ns. Returns false if
 * it begins in a later block. */
static bool is_due(const vc_clip *clip, const vc_place *place, uint32_t *offset, double *late_ns) {
    const int64_t time = clip->options.at;
    double ahead = 0.0; /* in frames; exact, because a time line has less than 2^53 frames */
    *late_ns = 0.0;
    if (clip->options.when == VC_WHEN_FRAME) {
        ahead = (double)time - (double)place->first_frame;
        *late_ns = ahead < 0.0 ? -ahead * place->ns_per_frame : 0.0;
    } else if (clip->options.when == VC_WHEN_HOST) {
        double ahead_ns = (double)(time - place->first_ns);
        ahead = floor(ahead_ns / place->ns_per_frame + 0.5);
        *late_ns = ahead < 0.0 ? -ahead_ns : 0.0;
    }
    *offset = ahead > 0.0 ? (uint32_t)fmin(ahead, (double)place->frames) : 0;
    return *offset < place->frames;
}

bool vc_clip_play(vc_clip *clip, const vc_place *place, uint32_t *end) {
    obey(clip);
    if (clip->mode == VC_CLIP_ENDS && clip->levels.fade.left == 0) {
        return true;
    }
    uint32_t offset = 0;
    if (!clip->due) {
        double late_ns;
        clip->due = is_due(clip, place, &offset, &late_ns);
        if (clip->mode == VC_CLIP_ENDS && offset > 0) {
            return true;
        }
        if (!clip->due) {
            return false;
        }
        atomic_store(&clip->late_ns, (int64_t)fmin(late_ns, VC_LATEST_NS));
        clip->skipped = clip->options.skips_late && late_ns >= (double)VC_SKIPPED_NS;
        if (clip->skipped) {
            return true;
        }
    }
    *end = play(clip, place, offset);
    return at_end(clip);
}
