/* Waits in C, for tests that hold the GIL meanwhile. See test_isolated.py. */
#include <stdint.h>
#include <time.h>

int vc_test_wait(const volatile float *sample, int deadline_ms);

/* Returns 1 when the sample is not silent any more, or 0 after the deadline. */
int vc_test_wait(const volatile float *sample, int deadline_ms) {
    for (int waited_ms = 0; waited_ms < deadline_ms; waited_ms++) {
        if (*sample != 0.0f) {
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}
