/* memory.h - memory that the IO thread uses.
 *
 * The system gives a process addresses, and the memory behind a page of them only when it is first
 * touched, which takes an IO thread some microseconds, or milliseconds if something has to be
 * written to disk first. Memory from here has been touched, and is locked into RAM where the
 * process may lock as much (RLIMIT_MEMLOCK), so that it is not swapped out either. */
#ifndef VOICECOIL_MEMORY_H
#define VOICECOIL_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` items of `bytes` each, aligned to 64 bytes. NULL: there is none.
 * [control] */
void *vc_memory_new(size_t count, size_t bytes);
/* NULL is allowed. [control] */
void vc_memory_free(void *memory);
/* Touches every page of memory that came from elsewhere, without changing it. [control] */
void vc_memory_touch(const void *memory, size_t bytes);

#endif
