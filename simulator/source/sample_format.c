/* sample_format.c: converts between float32 and the samples of a format that cannot be mixed. */
#include "world.h"

#include <math.h>

float sample_read(const sample_format *f, const unsigned char *bytes) {
    if (f->is_float) {
        float x;
        memcpy(&x, bytes, sizeof x);
        return x;
    }
    UInt32 raw = 0;
    for (UInt32 i = 0; i < f->bytes; i++) { /* into the highest bits */
        raw = raw >> 8 | (UInt32)bytes[i] << 24;
    }
    SInt32 value;
    memcpy(&value, &raw, sizeof value);
    return (float)value / 2147483648.0f;
}

/* An encoded sample of the oracle becomes the lowest bits of its code, because scaling it would
 * make most of them zero. */
void sample_write(const sample_format *f, float sample, unsigned char *bytes) {
    UInt32 serial, stream_index, channel, time, raw;
    UInt32 unused = 32 - f->bits;
    if (f->is_float) {
        memcpy(bytes, &sample, sizeof sample);
        return;
    }
    if (sim_decode(sample, &serial, &stream_index, &channel, &time)) {
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
    for (UInt32 i = 0; i < f->bytes; i++) {
        bytes[i] = (unsigned char)(raw >> (32 - 8 * f->bytes + 8 * i));
    }
}
