/* Writes the input of each block to a ring, and reports lost frames in a queue. */
#include "voicecoil.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CAUSES = VC_GAP_BUFFER + 1 };

struct vc_recorder {
    vc_ring *ring;
    vc_queue *gaps; /* NULL: losses are only counted */
    uint64_t limit_frames;
    bool stop_at_first;
    uint64_t unreported[CAUSES]; /* by cause: frames lost that no gap has reported yet. [IO] */
    _Atomic uint64_t frames;
    _Atomic uint64_t overflow;
    _Atomic uint64_t missed;
    _Atomic int64_t first_ns;
    _Atomic bool first_known;
};

vc_recorder *vc_recorder_new(vc_ring *ring, uint64_t limit_frames) {
    vc_recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder != NULL) {
        recorder->ring = ring;
        recorder->limit_frames = limit_frames;
    }
    return recorder;
}

void vc_recorder_free(vc_recorder *recorder) { free(recorder); }

void vc_recorder_push_gaps(vc_recorder *recorder, vc_queue *gaps, bool stop_at_first) {
    recorder->gaps = gaps;
    recorder->stop_at_first = stop_at_first;
}

uint64_t vc_recorder_overflow_frames(const vc_recorder *recorder) {
    return atomic_load_explicit(&recorder->overflow, memory_order_acquire);
}

uint64_t vc_recorder_missed_frames(const vc_recorder *recorder) {
    return atomic_load_explicit(&recorder->missed, memory_order_acquire);
}

uint64_t vc_recorder_frames(const vc_recorder *recorder) {
    return atomic_load_explicit(&recorder->frames, memory_order_acquire);
}

bool vc_recorder_first_ns(const vc_recorder *recorder, int64_t *host_ns) {
    if (!atomic_load_explicit(&recorder->first_known, memory_order_acquire)) {
        return false;
    }
    *host_ns = atomic_load_explicit(&recorder->first_ns, memory_order_relaxed);
    return true;
}

/* The first frame of the recording may be one that was lost before the first block. */
static void note_first(vc_recorder *recorder, const vc_block *block, uint32_t lost) VC_REALTIME {
    if (block->input_time.valid & VC_TIME_HOST) {
        double before_ns = (double)lost * 1e9 / block->samplerate_hz;
        atomic_store_explicit(&recorder->first_ns, block->input_time.host_ns - llrint(before_ns),
                              memory_order_relaxed);
        atomic_store_explicit(&recorder->first_known, true, memory_order_release);
    }
}

/* Pushes a gap for each cause of losses that have not been reported. It is called before the frames
 * that follow the losses are written. If the queue is full, the losses are reported together with
 * later losses. Their position is then too late, but no loss is left out. */
static void push_gaps(vc_recorder *recorder) {
    for (uint32_t cause = 0; cause < CAUSES && recorder->gaps != NULL; cause++) {
        const vc_gap gap = {.position = vc_ring_total_written(recorder->ring),
                            .frames = recorder->unreported[cause],
                            .cause = cause};
        if (gap.frames > 0 && vc_queue_push(recorder->gaps, &gap)) {
            recorder->unreported[cause] = 0;
        }
    }
}

static int32_t end(const vc_recorder *recorder) {
    vc_ring_end(recorder->ring);
    return VC_STOP;
}

static uint32_t at_most(uint64_t left, uint32_t frames) {
    return left < frames ? (uint32_t)left : frames;
}

int32_t vc_recorder_process(vc_block *block, void *user) {
    vc_recorder *recorder = user;
    uint64_t seen = atomic_load_explicit(&recorder->frames, memory_order_relaxed);
    uint64_t missed = atomic_load_explicit(&recorder->missed, memory_order_relaxed);
    uint64_t limit = recorder->limit_frames ? recorder->limit_frames : UINT64_MAX;
    uint32_t lost = at_most(limit - seen - missed, block->lost_frames);
    if (seen + missed == 0) {
        note_first(recorder, block, lost);
    }
    if (lost > 0) {
        recorder->unreported[VC_GAP_DEVICE] += lost;
        missed += lost;
        atomic_store_explicit(&recorder->missed, missed, memory_order_release);
        if (recorder->stop_at_first) {
            return end(recorder);
        }
    }
    uint32_t frames = at_most(limit - seen - missed, block->frames);
    vc_slices room;
    if (vc_ring_reserve(recorder->ring, frames, &room) > 0) {
        push_gaps(recorder);
    }
    uint32_t written = vc_ring_write(recorder->ring, block->input.data, frames);
    if (written < frames) {
        recorder->unreported[VC_GAP_BUFFER] += frames - written;
        atomic_fetch_add_explicit(&recorder->overflow, frames - written, memory_order_relaxed);
    }
    atomic_store_explicit(&recorder->frames, seen + frames, memory_order_release);
    bool full = recorder->stop_at_first && written < frames;
    return full || seen + missed + frames == limit ? end(recorder) : VC_CONTINUE;
}
