/* One voice: a clip with its gain, pan, rate, loop, fades, pauses and jumps.
 *
 * The requests of the control thread are atomic words, and only the newest one of each kind counts.
 * So any number of requests can come between two blocks. A request changes its word and then counts
 * itself. The IO thread reads the count at the beginning of each block, and the words only if the
 * count has changed. */
#include "between.h"
#include "gains.h"
#include "smaller.h"
#include "voice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Most frames that are computed at once, unless gains and rate are even. */
enum { CHUNK = VC_PATH_FRAMES };

/* ---- control --------------------------------------------------------------------------------- */

vc_voice *vc_voice_new(const vc_voice_config *config) {
    vc_voice *voice = calloc(1, sizeof *voice);
    if (voice == NULL) {
        return NULL;
    }
    voice->config = *config;
    voice->position = (double)config->start;
    voice->at = config->at;
    voice->loops = config->loops;
    voice->past = config->loops == 1 || config->start >= config->loop_end;
    vc_levels_begin(&voice->levels, config->gain, config->right - config->left, config->rate,
                    config->fade_in_frames);
    voice->levels.left = vc_glide_at(config->left);
    voice->levels.right = vc_glide_at(config->right);
    atomic_store(&voice->now_at, config->start);
    atomic_store(&voice->base, config->start);
    atomic_store(&voice->reached, (double)config->start);
    atomic_store(&voice->started_ns, VC_NOT_STARTED);
    return voice;
}

void vc_voice_free(vc_voice *voice) { free(voice); }

/* ---- all threads ----------------------------------------------------------------------------- */

void vc_voice_set_gain(vc_voice *voice, float gain, uint32_t ramp_frames) {
    vc_levels_set_gain(&voice->levels, gain, ramp_frames);
    atomic_fetch_add(&voice->requests, 1);
}

void vc_voice_set_pan(vc_voice *voice, float pan, uint32_t ramp_frames) {
    vc_levels_set_pan(&voice->levels, pan, ramp_frames);
    atomic_fetch_add(&voice->requests, 1);
}

void vc_voice_set_rate(vc_voice *voice, double rate, uint32_t ramp_frames) {
    vc_levels_set_rate(&voice->levels, rate, ramp_frames);
    atomic_fetch_add(&voice->requests, 1);
}

void vc_voice_pause(vc_voice *voice, bool pause, uint32_t fade_frames) {
    atomic_store(&voice->asked_pause, (pause ? VC_STOP_BIT : 0) | fade_frames);
    atomic_fetch_add(&voice->requests, 1);
}

void vc_voice_seek(vc_voice *voice, uint64_t frame) {
    uint64_t number = (atomic_load(&voice->asked_seek) + 1) & 0xffff;
    atomic_store(&voice->asked_seek, frame << 16 | number);
    atomic_fetch_add(&voice->requests, 1);
}

void vc_voice_look(const vc_voice *voice, vc_voice_facts *facts) {
    facts->state = (vc_voice_state)atomic_load_explicit(&voice->state, memory_order_acquire);
    facts->position = atomic_load(&voice->now_at);
    facts->started_frame = atomic_load(&voice->started_frame);
    facts->started_ns = atomic_load(&voice->started_ns);
    facts->ended_ns = atomic_load(&voice->ended_ns);
    facts->late_ns = atomic_load(&voice->late_ns);
}

/* ---- IO thread: requests --------------------------------------------------------------------- */

static bool jump_asked(const vc_voice *voice) {
    return (voice->seek_word & 0xffff) != voice->jumped;
}

/* Begins the fade that the newest requests need, if it has not begun yet. */
static void obey_fades(vc_voice *voice) {
    uint64_t stop = atomic_load(&voice->asked_stop), pause = atomic_load(&voice->asked_pause);
    vc_voice_mode mode = stop & VC_STOP_BIT    ? VC_MODE_ENDS
                         : pause & VC_STOP_BIT ? VC_MODE_PAUSES
                         : jump_asked(voice)   ? VC_MODE_JUMPS
                                               : VC_MODE_SOUNDS;
    if (mode == voice->mode && mode != VC_MODE_ENDS) {
        return;
    }
    bool pauses =
        mode == VC_MODE_PAUSES || (mode < VC_MODE_PAUSES && voice->mode == VC_MODE_PAUSES);
    uint32_t frames = mode == VC_MODE_ENDS ? (uint32_t)stop
                      : pauses             ? (uint32_t)pause
                                           : voice->config.ramp_frames;
    if (mode != VC_MODE_SOUNDS && voice->mode != VC_MODE_SOUNDS) {
        frames = vc_smaller(frames, voice->levels.fade.left); /* the sound is fading out already */
    }
    if (!voice->begun) {
        frames = mode == VC_MODE_SOUNDS ? voice->config.fade_in_frames : 0;
    }
    if (mode != voice->mode || frames != voice->levels.fade.left) {
        voice->mode = mode;
        vc_glide_to(&voice->levels.fade, mode == VC_MODE_SOUNDS ? 1.0 : 0.0, frames);
    }
}

