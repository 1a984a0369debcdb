/* Keeps the output of miniaudio's data callback, for a device that cannot be heard. */
#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

typedef void (*data_fn)(void *device, void *output, const void *input, uint32_t frames);

static data_fn inner;
static float *memory;
static size_t channels, capacity_frames;
static _Atomic size_t kept_frames;
static _Atomic uint64_t cycles;

void tap_set(data_fn function, float *to, size_t with_channels, size_t frames) {
    inner = function;
    memory = to;
    channels = with_channels;
    capacity_frames = frames;
    kept_frames = 0;
}

size_t tap_frames(void) { return kept_frames; }
uint64_t tap_cycles(void) { return cycles; }

void tap_data(void *device, void *output, const void *input, uint32_t frames) {
    inner(device, output, input, frames);
    size_t at = kept_frames;
    if (output != NULL && at + frames <= capacity_frames) {
        memcpy(memory + at * channels, output, frames * channels * sizeof(float));
        kept_frames = at + frames;
    }
    cycles++;
}
