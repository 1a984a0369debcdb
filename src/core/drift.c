/* The input of a stream whose input and output are two devices. See drift.h.
 *
 * Frames of the input are counted from the start of the run, as in the ring. The reading position
 * is `position + part`. Frames that the ring does not have (before the first one, or not arrived
 * yet) are read as silence.
 *
 * Memory orders. The input pushes a note before it commits the frames of the note's cycle, and the
 * silence of the lost frames before them. The output loads the end of the frames before it takes
 * the notes, and uses that end for the whole cycle. So it knows the losses before every frame that
 * it reads. Everything else is used on one thread only, except `delay`, which other threads may
 * read. */
#include "drift.h"

#include "audio.h"
#include "clock_line.h"
#include "memory.h"
#include "resampler.h"
#include "splice.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MARGIN_S 0.002 /* by which a cycle of either device may come late */
#define GROWTH_S 0.2   /* by how much the delay may grow in all */
#define JUMP_S 0.02    /* a reading position so far from the wanted one jumps there at once */
#define WAIT_S 0.2     /* how long the first frames may take to arrive */
/* The part of the distance to the wanted position that is made up for in a second. */
#define CORRECTION_PER_S 2.0
/* The largest correction of the speed, as a part of the nominal speed. */
#define MOST_CORRECTION 0.01
/* The largest difference between the step and the nominal step, as a part of the latter. */
#define MOST_CHANGE 0.1
enum { NOTES = 256, HELD = 16, LEAST_FRAMES = 4096 };

/* What the input tells the output about one cycle. */
typedef struct note {
    int64_t position; /* of the first frame of the cycle */
    int64_t host_ns;  /* when this frame was at the connector */
    uint64_t lost;    /* frames that were lost before it */
    uint64_t dropped; /* those of them that are missing in the ring, for which it had no room */
} note;

typedef struct loss {
    int64_t position;
    double frames;
} loss;

struct vc_drift {
    vc_drift_config config;
    vc_resampler *resampler;
    vc_ring *ring;
    vc_queue *notes;
    uint32_t reach;
    uint32_t most_frames; /* of a cycle of the output */
    size_t stride;        /* frames of the window */
    float *window;        /* input around the reading position, planar */
    float *resampled;     /* the input of one cycle, interleaved */
    vc_channel *nothing;  /* channels without memory, which read as silence */
    _Atomic uint32_t delay;

    /* Only for the input. */
    uint64_t lost, dropped; /* frames that no note has reported yet */

    /* Only for the output. */
    vc_clock_line in, out;
    int64_t base_ns; /* the lines count from here; 0: not known yet */
    bool reading;
    note next; /* the next note, if `has_next` */
    bool has_next;
    int64_t arrived; /* the end of the frames of the ring that this cycle may read */
    bool jumped;     /* a clock or the ring has jumped, so the reading position has to jump, too */
    int64_t position;
    double part, step;
    double error; /* from the reading position to the wanted one, input frames */
    bool expect;
    int64_t next_frame; /* of the output, if `expect` */
    loss held[HELD];    /* losses that the reading position has not reached, oldest first */
    uint32_t held_count;
    vc_splices splices;
    double late;      /* output frames since input was first missing; 0: it is not missing */
    int64_t late_end; /* the position after the input that was missing first */
    double waited;    /* frames of the output since the first note, before reading began */
    double counted;   /* frames of silence that the present gap has counted as lost */
    uint32_t grown;   /* frames by which the delay has grown */
};

/* ---- control ----------------------------------------------------------------------------------
 */

static double ratio(const vc_drift_config *config) VC_REALTIME {
    return config->input_rate_hz / config->output_rate_hz;
}

uint32_t vc_drift_extra_frames(const vc_drift_config *config) {
    double wider = ratio(config) > 1.0 ? 1.0 : 1.0 / ratio(config);
    return config->output_period_frames +
           (uint32_t)(MARGIN_S * config->output_rate_hz + VC_RESAMPLER_REACH * wider) + 2;
}

