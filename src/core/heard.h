/* heard.h - which position of a sound is heard at a time, from what the IO thread has mixed.
 *
 * Mixed frames are heard later, and meanwhile a pause, a jump or another rate may have come. So the
 * IO thread notes a straight line each time that position and time cease to follow the last one.
 * Times are frames of a mixer or ns; all lines of a vc_heard use the same unit.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_HEARD_H
#define VOICECOIL_HEARD_H

#include "realtime.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { VC_HEARD_LINES = 32 };

typedef struct vc_heard_line {
    _Atomic int64_t at;
    _Atomic double position;
    _Atomic double rate; /* by how much the position grows in each unit of the time */
} vc_heard_line;

typedef struct vc_heard {
    _Atomic uint32_t changes; /* odd while the IO thread changes a line */
    _Atomic uint64_t count;   /* lines since the last clear; the newest VC_HEARD_LINES are kept */
    vc_heard_line line[VC_HEARD_LINES];
} vc_heard;

/* Notes a straight line: `position` is heard at the time `at`, and `end` at the time `until`, which
 * is later. If both are as near as `tolerance` to the last line, they belong to that line. [IO] */
void vc_heard_note(vc_heard *heard, int64_t at, double position, int64_t until, double end,
                   double tolerance) VC_REALTIME;
/* Forgets all lines, as after a jump. All changes between the two calls are one change for readers:
 * a reader for which vc_heard_end_read returns true has seen all of them or none. [IO] */
void vc_heard_begin_clear(vc_heard *heard) VC_REALTIME;
void vc_heard_end_clear(vc_heard *heard) VC_REALTIME;
/* The position that is heard at the time `at`, at most `mixed`, the newest position; `otherwise` if
 * that is before the first line. Call it between the two functions below. [any] */
double vc_heard_at(const vc_heard *heard, int64_t at, double mixed, double otherwise) VC_REALTIME;
/* A reader tries at most VC_HEARD_TRIES times to read between two changes, which takes some
 * microseconds. It may have interrupted the IO thread in the middle of a change, on the same
 * processor and with a higher priority. Then it would wait for ever. A line that is being written
 * is not counted yet, so what the reader has found is right nevertheless, or is mixed from before
 * and after a jump. vc_heard_end_read returns whether there was no change. [any] */
enum { VC_HEARD_TRIES = 1000 };
uint32_t vc_heard_begin_read(const vc_heard *heard) VC_REALTIME;
bool vc_heard_end_read(const vc_heard *heard, uint32_t begun) VC_REALTIME;

#endif
