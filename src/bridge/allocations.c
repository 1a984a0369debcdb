/* Counts Python's allocations. See allocations.h. */
#include "allocations.h"

#include "thread.h"

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>

static PyMemAllocatorEx original[3];
static bool hooked;
static VC_THREAD_LOCAL bool spared;
static _Atomic uint64_t counted;

static void count(void) {
    if (!spared) {
        atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed);
    }
}

static void *counting_malloc(void *context, size_t size) {
    PyMemAllocatorEx *next = context;
    count();
    return next->malloc(next->ctx, size);
}

static void *counting_calloc(void *context, size_t elements, size_t size) {
    PyMemAllocatorEx *next = context;
    count();
    return next->calloc(next->ctx, elements, size);
}

static void *counting_realloc(void *context, void *memory, size_t size) {
    PyMemAllocatorEx *next = context;
    count();
    return next->realloc(next->ctx, memory, size);
}

static void passing_free(void *context, void *memory) {
    PyMemAllocatorEx *next = context;
    next->free(next->ctx, memory);
}

void vc_spare_allocations(void) { spared = true; }

int vc_count_allocations(void) {
    static const PyMemAllocatorDomain domains[3] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM,
                                                    PYMEM_DOMAIN_OBJ};
    if (hooked) {
        return -1;
    }
    hooked = true;
    vc_spare_allocations();
    for (int i = 0; i < 3; i++) {
        PyMemAllocatorEx hook = {&original[i], counting_malloc, counting_calloc, counting_realloc,
                                 passing_free};
        PyMem_GetAllocator(domains[i], &original[i]);
        PyMem_SetAllocator(domains[i], &hook);
    }
    return 0;
}

uint64_t vc_counted_allocations(void) { return atomic_load(&counted); }
