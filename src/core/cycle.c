/* One IO cycle: from a driver's buffers to the user's code and back.
 *
 * The user's code is called in one of three ways, depending on where a block lies in the cycles:
 *   whole    the block lies inside one cycle: input is copied, the code is called, output is
 *            copied. There is no delay
 *   ahead    output only, and the block spans cycles: it is called when its first frame is due
 *   behind   with input, and the block spans cycles: it is called when its last frame has arrived.
 *            In a duplex stream, output is then played one block later ("latched")
 */
#include "audio.h"
#include "engine.h"
#include "floating.h"
#include "smaller.h"

#include <assert.h>
#include <math.h>

static void (*trap_enter)(void) VC_REALTIME;
static void (*trap_leave)(void) VC_REALTIME;

void vc_cycle_set_trap(void (*enter)(void) VC_REALTIME, void (*leave)(void) VC_REALTIME) {
    trap_enter = enter;
    trap_leave = leave;
}

/* ---- the user's code --------------------------------------------------------------------------
 */

/* The compiler cannot prove that these calls do not block. The user's code may block, as Python
 * does. Its effect is counted (late_cycles) and measured (load). */

static int32_t process(const vc_engine *engine, vc_block *block) VC_REALTIME {
    VC_UNPROVEN
    return engine->config.process(block, engine->config.user);
    VC_PROVEN_AGAIN
}

static void leave(const vc_engine *engine) VC_REALTIME {
    VC_UNPROVEN
    if (engine->config.leave != NULL) {
        engine->config.leave(engine->config.user);
    }
    VC_PROVEN_AGAIN
}

/* ---- lost frames ---- */

static void count_lost(vc_engine *engine, const vc_cycle *cycle, uint32_t frames, vc_cause cause) {
    uint32_t room = UINT32_MAX - engine->block_lost;
    engine->block_lost += frames < room ? frames : room;
    engine->counted.xruns++;
    engine->counted.lost_frames += frames;
    vc_post_xrun(engine, frames, &cycle->now, cause);
}

static void close_gap(vc_engine *engine) {
    if (engine->gap_frames) {
        vc_post_xrun(engine, engine->gap_frames, &engine->gap_time, engine->gap_cause);
        engine->gap_frames = 0;
    }
}

/* Counts frames for which the user's code was not ready. A gap over several blocks is one xrun. It
 * is reported when the gap is over. */
static void count_starved(vc_engine *engine, const vc_block *block) {
    if (block->starved_frames == 0) {
        close_gap(engine);
        return;
    }
    if (engine->gap_frames == 0) {
        engine->counted.xruns++;
        engine->counted.late_blocks++;
        engine->gap_time = block->now;
        engine->gap_cause = block->starved_cause;
    }
    engine->gap_frames += block->starved_frames;
    engine->counted.lost_frames += block->starved_frames;
}

/* ---- the end of a stream, as the IO thread sees it ------------------------------------------ */

static void finish(vc_engine *engine, const vc_cycle *cycle) {
    close_gap(engine);
    vc_post_event(engine, VC_EVENT_FINISHED, atomic_load(&engine->reason), &cycle->now);
    vc_publish(engine); /* before the state, so that a thread that sees the end sees all counts */
    atomic_store_explicit(&engine->state, VC_FINISHED, memory_order_release);
}

/* Called when the user's code will not be called again. The last frame that it made is before frame
 * `content` of this cycle, and has not been heard yet. */
static void begin_drain(vc_engine *engine, const vc_cycle *cycle, uint32_t content) {
    leave(engine);
    int reason = atomic_load(&engine->reason);
    bool at_once = reason == VC_REASON_ABORT || reason == VC_REASON_ERROR;
    if (at_once || cycle->drain_frames == 0) {
        finish(engine, cycle);
        return;
    }
    engine->drain_left = (int64_t)cycle->drain_frames + content - cycle->frames;
    atomic_store_explicit(&engine->state, VC_DRAINING, memory_order_release);
}

static void drain(vc_engine *engine, const vc_cycle *cycle) {
    bool abort = atomic_load_explicit(&engine->request, memory_order_relaxed) == VC_REQUEST_ABORT;
    if (abort || engine->drain_left <= 0) {
        finish(engine, cycle);
    } else {
        engine->drain_left -= cycle->frames;
    }
}

