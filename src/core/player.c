/* Plays frames that a program writes in pieces, with fades, pauses and clears.
 *
 * The requests of other threads are atomic fields, and only the newest one of each kind counts. So
 * they never wait. The IO thread reads them at the beginning of each block.
 *
 * A clear only counts itself. Each utterance, each mark and each end of an utterance carries the
 * number of clears that the writer saw before it began, and the IO thread discards what carries an
 * older number than that of the newest clear. So frames that a writer commits while another thread
 * clears are discarded, too. An earlier clear named the position up to which frames were discarded,
 * and frames that were committed right after it had read that position were heard.
 * tests/models/player.pml is a model of this. */
#include "memory.h"
#include "player_inside.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_BIT (UINT64_C(1) << 32)
enum { CUTS = 4096 }; /* clears whose results may wait to be taken */

/* ---- control --------------------------------------------------------------------------------- */

vc_player *vc_player_new(const vc_player_config *config) {
    vc_player *player = vc_memory_new(1, sizeof *player);
    if (player == NULL) {
        return NULL;
    }
    const vc_levels levels = {.gain = config->gain, .left = config->left, .right = config->right};
    player->config = *config;
    player->ring = vc_ring_new(config->capacity_frames, config->channels);
    player->messages = vc_queue_new(config->messages, sizeof(vc_message));
    player->results = vc_queue_new(config->messages + CUTS, sizeof(vc_player_result));
    player->levels = vc_mailbox_new(sizeof levels, &levels);
    player->last = vc_memory_new(config->channels, sizeof *player->last);
    if (player->ring == NULL || player->messages == NULL || player->results == NULL ||
        player->levels == NULL || player->last == NULL) {
        vc_player_free(player);
        return NULL;
    }
    player->known_levels = levels;
    player->gains[0] = vc_glide_at(levels.gain);
    player->gains[1] = vc_glide_at(levels.left);
    player->gains[2] = vc_glide_at(levels.right);
    player->fade = vc_glide_at(1.0);
    player->filling = player->fresh = true;
    atomic_store(&player->prebuffer, config->prebuffer_frames);
    return player;
}

void vc_player_free(vc_player *player) {
    if (player != NULL) {
        vc_ring_free(player->ring);
        vc_queue_free(player->messages);
        vc_queue_free(player->results);
        vc_mailbox_free(player->levels);
        vc_memory_free(player->last);
        vc_memory_free(player);
    }
}

void vc_player_wait_with(vc_player *player, vc_wait_fn wait) { player->wait = wait; }

vc_ring *vc_player_ring(vc_player *player) { return player->ring; }

static bool tell(vc_player *player, vc_message_kind kind, uint64_t position, uint32_t number,
                 uint32_t clears) {
    const vc_message message = {
        .position = position, .number = number, .clears = clears, .kind = (uint32_t)kind};
    return vc_queue_push(player->messages, &message);
}

void vc_player_begin(vc_player *player, uint32_t clears) {
    if (clears != atomic_load(&player->begun)) {
        atomic_store(&player->begun_at[clears % 2], vc_ring_total_written(player->ring));
        atomic_store(&player->begun, clears);
    }
    atomic_store(&player->expects, (uint64_t)clears + 1);
}

void vc_player_expect_nothing(vc_player *player) { atomic_store(&player->expects, 0); }

bool vc_player_finish(vc_player *player, uint64_t position, uint32_t clears) {
    if (!tell(player, VC_MESSAGE_END, position, 0, clears)) {
        return false;
    }
    atomic_store(&player->complete_to, position);
    atomic_store(&player->expects, 0);
    return true;
}

bool vc_player_mark(vc_player *player, uint64_t position, uint32_t number, uint32_t clears,
                    bool begins) {
    return tell(player, begins ? VC_MESSAGE_BEGIN : VC_MESSAGE_MARK, position, number, clears);
}

