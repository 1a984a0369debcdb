/* Plays a sound and records the input on one time line. See playrec.h. */
#include "smaller.h"
#include "voicecoil.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT, OUTPUT, LOSSES = 1024 };

typedef struct direction {
    bool timed;     /* `next` is valid */
    int64_t next;   /* sample time of the frame that is due next */
    uint64_t limit; /* losses at this position and after it are not counted */
    _Atomic uint64_t position;
    _Atomic uint64_t lost;
} direction;

struct vc_playrec {
    vc_playrec_config config;
    vc_queue *losses;
    bool begun;
    uint64_t last; /* the recording ends at this frame */
    direction directions[2];
    _Atomic bool round_trip_known;
    _Atomic int64_t round_trip_frames;
    _Atomic int64_t first_ns[2];
    _Atomic bool zero_known;
    _Atomic int64_t zero_ns; /* host time of the output frame `zero_frame` */
    /* The sum over `times` cycles of the distance between the two connectors, minus that of the
     * first cycle. */
    _Atomic int64_t drift_ns;
    _Atomic uint64_t times;
};

vc_playrec *vc_playrec_new(const vc_playrec_config *config) {
    vc_playrec *playrec = calloc(1, sizeof *playrec);
    vc_queue *losses = vc_queue_new(LOSSES, sizeof(vc_playrec_loss));
    if (playrec == NULL || losses == NULL) {
        free(playrec);
        vc_queue_free(losses);
        return NULL;
    }
    playrec->config = *config;
    playrec->losses = losses;
    playrec->directions[INPUT].limit = config->recorded_frames;
    playrec->directions[OUTPUT].limit = config->sound_frames;
    return playrec;
}

void vc_playrec_free(vc_playrec *playrec) {
    if (playrec != NULL) {
        vc_queue_free(playrec->losses);
        free(playrec);
    }
}

bool vc_playrec_take_loss(vc_playrec *playrec, vc_playrec_loss *loss) {
    return vc_queue_pop(playrec->losses, loss);
}

void vc_playrec_read(const vc_playrec *playrec, vc_playrec_state *state) {
    const direction *in = &playrec->directions[INPUT], *out = &playrec->directions[OUTPUT];
    state->played = atomic_load(&out->position);
    state->recorded = vc_smaller_64(atomic_load(&in->position), playrec->config.recorded_frames);
    state->lost_output = atomic_load(&out->lost);
    state->lost_input = atomic_load(&in->lost);
    state->round_trip_known = atomic_load(&playrec->round_trip_known);
    state->round_trip_frames = atomic_load(&playrec->round_trip_frames);
    uint64_t times = atomic_load(&playrec->times);
    state->times_known = times > 0;
    state->zero_known = atomic_load(&playrec->zero_known);
    state->zero_ns = atomic_load(&playrec->zero_ns);
    state->apart_ns = 0;
    if (times > 0) {
        state->apart_ns = (double)(atomic_load(&playrec->first_ns[OUTPUT]) -
                                   atomic_load(&playrec->first_ns[INPUT])) +
                          (double)atomic_load(&playrec->drift_ns) / (double)times;
    }
}

/* The first cycle fixes the frame at which the recording ends. */
static void begin(vc_playrec *playrec, const vc_block *block) VC_REALTIME {
    const vc_playrec_config *config = &playrec->config;
    const vc_time *in = &block->input_time, *out = &block->output_time;
    playrec->begun = true;
    uint64_t round_trip = config->round_trip_frames;
    if (in->valid & out->valid & VC_TIME_SAMPLE) {
        int64_t told = out->sample_frames - in->sample_frames;
        atomic_store(&playrec->round_trip_frames, told);
        atomic_store(&playrec->round_trip_known, true);
        if (told >= 0 && (uint64_t)told < config->recorded_frames) {
            round_trip = (uint64_t)told;
        }
    }
    uint64_t wanted = config->sound_frames + round_trip + config->margin_frames;
    playrec->last = vc_smaller_64(wanted, config->recorded_frames);
    playrec->directions[INPUT].limit = playrec->last;
}

static void note_loss(vc_playrec *playrec, int d, uint64_t position, uint64_t frames) VC_REALTIME {
    direction *way = &playrec->directions[d];
    uint64_t lost = position < way->limit ? vc_smaller_64(frames, way->limit - position) : 0;
    if (lost > 0) {
        const vc_playrec_loss loss = {position, lost, d == OUTPUT, 0};
        vc_queue_push(playrec->losses, &loss);
        atomic_fetch_add_explicit(&way->lost, lost, memory_order_relaxed);
    }
}