void vc_engine_end(vc_engine *engine) {
    int state = atomic_load(&engine->state);
    if (state != VC_RUNNING && state != VC_DRAINING) {
        return;
    }
    if (state == VC_RUNNING) {
        atomic_store(&engine->reason, VC_REASON_ABORT);
    }
    const vc_time *newest =
        engine->config.output_channels ? &engine->counted.last_output : &engine->counted.last_input;
    vc_cycle none = {.now = *newest};
    finish(engine, &none);
}

/* ---- one block --------------------------------------------------------------------------------
 */

static vc_time time_after(const vc_engine *engine, vc_time time, int64_t frames) {
    if (frames == 0) {
        return time;
    }
    time.host_ns += llrint((double)frames * engine->ns_per_frame);
    time.sample_frames += frames;
    return time;
}

/* Sets the fields of a block, except its memory. The fields are assigned one by one. Clearing the
 * whole block first and then copying parts of it took almost as long as the rest of a cycle. */
static void begin_block(vc_block *block, const vc_engine *engine, const vc_cycle *cycle,
                        uint32_t frames) {
    block->frames = frames;
    block->lost_frames = 0;
    block->valid_frames = frames;
    block->reserved = 0;
    block->samplerate_hz = engine->config.samplerate_hz;
    block->now = cycle->now;
    block->starved_frames = 0;
    block->waited_ns = 0;
    block->ended_ns = 0;
}

/* Calls the user's code. Then replaces invalid frames and NaN by silence, and measures levels. */
static void call(vc_engine *engine, vc_block *block) {
    uint32_t frames = block->frames;
    block->lost_frames = engine->block_lost;
    engine->block_lost = 0;
    block->called_ns = 0;
    if (!engine->config.clock_ns) { /* do not compare with NULL: see `run` */
        /* The first block begins together with its cycle, whose time is already known. */
        block->called_ns = engine->first_call_ns ? engine->first_call_ns : vc_clock_ns();
        engine->first_call_ns = 0;
    }
    int32_t result = process(engine, block);
    engine->waited_ns += block->waited_ns;
    engine->ended_ns = block->ended_ns;
    if (block->starved_frames | engine->gap_frames) {
        count_starved(engine, block);
    }

    /* The output of a stream without output channels is not played, so none of it is valid. */
    uint32_t made = block->output.channels ? frames : 0;
    engine->valid = block->valid_frames < made ? block->valid_frames : made;
    if (result != VC_CONTINUE) {
        engine->ending = true;
        engine->valid = result < 0 ? 0 : engine->valid;
        atomic_store(&engine->error, result < 0 ? result : 0);
        atomic_store(&engine->reason, result < 0 ? VC_REASON_ERROR : VC_REASON_END);
    }
    if (block->output.channels) {
        if (engine->valid < frames) {
            vc_audio_silence(&block->output, engine->valid, frames - engine->valid);
        }
        engine->counted.nonfinite_samples += vc_audio_scrub(&block->output, engine->valid);
    }
    if (engine->meters != NULL) {
        vc_count_levels(engine, 0, &block->output, frames);
        vc_count_levels(engine, engine->config.output_channels, &block->input, frames);
    }
    engine->counted.blocks++;
    engine->counted.frames += frames;
}

/* Whether a single output channel is played on several channels of the device. */
static bool spreads(const vc_engine *engine, const vc_cycle *cycle) {
    return cycle->output.channels > engine->config.output_channels;
}

static void device_block(vc_audio *part, const vc_audio *device, uint32_t offset) {
    vc_set_interleaved(part, device->data + (ptrdiff_t)offset * device->frame_stride,
                       device->channels);
    part->frame_stride = device->frame_stride;
    part->channel_stride = device->channels == 1 ? 1 : device->channel_stride;
}

static bool can_lend(const vc_engine *engine, const vc_audio *device) {
    if (device->channels == 0) {
        return true;
    }
    bool any_uniform = !(engine->config.flags & (VC_ENGINE_PACKED | VC_ENGINE_LEND));
    return any_uniform ? device->data != NULL : vc_audio_packed(device);
}

