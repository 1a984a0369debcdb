/* Plays voices on the IO thread, each from its exact frame on, and sums them in groups.
 *
 * The control thread owns the memory of a voice. A command gives the voice to the IO thread, which
 * keeps it in a schedule until its time has come, and in an array while it sounds. No other thread
 * touches these two. A result returns the voice, and then the control thread frees it.
 *
 * Invariant: a voice is in exactly one place: with the control thread, in the queue of commands,
 * with the IO thread, or in the queue of results. A voice has at most two commands, one that adds
 * it and one that stops it, and both queues have room for all voices. So no push fails.
 *
 * A voice may have ended before the IO thread takes the command that stops it, and this command
 * still names the voice. So the control thread keeps the voice until the command was taken.
 * tests/models/voices.pml is a model of this. */
#include "memory.h"
#include "smaller.h"
#include "voice.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Commands that are taken in one block, so that many new voices do not make one block late. */
enum { COMMANDS_PER_BLOCK = 1024 };

typedef struct vc_voice_command {
    vc_voice *voice;
    bool stops;
} vc_voice_command;

typedef struct vc_group {
    float *mixed; /* VC_GROUP_FRAMES frames; NULL: group 0, which is the output itself */
    float *made;  /* what the effect has made; NULL: there is no effect */
    vc_native effect;
    vc_glide gain;      /* only for the IO thread */
    uint64_t gain_word; /* the same: the newest one that was obeyed */
    vc_pause pause;     /* its fade applies before the effect */
    _Atomic uint64_t asked_gain;
    _Atomic int32_t error;
} vc_group;

struct vc_voices {
    uint32_t channels;
    uint32_t capacity;
    /* Only for control. */
    uint32_t given;  /* voices that were added and not yet collected */
    uint64_t pushed; /* commands so far */
    vc_voice *named; /* voices that have ended, but a command may still name them */
    vc_queue *commands;
    vc_queue *results;
    /* Only for the IO thread. */
    vc_schedule by_frame, by_host;
    vc_voice **sounding;
    uint32_t count;
    uint32_t known; /* voices that were taken from the queue so far, modulo 2^32 */
    /* For all threads. */
    _Atomic uint32_t groups; /* group 0 and those that were made; they are complete */
    vc_group group[VC_GROUPS + 1];
    _Atomic uint64_t taken; /* commands that the IO thread has taken, and does not use any more */
    _Atomic uint64_t frames;
    _Atomic int64_t next_ns;
    _Atomic uint32_t added;   /* voices that were added so far, modulo 2^32 */
    _Atomic uint64_t waiting; /* voices that wait, and `known` in the upper half, as of one block */
    _Atomic uint32_t playing;
};

/* ---- control --------------------------------------------------------------------------------- */

static void init_group(vc_group *group, float gain) {
    group->pause.fade = vc_glide_at(1.0);
    group->gain = vc_glide_at(gain);
    group->gain_word = vc_ramp_word(gain, 0);
    atomic_store(&group->asked_gain, group->gain_word);
}

vc_voices *vc_voices_new(uint32_t channels, uint32_t capacity, float gain) {
    vc_voices *voices = vc_memory_new(1, sizeof *voices);
    if (voices == NULL) {
        return NULL;
    }
    voices->channels = channels;
    voices->capacity = capacity;
    voices->commands = vc_queue_new(capacity * 2, sizeof(vc_voice_command));
    voices->results = vc_queue_new(capacity, sizeof(vc_voice *));
    voices->by_frame.due = vc_memory_new(capacity, sizeof(vc_due));
    voices->by_host.due = vc_memory_new(capacity, sizeof(vc_due));
    voices->sounding = vc_memory_new(capacity, sizeof *voices->sounding);
    if (voices->commands == NULL || voices->results == NULL || voices->by_frame.due == NULL ||
        voices->by_host.due == NULL || voices->sounding == NULL) {
        vc_voices_free(voices);
        return NULL;
    }
    init_group(&voices->group[0], gain);
    atomic_store(&voices->groups, 1);
    return voices;
}

