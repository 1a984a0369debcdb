/* Runs the user's code ahead of the device: the IO thread's side, and control. See lead.h. */
#include "lead_inside.h"
#include "memory.h"
#include "smaller.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FADE_S 0.003 /* long enough to avoid a click, too short to be heard as a fade */
enum { SHORTEST_CYCLE = 16, NOTES_TO_SPARE = 64, GROWTHS = 64 };

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* ---- control ----------------------------------------------------------------------------------
 */

uint32_t vc_lead_shortest(uint32_t block_frames, uint32_t max_period_frames, bool duplex) {
    return max_period_frames + (duplex && max_period_frames % block_frames != 0 ? block_frames : 0);
}

static void free_rings(vc_lead *lead) {
    vc_ring_free(lead->input);
    vc_ring_free(lead->output);
    vc_queue_free(lead->notes);
    vc_mailbox_free(lead->newest);
    vc_memory_free(lead->holes);
    lead->holes = NULL;
    lead->input = lead->output = NULL;
    lead->notes = NULL;
    lead->newest = NULL;
}

static bool make_rings(vc_lead *lead) {
    const vc_lead_config *config = &lead->config;
    uint32_t lead_frames = config->lead_frames;
    uint32_t cycle = config->max_period_frames;
    bool duplex = config->input_channels && config->output_channels;
    assert(lead_frames >= vc_lead_shortest(config->block_frames, cycle, duplex));
    /* A wait can last as long as the longest lead without a loss of input. */
    uint32_t most = larger(lead_frames, config->max_lead_frames);
    uint32_t queued = duplex ? larger(2 * lead_frames, most) + config->block_frames + cycle
                             : most + config->block_frames;
    bool good = true;
    if (config->input_channels) {
        uint32_t shortest = cycle && cycle < SHORTEST_CYCLE ? cycle : SHORTEST_CYCLE;
        lead->input = vc_ring_new(queued, config->input_channels);
        queued = lead->input ? vc_ring_capacity(lead->input) : 0;
        lead->notes = vc_queue_new(queued / shortest + NOTES_TO_SPARE, sizeof(note));
        good = lead->input != NULL && lead->notes != NULL;
    } else {
        lead->newest = vc_mailbox_new(sizeof(note), NULL);
        good = lead->newest != NULL;
    }
    if (config->output_channels) {
        uint32_t made = duplex ? queued + most + cycle : queued;
        lead->output = vc_ring_new(made, config->output_channels);
        /* If the code is too slow all the time, each cycle may leave a hole. */
        lead->hole_room = (queued + made) / SHORTEST_CYCLE + NOTES_TO_SPARE;
        lead->holes = duplex ? vc_memory_new(lead->hole_room, sizeof *lead->holes) : NULL;
        good = good && lead->output != NULL && (lead->holes != NULL || !duplex);
    }
    return good;
}

vc_lead *vc_lead_new(const vc_lead_config *config) {
    vc_lead *lead = vc_memory_new(1, sizeof *lead);
    if (lead == NULL) {
        return NULL;
    }
    lead->config = *config;
    lead->ns_per_frame = 1e9 / config->samplerate_hz;
    lead->fade_frames = (uint32_t)(FADE_S * config->samplerate_hz) + 1;
    lead->heard =
        vc_memory_new((size_t)lead->fade_frames * config->output_channels + 1, sizeof *lead->heard);
    lead->tail =
        vc_memory_new((size_t)lead->fade_frames * config->output_channels + 1, sizeof *lead->tail);
    lead->growths = vc_queue_new(GROWTHS, sizeof(vc_growth));
    atomic_store(&lead->length, config->lead_frames);
    if (!make_rings(lead) || lead->heard == NULL || lead->tail == NULL || lead->growths == NULL) {
        vc_lead_free(lead);
        return NULL;
    }
    return lead;
}

