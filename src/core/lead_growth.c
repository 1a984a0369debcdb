/* Makes the lead longer after the user's code was late. See lead.h.
 *
 * The worker decides, because it knows how long it had to wait. When it has made a block, it counts
 * the frames that the device has played since it last had no work or made a block. If the device
 * starved meanwhile, the lead grows to the longest such time and a margin. It never becomes
 * shorter.
 *
 * The IO thread applies the new length before it plays the block that was late: it prolongs the
 * silence of the gap. The frames of the gap that it has already played become part of the lead. So
 * the silence is as long as the gap or the growth, whichever is longer. In a duplex stream, output
 * that the gap has made late is in time again. All frames from the late block on are played by the
 * new lead, and the worker calculates their times with it.
 *
 * A stream that has only input plays nothing. Its ring has room for the longest lead from the
 * beginning, so its lead grows without loss when the worker was late by more than it. */
#include "lead_inside.h"
#include "smaller.h"

uint32_t vc_lead_length(const vc_lead *lead) {
    return atomic_load_explicit(&lead->length, memory_order_relaxed);
}

bool vc_lead_growth(vc_lead *lead, vc_growth *growth) {
    return vc_queue_pop(lead->growths, growth);
}

void vc_lead_start_growth(vc_lead *lead) {
    lead->applied = vc_lead_length(lead);
    lead->stretch = lead->gap_frames = 0;
    atomic_store(&lead->elapsed, 0);
    atomic_store(&lead->starved, 0);
    lead->since = 0;
    lead->starved_seen = 0;
}

/* ---- worker ------------------------------------------------------------------------------------
 */

/* A lead of one and a half times the longest wait, because the next wait may be longer. The step is
 * a whole number of cycles. Steps below an eighth of the lead are not worth their silence: a gap
 * that the present lead should have covered comes from code that is too slow in all blocks, and no
 * lead helps against that. */
static uint32_t longer(const vc_lead *lead) {
    uint64_t cycle = lead->config.max_period_frames ? lead->config.max_period_frames : 1;
    uint64_t length = vc_lead_length(lead);
    uint64_t most = lead->config.max_lead_frames;
    uint64_t wanted = lead->longest_wait + lead->longest_wait / 2;
    if (wanted <= length || most <= length) {
        return 0;
    }
    uint64_t steps = vc_smaller_64((wanted - length + cycle - 1) / cycle, (most - length) / cycle);
    bool enough = steps * cycle >= length / 8 || wanted >= most;
    return enough ? (uint32_t)(steps * cycle) : 0;
}

void vc_lead_look(vc_lead *lead, bool made) {
    uint64_t elapsed = atomic_load_explicit(&lead->elapsed, memory_order_relaxed);
    uint64_t waited = elapsed - lead->since;
    lead->since = elapsed;
    if (!made) {
        return;
    }
    uint32_t starved = atomic_load_explicit(&lead->starved, memory_order_relaxed);
    uint32_t length = vc_lead_length(lead);
    bool late = starved != lead->starved_seen || (lead->output == NULL && waited > length);
    lead->longest_wait = waited > lead->longest_wait ? waited : lead->longest_wait;
    lead->starved_seen = starved;
    uint32_t more = late ? longer(lead) : 0;
    if (more > 0) {
        const note *newest = lead->input == NULL ? vc_mailbox_read(lead->newest) : NULL;
        vc_growth growth = {.now = newest ? newest->now : lead->now, .lead_frames = length + more};
        vc_queue_push(lead->growths, &growth);
        atomic_store_explicit(&lead->length, length + more, memory_order_relaxed);
    }
}

/* ---- IO thread --------------------------------------------------------------------------------
 */

uint32_t vc_lead_apply(vc_lead *lead) {
    uint32_t length = vc_lead_length(lead);
    if (length == lead->applied) {
        return 0;
    }
    int64_t more = (int64_t)length - lead->applied;
    lead->applied = length;
    int64_t late = lead->input == NULL ? lead->gap_frames : lead->owed > 0 ? lead->owed : 0;
    int64_t taken = late < more ? late : more;
    lead->stretch += (uint32_t)(more - taken);
    if (lead->input != NULL) {
        lead->owed -= more;
        return 0;
    }
    lead->gap_frames = 0;
    return (uint32_t)taken;
}