void vc_voices_free(vc_voices *voices) {
    if (voices != NULL) {
        for (uint32_t i = 0; i <= VC_GROUPS; i++) {
            vc_memory_free(voices->group[i].mixed);
            vc_memory_free(voices->group[i].made);
        }
        vc_queue_free(voices->commands);
        vc_queue_free(voices->results);
        vc_memory_free(voices->by_frame.due);
        vc_memory_free(voices->by_host.due);
        vc_memory_free(voices->sounding);
        vc_memory_free(voices);
    }
}

uint32_t vc_voices_group(vc_voices *voices, float gain, const vc_native *effect) {
    uint32_t number = atomic_load(&voices->groups);
    if (number > VC_GROUPS) {
        return 0;
    }
    vc_group *group = &voices->group[number];
    const size_t bytes = voices->channels * sizeof(float);
    group->mixed = vc_memory_new(VC_GROUP_FRAMES, bytes);
    group->made = effect != NULL ? vc_memory_new(VC_GROUP_FRAMES, bytes) : NULL;
    if (group->mixed == NULL || (effect != NULL && group->made == NULL)) {
        vc_memory_free(group->mixed);
        vc_memory_free(group->made);
        group->mixed = group->made = NULL;
        return 0;
    }
    if (effect != NULL) {
        group->effect = *effect;
    }
    init_group(group, gain);
    atomic_store(&voices->groups, number + 1);
    return number;
}

void vc_voices_group_gain(vc_voices *voices, uint32_t group, float gain, uint32_t ramp_frames) {
    atomic_store(&voices->group[group].asked_gain, vc_ramp_word(gain, ramp_frames));
}

void vc_voices_group_pause(vc_voices *voices, uint32_t group, bool pause, uint32_t fade_frames) {
    vc_pause_ask(&voices->group[group].pause, pause, fade_frames);
}

int32_t vc_voices_group_error(const vc_voices *voices, uint32_t group) {
    return atomic_load(&voices->group[group].error);
}

bool vc_voices_add(vc_voices *voices, vc_voice *voice) {
    const vc_voice_command command = {.voice = voice};
    assert(voice->config.channels == voices->channels || voice->config.channels == 1);
    if (voices->given == voices->capacity) {
        return false;
    }
    atomic_fetch_add(&voices->added, 1); /* before the IO thread can count the voice as known */
    if (!vc_queue_push(voices->commands, &command)) {
        atomic_fetch_sub(&voices->added, 1);
        return false;
    }
    voices->given++;
    voices->pushed++;
    return true;
}

void vc_voices_stop(vc_voices *voices, vc_voice *voice, uint32_t fade_frames) {
    const vc_voice_command command = {.voice = voice, .stops = true};
    atomic_store(&voice->asked_stop, VC_STOP_BIT | fade_frames);
    atomic_fetch_add(&voice->requests, 1);
    if (voice->stop_number == 0 && vc_queue_push(voices->commands, &command)) {
        voice->stop_number = ++voices->pushed;
    }
}

/* Takes a voice from the list of those that a command may still name. */
static vc_voice *take_named(vc_voices *voices) {
    uint64_t taken = atomic_load_explicit(&voices->taken, memory_order_acquire);
    for (vc_voice **link = &voices->named; *link != NULL; link = &(*link)->next) {
        vc_voice *voice = *link;
        if (voice->stop_number <= taken) {
            *link = voice->next;
            return voice;
        }
    }
    return NULL;
}

vc_voice *vc_voices_collect(vc_voices *voices) {
    vc_voice *voice;
    while (vc_queue_pop(voices->results, &voice)) {
        voice->next = voices->named;
        voices->named = voice;
    }
    voice = take_named(voices);
    voices->given -= voice != NULL;
    return voice;
}

/* ---- all threads ----------------------------------------------------------------------------- */

uint64_t vc_voices_frames(const vc_voices *voices) { return atomic_load(&voices->frames); }

int64_t vc_voices_next_ns(const vc_voices *voices) { return atomic_load(&voices->next_ns); }

void vc_voices_count(const vc_voices *voices, uint32_t *waiting, uint32_t *sounding) {
    /* Voices that no block has seen yet wait as well. A program that schedules until enough voices
     * wait would otherwise never see those of the current block. */
    uint64_t word = atomic_load(&voices->waiting);
    *waiting = (uint32_t)word + (atomic_load(&voices->added) - (uint32_t)(word >> 32));
    *sounding = atomic_load(&voices->playing);
}