void vc_lead_free(vc_lead *lead) {
    if (lead != NULL) {
        free_rings(lead);
        vc_memory_free(lead->heard);
        vc_memory_free(lead->tail);
        vc_queue_free(lead->growths);
        vc_memory_free(lead);
    }
}

bool vc_lead_resize(vc_lead *lead, uint32_t max_period_frames, uint32_t lead_frames,
                    uint32_t max_lead_frames, bool timed) {
    free_rings(lead);
    lead->config.max_period_frames = max_period_frames;
    lead->config.lead_frames = lead_frames;
    lead->config.max_lead_frames = max_lead_frames;
    atomic_store(&lead->length, lead_frames);
    lead->config.timed = timed;
    return make_rings(lead);
}

void vc_lead_start(vc_lead *lead) {
    if (lead->input != NULL) {
        vc_ring_reset(lead->input);
        while (vc_queue_pop(lead->notes, &lead->next)) {
        }
    } else {
        const note none = {.lead = vc_lead_length(lead)};
        vc_mailbox_write(lead->newest, &none);
    }
    if (lead->output != NULL) {
        vc_ring_reset(lead->output);
        memset(lead->heard, 0,
               (size_t)lead->fade_frames * lead->config.output_channels * sizeof *lead->heard);
    }
    atomic_store(&lead->exchanged, 0);
    atomic_store(&lead->lost, 0);
    atomic_store(&lead->stopping, false);
    atomic_store(&lead->called, false);
    atomic_store(&lead->made, 0);
    vc_lead_start_growth(lead);
    lead->lead_in = lead->applied;
    lead->owed = 0;
    lead->hole_count = 0;
    lead->pending_lost = 0;
    lead->gap = false;
    lead->faded_in = lead->faded_out = lead->fade_frames;
    memset(&lead->current, 0, sizeof lead->current);
    lead->has_next = false;
    atomic_store(&lead->result, VC_NOT_ENDED);
}

void vc_lead_stop(vc_lead *lead) {
    if (lead->input != NULL) {
        atomic_store(&lead->stop_at, vc_ring_total_written(lead->input));
    }
    atomic_store_explicit(&lead->stopping, true, memory_order_release);
}

bool vc_lead_ended(const vc_lead *lead) {
    return atomic_load_explicit(&lead->result, memory_order_acquire) != VC_NOT_ENDED;
}

uint64_t vc_lead_blocks(const vc_lead *lead) {
    return atomic_load_explicit(&lead->blocks, memory_order_relaxed);
}

uint64_t vc_lead_frames(const vc_lead *lead) {
    return vc_lead_blocks(lead) * lead->config.block_frames;
}

void vc_lead_margins(const vc_lead *lead, uint64_t *counts) {
    vc_histogram_read(&lead->margins, counts);
}

/* ---- IO thread --------------------------------------------------------------------------------
 */

static bool inside(const vc_lead *lead) VC_REALTIME {
    /* Do not compare with NULL: clang then treats NULL as a function that may block. */
    return lead->config.inside ? lead->config.inside(lead->config.user) : true;
}

static uint32_t find_cause(const vc_lead *lead) {
    return !atomic_load_explicit(&lead->called, memory_order_relaxed) ? VC_CAUSE_WORKER
           : inside(lead)                                             ? VC_CAUSE_CALLBACK
                                                                      : VC_CAUSE_WAITING;
}

static void add_hole(vc_lead *lead, uint64_t position, uint32_t frames) {
    hole *last =
        &lead->holes[(lead->first_hole + lead->hole_count + lead->hole_room - 1) % lead->hole_room];
    if (lead->hole_count == lead->hole_room ||
        (lead->hole_count > 0 && last->position == position)) {
        last->frames += frames;
        return;
    }
    hole *next = &lead->holes[(lead->first_hole + lead->hole_count++) % lead->hole_room];
    *next = (hole){position, frames};
}

