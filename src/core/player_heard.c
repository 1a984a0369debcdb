/* What a player has played, and when it is heard: runs, marks and cuts.
 *
 * The IO thread plays frames before they are heard, by the latency of the device. So it notes for
 * each run of frames the host times at which they are at the connector. A reader finds the newest
 * run that has begun. A reader that meets a run that is being overwritten (kept.h) stops at the run
 * after it. */
#include "player_inside.h"

#include <math.h>
#include <string.h>

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

_Static_assert(sizeof(vc_run) % sizeof(uint64_t) == 0, "kept word by word");

/* ---- IO thread ------------------------------------------------------------------------------- */

static void write_run(vc_runs *runs, const vc_run *run) {
    vc_kept_write(&runs->kept, runs->words, VC_RUNS, VC_RUN_WORDS, run);
}

/* Host time at which a frame of the block is at the connector. A device without host times plays
 * its frames when it asks for them. */
static int64_t connector_ns(const vc_block *block, uint32_t frame) VC_REALTIME;
static int64_t connector_ns(const vc_block *block, uint32_t frame) {
    int64_t begin_ns = block->output_time.valid & VC_TIME_HOST ? block->output_time.host_ns
                       : block->now.valid & VC_TIME_HOST       ? block->now.host_ns
                                                               : block->called_ns;
    return begin_ns + llrint((double)frame * 1e9 / block->samplerate_hz);
}

void vc_player_note(vc_player *player, const vc_block *block, uint32_t offset, uint32_t frames) {
    vc_run *run = &player->run;
    player->ns_per_frame = 1e9 / block->samplerate_hz;
    run->begin_ns = connector_ns(block, offset);
    run->end_ns = connector_ns(block, offset + frames);
    run->position = vc_ring_total_read(player->ring) - frames;
    run->frames = frames;
    run->before = player->played;
    player->played += frames;
    write_run(&player->runs, run);
}

/* Returns false if there is no room. The caller tries it again in a later block then. */
static bool report(vc_player *player, vc_player_kind kind, int64_t host_ns, uint64_t position,
                   uint32_t number) {
    const vc_player_result result = {
        .host_ns = host_ns, .position = position, .number = number, .kind = (uint32_t)kind};
    if (!vc_queue_push(player->results, &result)) {
        return false;
    }
    uint64_t reported = LOAD(player->reported);
    atomic_store_explicit(&player->reported, reported + 1, memory_order_release);
    return true;
}

/* Host time at which the frames before `position` have left the connector. */
static int64_t time_of(const vc_player *player, uint64_t position) VC_REALTIME;
static int64_t time_of(const vc_player *player, uint64_t position) {
    const vc_run *run = &player->run;
    if (position >= run->position + run->frames) {
        return run->end_ns; /* the position was reached before the mark was set */
    }
    uint64_t into = position > run->position ? position - run->position : 0;
    return run->begin_ns + llrint((double)into * player->ns_per_frame);
}

/* Answers a message if its position was reached and there is room for the result. Returns false if
 * it was not answered. */
static bool answer(vc_player *player, const vc_message *message) {
    bool is_mark = message->kind != VC_MESSAGE_END;
    if ((int32_t)(message->clears - player->cleared) < 0) {
        return !is_mark || report(player, VC_PLAYER_CLEARED, player->run.end_ns, message->position,
                                  message->number);
    }
    uint64_t played_to = vc_ring_total_read(player->ring);
    bool begins = message->kind == VC_MESSAGE_BEGIN;
    if (begins ? played_to <= message->position : played_to < message->position) {
        return false;
    }
    if (is_mark) {
        return report(player, VC_PLAYER_HEARD, time_of(player, message->position),
                      message->position, message->number);
    }
    player->natural_to = message->position;
    return true;
}

void vc_player_answer(vc_player *player) {
    for (;;) {
        if (!player->has_message) {
            player->has_message = vc_queue_pop(player->messages, &player->message);
        }
        if (!player->has_message || !answer(player, &player->message)) {
            return;
        }
        player->has_message = false;
    }
}

/* Drops the frames before a position. */
static void drop_to(vc_player *player, uint64_t position, int64_t now_ns) {
    vc_ring_skip_to(player->ring, position);
    player->natural_to = vc_ring_total_read(player->ring);
    player->run = (vc_run){.begin_ns = now_ns,
                           .end_ns = now_ns,
                           .position = player->natural_to,
                           .before = player->played};
    write_run(&player->runs, &player->run);
}

/* The queue is looked at before `begun`, so its frames are of that utterance or of older ones. An
 * utterance stores where it begins before it stores `begun`, and its frames follow. */
bool vc_player_skip_stale(vc_player *player, const vc_block *block, uint32_t offset) {
    if (player->fresh) {
        return true;
    }
    uint64_t read = vc_ring_total_read(player->ring);
    uint64_t end = read + vc_ring_readable(player->ring);
    uint32_t begun = atomic_load(&player->begun);
    uint64_t begins = atomic_load(&player->begun_at[player->cleared % 2]);
    if (begun == player->cleared && atomic_load(&player->begun) == begun) {
        player->fresh = true;
        end = begins;
    } else if ((int32_t)(begun - player->cleared) >= 0) {
        return false; /* there is another clear, which is made in the next block */
    }
    if (end > read) {
        drop_to(player, end, connector_ns(block, offset));
    }
    return player->fresh;
}

bool vc_player_discard(vc_player *player, const vc_block *block, uint32_t offset) {
    int64_t now_ns = connector_ns(block, offset);
    uint64_t cut = vc_ring_total_read(player->ring);
    if (!report(player, VC_PLAYER_CUT, now_ns, cut, player->clears)) {
        return false;
    }
    player->cleared = player->clears;
    player->fresh = false;
    drop_to(player, cut, now_ns);
    vc_player_skip_stale(player, block, offset);
    vc_player_answer(player);
    return true;
}

/* ---- other threads --------------------------------------------------------------------------- */

/* Frames of a run that have left the connector. Times are whole ns, and a frame is not, so a
 * thousandth of a frame is added. */
static uint64_t left_of(const vc_run *run, int64_t now_ns) VC_REALTIME;
static uint64_t left_of(const vc_run *run, int64_t now_ns) {
    if (now_ns >= run->end_ns) {
        return run->frames;
    }
    double into = (double)(now_ns - run->begin_ns) / (double)(run->end_ns - run->begin_ns);
    uint64_t frames = (uint64_t)(into * (double)run->frames + 0.001);
    return frames < run->frames ? frames : run->frames;
}

void vc_player_hear(const vc_player *player, int64_t now_ns, vc_player_heard *heard) {
    const vc_runs *runs = &player->runs;
    uint64_t number = vc_kept_count(&runs->kept);
    *heard = (vc_player_heard){0, 0};
    vc_run run;
    while (number > 0 &&
           vc_kept_read(&runs->kept, runs->words, VC_RUNS, VC_RUN_WORDS, number - 1, &run)) {
        if (run.begin_ns <= now_ns) {
            uint64_t left = left_of(&run, now_ns);
            heard->passed = run.position + left;
            heard->frames = run.before + left;
            return;
        }
        heard->passed = run.position;
        heard->frames = run.before;
        number--;
    }
}

bool vc_player_take(vc_player *player, vc_player_result *result) {
    return vc_queue_pop(player->results, result);
}

uint64_t vc_player_results(const vc_player *player) {
    return atomic_load_explicit(&player->reported, memory_order_acquire);
}
