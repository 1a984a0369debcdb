/* A model of the clears of a player, src/core/player.c and player_heard.c: a writer, a thread that
 * clears, and the IO thread. A clear is one atomic step, so several threads would do the same.
 *
 * Each utterance has a number: the clears that the writer had seen before it began. The model checks
 * that the IO thread plays no frame of an utterance that is older than the newest clear that it has
 * seen, that it discards no frame of a newer one, and that each frame is either played or discarded.
 *
 * -DBROKEN=1: the IO thread discards only the frames before a position that a clear has read, as an
 *   earlier version did. Frames that are committed at the same time are played.
 * -DBROKEN=2: an utterance stores its number before it stores where it begins.
 * -DBROKEN=3: the IO thread looks at the queue after it has read the number of the utterance.
 * -DBROKEN=4: the position has one place instead of two, and the number is not read again. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define FRAMES 3
#define CLEARS 2
#if BROKEN == 4
#define PLACE(number) 0
#else
#define PLACE(number) ((number) % 2)
#endif

byte written, clear_to, clears, begun;
byte begun_at[2];
byte over; /* threads that have ended */
byte read, played, discarded;
byte number_of[FRAMES]; /* for the check: the utterance of each frame */

/* It writes one or two frames in a step. It begins another utterance if it sees a clear. */
proctype writer() {
    byte number;
    do
    :: written == FRAMES -> break
    :: written < FRAMES ->
        number = clears;
        if
        :: number != begun ->
#if BROKEN == 2
            begun = number;
            begun_at[PLACE(number)] = written
#else
            begun_at[PLACE(number)] = written;
            begun = number
#endif
        :: else
        fi;
        number_of[written] = number;
        written = written + 1;
        if
        :: written < FRAMES -> number_of[written] = number; written = written + 1
        :: true
        fi
    od;
    over++
}

proctype clearer() {
    do
    :: clears == CLEARS -> break
    :: else ->
#if BROKEN == 1
        clear_to = written;
#endif
        clears++
    od;
    over++
}

/* `atomic` encloses steps of one thread with variables that no other thread uses. */

inline discard_to(to) {
    atomic {
        do
        :: read < to ->
            assert(number_of[read] < seen);
            discarded++;
            read++
        :: else -> break
        od;
        to = 0
    }
}

proctype io() {
    byte cleared, seen, number, at, end;
    bool fresh = true, last;
    do
    :: last = over == 2;
        seen = clears; /* a block begins */
        if
        :: seen != cleared ->
            cleared = seen;
#if BROKEN == 1
            end = clear_to;
            discard_to(end)
#else
            fresh = false
#endif
        :: else
        fi;
        if
        :: !fresh ->
#if BROKEN != 3
            end = written;
#endif
            number = begun;
#if BROKEN == 3
            end = written;
#endif
            at = begun_at[PLACE(cleared)];
            if
#if BROKEN == 4
            :: number == cleared -> fresh = true; discard_to(at)
#else
            :: number == cleared && begun == number -> fresh = true; discard_to(at)
#endif
            :: number < cleared -> discard_to(end)
            :: else /* a newer clear, which the next block sees */
            fi
        :: else
        fi;
        if
        :: fresh && read < written ->
            assert(number_of[read] >= cleared);
            read++;
            played++
        :: else
        fi;
        if
        :: last && read == written && cleared == clears -> break
        :: else
        fi
    od;
    assert(played + discarded == FRAMES)
}

init { atomic { run writer(); run clearer(); run io() } }