void vc_player_level(vc_player *player, float gain, float left, float right, uint32_t ramp_frames) {
    const vc_levels levels = {gain, left, right, ramp_frames};
    vc_mailbox_write(player->levels, &levels);
}

/* The bits are joined without a branch, so that the loop is vectorized. */
bool vc_player_finite(const void *samples, size_t count) {
    const unsigned char *bytes = samples;
    uint32_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
        wrong |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return wrong == 0;
}

/* ---- all threads ----------------------------------------------------------------------------- */

void vc_player_clear(vc_player *player, uint32_t fade_frames) {
    uint64_t written = vc_ring_total_written(player->ring);
    uint64_t to = atomic_load(&player->clear_to);
    while (to < written && !atomic_compare_exchange_weak(&player->clear_to, &to, written)) {
    }
    uint64_t clear = atomic_load(&player->clear);
    uint64_t next;
    do {
        next = (((clear >> 32) + 1) << 32) | fade_frames;
    } while (!atomic_compare_exchange_weak(&player->clear, &clear, next));
}

uint32_t vc_player_clears(const vc_player *player) {
    return (uint32_t)(atomic_load(&player->clear) >> 32);
}

void vc_player_pause(vc_player *player, bool pause, uint32_t fade_frames) {
    atomic_store(&player->pause, (pause ? PAUSE_BIT : 0) | fade_frames);
}

void vc_player_prebuffer(vc_player *player, uint32_t frames) {
    atomic_store(&player->prebuffer, frames);
}

void vc_player_count(const vc_player *player, vc_player_counts *counts) {
    counts->underruns = atomic_load(&player->underruns);
    counts->underrun_frames = atomic_load(&player->underrun_frames);
    uint64_t read = vc_ring_total_read(player->ring), to = atomic_load(&player->clear_to);
    counts->cleared_before = read > to ? read : to;
}

/* ---- IO thread: requests --------------------------------------------------------------------- */

/* Whether no frame is being played, so that a fade would change nothing. Without fresh frames
 * nothing is played, and then a fade would never end, nor the clear that waits for its end. */
static bool is_silent(const vc_player *player) {
    return player->filling || !player->fresh || (player->pauses && player->fade.left == 0);
}

/* Queued frames of utterances that began before a clear. */
static uint32_t count_older(const vc_player *player, uint32_t number) {
    uint64_t read = vc_ring_total_read(player->ring);
    uint32_t queued = vc_ring_readable(player->ring);
    if ((int32_t)(atomic_load(&player->begun) - number) < 0) {
        return queued;
    }
    uint64_t begins = atomic_load(&player->begun_at[number % 2]);
    return begins <= read ? 0 : begins - read < queued ? (uint32_t)(begins - read) : queued;
}

static void obey_clear(vc_player *player) {
    uint64_t clear = atomic_load(&player->clear);
    uint32_t number = (uint32_t)(clear >> 32);
    if (number == player->clears) {
        return;
    }
    player->clears = number;
    uint32_t queued = count_older(player, number);
    uint32_t frames = is_silent(player) ? 0 : (uint32_t)clear;
    frames = queued < frames ? queued : frames;
    if ((player->clears_now || player->pauses) && frames > player->fade.left) {
        frames = player->fade.left; /* a second request makes a fade shorter, not longer */
    }
    player->clears_now = true;
    vc_glide_to(&player->fade, 0.0, frames);
}

static void obey_pause(vc_player *player) {
    uint64_t pause = atomic_load(&player->pause);
    bool pauses = (pause & PAUSE_BIT) != 0;
    if (pauses == player->pauses || player->clears_now) {
        return;
    }
    uint32_t frames = player->filling ? 0 : (uint32_t)pause;
    player->pauses = pauses;
    vc_glide_to(&player->fade, pauses ? 0.0 : 1.0, frames);
}

