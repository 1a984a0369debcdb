/* interleave.h - between interleaved frames and one stretch of memory for each channel. Private to
 * convert.c.
 *
 * Channel by channel every store, or every load, would go to another place with a stride. So some
 * channels are taken at a time, some frames of each in registers, and exchanged there. */
#ifndef VOICECOIL_INTERLEAVE_H
#define VOICECOIL_INTERLEAVE_H

#include "voicecoil.h"

enum { VC_GROUP = 8 }; /* the most channels at a time */

/* How many channels should be taken at a time where up to `available` (at least 2) could be. */
uint32_t vc_interleave_group(uint32_t available) VC_REALTIME;
/* `count` channels, as vc_interleave_group says, into frames that are `stride` floats apart, and
 * back. [IO] */
void vc_interleave(float *to, ptrdiff_t stride, const float *const *from, uint32_t count,
                   uint32_t frames) VC_REALTIME;
void vc_deinterleave(float *const *to, const float *from, ptrdiff_t stride, uint32_t count,
                     uint32_t frames) VC_REALTIME;

#endif
