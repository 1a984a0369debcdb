/* stream_formats.c: the formats of a stream. An IOProc gets float32, except in a physical format
 * that cannot be mixed, which it gets as it is. */
#include "properties.h"

static bool is_mixable(const stream_format *f) {
    return (f->flags & kAudioFormatFlagIsNonMixable) == 0;
}
bool stream_is_mixable(const stream *s) { return is_mixable(s->format); }

bool device_is_mixable(const device *d) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            if (!stream_is_mixable(d->streams[direction][i])) {
                return false;
            }
        }
    }
    return true;
}

static AudioStreamBasicDescription describe(UInt32 channels, const stream_format *f, double rate) {
    return (AudioStreamBasicDescription){.mSampleRate = rate,
                                         .mFormatID = f->id,
                                         .mFormatFlags = f->flags,
                                         .mBytesPerPacket = f->sample_bytes * channels,
                                         .mFramesPerPacket = 1,
                                         .mBytesPerFrame = f->sample_bytes * channels,
                                         .mChannelsPerFrame = channels,
                                         .mBitsPerChannel = f->bits};
}

static const stream_format mixed = {
    kAudioFormatLinearPCM, kAudioFormatFlagIsFloat | kAudioFormatFlagIsPacked, 32, sizeof(float)};

AudioStreamBasicDescription stream_virtual_format(const stream *s, const stream_format *f,
                                                  double rate) {
    return describe(s->channels, is_mixable(f) ? &mixed : f, rate);
}

AudioStreamBasicDescription stream_physical_format(const stream *s, const stream_format *f,
                                                   double rate) {
    return describe(s->channels, f, rate);
}

sample_format stream_sample_format(const stream *s) {
    const stream_format *f = is_mixable(s->format) ? &mixed : s->format;
    return (sample_format){.is_float = (f->flags & kAudioFormatFlagIsFloat) != 0,
                           .aligned_high = (f->flags & kAudioFormatFlagIsAlignedHigh) != 0,
                           .big_endian = (f->flags & kAudioFormatFlagIsBigEndian) != 0,
                           .bytes = f->sample_bytes,
                           .bits = f->bits};
}

static bool any_or(UInt32 wanted, UInt32 offered) { return wanted == 0 || wanted == offered; }

static bool same(const AudioStreamBasicDescription *wanted, const AudioStreamBasicDescription *f) {
    const UInt32 all = kAudioFormatFlagIsFloat | kAudioFormatFlagIsBigEndian |
                       kAudioFormatFlagIsSignedInteger | kAudioFormatFlagIsAlignedHigh |
                       kAudioFormatFlagIsNonInterleaved;
    UInt32 flags = wanted->mFormatFlags, unmixed = kAudioFormatFlagIsNonMixable;
    bool any_flags = (flags & ~unmixed & ~(UInt32)kAudioFormatFlagsAreAllClear) == 0;
    return wanted->mFormatID == f->mFormatID && (flags & unmixed) == (f->mFormatFlags & unmixed) &&
           (any_flags || (flags & all) == (f->mFormatFlags & all)) &&
           any_or(wanted->mBitsPerChannel, f->mBitsPerChannel) &&
           any_or(wanted->mChannelsPerFrame, f->mChannelsPerFrame) &&
           any_or(wanted->mBytesPerFrame, f->mBytesPerFrame) &&
           any_or(wanted->mBytesPerPacket, f->mBytesPerPacket) &&
           any_or(wanted->mFramesPerPacket, f->mFramesPerPacket);
}

const stream_format *stream_match(const stream *s, const AudioStreamBasicDescription *f,
                                  bool is_virtual) {
    for (size_t i = 0; i <= s->format_count; i++) { /* the current format is preferred */
        const stream_format *candidate = i == 0 ? s->format : &s->formats[i - 1];
        AudioStreamBasicDescription offered = is_virtual ? stream_virtual_format(s, candidate, 0)
                                                         : stream_physical_format(s, candidate, 0);
        if (same(f, &offered)) {
            return candidate;
        }
    }
    return NULL;
}

/* ---- making the list ---- */

/* The names are i16, i24 (in three bytes), i24/32 (in the high bits of four), i24/32l (in the low
 * bits), i32, i16b, i24b and i32b (big-endian), f32 and ac3. An exclamation mark makes the format
 * one that cannot be mixed: i16!. */
void stream_add_formats(stream *s, const char *names) {
    const UInt32 packed = kAudioFormatFlagIsPacked, integer = kAudioFormatFlagIsSignedInteger,
                 big = kAudioFormatFlagIsBigEndian;
    const struct {
        const char *name;
        stream_format format;
    } known[] = {
        {"i16", {kAudioFormatLinearPCM, integer | packed, 16, 2}},
        {"i24/32", {kAudioFormatLinearPCM, integer | kAudioFormatFlagIsAlignedHigh, 24, 4}},
        {"i24/32l", {kAudioFormatLinearPCM, integer, 24, 4}},
        {"i16b", {kAudioFormatLinearPCM, integer | packed | big, 16, 2}},
        {"i24b", {kAudioFormatLinearPCM, integer | packed | big, 24, 3}},
        {"i32b", {kAudioFormatLinearPCM, integer | packed | big, 32, 4}},
        {"i24", {kAudioFormatLinearPCM, integer | packed, 24, 3}},
        {"i32", {kAudioFormatLinearPCM, integer | packed, 32, 4}},
        {"f32", {kAudioFormatLinearPCM, kAudioFormatFlagIsFloat | packed, 32, 4}},
        {"ac3", {kAudioFormat60958AC3, integer | packed | kAudioFormatFlagIsNonMixable, 16, 2}}};
    s->format_count = 0;
    while (*names != 0) {
        size_t length = strcspn(names, ",");
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            size_t n = strlen(known[i].name);
            bool unmixed = length == n + 1 && names[n] == '!';
            if ((length == n || unmixed) && strncmp(known[i].name, names, n) == 0 &&
                s->format_count < MAX_FORMATS) {
                stream_format *f = &s->formats[s->format_count++];
                *f = known[i].format;
                f->flags |= unmixed ? kAudioFormatFlagIsNonMixable : 0;
            }
        }
        names += length + (names[length] == ',');
    }
    s->format = &s->formats[0];
    s->next_format = NULL;
}
