/* Counts Python's allocations, to prove that a block allocates nothing. */
#ifndef VOICECOIL_BRIDGE_ALLOCATIONS_H
#define VOICECOIL_BRIDGE_ALLOCATIONS_H

#include <stdint.h>

/* Starts to count every malloc, calloc and realloc of Python's three allocator domains, on every
 * thread except the calling one. Counting cannot be stopped, because hooks must not be removed
 * while another thread is inside one. Returns -1 if allocations are being counted already.
 * [control] */
int vc_count_allocations(void);
/* Excludes the calling thread from the count. This is for threads that run no callback but allocate
 * during a measurement, such as the control thread that watches the streams. [control] */
void vc_spare_allocations(void);
uint64_t vc_counted_allocations(void);

#endif