/* ---- IO thread: voices ----------------------------------------------------------------------- */

static void give_back(vc_voices *voices, vc_voice *voice, vc_voice_state state) {
    atomic_store_explicit(&voice->state, state, memory_order_release);
    vc_queue_push(voices->results, &voice); /* the queue has room for all voices */
}

/* Whether a pause holds the voice, so that it does not go on. */
static bool is_voice_held(const vc_voices *voices, const vc_voice *voice) {
    return vc_pause_is_held(&voices->group[voice->config.group].pause) ||
           vc_pause_is_held(&voices->group[0].pause);
}

/* Frames of all pauses that delay the voice. Those of everything do not count on the time line of
 * the voices, which stands still in them. */
static uint64_t held_frames(const vc_voices *voices, const vc_voice *voice) {
    uint64_t own = voice->config.group != 0 ? voices->group[voice->config.group].pause.held : 0;
    return own + (voice->config.when == VC_WHEN_HOST ? voices->group[0].pause.held : 0);
}

/* Moves the time of a voice by the pauses since it was set. Returns whether there were any. */
static bool delay(const vc_voices *voices, vc_voice *voice, double ns_per_frame) {
    uint64_t held = held_frames(voices, voice), frames = held - voice->held;
    double unit = voice->config.when == VC_WHEN_HOST ? ns_per_frame : 1.0;
    voice->at += (int64_t)((double)frames * unit + 0.5);
    voice->held = held;
    return frames > 0;
}

static vc_schedule *schedule_of(vc_voices *voices, const vc_voice *voice) {
    return voice->config.when == VC_WHEN_FRAME ? &voices->by_frame : &voices->by_host;
}

static void obey(vc_voices *voices, const vc_voice_command *command) {
    vc_voice *voice = command->voice;
    vc_schedule *schedule = schedule_of(voices, voice);
    if (command->stops) {
        if (voice->scheduled) { /* a voice that sounds finds the request itself */
            vc_schedule_remove(schedule, voice);
            give_back(voices, voice, VC_VOICE_DONE);
        }
        return;
    }
    voices->known++;
    voice->held = held_frames(voices, voice);
    if (voice->config.when == VC_WHEN_NEXT) {
        voices->sounding[voices->count++] = voice; /* there is room: given <= capacity */
    } else {
        vc_schedule_add(schedule, voice);
    }
}

static void take_commands(vc_voices *voices) {
    vc_voice_command command;
    uint64_t taken = atomic_load_explicit(&voices->taken, memory_order_relaxed);
    for (uint32_t i = 0; i < COMMANDS_PER_BLOCK; i++) {
        if (!vc_queue_pop(voices->commands, &command)) {
            break;
        }
        obey(voices, &command);
        taken++;
    }
    atomic_store_explicit(&voices->taken, taken, memory_order_release);
}

/* Plays a voice into the group that it is in. Returns whether it has ended. */
static bool play(vc_voices *voices, vc_voice *voice, const vc_place *output, uint32_t offset) {
    vc_place place = *output;
    if (voice->config.group != 0) {
        place.to = voices->group[voice->config.group].mixed;
    }
    return vc_voice_play(voice, &place, offset);
}

/* Begins a voice whose time has come. `late_ns` is how late that is; negative: not late. */
static void begin(vc_voices *voices, vc_voice *voice, const vc_place *place, uint32_t offset,
                  int64_t late_ns) {
    if (is_voice_held(voices, voice)) {
        voice->parked = true;
        voices->sounding[voices->count++] = voice;
        return;
    }
    if (late_ns > 0) {
        atomic_store(&voice->late_ns, late_ns);
        if (voice->config.skips_late && late_ns >= VC_SKIPPED_NS) {
            give_back(voices, voice, VC_VOICE_LATE);
            return;
        }
    }
    if (play(voices, voice, place, offset)) {
        give_back(voices, voice, VC_VOICE_DONE);
    } else {
        voices->sounding[voices->count++] = voice;
    }
}

