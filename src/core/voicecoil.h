/* voicecoil.h - the data plane: what happens to sound between a device and the user's code.
 *
 * Everything here is C11 without Python and without platform headers. A driver fills a
 * `vc_cycle` on the device's thread and calls `vc_cycle_run`; the engine brings the frames to the
 * user's code (a `vc_process_fn`: the bridge into Python, a native function, the mixer) and what
 * that code made back to the device.
 *
 * Words
 *   frame        one sample for every channel
 *   block        the frames given to the user's code in one call
 *   IO cycle     one call of the device: it brings input frames and wants output frames
 *   IO thread    the thread on which the device makes that call
 *   control      every other thread; in voicecoil those run Python
 *   host time    nanoseconds of the driver's monotonic clock
 *   sample time  frames on the device's own time line
 *   xrun         frames that were lost, in either direction
 *
 * Threads
 *   Each function says who may call it. `[IO]`: the IO thread, real-time safe: no lock, no
 *   allocation, no system call, bounded time. `[control]`: any other thread, one at a time per
 *   object unless said otherwise. `[any]`: both, at the same time.
 *
 * Errors
 *   Only constructors can fail, and then return NULL because memory ran out. Arguments have been
 *   validated by the control plane (docs/decisions/0004-validate-once.md lists what); debug
 *   builds assert them.
 */
#ifndef VOICECOIL_H
#define VOICECOIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* VC_REALTIME marks a function, or a pointer to one, that may run on the IO thread: each `[IO]` and
 * `[any]` below. A compiler that can prove it (clang 20 and later with -Wfunction-effects) does,
 * and tools/cross_macos.py has it do so; helpers that are seen with their callers need no mark.
 * VC_UNPROVEN and VC_PROVEN_AGAIN enclose the few calls that no compiler can follow, each with its
 * reason beside it. */
#if defined(__clang__) && __clang_major__ >= 20
#define VC_REALTIME __attribute__((nonblocking))
#define VC_UNPROVEN                                                                                \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wfunction-effects\"")
#define VC_PROVEN_AGAIN _Pragma("clang diagnostic pop")
#else
#define VC_REALTIME
#define VC_UNPROVEN
#define VC_PROVEN_AGAIN
#endif

#define VC_MAX_CHANNELS 1024u
#define VC_MAX_BLOCK_FRAMES 65536u

/* ---- time -------------------------------------------------------------------------------- */

enum { VC_TIME_HOST = 1u, VC_TIME_SAMPLE = 2u };

/* A moment on two time lines. A field counts only if its bit is set in `valid`. */
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

/* One channel: frame f is at data[f * stride]. Strides are in floats. */
typedef struct vc_channel {
    float *data; /* NULL: the device gave no memory for this channel; reads are silence */
    ptrdiff_t stride;
} vc_channel;

/* One direction of a cycle or of a block; 32-bit float, full scale is -1..1.
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
    uint32_t channels; /* 0: this direction is not there */
    uint32_t reserved;
} vc_audio;

/* ---- what a driver hands over ------------------------------------------------------------- */

typedef struct vc_cycle {
    uint32_t frames;       /* frames to read and to write, 1..any */
    uint32_t lost_frames;  /* frames the driver knows were lost since the last cycle; with valid
                            * sample times leave it 0: the engine finds gaps itself */
    vc_audio input;        /* as many channels as the engine's, in both directions */
    vc_audio output;       /* what is in it on entry is not read */
    vc_time now;           /* when this cycle began */
    vc_time input_time;    /* when the first input frame was at the connector */
    vc_time output_time;   /* when the first output frame will be at the connector */
    int64_t called_ns;     /* when the driver was called, for one that has looked at the engine's
                            * clock anyway; 0: the engine looks */
    uint32_t drain_frames; /* from here to the ear: a stop is finished after them */
    uint32_t reserved;
} vc_cycle;

/* ---- what the user's code gets ------------------------------------------------------------ */