/* Whether the voice is faded out and waits for the end of a pause or a jump. */
static bool is_faded_out(const vc_voice *voice) {
    return voice->mode != VC_MODE_SOUNDS && voice->mode != VC_MODE_ENDS &&
           voice->levels.fade.left == 0;
}

/* Begins the ramps and fades of the newest requests. While nothing is heard, as in a pause of the
 * group (`rests`), ramps end at once: after the pause they would be heard. */
static void obey(vc_voice *voice, bool rests) {
    uint32_t requests = atomic_load(&voice->requests);
    if (requests == voice->seen) {
        return;
    }
    voice->seen = requests;
    voice->seek_word = atomic_load(&voice->asked_seek);
    bool silent = rests || !voice->begun || is_faded_out(voice);
    obey_fades(voice);
    silent |= is_faded_out(voice);
    vc_levels_obey(&voice->levels, silent);
}

static void jump(vc_voice *voice) {
    uint64_t seek = voice->seek_word;
    voice->jumped = (uint32_t)(seek & 0xffff);
    voice->position = (double)(seek >> 16);
    voice->past = voice->loops == 1 || seek >> 16 >= voice->config.loop_end;
    voice->wrapped = false;
    vc_heard_begin_clear(&voice->heard); /* vc_voice_heard reads the three words below as well */
    atomic_store(&voice->base, seek >> 16);
    atomic_store(&voice->reached, voice->position);
    atomic_store(&voice->laps, 0);
    vc_heard_end_clear(&voice->heard);
}

/* Whether the voice has nothing to play at this moment, because it is paused. Jumps that were asked
 * for are made here, when the sound has been faded out. */
static bool is_silent(vc_voice *voice) {
    if (is_faded_out(voice) && jump_asked(voice)) {
        jump(voice);
        obey_fades(voice);
    }
    return voice->mode == VC_MODE_PAUSES && voice->levels.fade.left == 0;
}

/* ---- IO thread: samples ---------------------------------------------------------------------- */

/* The frame of the clip from which the natural end fades out. */
static double fade_out_at(const vc_voice *voice) {
    return voice->past ? (double)voice->config.frames - (double)voice->config.fade_out_frames
                       : HUGE_VAL;
}

static bool at_end(const vc_voice *voice) {
    return voice->position >= (double)voice->config.frames ||
           (voice->mode == VC_MODE_ENDS && voice->levels.fade.left == 0);
}

/* Goes back to the beginning of the loop if its end was passed. */
static void wrap(vc_voice *voice) {
    const vc_voice_config *config = &voice->config;
    while (!voice->past && voice->position >= (double)config->loop_end) {
        voice->position -= (double)(config->loop_end - config->loop_begin);
        voice->wrapped = true;
        atomic_fetch_add_explicit(&voice->laps, 1, memory_order_relaxed);
        voice->loops -= voice->loops != 0;
        voice->past = voice->loops == 1;
    }
}

/* A frame of the clip, or its neighbour across the ends of the loop. NULL: silence. */
static const float *frame_at(const vc_voice *voice, int64_t frame) {
    const vc_voice_config *config = &voice->config;
    int64_t loop = (int64_t)(config->loop_end - config->loop_begin);
    if (!voice->past && frame >= (int64_t)config->loop_end) {
        frame = (int64_t)config->loop_begin + (frame - (int64_t)config->loop_end) % loop;
    } else if (voice->wrapped && frame < (int64_t)config->loop_begin) {
        frame += loop;
    }
    bool inside = frame >= 0 && frame < (int64_t)config->frames;
    return inside ? config->data + (uint64_t)frame * config->channels : NULL;
}

