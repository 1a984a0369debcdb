/* formats.h - sample formats for user code that does not use float, and their conversions.
 *
 * Scale, rounding and clipping are those of libsndfile with SFC_SET_CLIPPING, which soundfile sets.
 * So a file that soundfile writes from float and reads as integers has the same numbers. Full scale
 * is 2^15 for int16 and 2^31 for int32. Silence is 128 for uint8.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_FORMATS_H
#define VOICECOIL_FORMATS_H

#include "realtime.h"

#include <stddef.h>
#include <stdint.h>

typedef enum vc_format {
    VC_FORMAT_FLOAT32 = 0,
    VC_FORMAT_INT16 = 1,
    VC_FORMAT_INT32 = 2,
    VC_FORMAT_UINT8 = 3
} vc_format;

static inline size_t vc_format_bytes(vc_format format) {
    return format == VC_FORMAT_UINT8 ? 1 : format == VC_FORMAT_INT16 ? 2 : 4;
}

/* Converts float samples. NaN becomes silence. Returns the number of samples beyond full scale,
 * which are clipped. [any] */
size_t vc_format_from_float(void *to, vc_format format, const float *from,
                            size_t samples) VC_REALTIME;
/* Converts samples to float. [any] */
void vc_format_to_float(float *to, const void *from, vc_format format, size_t samples) VC_REALTIME;
/* Writes silence. [any] */
void vc_format_silence(void *to, vc_format format, size_t samples) VC_REALTIME;

#endif
