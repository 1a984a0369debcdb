/* The frame of a voice that is heard. The IO thread notes its positions, and other threads read. */
#include "smaller.h"
#include "voice.h"

#include <math.h>

uint64_t vc_voice_heard(const vc_voice *voice, int64_t host_ns) {
    const vc_voice_config *config = &voice->config;
    const uint64_t length = config->loop_end - config->loop_begin;
    uint64_t position = 0, laps = 0;
    for (int i = 0; i < VC_HEARD_TRIES; i++) {
        uint32_t begun = vc_heard_begin_read(&voice->heard);
        double base = (double)atomic_load(&voice->base), mixed = atomic_load(&voice->reached);
        double heard = vc_heard_at(&voice->heard, host_ns, mixed, base);
        position = (uint64_t)(fmax(heard, 0.0) + 1e-2); /* times are rounded to ticks of a clock */
        laps = atomic_load(&voice->laps);
        if (vc_heard_end_read(&voice->heard, begun)) {
            break;
        }
    }
    if (laps > 0 && position >= config->loop_end) {
        position -= vc_smaller_64(laps, (position - config->loop_begin) / length) * length;
    }
    return position;
}

double vc_voice_reached(const vc_voice *voice) {
    const uint64_t laps = atomic_load_explicit(&voice->laps, memory_order_relaxed);
    if (laps == 0) {
        return voice->position;
    }
    return voice->position + (double)(laps * (voice->config.loop_end - voice->config.loop_begin));
}

void vc_voice_note_heard(vc_voice *voice, const vc_place *place, uint32_t first, uint32_t end,
                         double from) {
    double to = vc_voice_reached(voice);
    if (end > first) {
        vc_heard_note(&voice->heard, vc_place_ns(place, first), from, vc_place_ns(place, end), to,
                      0.5);
    }
    atomic_store_explicit(&voice->now_at, (uint64_t)voice->position, memory_order_relaxed);
    atomic_store_explicit(&voice->reached, to, memory_order_release);
}