/* Adds one frame, with all gains and at any rate. */
static void add_frame(vc_voice *voice, float *to, uint32_t channels) {
    double fade = vc_glide_next(&voice->levels.fade), rate = vc_glide_next(&voice->levels.rate);
    double from_end = (double)voice->config.frames - voice->position;
    if (voice->position > fade_out_at(voice)) {
        fade *= from_end / (double)voice->config.fade_out_frames;
    }
    double gain = fade * vc_glide_next(&voice->levels.gain);
    float sides[2] = {(float)(gain * vc_glide_next(&voice->levels.left)),
                      (float)(gain * vc_glide_next(&voice->levels.right))};
    int64_t frame = (int64_t)voice->position;
    float t = (float)(voice->position - (double)frame);
    const float *around[4] = {NULL, frame_at(voice, frame), NULL, NULL};
    if (t != 0.0f) {
        around[0] = frame_at(voice, frame - 1);
        around[2] = frame_at(voice, frame + 1);
        around[3] = frame_at(voice, frame + 2);
    }
    const uint32_t own = voice->config.channels;
    float sample = 0.0f;
    for (uint32_t c = 0; c < channels; c++) {
        if (c < own) {
            float x[4];
            for (int i = 0; i < 4; i++) {
                x[i] = around[i] == NULL ? 0.0f : around[i][c];
            }
            sample = t == 0.0f ? x[1] : vc_between(x[0], x[1], x[2], x[3], t);
        }
        to[c] += sample * (c < 2 && channels > 1 ? sides[c] : (float)gain);
    }
    voice->position += rate;
    wrap(voice);
}

static bool has_even_gains(const vc_voice *voice) {
    return !vc_levels_gains_move(&voice->levels) && voice->levels.fade.target == 1.0;
}

/* Whether all of the following frames are those of the clip, with constant gains. */
static bool is_plain(const vc_voice *voice) {
    return voice->levels.rate.left == 0 && voice->levels.rate.target == 1.0 &&
           has_even_gains(voice) && voice->position == (double)(int64_t)voice->position &&
           voice->position < fade_out_at(voice);
}

/* The gains of frames in which no fade and no line of a glide moves. */
static vc_gains even_gains(const vc_voice *voice) {
    const double gain = voice->levels.gain.target;
    return (vc_gains){.left.of = {(float)(gain * voice->levels.left.target)},
                      .right.of = {(float)(gain * voice->levels.right.target)},
                      .other.of = {(float)gain}};
}

/* Adds frames that follow each other in the clip. Returns their number. */
static uint32_t add_plain(vc_voice *voice, float *to, uint32_t frames, uint32_t channels) {
    const vc_voice_config *config = &voice->config;
    uint64_t at = (uint64_t)voice->position;
    uint64_t end = voice->past ? config->frames - config->fade_out_frames : config->loop_end;
    uint32_t count = (uint32_t)vc_smaller_64(end - at, frames);
    const vc_gains gains = even_gains(voice);
    vc_gains_add(to, channels, config->data + at * config->channels, config->channels, count,
                 &gains);
    voice->position += (double)count;
    wrap(voice);
    return count;
}

/* ---- IO thread: chunks of samples between those of the clip, and with moving gains -------------
 */

static vc_path path_of(const vc_voice *voice) {
    const vc_glide *rate = &voice->levels.rate;
    double base = (double)(int64_t)voice->position;
    return (vc_path){.base = base,
                     .first = voice->position - base,
                     .rate = vc_glide_value(rate),
                     .rate_change = vc_levels_rate_change(&voice->levels),
                     .frames = (double)voice->config.frames - base};
}

/* The next two frames after any position below this one are in the clip, and in the loop. */
static double last_between(const vc_voice *voice) {
    const vc_voice_config *config = &voice->config;
    return (double)(voice->past ? config->frames : config->loop_end) - 2.0;
}

/* Whether the four frames around the position follow each other in the clip. */
static bool is_between(const vc_voice *voice) {
    double first = voice->wrapped ? (double)voice->config.loop_begin + 1.0 : 1.0;
    return voice->position >= first && voice->position < last_between(voice);
}

/* The number of frames, at most `frames`, for which is_between holds. It may be too small. */
static uint32_t count_between(const vc_voice *voice, const vc_path *path, uint32_t frames) {
    if (!is_between(voice)) {
        return 0;
    }
    double last_rate = path->rate + 2.0 * path->rate_change * (double)frames;
    double fastest = last_rate > path->rate ? last_rate : path->rate;
    double length = last_between(voice) - voice->position;
    length = length < (double)VC_PATH_LENGTH ? length : (double)VC_PATH_LENGTH;
    return fastest * (double)frames < length ? frames : (uint32_t)(length / fastest);
}

/* Writes the gains of the natural end of the clip. Returns whether there are any. */
static bool fades_out(const vc_voice *voice, const vc_path *path, float *fading, uint32_t frames) {
    if (path->base + vc_path_at(path, (double)frames) <= fade_out_at(voice)) {
        return false;
    }
    const double from_end = (double)voice->config.frames - path->base;
    const double out = (double)voice->config.fade_out_frames;
    for (int32_t f = 0; f < (int32_t)frames; f++) {
        const double left = from_end - vc_path_at(path, (double)f);
        fading[f] = left < out ? (float)(left / out) : 1.0f;
    }
    return true;
}

