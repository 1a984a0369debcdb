/* memory.h - memory that the IO thread uses.
 *
 * When a process allocates memory, the system gives it only addresses. The system adds the memory
 * of a page when the page is first touched. That would delay an IO thread by some microseconds, or
 * by milliseconds if the system first has to write other memory to disk. vc_memory_new touches all
 * pages in advance. It also locks them into RAM, so that they are not swapped out, if the process
 * may lock so much memory (RLIMIT_MEMLOCK). */
#ifndef VOICECOIL_MEMORY_H
#define VOICECOIL_MEMORY_H

#include <stddef.h>

/* Returns zeroed memory for `count` items of `bytes` each, aligned to 64 bytes. Returns NULL if
 * memory is exhausted. [control] */
void *vc_memory_new(size_t count, size_t bytes);
/* NULL is allowed. [control] */
void vc_memory_free(void *memory);
/* Touches every page of memory that was allocated elsewhere, without changing it. [control] */
void vc_memory_touch(const void *memory, size_t bytes);

#endif
