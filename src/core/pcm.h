/* pcm.h - the layouts of signed integer samples in the memory of devices, and their conversions.
 *
 * Scale, rounding and clipping are those of formats.h: a sample is rounded to 32 bits, and then
 * loses the bits that the layout does not have. Float holds integers of up to 24 bits exactly.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_PCM_H
#define VOICECOIL_PCM_H

#include "realtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vc_pcm {
    uint8_t bytes; /* of a sample in memory, 1 to 4 */
    uint8_t bits;  /* of them in use, 8 to 8 * bytes */
    bool high;     /* the unused bits are the lowest ones. Otherwise they repeat the sign. */
    bool big_endian;
} vc_pcm;

/* Whether the numbers of bytes and bits are possible. [any] */
static inline bool vc_pcm_valid(vc_pcm pcm) VC_REALTIME {
    return pcm.bytes >= 1 && pcm.bytes <= 4 && pcm.bits >= 8 && pcm.bits <= 8 * pcm.bytes;
}

/* Converts float samples. NaN becomes silence. Returns the number of samples beyond full scale,
 * which are clipped. [any] */
size_t vc_pcm_from_float(void *to, vc_pcm pcm, const float *from, size_t samples) VC_REALTIME;
/* Converts samples to float. Ignores the unused bits. [any] */
void vc_pcm_to_float(float *to, const void *from, vc_pcm pcm, size_t samples) VC_REALTIME;

#endif
