/* floating.h - the floating-point mode in which sound is computed.
 *
 * A thread can start in any floating-point mode. Each operation with denormal numbers takes about a
 * hundred processor cycles, and an unmasked exception would end the process. So every thread that
 * computes sound flushes denormal results to zero (FTZ), treats denormal operands as zero (DAZ) and
 * masks all exceptions. The IO thread does so in each cycle, and the worker does so once. Both use
 * this header, so that a callback computes the same samples in every home and on every driver.
 *
 * A compiler may move arithmetic across a change of the mode. So code that touches a float between
 * vc_float_enter and vc_float_leave must be in a function that is not inlined.
 *
 * A driver's port and vc_cycle_run both set the mode. Writing the mode takes half as long as an
 * empty block, so it is written only if it changes. */
#ifndef VOICECOIL_FLOATING_H
#define VOICECOIL_FLOATING_H

#include "voicecoil.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

typedef unsigned int vc_float_mode;

/* Returns the previous mode, for vc_float_leave. */
static inline vc_float_mode vc_float_enter(void) {
    vc_float_mode before = _mm_getcsr();
    /* Bit 15: FTZ. Bit 6: DAZ. Bits 7 to 12: masks of exceptions. Bits 0 to 5: flags of exceptions.
     * They are cleared, because vc_float_leave may lift a mask while its flag is set. */
    vc_float_mode ours = (before | 1u << 15 | 1u << 6 | 0x3fu << 7) & ~0x3fu;
    if ((ours ^ before) & ~0x3fu) {
        _mm_setcsr(ours);
    }
    return before;
}

static inline void vc_float_leave(vc_float_mode before) {
    if ((_mm_getcsr() ^ before) & ~0x3fu) {
        _mm_setcsr(before);
    }
}

#elif defined(__aarch64__)

typedef uint64_t vc_float_mode;

static inline vc_float_mode vc_float_enter(void) {
    vc_float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    /* Bit 24: flush operands and results to zero. Bits 8 to 12 and 15: traps. */
    vc_float_mode ours =
        (before | (vc_float_mode)1 << 24) & ~((vc_float_mode)0x1f << 8 | (vc_float_mode)1 << 15);
    if (ours != before) {
        __asm__ volatile("msr fpcr, %0" : : "r"(ours));
    }
    return before;
}

static inline void vc_float_leave(vc_float_mode before) {
    vc_float_mode now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    if (now != before) {
        __asm__ volatile("msr fpcr, %0" : : "r"(before));
    }
}

#else

typedef int vc_float_mode;
static inline vc_float_mode vc_float_enter(void) { return 0; }
static inline void vc_float_leave(vc_float_mode before) { (void)before; }

#endif

#endif
