/* sample_format.c: converts between float32 and the samples of a format that cannot be mixed. */
#include "world.h"

#include <math.h>

/* Byte `i` of a sample, from the lowest one. */
static UInt32 place(const sample_format *f, UInt32 i) {
    return f->big_endian ? f->bytes - 1 - i : i;
}

float sample_read(const sample_format *f, const unsigned char *bytes) {
    if (f->is_float) {
        float x;
        memcpy(&x, bytes, sizeof x);
        return x;
    }
    UInt32 raw = 0, unused = 32 - f->bits;
    for (UInt32 i = 0; i < f->bytes; i++) { /* into the highest bits */
        raw = raw >> 8 | (UInt32)bytes[place(f, i)] << 24;
    }
    if (!f->aligned_high) {
        raw <<= 8 * f->bytes - f->bits;
    }
    raw = raw >> unused << unused;
    SInt32 value;
    memcpy(&value, &raw, sizeof value);
    return (float)value / 2147483648.0f;
}

/* A sample that sim_encode has made becomes the lowest bits of its code, because scaling it would
 * make most of them zero. */
void sample_write(const sample_format *f, float sample, bool is_code, unsigned char *bytes) {
    UInt32 serial, stream_index, channel, time, raw;
    UInt32 unused = 32 - f->bits;
    if (f->is_float) {
        memcpy(bytes, &sample, sizeof sample);
        return;
    }
    if (is_code && sim_decode(sample, &serial, &stream_index, &channel, &time)) {
        raw = serial << 26 | stream_index << 22 | channel << 18 | time;
        raw <<= unused;
    } else {
        double scaled = floor((double)sample * 2147483648.0 + 0.5);
        scaled = scaled > 2147483647.0    ? 2147483647.0
                 : scaled < -2147483648.0 ? -2147483648.0
                                          : scaled;
        SInt32 value = (SInt32)scaled;
        memcpy(&raw, &value, sizeof raw);
        raw = raw >> unused << unused;
    }
    UInt32 shift = f->aligned_high ? 32 - 8 * f->bytes : unused;
    UInt32 sign = shift > 0 && raw >> 31 != 0 ? ~(UInt32)0 << (32 - shift) : 0;
    raw = raw >> shift | sign;
    for (UInt32 i = 0; i < f->bytes; i++) {
        bytes[place(f, i)] = (unsigned char)(raw >> (8 * i));
    }
}