/* The memory is uniform, and interleaved and contiguous unless the stream was opened with
 * zero_copy. What the call may keep of it: nothing. */
typedef struct vc_block {
    vc_audio input;  /* read only */
    vc_audio output; /* zeroed on entry */
    uint32_t frames;
    uint32_t lost_frames;  /* frames lost just before this block; 0: none */
    uint32_t valid_frames; /* in/out: frames of `output` that are content; starts as `frames`. The
                            * rest is silenced. With VC_STOP the stream ends after them */
    uint32_t reserved;
    double samplerate_hz;
    vc_time now;
    vc_time input_time;
    vc_time output_time;
    /* out, for code of voicecoil's own: frames of this block that were not ready for the device, or
     * for which there was no room; they are counted as lost, and not told of in the next block's
     * lost_frames. Why: a vc_cause. */
    uint32_t starved_frames;
    uint32_t starved_cause;
    /* When the code was called, or the driver for its cycle, ns of vc_clock_ns; 0: the clock is not
     * real, and nothing is timed. */
    int64_t called_ns;
    int64_t waited_ns; /* out, as above: how long it then waited for a lock that it needs */
    int64_t ended_ns;  /* out, for code that has looked at vc_clock_ns when it was done anyway: its
                        * cycle counts as busy until then; 0: the engine looks */
} vc_block;

/* Why frames were lost. */
typedef enum vc_cause {
    VC_CAUSE_DEVICE = 0,   /* the device gave no cycle for them */
    VC_CAUSE_BLOCKS = 1,   /* a duplex device broke its promise of whole blocks */
    VC_CAUSE_WAITING = 2,  /* the user's code waited for a lock of its own (Python's) */
    VC_CAUSE_CALLBACK = 3, /* the user's code was running */
    VC_CAUSE_WORKER = 4    /* the thread that runs ahead did not get to it */
} vc_cause;

enum {
    VC_CONTINUE = 0, /* go on */
    VC_STOP = 1,     /* play this block, then end the stream */
    VC_ERROR = -1    /* silence this block and end the stream; any negative value is an error */
};

/* The user's code as the engine sees it. [IO] */
typedef int32_t (*vc_process_fn)(vc_block *block, void *user);

/* The signature of a native callback that users write (C, Cython, numba `cfunc`, cffi, ctypes).
 * Stable: new facts are appended to vc_block, never moved.
 *   output  frames * block->output.channels floats, interleaved, zeroed; NULL for an input stream
 *   input   frames * block->input.channels floats, interleaved; NULL for an output stream
 *   frames  frames in this block
 *   block   everything else
 *   user    the pointer given when the stream was opened
 * Returns VC_CONTINUE, VC_STOP or a negative number of its own, which the stream reports. [IO] */
typedef int32_t (*vc_native_fn)(float *output, const float *input, uint32_t frames,
                                const vc_block *block, void *user);

/* Adapter: a vc_native_fn as a vc_process_fn. `user` is a vc_native*. [IO] */
typedef struct vc_native {
    vc_native_fn function;
    void *user;
} vc_native;
int32_t vc_native_process(vc_block *block, void *user) VC_REALTIME;

/* ---- the engine --------------------------------------------------------------------------- */

typedef struct vc_engine vc_engine;

enum {
    VC_ENGINE_ZERO_COPY = 1u, /* the block is the device's own memory wherever that is uniform and
                               * the block lies inside one cycle; else a copy, which is counted */
    VC_ENGINE_PACKED = 2u,    /* with ZERO_COPY: only interleaved contiguous memory will do */
    VC_ENGINE_METER = 4u,     /* keep peak and mean square per channel */
    VC_ENGINE_LEND = 8u       /* for code that keeps nothing of a block: the device's own memory
                               * where that is interleaved and contiguous, without being asked for
                               * and without counting */
};