/* Runs a block that begins at frame `offset` of the cycle. Returns the block's valid frames. */
static uint32_t whole_block(vc_engine *engine, const vc_cycle *cycle, uint32_t offset,
                            uint32_t frames) {
    vc_block block;
    begin_block(&block, engine, cycle, frames);
    block.input_time = time_after(engine, cycle->input_time, offset);
    block.output_time = time_after(engine, cycle->output_time, offset);
    const bool spread = spreads(engine, cycle);
    const vc_audio *output = &cycle->output;
    vc_audio first;
    if (spread) {
        first = vc_audio_first(output);
        output = &first;
    }
    bool lent = (engine->config.flags & (VC_ENGINE_ZERO_COPY | VC_ENGINE_LEND)) &&
                can_lend(engine, &cycle->input) && can_lend(engine, output);
    if (lent) {
        device_block(&block.input, &cycle->input, offset);
        device_block(&block.output, output, offset);
    } else {
        vc_set_interleaved(&block.input, engine->input_block, engine->config.input_channels);
        vc_set_interleaved(&block.output, engine->output_block, engine->config.output_channels);
        if (block.input.channels) {
            vc_audio_copy(&block.input, 0, &cycle->input, offset, frames);
        }
        engine->counted.copied_blocks += (engine->config.flags & VC_ENGINE_ZERO_COPY) != 0;
    }
    vc_silence_all(&block.output, frames);
    call(engine, &block);
    if (!lent) {
        vc_audio_spread(&cycle->output, offset, &block.output, 0, frames);
    } else if (spread) {
        vc_audio others = vc_audio_others(&cycle->output);
        vc_audio_spread(&others, offset, &block.output, 0, frames);
    }
    uint32_t valid = engine->valid;
    engine->valid = 0; /* the device has got the frames */
    return valid;
}

/* Calls the user's code with the stream's own block memory. */
static void call_own_block(vc_engine *engine, const vc_cycle *cycle, uint32_t offset) {
    vc_block block;
    begin_block(&block, engine, cycle, engine->config.block_frames);
    vc_set_interleaved(&block.input, engine->input_block, engine->config.input_channels);
    vc_set_interleaved(&block.output, engine->output_block, engine->config.output_channels);
    block.input_time = engine->block_input_time;
    block.output_time = time_after(engine, cycle->output_time, offset);
    vc_audio_silence(&block.output, 0, block.frames);
    engine->counted.copied_blocks += (engine->config.flags & VC_ENGINE_ZERO_COPY) != 0;
    call(engine, &block);
}

/* Exchanges a part of the stream's own block with the cycle. Returns this part's valid frames. */
static uint32_t exchange_part(vc_engine *engine, const vc_cycle *cycle, uint32_t offset,
                              uint32_t frames) {
    uint32_t position = engine->position;
    if (engine->config.input_channels) {
        if (position == 0) {
            engine->block_input_time = time_after(engine, cycle->input_time, offset);
        }
        vc_audio to;
        vc_set_interleaved(&to, engine->input_block, engine->config.input_channels);
        vc_audio_copy(&to, position, &cycle->input, offset, frames);
    }
    if (engine->config.output_channels) {
        vc_audio from;
        vc_set_interleaved(&from, engine->output_block, engine->config.output_channels);
        vc_audio_spread(&cycle->output, offset, &from, position, frames);
    }
    engine->position += frames;
    uint32_t valid = engine->valid > position ? engine->valid - position : 0;
    return vc_smaller(valid, frames);
}

/* Called when a duplex device promised cycles of whole blocks but a cycle has another length. From
 * then on, output is played one block later. One block of silence is played first. */
static void latch(vc_engine *engine, const vc_cycle *cycle) {
    engine->latched = true;
    engine->valid = 0;
    vc_audio block;
    vc_set_interleaved(&block, engine->output_block, engine->config.output_channels);
    vc_audio_silence(&block, 0, engine->config.block_frames);
    count_lost(engine, cycle, engine->config.block_frames, VC_CAUSE_BLOCKS);
}

