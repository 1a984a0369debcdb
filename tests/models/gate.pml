/* src/bridge/gate.c: a thread of another extension goes into Python through its way, and gives the
 * way back; meanwhile the program closes the gate, and then ends the interpreter.
 *
 * Checked: nobody is inside when the interpreter has ended; a thread state is dropped once, and not
 * while its thread may use it; the way is freed once, and not used afterwards; and closing comes to
 * its end.
 *
 * -DBROKEN=1: a thread looks whether the gate is closed before it says that it is busy.
 * -DBROKEN=2: who closes looks whether a thread is busy before it closes. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CALLS 2

bool closed, busy, inside;
bool state;    /* the way's thread state is there */
bool lock;     /* of the gate's list */
bool reaped, left, freed;
bool ended;    /* the interpreter */
bool dropping; /* somebody drops the state */

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
    /* way_free */
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
    /* vc_gate_shut: the list still has the way, unless its thread has freed it. */
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
