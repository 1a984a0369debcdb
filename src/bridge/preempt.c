/* Gets the GIL from a thread that runs Python. See preempt.h.
 *
 * Invariants: at most one pending call of voicecoil is in the interpreter's queue or running
 * (`queued`), however many streams there are. So the program's own calls find room in the queue.
 * The call must also end soon. From 3.13 on, Python runs the queue until it is empty. That would
 * never end if a thread added the next call each time a running call waits for the GIL. `wanting`
 * counts the threads between vc_preempt_ask and vc_preempt_got. Both variables are only hints. A
 * call that runs when no thread wants the GIL does nothing. If a call is lost, a thread waits for 5
 * ms. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "preempt.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif
#include <stdatomic.h>
#include <time.h>

enum {
    MISSED_NS = 200000, /* a longer wait means that another thread was running Python code */
    PATIENCE = 500,     /* number of blocks in which the thread then asks; that takes a fraction of
                         * a us if the GIL is free */
    LET_GO_NS =
        5000000, /* how long the other thread stays without the GIL at most: a switch interval */
    LOOK_NS = 10000,
    AGAIN = 3 /* how often one call releases the GIL, for threads that asked while it ran */
};

typedef int (*add_call)(PyInterpreterState *interpreter, int (*function)(void *), void *argument,
                        int flags);

static add_call add_for_any_thread;
static bool can_add_for_main;
static _Atomic bool queued;
static _Atomic int wanting;
static _Atomic uint64_t let_go;

void vc_preempt_find(void) {
#ifndef Py_GIL_DISABLED /* without a GIL, no thread has to wait for another one */
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x03100000 && !defined(_WIN32)
    /* This private function has the same four arguments from 3.12 to 3.15. It may disappear, so it
     * is looked up at run time. */
    void *found = dlsym(RTLD_DEFAULT, "_PyEval_AddPendingCall");
    *(void **)&add_for_any_thread = found;
#endif
    can_add_for_main = PY_VERSION_HEX >= 0x030D0000; /* in older versions, a pending call does not
                                                      * interrupt the main thread */
#endif
}

int vc_preempt_kind(void) { return add_for_any_thread != NULL ? 2 : can_add_for_main ? 1 : 0; }

uint64_t vc_preempt_count(void) { return atomic_load_explicit(&let_go, memory_order_relaxed); }

void vc_preempt_forget(void) {
    atomic_store(&queued, false);
    atomic_store(&wanting, 0);
}

static void stay_away(void) {
    atomic_fetch_add_explicit(&let_go, 1, memory_order_relaxed);
    PyThreadState *state = PyEval_SaveThread();
    int64_t until_ns = vc_clock_ns() + LET_GO_NS;
    const struct timespec pause = {0, LOOK_NS};
    while (atomic_load(&wanting) > 0 && vc_clock_ns() < until_ns) {
        nanosleep(&pause, NULL);
    }
    PyEval_RestoreThread(state);
}

/* Runs between two bytecodes on the thread that has the GIL. This may even be the thread that
 * wanted the GIL, if it has got the GIL meanwhile. */
static int let_the_gil_go(void *unused) {
    (void)unused;
    for (int i = 0; i < AGAIN && atomic_load(&wanting) > 0; i++) {
        stay_away();
    }
    atomic_store(&queued, false);
    return 0;
}

void vc_preempt_ask(vc_preempt *preempt, PyInterpreterState *interpreter) {
    if (preempt->contended == 0) {
        return;
    }
    preempt->contended--;
    preempt->asked = true;
    preempt->count = vc_preempt_count();
    atomic_fetch_add(&wanting, 1);
    if (atomic_exchange(&queued, true)) {
        return;
    }
    int failed = add_for_any_thread != NULL
                     ? add_for_any_thread(interpreter, let_the_gil_go, NULL, 0)
                     : Py_AddPendingCall(let_the_gil_go, NULL);
    if (failed) { /* the queue is full of the program's own calls */
        atomic_store(&queued, false);
    }
}

void vc_preempt_got(vc_preempt *preempt, int64_t waited_ns) {
    bool met = waited_ns > MISSED_NS;
    if (preempt->asked) {
        preempt->asked = false;
        atomic_fetch_sub(&wanting, 1);
        met |= preempt->count != vc_preempt_count();
    }
    if (met) {
        preempt->contended = PATIENCE;
    }
}