static bool has_ended(const vc_engine *engine) {
    return engine->ending && engine->position >= engine->valid;
}

/* Runs blocks until the cycle is full or the user's code has ended. Returns the frames of the cycle
 * that were exchanged. `valid` gets the number of frames up to the last one with content. */
static uint32_t run_blocks(vc_engine *engine, const vc_cycle *cycle, uint32_t *valid) {
    const uint32_t fixed = engine->config.block_frames;
    const bool has_input = engine->config.input_channels != 0;
    const bool has_output = engine->config.output_channels != 0;
    uint32_t done = 0;
    while (done < cycle->frames && !has_ended(engine)) {
        uint32_t left = cycle->frames - done;
        if (engine->position == 0 && !engine->ending && !engine->latched) {
            if (fixed == 0 || left >= fixed) {
                uint32_t frames = fixed ? fixed : vc_smaller(left, engine->max_block_frames);
                uint32_t counted = whole_block(engine, cycle, done, frames);
                *valid = counted ? done + counted : *valid;
                done += frames;
                continue;
            }
            if (has_input && has_output) {
                latch(engine, cycle);
            } else if (has_output) {
                call_own_block(engine, cycle, done);
            }
        }
        /* After the end of the user's code, only its valid frames are played. */
        uint32_t end = engine->ending ? engine->valid : fixed;
        uint32_t frames = vc_smaller(left, end - engine->position);
        uint32_t counted = exchange_part(engine, cycle, done, frames);
        *valid = counted ? done + counted : *valid;
        done += frames;
        if (engine->position == fixed) {
            engine->position = 0;
            engine->valid = 0;
            if (has_input && !engine->ending) {
                call_own_block(engine, cycle, done);
            }
        }
    }
    return done;
}

/* ---- one cycle ---- */

static uint32_t gap(bool *expect, int64_t *next, const vc_time *time, uint32_t frames) {
    if ((time->valid & VC_TIME_SAMPLE) == 0) {
        return 0;
    }
    int64_t ahead = *expect ? time->sample_frames - *next : 0;
    int64_t end = time->sample_frames + frames;
    *next = ahead < 0 && end < *next ? *next : end; /* a cycle may end before the last one's end */
    *expect = true;
    /* A step back is an irregular time here, and no loss; see vc_is_translated. */
    return ahead > 0 ? (uint32_t)(ahead > UINT32_MAX ? UINT32_MAX : ahead) : 0;
}

static void find_xrun(vc_engine *engine, const vc_cycle *cycle) {
    uint32_t lost = cycle->lost_frames;
    if (cycle->output.channels) {
        uint32_t ahead = gap(&engine->expect_output, &engine->next_output_frame,
                             &cycle->output_time, cycle->frames);
        lost = ahead > lost ? ahead : lost;
    }
    if (cycle->input.channels) {
        uint32_t ahead = gap(&engine->expect_input, &engine->next_input_frame, &cycle->input_time,
                             cycle->frames);
        lost = ahead > lost ? ahead : lost;
    }
    if (lost) {
        count_lost(engine, cycle, lost, VC_CAUSE_DEVICE);
    }
}

static int64_t clock_ns(const vc_engine *engine) {
    return engine->config.clock_ns ? engine->config.clock_ns(engine->config.clock) : vc_clock_ns();
}

