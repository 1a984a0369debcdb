/* The virtual device. See device.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "device_inside.h"

#include "memory.h"
#include "thread.h"
#include "timed_wait.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Virtual clocks begin here and not at 0, because 0 would look like a time that was never set. */
enum { VIRTUAL_EPOCH_NS = 1000000000 };

static void *io_thread(void *user);

vc_device *vc_device_new(const vc_device_config *config) {
    vc_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    device->config = *config;
    device->owner = (long)getpid();
    device->ns_per_frame = 1e9 / (config->samplerate_hz * (1.0 + config->clock_ppm / 1e6));
    device->latency_ns[INPUT] = frames_to_ns(device, config->input_latency_frames);
    device->latency_ns[OUTPUT] = frames_to_ns(device, config->output_latency_frames);
    /* A cycle of up to `frames` frames reads output that was made one round trip earlier. */
    size_t trip = (size_t)config->input_latency_frames + config->output_latency_frames;
    assert(!config->loopback || trip >= config->frames);
    size_t needed = trip + 2 * (size_t)config->frames;
    size_t size = 1;
    while (size < needed) {
        size <<= 1;
    }
    device->line_mask = size - 1;
    uint32_t channels = config->output_channels ? config->output_channels : 1;
    device->mix = vc_memory_new((size_t)config->frames * channels, sizeof(float));
    device->line = vc_memory_new(size, channels * sizeof(float));
    device->faults = vc_queue_new(8, sizeof(vc_fault));
    pthread_mutex_init(&device->lock, NULL);
    vc_cond_init(&device->moved);
    if (device->mix == NULL || device->line == NULL || device->faults == NULL) {
        vc_device_free(device);
        return NULL;
    }
    device->started_ns = config->epoch_ns ? config->epoch_ns : VIRTUAL_EPOCH_NS;
    show_time(device); /* a virtual clock can be read before the first cycle */
    return device;
}

static bool start_thread(vc_device *device) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (device->config.stack_bytes) {
        pthread_attr_setstacksize(&attributes, device->config.stack_bytes);
    }
    atomic_store(&device->quit, false);
    device->running = pthread_create(&device->thread, &attributes, io_thread, device) == 0;
    pthread_attr_destroy(&attributes);
    return device->running;
}

static void end_thread(vc_device *device) {
    if (!device->running || device->owner != (long)getpid()) {
        return;
    }
    pthread_mutex_lock(&device->lock);
    atomic_store(&device->quit, true);
    pthread_cond_broadcast(&device->moved);
    pthread_mutex_unlock(&device->lock);
    pthread_join(device->thread, NULL);
    device->running = false;
}

void vc_device_free(vc_device *device) {
    if (device == NULL) {
        return;
    }
    end_thread(device);
    if (device->owner == (long)getpid()) { /* a forked child would wait for the parent's thread */
        pthread_mutex_destroy(&device->lock);
        pthread_cond_destroy(&device->moved);
    }
    vc_queue_free(device->faults);
    vc_memory_free(device->mix);
    vc_memory_free(device->line);
    free(device);
}

/* Returns the client of an engine, or with NULL the first free client. NULL: there is none. */
static client *client_of(vc_device *device, const vc_engine *engine) {
    for (uint32_t i = 0; i < VC_DEVICE_CLIENTS; i++) {
        if (atomic_load(&device->clients[i].owner) == engine) {
            return &device->clients[i];
        }
    }
    return NULL;
}

bool vc_device_attach(vc_device *device, vc_engine *engine, const uint32_t *input_map,
                      uint32_t input_channels, const uint32_t *output_map,
                      uint32_t output_channels) {
    client *slot = client_of(device, NULL);
    if (slot == NULL) {
        return false;
    }
    const uint32_t *maps[2] = {input_map, output_map};
    const uint32_t channels[2] = {input_channels, output_channels};
    if (!vc_device_fill_client(slot, device, maps, channels)) {
        return false;
    }
    uint32_t used = (uint32_t)(slot - device->clients) + 1;
    if (used > atomic_load(&device->used)) {
        atomic_store(&device->used, used);
    }
    atomic_store(&slot->owner, engine);
    vc_port_attach(&slot->port, engine);
    if (!device->running && !start_thread(device)) {
        vc_port_detach(&slot->port, NULL, 0); /* this does not wait, because no IO thread runs */
        atomic_store(&slot->owner, NULL);
        vc_device_free_client(slot);
        return false;
    }
    device->attached++;
    return true;
}

