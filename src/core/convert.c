/* Copies, silences, cleans and mixes samples in any layout. */
#include "audio.h"
#include "interleave.h"

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

/* Returns how many channels from `channel` on can be converted together. They must be interleaved
 * in `mixed`, and each must have an array of its own in `planar`. Otherwise the function returns 1.
 */
static uint32_t group(const vc_audio *mixed, const vc_audio *planar, uint32_t channel,
                      uint32_t channels) {
    uint32_t most = channels - channel < VC_GROUP ? channels - channel : VC_GROUP;
    if (mixed->data != NULL && planar->data != NULL) { /* all channels are like the first one */
        bool able = mixed->channel_stride == 1 && planar->frame_stride == 1;
        return able && most >= 2 ? vc_interleave_group(most) : 1;
    }
    vc_channel first = vc_channel_of(mixed, channel);
    uint32_t found = 0;
    for (; found < most; found++) {
        vc_channel in_frame = vc_channel_of(mixed, channel + found);
        vc_channel alone = vc_channel_of(planar, channel + found);
        if (first.data == NULL || alone.data == NULL || alone.stride != 1 ||
            in_frame.stride != first.stride || in_frame.data != first.data + found) {
            break;
        }
    }
    return found >= 2 ? vc_interleave_group(found) : 1;
}

static void copy_one(vc_channel to, uint32_t to_offset, vc_channel from, uint32_t from_offset,
                     uint32_t frames) {
    if (to.data == NULL) {
        return;
    }
    float *start = to.data + (ptrdiff_t)to_offset * to.stride;
    if (from.data == NULL) {
        silence_strided(start, to.stride, frames);
    } else {
        copy_strided(start, to.stride, from.data + (ptrdiff_t)from_offset * from.stride,
                     from.stride, frames);
    }
}

/* Copies all channels of some frames. If there are many channels, the caller passes few frames at a
 * time, so that they stay in the first-level cache. */
static void copy_part(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                      uint32_t from_offset, uint32_t frames) {
    uint32_t channels = to->channels < from->channels ? to->channels : from->channels;
    for (uint32_t c = 0; c < channels;) {
        uint32_t in = group(to, from, c, channels);
        uint32_t out = in > 1 ? 1 : group(from, to, c, channels);
        vc_channel target = vc_channel_of(to, c), source = vc_channel_of(from, c);
        if (in > 1) {
            const float *starts[VC_GROUP];
            for (uint32_t i = 0; i < in; i++) {
                starts[i] = vc_channel_of(from, c + i).data + from_offset;
            }
            vc_interleave(target.data + (ptrdiff_t)to_offset * target.stride, target.stride, starts,
                          in, frames);
        } else if (out > 1) {
            float *starts[VC_GROUP];
            for (uint32_t i = 0; i < out; i++) {
                starts[i] = vc_channel_of(to, c + i).data + to_offset;
            }
            vc_deinterleave(starts, source.data + (ptrdiff_t)from_offset * source.stride,
                            source.stride, out, frames);
        } else {
            copy_one(target, to_offset, source, from_offset, frames);
        }
        c += in > 1 ? in : out;
    }
}

/* Copies all channels if they are one group and neither side is a list of channels. This is what
 * most streams do, and the general way takes 8 ns more. Returns whether it has copied them. */
static bool copy_group(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                       uint32_t from_offset, uint32_t frames) {
    const uint32_t count = to->channels;
    if (to->data == NULL || from->data == NULL || from->channels != count || count < 2 ||
        count > VC_GROUP || vc_interleave_group(count) != count) {
        return false;
    }
    float *target = to->data + (ptrdiff_t)to_offset * to->frame_stride;
    const float *source = from->data + (ptrdiff_t)from_offset * from->frame_stride;
    if (to->channel_stride == 1 && from->frame_stride == 1) {
        const float *starts[VC_GROUP];
        for (uint32_t c = 0; c < count; c++) {
            starts[c] = source + (ptrdiff_t)c * from->channel_stride;
        }
        vc_interleave(target, to->frame_stride, starts, count, frames);
        return true;
    }
    if (from->channel_stride == 1 && to->frame_stride == 1) {
        float *starts[VC_GROUP];
        for (uint32_t c = 0; c < count; c++) {
            starts[c] = target + (ptrdiff_t)c * to->channel_stride;
        }
        vc_deinterleave(starts, source, from->frame_stride, count, frames);
        return true;
    }
    return false;
}

void vc_audio_copy(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                   uint32_t from_offset, uint32_t frames) {
    if (vc_audio_packed(to) && vc_audio_packed(from) && to->channels == from->channels) {
        memcpy(to->data + (size_t)to_offset * to->channels,
               from->data + (size_t)from_offset * from->channels,
               (size_t)frames * to->channels * sizeof(float));
        return;
    }
    if (copy_group(to, to_offset, from, from_offset, frames)) {
        return;
    }
    const uint32_t part = to->channels <= VC_GROUP ? frames : 256;
    for (uint32_t done = 0; done < frames; done += part) {
        uint32_t now = frames - done < part ? frames - done : part;
        copy_part(to, to_offset + done, from, from_offset + done, now);
    }
}

void vc_audio_spread(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                     uint32_t from_offset, uint32_t frames) {
    if (to->channels == from->channels) {
        vc_audio_copy(to, to_offset, from, from_offset, frames);
        return;
    }
    vc_audio repeated = *from;
    repeated.channel_stride = 0;
    repeated.channels = to->channels;
    vc_audio_copy(to, to_offset, &repeated, from_offset, frames);
}

vc_audio vc_audio_first(const vc_audio *audio) {
    vc_channel first = vc_channel_of(audio, 0);
    return (vc_audio){
        .data = first.data, .frame_stride = first.stride, .channel_stride = 1, .channels = 1};
}

vc_audio vc_audio_others(const vc_audio *audio) {
    vc_audio others = *audio;
    others.channels--;
    if (audio->data != NULL) {
        others.data += audio->channel_stride;
    } else {
        others.list++;
    }
    return others;
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
        vc_channel target = vc_channel_of(to, c);
        if (target.data != NULL) {
            silence_strided(target.data + (ptrdiff_t)offset * target.stride, target.stride, frames);
        }
    }
}

/* The top bit of the result is set if the value is not finite. In this case all bits of the
 * exponent are ones, so adding 1 to the exponent carries into the top bit. */
static uint32_t exponent_carry(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffffu) + 0x00800000u;
}

/* The first loop has no store, no branch, and as many intermediate results as four registers hold.
 * So the compiler can vectorise it. With gcc 12 and -O2, 128 samples take 17 ns instead of 105 ns.
 */
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
        return 0; /* the usual case: all samples are finite */
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
        vc_channel channel = vc_channel_of(audio, c);
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