vc_drift *vc_drift_new(const vc_drift_config *config) {
    vc_drift *drift = vc_memory_new(1, sizeof *drift);
    if (drift == NULL) {
        return NULL;
    }
    const uint32_t channels = config->channels;
    drift->config = *config;
    drift->most_frames =
        config->output_period_frames > LEAST_FRAMES ? config->output_period_frames : LEAST_FRAMES;
    drift->resampler = vc_resampler_new(ratio(config));
    drift->reach = drift->resampler ? vc_resampler_reach(drift->resampler) : 0;
    drift->stride =
        (size_t)(drift->most_frames * ratio(config) * (1.0 + MOST_CHANGE)) + 2 * drift->reach + 16;
    /* The delay may grow by GROWTH_S, and release() keeps as much again. */
    double kept = (2.0 * GROWTH_S + 2.0 * MARGIN_S) * config->input_rate_hz +
                  config->delay_frames * ratio(config) + 2.0 * config->input_period_frames +
                  (double)drift->stride;
    drift->ring = vc_ring_new((uint32_t)kept, channels);
    drift->notes = vc_queue_new(NOTES, sizeof(note));
    drift->window = vc_memory_new(drift->stride * channels, sizeof(float));
    drift->resampled = vc_memory_new((size_t)drift->most_frames * channels, sizeof(float));
    drift->nothing = vc_memory_new(channels, sizeof *drift->nothing);
    bool splices = vc_splices_make(&drift->splices, channels, drift->reach);
    if (!splices || !drift->resampler || !drift->ring || !drift->notes || !drift->window ||
        !drift->resampled || !drift->nothing) {
        vc_drift_free(drift);
        return NULL;
    }
    atomic_store(&drift->delay, config->delay_frames);
    vc_drift_start(drift);
    return drift;
}

void vc_drift_free(vc_drift *drift) {
    if (drift != NULL) {
        vc_resampler_free(drift->resampler);
        vc_ring_free(drift->ring);
        vc_queue_free(drift->notes);
        vc_memory_free(drift->window);
        vc_memory_free(drift->resampled);
        vc_memory_free(drift->nothing);
        vc_splices_free(&drift->splices);
        vc_memory_free(drift);
    }
}

void vc_drift_start(vc_drift *drift) {
    note old;
    while (vc_queue_pop(drift->notes, &old)) {
    }
    vc_ring_reset(drift->ring);
    vc_clock_line_begin(&drift->in, drift->config.input_rate_hz);
    vc_clock_line_begin(&drift->out, drift->config.output_rate_hz);
    drift->lost = drift->dropped = 0;
    drift->base_ns = drift->arrived = 0;
    drift->has_next = drift->reading = drift->jumped = drift->expect = false;
    drift->step = ratio(&drift->config);
    drift->held_count = 0;
    drift->error = drift->late = drift->counted = drift->waited = 0.0;
    vc_splices_begin(&drift->splices);
}

uint32_t vc_drift_delay_frames(const vc_drift *drift) {
    return atomic_load_explicit(&drift->delay, memory_order_relaxed);
}

/* ---- the input's IO thread --------------------------------------------------------------------
 */

static int64_t time_ns(const vc_time *time, const vc_time *otherwise) {
    return time->valid & VC_TIME_HOST        ? time->host_ns
           : otherwise->valid & VC_TIME_HOST ? otherwise->host_ns
                                             : vc_clock_ns();
}

/* Writes silence to the ring without committing it. Returns for how many frames there was room. */
static uint32_t write_silence(vc_ring *ring, uint32_t frames) VC_REALTIME {
    vc_slices to;
    uint32_t granted = vc_ring_reserve(ring, frames, &to);
    memset(to.first, 0, (size_t)to.first_frames * vc_ring_channels(ring) * sizeof(float));
    if (to.second != NULL) {
        memset(to.second, 0, (size_t)to.second_frames * vc_ring_channels(ring) * sizeof(float));
    }
    return granted;
}

int32_t vc_drift_process(vc_block *block, void *user) {
    vc_drift *drift = user;
    vc_ring *ring = drift->ring;
    uint32_t silent = block->lost_frames ? write_silence(ring, block->lost_frames) : 0;
    drift->lost += block->lost_frames;
    drift->dropped += block->lost_frames - silent;
    const note now = {.position = (int64_t)vc_ring_total_written(ring) + silent,
                      .host_ns = time_ns(&block->input_time, &block->now),
                      .lost = drift->lost,
                      .dropped = drift->dropped};
    if (vc_queue_push(drift->notes, &now)) {
        drift->lost = drift->dropped = 0;
    }
    vc_ring_commit(ring, silent);
    uint32_t missing = block->frames - vc_ring_write(ring, block->input.data, block->frames);
    drift->lost += missing;
    drift->dropped += missing;
    return VC_CONTINUE;
}

