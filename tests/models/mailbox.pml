/* A model of src/core/mailbox.c, which passes the latest value from one thread to another. A value
 * has two words, which are written one after the other.
 *
 * The model checks that each of the three slots has one owner, that both words of a read value
 * belong together, that no older value is read after a newer one, and that the last value is
 * finally read.
 *
 * -DBROKEN=1: the reader takes the middle slot without giving its own slot back. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define WRITES 4
#define FRESH 4
#define SLOT 3

byte first[3], second[3];
byte back = 0, front = 1, middle = 2;
bool done;

#define PERMUTATION \
    (back != front && back != (middle & SLOT) && front != (middle & SLOT))

proctype writer() {
    byte n = 1, given;
    do
    :: n <= WRITES ->
        first[back] = n;
        second[back] = n;
        d_step {
            given = middle;
            middle = back | FRESH;
            back = given & SLOT;
            given = 0;
            assert(PERMUTATION);
        }
        n++
    :: else -> break
    od;
    done = true
}

proctype reader() {
    byte last = 0, now, given;
    bool was_done;
    do
    :: was_done = done;
        if
        :: (middle & FRESH) != 0 ->
            d_step {
                given = middle;
#if BROKEN == 1
                middle = given & SLOT;
#else
                middle = front;
#endif
                front = given & SLOT;
                given = 0;
                assert(PERMUTATION);
            }
        :: else
        fi;
        now = first[front];
        assert(now == second[front]);
        assert(now >= last);
        last = now;
        if
        :: was_done -> break
        :: else
        fi
    od;
    assert(last == WRITES)
}

init { atomic { run writer(); run reader() } }
