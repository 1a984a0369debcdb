/* A library for LD_PRELOAD that counts the calls of malloc of each thread and of all threads. With
 * PYTHONMALLOC=malloc, which needs a Python with a GIL, the counts include the allocations of
 * Python objects. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static _Thread_local uint64_t count __attribute__((tls_model("initial-exec")));

static _Atomic uint64_t total;

uint64_t allocations_of_this_thread(void) { return count; }

/* The calls of all threads but the one that asks, and voicecoil's control thread: it is Python. */
uint64_t allocations_of_other_threads(void) { return atomic_load(&total) - count; }

static void add_one(void) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (strncmp(name, "voicecoil contr", 15) == 0) {
        return;
    }
    count++;
    atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    add_one();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    add_one();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    add_one();
    return __libc_realloc(old, size);
}
