/* device.h - a device that is made of a clock.
 *
 * The virtual device has an IO thread, several clients (each with buffers of its own, which it
 * mixes, as CoreAudio's HAL does), a cable from its output to its input, and a capture of what was
 * heard. Its time line is counted in frames from 0:
 *
 *   cycle at frame S   output frame f leaves the connector at  S + f + output_latency
 *                      input  frame f came to the connector at S + f - input_latency
 *
 * so with the cable in, what leaves at frame p comes in at frame p, and a round trip takes exactly
 * output_latency + input_latency frames. The latencies include the device's buffer.
 *
 * Threads: as in voicecoil.h. Control calls come from one thread at a time. */
#ifndef VOICECOIL_VIRTUAL_DEVICE_H
#define VOICECOIL_VIRTUAL_DEVICE_H

#include "voicecoil.h"

typedef enum vc_device_clock {
    VC_CLOCK_REAL = 0,   /* the machine's clock */
    VC_CLOCK_FREE = 1,   /* as fast as the machine can; host time is that of the frames */
    VC_CLOCK_STEPPED = 2 /* moves when vc_device_step says so; host time is that of the frames */
} vc_device_clock;

typedef enum vc_device_layout {
    VC_LAYOUT_INTERLEAVED = 0,
    VC_LAYOUT_PLANAR = 1, /* one buffer, channel after channel */
    VC_LAYOUT_SPLIT = 2   /* one buffer for each channel, wherever it lies */
} vc_device_layout;

enum { VC_DEVICE_CLIENTS = 64, VC_DEVICE_PATTERN = 16 };

typedef struct vc_device_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t frames; /* per cycle, and the size of the device's buffer */
    /* Frames per cycle one after the other and round again, each 1..frames; pattern_length 0:
     * always `frames`. */
    uint32_t pattern[VC_DEVICE_PATTERN];
    uint32_t pattern_length;
    double samplerate_hz;
    uint32_t clock;                 /* vc_device_clock */
    uint32_t layout;                /* vc_device_layout */
    uint32_t input_latency_frames;  /* with the cable both together are at least `frames`, */
    uint32_t output_latency_frames; /* or a cycle would want what has not been made */
    uint32_t tolerance_frames;      /* real clock: how late a cycle may be before frames are lost */
    int64_t epoch_ns;               /* virtual clocks: host time of frame 0; 0: some ns */
    uint32_t stack_bytes;           /* of the IO thread; CoreAudio's may have 512 KiB */
    bool loopback;                  /* the cable: output channel c to input channel c */
    bool poison;                    /* fill every buffer with NaN before and after each cycle */
} vc_device_config;

typedef struct vc_device vc_device;

/* A fault to happen before the next cycle that begins at or after `at_frame`. Faults happen in the
 * order in which they were injected. */
typedef enum vc_fault_kind {
    VC_FAULT_LATE = 1,   /* value: ns that the client's time in that cycle is prolonged by */
    VC_FAULT_XRUN = 2,   /* value: frames that are lost: the time line jumps */
    VC_FAULT_UNPLUG = 3, /* the device is gone: no cycle comes any more */
    VC_FAULT_RATE = 4    /* value: new rate in Hz; cycles cease, as on a real device */
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

/* NULL: no memory. [control] */
vc_device *vc_device_new(const vc_device_config *config);
/* Ends the IO thread and frees all. No client may be attached. [control] */
void vc_device_free(vc_device *device);

/* Makes `engine` a client. Its channel c is the device's channel map[c]. False: 64 clients are
 * attached, or memory or threads ran out. The first client starts the IO thread. [control] */
bool vc_device_attach(vc_device *device, vc_engine *engine, const uint32_t *input_map,
                      uint32_t input_channels, const uint32_t *output_map,
                      uint32_t output_channels);
/* Ends that. When it returns true no cycle of `engine` runs or will run; false: `deadline_ns`
 * passed while its cycle still ran. The last client ends the IO thread. Not from the IO thread.
 * [control] */
bool vc_device_detach(vc_device *device, vc_engine *engine, int64_t deadline_ns);

/* Lets a stepped device run `cycles` cycles and returns when they are over, or when it is no
 * longer well. False: not within `deadline_ns`. [control] */
bool vc_device_step(vc_device *device, uint64_t cycles, int64_t deadline_ns);

/* Cycles of the last vc_device_step that had not begun when its deadline passed. [control] */
uint64_t vc_device_owed(vc_device *device);

/* For vc_clip_wait_with, on a clock that is not real: waits until the ring is not empty, or at its
 * end. False: not within 4 s. For that device's IO thread, which may wait. */
bool vc_device_wait_for_ring(const vc_ring *ring);

/* [control] False: eight faults are waiting already. */
bool vc_device_inject(vc_device *device, const vc_fault *fault);
/* [any] */
vc_device_condition vc_device_get_condition(const vc_device *device) VC_REALTIME;
/* The device's host time, ns: the machine's for a real clock, else that of the frames. [any] */
int64_t vc_device_clock_ns(void *device) VC_REALTIME;
/* Where the time line is: frames since the start. [any] */
int64_t vc_device_frame(const vc_device *device) VC_REALTIME;
/* The rate that VC_FAULT_RATE changed it to, Hz. [any] */
int64_t vc_device_new_rate(const vc_device *device) VC_REALTIME;
/* Frames lost because a real cycle began more than tolerance_frames late. [any] */
uint64_t vc_device_lost_frames(const vc_device *device) VC_REALTIME;

/* Captures what is heard, from the first frame that a client's code made to the last one.
 * `ring` has the device's output channels. A device that is not on a real clock waits for room;
 * one that is counts what did not fit. NULL: off. Silence between two sounds is pushed into `gaps`,
 * a queue of vc_gap; NULL: it is written to the ring. [control] before the first client */
void vc_device_capture(vc_device *device, vc_ring *ring, vc_queue *gaps);
/* Captures into `count` interleaved frames of memory instead; what comes behind is dropped. */
void vc_device_capture_memory(vc_device *device, float *frames, uint64_t count);
/* Frames of that memory that nothing was written to. [control] when no cycle runs */
uint64_t vc_device_capture_room(const vc_device *device);
/* [any] */
uint64_t vc_device_capture_lost_frames(const vc_device *device) VC_REALTIME;

#endif
