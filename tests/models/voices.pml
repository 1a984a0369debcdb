/* A model of the commands and results of src/core/voices.c. The control thread adds voices, stops
 * some of them, and frees those that were returned. The IO thread takes commands and ends voices
 * whenever it likes.
 *
 * The model checks that the IO thread never uses a voice that was freed, that no push finds its
 * queue full, and that all voices are freed in the end.
 *
 * -DBROKEN=1: the control thread frees a returned voice although a command may still name it.
 * -DBROKEN=2: the queue of commands has room for one command of each voice. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define VOICES 2  /* alive at the same time */
#define ADDED 4   /* in all */
#if BROKEN == 2
#define ROOM VOICES
#else
#define ROOM (2 * VOICES)
#endif

chan commands = [ROOM] of { byte, bool }; /* voice, stops */
chan results = [VOICES] of { byte };
byte taken;           /* commands that the IO thread has taken and does not use any more */
bool freed[ADDED];    /* the memory is gone */
bool playing[ADDED];  /* with the IO thread */
byte stop_number[ADDED];
bool returned[ADDED]; /* taken from the results, but not freed */
byte all_freed;

inline push(voice, stops) {
    assert(nfull(commands));
    commands ! voice, stops;
    pushed++
}

inline collect() {
    do
    :: results ? voice -> returned[voice] = true
    :: empty(results) -> break
    od;
    for (i : 0 .. ADDED - 1) {
        if
        :: returned[i] && (BROKEN == 1 || stop_number[i] <= taken) ->
            returned[i] = false;
            freed[i] = true;
            given--;
            all_freed++
        :: else -> skip
        fi
    }
}

active proctype control() {
    byte added = 0, given = 0, pushed = 0, voice, i;
    do
    :: added < ADDED && given < VOICES ->
        push(added, false);
        given++;
        added++
    :: given > 0 -> /* stop any voice that was not freed and not stopped before */
        i = 0;
        do
        :: i < added && !freed[i] && stop_number[i] == 0 ->
            push(i, true);
            stop_number[i] = pushed;
            break
        :: i < added -> i++
        :: i >= added -> break
        od
    :: collect()
    :: added == ADDED && given == 0 -> break
    od
}

active proctype io() {
    byte voice;
    bool stops;
end:
    do
    :: commands ? voice, stops ->
        assert(!freed[voice]);
        if
        :: !stops -> playing[voice] = true
        :: stops && playing[voice] ->
            playing[voice] = false;
            assert(nfull(results));
            results ! voice
        :: else -> skip
        fi;
        taken++
    :: playing[0] -> playing[0] = false; assert(!freed[0] && nfull(results)); results ! 0
    :: playing[1] -> playing[1] = false; assert(!freed[1] && nfull(results)); results ! 1
    :: playing[2] -> playing[2] = false; assert(!freed[2] && nfull(results)); results ! 2
    :: playing[3] -> playing[3] = false; assert(!freed[3] && nfull(results)); results ! 3
    od
}