/* Takes the next voice whose time, with its delay by pauses, is before `end`, or returns NULL. */
static vc_voice *take_due(const vc_voices *voices, vc_schedule *schedule, int64_t end,
                          double ns_per_frame) {
    vc_voice *voice;
    while ((voice = vc_schedule_take(schedule, end)) != NULL && !is_voice_held(voices, voice) &&
           delay(voices, voice, ns_per_frame)) {
        vc_schedule_add(schedule, voice);
    }
    return voice;
}

static void begin_due(vc_voices *voices, const vc_place *place) {
    vc_voice *voice;
    const double half = place->ns_per_frame / 2.0;
    int64_t end = place->first_frame + place->frames;
    int64_t end_ns = vc_place_ns(place, place->frames) - (int64_t)half;
    while ((voice = take_due(voices, &voices->by_frame, end, place->ns_per_frame)) != NULL) {
        int64_t ahead = voice->at - place->first_frame;
        int64_t late_ns = (int64_t)fmin((double)-ahead * place->ns_per_frame, VC_LATEST_NS);
        begin(voices, voice, place, ahead > 0 ? (uint32_t)ahead : 0, late_ns);
    }
    while ((voice = take_due(voices, &voices->by_host, end_ns, place->ns_per_frame)) != NULL) {
        int64_t ahead_ns = voice->at - place->first_ns;
        int64_t ahead = ahead_ns > 0 ? (int64_t)((double)ahead_ns / place->ns_per_frame + 0.5) : 0;
        uint32_t offset = vc_smaller((uint32_t)ahead, place->frames - 1);
        begin(voices, voice, place, offset, (double)-ahead_ns > half ? -ahead_ns : 0);
    }
}

static void play_sounding(vc_voices *voices, const vc_place *place) {
    for (uint32_t i = 0; i < voices->count;) {
        vc_voice *voice = voices->sounding[i];
        bool rests = voice->parked || is_voice_held(voices, voice);
        if (rests ? vc_voice_rest(voice, place) : play(voices, voice, place, 0)) {
            voices->sounding[i] = voices->sounding[--voices->count];
            give_back(voices, voice, VC_VOICE_DONE);
        } else if (voice->parked && !is_voice_held(voices, voice)) {
            voices->sounding[i] = voices->sounding[--voices->count];
            voice->parked = false;
            vc_schedule_add(schedule_of(voices, voice), voice); /* begin_due delays it */
        } else {
            i++;
        }
    }
}

/* ---- IO thread: groups ----------------------------------------------------------------------- */

static void obey_gain(vc_group *group, bool silent) {
    uint64_t gain = atomic_load(&group->asked_gain);
    if (gain != group->gain_word) {
        group->gain_word = gain;
        vc_glide_to(&group->gain, vc_ramp_value(gain), silent ? 0 : (uint32_t)gain);
    }
}

/* Begins the ramps and fades of the newest requests. During a pause of the mixer they end at once.
 * Otherwise they would be heard after the pause. */
static void obey_groups(vc_voices *voices) {
    vc_group *all = &voices->group[0];
    bool silent = vc_pause_is_held(&all->pause);
    vc_pause_obey(&all->pause, false);
    silent = silent || vc_pause_is_held(&all->pause);
    obey_gain(all, silent);
    for (uint32_t i = 1; i < atomic_load(&voices->groups); i++) {
        obey_gain(&voices->group[i], silent);
        vc_pause_obey(&voices->group[i].pause, silent);
    }
}

static void scale(float *to, vc_glide *by, uint32_t frames, uint32_t channels) {
    if (by->left == 0 && by->target == 1.0) {
        return;
    }
    for (uint32_t f = 0; f < frames; f++) {
        float gain = (float)vc_glide_next(by);
        for (uint32_t c = 0; c < channels; c++) {
            to[(size_t)f * channels + c] *= gain;
        }
    }
}