typedef struct vc_engine_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t block_frames;  /* frames per call of `process`; 0: as the device delivers */
    uint32_t device_frames; /* frames per cycle that the device promises; 0: they vary */
    uint32_t flags;         /* VC_ENGINE_* */
    double samplerate_hz;
    /* The stream's own block: vc_engine_block_frames * channels floats for each direction, alive
     * as long as the engine. NULL: the engine allocates it. */
    float *input_block;
    float *output_block;
    /* The clock that cycles are timed with, ns. NULL: vc_clock_ns. [IO] */
    int64_t (*clock_ns)(void *clock) VC_REALTIME;
    void *clock;
    vc_process_fn process;
    void (*leave)(void *user); /* called once on the IO thread after the last `process`, so that
                                * it can drop what it keeps for that thread; may be NULL */
    void *user;
} vc_engine_config;

/* Where a stream's sound is. Written by the IO thread while the device runs. */
typedef enum vc_state {
    VC_IDLE = 0,     /* not started: cycles are silence */
    VC_RUNNING = 1,  /* every cycle reaches the user's code */
    VC_DRAINING = 2, /* the user's code is done, its last frames are on their way to the ear */
    VC_FINISHED = 3  /* all was heard: cycles are silence */
} vc_state;

/* Why it left VC_RUNNING. */
typedef enum vc_reason {
    VC_REASON_NONE = 0,
    VC_REASON_STOP = 1,  /* vc_engine_stop */
    VC_REASON_ABORT = 2, /* vc_engine_abort */
    VC_REASON_END = 3,   /* the user's code returned VC_STOP */
    VC_REASON_ERROR = 4  /* the user's code returned a negative number */
} vc_reason;

/* Frames that the stream's own block holds with that configuration. [any] */
uint32_t vc_engine_block_frames(const vc_engine_config *config) VC_REALTIME;
/* [control] */
vc_engine *vc_engine_new(const vc_engine_config *config);
/* [control], when no cycle runs or will run. NULL is allowed. */
void vc_engine_free(vc_engine *engine);
/* Makes the next cycles reach the user's code. After an earlier run sample times go on by the host
 * time that has passed between its last frame and the first one of this run, at the connector, and
 * never back; none of those frames counts as lost. [control], before the device is started. */
void vc_engine_start(vc_engine *engine);
/* Asks for the end after the current block. The IO thread answers in its next cycle; a request in
 * another state than VC_RUNNING or VC_DRAINING does nothing. [any] */
void vc_engine_stop(vc_engine *engine) VC_REALTIME;
/* The same at once: nothing more of the block, and no draining. It overtakes a stop. [any] */
void vc_engine_abort(vc_engine *engine) VC_REALTIME;
/* Ends a run whose device was stopped before a cycle had found its end: none will come. [control],
 * when no cycle runs or will run. */
void vc_engine_end(vc_engine *engine);
/* [any] */
vc_state vc_engine_state(const vc_engine *engine) VC_REALTIME;
/* [any] Valid once the state has left VC_RUNNING. */
vc_reason vc_engine_reason(const vc_engine *engine) VC_REALTIME;
/* What a native function returned with VC_REASON_ERROR. [any] */
int32_t vc_engine_error(const vc_engine *engine) VC_REALTIME;

/* The device that an engine goes on with, after its own is lost. */
typedef struct vc_move {
    /* For each of the engine's channels the one of the new device's cycles, or VC_NO_CHANNEL:
     * silence comes in, and what goes out is dropped. Copied. */
    const uint32_t *input_map;
    const uint32_t *output_map;
    uint32_t input_channels; /* of the cycles: 0 where the engine has none */
    uint32_t output_channels;
    uint32_t device_frames; /* as in vc_engine_config */
    int64_t (*clock_ns)(void *clock) VC_REALTIME;
    void *clock;
} vc_move;

#define VC_NO_CHANNEL UINT32_MAX

