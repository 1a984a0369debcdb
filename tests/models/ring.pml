/* A model of src/core/ring.c, and of queue.c. In queue.c, no side keeps a copy of the other side's
 * position, but otherwise both are equal.
 *
 * The model checks that frames come out in order, that none is repeated or lost, that none is
 * overwritten before it was read, and that none is read before it was written. A reader that sees
 * `ended` also sees the last frame.
 *
 * -DBROKEN=1: frames are published before they are written.
 * -DBROKEN=2: the reader checks for the end after it has checked for frames. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CAPACITY 2
#define FRAMES 5

byte data[CAPACITY];
byte written, read;
bool ended;

proctype producer() {
    byte seen_read = 0, wanted, n;
    do
    :: written == FRAMES -> break
    :: else ->
        if
        :: wanted = 1
        :: wanted = 2
        fi;
        if
        :: wanted > FRAMES - written -> wanted = FRAMES - written
        :: else
        fi;
        if
        :: CAPACITY - (written - seen_read) < wanted -> seen_read = read
        :: else
        fi;
        if
        :: CAPACITY - (written - seen_read) < wanted -> wanted = CAPACITY - (written - seen_read)
        :: else
        fi;
#if BROKEN == 1
        written = written + wanted;
        n = 0;
        do
        :: n < wanted -> data[(written - wanted + n) % CAPACITY] = written - wanted + n + 1; n++
        :: else -> break
        od
#else
        n = 0;
        do
        :: n < wanted -> data[(written + n) % CAPACITY] = written + n + 1; n++
        :: else -> break
        od;
        written = written + wanted
#endif
    od;
    ended = true
}

proctype consumer() {
    byte seen_written = 0, wanted, n;
    bool over;
    do
    :: if
        :: wanted = 1
        :: wanted = 2
        fi;
#if BROKEN != 2
        over = ended;
#endif
        if
        :: seen_written - read < wanted -> seen_written = written
        :: else
        fi;
        if
        :: seen_written - read < wanted -> wanted = seen_written - read
        :: else
        fi;
#if BROKEN == 2
        over = ended;
#endif
        n = 0;
        do
        :: n < wanted -> assert(data[(read + n) % CAPACITY] == read + n + 1); n++
        :: else -> break
        od;
        read = read + wanted;
        if
        :: over && wanted == 0 -> break
        :: else
        fi
    od;
    assert(read == FRAMES)
}

init { atomic { run producer(); run consumer() } }