/* ---- the output's IO thread -------------------------------------------------------------------
 */

static double since_base(vc_drift *drift, int64_t host_ns) VC_REALTIME {
    if (drift->base_ns == 0) {
        drift->base_ns = host_ns;
    }
    return (double)(host_ns - drift->base_ns);
}

static void hold(vc_drift *drift, const note *taken) VC_REALTIME {
    const int64_t silent_from = taken->position - (int64_t)(taken->lost - taken->dropped);
    if (silent_from < taken->position) {
        vc_splices_gap(&drift->splices, silent_from, taken->position);
    }
    loss *last = &drift->held[drift->held_count ? drift->held_count - 1 : 0];
    if (drift->held_count < HELD) {
        last = &drift->held[drift->held_count++];
        *last = (loss){silent_from, 0.0};
    }
    last->frames += (double)taken->lost;
}

static void take_notes(vc_drift *drift) VC_REALTIME {
    /* A note with a position beyond `arrived` waits for the next cycle. Otherwise its lost frames
     * would be known, but be missing in the ring, and would seem to come late. */
    while (drift->has_next || vc_queue_pop(drift->notes, &drift->next)) {
        const note taken = drift->next;
        drift->has_next = taken.position > drift->arrived;
        if (drift->has_next) {
            break;
        }
        double ns = since_base(drift, taken.host_ns);
        if (taken.lost) {
            hold(drift, &taken);
            drift->late = 0.0; /* the frames did not come late, they do not come at all */
        }
        if (taken.dropped) {
            drift->in.begun = false; /* frames of the ring and of the device have moved apart */
            drift->jumped = drift->reading;
        }
        if (vc_clock_line_add(&drift->in, taken.position, ns)) {
            drift->jumped = drift->reading;
            drift->late = 0.0; /* the clock stood still, too */
        }
    }
}

/* Moves the reading position by a number of input frames. */
static void move(vc_drift *drift, double frames) VC_REALTIME {
    double part = drift->part + frames;
    int64_t whole = (int64_t)part;
    whole -= part < (double)whole;
    drift->position += whole;
    drift->part = part - (double)whole;
}

/* Follows the clock of the output. Returns when the first frame is at the connector. */
static double follow_output(vc_drift *drift, const vc_cycle *cycle) VC_REALTIME {
    const vc_time *time = &cycle->output_time;
    bool known = (time->valid & VC_TIME_SAMPLE) != 0;
    int64_t frame = known           ? time->sample_frames
                    : drift->expect ? drift->next_frame + cycle->lost_frames
                                    : 0;
    int64_t gap = drift->expect ? frame - drift->next_frame : 0;
    if (gap < 0) { /* the time line was restarted */
        drift->out.begun = false;
        drift->jumped = drift->reading;
    } else if (gap > 0 && drift->reading) {
        move(drift, (double)gap * drift->step);
    }
    drift->expect = true;
    drift->next_frame = frame + cycle->frames;
    double ns = since_base(drift, time_ns(time, &cycle->now));
    drift->jumped |= vc_clock_line_add(&drift->out, frame, ns) && drift->reading;
    return vc_clock_line_ns(&drift->out, (double)frame);
}

/* How far the frame that was at the input's connector at `ns` is beyond the reading position. */
static double ahead(const vc_drift *drift, double ns) VC_REALTIME {
    return (double)(drift->in.frame - drift->position) - drift->part +
           (ns - drift->in.ns) / drift->in.ns_per_frame;
}

/* Chooses the speed of reading. Returns how many frames were lost because the position jumped. */
static double choose_step(vc_drift *drift, double wanted_ns) VC_REALTIME {
    double error = ahead(drift, wanted_ns), lost = 0.0;
    if (drift->jumped || fabs(error) > JUMP_S * drift->config.input_rate_hz) {
        lost = error > 0.0 && drift->held_count == 0 ? error : 0.0;
        vc_splices_cut(&drift->splices);
        move(drift, error);
        error = 0.0;
        drift->jumped = false;
    }
    double most = MOST_CORRECTION * drift->config.input_rate_hz / CORRECTION_PER_S;
    double correction = fmin(fmax(error, -most), most);
    double speed = drift->out.ns_per_frame / drift->in.ns_per_frame;
    double step = speed + correction * CORRECTION_PER_S / drift->config.output_rate_hz;
    double nominal = ratio(&drift->config); /* the window has room for the greatest step */
    drift->step = fmin(fmax(step, nominal * (1.0 - MOST_CHANGE)), nominal * (1.0 + MOST_CHANGE));
    drift->error = error;
    return lost;
}