/* Goes on with another device, or with the same one that came back: at the same rate, with the
 * block as it stands. Blocks that came one for each cycle stay as long as they were. Sample times
 * go on by the host time that has passed between the connectors, and never back; the frames in
 * between are counted as lost with the first cycle. Devices that give no sample times tell nothing
 * of that. False: no memory; all is as it was. [control], when no cycle runs, before the device is
 * started. */
bool vc_engine_move(vc_engine *engine, const vc_move *move);

/* Runs one IO cycle. Every frame of `cycle->output` is written. [IO]
 * Returns how many leading frames hold what the user's code made; the rest is silence. */
uint32_t vc_cycle_run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* ---- counting ----------------------------------------------------------------------------- */

typedef struct vc_statistics {
    uint64_t cycles;            /* IO cycles while running */
    uint64_t blocks;            /* calls of the user's code */
    uint64_t frames;            /* frames handed to or taken from the user's code */
    uint64_t xruns;             /* times that frames were lost */
    uint64_t lost_frames;       /* how many in all */
    uint64_t late_cycles;       /* cycles that took longer than their own sound lasts */
    uint64_t nonfinite_samples; /* NaN or infinity from the user's code, played as silence */
    uint64_t copied_blocks;     /* blocks of a zero_copy stream that had to be copied */
    uint64_t lost_events;       /* events that found their queue full */
    uint64_t busy_ns;           /* time spent in cycles, total */
    uint64_t busy_max_ns;       /* longest cycle */
    double load;                /* busy time / time available, smoothed over about 50 cycles */
    vc_time last_output;        /* of the newest cycle */
    vc_time last_input;
} vc_statistics;

/* A consistent copy. [any] Wait-free for the IO thread; the reader retries. */
void vc_engine_statistics(const vc_engine *engine, vc_statistics *out) VC_REALTIME;

/* Levels of one channel since the last call, output channels first, then input. Only with
 * VC_ENGINE_METER. [control] */
typedef struct vc_level {
    float peak;        /* largest magnitude, linear */
    float mean_square; /* linear */
} vc_level;
void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count);

typedef enum vc_event_kind {
    VC_EVENT_XRUN = 1,     /* value: frames lost */
    VC_EVENT_FINISHED = 2, /* value: a vc_reason */
    VC_EVENT_LATE = 3      /* value: ns that the cycle took */
} vc_event_kind;

typedef struct vc_event {
    int64_t host_ns;
    int64_t sample_frames;
    int64_t value;
    uint32_t kind;     /* vc_event_kind */
    uint32_t cause;    /* of an xrun: vc_cause */
    int64_t waited_ns; /* of VC_EVENT_LATE: how much of it the user's code waited for a lock */
} vc_event;

/* Takes the oldest event; false: there is none. [control] */
bool vc_engine_event(vc_engine *engine, vc_event *out);

/* The newest xruns, oldest first, up to `count` (there are never more than VC_XRUNS); they stay
 * where they are. [any] */
enum { VC_XRUNS = 1000 };
uint32_t vc_engine_xruns(const vc_engine *engine, vc_event *out, uint32_t count) VC_REALTIME;

/* How often which duration came. Below 8 ns each has its bucket; above, each octave has 8. */
enum { VC_HISTOGRAM_BUCKETS = 304 };
typedef enum vc_timing {
    VC_TIMING_MARGIN = 0, /* what was left of a cycle's time when it was done; 0: it was late */
    VC_TIMING_JITTER = 1  /* how far from its time, either way, a cycle began after the last one */
} vc_timing;
/* Copies one of them; `counts` has VC_HISTOGRAM_BUCKETS. [any] */
void vc_engine_timing(const vc_engine *engine, vc_timing which, uint64_t *counts) VC_REALTIME;

/* A pair of functions that a test sets to be told when the IO thread enters and leaves code that
 * must be real-time safe. NULL: off. [control], before any cycle runs. */
void vc_cycle_set_trap(void (*enter)(void) VC_REALTIME, void (*leave)(void) VC_REALTIME);

