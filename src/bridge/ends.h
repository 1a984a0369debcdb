/* ends.h - waits until one of several streams and clips has ended.
 *
 * One thread waits for all of them. The IO thread wakes no other thread (docs/decisions/0005), so
 * this thread looks at intervals. No function here needs the GIL. */
#ifndef VOICECOIL_ENDS_H
#define VOICECOIL_ENDS_H

#include "voicecoil.h"

typedef struct vc_ends vc_ends;

/* Returns NULL if memory is exhausted. [control] */
vc_ends *vc_ends_new(void);
/* NULL is allowed. [control] */
void vc_ends_free(vc_ends *ends);
/* Makes vc_ends_wait return soon. [any] */
void vc_ends_ring(vc_ends *ends) VC_REALTIME;
/* How often vc_ends_ring was called. [any] */
uint32_t vc_ends_rings(const vc_ends *ends) VC_REALTIME;
/* Waits until one of the engines is VC_FINISHED, one of the clips is VC_CLIP_DONE, vc_ends_rings is
 * not `seen`, or `timeout_ns` has passed. It looks every millisecond. Call it without the GIL.
 * [control] */
void vc_ends_wait(const vc_ends *ends, const vc_engine *const *engines, size_t engine_count,
                  const vc_clip *const *clips, size_t clip_count, uint32_t seen,
                  int64_t timeout_ns);

#endif
