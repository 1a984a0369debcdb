/* Limits how deeply Python may recurse on a stack that Python did not create.
 *
 * CPython counts the levels of recursion in C code. It allows as many as fit a main thread's stack
 * of 8 MiB: 1000 (3.11), 1500 (3.12), up to 10000 (3.13). An IO thread may have only 512 KiB, and a
 * level may take some KiB. So the process would crash where Python means to raise RecursionError.
 * From 3.14 on, CPython measures the stack itself. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "stack.h"

#include <stdint.h>
#if defined(__linux__) || defined(__APPLE__)
#include <pthread.h>
#endif

#if PY_VERSION_HEX < 0x030E0000

/* The stack that one counted level of recursion may take. It was measured on x86-64 with recursions
 * through sorted(key=), NumPy's object arrays, __array_ufunc__, __getattr__, repr and json: at most
 * 3.6 KB on 3.11, and 2.1 KB on 3.12 and 3.13, which count two or more levels where 3.11 counts
 * one. */
#if PY_VERSION_HEX < 0x030C0000
enum { BYTES_PER_LEVEL = 4096 };
#else
enum { BYTES_PER_LEVEL = 2560 };
#endif
/* RESERVE_BYTES is for code that is not counted: the engine's functions that call Python, and
 * functions of NumPy and the C library at the deepest level. */
enum { RESERVE_BYTES = 64 * 1024, LEAST_LEVELS = 50 };

/* Bytes between this function's frame and the end of this thread's stack. */
static size_t stack_left(void) {
    const char *here = (const char *)__builtin_frame_address(0);
    size_t left = 512 * 1024; /* used if the system does not report the stack */
#if defined(__linux__)
    pthread_attr_t attributes;
    void *lowest;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
            left = (size_t)(here - (const char *)lowest);
        }
        pthread_attr_destroy(&attributes);
    }
#elif defined(__APPLE__)
    const char *highest = (const char *)pthread_get_stackaddr_np(pthread_self());
    left = pthread_get_stacksize_np(pthread_self()) - (size_t)(highest - here);
#else
    (void)here;
#endif
    return left;
}

void vc_limit_recursion(PyThreadState *state) {
    size_t left = stack_left();
    size_t fit = left > RESERVE_BYTES ? (left - RESERVE_BYTES) / BYTES_PER_LEVEL : 0;
    int levels = fit < LEAST_LEVELS ? LEAST_LEVELS : fit > 100000 ? 100000 : (int)fit;
#if PY_VERSION_HEX < 0x030C0000
    /* 3.11 has one counter for Python and C code. Whenever a thread reaches its limit, CPython sets
     * the limit back to the interpreter's limit. So this function leaves the limit as it is, and
     * changes the counter as if the thread had already recursed. */
    if (state->recursion_remaining > levels) {
        state->recursion_remaining = levels;
    }
#else
    if (state->c_recursion_remaining > levels) {
        state->c_recursion_remaining = levels;
    }
#endif
}

#else

void vc_limit_recursion(PyThreadState *state) { (void)state; }

#endif
