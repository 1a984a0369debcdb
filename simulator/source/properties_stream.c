/* properties_stream.c: streams and their formats. */
#include "properties.h"

#include <unistd.h>

AudioStreamBasicDescription stream_physical_format(const stream *s, double rate, UInt32 bits) {
    UInt32 bytes = bits == 16 ? 2 : bits == 24 ? 3 : 4;
    UInt32 flags = bits == 32 ? kAudioFormatFlagIsFloat : kAudioFormatFlagIsSignedInteger;
    return (AudioStreamBasicDescription){.mSampleRate = rate,
                                         .mFormatID = kAudioFormatLinearPCM,
                                         .mFormatFlags = flags | kAudioFormatFlagIsPacked,
                                         .mBytesPerPacket = bytes * s->channels,
                                         .mFramesPerPacket = 1,
                                         .mBytesPerFrame = bytes * s->channels,
                                         .mChannelsPerFrame = s->channels,
                                         .mBitsPerChannel = bits};
}

AudioStreamBasicDescription stream_virtual_format(const stream *s, double rate) {
    return stream_physical_format(s, rate, 32);
}

UInt32 stream_physical_bits(const AudioStreamBasicDescription *f) {
    UInt32 bits = f->mBitsPerChannel;
    if (f->mFormatID != kAudioFormatLinearPCM || (bits != 16 && bits != 24 && bits != 32)) {
        return 0;
    }
    bool is_float = (f->mFormatFlags & kAudioFormatFlagIsFloat) != 0;
    return is_float == (bits == 32) ? bits : 0;
}

static OSStatus get_direction(const request *q, reply *r) {
    put_u32(r, q->s->direction);
    return 0;
}
static OSStatus get_terminal(const request *q, reply *r) {
    put_u32(r, q->s->terminal);
    return 0;
}
static OSStatus get_starting_channel(const request *q, reply *r) {
    put_u32(r, q->s->starting_channel);
    return 0;
}
static OSStatus get_latency(const request *q, reply *r) {
    put_u32(r, q->s->latency_frames);
    return 0;
}
static OSStatus get_active(const request *q, reply *r) {
    put_u32(r, q->s->active);
    return 0;
}
static OSStatus get_virtual(const request *q, reply *r) {
    AudioStreamBasicDescription f = stream_virtual_format(q->s, device_reported_rate(q->d));
    put(r, &f, sizeof f);
    return 0;
}
static OSStatus get_physical(const request *q, reply *r) {
    AudioStreamBasicDescription f =
        stream_physical_format(q->s, device_reported_rate(q->d), q->s->physical_bits);
    put(r, &f, sizeof f);
    return 0;
}

/* Sets a format. It must be linear PCM and have the stream's channels and a rate of the device. */
static OSStatus set_format(const request *q, const void *data, bool is_virtual) {
    AudioStreamBasicDescription f;
    memcpy(&f, data, sizeof f);
    UInt32 bits = stream_physical_bits(&f);
    if (q->d->hog != -1 && q->d->hog != getpid()) {
        return kAudioDevicePermissionsError;
    }
    if (bits == 0 || (is_virtual && bits != 32) || f.mChannelsPerFrame != q->s->channels ||
        f.mBytesPerFrame != (bits / 8) * q->s->channels ||
        !device_supports_rate(q->d, f.mSampleRate)) {
        return kAudioDeviceUnsupportedFormatError;
    }
    if (!is_virtual && q->s->physical_bits != bits) {
        q->s->physical_bits = bits;
        notify_one_locked(q->o->id, kAudioStreamPropertyPhysicalFormat,
                          kAudioObjectPropertyScopeGlobal);
    }
    return f.mSampleRate == q->d->rate ? 0 : change_rate_locked(q->d, f.mSampleRate, true);
}
static OSStatus set_virtual(const request *q, const void *data, UInt32 size) {
    (void)size;
    return set_format(q, data, true);
}
static OSStatus set_physical(const request *q, const void *data, UInt32 size) {
    (void)size;
    return set_format(q, data, false);
}

static void put_ranged(const request *q, reply *r, UInt32 bits) {
    for (size_t i = 0; i < q->d->rate_count; i++) {
        double low = q->d->rates[i][0], high = q->d->rates[i][1];
        AudioStreamRangedDescription ranged = {
            .mFormat = stream_physical_format(q->s, low == high ? low : kAudioStreamAnyRate, bits),
            .mSampleRateRange = {low, high}};
        put(r, &ranged, sizeof ranged);
    }
}
static OSStatus get_virtual_formats(const request *q, reply *r) {
    put_ranged(q, r, 32);
    return 0;
}
static OSStatus get_physical_formats(const request *q, reply *r) {
    put_ranged(q, r, 16);
    put_ranged(q, r, 24);
    put_ranged(q, r, 32);
    return 0;
}

/* ---- formats of a device, which are those of its first stream in the scope ---- */

static request of_first_stream(const request *q) {
    request r = *q;
    r.s = q->d->streams[q->direction == INPUT ? INPUT : OUTPUT][0];
    r.o = &r.s->o;
    return r;
}
#define DEVICE_GET(name)                                                                           \
    OSStatus get_first_##name(const request *q, reply *r) {                                        \
        request first = of_first_stream(q);                                                        \
        return get_##name(&first, r);                                                              \
    }
#define DEVICE_SET(name)                                                                           \
    OSStatus set_first_##name(const request *q, const void *data, UInt32 size) {                   \
        request first = of_first_stream(q);                                                        \
        return set_##name(&first, data, size);                                                     \
    }
DEVICE_GET(virtual)
DEVICE_SET(virtual)
DEVICE_GET(physical)
DEVICE_SET(physical)
DEVICE_GET(virtual_formats)
DEVICE_GET(physical_formats)

#define ROW(name, shape, size, get, set)                                                           \
    {kAudioStreamProperty##name, STREAM, GLOBAL_ONLY, shape, size, 0, get, set, NULL}
const property stream_properties[] = {
    ROW(Direction, SCALAR, 4, get_direction, NULL),
    ROW(TerminalType, SCALAR, 4, get_terminal, NULL),
    ROW(StartingChannel, SCALAR, 4, get_starting_channel, NULL),
    ROW(Latency, SCALAR, 4, get_latency, NULL),
    ROW(IsActive, SCALAR, 4, get_active, NULL),
    ROW(VirtualFormat, SCALAR, 40, get_virtual, set_virtual),
    ROW(AvailableVirtualFormats, ARRAY, 56, get_virtual_formats, NULL),
    ROW(PhysicalFormat, SCALAR, 40, get_physical, set_physical),
    ROW(AvailablePhysicalFormats, ARRAY, 56, get_physical_formats, NULL),
    {0, 0, GLOBAL_ONLY, SCALAR, 0, 0, NULL, NULL, NULL},
};
