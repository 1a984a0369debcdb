/* preempt.h - gets the GIL from a thread that runs Python, in about 20 us instead of 5 ms.
 *
 * CPython makes a thread release the GIL when another thread has waited for 5 ms
 * (sys.setswitchinterval). With a pending call, the thread that has the GIL runs a C function of
 * voicecoil between two bytecodes. This function releases the GIL until the device's thread has it.
 * A thread that holds the GIL inside C code (a sort, json.dumps, a garbage collection) cannot be
 * interrupted.
 *
 * This works on 3.12 and later. On 3.11, a pending call that another thread adds does not run any
 * sooner. See docs/decisions/0012. */
#ifndef VOICECOIL_PREEMPT_H
#define VOICECOIL_PREEMPT_H

#include <Python.h>

#include "voicecoil.h"

#include <stdbool.h>
#include <stdint.h>

/* What one thread knows about its waits for the GIL. Must be zero before the first use. */
typedef struct vc_preempt {
    uint32_t contended; /* number of blocks for which the thread asks for the GIL */
    bool asked;
    uint64_t count; /* vc_preempt_count when the thread last asked */
} vc_preempt;

/* Finds out what this interpreter supports. Call it once. [control], with the GIL */
void vc_preempt_find(void);
/* What the interpreter supports: 0: nothing, 1: the public function, which interrupts only the main
 * thread, 2: the private function for any thread. [any] */
int vc_preempt_kind(void) VC_REALTIME;
/* Call vc_preempt_ask before PyEval_RestoreThread, and vc_preempt_got after it. `waited_ns` is how
 * long the call took. If the thread lately had to wait for the GIL, vc_preempt_ask asks the thread
 * that has the GIL to release it. Call both on the thread that wants the GIL. They are not
 * VC_REALTIME, because CPython's queue of calls has a lock. */
void vc_preempt_ask(vc_preempt *preempt, PyInterpreterState *interpreter);
void vc_preempt_got(vc_preempt *preempt, int64_t waited_ns);
/* How many times a thread was made to release the GIL, in this process. [any] */
uint64_t vc_preempt_count(void) VC_REALTIME;
/* Call it in a forked child: the threads of the parent that wanted the GIL do not exist there. */
void vc_preempt_forget(void);

#endif
