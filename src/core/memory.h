/* memory.h - memory that the IO thread uses.
 *
 * The system gives a process addresses. It adds the memory behind a page only when the page is
 * first touched. That costs an IO thread some microseconds, or milliseconds if the system first has
 * to write other memory to disk. Memory from here has been touched. It is also locked into RAM, so
 * that it is not swapped out, if the process may lock so much (RLIMIT_MEMLOCK). */
#ifndef VOICECOIL_MEMORY_H
#define VOICECOIL_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` items of `bytes` each, aligned to 64 bytes. Returns NULL if memory is
 * exhausted. [control] */
void *vc_memory_new(size_t count, size_t bytes);
/* NULL is allowed. [control] */
void vc_memory_free(void *memory);
/* Touches every page of memory that was allocated elsewhere, without changing it. [control] */
void vc_memory_touch(const void *memory, size_t bytes);

#endif
