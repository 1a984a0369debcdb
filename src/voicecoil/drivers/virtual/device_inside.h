/* The structure of a virtual device, shared only by the files device*.c:
 *
 *   device.c          creation and end, the IO thread and the faults
 *   device_clients.c  the clients, and one cycle of all of them
 *   device_cable.c    the loopback from the output to the input, and the capture
 *   device_clock.c    when a cycle is due, and the steps of a stepped clock */
#ifndef VOICECOIL_VIRTUAL_DEVICE_INSIDE_H
#define VOICECOIL_VIRTUAL_DEVICE_INSIDE_H

#include "device.h"
#include "port.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum { INPUT = 0, OUTPUT = 1 };

typedef struct client {
    vc_port port;
    _Atomic(vc_engine *) owner; /* the engine from vc_device_attach to vc_device_detach, also while
                                 * the port is already empty; NULL: the client is free */
    uint32_t channels[2];       /* input, output */
    uint32_t *map[2];
    bool identity[2];    /* the map is 0, 1, 2, ... */
    float *memory[2];    /* two buffers, so that the address changes from cycle to cycle */
    vc_channel *list[2]; /* for VC_LAYOUT_SPLIT */
} client;

struct vc_device {
    vc_device_config config;
    client clients[VC_DEVICE_CLIENTS];
    uint32_t attached;
    _Atomic uint32_t used; /* clients from this index on were never used */

    pthread_t thread;
    pthread_mutex_t lock; /* only for the stepped clock */
    pthread_cond_t moved;
    uint64_t granted; /* cycles that a stepped device may run; under `lock` */
    uint64_t stepped; /* cycles that are over; under `lock` */
    uint64_t begun;   /* cycles that have begun; under `lock` */
    uint64_t owed;    /* cycles of the last step that had not begun; under `lock` */
    bool running;
    _Atomic bool quit;
    _Atomic int condition;
    vc_queue *faults;

    /* Used only on the IO thread. */
    int64_t frame;
    int64_t started_ns;
    int64_t due_ns; /* host time at which the cycle at `frame` is due */
    int64_t latency_ns[2];
    double ns_per_frame;
    uint64_t random; /* for the jitter */
    uint64_t cycle;
    vc_fault fault; /* the next fault; kind 0: none */
    float *mix;     /* one cycle of the output, interleaved */
    float *line;    /* memory of the loopback, interleaved; frame p is at p & line_mask */
    size_t line_mask;
    uint64_t silent_frames; /* silence since the last content; captured when more content comes */
    bool heard;

    _Atomic int64_t late_ns; /* time by which a fault makes the running cycle longer */
    uint32_t clock_reads;    /* by the IO thread, in the current client's cycle */

    _Atomic int64_t host_ns; /* host time of a virtual clock */
    _Atomic int64_t shown_frame;
    _Atomic uint64_t lost_frames;
    _Atomic uint64_t capture_lost;
    _Atomic int64_t new_rate;
    vc_ring *capture;
    vc_queue *capture_gaps; /* NULL: silence goes into the ring */
    float *capture_memory;
    uint64_t capture_room; /* frames for which capture_memory still has room */
    long owner;            /* process that has the IO thread; a forked child does not have it */
};

static inline int64_t frames_to_ns(const vc_device *device, int64_t frames) {
    /* Multiplies, because a division here took a twentieth of the time of a native block. */
    return llrint((double)frames * device->ns_per_frame);
}

/* The part of the loopback memory that begins at `frame`. Shortens `frames` if it would wrap. */
static inline vc_audio line_at(const vc_device *device, int64_t frame, uint32_t *frames) {
    size_t start = (size_t)frame & device->line_mask;
    size_t room = device->line_mask + 1 - start;
    uint32_t outputs = device->config.output_channels;
    *frames = *frames < room ? *frames : (uint32_t)room;
    return (vc_audio){.data = device->line + start * outputs,
                      .frame_stride = (ptrdiff_t)outputs,
                      .channel_stride = 1,
                      .channels = outputs};
}

/* Computes when the cycle at `frame` is due, and publishes the position to other threads. [IO] */
static inline void show_time(vc_device *device) VC_REALTIME {
    int64_t host_ns = device->started_ns + frames_to_ns(device, device->frame);
    device->due_ns = host_ns;
    atomic_store_explicit(&device->shown_frame, device->frame, memory_order_release);
    atomic_store_explicit(&device->host_ns, host_ns, memory_order_release);
}

/* Whether the output of the clients is used, by the loopback or by a capture. */
static inline bool output_is_used(const vc_device *device) {
    return device->config.loopback || device->capture != NULL || device->capture_memory != NULL;
}

/* ---- device_clients.c ---- */

/* Returns false if memory is exhausted. [control] */
bool vc_device_fill_client(client *slot, const vc_device *device, const uint32_t *const maps[2],
                           const uint32_t channels[2]);
/* [control] */
void vc_device_free_client(client *slot);
/* Runs one cycle of each client and mixes their output. Returns how many frames of the mix, from
 * the first one on, have content. [IO] */
uint32_t vc_device_run_clients(vc_device *device, uint32_t frames, int64_t begin_ns) VC_REALTIME;

/* ---- device_cable.c ---- */

/* Copies the mix of a cycle to the loopback and to the capture. It may wait for room in the
 * capture, so it is not VC_REALTIME. [IO] */
void vc_device_take_output(vc_device *device, uint32_t frames, uint32_t content);
/* Makes the time line skip frames, which are counted as lost. [IO] */
void vc_device_lose(vc_device *device, int64_t frames) VC_REALTIME;
/* Empties the loopback, so that output from before a stop does not come in after the next start.
 * [IO] */
void vc_device_clear_cable(vc_device *device) VC_REALTIME;

/* ---- device_clock.c ---- */

/* Makes the calling thread the IO thread. The time line continues where it stopped. It is not
 * VC_REALTIME, because the first access to a thread-local variable may allocate. [IO] */
void vc_device_begin_clock(vc_device *device);
/* Waits until the next cycle is due. Returns false if the thread has to end. It waits, so it is not
 * VC_REALTIME. [IO] */
bool vc_device_wait_for_cycle(vc_device *device);
/* Counts a cycle of a stepped clock, under a lock, so it is not VC_REALTIME. [IO] */
void vc_device_finish_step(vc_device *device);
void vc_device_nap(int64_t ns);

#endif