/* Takes the voice past the frames of a chunk. */
static void pass(vc_voice *voice, const vc_path *path, uint32_t frames) {
    vc_levels_pass(&voice->levels, frames);
    voice->position = path->base + vc_path_at(path, (double)frames);
    wrap(voice);
}

/* Adds frames one by one, up to `frames`, while an end of the clip or of the loop is near. */
static uint32_t add_near_end(vc_voice *voice, float *to, uint32_t frames, uint32_t channels) {
    uint32_t done = 0;
    do {
        add_frame(voice, to + (size_t)done++ * channels, channels);
    } while (done < frames && voice->position < (double)voice->config.frames && !is_between(voice));
    return done;
}

/* Adds up to `frames` frames at any rate and with all gains. Returns their number. */
static uint32_t add_moving(vc_voice *voice, float *to, uint32_t frames, uint32_t channels) {
    const vc_voice_config *config = &voice->config;
    const uint32_t own = config->channels;
    const vc_path path = path_of(voice);
    const bool between = voice->levels.rate.left != 0 || path.rate != 1.0 || path.first != 0.0;
    frames = vc_levels_until_change(&voice->levels, vc_smaller(frames, CHUNK));
    uint32_t count;
    if (between) {
        count = count_between(voice, &path, vc_smaller(frames, VC_PATH_SAMPLES / own));
        if (count == 0) {
            return add_near_end(voice, to, frames, channels);
        }
    } else {
        const uint64_t end = voice->past ? config->frames : config->loop_end;
        count = (uint32_t)vc_smaller_64(end - (uint64_t)path.base, frames);
    }
    float fading[CHUNK];
    const bool ends = fades_out(voice, &path, fading, count);
    vc_gains gains =
        has_even_gains(voice) && !ends ? even_gains(voice) : vc_levels_gains(&voice->levels);
    gains.fading = ends ? fading : NULL;
    if (between) {
        vc_between_add(to, channels, config->data, own, &path, count, &gains);
    } else {
        const float *from = config->data + (uint64_t)path.base * own;
        vc_gains_add(to, channels, from, own, count, &gains);
    }
    pass(voice, &path, count);
    return count;
}

static void note_begin(vc_voice *voice, const vc_place *place, uint32_t offset) {
    voice->begun = true;
    atomic_store(&voice->started_frame, place->first_frame + offset);
    atomic_store(&voice->started_ns, vc_place_ns(place, offset));
    atomic_store_explicit(&voice->state, VC_VOICE_SOUNDS, memory_order_release);
}

bool vc_voice_play(vc_voice *voice, const vc_place *place, uint32_t offset) {
    const uint32_t channels = place->channels;
    obey(voice, voice->rested);
    voice->rested = false;
    uint32_t first = offset, end = offset, jumped = voice->jumped;
    double from = vc_voice_reached(voice);
    while (offset < place->frames && !at_end(voice)) {
        if (is_silent(voice)) {
            offset = place->frames;
            break;
        }
        if (voice->jumped != jumped) {
            jumped = voice->jumped;
            first = offset;
            from = vc_voice_reached(voice);
        }
        if (at_end(voice)) {
            break;
        }
        if (!voice->begun) {
            note_begin(voice, place, offset);
        }
        float *to = place->to + (size_t)offset * channels;
        uint32_t left = place->frames - offset;
        offset += is_plain(voice) ? add_plain(voice, to, left, channels)
                                  : add_moving(voice, to, left, channels);
        end = offset;
    }
    vc_voice_note_heard(voice, place, first, end, from);
    if (!at_end(voice)) {
        return false;
    }
    atomic_store(&voice->ended_ns, vc_place_ns(place, offset));
    return true;
}

bool vc_voice_rest(vc_voice *voice, const vc_place *place) {
    obey(voice, true);
    voice->rested = true;
    if (voice->mode == VC_MODE_ENDS) {
        atomic_store(&voice->ended_ns, vc_place_ns(place, 0));
        return true;
    }
    if (jump_asked(voice) || voice->mode == VC_MODE_PAUSES) {
        voice->levels.fade.left = 0; /* nothing is heard that could be faded out */
        is_silent(voice);
        atomic_store_explicit(&voice->now_at, (uint64_t)voice->position, memory_order_relaxed);
    }
    return false;
}
