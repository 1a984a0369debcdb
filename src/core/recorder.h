/* recorder.h - writes the input of each block to a ring.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_RECORDER_H
#define VOICECOIL_RECORDER_H

#include "transfer.h"
#include "user_code.h"

/* Writes each block's input to a ring, and ends the stream after `limit_frames` (0: never). The
 * limit counts frames of the device's time line, including lost frames. Frames for which the ring
 * has no room are counted. The recorder does not wait for room. */
typedef struct vc_recorder vc_recorder;
vc_recorder *vc_recorder_new(vc_ring *ring, uint64_t limit_frames);
void vc_recorder_free(vc_recorder *recorder);
/* Pushes each loss into `gaps`, a queue of vc_gap, when frames follow it. A loss at the very end is
 * not pushed. Its frames are the difference between the counts below and the sum of the gaps. With
 * `stop_at_first`, the stream ends at the first loss. Call it before the stream is started.
 * [control] */
void vc_recorder_push_gaps(vc_recorder *recorder, vc_queue *gaps, bool stop_at_first);
/* Frames for which the ring had no room. [any] */
uint64_t vc_recorder_overflow_frames(const vc_recorder *recorder) VC_REALTIME;
/* Frames that the device lost between the blocks. [any] */
uint64_t vc_recorder_missed_frames(const vc_recorder *recorder) VC_REALTIME;
/* Frames that arrived, including those for which the ring had no room. [any] */
uint64_t vc_recorder_frames(const vc_recorder *recorder) VC_REALTIME;
/* Host time at which the recording's first frame was at the connector, ns. Frames that were lost
 * before the first block count. Returns false if the device has given no host time yet. [any] */
bool vc_recorder_first_ns(const vc_recorder *recorder, int64_t *host_ns) VC_REALTIME;
/* The recorder as a vc_process_fn; `user` is the vc_recorder*. [IO] */
int32_t vc_recorder_process(vc_block *block, void *user) VC_REALTIME;

#endif
