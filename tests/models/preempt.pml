/* A model of src/bridge/preempt.c. A device's thread asks the thread that has the GIL to release
 * it.
 *
 * There are two IO threads, and a thread that computes in Python. CPython runs pending calls
 * between two bytecodes, on the thread that has the GIL, one call at a time.
 *
 * The model checks that CPython's queue has at most one of our calls, and that `wanting` is the
 * number of threads that want the GIL. In the C code, a wait ends after 5 ms. The model has no
 * time, so it also checks that no thread would wait for ever without this limit.
 *
 * -DBROKEN=1: checking whether a call is queued and noting that one is queued are separate steps.
 * -DBROKEN=2: the thread that releases the GIL does not check whether another thread still wants
 * it, and waits until another thread has had it. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define BLOCKS 2
#define STEPS 3

bool gil;         /* a thread has the GIL */
byte calls;       /* number of our calls in CPython's queue */
bool running_one; /* CPython runs one call at a time */
bool queued;
byte wanting;
byte truly_wanting; /* threads between vc_preempt_ask and vc_preempt_got */
#if BROKEN == 2
bool had;
#endif

inline take_gil() { atomic { !gil -> gil = true } }
inline leave_gil() { gil = false }

/* CPython does this between two bytecodes. */
inline pending_calls() {
    if
    :: atomic { calls > 0 && !running_one -> running_one = true; calls-- };
        queued = false;
        if
#if BROKEN == 2
        :: true ->
            had = false;
            leave_gil();
#else
        :: wanting == 0
        :: else ->
            leave_gil();
#endif
#if BROKEN == 2
            had;
#else
            wanting == 0;
#endif
            take_gil()
        fi;
        running_one = false
    :: calls == 0 || running_one
    fi
}

proctype io_thread() {
    byte block = 0;
    bool asked, before;
    do
    :: block < BLOCKS ->
        block++;
        asked = false;
        if
        :: true /* no other thread had the GIL lately */
        :: true ->
            asked = true;
            d_step { wanting++; truly_wanting++ };
#if BROKEN == 1
            before = queued;
            queued = true;
#else
            d_step { before = queued; queued = true };
#endif
            if
            :: before
            :: !before && !gil -> queued = false /* the queue is full, for instance */
            :: !before ->
                d_step { calls++; assert(calls <= 1) }
            fi
        fi;
        take_gil();
        if
        :: asked -> d_step { wanting--; truly_wanting-- }
        :: else
        fi;
#if BROKEN == 2
        had = true;
#endif
        pending_calls(); /* the callback also runs bytecodes */
        assert(wanting == truly_wanting);
        leave_gil()
    :: else -> break
    od
}

proctype computing() {
    byte step = 0;
    take_gil();
    do
    :: step < STEPS ->
        step++;
        pending_calls()
    :: else -> break
    od;
    leave_gil()
}

init { atomic { run io_thread(); run io_thread(); run computing() } }