/* Returns the frames until the next hole in the output. Removes the holes that were reached. */
static uint32_t until_hole(vc_lead *lead) {
    uint64_t position = vc_ring_total_read(lead->output);
    while (lead->hole_count > 0) {
        const hole *first = &lead->holes[lead->first_hole];
        if (first->position > position) {
            uint64_t left = first->position - position;
            return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
        }
        lead->owed -= (int64_t)first->frames;
        lead->first_hole = (lead->first_hole + 1) % lead->hole_room;
        lead->hole_count--;
    }
    return UINT32_MAX;
}

/* Writes the block's input and a note to the rings. Returns the number of frames for which there
 * was no room. */
static uint32_t take_input(vc_lead *lead, const vc_block *block) {
    vc_slices room;
    uint32_t granted = vc_ring_reserve(lead->input, block->frames, &room);
    lead->pending_lost += block->lost_frames;
    if (granted > 0) {
        note told = {.position = vc_ring_total_written(lead->input),
                     .now = block->now,
                     .input = block->input_time,
                     .output = block->output_time,
                     .lost = lead->pending_lost};
        if (vc_queue_push(lead->notes, &told)) {
            lead->pending_lost = 0;
        }
        vc_ring_write(lead->input, block->input.data, granted);
    }
    uint32_t dropped = block->frames - granted;
    lead->pending_lost += dropped;
    if (dropped > 0 && lead->output != NULL) {
        add_hole(lead, vc_ring_total_written(lead->input), dropped);
    }
    return dropped;
}

static void write_newest_note(vc_lead *lead, const vc_block *block, uint32_t exchanged) {
    uint64_t position = atomic_load_explicit(&lead->exchanged, memory_order_relaxed) + exchanged;
    note told = {.position = position,
                 .now = block->now,
                 .output = vc_lead_later(lead, block->output_time, block->frames),
                 .lead = lead->applied,
                 .gap = lead->gap_frames};
    vc_mailbox_write(lead->newest, &told);
    atomic_fetch_add_explicit(&lead->lost, (uint64_t)block->lost_frames + block->starved_frames,
                              memory_order_relaxed);
    atomic_store_explicit(&lead->exchanged, position, memory_order_release);
}

/* Drops output that is too late for its input. Of the frames in the ring it looks only at the first
 * `ready`. Returns how many are left of these. */
static uint32_t drop_late(vc_lead *lead, uint32_t ready) {
    vc_slices late;
    uint32_t dropped = 1;
    while (dropped > 0) {
        uint32_t most = vc_smaller(until_hole(lead), ready);
        if (lead->owed <= 0) {
            break;
        }
        most = lead->owed < most ? (uint32_t)lead->owed : most;
        dropped = vc_ring_peek(lead->output, most, &late);
        vc_ring_release(lead->output, dropped);
        lead->owed -= dropped;
        ready -= dropped;
    }
    return ready;
}

/* Fills the first frames of `data` with output that is in time. Returns their number. */
static uint32_t read_output(vc_lead *lead, float *data, uint32_t frames) {
    uint32_t done = 0, got = 1;
    while (done < frames && got > 0) {
        uint32_t most = vc_smaller(frames - done, until_hole(lead));
        if (lead->owed != 0) { /* a hole was reached, or output arrived after drop_late */
            break;
        }
        got = vc_ring_read(lead->output, data + (size_t)done * lead->config.output_channels, most);
        done += got;
    }
    return done;
}

static void keep_heard(vc_lead *lead, const float *data, uint32_t frames) {
    uint32_t channels = lead->config.output_channels;
    uint32_t all = lead->fade_frames;
    uint32_t kept = frames < all ? all - frames : 0;
    uint32_t added = all - kept;
    memmove(lead->heard, lead->heard + (size_t)added * channels,
            (size_t)kept * channels * sizeof(float));
    memcpy(lead->heard + (size_t)kept * channels, data + (size_t)(frames - added) * channels,
           (size_t)added * channels * sizeof(float));
}

