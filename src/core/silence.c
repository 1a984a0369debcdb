/* Counts the frames of an input that gives nothing but exact zeros. See vc_engine_zero_frames. */
#include "audio.h"
#include "engine.h"

#include <string.h>

/* Whether all samples are zero. The bits are joined without a branch, so that the loop is
 * vectorized. */
static bool all_zero(const float *samples, size_t count, ptrdiff_t stride) VC_REALTIME {
    uint32_t any = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &samples[(ptrdiff_t)i * stride], sizeof bits);
        any |= bits;
    }
    return (any & 0x7fffffffu) == 0; /* negative zero is zero, too */
}

static bool is_zero(const vc_audio *audio, uint32_t frames) VC_REALTIME {
    for (uint32_t c = 0; c < audio->channels; c++) {
        vc_channel channel = vc_channel_of(audio, c);
        if (channel.data != NULL && !all_zero(channel.data, frames, channel.stride)) {
            return false;
        }
    }
    return true;
}

void vc_count_zeros(vc_engine *engine, const vc_cycle *cycle) {
    engine->only_zeros = is_zero(&cycle->input, cycle->frames);
    uint64_t so_far = atomic_load_explicit(&engine->zero_frames, memory_order_relaxed);
    atomic_store_explicit(&engine->zero_frames, engine->only_zeros ? so_far + cycle->frames : 0,
                          memory_order_relaxed);
}

uint64_t vc_engine_zero_frames(const vc_engine *engine) {
    return atomic_load_explicit(&engine->zero_frames, memory_order_relaxed);
}
