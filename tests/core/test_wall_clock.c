/* Waits with a time limit do not depend on the wall clock, which NTP or the user may set. The
 * wall clock of this program is an hour ahead of the system's, so a wait until a time of the wall
 * clock takes an hour. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "check.h"
#include "device.h"
#include "listener.h"
#include "quick.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AHEAD_S = 3600, MS = 1000000 };

/* Replaces the function of the C library, in this program only. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    long status = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) {
        now->tv_sec += AHEAD_S;
    }
    return (int)status;
}

static uint64_t ticks(void) { return 42; }
static vc_host_clock host = {ticks, {1, 1}};

static void the_wall_clock_is_ahead(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    CHECK(now.tv_sec >= time(NULL) + AHEAD_S - 1);
}

static void a_wait_for_notifications_ends(void) {
    vc_changes *changes = vc_changes_new(&host);
    CHECK(!vc_changes_wait(changes, vc_changes_rings(changes), MS, 0));
    vc_changes_free(changes);
}

static void waits_of_both_sides_of_a_request_end(void) {
    vc_quick *quick = vc_quick_new();
    CHECK(!vc_quick_wait(quick, MS));
    CHECK_INT(vc_quick_serve(quick, vc_quick_pokes(quick), MS), VC_QUICK_TIMEOUT);
    vc_quick_free(quick);
}

static void a_step_of_a_device_that_has_no_cycles_ends(void) {
    vc_device *device = vc_device_new(&(vc_device_config){
        .output_channels = 2, .frames = 64, .samplerate_hz = 48000, .clock = VC_CLOCK_STEPPED});
    CHECK(!vc_device_step(device, 1, MS));
    CHECK_INT(vc_device_owed(device), 1);
    vc_device_free(device);
}

int main(void) {
    alarm(120); /* ends the program if a wait does not end */
    RUN(the_wall_clock_is_ahead);
    RUN(a_wait_for_notifications_ends);
    RUN(waits_of_both_sides_of_a_request_end);
    RUN(a_step_of_a_device_that_has_no_cycles_ends);
    return check_summary();
}
#else
int main(void) { return check_summary(); } /* a program cannot replace the function there */
#endif