/* Prepares the fade-out of a gap. It consists of the frames that were played last, in reverse order
 * and with a falling gain. No newer frames are available, and the reversed frames begin at the
 * level at which the sound stopped. */
static void begin_fade_out(vc_lead *lead) {
    uint32_t channels = lead->config.output_channels;
    for (uint32_t f = 0; f < lead->fade_frames; f++) {
        uint32_t back = lead->fade_frames - 1 - f;
        float gain = (float)back / (float)lead->fade_frames;
        for (uint32_t c = 0; c < channels; c++) {
            lead->tail[(size_t)f * channels + c] = lead->heard[(size_t)back * channels + c] * gain;
        }
    }
    lead->faded_out = 0;
}

/* Adds the rest of the fade-out, which may be longer than the gap. Returns the number of frames
 * that it added. */
static uint32_t fade_out(vc_lead *lead, float *data, uint32_t frames) {
    uint32_t channels = lead->config.output_channels;
    uint32_t count = vc_smaller(frames, lead->fade_frames - lead->faded_out);
    vc_mix_add(data, lead->tail + (size_t)lead->faded_out * channels, count, channels, 1.0f, 0.0f);
    lead->faded_out += count;
    return count;
}

static void fade_in(vc_lead *lead, float *data, uint32_t frames) {
    uint32_t channels = lead->config.output_channels;
    for (uint32_t f = 0; f < frames && lead->faded_in < lead->fade_frames; f++) {
        float gain = (float)++lead->faded_in / (float)(lead->fade_frames + 1);
        for (uint32_t c = 0; c < channels; c++) {
            data[(size_t)f * channels + c] *= gain;
        }
    }
}

/* Plays a part of the block as a gap. Adds the frames that are lost to `lost`. Returns how many
 * frames at the beginning of the part are not silent. */
static uint32_t play_gap(vc_lead *lead, float *data, uint32_t frames, uint32_t *lost) {
    if (!lead->gap) {
        lead->gap = true;
        if (lead->stretch == 0) { /* otherwise the lead grows after the gap that made it grow */
            lead->gap_cause = find_cause(lead);
            atomic_fetch_add_explicit(&lead->starved, 1, memory_order_relaxed);
        }
        begin_fade_out(lead);
    }
    lead->faded_in = 0;
    uint32_t stretched = vc_smaller(lead->stretch, frames);
    *lost += frames;
    if (lead->input != NULL) {
        /* The frames of a hole are not counted again: they were counted when the input was dropped.
         */
        int64_t held = -lead->owed - lead->stretch;
        uint32_t rest = frames - stretched;
        *lost -= held > 0 ? (uint32_t)(held < rest ? held : rest) : 0;
        lead->owed += frames;
    } else {
        lead->gap_frames += frames - stretched;
    }
    lead->stretch -= stretched;
    return fade_out(lead, data, frames);
}

static void count_lost(vc_lead *lead, vc_block *block, uint32_t lost) {
    if (lost > block->starved_frames) { /* otherwise take_input has already counted the frames */
        lead->pending_lost += lead->input != NULL ? lost - block->starved_frames : 0;
        block->starved_frames = lost;
        block->starved_cause = lead->gap_cause;
    }
}

/* Returns the frames of silence until the next output is in time, at most `frames`. */
static uint32_t early(const vc_lead *lead, uint32_t frames) {
    int64_t left = lead->input != NULL ? -lead->owed : lead->stretch;
    return left <= 0 ? 0 : left < frames ? (uint32_t)left : frames;
}

/* Fills the output of a block. The caller has read `ended` before this function reads the ring. So
 * if `ended` is set, the ring gets no more frames. `over` is set when all output has been played.
 * Returns the number of frames by which the time line of a stream without input advances. */
