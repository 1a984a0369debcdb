/* The smaller one of two numbers, used only by files of the core. */
#ifndef VOICECOIL_SMALLER_H
#define VOICECOIL_SMALLER_H

#include "realtime.h"

#include <stdint.h>

static inline uint32_t vc_smaller(uint32_t a, uint32_t b) VC_REALTIME { return a < b ? a : b; }
static inline uint64_t vc_smaller_64(uint64_t a, uint64_t b) VC_REALTIME { return a < b ? a : b; }

#endif
