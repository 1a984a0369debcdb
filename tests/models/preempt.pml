/* src/bridge/preempt.c: device threads that ask whoever has the GIL to let it go.
 *
 * Two IO threads, and a thread that computes in Python. CPython runs pending calls between two
 * bytecodes, on the thread that has the GIL, one at a time.
 *
 * Checked: at most one of our calls is in CPython's queue; `wanting` counts those that want; and,
 * as there is no time in here, that nobody needs the 5 ms after which the waiting ends: nobody waits
 * for ever.
 *
 * -DBROKEN=1: whether one is queued is looked at, and noted afterwards.
 * -DBROKEN=2: the thread that lets go does not look whether somebody still wants the GIL, and waits
 * until somebody has had it. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define BLOCKS 2
#define STEPS 3

bool gil;         /* taken */
byte calls;       /* of ours, in CPython's queue */
bool running_one; /* CPython: one at a time */
bool queued;
byte wanting;
byte truly_wanting; /* between vc_preempt_ask and vc_preempt_got */
#if BROKEN == 2
bool had;
#endif

inline take_gil() { atomic { !gil -> gil = true } }
inline leave_gil() { gil = false }

/* Between two bytecodes. */
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
        :: true /* it has not met anybody lately */
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
        pending_calls(); /* the callback is Python, too */
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
