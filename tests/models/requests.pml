/* A model of the requests to a voice, src/core/voice.c. Each kind of request has a word (the rate
 * has two), and a count tells the IO thread that one of the words has changed. Two threads ask for
 * jumps at the same time; the word of a jump has its destination and a number. The binding lets one
 * thread at a time ask (a critical section), so that each jump has a number of its own.
 *
 * The model checks that the IO thread finally obeys the newest request of each kind, that a rate
 * comes with its own ramp, and that no jump is lost.
 *
 * -DBROKEN=1: a request is counted before its word is changed.
 * -DBROKEN=2: jumps are asked for without the critical section, so two can have one number.
 * -DBROKEN=3: a rate is written before its ramp. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define CHANGES 2
#define NUMBERS 8 /* a jump's word is destination * NUMBERS + number */

byte gain, ramp, rate, jump, requests, done;

inline set(word, value) {
#if BROKEN == 1
    requests++;
    word = value
#else
    word = value;
    requests++
#endif
}

inline ask_jump(destination) {
#if BROKEN == 2
    old = jump;
    jump = destination * NUMBERS + (old + 1) % NUMBERS;
#else
    d_step { /* the critical section of the binding */
        jump = destination * NUMBERS + (jump + 1) % NUMBERS;
    }
#endif
    requests++
}

proctype first() {
    byte n = 1, old;
    ask_jump(1);
    do
    :: n <= CHANGES ->
#if BROKEN == 3
        rate = n;
        ramp = n;
#else
        ramp = n;
        rate = n;
#endif
        requests++;
        set(gain, n);
        n++
    :: else -> break
    od;
    done++
}

proctype second() {
    byte old;
    ask_jump(2);
    done++
}

proctype io() {
    byte seen, now, obeyed_gain, obeyed_rate, its_ramp, jumped, at;
    bool was_done;
    do
    :: was_done = done == 2;
        now = requests;
        if
        :: now != seen ->
            seen = now;
            now = jump;
            if
            :: now % NUMBERS != jumped -> jumped = now % NUMBERS; at = now / NUMBERS
            :: else
            fi;
            obeyed_gain = gain;
            now = rate;
            if
            :: now != obeyed_rate -> obeyed_rate = now; its_ramp = ramp
            :: else
            fi
        :: else
        fi;
        if
        :: was_done -> break
        :: else
        fi
    od;
    assert(obeyed_gain == CHANGES);
    assert(obeyed_rate == CHANGES && its_ramp == CHANGES);
    assert(at == jump / NUMBERS)
}

init { atomic { run first(); run second(); run io() } }
