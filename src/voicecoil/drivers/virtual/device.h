/* device.h - a simulated device without hardware.
 *
 * The virtual device has an IO thread and several clients. Each client has buffers of its own, and
 * the device mixes them as CoreAudio's HAL does. A loopback can connect the output to the input,
 * and the output can be captured. The time line is counted in frames from 0:
 *
 *   cycle at frame S   output frame f leaves the connector at  S + f + output_latency
 *                      input  frame f came to the connector at S + f - input_latency
 *
 * With the loopback, the frame that leaves at position p comes in at position p, so a round trip
 * takes exactly output_latency + input_latency frames. The latencies include the device's buffer.
 *
 * Threads: as in voicecoil.h. Control calls come from one thread at a time. */
#ifndef VOICECOIL_VIRTUAL_DEVICE_H
#define VOICECOIL_VIRTUAL_DEVICE_H

#include "voicecoil.h"

typedef enum vc_device_clock {
    VC_CLOCK_REAL = 0,   /* the machine's clock */
    VC_CLOCK_FREE = 1,   /* as fast as the machine can; host time follows the frames */
    VC_CLOCK_STEPPED = 2 /* advances only in vc_device_step; host time follows the frames */
} vc_device_clock;

typedef enum vc_device_layout {
    VC_LAYOUT_INTERLEAVED = 0,
    VC_LAYOUT_PLANAR = 1, /* one buffer, channel after channel */
    VC_LAYOUT_SPLIT = 2   /* one buffer for each channel */
} vc_device_layout;

enum { VC_DEVICE_CLIENTS = 64, VC_DEVICE_PATTERN = 16 };

typedef struct vc_device_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t frames; /* frames per cycle, and the size of the device's buffer */
    /* Lengths of successive cycles, each from 1 to `frames`. After the last length, the pattern
     * begins again. If pattern_length is 0, each cycle has `frames` frames. */
    uint32_t pattern[VC_DEVICE_PATTERN];
    uint32_t pattern_length;
    double samplerate_hz;
    uint32_t clock;  /* vc_device_clock */
    uint32_t layout; /* vc_device_layout */
    /* With a loopback, both latencies together must be at least `frames`, because a cycle would
     * otherwise need frames that are not made yet. */
    uint32_t input_latency_frames;
    uint32_t output_latency_frames;
    uint32_t tolerance_frames; /* real clock: how late a cycle may be before frames are lost */
    int64_t epoch_ns;          /* virtual clocks: host time of frame 0; 0: a default */
    uint32_t stack_bytes;      /* stack size of the IO thread; on CoreAudio it can be 512 KiB */
    bool loopback;             /* connect output channel c to input channel c */
    double clock_ppm;          /* by how much the clock is faster than the host time, ppm */
    uint32_t jitter_ns;        /* greatest error of the host times that the clients get */
    bool poison;               /* fill every buffer with NaN before and after each cycle */
} vc_device_config;

typedef struct vc_device vc_device;

/* A fault happens before the first cycle that begins at or after `at_frame`. Faults happen in the
 * order in which they were injected. */
typedef enum vc_fault_kind {
    VC_FAULT_LATE = 1,   /* value: ns by which the clients' cycle takes longer */
    VC_FAULT_XRUN = 2,   /* value: frames that are lost; the time line jumps by them */
    VC_FAULT_UNPLUG = 3, /* the device is unplugged; no cycle comes any more */
    VC_FAULT_RATE = 4    /* value: new rate in Hz; the cycles stop, as on a real device */
} vc_fault_kind;

typedef struct vc_fault {
    int64_t at_frame;
    int64_t value;
    uint32_t kind;
    uint32_t reserved;
} vc_fault;

typedef enum vc_device_condition {
    VC_DEVICE_WELL = 0,
    VC_DEVICE_UNPLUGGED = 1,
    VC_DEVICE_RATE_CHANGED = 2
} vc_device_condition;

