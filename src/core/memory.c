/* Memory that the IO thread uses. See memory.h. */
#if defined(__linux__) || defined(__unix__)
#define _DEFAULT_SOURCE /* declares both mlock and posix_memalign */
#define _POSIX_C_SOURCE 200809L
#endif
#include "memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

/* The header of an allocation. It is stored in the HEADER_BYTES before the memory that the caller
 * gets. HEADER_BYTES is 64, so that this memory is aligned to 64 bytes. */
typedef struct header {
    void *start;
    size_t bytes; /* size from `start` on; whole pages */
    bool locked;
} header;
enum { HEADER_BYTES = 64 };
_Static_assert(sizeof(header) <= HEADER_BYTES, "the header fits before the memory");

#if defined(_WIN32)
static size_t page_bytes(void) { return 4096; }

static void *new_pages(size_t bytes) { return _aligned_malloc(bytes, page_bytes()); }

static void free_pages(const header *kept) { _aligned_free(kept->start); }

static bool lock(void *start, size_t bytes) {
    (void)start, (void)bytes;
    return false;
}
#else
static size_t page_bytes(void) {
    long bytes = sysconf(_SC_PAGESIZE);
    return bytes > 0 ? (size_t)bytes : 4096;
}

static void *new_pages(size_t bytes) {
    void *start = NULL;
    return posix_memalign(&start, page_bytes(), bytes) == 0 ? start : NULL;
}

static void free_pages(const header *kept) {
    if (kept->locked) {
        munlock(kept->start, kept->bytes);
    }
    free(kept->start);
}

/* Each allocation has whole pages of its own. The system does not count locks, so unlocking a
 * shared page would also unlock it for other code that has locked it. */
static bool lock(void *start, size_t bytes) { return mlock(start, bytes) == 0; }
#endif

void *vc_memory_new(size_t count, size_t bytes) {
    size_t page = page_bytes();
    if (bytes != 0 && count > (SIZE_MAX - HEADER_BYTES - page) / bytes) {
        return NULL;
    }
    size_t whole = (count * bytes + HEADER_BYTES + page - 1) / page * page;
    char *start = new_pages(whole);
    if (start == NULL) {
        return NULL;
    }
    memset(start, 0, whole); /* this also touches each page */
    header kept = {start, whole, lock(start, whole)};
    memcpy(start, &kept, sizeof kept);
    return start + HEADER_BYTES;
}

void vc_memory_free(void *memory) {
    if (memory != NULL) {
        header kept;
        memcpy(&kept, (char *)memory - HEADER_BYTES, sizeof kept);
        free_pages(&kept);
    }
}

void vc_memory_touch(const void *memory, size_t bytes) {
    const volatile char *at = memory;
    size_t page = page_bytes();
    for (size_t i = 0; i < bytes; i += page) {
        (void)at[i];
    }
    if (bytes > 0) {
        (void)at[bytes - 1];
    }
}