/* Calls the effect of a group. Returns the samples of the group. */
static const float *with_effect(vc_group *group, const vc_block *block,
                                const vc_place *place) VC_REALTIME {
    if (group->made == NULL || atomic_load(&group->error) < 0) {
        return group->mixed;
    }
    vc_block part = *block;
    int64_t ahead_ns = place->first_ns - block->output_time.host_ns;
    part.frames = part.valid_frames = place->frames;
    part.output_time.host_ns += ahead_ns;
    part.input = part.output;
    part.input.data = group->mixed;
    part.output.data = group->made;
    memset(group->made, 0, (size_t)place->frames * place->channels * sizeof(float));
    int32_t answer = 0;
    VC_UNPROVEN /* the function is the user's */
        answer = group->effect.function(group->made, group->mixed, place->frames, &part,
                                        group->effect.user);
    VC_PROVEN_AGAIN
    if (answer < 0) {
        atomic_store(&group->error, answer);
        return group->mixed;
    }
    return group->made;
}

static void add_group(vc_group *group, const vc_block *block, const vc_place *place) {
    const uint32_t channels = place->channels;
    scale(group->mixed, &group->pause.fade, place->frames, channels);
    const float *from = with_effect(group, block, place);
    uint32_t ramp = vc_smaller(group->gain.left, place->frames);
    if (ramp > 0) {
        vc_mix_add(place->to, from, ramp, channels, (float)vc_glide_value(&group->gain),
                   (float)-group->gain.per_frame);
        group->gain.left -= ramp;
    }
    vc_mix_add(place->to + (size_t)ramp * channels, from + (size_t)ramp * channels,
               place->frames - ramp, channels, (float)group->gain.target, 0.0f);
}

/* Returns the number of frames by which the time line of the voices advances. */
static uint32_t play_part(vc_voices *voices, const vc_block *block, const vc_place *place) {
    uint32_t groups = atomic_load(&voices->groups);
    vc_group *all = &voices->group[0];
    vc_pause_begin_part(&all->pause, place->frames);
    if (vc_pause_is_held(&all->pause)) {
        play_sounding(voices, place);
        return 0;
    }
    for (uint32_t i = 1; i < groups; i++) {
        vc_pause_begin_part(&voices->group[i].pause, place->frames);
        memset(voices->group[i].mixed, 0, (size_t)place->frames * place->channels * sizeof(float));
    }
    play_sounding(voices, place);
    begin_due(voices, place);
    for (uint32_t i = 1; i < groups; i++) {
        add_group(&voices->group[i], block, place);
    }
    scale(place->to, &all->gain, place->frames, place->channels);
    scale(place->to, &all->pause.fade, place->frames, place->channels);
    return place->frames;
}

int32_t vc_voices_process(vc_block *block, void *user) {
    vc_voices *voices = user;
    uint64_t now = atomic_load_explicit(&voices->frames, memory_order_relaxed);
    bool has_time = (block->output_time.valid & VC_TIME_HOST) != 0;
    vc_place place = {.channels = voices->channels,
                      .first_frame = (int64_t)now,
                      .first_ns = has_time ? block->output_time.host_ns : vc_clock_ns(),
                      .ns_per_frame = 1e9 / block->samplerate_hz};
    const int64_t begin_ns = place.first_ns;
    take_commands(voices);
    obey_groups(voices);
    /* Parts of nearly the same size, because effects can treat a part of a few frames badly. */
    const uint32_t parts = (block->frames + VC_GROUP_FRAMES - 1) / VC_GROUP_FRAMES;
    const uint32_t most = parts > 0 ? (block->frames + parts - 1) / parts : 0;
    uint32_t mixed = 0;
    for (uint32_t done = 0; done < block->frames; done += place.frames) {
        place.frames = vc_smaller(block->frames - done, most);
        place.to = block->output.data + (size_t)done * voices->channels;
        place.first_frame = (int64_t)now + mixed;
        place.first_ns = begin_ns + (int64_t)(place.ns_per_frame * (double)done + 0.5);
        mixed += play_part(voices, block, &place);
    }
    atomic_store(&voices->next_ns,
                 begin_ns + (int64_t)(place.ns_per_frame * (double)block->frames + 0.5));
    uint32_t waiting = voices->by_frame.count + voices->by_host.count;
    atomic_store(&voices->waiting, (uint64_t)voices->known << 32 | waiting);
    atomic_store(&voices->playing, voices->count);
    atomic_store_explicit(&voices->frames, now + mixed, memory_order_release);
    return VC_CONTINUE;
}
