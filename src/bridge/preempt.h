/* preempt.h - getting the GIL from a thread that runs Python, in some 20 us instead of 5 ms.
 *
 * CPython makes a thread give up the GIL when another one has waited for 5 ms
 * (sys.setswitchinterval). A pending call makes it run a C function of ours between two bytecodes,
 * and that one lets the GIL go until the device's thread has it. Whoever holds the GIL inside C
 * code (a sort, json.dumps, a garbage collection) cannot be interrupted by anything.
 *
 * Only 3.12 and later: on 3.11 a pending call that another thread adds is not run any sooner. See
 * docs/decisions/0013. */
#ifndef VOICECOIL_PREEMPT_H
#define VOICECOIL_PREEMPT_H

#include <Python.h>

#include "voicecoil.h"

#include <stdbool.h>
#include <stdint.h>

/* One thread's memory of whether the GIL was to be had. Begin with zeros. */
typedef struct vc_preempt {
    uint32_t contended; /* blocks for which it goes on asking */
    bool asked;
    uint64_t count; /* vc_preempt_count when it asked last */
} vc_preempt;

/* Looks for what this interpreter offers, once. [control], with the GIL */
void vc_preempt_find(void);
/* What was found: 0: nothing, 1: the public call, which interrupts the main thread only, 2: the one
 * for any thread. [any] */
int vc_preempt_kind(void) VC_REALTIME;
/* Around PyEval_RestoreThread, which took `waited_ns`. The first asks whoever has the GIL to let it
 * go, if it was missed lately. On the thread that wants it; not VC_REALTIME: takes CPython's lock
 * of its queue. */
void vc_preempt_ask(vc_preempt *preempt, PyInterpreterState *interpreter);
void vc_preempt_got(vc_preempt *preempt, int64_t waited_ns);
/* How often a thread was made to let the GIL go, in this process. [any] */
uint64_t vc_preempt_count(void) VC_REALTIME;
/* In a forked child: none of the threads that wanted it is there. */
void vc_preempt_forget(void);

#endif
