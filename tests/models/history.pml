/* A model of src/core/history.c, whose oldest frames the producer overwrites while readers copy.
 * A frame has two words (two channels), which are written one after the other, and its value is its
 * position + 1. The ring has room for two frames.
 *
 * The model checks that a reader never takes a frame that has another position or is half written,
 * and that each frame is either read or reported as overwritten.
 *
 * -DBROKEN=1: the producer does not claim the frame before it writes.
 * -DBROKEN=2: the reader reads the claim before it copies. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define FRAMES 5
#define ROOM 2

byte left[ROOM], right[ROOM];
byte claimed, written;

proctype producer() {
    byte n = 0;
    do
    :: n < FRAMES ->
#if BROKEN != 1
        claimed = n + 1;
#endif
        left[n % ROOM] = n + 1;
        right[n % ROOM] = n + 1;
#if BROKEN == 1
        claimed = n + 1;
#endif
        written = n + 1;
        n++
    :: else -> break
    od
}

proctype reader() {
    byte position = 0, a, b, end;
    byte seen = 0, lost = 0;
    do
    :: position == FRAMES -> break
    :: position < written ->
#if BROKEN == 2
        end = claimed;
#endif
        a = left[position % ROOM];
        b = right[position % ROOM];
#if BROKEN != 2
        end = claimed;
#endif
        if
        :: position + ROOM >= end ->
            assert(a == position + 1);
            assert(b == position + 1);
            seen++
        :: else ->
            lost++
        fi;
        position++
    od;
    assert(seen + lost == FRAMES);
    assert(written == FRAMES)
}

init { atomic { run producer(); run reader() } }