bool vc_device_quiet(vc_device *device, vc_engine *engine, int64_t deadline_ns) {
    client *slot = client_of(device, engine);
    return slot == NULL || vc_port_detach(&slot->port, engine, deadline_ns);
}

bool vc_device_detach(vc_device *device, vc_engine *engine, int64_t deadline_ns) {
    client *slot = client_of(device, engine);
    if (slot == NULL) {
        return true;
    }
    if (!vc_port_detach(&slot->port, engine, deadline_ns)) {
        return false;
    }
    vc_device_free_client(slot);
    atomic_store(&slot->owner, NULL);
    if (--device->attached == 0) {
        end_thread(device);
    }
    return true;
}

bool vc_device_inject(vc_device *device, const vc_fault *fault) {
    return vc_queue_push(device->faults, fault);
}

vc_device_condition vc_device_get_condition(const vc_device *device) {
    return (vc_device_condition)atomic_load(&device->condition);
}

int64_t vc_device_frame(const vc_device *device) { return atomic_load(&device->shown_frame); }

int64_t vc_device_new_rate(const vc_device *device) { return atomic_load(&device->new_rate); }

uint64_t vc_device_lost_frames(const vc_device *device) {
    return atomic_load(&device->lost_frames);
}

static void apply_fault(vc_device *device, const vc_fault *fault) {
    switch (fault->kind) {
    case VC_FAULT_LATE:
        atomic_store_explicit(&device->late_ns, fault->value, memory_order_relaxed);
        break;
    case VC_FAULT_XRUN:
        vc_device_lose(device, fault->value);
        break;
    case VC_FAULT_UNPLUG:
        atomic_store(&device->condition, VC_DEVICE_UNPLUGGED);
        break;
    case VC_FAULT_RATE:
        atomic_store(&device->new_rate, fault->value);
        atomic_store(&device->condition, VC_DEVICE_RATE_CHANGED);
        break;
    default:
        break;
    }
}

static void apply_faults(vc_device *device) VC_REALTIME {
    atomic_store_explicit(&device->late_ns, 0, memory_order_relaxed);
    for (;;) {
        if (device->fault.kind == 0 && !vc_queue_pop(device->faults, &device->fault)) {
            return;
        }
        if (device->frame < device->fault.at_frame) {
            return;
        }
        apply_fault(device, &device->fault);
        device->fault.kind = 0;
    }
}

static void *io_thread(void *user) {
    vc_device *device = user;
    const vc_device_config *config = &device->config;
    vc_thread_name("voicecoil io");
    vc_float_enter(); /* the mode stays until the thread ends, because the time line is computed
                       * outside of ports */
    vc_device_clear_cable(device);
    vc_device_begin_clock(device);
    while (vc_device_wait_for_cycle(device)) {
        apply_faults(device);
        if (atomic_load(&device->condition) != VC_DEVICE_WELL) {
            break;
        }
        uint32_t frames = config->pattern_length
                              ? config->pattern[device->cycle % config->pattern_length]
                              : config->frames;
        int64_t begin_ns =
            config->clock == VC_CLOCK_REAL ? vc_clock_ns() : atomic_load(&device->host_ns);
        uint32_t content = vc_device_run_clients(device, frames, begin_ns);
        if (config->clock == VC_CLOCK_REAL && device->late_ns > 0) {
            vc_device_nap(device->late_ns); /* the clock has already shown this extra time to the
                                             * clients */
        }
        if (output_is_used(device)) {
            vc_device_take_output(device, frames, content);
        }
        device->frame += frames;
        device->cycle++;
        show_time(device);
        if (config->clock == VC_CLOCK_STEPPED) {
            vc_device_finish_step(device);
        }
    }
    /* Wakes a thread that waits in vc_device_step, because no more cycles will come. */
    pthread_mutex_lock(&device->lock);
    pthread_cond_broadcast(&device->moved);
    pthread_mutex_unlock(&device->lock);
    return NULL;
}