static void obey_levels(vc_player *player) {
    const vc_levels *levels = vc_mailbox_read(player->levels);
    if (memcmp(levels, &player->known_levels, sizeof *levels) == 0) {
        return;
    }
    player->known_levels = *levels;
    const float targets[3] = {levels->gain, levels->left, levels->right};
    uint32_t frames = player->filling ? 0 : levels->ramp_frames;
    for (int i = 0; i < 3; i++) {
        if (targets[i] != player->gains[i].target) {
            vc_glide_to(&player->gains[i], targets[i], frames);
        }
    }
}

/* ---- IO thread: samples ---------------------------------------------------------------------- */

static bool is_plain(const vc_player *player) {
    bool plain = player->fade.left == 0 && player->fade.target == 1.0;
    for (int i = 0; i < 3; i++) {
        plain = plain && player->gains[i].left == 0 && player->gains[i].target == 1.0;
    }
    return plain;
}

/* Copies one frame with its gains. A single channel is played on all channels. */
static void put_frame(vc_player *player, float *to, const float *from, uint32_t channels,
                      float fade) {
    float gain = fade * (float)vc_glide_next(&player->gains[0]);
    const float sides[2] = {(float)vc_glide_next(&player->gains[1]),
                            (float)vc_glide_next(&player->gains[2])};
    for (uint32_t c = 0; c < channels; c++) {
        float sample = from[player->config.channels == 1 ? 0 : c] * gain;
        to[c] = c < 2 && channels > 1 ? sample * sides[c] : sample;
    }
}

static void put_frames(vc_player *player, float *to, const float *from, uint32_t frames,
                       uint32_t channels) {
    const uint32_t own = player->config.channels;
    if (is_plain(player)) {
        if (own == channels) {
            memcpy(to, from, (size_t)frames * own * sizeof(float));
            return;
        }
        for (uint32_t f = 0; f < frames; f++) {
            for (uint32_t c = 0; c < channels; c++) {
                to[(size_t)f * channels + c] = from[f];
            }
        }
        return;
    }
    for (uint32_t f = 0; f < frames; f++) {
        float fade = (float)vc_glide_next(&player->fade);
        put_frame(player, to + (size_t)f * channels, from + (size_t)f * own, channels, fade);
    }
}

/* Plays frames of the ring at frame `offset` of the block. */
static void play(vc_player *player, vc_block *block, uint32_t offset, const float *from,
                 uint32_t frames) {
    const uint32_t channels = block->output.channels, own = player->config.channels;
    put_frames(player, block->output.data + (size_t)offset * channels, from, frames, channels);
    memcpy(player->last, from + (size_t)(frames - 1) * own, own * sizeof(float));
    vc_ring_release(player->ring, frames);
    vc_player_note(player, block, offset, frames);
    vc_player_answer(player);
}

/* Fades the last frame out after the frames of an utterance have run out. Returns the frame of the
 * block after the fade. */
static uint32_t play_tail(vc_player *player, vc_block *block, uint32_t offset) {
    const uint32_t channels = block->output.channels;
    while (offset < block->frames && player->tail_left > 0) {
        float fade = (float)player->tail_left-- / (float)(player->config.fade_frames + 1);
        put_frame(player, block->output.data + (size_t)offset * channels, player->last, channels,
                  fade);
        offset++;
    }
    return offset;
}

/* ---- IO thread: the queue -------------------------------------------------------------------- */

/* Whether enough frames are queued to begin or to go on. */
static bool is_enough(const vc_player *player) {
    bool fresh = player->fresh || atomic_load(&player->begun) == player->cleared;
    uint32_t ready = fresh ? vc_ring_readable(player->ring) : 0;
    bool complete = atomic_load(&player->complete_to) > vc_ring_total_read(player->ring);
    bool filled = !player->filling || complete || ready >= atomic_load(&player->prebuffer);
    return ready > 0 && filled;
}

/* A clear ends the utterance that was open before it. */
static bool expects_more(const vc_player *player) {
    return atomic_load(&player->expects) == (uint64_t)vc_player_clears(player) + 1;
}

