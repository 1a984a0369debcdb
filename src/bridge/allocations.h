/* Counting Python's allocations, to prove that a block costs none. */
#ifndef VOICECOIL_BRIDGE_ALLOCATIONS_H
#define VOICECOIL_BRIDGE_ALLOCATIONS_H

#include <stdint.h>

/* From now on counts every malloc, calloc and realloc of Python's three allocator domains on every
 * thread but the calling one. Cannot be undone: hooks must not be removed while another thread is
 * inside one. -1: counting already. [control] */
int vc_count_allocations(void);
/* Those of the calling thread are not counted from now on, which is no device's: the control
 * thread, for instance, looks after streams meanwhile. [control] */
void vc_spare_allocations(void);
uint64_t vc_counted_allocations(void);

#endif
