/* A model of the requests to a player, src/core/player.c: a writer, two threads that clear, and the
 * IO thread.
 *
 * The model checks that an IO thread that has seen a clear plays no frame that was written before
 * it, and that each frame is either played or discarded.
 *
 * -DBROKEN=1: a clear counts itself before it stores its position.
 * -DBROKEN=2: the IO thread reads the position before it reads the number of clears.
 * -DBROKEN=3: a clear stores its position even if another clear has stored a later one. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define FRAMES 3
#define CLEARS 2

byte written, clear_to, clears;
byte over; /* threads that have ended */
byte read, played, discarded;
byte wanted[CLEARS + 1]; /* for the check: the frames that each clear, by its number, must discard */
byte newest;             /* for the check: the largest of them so far */

proctype writer() {
    do
    :: written == FRAMES -> break
    :: else -> written = written + 1
    od;
    over++
}

/* `atomic` encloses what is one atomic operation in C, and the variables of the check. */
proctype clearer() {
    byte end, to, number;
    end = written;
#if BROKEN == 1
    atomic { newest = (end > newest -> end : newest); clears++; wanted[clears] = newest };
#endif
#if BROKEN == 3
    clear_to = end;
#else
    to = clear_to;
    do
    :: to >= end -> break
    :: else ->
        atomic {
            if
            :: clear_to == to -> clear_to = end; to = end
            :: else -> to = clear_to
            fi
        }
    od;
#endif
#if BROKEN != 1
    number = clears;
    do
    :: atomic {
        if
        :: clears == number ->
            newest = (end > newest -> end : newest);
            clears++;
            wanted[clears] = newest;
            break
        :: else -> number = clears
        fi
    }
    od;
#endif
    over++
}

proctype io() {
    byte cleared, seen, to;
    bool last;
    do
    :: last = over == 3;
#if BROKEN == 2
        to = clear_to;
#endif
        seen = clears;
#if BROKEN != 2
        to = clear_to;
#endif
        if
        :: seen != cleared ->
            assert(to >= wanted[seen]);
            if
            :: to > read -> discarded = discarded + to - read; read = to
            :: else
            fi;
            cleared = seen
        :: else
        fi;
        if
        :: read < written -> assert(read >= wanted[cleared]); read = read + 1; played = played + 1
        :: else
        fi;
        if
        :: last && read == written && cleared == clears -> break
        :: else
        fi
    od;
    assert(played + discarded == FRAMES)
}

init { atomic { run writer(); run clearer(); run clearer(); run io() } }
