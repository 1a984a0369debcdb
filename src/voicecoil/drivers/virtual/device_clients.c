/* The clients of a virtual device: their buffers, and one cycle of all of them. See device.h. */
#include "device_inside.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

void vc_device_free_client(client *slot) {
    for (int d = INPUT; d <= OUTPUT; d++) {
        free(slot->map[d]);
        vc_memory_free(slot->memory[d]);
        free(slot->list[d]);
        slot->map[d] = NULL;
        slot->memory[d] = NULL;
        slot->list[d] = NULL;
    }
}

bool vc_device_fill_client(client *slot, const vc_device *device, const uint32_t *const maps[2],
                           const uint32_t channels[2]) {
    for (int d = INPUT; d <= OUTPUT; d++) {
        size_t count = slot->channels[d] = channels[d];
        slot->map[d] = calloc(count + 1, sizeof(uint32_t));
        slot->memory[d] = vc_memory_new(2 * device->config.frames * count + 1, sizeof(float));
        slot->list[d] = calloc(count + 1, sizeof(vc_channel));
        if (slot->map[d] == NULL || slot->memory[d] == NULL || slot->list[d] == NULL) {
            vc_device_free_client(slot);
            return false;
        }
        if (count) {
            memcpy(slot->map[d], maps[d], count * sizeof(uint32_t));
        }
        slot->identity[d] = true;
        for (uint32_t c = 0; c < count; c++) {
            slot->identity[d] = slot->identity[d] && maps[d][c] == c;
        }
    }
    return true;
}
/* Describes one of the client's two buffers for this cycle, in the device's layout. */
static void buffer(vc_audio *audio, const vc_device *device, client *slot, int direction,
                   uint32_t frames) {
    uint32_t channels = slot->channels[direction];
    float *data =
        slot->memory[direction] + (device->cycle & 1u) * (size_t)device->config.frames * channels;
    audio->data = channels > 0 ? data : NULL;
    audio->frame_stride = (ptrdiff_t)channels;
    audio->channel_stride = 1;
    audio->list = NULL;
    audio->channels = channels;
    audio->reserved = 0;
    if (device->config.layout == VC_LAYOUT_PLANAR) {
        audio->frame_stride = 1;
        audio->channel_stride = (ptrdiff_t)frames;
    } else if (device->config.layout == VC_LAYOUT_SPLIT) {
        for (uint32_t c = 0; c < channels; c++) {
            /* The channels are in reverse order, so that they do not form a uniform layout by
             * accident. */
            slot->list[direction][c] =
                (vc_channel){data + (size_t)(channels - 1 - c) * device->config.frames, 1};
        }
        audio->data = NULL;
        audio->list = slot->list[direction];
    }
}

static vc_channel channel(const vc_audio *audio, uint32_t c) {
    return audio->data ? (vc_channel){audio->data + (ptrdiff_t)c * audio->channel_stride,
                                      audio->frame_stride}
                       : audio->list[c];
}

static void poison(const vc_device *device, client *slot, int direction) {
    size_t count = 2 * (size_t)device->config.frames * slot->channels[direction];
    for (size_t i = 0; i < count; i++) {
        slot->memory[direction][i] = NAN;
    }
}

static void fill_input(const vc_device *device, const client *slot, const vc_audio *input,
                       uint32_t frames) {
    uint32_t outputs = device->config.output_channels;
    if (!device->config.loopback || outputs == 0) {
        vc_audio_silence(input, 0, frames);
        return;
    }
    int64_t first = device->frame - device->config.input_latency_frames;
    for (uint32_t done = 0; done < frames;) {
        uint32_t now = frames - done;
        vc_audio line = line_at(device, first + done, &now);
        if (slot->identity[INPUT] && input->channels <= outputs) {
            vc_audio_copy(input, done, &line, 0, now);
        } else {
            for (uint32_t c = 0; c < input->channels; c++) {
                vc_channel to = channel(input, c);
                uint32_t source = slot->map[INPUT][c];
                for (uint32_t f = 0; f < now; f++) {
                    to.data[(ptrdiff_t)(done + f) * to.stride] =
                        source < outputs ? line.data[(size_t)f * outputs + source] : 0.0f;
                }
            }
        }
        done += now;
    }
}

