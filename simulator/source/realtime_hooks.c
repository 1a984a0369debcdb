/* realtime_hooks.c: libcoreaudio_simulated_hooks, a library for LD_PRELOAD. It tells the simulator
 * if a client allocates, frees, locks, waits or writes inside an IOProc. It also reports the
 * client's own mutexes, so that the deadlock detector is exact for them. It does nothing if the
 * process has not loaded the simulator. */
#include "coreaudio_simulator.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The function is looked up at each use, because the simulator may be loaded at any time. */
static bool (*violation)(const char *);
static bool (*lock_wait)(long);
static _Thread_local bool inside; /* this thread is in a hook, so its calls are not reported */

static void look_up(void) {
    static _Thread_local bool busy;
    static _Atomic unsigned calls;
    if (violation != NULL || busy || calls++ % 256 != 0) {
        return;
    }
    busy = true;
    void *library = dlopen("libcoreaudio_simulated.so", RTLD_LAZY | RTLD_NOLOAD);
    void *one = dlsym(library ? library : RTLD_DEFAULT, "sim_realtime_violation");
    void *two = dlsym(library ? library : RTLD_DEFAULT, "sim_client_lock_wait");
    __builtin_memcpy(&lock_wait, &two, sizeof two);
    __builtin_memcpy(&violation, &one, sizeof one);
    busy = false;
}

static void note(const char *what) {
    if (inside) {
        return;
    }
    inside = true;
    look_up();
    if (violation != NULL) {
        violation(what);
    }
    inside = false;
}

/* Finds the next definition of a function, which is the real one. During the first look-ups, dlsym
 * may allocate before the real allocator is known. It then gets memory from `early`. */
static char early[65536];
static size_t early_used;
static void *next(const char *name) {
    bool before = inside;
    inside = true;
    void *address = dlsym(RTLD_NEXT, name);
    inside = before;
    return address;
}
#define NEXT(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (real == NULL) {                                                                            \
        void *address = next(#name);                                                               \
        __builtin_memcpy(&real, &address, sizeof real);                                            \
    }
static bool is_early(const void *p) {
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

EXPORT void *malloc(size_t size) {
    NEXT(malloc)
    note("malloc");
    return real(size);
}
EXPORT void *calloc(size_t n, size_t size) {
    static bool looking;
    if (looking) { /* dlsym calls calloc during the look-up of calloc */
        void *p = early + early_used;
        early_used += (n * size + 15) / 16 * 16;
        return p;
    }
    looking = true;
    NEXT(calloc)
    looking = false;
    note("calloc");
    return real(n, size);
}
EXPORT void *realloc(void *p, size_t size) {
    NEXT(realloc)
    note("realloc");
    return real(p, size);
}
EXPORT void free(void *p) {
    NEXT(free)
    if (p == NULL || is_early(p)) {
        return;
    }
    note("free");
    real(p);
}

/* Returns whether a mutex belongs to the simulator. Such mutexes are not reported. */
static bool is_simulators(const void *mutex) {
    static const void *base;
    Dl_info info;
    void *address;
    if (violation == NULL) {
        return false;
    }
    bool before = inside;
    inside = true;
    if (base == NULL) {
        __builtin_memcpy(&address, &violation, sizeof address);
        base = dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
    }
    bool own = dladdr(mutex, &info) != 0 && info.dli_fbase == base;
    inside = before;
    return own;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex) {
    NEXT(pthread_mutex_lock)
    if (inside) {
        return real(mutex);
    }
    if (pthread_mutex_trylock(mutex) == 0) {
        return 0;
    }
    if (is_simulators(mutex)) {
        return real(mutex);
    }
    note("pthread_mutex_lock had to wait");
    inside = true;
#ifdef __GLIBC__
    bool told = lock_wait != NULL && mutex->__data.__owner != 0;
    if (told) {
        lock_wait(mutex->__data.__owner);
    }
#endif
    int error = real(mutex);
#ifdef __GLIBC__
    if (told) {
        lock_wait(0);
    }
#endif
    inside = false;
    return error;
}
EXPORT ssize_t write(int file, const void *bytes, size_t size) {
    NEXT(write)
    note("write");
    return real(file, bytes, size);
}
EXPORT int nanosleep(const struct timespec *wanted, struct timespec *left) {
    NEXT(nanosleep)
    note("nanosleep");
    return real(wanted, left);
}
EXPORT int usleep(useconds_t us) {
    NEXT(usleep)
    note("usleep");
    return real(us);
}