/* The position after the last frame that is needed for `frames` output frames. */
static int64_t needed_end(const vc_drift *drift, uint32_t frames) VC_REALTIME {
    return drift->position + (int64_t)(drift->part + (frames - 1) * drift->step) + drift->reach + 1;
}

static vc_audio window_of(const vc_drift *drift) VC_REALTIME {
    return (vc_audio){.data = drift->window,
                      .frame_stride = 1,
                      .channel_stride = (ptrdiff_t)drift->stride,
                      .channels = drift->config.channels};
}

/* Copies the frames [from, to) of the ring to the window, in which `first` is the first frame. */
static void copy(vc_drift *drift, int64_t first, int64_t from, int64_t to) VC_REALTIME {
    vc_slices slices;
    const uint32_t channels = drift->config.channels;
    int64_t start = (int64_t)vc_ring_total_read(drift->ring);
    vc_ring_peek(drift->ring, (uint32_t)(to - start), &slices);
    const vc_audio window = window_of(drift);
    const float *pieces[] = {slices.first, slices.second};
    const uint32_t lengths[] = {slices.first_frames, slices.second_frames};
    for (int p = 0; p < 2 && from < to; p++) {
        int64_t end = start + lengths[p] < to ? start + lengths[p] : to;
        if (from < end) {
            const vc_audio piece = {.data = (float *)(uintptr_t)pieces[p],
                                    .frame_stride = (ptrdiff_t)channels,
                                    .channel_stride = 1,
                                    .channels = channels};
            vc_audio_copy(&window, (uint32_t)(from - first), &piece, (uint32_t)(from - start),
                          (uint32_t)(end - from));
            from = end;
        }
        start += lengths[p];
    }
}

/* Reads `frames` output frames. Returns how many input frames had not arrived yet. */
static uint32_t read(vc_drift *drift, uint32_t frames) VC_REALTIME {
    int64_t first = drift->position - drift->reach, end = needed_end(drift, frames);
    int64_t held = (int64_t)vc_ring_total_read(drift->ring), arrived = drift->arrived;
    int64_t from = first > held ? first : held, to = end < arrived ? end : arrived;
    assert((size_t)(end - first) <= drift->stride);
    const vc_audio window = window_of(drift);
    if (from > first || to < end) {
        vc_audio_silence(&window, 0, (uint32_t)(end - first));
    }
    if (from < to) {
        copy(drift, first, from, to);
        /* The filter would spread an infinite sample to other frames. */
        vc_audio_scrub(&window, (uint32_t)(end - first));
    }
    const vc_resampler_input input = {.data = drift->window,
                                      .channel_stride = drift->stride,
                                      .channels = drift->config.channels,
                                      .position = drift->part + drift->reach,
                                      .step = drift->step};
    vc_resample(drift->resampler, &input, drift->resampled, frames);
    return end > arrived ? (uint32_t)(end - (arrived > first ? arrived : first)) : 0;
}

/* Returns the frames of the ring that are not needed any more. The newest ones of those that were
 * read are kept, because the delay may grow by them. */
static void release(vc_drift *drift) VC_REALTIME {
    int64_t kept =
        drift->position - drift->reach - (int64_t)(GROWTH_S * drift->config.input_rate_hz);
    int64_t held = (int64_t)vc_ring_total_read(drift->ring);
    int64_t more = (kept < drift->arrived ? kept : drift->arrived) - held;
    if (more > 0) {
        vc_ring_release(drift->ring, (uint32_t)more);
    }
}

/* Lets the delay grow if frames have come too late. Otherwise they would come too late again. */
static void grow(vc_drift *drift) VC_REALTIME {
    uint32_t more = (uint32_t)(drift->late + MARGIN_S * drift->config.output_rate_hz);
    if (drift->grown + more <= GROWTH_S * drift->config.output_rate_hz) {
        drift->grown += more;
        atomic_store_explicit(&drift->delay, vc_drift_delay_frames(drift) + more,
                              memory_order_relaxed);
        vc_splices_cut(&drift->splices);
        move(drift, -(double)more * drift->step);
    }
    drift->late = 0.0;
}

