/* Runs the user's code ahead of the device: the worker's side. See lead.h. */
#include "audio.h"
#include "lead_inside.h"

#include <assert.h>

static void add_lost(vc_block *block, uint64_t frames) {
    uint64_t all = block->lost_frames + frames;
    block->lost_frames = all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
}

/* Sets the times of the block that begins at `start`, and the frames lost before it, from the notes
 * of the cycles that brought its frames. */
static void times_of_input(vc_lead *lead, uint64_t start, vc_block *block) {
    note inner;
    bool has_inner = false;
    uint64_t end = start + lead->config.block_frames;
    while (lead->has_next || vc_queue_pop(lead->notes, &lead->next)) {
        lead->has_next = lead->next.position >= end;
        if (lead->has_next) {
            break;
        }
        add_lost(block, lead->next.lost);
        lead->now = lead->next.now;
        if (lead->next.position <= start) {
            lead->current = lead->next;
        } else {
            inner = lead->next;
            has_inner = true;
        }
    }
    int64_t ahead = (int64_t)(start - lead->current.position);
    block->now = lead->now;
    block->input_time = vc_lead_later(lead, lead->current.input, ahead);
    block->output_time =
        vc_lead_later(lead, lead->current.output, ahead + (int64_t)vc_lead_length(lead));
    if (has_inner) {
        lead->current = inner;
    }
}

static void times_of_output(vc_lead *lead, uint64_t start, vc_block *block) {
    const note *newest = vc_mailbox_read(lead->newest);
    /* The IO thread applies a growth after this note was written, and counts the frames of the gap
     * as part of it. */
    uint32_t length = vc_lead_length(lead);
    uint32_t more = length - newest->lead;
    uint32_t taken = more < newest->gap ? more : newest->gap;
    int64_t ahead = (int64_t)(start - newest->position) + (int64_t)length - (int64_t)taken;
    block->now = newest->now;
    block->input_time = newest->input;
    block->output_time = vc_lead_later(lead, newest->output, ahead);
    add_lost(block, atomic_exchange_explicit(&lead->lost, 0, memory_order_relaxed));
}

static void end_code(vc_lead *lead, int32_t result) {
    atomic_store_explicit(&lead->result, result != VC_NOT_ENDED ? result : VC_ERROR,
                          memory_order_release);
}

/* Frames that the device has to exchange until the next block is due; 0: a block is due now. */
static uint32_t frames_until_due(const vc_lead *lead) {
    uint32_t block = lead->config.block_frames;
    if (lead->input != NULL) {
        uint32_t arrived = vc_ring_readable(lead->input);
        return arrived < block ? block - arrived : 0;
    }
    uint64_t made = atomic_load_explicit(&lead->made, memory_order_relaxed);
    uint64_t exchanged = atomic_load_explicit(&lead->exchanged, memory_order_acquire);
    return made < exchanged ? 0 : (uint32_t)(made - exchanged) + 1;
}

uint32_t vc_lead_idle_frames(const vc_lead *lead) {
    /* With input, the worker looks for work again as soon as the next block is due, to keep the
     * delay short. Without input, an eighth of the lead may be played before the worker looks
     * again. */
    uint32_t frames = frames_until_due(lead);
    uint32_t eighth = lead->input == NULL ? vc_lead_length(lead) / 8 : 0;
    return frames > eighth ? frames : eighth;
}

/* Whether a stop was requested and the code must not be called any more. */
static bool stopped(const vc_lead *lead) {
    return atomic_load_explicit(&lead->stopping, memory_order_acquire) &&
           (lead->input == NULL ||
            atomic_load_explicit(&lead->made, memory_order_relaxed) + lead->config.block_frames >
                atomic_load_explicit(&lead->stop_at, memory_order_relaxed));
}

bool vc_lead_make(vc_lead *lead) {
    const vc_lead_config *config = &lead->config;
    if (vc_lead_ended(lead)) {
        return false;
    }
    if (stopped(lead)) {
        end_code(lead, VC_STOP);
        return false;
    }
    if (frames_until_due(lead) > 0) {
        vc_lead_look(lead, false);
        return false;
    }
    uint64_t start = atomic_load_explicit(&lead->made, memory_order_relaxed);
    vc_block block = {.frames = config->block_frames,
                      .valid_frames = config->block_frames,
                      .samplerate_hz = config->samplerate_hz};
    vc_set_interleaved(&block.input, config->input_block, config->input_channels);
    vc_set_interleaved(&block.output, config->output_block, config->output_channels);
    if (lead->input != NULL) {
        times_of_input(lead, start, &block);
        vc_ring_read(lead->input, config->input_block, block.frames);
    } else {
        times_of_output(lead, start, &block);
    }
    vc_audio_silence(&block.output, 0, block.frames);
    block.called_ns = config->timed ? vc_clock_ns() : 0;
    atomic_store_explicit(&lead->called, true, memory_order_relaxed);
    int32_t result = config->process(&block, config->user);
    atomic_store_explicit(&lead->called, false, memory_order_relaxed);
    vc_lead_look(lead, true); /* before the output is in the ring */
    if (lead->output != NULL && result >= 0) {
        uint32_t valid = block.valid_frames < block.frames ? block.valid_frames : block.frames;
        vc_audio_silence(&block.output, valid, block.frames - valid);
        uint32_t played = result == VC_CONTINUE ? block.frames : valid;
        uint32_t written = vc_ring_write(lead->output, config->output_block, played);
        assert(written == played);
        (void)written;
    }
    atomic_fetch_add_explicit(&lead->blocks, 1, memory_order_relaxed);
    atomic_store_explicit(&lead->made, start + block.frames, memory_order_relaxed);
    if (result != VC_CONTINUE) {
        end_code(lead, result);
    }
    return true;
}
