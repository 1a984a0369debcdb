/* src/core/statistics.c, vc_post_xrun and vc_engine_xruns: the newest xruns, kept where others read
 * them while they are overwritten.
 *
 * Checked: what is read is the xrun of that number, whole. An xrun is two words.
 *
 * -DBROKEN=1: the writer says that it begins when it has ended.
 * -DBROKEN=2: the reader does not look whether it is being overwritten. */
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
