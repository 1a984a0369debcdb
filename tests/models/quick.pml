/* A model of src/voicecoil/drivers/coreaudio/quick.c: a client gets numbers from the server, which
 * leaves for other work when it is poked, and comes back. If a signal handler interrupts the client
 * before it has taken its answer, the handler may wait until the server has left.
 *
 * The model checks that each client gets its own answer, and that no thread waits for ever.
 *
 * -DBROKEN=1: a flag tells whether the server is there, and the client reads it after it has taken
 *   its answer, as an earlier version did.
 * -DBROKEN=2: the server leaves only when its answer was taken.
 * -DBROKEN=3: the client lets the next one begin, whether there is a server or not. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define LEAVES 3
#define GETS 3

mtype = { AWAY, IDLE, CLAIMED, REQUESTED, RUNNING, DONE, LEFT };
mtype state = AWAY;
bool serving, poked, over; /* `serving` only for BROKEN=1 */
byte left, number; /* `number` is the request, and then its answer */

#define MOVE(from, to) d_step { if :: state == from -> state = to :: else fi }

proctype server() {
    do
    :: left == LEAVES -> break
    :: left < LEAVES ->
        poked = false;
        serving = true;
        MOVE(AWAY, IDLE);
        MOVE(LEFT, DONE);
        MOVE(AWAY, IDLE);
        do
        :: state == REQUESTED ->
            state = RUNNING;
            number = number + GETS;
            state = DONE
        :: atomic { poked && state == IDLE -> state = AWAY };
            serving = false;
            break
#if BROKEN == 1
        :: poked && state == DONE ->
            serving = false;
            if
            :: state == DONE -> break
            :: else -> serving = true
            fi
#elif BROKEN != 2
        :: atomic { poked && state == DONE -> state = LEFT };
            break
#endif
        od;
        left++
    od;
    over = true
}

proctype poker() {
    do
    :: over -> break
    :: !poked -> poked = true
    od
}

proctype client() {
    byte get, before;
    do
    :: get == GETS -> break
    :: get < GETS ->
        if
        :: atomic { state == IDLE -> state = CLAIMED };
            number = get;
            state = REQUESTED;
            state == DONE || state == LEFT;
            if
            :: true
            :: before = left; left > before || over /* a signal handler asks for other work */
            fi;
            assert(number == get + GETS);
#if BROKEN == 1
            state = AWAY;
            if
            :: serving -> MOVE(AWAY, IDLE)
            :: else
            fi;
#elif BROKEN == 3
            state = IDLE;
#else
            do
            :: atomic { state == DONE -> state = IDLE }; break
            :: atomic { state == LEFT -> state = AWAY }; break
            od;
#endif
            get++
        :: over -> break
        fi
    od
}

init { atomic { run server(); run poker(); run client() } }
