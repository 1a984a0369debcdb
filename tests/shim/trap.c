/* A preloaded library that counts calls which are forbidden on an IO thread.
 *
 *   LD_PRELOAD=trap.so program
 *
 * The program finds vc_trap_enter and vc_trap_leave with dlsym and passes them to
 * vc_cycle_set_trap. A thread is watched between its calls of vc_trap_enter and vc_trap_leave.
 * There the library counts every call of a function below by name, and then executes it. This needs
 * glibc, because only glibc has a second name by which malloc can be called. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS /* otherwise open and open64 are one name */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* The list of names, for the counters and the report. */
/* clang-format would indent each line further than the one before. */
/* clang-format off */
#define NAMES(X)                                                                                   \
    X(malloc)                                                                                      \
    X(calloc) X(realloc) X(free) X(aligned_alloc) X(posix_memalign) X(memalign) X(reallocarray)    \
        X(pthread_mutex_lock) X(pthread_mutex_trylock) X(pthread_mutex_timedlock)                  \
            X(pthread_cond_wait) X(pthread_cond_timedwait) X(pthread_cond_signal)                  \
                X(pthread_cond_broadcast) X(pthread_rwlock_rdlock) X(pthread_rwlock_wrlock)        \
                    X(pthread_rwlock_tryrdlock) X(pthread_rwlock_trywrlock) X(pthread_create)      \
                        X(pthread_join) X(sem_wait) X(sem_trywait) X(sem_timedwait) X(write)       \
                            X(read) X(writev) X(open) X(open64) X(openat) X(close) X(send) X(recv) \
                                X(printf) X(fprintf) X(vprintf) X(vfprintf) X(snprintf)            \
                                    X(vsnprintf) X(sprintf) X(puts) X(putchar) X(putc) X(fputs)    \
                                        X(fputc) X(fwrite) X(fflush) X(__printf_chk)               \
                                            X(__fprintf_chk) X(__vfprintf_chk) X(__snprintf_chk)   \
                                                X(__vsnprintf_chk) X(nanosleep) X(clock_nanosleep) \
                                                    X(usleep) X(sleep) X(mmap) X(mmap64) X(munmap) \
                                                        X(brk) X(sbrk) X(syscall)
/* clang-format on */

enum {
#define NUMBER(name) NUMBER_##name,
    NAMES(NUMBER)
#undef NUMBER
        COUNT
};

static const char *const names[COUNT] = {
#define STRING(name) #name,
    NAMES(STRING)
#undef STRING
};

static _Atomic uint64_t counts[COUNT];
static void *_Atomic real_functions[COUNT];

/* The variable uses the initial-exec model, because an access with the dynamic model may call
 * malloc. */
static __thread unsigned depth __attribute__((tls_model("initial-exec")));

static void note(int number) {
    if (depth > 0) {
        atomic_fetch_add_explicit(&counts[number], 1, memory_order_relaxed);
    }
}

/* Returns the real function that this library replaces. Counting is off during the look-up, because
 * dlsym may allocate. */
static void *real(int number) {
    void *function = atomic_load_explicit(&real_functions[number], memory_order_acquire);
    if (function == NULL) {
        unsigned kept = depth;
        depth = 0;
        /* Condition variables have an old and a new version, and dlsym may return the old one. */
        if (strncmp(names[number], "pthread_cond_", 13) == 0) {
            function = dlvsym(RTLD_NEXT, names[number], "GLIBC_2.3.2");
        }
        function = function != NULL ? function : dlsym(RTLD_NEXT, names[number]);
        if (function == NULL) {
            abort();
        }
        atomic_store_explicit(&real_functions[number], function, memory_order_release);
        depth = kept;
    }
    return function;
}

/* ---- control ----------------------------------------------------------------------------------
 */

EXPORT void vc_trap_enter(void);
EXPORT void vc_trap_leave(void);
EXPORT uint64_t vc_trap_count(void);
EXPORT size_t vc_trap_report(char *text, size_t size);
EXPORT void vc_trap_reset(void);

