/* A model of src/core/port.h and port.c. An engine is attached to a port and detached from it while
 * the IO thread runs. After a detach has returned true, no cycle of the engine runs or will run. A
 * detach that takes too long attaches the engine again, and is repeated later.
 *
 * The model checks that no thread uses the engine after it was freed, and that the wait comes to an
 * end.
 *
 * -DBROKEN=1: the IO thread reads the engine before it makes `turn` odd.
 * -DBROKEN=2: the detach reads the turn before it clears the engine.
 * -DBROKEN=3: the engine is freed although the detach took too long. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CYCLES 4

byte turn; /* odd: the IO thread is in a cycle */
bool engine = true;
bool freed;

proctype io_thread() {
    byte cycle = 0;
    bool seen;
    do
    :: cycle < CYCLES ->
        cycle++;
#if BROKEN == 1
        seen = engine;
        turn++;
#else
        turn++;
        seen = engine;
#endif
        if
        :: seen -> assert(!freed); assert(!freed) /* during the whole cycle */
        :: else
        fi;
        turn++
    :: else -> break
    od
}

proctype control() {
    byte before;
again:
#if BROKEN == 2
    before = turn;
    engine = false;
#else
    engine = false;
    before = turn;
#endif
    if
    :: before % 2 == 1 ->
        if
        :: turn != before
        :: engine = true; /* the detach takes too long */
#if BROKEN == 3
            skip
#else
            goto again
#endif
        fi
    :: else
    fi;
    freed = true
}

init { atomic { run io_thread(); run control() } }