/* Adds a client's output to the mix. If `mixed` is false, it replaces the mix of the last cycle. */
static void mix_output(vc_device *device, const client *slot, const vc_audio *output,
                       uint32_t frames, bool mixed) {
    uint32_t outputs = device->config.output_channels;
    size_t bytes = (size_t)frames * outputs * sizeof(float);
    bool same = slot->identity[OUTPUT] && output->channels == outputs &&
                device->config.layout == VC_LAYOUT_INTERLEAVED;
    if (same && mixed) {
        vc_mix_add(device->mix, output->data, frames, outputs, 1.0f, 0.0f);
    } else if (same && outputs) {
        memcpy(device->mix, output->data, bytes);
    } else if (!mixed) {
        memset(device->mix, 0, bytes);
    }
    if (same) {
        return;
    }
    for (uint32_t c = 0; c < output->channels; c++) {
        vc_channel from = channel(output, c);
        uint32_t target = slot->map[OUTPUT][c];
        for (uint32_t f = 0; f < frames; f++) {
            device->mix[(size_t)f * outputs + target] += from.data[(ptrdiff_t)f * from.stride];
        }
    }
}

/* The error of the host times of a cycle. It is the same in each run of a test. */
static int64_t jitter_ns(vc_device *device) {
    const int64_t most = device->config.jitter_ns;
    if (most == 0) {
        return 0;
    }
    device->random = device->random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(device->random >> 33) % (2 * most + 1) - most;
}

uint32_t vc_device_run_clients(vc_device *device, uint32_t frames, int64_t begin_ns) {
    const vc_device_config *config = &device->config;
    const uint32_t both = VC_TIME_HOST | VC_TIME_SAMPLE;
    uint32_t content = 0;
    int64_t off_ns = jitter_ns(device);
    int64_t in_ns = device->due_ns - device->latency_ns[INPUT] + off_ns;
    int64_t out_ns = device->due_ns + device->latency_ns[OUTPUT] + off_ns;
    bool mixed = false;
    const bool listening = output_is_used(device);
    uint32_t used = atomic_load(&device->used);
    for (uint32_t i = 0; i < used; i++) {
        client *slot = &device->clients[i];
        if (vc_port_is_empty(&slot->port)) {
            continue;
        }
        vc_engine *engine = vc_port_begin(&slot->port);
        if (engine == NULL) { /* the engine was detached meanwhile */
            vc_port_end(&slot->port);
            continue;
        }
        if (config->poison) {
            poison(device, slot, INPUT);
            poison(device, slot, OUTPUT);
        }
        int64_t in = device->frame - config->input_latency_frames;
        int64_t out = device->frame + config->output_latency_frames;
        vc_cycle cycle; /* set field by field, because an initialiser would first clear all of it */
        cycle.frames = frames;
        cycle.lost_frames = 0;
        cycle.called_ns = 0;
        cycle.reserved = 0;
        buffer(&cycle.input, device, slot, INPUT, frames);
        buffer(&cycle.output, device, slot, OUTPUT, frames);
        cycle.drain_frames = cycle.output.channels ? config->output_latency_frames : 0;
        cycle.now = (vc_time){begin_ns, device->frame, both, 0};
        cycle.input_time = (vc_time){in_ns, in, both, 0};
        cycle.output_time = (vc_time){out_ns, out, both, 0};
        fill_input(device, slot, &cycle.input, frames);
        device->clock_reads = 0;
        uint32_t made = vc_cycle_run(engine, &cycle);
        content = made > content ? made : content;
        if (listening) {
            mix_output(device, slot, &cycle.output, frames, mixed);
            mixed = true;
        }
        if (config->poison) {
            poison(device, slot, INPUT);
            poison(device, slot, OUTPUT);
        }
        vc_port_end(&slot->port);
    }
    if (listening && !mixed) {
        memset(device->mix, 0, (size_t)frames * config->output_channels * sizeof(float));
    }
    return content;
}
