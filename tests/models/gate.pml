/* A model of src/bridge/gate.c. A thread of another extension enters Python through its way, and
 * later returns the way. At the same time, the program closes the gate and ends the interpreter.
 *
 * The model checks that no thread is inside when the interpreter has ended. A thread state is
 * dropped once, and not while its thread may use it. The way is freed once, and not used after
 * that. Closing always comes to an end.
 *
 * -DBROKEN=1: a thread checks whether the gate is closed before it declares itself busy.
 * -DBROKEN=2: the closing thread checks whether a thread is busy before it closes the gate. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CALLS 2

bool closed, busy, inside;
bool state;    /* the way has a thread state */
bool lock;     /* the lock of the gate's list is taken */
bool reaped, left, freed;
bool ended;    /* the interpreter has ended */
bool dropping; /* a thread is dropping the state */

inline take() { atomic { !lock -> lock = true } }
inline give() { lock = false }
inline alive() { assert(!freed) }

inline enter(in) {
    alive();
#if BROKEN == 1
    in = !closed;
    busy = true;
#else
    busy = true;
    in = !closed;
#endif
    if
    :: in ->
        assert(!ended && !dropping);
        state = true;
        inside = true
    :: else -> busy = false
    fi
}

inline leave() {
    assert(!ended && !dropping);
    inside = false;
    busy = false
}

inline drop_state() {
    assert(state && !dropping && !ended);
    dropping = true;
    state = false;
    dropping = false
}

proctype thread() {
    byte n = 0;
    bool in;
    do
    :: n < CALLS ->
        n++;
        enter(in);
        if
        :: in -> leave()
        :: else
        fi
    :: break
    od;
    /* The thread calls way_free. */
    busy = true;
    if
    :: !closed ->
        if
        :: state ->
            assert(!ended);
            inside = true;
            drop_state();
            inside = false
        :: else
        fi
    :: else
    fi;
    busy = false;
    take();
    left = closed && !reaped;
    if
    :: !left -> d_step { assert(!freed); freed = true }
    :: else
    fi;
    give()
}

proctype closer() {
    /* This is vc_gate_shut. The list still has the way, unless the thread has already freed it. */
#if BROKEN == 2
    !busy;
#endif
    take();
    closed = true;
    give();
#if BROKEN != 2
    !busy;
#endif
    take();
    if
    :: freed -> give()
    :: else ->
        give();
        if
        :: state -> assert(!inside); drop_state()
        :: else
        fi;
        take();
        reaped = true;
        if
        :: left -> d_step { assert(!freed); freed = true }
        :: else
        fi;
        give()
    fi;
    assert(!inside && !state);
    ended = true
}

init { atomic { run thread(); run closer() } }
