/* avx2.h - whether functions for processors with AVX2 can be compiled. Private to the files that
 * have such functions. They ask __builtin_cpu_supports("avx2") before each call.
 *
 * On Windows, the stack is aligned to 16 bytes. But gcc assumes that wider vectors on the stack are
 * aligned to their size, which crashes the program (gcc's bug 54412). */
#ifndef VOICECOIL_AVX2_H
#define VOICECOIL_AVX2_H

#if defined(__x86_64__) && defined(__GNUC__) && !(defined(_WIN32) && !defined(__clang__)) &&       \
    !defined(VC_ONLY_WHAT_EVERY_PROCESSOR_HAS)
#define VC_HAS_AVX2 1
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#define INLINE_AVX2 AVX2 inline __attribute__((always_inline))
#endif

#endif
