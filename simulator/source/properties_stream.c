/* properties_stream.c: streams and their formats. A device answers the formats as well, for the
 * stream with the channel that the element states, and for its first stream with element 0. */
#include "properties.h"

#include <unistd.h>

GET_U32(direction, q->s->direction)
GET_U32(terminal, q->s->terminal)
GET_U32(starting_channel, q->s->starting_channel)
GET_U32(latency, q->s->latency_frames)
GET_U32(active, q->s->active)
SET(active) {
    UInt32 active;
    (void)size;
    memcpy(&active, data, sizeof active);
    if (q->s->active != (active != 0)) {
        q->s->active = active != 0;
        notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    }
    return 0;
}

stream *stream_of_channel(const request *q) {
    int side = request_side(q);
    for (size_t i = 0; i < q->d->stream_count[side]; i++) {
        stream *s = q->d->streams[side][i];
        if (q->element == 0 ||
            (q->element >= s->starting_channel && q->element < s->starting_channel + s->channels)) {
            return s;
        }
    }
    return NULL;
}
static const stream *stream_for(const request *q) {
    return q->o->kind == STREAM ? q->s : stream_of_channel(q);
}
static bool has_stream(const request *q) { return stream_for(q) != NULL; }

/* ---- formats ---- */

GET(virtual) {
    const stream *s = stream_for(q);
    AudioStreamBasicDescription f = stream_virtual_format(s, s->format, device_reported_rate(q->d));
    put(r, &f, sizeof f);
    return 0;
}
GET(physical) {
    const stream *s = stream_for(q);
    AudioStreamBasicDescription f =
        stream_physical_format(s, s->format, device_reported_rate(q->d));
    put(r, &f, sizeof f);
    return 0;
}

static OSStatus set_format(const request *q, const void *data, bool is_virtual) {
    AudioStreamBasicDescription f;
    memcpy(&f, data, sizeof f);
    stream *s = (stream *)(uintptr_t)stream_for(q);
    const stream_format *match = stream_match(s, &f, is_virtual);
    double rate = f.mSampleRate == 0 ? q->d->rate : f.mSampleRate;
    if (q->d->hog != -1 && q->d->hog != getpid()) {
        return kAudioDevicePermissionsError;
    }
    if (match == NULL || !device_supports_rate(q->d, rate)) {
        return kAudioDeviceUnsupportedFormatError;
    }
    s->next_format = match;
    return change_formats_locked(q->d, rate);
}
SET(virtual) {
    (void)size;
    return set_format(q, data, true);
}
SET(physical) {
    (void)size;
    return set_format(q, data, false);
}

/* Calls `give` for each format of the list and each rate. The virtual formats of all formats that
 * can be mixed are the same, and listed once. */
static void each_format(const request *q, reply *r, bool is_virtual,
                        void (*give)(reply *r, AudioStreamBasicDescription f,
                                     const double *range)) {
    const stream *s = stream_for(q);
    bool mixed = false;
    for (size_t i = 0; i < s->format_count; i++) {
        bool mixable = (s->formats[i].flags & kAudioFormatFlagIsNonMixable) == 0;
        if (is_virtual && mixable && mixed) {
            continue;
        }
        mixed = mixed || mixable;
        for (size_t k = 0; k < q->d->rate_count; k++) {
            const double *range = q->d->rates[k];
            double rate = range[0] == range[1] ? range[0] : kAudioStreamAnyRate;
            give(r,
                 is_virtual ? stream_virtual_format(s, &s->formats[i], rate)
                            : stream_physical_format(s, &s->formats[i], rate),
                 range);
        }
    }
}
static void give_ranged(reply *r, AudioStreamBasicDescription f, const double *range) {
    AudioStreamRangedDescription ranged = {.mFormat = f, .mSampleRateRange = {range[0], range[1]}};
    put(r, &ranged, sizeof ranged);
}
static void give_plain(reply *r, AudioStreamBasicDescription f, const double *range) {
    (void)range;
    put(r, &f, sizeof f);
}
GET(virtual_formats) {
    each_format(q, r, true, give_ranged);
    return 0;
}
GET(physical_formats) {
    each_format(q, r, false, give_ranged);
    return 0;
}
GET(plain_virtual_formats) {
    each_format(q, r, true, give_plain);
    return 0;
}
GET(plain_physical_formats) {
    each_format(q, r, false, give_plain);
    return 0;
}

