/* A model of kept.h in src/core, as vc_post_xrun and vc_engine_xruns use it. Other threads read the
 * newest xruns while the IO thread overwrites old ones. An xrun has two words.
 *
 * The model checks that a reader gets the xrun with the requested number, and that its two words
 * belong together.
 *
 * -DBROKEN=1: the writer announces that it begins to write only after it has written.
 * -DBROKEN=2: the reader does not check whether the xrun was overwritten during the read. */
#ifndef BROKEN
#define BROKEN 0
#endif
#define KEPT 2
#define XRUNS 5

byte begun, written;
byte first[KEPT], second[KEPT];

proctype writer() {
    do
    :: written < XRUNS ->
#if BROKEN != 1
        begun = written + 1;
#endif
        first[written % KEPT] = written;
        second[written % KEPT] = written;
#if BROKEN == 1
        begun = written + 1;
#endif
        written++
    :: else -> break
    od
}

proctype reader() {
    byte all, number, one, two, looks;
    do
    :: looks < 2 ->
        looks++;
        all = written;
        number = (all > KEPT -> all - KEPT : 0);
        do
        :: number < all ->
            one = first[number % KEPT];
            two = second[number % KEPT];
            if
#if BROKEN == 2
            :: true -> assert(one == number && two == number)
#else
            :: begun <= number + KEPT -> assert(one == number && two == number)
            :: else
#endif
            fi;
            number++
        :: else -> break
        od
    :: else -> break
    od
}

init { atomic { run writer(); run reader() } }
