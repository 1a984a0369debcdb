/* Waits until one of several streams and clips has ended. See ends.h. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "ends.h"
#include "thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_NS = 1000000 }; /* an end is noticed at most this much later */

struct vc_ends {
    _Atomic uint32_t rings;
};

vc_ends *vc_ends_new(void) { return calloc(1, sizeof(vc_ends)); }

void vc_ends_free(vc_ends *ends) { free(ends); }

void vc_ends_ring(vc_ends *ends) { atomic_fetch_add(&ends->rings, 1); }

uint32_t vc_ends_rings(const vc_ends *ends) { return atomic_load(&ends->rings); }

void vc_ends_wait(const vc_ends *ends, const vc_engine *const *engines, size_t engine_count,
                  const vc_clip *const *clips, size_t clip_count, uint32_t seen,
                  int64_t timeout_ns) {
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    int64_t until_ns = vc_clock_ns() + timeout_ns;
    while (vc_ends_rings(ends) == seen && vc_clock_ns() < until_ns) {
        for (size_t i = 0; i < engine_count; i++) {
            if (vc_engine_state(engines[i]) == VC_FINISHED) {
                return;
            }
        }
        for (size_t i = 0; i < clip_count; i++) {
            if (vc_clip_get_state(clips[i]) == VC_CLIP_DONE) {
                return;
            }
        }
        nanosleep(&pause, NULL);
    }
}
