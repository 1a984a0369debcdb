/* src/voicecoil/drivers/virtual/device.c, run_clients and vc_device_detach: a client leaves while
 * the IO thread runs; when detach returns, no cycle of it runs or will run.
 *
 * Checked: the client is not used when it has been freed; and the waiting comes to its end.
 *
 * -DBROKEN=1: the IO thread reads the client before it says that its turn has begun.
 * -DBROKEN=2: who detaches looks at the turn before the client is taken away. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CYCLES 4

byte turn; /* odd: in a cycle */
bool client = true;
bool freed;

proctype io_thread() {
    byte cycle = 0;
    bool seen;
    do
    :: cycle < CYCLES ->
        cycle++;
#if BROKEN == 1
        seen = client;
        turn++;
#else
        turn++;
        seen = client;
#endif
        if
        :: seen -> assert(!freed); assert(!freed) /* it takes its time */
        :: else
        fi;
        turn++
    :: else -> break
    od
}

proctype control() {
    byte before;
#if BROKEN == 2
    before = turn;
    client = false;
#else
    client = false;
    before = turn;
#endif
    if
    :: before % 2 == 1 -> turn != before
    :: else
    fi;
    freed = true
}

init { atomic { run io_thread(); run control() } }