/* ---- questions of old programs: is a format supported, and which one is like it? ---- */

static const stream_format *asked(const request *q, AudioStreamBasicDescription *f,
                                  bool is_virtual) {
    memcpy(f, q->in_out, sizeof *f);
    const stream_format *match = stream_match(stream_for(q), f, is_virtual);
    f->mSampleRate = f->mSampleRate == 0 ? q->d->rate : f->mSampleRate;
    return match;
}
static OSStatus supported(const request *q, reply *r, bool is_virtual) {
    AudioStreamBasicDescription f = {0};
    if (!r->size_only) {
        if (asked(q, &f, is_virtual) == NULL || !device_supports_rate(q->d, f.mSampleRate)) {
            return kAudioDeviceUnsupportedFormatError;
        }
        memcpy(&f, q->in_out, sizeof f);
    }
    put(r, &f, sizeof f);
    return 0;
}
static OSStatus best_match(const request *q, reply *r, bool is_virtual) {
    AudioStreamBasicDescription f = {0};
    if (!r->size_only) {
        const stream *s = stream_for(q);
        const stream_format *match = asked(q, &f, is_virtual);
        match = match == NULL ? s->format : match;
        double rate = device_supports_rate(q->d, f.mSampleRate) ? f.mSampleRate : q->d->rate;
        f = is_virtual ? stream_virtual_format(s, match, rate)
                       : stream_physical_format(s, match, rate);
    }
    put(r, &f, sizeof f);
    return 0;
}
GET(virtual_supported) { return supported(q, r, true); }
GET(physical_supported) { return supported(q, r, false); }
GET(virtual_match) { return best_match(q, r, true); }
GET(physical_match) { return best_match(q, r, false); }

#define ROW(name, get, set) {kAudioStreamClassID, kAudioStreamProperty##name, get, set, NULL, NULL}
#define DEVICE_ROW(selector, get, set) {kAudioDeviceClassID, selector, get, set, has_stream, NULL}
const behaviour stream_behaviours[] = {
    ROW(Direction, get_direction, NULL),
    ROW(TerminalType, get_terminal, NULL),
    ROW(StartingChannel, get_starting_channel, NULL),
    ROW(Latency, get_latency, NULL),
    ROW(IsActive, get_active, set_active),
    ROW(VirtualFormat, get_virtual, set_virtual),
    ROW(AvailableVirtualFormats, get_virtual_formats, NULL),
    ROW(PhysicalFormat, get_physical, set_physical),
    ROW(AvailablePhysicalFormats, get_physical_formats, NULL),
    ROW(PhysicalFormats, get_plain_physical_formats, NULL),
    ROW(PhysicalFormatSupported, get_physical_supported, NULL),
    ROW(PhysicalFormatMatch, get_physical_match, NULL),
    DEVICE_ROW(kAudioDevicePropertyStreamFormat, get_virtual, set_virtual),
    DEVICE_ROW(kAudioDevicePropertyStreamFormats, get_plain_virtual_formats, NULL),
    DEVICE_ROW(kAudioDevicePropertyStreamFormatSupported, get_virtual_supported, NULL),
    DEVICE_ROW(kAudioDevicePropertyStreamFormatMatch, get_virtual_match, NULL),
    DEVICE_ROW(kAudioStreamPropertyAvailableVirtualFormats, get_virtual_formats, NULL),
    DEVICE_ROW(kAudioStreamPropertyPhysicalFormat, get_physical, set_physical),
    DEVICE_ROW(kAudioStreamPropertyAvailablePhysicalFormats, get_physical_formats, NULL),
    DEVICE_ROW(kAudioStreamPropertyPhysicalFormats, get_plain_physical_formats, NULL),
    DEVICE_ROW(kAudioStreamPropertyPhysicalFormatSupported, get_physical_supported, NULL),
    DEVICE_ROW(kAudioStreamPropertyPhysicalFormatMatch, get_physical_match, NULL),
    {0, 0, NULL, NULL, NULL, NULL},
};