/* ---- ring: frames from one thread to another ---------------------------------------------- */

/* Interleaved float frames from exactly one producer to exactly one consumer. Wait-free on both
 * sides. One side may be the IO thread. */
typedef struct vc_ring vc_ring;

typedef struct vc_slices {
    float *first;
    uint32_t first_frames;
    float *second; /* the part behind the wrap; NULL when there is none */
    uint32_t second_frames;
} vc_slices;

/* Holds at least `frames` (rounded up to a power of two, at most 2^31). [control] */
vc_ring *vc_ring_new(uint32_t frames, uint32_t channels);
void vc_ring_free(vc_ring *ring);
uint32_t vc_ring_capacity(const vc_ring *ring) VC_REALTIME;
uint32_t vc_ring_channels(const vc_ring *ring) VC_REALTIME;
/* Frames that can be read / written now; at least that many when the answer is used by that
 * side. [any] */
uint32_t vc_ring_readable(const vc_ring *ring) VC_REALTIME;
uint32_t vc_ring_writable(const vc_ring *ring) VC_REALTIME;
/* Frames ever read / written. [any] */
uint64_t vc_ring_total_read(const vc_ring *ring) VC_REALTIME;
uint64_t vc_ring_total_written(const vc_ring *ring) VC_REALTIME;
/* Borrows up to `frames` to write into; returns how many. [producer] */
uint32_t vc_ring_reserve(vc_ring *ring, uint32_t frames, vc_slices *slices) VC_REALTIME;
/* Publishes the first `frames` of what was reserved. [producer] */
void vc_ring_commit(vc_ring *ring, uint32_t frames) VC_REALTIME;
/* Borrows up to `frames` to read; returns how many. [consumer] */
uint32_t vc_ring_peek(vc_ring *ring, uint32_t frames, vc_slices *slices) VC_REALTIME;
/* Gives the first `frames` of what was peeked back to the producer. [consumer] */
void vc_ring_release(vc_ring *ring, uint32_t frames) VC_REALTIME;
/* Copying forms of the two pairs; return the frames copied. */
uint32_t vc_ring_write(vc_ring *ring, const float *frames_in, uint32_t frames) VC_REALTIME;
uint32_t vc_ring_read(vc_ring *ring, float *frames_out, uint32_t frames) VC_REALTIME;
/* The producer has written its last frame. [producer] */
void vc_ring_end(vc_ring *ring) VC_REALTIME;
/* True once the producer has ended and everything was read. [consumer] */
bool vc_ring_finished(const vc_ring *ring) VC_REALTIME;
/* Empties it for another use, when neither side runs. [control] */
void vc_ring_reset(vc_ring *ring);

/* ---- queue: small messages from one thread to another -------------------------------------- */

/* Fixed-size messages, one producer, one consumer, wait-free. */
typedef struct vc_queue vc_queue;
vc_queue *vc_queue_new(uint32_t messages, uint32_t message_bytes);
void vc_queue_free(vc_queue *queue);
/* false: full. [producer] */
bool vc_queue_push(vc_queue *queue, const void *message) VC_REALTIME;
/* false: empty. [consumer] */
bool vc_queue_pop(vc_queue *queue, void *message) VC_REALTIME;

/* ---- mailbox: the latest value from one thread to another ----------------------------------- */

/* A value of fixed size; the reader gets the newest one, those between are lost. One writer, one
 * reader, wait-free. */
typedef struct vc_mailbox vc_mailbox;
/* `first`: what is read before anything was written; NULL: zeros. [control] */
vc_mailbox *vc_mailbox_new(uint32_t bytes, const void *first);
void vc_mailbox_free(vc_mailbox *mailbox);
/* [writer] */
void vc_mailbox_write(vc_mailbox *mailbox, const void *value) VC_REALTIME;
/* The newest value, aligned as from malloc; it does not change until the next read. [reader] */
const void *vc_mailbox_read(vc_mailbox *mailbox) VC_REALTIME;

