/* Attaches an engine to the port of an IO thread, and detaches it. See port.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "port.h"

#include <time.h>

void vc_port_attach(vc_port *port, vc_engine *engine) { atomic_store(&port->engine, engine); }

/* Whether two neighbouring channels at the distance `step` can share one description. They can if
 * they are interleaved in the same frame, or planar without gaps. At any other distance, they are
 * in separate buffers. */
static bool is_uniform(ptrdiff_t step, ptrdiff_t stride, uint32_t frames) {
    return step != 0 &&
           ((step > -stride && step < stride) || (stride == 1 && step == (ptrdiff_t)frames));
}

vc_audio vc_port_audio(const vc_channel *list, uint32_t channels, uint32_t frames) {
    vc_audio audio = {.list = list, .channels = channels};
    if (channels == 0 || list[0].data == NULL) {
        return audio;
    }
    ptrdiff_t stride = list[0].stride, step = 1;
    for (uint32_t c = 1; c < channels; c++) {
        /* The addresses are subtracted as integers, because C does not define the difference of
         * pointers into separate buffers. */
        intptr_t bytes = (intptr_t)list[c].data - (intptr_t)list[c - 1].data;
        ptrdiff_t distance = bytes / (ptrdiff_t)sizeof(float);
        bool same = list[c].stride == stride && (c == 1 || distance == step);
        if (!same || list[c].data == NULL || !is_uniform(distance, stride, frames)) {
            return audio;
        }
        step = distance;
    }
    audio.data = list[0].data;
    audio.frame_stride = stride;
    audio.channel_stride = step;
    audio.list = NULL;
    return audio;
}

bool vc_port_detach(vc_port *port, vc_engine *back, int64_t timeout_ns) {
    atomic_store(&port->engine, NULL);
    /* If `turn` is even now, the next cycle finds NULL. If it is odd, the running cycle may still
     * use the engine. */
    uint64_t turn = atomic_load(&port->turn);
    int64_t since_ns = vc_clock_ns();
    while ((turn & 1u) && atomic_load(&port->turn) == turn) {
        if (vc_clock_ns() - since_ns >= timeout_ns) {
            atomic_store(&port->engine, back);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return true;
}
