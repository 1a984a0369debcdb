/* Waits in C without releasing the GIL. test_isolated.py needs this. */
#include <stdint.h>
#include <time.h>

int vc_test_wait(const volatile float *sample, int deadline_ms);

/* Waits until the sample is not silent. Returns 1, or 0 if the deadline has passed before. */
int vc_test_wait(const volatile float *sample, int deadline_ms) {
    for (int waited_ms = 0; waited_ms < deadline_ms; waited_ms++) {
        if (*sample != 0.0f) {
            return 1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}
