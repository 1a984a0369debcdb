/* The checks of the C tests. A failed check prints the expected value, the actual value, and the
 * line of the check. */
#ifndef VOICECOIL_TEST_CHECK_H
#define VOICECOIL_TEST_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CHECK_SHOWN = 20
}; /* failures that each test prints, because one fault often makes a thousand frames wrong */

static unsigned check_failed_here, check_passed_tests, check_failed_tests;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline bool check_that(bool good, const char *file, int line, const char *format, ...) {
    if (good) {
        return true;
    }
    if (check_failed_here++ < CHECK_SHOWN) {
        va_list arguments;
        va_start(arguments, format);
        printf("  %s:%d: ", file, line);
        vprintf(format, arguments);
        printf("\n");
        va_end(arguments);
    }
    return false;
}

#define CHECK(condition) check_that((condition), __FILE__, __LINE__, "%s", #condition)

#define CHECK_INT(got, wanted)                                                                     \
    check_int((int64_t)(got), (int64_t)(wanted), __FILE__, __LINE__, #got)
static inline bool check_int(int64_t got, int64_t wanted, const char *file, int line,
                             const char *what) {
    return check_that(got == wanted, file, line, "%s is %lld, not %lld", what, (long long)got,
                      (long long)wanted);
}

#define CHECK_NEAR(got, wanted, tolerance)                                                         \
    check_that((double)(got) >= (double)(wanted) - (tolerance) &&                                  \
                   (double)(got) <= (double)(wanted) + (tolerance),                                \
               __FILE__, __LINE__, "%s is %.9g, not %.9g", #got, (double)(got), (double)(wanted))

/* Returns the value of an index-coded sample, which identifies its frame and channel and is never
 * 0. A float holds it exactly for frames below 2^20 and up to 16 channels. */
static inline float code(int64_t frame, uint32_t channel) {
    return (float)(frame * 16 + (int64_t)channel + 1);
}

#define CHECK_CODED(data, channels, frames, first)                                                 \
    check_coded((data), (channels), (frames), (first), __FILE__, __LINE__)
static inline bool check_coded(const float *data, uint32_t channels, int64_t frames, int64_t first,
                               const char *file, int line) {
    bool good = true;
    for (int64_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            float got = data[f * channels + c];
            good &= check_that(got == code(first + f, c), file, line,
                               "at %lld, channel %u: %.9g (frame %.2f), not frame %lld (%.9g)",
                               (long long)f, c, (double)got, ((double)got - 1.0) / 16.0,
                               (long long)(first + f), (double)code(first + f, c));
        }
    }
    return good;
}

#define CHECK_SILENT(data, channels, frames)                                                       \
    check_silent((data), (channels), (frames), __FILE__, __LINE__)
static inline bool check_silent(const float *data, uint32_t channels, int64_t frames,
                                const char *file, int line) {
    bool good = true;
    for (int64_t f = 0; f < frames; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            float got = data[f * channels + c];
            good &= check_that(got == 0.0f, file, line, "at %lld, channel %u: %.9g, not silence",
                               (long long)f, c, (double)got);
        }
    }
    return good;
}

#define RUN(test) check_run(test, #test)
static inline void check_run(void (*test)(void), const char *name) {
    check_failed_here = 0;
    test();
    if (check_failed_here) {
        printf("FAILED %s: %u checks\n", name, check_failed_here);
        check_failed_tests++;
    } else {
        check_passed_tests++;
    }
    fflush(stdout);
}

static inline int check_summary(void) {
    printf("%u passed, %u failed\n", check_passed_tests, check_failed_tests);
    return check_failed_tests != 0;
}

#endif