/* Returns NULL if memory is exhausted. [control] */
vc_device *vc_device_new(const vc_device_config *config);
/* Ends the IO thread and frees the device. No client may be attached. [control] */
void vc_device_free(vc_device *device);

/* Makes `engine` a client. Its channel c is the device's channel map[c]. Returns false if 64
 * clients are attached, or memory or threads are exhausted. The first client starts the IO thread.
 * [control] */
bool vc_device_attach(vc_device *device, vc_engine *engine, const uint32_t *input_map,
                      uint32_t input_channels, const uint32_t *output_map,
                      uint32_t output_channels);
/* Waits until no cycle of `engine` runs or will run, which the detachment then need not do. It
 * returns false, and the engine's cycles go on, if `deadline_ns` passed while its cycle still ran.
 * Other control threads may attach and detach other engines at the same time. [control] */
bool vc_device_quiet(vc_device *device, vc_engine *engine, int64_t deadline_ns);
/* Removes a client. When it returns true, no cycle of `engine` runs or will run. It returns false,
 * and the client stays, if `deadline_ns` passed while its cycle still ran. Removing the last client
 * ends the IO thread. Must not be called on the IO thread. [control] */
bool vc_device_detach(vc_device *device, vc_engine *engine, int64_t deadline_ns);

/* Lets a stepped device run `cycles` cycles. Returns when they are over, or when the condition is
 * no longer VC_DEVICE_WELL. Returns false if that takes longer than `deadline_ns`. [control] */
bool vc_device_step(vc_device *device, uint64_t cycles, int64_t deadline_ns);

/* Cycles of the last vc_device_step that had not begun when its deadline passed. [control] */
uint64_t vc_device_owed(vc_device *device);

/* Waits until `ready(argument)`. Returns false after 4 s. It is given to vc_clip_wait_with on a
 * device whose clock is not real, because its IO thread may wait. */
bool vc_device_wait_until(bool (*ready)(const void *argument), const void *argument);

/* Adds a fault. Returns false if eight faults are waiting already. [control] */
bool vc_device_inject(vc_device *device, const vc_fault *fault);
/* [any] */
vc_device_condition vc_device_get_condition(const vc_device *device) VC_REALTIME;
/* The device's host time, ns. With a real clock it is the machine's clock. Otherwise it follows
 * from the frames. [any] */
int64_t vc_device_clock_ns(void *device) VC_REALTIME;
/* The position on the time line, frames since the start. [any] */
int64_t vc_device_frame(const vc_device *device) VC_REALTIME;
/* The rate that VC_FAULT_RATE has set, Hz. [any] */
int64_t vc_device_new_rate(const vc_device *device) VC_REALTIME;
/* Frames that were lost by faults, or because a cycle of a real clock began more than
 * tolerance_frames late. [any] */
uint64_t vc_device_lost_frames(const vc_device *device) VC_REALTIME;

/* Captures the output, from the first frame that a client's code made to the last one. `ring` has
 * the device's output channels; NULL: no capture. If the ring is full, a device with a real clock
 * drops and counts frames, and any other device waits. Silence between two sounds is pushed into
 * `gaps`, a queue of vc_gap; if `gaps` is NULL it is written to the ring. Call it before the first
 * client is attached. [control] */
void vc_device_capture(vc_device *device, vc_ring *ring, vc_queue *gaps);
/* Captures into `count` interleaved frames of memory instead of a ring. Later frames are dropped.
 * Call it while no cycle runs. [control] */
void vc_device_capture_memory(vc_device *device, float *frames, uint64_t count);
/* Frames of the capture memory that are not written yet. Call it while no cycle runs. [control] */
uint64_t vc_device_capture_room(const vc_device *device);
/* Frames for which the ring had no room. [any] */
uint64_t vc_device_capture_lost_frames(const vc_device *device) VC_REALTIME;

#endif