/* Advances a direction over the frames that were lost before this block. Returns the position of
 * the block's first frame. If the sample times go back, the time line was restarted, and it is not
 * known whether frames were lost. */
static uint64_t advance(vc_playrec *playrec, int d, const vc_time *time, uint32_t frames,
                        uint32_t lost_frames) VC_REALTIME {
    direction *way = &playrec->directions[d];
    uint64_t gap = lost_frames;
    if (time->valid & VC_TIME_SAMPLE) {
        int64_t ahead = way->timed ? time->sample_frames - way->next : 0;
        gap = ahead > 0 ? (uint64_t)ahead : 0;
        way->timed = true;
        way->next = time->sample_frames + frames;
    }
    uint64_t position = atomic_load_explicit(&way->position, memory_order_relaxed);
    note_loss(playrec, d, position, gap);
    position += gap;
    atomic_store_explicit(&way->position, position + frames, memory_order_release);
    return position;
}

/* Adds the distance between the connectors, as this block's host times give it. `in` and `out` are
 * the positions of the block's first frames. */
static void measure(vc_playrec *playrec, const vc_block *block, uint64_t in,
                    uint64_t out) VC_REALTIME {
    if (!(block->input_time.valid & block->output_time.valid & VC_TIME_HOST)) {
        return;
    }
    double ns_per_frame = 1e9 / block->samplerate_hz;
    const uint64_t zero = playrec->config.zero_frame;
    if (out + block->frames > zero && !atomic_load(&playrec->zero_known)) {
        double later = ((double)zero - (double)out) * ns_per_frame;
        atomic_store(&playrec->zero_ns, block->output_time.host_ns + llrint(later));
        atomic_store(&playrec->zero_known, true);
    }
    int64_t in_ns = block->input_time.host_ns - llrint((double)in * ns_per_frame);
    int64_t out_ns = block->output_time.host_ns - llrint((double)out * ns_per_frame);
    if (atomic_load_explicit(&playrec->times, memory_order_relaxed) == 0) {
        atomic_store(&playrec->first_ns[INPUT], in_ns);
        atomic_store(&playrec->first_ns[OUTPUT], out_ns);
    }
    int64_t first_ns = atomic_load_explicit(&playrec->first_ns[OUTPUT], memory_order_relaxed) -
                       atomic_load_explicit(&playrec->first_ns[INPUT], memory_order_relaxed);
    atomic_fetch_add_explicit(&playrec->drift_ns, out_ns - in_ns - first_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&playrec->times, 1, memory_order_release);
}

int32_t vc_playrec_process(vc_block *block, void *user) {
    vc_playrec *playrec = user;
    const vc_playrec_config *config = &playrec->config;
    uint32_t lost_frames = block->lost_frames;
    if (!playrec->begun) {
        begin(playrec, block);
        lost_frames = 0; /* frames lost before the first block belong to neither direction */
    }
    uint64_t before[2], out, in;
    before[OUTPUT] = atomic_load(&playrec->directions[OUTPUT].position);
    before[INPUT] = atomic_load(&playrec->directions[INPUT].position);
    out = advance(playrec, OUTPUT, &block->output_time, block->frames, lost_frames);
    in = advance(playrec, INPUT, &block->input_time, block->frames, lost_frames);
    uint64_t gap =
        out - before[OUTPUT] > in - before[INPUT] ? out - before[OUTPUT] : in - before[INPUT];
    if (lost_frames > gap) { /* the input of a second device has silence in place of lost frames */
        note_loss(playrec, INPUT, in, lost_frames - gap);
    }
    measure(playrec, block, in, out);
    block->valid_frames = 0; /* the silence after the sound need not be heard out */
    if (out < config->sound_frames) {
        uint64_t frames = vc_smaller_64(block->frames, config->sound_frames - out);
        block->valid_frames = (uint32_t)frames;
        memcpy(block->output.data, config->sound + out * config->output_channels,
               (size_t)frames * config->output_channels * sizeof(float));
    }
    if (in < playrec->last) {
        uint64_t frames = vc_smaller_64(block->frames, playrec->last - in);
        memcpy(config->recorded + in * config->input_channels, block->input.data,
               (size_t)frames * config->input_channels * sizeof(float));
    }
    return in + block->frames >= playrec->last ? VC_STOP : VC_CONTINUE;
}
