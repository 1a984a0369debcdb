/* Helpers for layouts of audio memory, used only by files of the core. Most cycles have interleaved
 * memory without gaps. Inline functions handle that case, because a function call took as long as
 * the work itself. */
#ifndef VOICECOIL_AUDIO_H
#define VOICECOIL_AUDIO_H

#include "voicecoil.h"

#include <string.h>

/* Whether memory is interleaved without gaps. If there is one channel, its channel stride does not
 * matter. */
static inline bool vc_audio_packed(const vc_audio *audio) {
    return audio->data != NULL && audio->frame_stride == (ptrdiff_t)audio->channels &&
           (audio->channel_stride == 1 || audio->channels == 1);
}

/* Describes interleaved memory without gaps; `data` is not used without channels. [any] */
static inline void vc_set_interleaved(vc_audio *audio, float *data, uint32_t channels) VC_REALTIME {
    audio->data = channels ? data : NULL;
    audio->frame_stride = (ptrdiff_t)channels;
    audio->channel_stride = 1;
    audio->list = NULL;
    audio->channels = channels;
    audio->reserved = 0;
}

/* One channel in any layout. `data` is NULL if the channel has no memory. [IO] */
static inline vc_channel vc_channel_of(const vc_audio *audio, uint32_t channel) VC_REALTIME {
    if (audio->data == NULL) {
        return audio->list != NULL ? audio->list[channel] : (vc_channel){NULL, 0};
    }
    return (vc_channel){audio->data + (ptrdiff_t)channel * audio->channel_stride,
                        audio->frame_stride};
}

/* Whether a value is NaN or infinite. [any] */
static inline bool vc_nonfinite(float value) VC_REALTIME {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits); /* -ffast-math would remove isfinite() */
    return (bits & 0x7f800000u) == 0x7f800000u;
}

/* Silences the first `frames` frames. Packed memory is silenced inline. [IO] */
static inline void vc_silence_all(const vc_audio *to, uint32_t frames) VC_REALTIME {
    if (vc_audio_packed(to)) {
        memset(to->data, 0, (size_t)frames * to->channels * sizeof(float));
    } else {
        vc_audio_silence(to, 0, frames);
    }
}

/* Copies frames as vc_audio_copy does. If `from` has a single channel, it is copied to every
 * channel of `to`. [IO] */
void vc_audio_spread(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                     uint32_t from_offset, uint32_t frames) VC_REALTIME;
/* vc_audio_first describes the first channel of `audio` in a uniform layout. vc_audio_others
 * describes all other channels. `audio` must have at least two channels. [IO] */
vc_audio vc_audio_first(const vc_audio *audio) VC_REALTIME;
vc_audio vc_audio_others(const vc_audio *audio) VC_REALTIME;

#endif