/* The losses of the input that the next `frames` output frames reach, in input frames. */
static double reached_losses(vc_drift *drift, uint32_t frames) VC_REALTIME {
    double lost = 0.0;
    uint32_t reached = 0;
    int64_t end = drift->position + (int64_t)(frames * drift->step);
    while (reached < drift->held_count && drift->held[reached].position < end) {
        lost += drift->held[reached++].frames;
    }
    drift->held_count -= reached;
    for (uint32_t i = 0; i < drift->held_count && reached; i++) {
        drift->held[i] = drift->held[i + reached];
    }
    /* What was counted when the frames did not arrive is not counted again. */
    double again = lost < drift->counted ? lost : drift->counted;
    drift->counted -= again;
    return lost - again;
}

/* Fills drift->resampled. Returns the frames that were lost, in frames of the output. */
static uint32_t read_cycle(vc_drift *drift, double wanted_ns, uint32_t frames) VC_REALTIME {
    double lost = choose_step(drift, wanted_ns);
    if (drift->late > 0.0 && drift->arrived >= drift->late_end) {
        grow(drift);
    }
    lost += reached_losses(drift, frames);
    uint32_t missing = read(drift, frames);
    if (missing) {
        double most = frames * drift->step;
        if (drift->late == 0.0) {
            drift->late_end = needed_end(drift, frames);
        }
        drift->late += frames;
        double silent = missing < most ? missing : most;
        drift->counted += silent;
        lost += silent;
    }
    drift->counted = missing ? drift->counted : 0.0;
    vc_splices_apply(&drift->splices, drift->resampled, frames, drift->position, drift->part,
                     drift->step, missing ? drift->arrived : VC_ALL_ARRIVED);
    move(drift, frames * drift->step);
    release(drift);
    return (uint32_t)ceil(lost / drift->step - 1e-6);
}

static void set_input(vc_drift *drift, vc_cycle *cycle, bool silent) VC_REALTIME {
    cycle->input = (vc_audio){.data = silent ? NULL : drift->resampled,
                              .frame_stride = (ptrdiff_t)drift->config.channels,
                              .channel_stride = 1,
                              .list = silent ? drift->nothing : NULL,
                              .channels = drift->config.channels};
}

static void be_silent(vc_drift *drift, vc_cycle *cycle) VC_REALTIME {
    bool fits = cycle->frames <= drift->most_frames;
    bool fades = fits && vc_splices_silence(&drift->splices, drift->resampled, cycle->frames);
    set_input(drift, cycle, !fades);
}

void vc_drift_fill(void *user, vc_cycle *cycle) {
    vc_drift *drift = user;
    const uint32_t frames = cycle->frames;
    const uint32_t delay = vc_drift_delay_frames(drift);
    drift->arrived = (int64_t)vc_ring_total_written(drift->ring);
    take_notes(drift);
    double out_ns = follow_output(drift, cycle);
    double wanted_ns = out_ns - (double)delay * drift->out.ns_per_frame;
    cycle->input_time = cycle->output_time;
    cycle->input_time.sample_frames -= delay;
    cycle->input_time.host_ns = drift->base_ns + llrint(wanted_ns);
    if (frames > drift->most_frames || !drift->in.begun) {
        be_silent(drift, cycle);
        if (drift->reading) {
            cycle->lost_frames += frames;
            move(drift, frames * drift->step);
        }
        return;
    }
    if (!drift->reading) {
        drift->position = drift->in.frame;
        drift->part = 0.0;
        move(drift, ahead(drift, wanted_ns));
        drift->waited += frames;
        if (needed_end(drift, frames) > drift->arrived &&
            drift->waited < WAIT_S * drift->config.output_rate_hz) {
            be_silent(drift, cycle); /* the input device has just been started */
            return;
        }
        drift->reading = true;
    }
    set_input(drift, cycle, false);
    cycle->lost_frames += read_cycle(drift, wanted_ns, frames);
    /* The time of the frame that was really read: the delay may have grown in this cycle, and the
     * loop has not led the reading position to the wanted one. */
    const uint32_t grown = vc_drift_delay_frames(drift) - delay;
    cycle->input_time.sample_frames -= grown;
    cycle->input_time.host_ns -=
        llrint(grown * drift->out.ns_per_frame + drift->error * drift->in.ns_per_frame);
}