/* ---- slot: a native function that can be exchanged while it plays ---------------------------- */

typedef struct vc_slot vc_slot;
/* With `parameters` the function gets their newest record as its `user`, the same for all of a
 * block; they stay the caller's. NULL: no memory. [control] */
vc_slot *vc_slot_new(const vc_native *first, vc_mailbox *parameters);
void vc_slot_free(vc_slot *slot); /* when no cycle runs */
/* From the next block on another function. Returns its number: the first has 0, this one more than
 * the last. [control] */
uint64_t vc_slot_swap(vc_slot *slot, const vc_native *next);
/* The number of the function that was called last: those before it have returned for good. [any] */
uint64_t vc_slot_taken(const vc_slot *slot) VC_REALTIME;
/* The slot as the user's code; `slot` is the vc_slot*. [IO] */
int32_t vc_slot_process(vc_block *block, void *slot) VC_REALTIME;

/* ---- mixer: clips at exact frames ---------------------------------------------------------- */

/* A clip is a piece of sound on its way through a mixer. The control side makes it and keeps its
 * memory alive; the IO thread plays it and hands the pointer back when it is done with it; the
 * control side frees it. C never does. */
typedef struct vc_clip vc_clip;
typedef struct vc_mixer vc_mixer;

typedef enum vc_clip_state {
    VC_CLIP_NEW = 0,
    VC_CLIP_QUEUED = 1,  /* the mixer has it, its first frame has not come */
    VC_CLIP_PLAYING = 2, /* at least one frame was mixed */
    VC_CLIP_DONE = 3     /* played to its end, or stopped, and handed back */
} vc_clip_state;

#define VC_CLIP_NOW INT64_MIN

/* From memory: `frames` interleaved frames at `data`, played `loops` times (0: for ever), from
 * the mixer's frame `start_frame` (VC_CLIP_NOW: the next block; a frame already past: at once,
 * from its own first frame). [control] */
vc_clip *vc_clip_from_memory(const float *data, uint64_t frames, uint32_t channels, uint64_t loops,
                             int64_t start_frame, float gain);
/* From a ring that another thread fills. An empty ring is played as silence and counted. */
vc_clip *vc_clip_from_ring(vc_ring *ring, int64_t start_frame, float gain);
/* For clocks that are not real, whose IO thread may wait: `wait` is called when the ring is empty
 * and not at its end, and says whether that has changed. [control], when the state is
 * VC_CLIP_NEW */
void vc_clip_wait_with(vc_clip *clip, bool (*wait)(const vc_ring *ring));
/* [control], when the state is VC_CLIP_NEW or the mixer handed it back. */
void vc_clip_free(vc_clip *clip);
/* [any] */
vc_clip_state vc_clip_get_state(const vc_clip *clip) VC_REALTIME;
/* Frames mixed so far. [any] */
uint64_t vc_clip_position(const vc_clip *clip) VC_REALTIME;
/* Silence played for an empty ring. [any] */
uint64_t vc_clip_starved_frames(const vc_clip *clip) VC_REALTIME;
/* Mixer frame of its first frame. [any] */
int64_t vc_clip_started_at(const vc_clip *clip) VC_REALTIME;

/* `capacity`: clips that can be alive at the same time. With `end_when_empty` the stream ends
 * inside the block in which the last clip ends. [control] */
vc_mixer *vc_mixer_new(uint32_t channels, uint32_t capacity, bool end_when_empty);
void vc_mixer_free(vc_mixer *mixer); /* when no cycle runs; clips stay the caller's */
/* Gives a clip to the IO thread; false: the mixer is full. [control] */
bool vc_mixer_add(vc_mixer *mixer, vc_clip *clip);
/* Fades a clip out over `fade_frames` and ends it; a later stop can hurry that, not slow it down.
 * A clip whose first frame has not come ends at once. False: the command queue is full.
 * [control] */
