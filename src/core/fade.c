/* Fades a stream out before it ends. This is done on the device's memory. So the fade begins in the
 * next cycle on whichever thread the user's code runs, even if frames were made in advance. */
#include "audio.h"
#include "engine.h"

void vc_engine_fade_out(vc_engine *engine, uint32_t frames) {
    atomic_store(&engine->fade_frames, frames);
    int none = VC_REQUEST_NONE; /* a fade does not replace a stop or an abort */
    atomic_compare_exchange_strong(&engine->request, &none, VC_REQUEST_FADE);
}

/* Multiplies one channel by a gain that begins at `gain` and falls by `step` in each frame. */
static void fade_channel(float *data, ptrdiff_t stride, uint32_t frames, float gain, float step) {
    for (uint32_t f = 0; f < frames; f++) {
        data[(ptrdiff_t)f * stride] *= gain - step * (float)f;
    }
}

static void fade_audio(const vc_audio *audio, uint32_t frames, float gain, float step) {
    for (uint32_t c = 0; c < audio->channels; c++) {
        vc_channel channel = vc_channel_of(audio, c);
        if (channel.data != NULL) {
            fade_channel(channel.data, channel.stride, frames, gain, step);
        }
    }
}

uint32_t vc_fade(vc_engine *engine, const vc_cycle *cycle, uint32_t done, uint32_t *valid) {
    uint32_t all = atomic_load(&engine->fade_frames);
    if (engine->faded == 0) {
        engine->fade_length = all ? all : 1;
    }
    uint32_t left = engine->fade_length - engine->faded;
    uint32_t frames = done < left ? done : left;
    float step = 1.0f / (float)engine->fade_length;
    fade_audio(&cycle->output, frames, step * (float)left, step);
    engine->faded += frames;
    if (frames < left) {
        return done;
    }
    if (!engine->ending) {
        engine->ending = true;
        atomic_store(&engine->reason, VC_REASON_STOP);
    }
    engine->valid = 0; /* the rest of a block that spans cycles is not played */
    *valid = *valid < frames ? *valid : frames;
    return frames;
}
