/* realtime.h - the mark for functions that may run on the IO thread.
 *
 * VC_REALTIME marks a function, or a pointer to one, that may run on the IO thread. Each function
 * whose comment says `[IO]` or `[any]` has this mark. clang 20 and later can prove with
 * -Wfunction-effects that such a function does not block, and tools/cross_macos.py uses this check.
 * Static functions need no mark, because the compiler sees them together with their callers.
 * VC_UNPROVEN and VC_PROVEN_AGAIN enclose the few calls that no compiler can check. A comment at
 * each of these calls gives the reason. */
#ifndef VOICECOIL_REALTIME_H
#define VOICECOIL_REALTIME_H

#if defined(__clang__) && __clang_major__ >= 20
#define VC_REALTIME __attribute__((nonblocking))
#define VC_UNPROVEN                                                                                \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wfunction-effects\"")
#define VC_PROVEN_AGAIN _Pragma("clang diagnostic pop")
#else
#define VC_REALTIME
#define VC_UNPROVEN
#define VC_PROVEN_AGAIN
#endif

#endif