bool vc_mixer_stop(vc_mixer *mixer, vc_clip *clip, uint32_t fade_frames);
/* A clip that the IO thread is done with, or NULL. [control] */
vc_clip *vc_mixer_collect(vc_mixer *mixer);
/* Clips given and not yet collected. [control] */
uint32_t vc_mixer_alive(const vc_mixer *mixer);
/* Frames mixed since the start: the mixer's time line. [any] */
uint64_t vc_mixer_frames(const vc_mixer *mixer) VC_REALTIME;
/* The mixer as the user's code; `user` is the vc_mixer*. Like a native function and a recorder it
 * wants interleaved blocks: with VC_ENGINE_ZERO_COPY also VC_ENGINE_PACKED. [IO] */
int32_t vc_mixer_process(vc_block *block, void *user) VC_REALTIME;

/* ---- tap: a block's input into a ring ------------------------------------------------------- */

/* Frames that belong on a ring's time line and are not in the ring. The producer pushes a gap into
 * a vc_queue of them before it writes the frames that follow, so a consumer that first looks how
 * much is readable, and then for a gap, sees every gap before the frames that it reads. */
typedef enum vc_gap_cause {
    VC_GAP_DEVICE = 0, /* the device lost them */
    VC_GAP_BUFFER = 1, /* the ring had no room for them */
    VC_GAP_SILENCE = 2 /* they are silence, which needs no memory */
} vc_gap_cause;
typedef struct vc_gap {
    uint64_t position; /* frames that were written to the ring before it */
    uint64_t frames;
    uint32_t cause; /* vc_gap_cause */
    uint32_t reserved;
} vc_gap;

/* Writes each block's input to a ring for a recorder and ends the stream after `limit_frames`
 * (0: never) of the device's time line, lost frames included. Frames that find no room are counted,
 * not waited for. */
typedef struct vc_recorder vc_recorder;
vc_recorder *vc_recorder_new(vc_ring *ring, uint64_t limit_frames);
void vc_recorder_free(vc_recorder *recorder);
/* Pushes the losses into `gaps`, a queue of vc_gap. A loss is told when frames follow it: one at
 * the very end is the difference between the counts and the gaps. With `stop_at_first` the stream
 * ends at the first loss. [control], before the stream is started. */
void vc_recorder_tell_gaps(vc_recorder *recorder, vc_queue *gaps, bool stop_at_first);
/* Frames that found no room. [any] */
uint64_t vc_recorder_overflow_frames(const vc_recorder *recorder) VC_REALTIME;
/* Frames that the device lost between the blocks. [any] */
uint64_t vc_recorder_missed_frames(const vc_recorder *recorder) VC_REALTIME;
/* Frames that came, those without room included. [any] */
uint64_t vc_recorder_frames(const vc_recorder *recorder) VC_REALTIME;
/* [IO] */
int32_t vc_recorder_process(vc_block *block, void *user) VC_REALTIME;

/* ---- samples ------------------------------------------------------------------------------- */

/* Copies `frames` frames of min(channels) channels between any two layouts, `offset` frames into
 * each. A channel without memory reads as silence and is not written. [IO] */
void vc_audio_copy(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                   uint32_t from_offset, uint32_t frames) VC_REALTIME;
/* Writes silence. [IO] */
void vc_audio_silence(const vc_audio *to, uint32_t offset, uint32_t frames) VC_REALTIME;
/* Replaces NaN and infinity by 0 and returns how many there were. [IO] */
uint32_t vc_audio_scrub(const vc_audio *audio, uint32_t frames) VC_REALTIME;
/* Adds frames * channels samples times a gain that moves linearly from `gain` by `step` per
 * frame. Exact for gain 1, step 0 onto silence. [IO] */
void vc_mix_add(float *to, const float *from, uint32_t frames, uint32_t channels, float gain,
                float step) VC_REALTIME;

#ifdef __cplusplus
}
#endif
#endif
