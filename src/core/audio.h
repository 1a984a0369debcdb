/* Layouts of audio memory, for the core's own files. Most cycles have interleaved memory without
 * gaps. That case is decided inline, because a function call cost as much as the work. */
#ifndef VOICECOIL_AUDIO_H
#define VOICECOIL_AUDIO_H

#include "voicecoil.h"

#include <string.h>

/* Interleaved without gaps. For one channel, the channel stride does not matter. */
static inline bool vc_audio_packed(const vc_audio *audio) {
    return audio->data != NULL && audio->frame_stride == (ptrdiff_t)audio->channels &&
           (audio->channel_stride == 1 || audio->channels == 1);
}

/* NaN or infinite. [any] */
static inline bool vc_nonfinite(float value) VC_REALTIME {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits); /* -ffast-math would remove isfinite() */
    return (bits & 0x7f800000u) == 0x7f800000u;
}

/* vc_audio_silence from the first frame on, inline for packed memory. [IO] */
static inline void vc_silence_all(const vc_audio *to, uint32_t frames) VC_REALTIME {
    if (vc_audio_packed(to)) {
        memset(to->data, 0, (size_t)frames * to->channels * sizeof(float));
    } else {
        vc_audio_silence(to, 0, frames);
    }
}

/* vc_audio_copy; a single channel of `from` goes to every channel of `to`. [IO] */
void vc_audio_spread(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                     uint32_t from_offset, uint32_t frames) VC_REALTIME;
/* The first channel in a uniform layout, and all the others; of at least two channels. [IO] */
vc_audio vc_audio_first(const vc_audio *audio) VC_REALTIME;
vc_audio vc_audio_others(const vc_audio *audio) VC_REALTIME;

#endif
