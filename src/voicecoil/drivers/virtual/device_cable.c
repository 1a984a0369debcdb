/* The loopback from a virtual device's output to its input, and the capture of its output. See
 * device.h. */
#include "device_inside.h"

#include <string.h>

void vc_device_capture(vc_device *device, vc_ring *ring, vc_queue *gaps) {
    device->capture = ring;
    device->capture_gaps = gaps;
}

void vc_device_capture_memory(vc_device *device, float *frames, uint64_t count) {
    device->capture_memory = frames;
    device->capture_room = count;
}

uint64_t vc_device_capture_room(const vc_device *device) { return device->capture_room; }

uint64_t vc_device_capture_lost_frames(const vc_device *device) {
    return atomic_load(&device->capture_lost);
}

static void capture(vc_device *device, const float *data, uint32_t frames) {
    if (device->capture_memory != NULL) {
        uint64_t now = frames < device->capture_room ? frames : device->capture_room;
        size_t samples = (size_t)now * device->config.output_channels;
        memcpy(device->capture_memory, data, samples * sizeof(float));
        device->capture_memory += samples;
        device->capture_room -= now;
        return;
    }
    while (frames > 0) {
        uint32_t written = vc_ring_write(device->capture, data, frames);
        data += (size_t)written * device->config.output_channels;
        frames -= written;
        if (frames == 0 || device->config.clock == VC_CLOCK_REAL ||
            atomic_load_explicit(&device->quit, memory_order_relaxed)) {
            break;
        }
        vc_device_nap(20000);
    }
    if (frames > 0) {
        atomic_fetch_add(&device->capture_lost, frames);
    }
}

/* Captures the silence between two sounds, which may be longer than the ring. */
static void capture_silence(vc_device *device) {
    vc_gap gap = {.frames = device->silent_frames, .cause = VC_GAP_SILENCE};
    if (device->capture_gaps != NULL && device->capture_memory == NULL) {
        gap.position = vc_ring_total_written(device->capture);
        if (vc_queue_push(device->capture_gaps, &gap)) {
            return;
        }
    }
    static const float silence[VC_MAX_CHANNELS];
    uint32_t chunk = VC_MAX_CHANNELS / device->config.output_channels;
    while (device->silent_frames > 0) {
        uint32_t now = device->silent_frames < chunk ? (uint32_t)device->silent_frames : chunk;
        capture(device, silence, now);
        device->silent_frames -= now;
    }
}

void vc_device_take_output(vc_device *device, uint32_t frames, uint32_t content) {
    uint32_t outputs = device->config.output_channels;
    if (outputs == 0) {
        return;
    }
    int64_t first = device->frame + device->config.output_latency_frames;
    for (uint32_t done = 0; device->config.loopback && done < frames;) {
        uint32_t now = frames - done;
        vc_audio line = line_at(device, first + done, &now);
        memcpy(line.data, device->mix + (size_t)done * outputs,
               (size_t)now * outputs * sizeof(float));
        done += now;
    }
    if (device->capture == NULL && device->capture_memory == NULL) {
        return;
    }
    if (content > 0) {
        if (device->heard && device->silent_frames > 0) {
            capture_silence(device);
        }
        capture(device, device->mix, content);
        device->heard = true;
        device->silent_frames = 0;
    }
    device->silent_frames += frames - content;
}

void vc_device_lose(vc_device *device, int64_t frames) {
    /* The lost frames are silence. Otherwise the loopback would return frames of earlier cycles. */
    size_t outputs = device->config.output_channels;
    int64_t first = device->frame + device->config.output_latency_frames;
    for (int64_t f = 0; f < frames && f <= (int64_t)device->line_mask; f++) {
        size_t at = ((size_t)(first + f) & device->line_mask) * outputs;
        memset(device->line + at, 0, outputs * sizeof(float));
    }
    device->frame += frames;
    device->silent_frames += (uint64_t)frames;
    atomic_fetch_add(&device->lost_frames, (uint64_t)frames);
    show_time(device);
}

void vc_device_clear_cable(vc_device *device) {
    if (device->config.output_channels) {
        memset(device->line, 0,
               (device->line_mask + 1) * device->config.output_channels * sizeof(float));
    }
}
