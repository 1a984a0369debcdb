/* Native callbacks in C, as users write them. See test_native.py and test_trap.py. */
#include "voicecoil.h"

typedef struct gain {
    float factor;
    int32_t blocks_left; /* 0: plays without an end */
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

/* Integer-coded sound: the n-th sample is that of numbers() in test_coreaudio_formats.py. */
typedef struct tally {
    uint64_t frames; /* played */
    uint64_t heard;  /* recorded, from the first frame that is not silent on */
    uint64_t wrong;  /* samples of these that do not follow from the ones before */
} tally;

int32_t vc_test_numbers(float *output, const float *input, uint32_t frames, const vc_block *block,
                        void *user);

static float number(uint64_t index) {
    return (float)(index % 30000 + 1) * (index % 2 ? -1.0f : 1.0f) / 32768.0f;
}

int32_t vc_test_numbers(float *output, const float *input, uint32_t frames, const vc_block *block,
                        void *user) {
    tally *state = user;
    const uint32_t outputs = block->output.channels, inputs = block->input.channels;
    for (uint32_t f = 0; f < frames; f++, state->frames++) {
        for (uint32_t c = 0; c < outputs; c++) {
            output[f * outputs + c] = number(state->frames * outputs + c);
        }
    }
    for (uint32_t f = 0; f < frames; f++) {
        if (state->heard > 0 || input[f * inputs] != 0.0f) {
            for (uint32_t c = 0; c < inputs; c++) {
                state->wrong += input[f * inputs + c] != number(state->heard * inputs + c);
            }
            state->heard++;
        }
    }
    return VC_CONTINUE;
}

/* The layout of parameters={"level": 0.5, "frames": 10, "loud": True, "text": b"..."}. */
typedef struct record {
    double level;
    int64_t frames;
    bool loud;
    char gap[7]; /* each field begins at a multiple of 8 */
    uint32_t text_bytes;
    char text[4];
} record;

int32_t vc_test_record(float *output, const float *input, uint32_t frames, const vc_block *block,
                       void *user);

/* Plays the first `frames` frames at `level`, or at twice the level if `loud`. Later frames have
 * the value of the text's first byte in thousandths. */
int32_t vc_test_record(float *output, const float *input, uint32_t frames, const vc_block *block,
                       void *user) {
    (void)input;
    const record *given = user;
    for (uint32_t f = 0; f < frames; f++) {
        double value =
            f < given->frames ? given->level * (given->loud ? 2 : 1) : given->text[0] / 1000.0;
        for (uint32_t c = 0; c < block->output.channels; c++) {
            output[f * block->output.channels + c] = (float)value;
        }
    }
    return VC_CONTINUE;
}
