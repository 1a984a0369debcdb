/* encoding.c: input samples that encode their own position, as the public header describes. */
#include "coreaudio_simulator.h"

#include <string.h>

float sim_encode(uint32_t serial, uint32_t stream, uint32_t channel, int64_t sample_time) {
    uint32_t code = (serial & 15u) << 26 | (stream & 15u) << 22 | (channel & 15u) << 18 |
                    (uint32_t)((uint64_t)sample_time & 0x3ffffu);
    uint32_t bits = (code >> 29) << 31 | (126u - (code >> 23 & 63u)) << 23 | (code & 0x7fffffu);
    float sample;
    memcpy(&sample, &bits, sizeof sample);
    return sample;
}

bool sim_decode(float sample, uint32_t *serial, uint32_t *stream, uint32_t *channel,
                uint32_t *sample_time_mod_262144) {
    uint32_t bits;
    memcpy(&bits, &sample, sizeof bits);
    uint32_t exponent = bits >> 23 & 0xffu;
    if (exponent < 63 || exponent > 126) {
        return false;
    }
    uint32_t code = (bits >> 31) << 29 | (126u - exponent) << 23 | (bits & 0x7fffffu);
    uint32_t parts[4] = {code >> 26 & 15u, code >> 22 & 15u, code >> 18 & 15u, code & 0x3ffffu};
    uint32_t *out[4] = {serial, stream, channel, sample_time_mod_262144};
    for (int i = 0; i < 4; i++) {
        if (out[i] != NULL) {
            *out[i] = parts[i];
        }
    }
    return true;
}
