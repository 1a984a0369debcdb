/* The tests of test_interleave.c with the code for processors that have AVX2, but not AVX-512. */
#define VC_WITHOUT_AVX512
#include "test_interleave.c"
