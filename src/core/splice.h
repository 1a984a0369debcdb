/* splice.h - hides the steps of a signal in which frames are missing, for
 * drift.c.
 *
 * If the missing frames are known in advance, because they are silence in the
 * ring, the signal is faded out before them and faded in after them. Otherwise,
 * as after a jump of the reading position, the difference between the last
 * sample before the cut and the first one after it is added to what follows,
 * and fades away.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_SPLICE_H
#define VOICECOIL_SPLICE_H

#include "realtime.h"

#include <stdbool.h>
#include <stdint.h>

enum { VC_SPLICE_GAPS = 16 };
#define VC_ALL_ARRIVED INT64_MAX

typedef struct vc_splices {
    uint32_t channels;
    uint32_t length; /* frames of a fade */
    float *last;     /* the newest frame */
    float *offset;   /* what is added in the fade after a cut */
    uint32_t left;   /* frames of this fade that are left */
    bool cut;        /* the next frame does not continue the newest one */
    bool silent;     /* the newest call was vc_splices_silence */
    uint32_t gap_count;
    struct {
        int64_t start, end; /* positions of the silent frames: [start, end) */
    } gaps[VC_SPLICE_GAPS]; /* oldest first */
} vc_splices;

/* Returns false if memory is exhausted. `splices` must be filled with zeros.
 * [control] */
bool vc_splices_make(vc_splices *splices, uint32_t channels, uint32_t length);
/* [control] */
void vc_splices_free(vc_splices *splices);
/* Begins a new run after silence. [control] */
void vc_splices_begin(vc_splices *splices);
/* Tells that the frames [start, end) are silence. Call it at least a fade
 * before `start`. [IO] */
void vc_splices_gap(vc_splices *splices, int64_t start, int64_t end) VC_REALTIME;
/* Tells that the next frame does not continue the newest one. [IO] */
void vc_splices_cut(vc_splices *splices) VC_REALTIME;
/* Silence follows. Fills `frames` interleaved frames with the fade from the newest frame. Returns
 * false if the fade is over; then `data` is unchanged. [IO] */
bool vc_splices_silence(vc_splices *splices, float *data, uint32_t frames) VC_REALTIME;
/* Fades `frames` interleaved frames. Frame f was read at `position` + `part` +
 * f * `step`. Frames from position `arrived` on have not arrived, and are
 * silence; VC_ALL_ARRIVED: all have. [IO] */
void vc_splices_apply(vc_splices *splices, float *data, uint32_t frames, int64_t position,
                      double part, double step, int64_t arrived) VC_REALTIME;

#endif