void vc_trap_enter(void) { depth++; }

void vc_trap_leave(void) { depth--; }

/* Returns the number of calls since the last reset. */
uint64_t vc_trap_count(void) {
    uint64_t count = 0;
    for (int i = 0; i < COUNT; i++) {
        count += atomic_load_explicit(&counts[i], memory_order_relaxed);
    }
    return count;
}

/* Writes the counts as text, such as "malloc 3, write 1". Returns the length, at most size - 1. */
size_t vc_trap_report(char *text, size_t size) {
    unsigned kept = depth;
    depth = 0;
    size_t used = 0;
    if (size > 0) {
        text[0] = '\0';
    }
    for (int i = 0; i < COUNT && used + 1 < size; i++) {
        uint64_t count = atomic_load_explicit(&counts[i], memory_order_relaxed);
        if (count > 0) {
            int length = snprintf(text + used, size - used, "%s%s %llu", used > 0 ? ", " : "",
                                  names[i], (unsigned long long)count);
            used = used + (size_t)length < size ? used + (size_t)length : size - 1;
        }
    }
    depth = kept;
    return used;
}

void vc_trap_reset(void) {
    for (int i = 0; i < COUNT; i++) {
        atomic_store_explicit(&counts[i], 0, memory_order_relaxed);
    }
}

/* ---- memory: by glibc's second names, since dlsym itself allocates
 * ------------------------------- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);
extern void *__libc_memalign(size_t alignment, size_t size);

EXPORT void *malloc(size_t size) {
    note(NUMBER_malloc);
    return __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size) {
    note(NUMBER_calloc);
    return __libc_calloc(count, size);
}

EXPORT void *realloc(void *memory, size_t size) {
    note(NUMBER_realloc);
    return __libc_realloc(memory, size);
}

EXPORT void *reallocarray(void *memory, size_t count, size_t size) {
    note(NUMBER_reallocarray);
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : __libc_realloc(memory, bytes);
}

EXPORT void free(void *memory) {
    note(NUMBER_free);
    __libc_free(memory);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    note(NUMBER_aligned_alloc);
    return __libc_memalign(alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size) {
    note(NUMBER_memalign);
    return __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size) {
    note(NUMBER_posix_memalign);
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? 12 : 0; /* ENOMEM */
}

/* ---- everything else
 * ----------------------------------------------------------------------------- */

