/* Callbacks as a user writes them in C; see test_native.py and test_trap.py. */
#include "voicecoil.h"

typedef struct gain {
    float factor;
    int32_t blocks_left; /* 0: for ever */
    uint64_t frames;
} gain;

int32_t vc_test_gain(float *output, const float *input, uint32_t frames, const vc_block *block,
                     void *user);
int32_t vc_test_fail(float *output, const float *input, uint32_t frames, const vc_block *block,
                     void *user);

int32_t vc_test_gain(float *output, const float *input, uint32_t frames, const vc_block *block,
                     void *user) {
    gain *state = user;
    for (uint32_t i = 0; i < frames * block->output.channels; i++) {
        output[i] = state->factor * (input != NULL ? input[i] : 1.0f);
    }
    state->frames += frames;
    return state->blocks_left > 0 && --state->blocks_left == 0 ? VC_STOP : VC_CONTINUE;
}

int32_t vc_test_fail(float *output, const float *input, uint32_t frames, const vc_block *block,
                     void *user) {
    (void)output, (void)input, (void)frames, (void)block;
    return user != NULL ? *(const int32_t *)user : -77;
}
