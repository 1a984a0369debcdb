/* Samples from one layout to another. */
#include "audio.h"

static vc_channel channel_of(const vc_audio *audio, uint32_t channel) {
    if (audio->data == NULL) {
        return audio->list != NULL ? audio->list[channel] : (vc_channel){NULL, 0};
    }
    return (vc_channel){audio->data + (ptrdiff_t)channel * audio->channel_stride,
                        audio->frame_stride};
}

static void copy_strided(float *restrict to, ptrdiff_t to_stride, const float *restrict from,
                         ptrdiff_t from_stride, uint32_t frames) {
    if (to_stride == 1 && from_stride == 1) {
        memcpy(to, from, (size_t)frames * sizeof(float));
        return;
    }
    for (ptrdiff_t f = 0; f < (ptrdiff_t)frames; f++) {
        to[f * to_stride] = from[f * from_stride];
    }
}

static void silence_strided(float *to, ptrdiff_t stride, uint32_t frames) {
    if (stride == 1) {
        memset(to, 0, (size_t)frames * sizeof(float));
        return;
    }
    for (ptrdiff_t f = 0; f < (ptrdiff_t)frames; f++) {
        to[f * stride] = 0.0f;
    }
}

void vc_audio_copy(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                   uint32_t from_offset, uint32_t frames) {
    if (vc_audio_packed(to) && vc_audio_packed(from) && to->channels == from->channels) {
        memcpy(to->data + (size_t)to_offset * to->channels,
               from->data + (size_t)from_offset * from->channels,
               (size_t)frames * to->channels * sizeof(float));
        return;
    }
    uint32_t channels = to->channels < from->channels ? to->channels : from->channels;
    for (uint32_t c = 0; c < channels; c++) {
        vc_channel target = channel_of(to, c);
        vc_channel source = channel_of(from, c);
        if (target.data == NULL) {
            continue;
        }
        float *start = target.data + (ptrdiff_t)to_offset * target.stride;
        if (source.data == NULL) {
            silence_strided(start, target.stride, frames);
        } else {
            copy_strided(start, target.stride, source.data + (ptrdiff_t)from_offset * source.stride,
                         source.stride, frames);
        }
    }
}

void vc_audio_silence(const vc_audio *to, uint32_t offset, uint32_t frames) {
    if (frames == 0) {
        return;
    }
    if (vc_audio_packed(to)) {
        memset(to->data + (size_t)offset * to->channels, 0,
               (size_t)frames * to->channels * sizeof(float));
        return;
    }
    for (uint32_t c = 0; c < to->channels; c++) {
        vc_channel target = channel_of(to, c);
        if (target.data != NULL) {
            silence_strided(target.data + (ptrdiff_t)offset * target.stride, target.stride, frames);
        }
    }
}

/* The sign's place is set if the value is not finite: an exponent of all ones carries into it. */
static uint32_t exponent_carry(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffffu) + 0x00800000u;
}

/* Without a store or a branch, and with as many results as four registers hold, so that it
 * vectorises: 17 ns instead of 105 for 128 samples where the compiler does not try hard (gcc 12,
 * -O2). */
static bool any_nonfinite(const float *data, size_t count) {
    enum { LANES = 16 };
    uint32_t carry[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            carry[k] |= exponent_carry(data[i + k]);
        }
    }
    for (; i < count; i++) {
        carry[0] |= exponent_carry(data[i]);
    }
    uint32_t seen = 0;
    for (size_t k = 0; k < LANES; k++) {
        seen |= carry[k];
    }
    return (seen & 0x80000000u) != 0;
}

static uint32_t scrub_strided(float *data, ptrdiff_t stride, size_t count) {
    if (stride == 1 && !any_nonfinite(data, count)) {
        return 0; /* nearly always */
    }
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        float *sample = data + (ptrdiff_t)i * stride;
        if (vc_nonfinite(*sample)) {
            *sample = 0.0f;
            bad++;
        }
    }
    return bad;
}

uint32_t vc_audio_scrub(const vc_audio *audio, uint32_t frames) {
    if (vc_audio_packed(audio)) {
        return scrub_strided(audio->data, 1, (size_t)frames * audio->channels);
    }
    uint32_t bad = 0;
    for (uint32_t c = 0; c < audio->channels; c++) {
        vc_channel channel = channel_of(audio, c);
        if (channel.data != NULL) {
            bad += scrub_strided(channel.data, channel.stride, frames);
        }
    }
    return bad;
}

void vc_mix_add(float *restrict to, const float *restrict from, uint32_t frames, uint32_t channels,
                float gain, float step) {
    size_t samples = (size_t)frames * channels;
    if (step == 0.0f && gain == 1.0f) {
        for (size_t i = 0; i < samples; i++) {
            to[i] += from[i];
        }
    } else if (step == 0.0f) {
        for (size_t i = 0; i < samples; i++) {
            to[i] += from[i] * gain;
        }
    } else {
        for (uint32_t f = 0; f < frames; f++) {
            float now = gain + step * (float)f;
            for (uint32_t c = 0; c < channels; c++) {
                size_t i = (size_t)f * channels + c;
                to[i] += from[i] * now;
            }
        }
    }
}
