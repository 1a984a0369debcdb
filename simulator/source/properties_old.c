/* properties_old.c: selectors of AudioHardwareDeprecated.h that devices still answer, except the
 * formats (properties_stream.c), the names of items (properties_view.c), and the names of devices
 * and channels (properties_object.c). */
#include "properties.h"

/* ---- the buffer size in bytes of the stream with the requested channel ---- */

static bool has_stream(const request *q) { return stream_of_channel(q) != NULL; }
static UInt32 frame_bytes(const request *q) {
    const stream *s = stream_of_channel(q);
    return stream_sample_format(s).bytes * s->channels;
}
GET_U32(buffer_bytes, q->d->buffer_frames *frame_bytes(q))
SET(buffer_bytes) {
    UInt32 bytes;
    (void)size;
    memcpy(&bytes, data, sizeof bytes);
    return change_buffer_locked(q->d, bytes / frame_bytes(q));
}
GET(buffer_bytes_range) {
    double frame = frame_bytes(q);
    AudioValueRange range = {q->d->buffer_min * frame, q->d->buffer_max * frame};
    put(r, &range, sizeof range);
    return 0;
}

/* ---- mixing ---- */

GET_U32(mixing, device_is_mixable(q->d))
/* Returns the format that differs from the current one in nothing but its mixing. */
static const stream_format *counterpart(const stream *s) {
    for (size_t i = 0; i < s->format_count; i++) {
        const stream_format *f = &s->formats[i];
        if (f->id == s->format->id && f->bits == s->format->bits &&
            f->sample_bytes == s->format->sample_bytes &&
            f->flags == (s->format->flags ^ kAudioFormatFlagIsNonMixable)) {
            return f;
        }
    }
    return NULL;
}
static bool offers_both(const request *q) {
    for (size_t i = 0; i < q->d->stream_count[OUTPUT]; i++) {
        if (counterpart(q->d->streams[OUTPUT][i]) != NULL) {
            return true;
        }
    }
    return false;
}
SET(mixing) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    for (size_t i = 0; i < q->d->stream_count[OUTPUT]; i++) {
        stream *s = q->d->streams[OUTPUT][i];
        if (stream_is_mixable(s) != (on != 0)) {
            s->next_format = counterpart(s);
        }
    }
    return change_formats_locked(q->d, q->d->rate);
}

#define ROW(name, get, set, has, writes)                                                           \
    {kAudioDeviceClassID, kAudioDeviceProperty##name, get, set, has, writes}
const behaviour old_behaviours[] = {
    ROW(BufferSize, get_buffer_bytes, set_buffer_bytes, has_stream, NULL),
    ROW(BufferSizeRange, get_buffer_bytes_range, NULL, has_stream, NULL),
    ROW(SupportsMixing, get_mixing, set_mixing, NULL, offers_both),
    {0, 0, NULL, NULL, NULL, NULL},
};
