/* Waits until one of several counts has reached its target. See waking.h. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "waking.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct vc_waker {
    _Atomic uint32_t rings;
};

uint64_t vc_count_written(const void *ring) { return vc_ring_total_written(ring); }

uint64_t vc_count_read(const void *ring) { return vc_ring_total_read(ring); }

uint64_t vc_count_history(const void *history) { return vc_history_written(history); }

uint64_t vc_count_finished(const void *engine) { return vc_engine_state(engine) == VC_FINISHED; }

uint64_t vc_count_events(const void *engine) { return vc_engine_events_waiting(engine); }

uint64_t vc_count_done(const void *clip) { return vc_clip_get_state(clip) >= VC_CLIP_DONE; }

uint64_t vc_count_results(const void *player) { return vc_player_results(player); }

uint64_t vc_count_voice(const void *voice) {
    vc_voice_facts facts;
    vc_voice_look(voice, &facts);
    return facts.state >= VC_VOICE_DONE;
}

vc_waker *vc_waker_new(void) { return calloc(1, sizeof(vc_waker)); }

void vc_waker_free(vc_waker *waker) { free(waker); }

void vc_waker_ring(vc_waker *waker) { atomic_fetch_add(&waker->rings, 1); }

uint32_t vc_waker_rings(const vc_waker *waker) { return atomic_load(&waker->rings); }

static bool is_reached(const vc_awaited *awaited, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (awaited[i].count(awaited[i].thing) >= awaited[i].target) {
            return true;
        }
    }
    return false;
}

void vc_waker_wait(const vc_waker *waker, const vc_awaited *awaited, size_t count, uint32_t seen,
                   int64_t period_ns, int64_t timeout_ns) {
    int64_t now_ns = vc_clock_ns();
    int64_t until_ns = now_ns + timeout_ns;
    while (vc_waker_rings(waker) == seen && now_ns < until_ns && !is_reached(awaited, count)) {
        int64_t left_ns = until_ns - now_ns < period_ns ? until_ns - now_ns : period_ns;
        const struct timespec pause = {.tv_sec = (time_t)(left_ns / 1000000000),
                                       .tv_nsec = (long)(left_ns % 1000000000)};
        nanosleep(&pause, NULL);
        now_ns = vc_clock_ns();
    }
}
