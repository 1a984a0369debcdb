/* place.h - the part of an output to which a sound is added, and when it is heard.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_PLACE_H
#define VOICECOIL_PLACE_H

#include "realtime.h"

#include <stdint.h>

typedef struct vc_place {
    float *to; /* interleaved */
    uint32_t channels;
    uint32_t frames;
    int64_t first_frame; /* on the time line of the mixer */
    int64_t first_ns;    /* host time at which the first frame is at the connector */
    double ns_per_frame;
} vc_place;

/* Host time at which a frame of the place is at the connector, ns. */
static inline int64_t vc_place_ns(const vc_place *place, uint32_t offset) VC_REALTIME {
    return place->first_ns + (int64_t)(place->ns_per_frame * (double)offset + 0.5);
}

#endif
