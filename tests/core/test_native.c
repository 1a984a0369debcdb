/* Tests the exchange of a native function while it plays. */
#include "rig.h"

#include <pthread.h>

static int32_t play_user(float *output, const float *input, uint32_t frames, const vc_block *block,
                         void *user) {
    (void)input;
    (void)block;
    for (uint32_t f = 0; f < frames; f++) {
        output[f] = *(const float *)user;
    }
    return VC_CONTINUE;
}

static int32_t end(float *output, const float *input, uint32_t frames, const vc_block *block,
                   void *user) {
    (void)output, (void)input, (void)frames, (void)block, (void)user;
    return VC_STOP;
}

/* Runs one block and returns its value, which must be the same in every frame. */
static float block_of(vc_slot *slot, int32_t *result) {
    float out[16] = {0};
    vc_block block = {.output = {out, 1, 1, NULL, 1, 0}, .frames = 16, .valid_frames = 16};
    int32_t got = vc_slot_process(&block, slot);
    if (result != NULL) {
        *result = got;
    }
    for (int f = 1; f < 16; f++) {
        CHECK_NEAR(out[f], out[0], 0);
    }
    return out[0];
}

static void a_swap_takes_effect_in_the_next_block(void) {
    float one = 1.0f, two = 2.0f;
    vc_slot *slot = vc_slot_new(&(vc_native){play_user, &one}, NULL);
    CHECK_NEAR(block_of(slot, NULL), 1, 0);
    CHECK_INT(vc_slot_swap(slot, &(vc_native){play_user, &two}), 1);
    CHECK_INT(vc_slot_taken(slot), 0);
    CHECK_NEAR(block_of(slot, NULL), 2, 0);
    CHECK_INT(vc_slot_taken(slot), 1);
    CHECK_INT(vc_slot_swap(slot, &(vc_native){play_user, &one}), 2);
    CHECK_INT(vc_slot_swap(slot, &(vc_native){end, NULL}), 3);
    int32_t result;
    block_of(slot, &result);
    CHECK_INT(result, VC_STOP);
    CHECK_INT(vc_slot_taken(slot), 3);
    vc_slot_free(slot);
    vc_slot_free(NULL);
}

static void parameters_are_its_user(void) {
    float level = 0.5f;
    vc_mailbox *parameters = vc_mailbox_new(sizeof level, &level);
    vc_slot *slot = vc_slot_new(&(vc_native){play_user, NULL}, parameters);
    CHECK_NEAR(block_of(slot, NULL), 0.5, 0);
    level = 0.25f;
    vc_mailbox_write(parameters, &level);
    CHECK_NEAR(block_of(slot, NULL), 0.25, 0);
    vc_slot_swap(slot, &(vc_native){play_user, NULL});
    CHECK_NEAR(block_of(slot, NULL), 0.25, 0);
    vc_slot_free(slot);
    vc_mailbox_free(parameters);
}

enum { SWAPS = 100000, KEPT = 8 };

/* Exchanges the function as fast as possible, and frees the data of earlier functions. */
static void *swap_many(void *user) {
    vc_slot *slot = user;
    float *kept[KEPT] = {NULL};
    for (uint64_t number = 1; number <= SWAPS; number++) {
        while (number > KEPT - 1 && vc_slot_taken(slot) + KEPT <= number) {
        }
        free(kept[number % KEPT]);
        kept[number % KEPT] = malloc(sizeof(float));
        *kept[number % KEPT] = (float)number;
        CHECK_INT(vc_slot_swap(slot, &(vc_native){play_user, kept[number % KEPT]}), number);
    }
    while (vc_slot_taken(slot) < SWAPS) {
    }
    vc_slot_swap(slot, &(vc_native){end, NULL});
    while (vc_slot_taken(slot) <= SWAPS) {
    }
    for (int i = 0; i < KEPT; i++) {
        free(kept[i]);
    }
    return NULL;
}

static void data_of_earlier_functions_can_be_freed(void) {
    float first = 0.0f, last = 0.0f;
    vc_slot *slot = vc_slot_new(&(vc_native){play_user, &first}, NULL);
    pthread_t control;
    pthread_create(&control, NULL, swap_many, slot);
    for (int32_t result = VC_CONTINUE; result == VC_CONTINUE;) {
        float now = block_of(slot, &result);
        CHECK(result == VC_STOP || now >= last);
        last = now;
    }
    pthread_join(control, NULL);
    vc_slot_free(slot);
}

int main(void) {
    RUN(a_swap_takes_effect_in_the_next_block);
    RUN(parameters_are_its_user);
    RUN(data_of_earlier_functions_can_be_freed);
    return check_summary();
}