static void count_cycle(vc_engine *engine, const vc_cycle *cycle, int64_t began_ns) {
    vc_statistics *counted = &engine->counted;
    if (engine->began_ns != 0) {
        int64_t apart = began_ns - engine->began_ns - (int64_t)engine->expected_ns;
        vc_histogram_add(&engine->timings[VC_TIMING_JITTER], apart < 0 ? -apart : apart);
    }
    /* A read of the clock takes a tenth of a cycle with a Python callback, so it is avoided. */
    int64_t ended_ns = engine->ended_ns ? engine->ended_ns : clock_ns(engine);
    int64_t busy = ended_ns - began_ns;
    busy = busy > 0 ? busy : 0;
    double period_ns = (double)cycle->frames * engine->ns_per_frame;
    if (cycle->frames != engine->per_period_of) { /* a division takes longer than the rest */
        engine->per_period_of = cycle->frames;
        engine->per_period = 1.0 / period_ns;
    }
    engine->began_ns = began_ns;
    engine->expected_ns = period_ns;
    vc_histogram_add(&engine->timings[VC_TIMING_MARGIN], (int64_t)period_ns - busy);
    counted->load += ((double)busy * engine->per_period - counted->load) * 0.02;
    counted->cycles++;
    counted->busy_ns += (uint64_t)busy;
    counted->busy_max_ns =
        (uint64_t)busy > counted->busy_max_ns ? (uint64_t)busy : counted->busy_max_ns;
    if ((double)busy > period_ns) {
        counted->late_cycles++;
        vc_post_event(engine, VC_EVENT_LATE, busy, &cycle->now);
    }
    counted->last_output = cycle->output_time;
    counted->last_input = cycle->input_time;
    vc_publish(engine);
}

/* After a stop, the output that the user's code has made is still played. After an abort it is not,
 * even if a stop came first, because a block can last longer than a second. */
static void handle_request(vc_engine *engine, int request) {
    bool abort = request == VC_REQUEST_ABORT;
    engine->valid = abort ? 0 : engine->valid;
    if (abort || !engine->ending) {
        atomic_store(&engine->reason, abort ? VC_REASON_ABORT : VC_REASON_STOP);
        engine->ending = true;
    }
}

uint32_t vc_run_converted(vc_engine *engine, const vc_cycle *cycle) {
    vc_cycle translated;
    const vc_cycle *device = cycle;
    if (vc_is_translated(engine, cycle)) {
        vc_translate(engine, cycle, &translated);
        cycle = &translated;
    }
    int state = atomic_load_explicit(&engine->state, memory_order_acquire);
    if (state != VC_RUNNING) {
        vc_audio_silence(&cycle->output, 0, cycle->frames);
        if (state == VC_DRAINING) {
            drain(engine, cycle);
        }
        return 0;
    }
    if (trap_enter) { /* do not compare with NULL: clang 22 then assumes that NULL may block */
        trap_enter();
    }
    assert(cycle->input.channels == engine->config.input_channels);
    assert(cycle->output.channels == engine->config.output_channels ||
           (engine->config.output_channels == 1 && cycle->output.channels > 1));
    int64_t began_ns = cycle->called_ns ? cycle->called_ns : clock_ns(engine);
    engine->first_call_ns = began_ns;
    engine->waited_ns = 0;
    engine->ended_ns = 0;
    int request = atomic_load_explicit(&engine->request, memory_order_acquire);
    if (request == VC_REQUEST_STOP || request == VC_REQUEST_ABORT) {
        handle_request(engine, request);
    }
    find_xrun(engine, cycle);
    vc_watch_zeros(engine, cycle);
    uint32_t valid = 0;
    uint32_t done = run_blocks(engine, cycle, &valid);
    bool fades = request == VC_REQUEST_FADE || engine->faded; /* also if a stop came meanwhile */
    done = fades ? vc_fade(engine, cycle, done, &valid) : done;
    if (done < cycle->frames) {
        vc_audio_silence(&cycle->output, done, cycle->frames - done);
    }
    vc_listen(engine, device, cycle);
    count_cycle(engine, cycle, began_ns);
    if (has_ended(engine)) {
        begin_drain(engine, cycle, valid);
    }
    if (trap_leave) {
        trap_leave();
    }
    return valid;
}

/* This function must not be inlined: see floating.h. */
static uint32_t run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;
__attribute__((noinline)) static uint32_t run(vc_engine *engine, const vc_cycle *cycle) {
    vc_cycle filled;
    if (engine->fill) {
        vc_fill(engine, cycle, &filled);
        cycle = &filled;
    }
    if (engine->rate) { /* do not compare with NULL, as above */
        return vc_rate_run(engine->rate, engine, cycle);
    }
    return vc_run_converted(engine, cycle);
}

uint32_t vc_cycle_run(vc_engine *engine, const vc_cycle *cycle) {
    vc_float_mode before = vc_float_enter();
    uint32_t valid = run(engine, cycle);
    vc_float_leave(before);
    return valid;
}
