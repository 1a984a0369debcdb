/* when.h - when a sound begins. mixer.h and voices.h use it.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_WHEN_H
#define VOICECOIL_WHEN_H

typedef enum vc_when {
    VC_WHEN_NEXT = 0,  /* with the next block */
    VC_WHEN_FRAME = 1, /* `at` is a frame of the mixer's time line */
    VC_WHEN_HOST = 2   /* `at` is a host time, ns, at which the first frame is at the connector */
} vc_when;

/* A sound that is left out if it is late is late by this time or more. Less is the jitter of the
 * clock, or passes between a call of the program and the next block. */
enum { VC_SKIPPED_NS = 1000000 };

/* The largest reported delay. A larger number of ns does not fit into an int64_t. */
#define VC_LATEST_NS 9e18

#endif