/* Defines a function with fixed parameters: PASS(result, name, (parameters), (arguments)). */
#define PASS(type, name, parameters, arguments)                                                    \
    EXPORT type name parameters {                                                                  \
        note(NUMBER_##name);                                                                       \
        return ((type(*) parameters)real(NUMBER_##name))arguments;                                 \
    }

PASS(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
PASS(int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
PASS(int, pthread_mutex_timedlock, (pthread_mutex_t * m, const struct timespec *t), (m, t))
PASS(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m), (c, m))
PASS(int, pthread_cond_timedwait,
     (pthread_cond_t * c, pthread_mutex_t *m, const struct timespec *t), (c, m, t))
PASS(int, pthread_cond_signal, (pthread_cond_t * c), (c))
PASS(int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
PASS(int, pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
PASS(int, pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
PASS(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * l), (l))
PASS(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * l), (l))
PASS(int, pthread_create,
     (pthread_t * id, const pthread_attr_t *a, void *(*function)(void *), void *user),
     (id, a, function, user))
PASS(int, pthread_join, (pthread_t id, void **result), (id, result))
PASS(int, sem_wait, (sem_t * s), (s))
PASS(int, sem_trywait, (sem_t * s), (s))
PASS(int, sem_timedwait, (sem_t * s, const struct timespec *t), (s, t))
PASS(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
PASS(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
PASS(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
PASS(int, close, (int fd), (fd))
PASS(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
PASS(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
PASS(int, puts, (const char *text), (text))
PASS(int, putchar, (int c), (c))
PASS(int, fputs, (const char *text, FILE *file), (text, file))
PASS(int, fputc, (int c, FILE *file), (c, file))
PASS(int, putc, (int c, FILE *file), (c, file))
PASS(size_t, fwrite, (const void *data, size_t size, size_t count, FILE *file),
     (data, size, count, file))
PASS(int, fflush, (FILE * file), (file))
PASS(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left))
PASS(int, clock_nanosleep,
     (clockid_t clock, int flags, const struct timespec *t, struct timespec *left),
     (clock, flags, t, left))
PASS(int, usleep, (useconds_t us), (us))
PASS(unsigned, sleep, (unsigned seconds), (seconds))
PASS(void *, mmap, (void *address, size_t size, int protection, int flags, int fd, off_t offset),
     (address, size, protection, flags, fd, offset))
PASS(void *, mmap64,
     (void *address, size_t size, int protection, int flags, int fd, off64_t offset),
     (address, size, protection, flags, fd, offset))
PASS(int, munmap, (void *address, size_t size), (address, size))
PASS(int, brk, (void *address), (address))
PASS(void *, sbrk, (intptr_t bytes), (bytes))
PASS(int, vprintf, (const char *format, va_list arguments), (format, arguments))
PASS(int, vfprintf, (FILE * file, const char *format, va_list arguments), (file, format, arguments))
PASS(int, vsnprintf, (char *text, size_t size, const char *format, va_list arguments),
     (text, size, format, arguments))

/* Programs that were built with _FORTIFY_SOURCE call the functions by these names. */
EXPORT int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments);
EXPORT int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format,
                           va_list arguments);
EXPORT int __printf_chk(int flag, const char *format, ...);
EXPORT int __fprintf_chk(FILE *file, int flag, const char *format, ...);
EXPORT int __snprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, ...);
PASS(int, __vfprintf_chk, (FILE * file, int flag, const char *format, va_list arguments),
     (file, flag, format, arguments))
PASS(int, __vsnprintf_chk,
     (char *text, size_t size, int flag, size_t room, const char *format, va_list arguments),
     (text, size, flag, room, format, arguments))

/* Defines a variadic printf. It is counted by its own name and calls the sibling with a va_list. */
#define PRINT(name, parameters, sibling, ...)                                                      \
    EXPORT int name parameters {                                                                   \
        note(NUMBER_##name);                                                                       \
        unsigned kept = depth;                                                                     \
        depth = 0;                                                                                 \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        int result = sibling(__VA_ARGS__, arguments);                                              \
        va_end(arguments);                                                                         \
        depth = kept;                                                                              \
        return result;                                                                             \
    }

PRINT(printf, (const char *format, ...), vprintf, format)
PRINT(fprintf, (FILE * file, const char *format, ...), vfprintf, file, format)
PRINT(snprintf, (char *text, size_t size, const char *format, ...), vsnprintf, text, size, format)
PRINT(sprintf, (char *text, const char *format, ...), vsprintf, text, format)
PRINT(__printf_chk, (int flag, const char *format, ...), __vfprintf_chk, stdout, flag, format)
PRINT(__fprintf_chk, (FILE * file, int flag, const char *format, ...), __vfprintf_chk, file, flag,
      format)
PRINT(__snprintf_chk, (char *text, size_t size, int flag, size_t room, const char *format, ...),
      __vsnprintf_chk, text, size, flag, room, format)

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...) {
    note(NUMBER_open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return ((int (*)(const char *, int, ...))real(NUMBER_open))(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    note(NUMBER_open64);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return ((int (*)(const char *, int, ...))real(NUMBER_open64))(path, flags, mode);
}

EXPORT int openat(int directory, const char *path, int flags, ...) {
    note(NUMBER_openat);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return ((int (*)(int, const char *, int, ...))real(NUMBER_openat))(directory, path, flags,
                                                                       mode);
}

EXPORT long syscall(long number, ...) {
    note(NUMBER_syscall);
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) { /* a system call has at most six parameters */
        a[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    return ((long (*)(long, ...))real(NUMBER_syscall))(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
