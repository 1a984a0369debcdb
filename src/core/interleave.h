/* interleave.h - converts between interleaved frames and a separate array for each channel. Private
 * to convert.c.
 *
 * A loop over one channel at a time is slow, because it loads or stores with a stride. So the
 * functions load several frames of several channels into registers and reorder them there. */
#ifndef VOICECOIL_INTERLEAVE_H
#define VOICECOIL_INTERLEAVE_H

#include "voicecoil.h"

enum { VC_GROUP = 8 }; /* the most channels converted together */

/* How many channels to convert together if `available` (at least 2) are adjacent. */
uint32_t vc_interleave_group(uint32_t available) VC_REALTIME;
/* Interleaves `count` channels, a number that vc_interleave_group returned. The frames are `stride`
 * floats apart. vc_deinterleave is the opposite. [IO] */
void vc_interleave(float *to, ptrdiff_t stride, const float *const *from, uint32_t count,
                   uint32_t frames) VC_REALTIME;
void vc_deinterleave(float *const *to, const float *from, ptrdiff_t stride, uint32_t count,
                     uint32_t frames) VC_REALTIME;

#endif