static bool may_go_on(const void *argument) {
    const vc_player *player = argument;
    return is_enough(player) || !expects_more(player) ||
           vc_player_clears(player) != player->clears ||
           (atomic_load(&player->pause) & PAUSE_BIT) != 0;
}

/* Waits for frames if the device's clock does not wait for the program. */
static bool wait_for_frames(const vc_player *player) VC_REALTIME;
static bool wait_for_frames(const vc_player *player) {
    bool arrived = false;
    VC_UNPROVEN /* the call waits, but only if the device's clock is not real */
        arrived = player->wait != NULL && expects_more(player) && player->wait(may_go_on, player) &&
                  is_enough(player);
    VC_PROVEN_AGAIN
    return arrived;
}

/* Begins, or goes on after a gap, if enough frames are queued. */
static bool begin(vc_player *player) {
    if (!is_enough(player) && !wait_for_frames(player)) {
        return false;
    }
    if (player->gap) { /* the utterance goes on, unless the next one begins */
        vc_player_answer(player);
        bool outage = player->natural_to != vc_ring_total_read(player->ring);
        uint64_t count = atomic_load_explicit(&player->underruns, memory_order_relaxed);
        uint64_t lost = atomic_load_explicit(&player->underrun_frames, memory_order_relaxed);
        atomic_store(&player->underruns, count + outage);
        atomic_store(&player->underrun_frames, lost + (outage ? player->gap_frames : 0));
        if (outage) {
            player->fade = vc_glide_at(0.0);
            vc_glide_to(&player->fade, 1.0, player->config.fade_frames);
        }
    }
    player->gap = player->filling = false;
    player->tail_left = 0;
    return true;
}

/* Called when the queue is empty. */
static void run_dry(vc_player *player) {
    player->filling = true;
    vc_player_answer(player);
    if (player->natural_to != vc_ring_total_read(player->ring)) {
        player->gap = true;
        player->gap_frames = 0;
        player->tail_left = player->config.fade_frames;
    }
    player->fade = vc_glide_at(player->pauses || player->clears_now ? 0.0 : 1.0);
}

/* Plays from frame `offset` of the block on, until it is full or nothing is left to play. Returns
 * the frame of the block after the last one that was played. */
static uint32_t play_queue(vc_player *player, vc_block *block) {
    uint32_t offset = 0;
    while (offset < block->frames) {
        if (player->clears_now && player->fade.left == 0) {
            if (!vc_player_discard(player, block, offset)) {
                break;
            }
            player->clears_now = player->gap = false;
            player->filling = true;
            player->tail_left = 0;
            player->fade = vc_glide_at(player->pauses ? 0.0 : 1.0);
            obey_pause(player);
        }
        bool quiet = player->pauses && player->fade.left == 0 && !player->clears_now;
        vc_player_skip_stale(player, block, offset);
        if (quiet || (player->filling && !begin(player)) ||
            !vc_player_skip_stale(player, block, offset)) {
            break;
        }
        uint32_t wanted = block->frames - offset;
        if (player->fade.left > 0 && player->fade.left < wanted) {
            wanted = player->fade.left;
        }
        vc_slices slices;
        vc_ring_peek(player->ring, wanted, &slices);
        if (slices.first_frames == 0) {
            if (!wait_for_frames(player)) {
                run_dry(player);
            }
            continue;
        }
        play(player, block, offset, slices.first, slices.first_frames);
        offset += slices.first_frames;
    }
    return offset;
}

int32_t vc_player_process(vc_block *block, void *user) {
    vc_player *player = user;
    obey_clear(player);
    obey_pause(player);
    obey_levels(player);
    vc_player_answer(player);
    if (player->gap && player->natural_to == vc_ring_total_read(player->ring)) {
        player->gap = false; /* it was the end of the utterance, which the program said later */
    }
    uint32_t end = play_queue(player, block);
    if (player->gap && !player->pauses) {
        player->gap_frames += block->frames - end;
    }
    block->valid_frames = play_tail(player, block, end);
    return VC_CONTINUE;
}