static uint32_t give_output(vc_lead *lead, vc_block *block, bool ended, bool *over) {
    uint32_t channels = lead->config.output_channels;
    uint32_t ready = vc_ring_readable(lead->output); /* before vc_lead_apply: see lead_inside.h */
    uint32_t grown = vc_lead_apply(lead);
    ready = drop_late(lead, ready);
    if (ended && ready == 0) {
        *over = true;
        block->valid_frames = 0;
        return block->frames;
    }
    uint32_t quiet = vc_smaller(lead->lead_in, block->frames);
    lead->lead_in -= quiet;
    float *data = block->output.data + (size_t)quiet * channels;
    uint32_t lost = 0;
    uint32_t silent = early(lead, block->frames - quiet);
    uint32_t faded = silent ? play_gap(lead, data, silent, &lost) : 0;
    block->valid_frames = faded ? quiet + faded : 0;
    quiet += silent;
    data += (size_t)silent * channels;
    uint32_t wanted = block->frames - quiet;
    /* A gap ends only when the ring has a whole cycle. Otherwise the next gap would follow at once.
     * Of a cycle that is longer than the lead, the ring never has more than the lead. */
    bool wait = lead->gap && ready < vc_smaller(wanted, lead->applied) && !ended;
    uint32_t got = wait ? 0 : read_output(lead, data, wanted);
    if (got > 0) {
        lead->gap = false;
        lead->gap_frames = 0;
        fade_in(lead, data, got);
        fade_out(lead, data, got);
        keep_heard(lead, data, got);
    }
    block->valid_frames = wanted ? quiet + got : block->valid_frames;
    *over = ended && got < wanted && vc_ring_readable(lead->output) == 0;
    if (got < wanted && !*over) {
        float *rest = data + (size_t)got * channels;
        block->valid_frames += play_gap(lead, rest, wanted - got, &lost);
    }
    count_lost(lead, block, lost);
    return quiet + got + grown;
}

static void settle(const vc_lead *lead) VC_REALTIME {
    VC_UNPROVEN /* the call waits, but only if the device's clock is not real */
        if (lead->config.settle != NULL) {
        lead->config.settle(lead->config.argument);
    }
    VC_PROVEN_AGAIN
}

/* The result for the engine: VC_CONTINUE until the code has ended and all its frames were played.
 */
static int32_t result_of(const vc_lead *lead) {
    int32_t result = atomic_load_explicit(&lead->result, memory_order_acquire);
    bool ended = result != VC_NOT_ENDED;
    return ended && (result < 0 || lead->output == NULL) ? result : VC_CONTINUE;
}

int32_t vc_lead_process(vc_block *block, void *user) {
    vc_lead *lead = user;
    bool ended = vc_lead_ended(lead);
    int32_t result = result_of(lead);
    if (result != VC_CONTINUE) {
        return result;
    }
    uint32_t exchanged = block->frames;
    atomic_store_explicit(&lead->elapsed,
                          atomic_load_explicit(&lead->elapsed, memory_order_relaxed) + exchanged,
                          memory_order_relaxed);
    if (lead->input != NULL && !ended) {
        uint32_t dropped = take_input(lead, block);
        block->starved_frames = dropped;
        block->starved_cause = dropped ? find_cause(lead) : 0;
    }
    if (lead->output != NULL) {
        bool over = false;
        exchanged = give_output(lead, block, ended, &over);
        if (over) {
            return VC_STOP;
        }
    }
    if (lead->input == NULL) {
        write_newest_note(lead, block, exchanged);
    }
    if (!ended) {
        uint32_t left = lead->output ? lead->lead_in + vc_ring_readable(lead->output)
                                     : vc_ring_writable(lead->input);
        int64_t left_ns = (int64_t)(left * lead->ns_per_frame);
        vc_histogram_add(&lead->margins, block->starved_frames ? 0 : left_ns);
    }
    settle(lead);
    return result_of(lead);
}
