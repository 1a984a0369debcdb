/* A block's input into a ring. */
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>

struct vc_recorder {
    vc_ring *ring;
    uint64_t limit_frames;
    _Atomic uint64_t frames;
    _Atomic uint64_t overflow;
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

uint64_t vc_recorder_overflow_frames(const vc_recorder *recorder) {
    return atomic_load_explicit(&recorder->overflow, memory_order_acquire);
}

uint64_t vc_recorder_frames(const vc_recorder *recorder) {
    return atomic_load_explicit(&recorder->frames, memory_order_acquire);
}

int32_t vc_recorder_process(vc_block *block, void *user) {
    vc_recorder *recorder = user;
    uint64_t seen = atomic_load_explicit(&recorder->frames, memory_order_relaxed);
    uint32_t frames = block->frames;
    if (recorder->limit_frames && recorder->limit_frames - seen < frames) {
        frames = (uint32_t)(recorder->limit_frames - seen);
    }
    uint32_t written = vc_ring_write(recorder->ring, block->input.data, frames);
    if (written < frames) {
        atomic_fetch_add_explicit(&recorder->overflow, frames - written, memory_order_relaxed);
    }
    atomic_store_explicit(&recorder->frames, seen + frames, memory_order_release);
    if (recorder->limit_frames && seen + frames == recorder->limit_frames) {
        vc_ring_end(recorder->ring);
        return VC_STOP;
    }
    return VC_CONTINUE;
}
