/* user_code.h - what the user's code gets for each block: time, audio memory and the block itself.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_USER_CODE_H
#define VOICECOIL_USER_CODE_H

#include "realtime.h"

#include <stddef.h>
#include <stdint.h>

#define VC_MAX_CHANNELS 1024u
#define VC_MAX_BLOCK_FRAMES 65536u

/* ---- time -------------------------------------------------------------------------------- */

enum { VC_TIME_HOST = 1u, VC_TIME_SAMPLE = 2u };

/* A moment on two time lines. A field is valid only if its bit is set in `valid`. */
typedef struct vc_time {
    int64_t host_ns;       /* host time, ns */
    int64_t sample_frames; /* sample time, frames */
    uint32_t valid;        /* VC_TIME_HOST | VC_TIME_SAMPLE */
    uint32_t reserved;
} vc_time;

/* Nanoseconds of the machine's monotonic clock (CLOCK_MONOTONIC, mach_absolute_time,
 * QueryPerformanceCounter). [any], real-time safe. */
int64_t vc_clock_ns(void) VC_REALTIME;

/* ---- audio memory ------------------------------------------------------------------------ */

/* One channel. Frame f is at data[f * stride]. Strides are in floats. */
typedef struct vc_channel {
    float *data; /* NULL: the device gave no memory for this channel, and it reads as silence */
    ptrdiff_t stride;
} vc_channel;

/* One direction of a cycle or of a block. Samples are 32-bit floats, and full scale is -1..1.
 *
 * Uniform layout (data != NULL): channel c, frame f is at
 * data[c * channel_stride + f * frame_stride]. Interleaved memory has channel_stride 1, planar
 * memory has frame_stride 1. Otherwise (data == NULL, list != NULL): `list` has one entry per
 * channel, as for a device with several buffers. */
typedef struct vc_audio {
    float *data;
    ptrdiff_t frame_stride;
    ptrdiff_t channel_stride;
    const vc_channel *list;
    uint32_t channels; /* 0: there is no audio in this direction */
    uint32_t reserved;
} vc_audio;

/* ---- the block ---------------------------------------------------------------------------- */

/* What one call of the user's code gets. The memory is uniform. It is also interleaved and
 * contiguous, unless the stream was opened with zero_copy. The user's code must not keep pointers
 * to it after the call. */
typedef struct vc_block {
    vc_audio input;  /* read only */
    vc_audio output; /* zeroed on entry */
    uint32_t frames;
    uint32_t lost_frames;  /* frames lost just before this block; 0: none */
    uint32_t valid_frames; /* in/out: how many frames of `output`, from the first one on, are
                            * content; `frames` on entry. The others are silenced. With VC_STOP the
                            * stream ends after the valid frames */
    uint32_t reserved;
    double samplerate_hz;
    vc_time now;
    vc_time input_time;
    vc_time output_time;
    /* out, set only by voicecoil's own code: frames of this block whose output was not ready, or
     * for whose input there was no room. They are counted as lost, but are not part of the next
     * block's lost_frames. The cause is a vc_cause. */
    uint32_t starved_frames;
    uint32_t starved_cause;
    /* When the user's code was called, in ns of vc_clock_ns. For the first block of a cycle, this
     * is the time when the driver was called. 0: the device's clock is not real, so durations are
     * not measured. */
    int64_t called_ns;
    int64_t waited_ns; /* out, set only by voicecoil's own code: how long this code waited for a
                        * lock before it could begin */
    int64_t ended_ns;  /* out, optional: vc_clock_ns when the user's code ended. The cycle counts as
                        * busy until then. 0: the engine reads the clock itself */
} vc_block;

/* Why frames were lost. */
typedef enum vc_cause {
    VC_CAUSE_DEVICE = 0,   /* no cycle of the device came for the frames */
    VC_CAUSE_BLOCKS = 1,   /* a duplex device promised cycles of whole blocks, but a cycle had
                            * another length */
    VC_CAUSE_WAITING = 2,  /* the user's code was waiting for a lock that it needs (the GIL) */
    VC_CAUSE_CALLBACK = 3, /* the user's code was running */
    VC_CAUSE_WORKER = 4    /* the worker did not run in time */
} vc_cause;

enum {
    VC_CONTINUE = 0, /* continue with the next block */
    VC_STOP = 1,     /* play this block, then end the stream */
    VC_ERROR = -1    /* silence this block and end the stream; any negative value is an error */
};

/* The user's code as the engine calls it: the bridge into Python, a native function, the mixer, the
 * recorder or the lead. [IO] */
typedef int32_t (*vc_process_fn)(vc_block *block, void *user);

#endif
