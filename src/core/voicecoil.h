/* voicecoil.h - the data plane: moves frames between a device and the user's code.
 *
 * Everything here is C11 without Python and without platform headers. In each IO cycle, a driver
 * fills a `vc_cycle` and calls `vc_cycle_run`. The engine passes the input to the user's code and
 * the output of this code to the device. The user's code is a `vc_process_fn`: the bridge into
 * Python, a native function or the mixer. This header declares the engine and includes the others:
 *
 *   realtime.h   the mark VC_REALTIME
 *   user_code.h  time, audio memory, and the block that the user's code gets
 *   native.h     native callbacks, and the slot in which they can be exchanged
 *   transfer.h   rings, queues and mailboxes between threads
 *   history.h    the newest frames of a stream for other threads
 *   mixer.h      clips at exact frames
 *   recorder.h   the input of each block into a ring
 *   player.h     frames that a program writes in pieces
 *   playrec.h    a sound and the input of the same blocks on one time line
 *   voices.h     clips at exact frames or host times, in groups
 *   samples.h    copies, silences, cleans and mixes samples
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
 *   Each function says which threads may call it. `[IO]`: the IO thread. The function is real-time
 *   safe: no lock, no allocation, no system call, bounded time. `[control]`: any other thread, one
 *   at a time for each object unless stated otherwise. `[any]`: all threads, also at the same time.
 *
 * Errors
 *   Only constructors can fail. They return NULL if memory is exhausted. The control plane has
 *   validated the arguments (docs/decisions/0004-validate-once.md lists which), and debug builds
 *   assert them.
 */
#ifndef VOICECOIL_H
#define VOICECOIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "history.h"
#include "mixer.h"
#include "native.h"
#include "player.h"
#include "playrec.h"
#include "realtime.h"
#include "recorder.h"
#include "samples.h"
#include "transfer.h"
#include "user_code.h"
#include "voices.h"

/* ---- the IO cycle ------------------------------------------------------------------------- */

/* What a driver gives to the engine. */
typedef struct vc_cycle {
    uint32_t frames;       /* frames to read and to write, at least 1 */
    uint32_t lost_frames;  /* frames that the driver knows to be lost since the last cycle. A driver
                            * with valid sample times leaves it at 0, because the engine finds the
                            * gaps */
    vc_audio input;        /* as many channels as the engine has */
    vc_audio output;       /* as many channels as the engine has. If the engine has only one
                            * channel, it is played on all channels of the cycle. The engine does
                            * not read the old samples */
    vc_time now;           /* when this cycle began */
    vc_time input_time;    /* when the first input frame was at the connector */
    vc_time output_time;   /* when the first output frame will be at the connector */
    int64_t called_ns;     /* when the audio system called the driver, if the driver has read the
                            * engine's clock. 0: the engine reads the clock itself */
    uint32_t drain_frames; /* output latency: frames between this cycle and the connector. After a
                            * stop, the stream is finished when this many frames have passed */
    uint32_t reserved;
} vc_cycle;

/* ---- the engine --------------------------------------------------------------------------- */

typedef struct vc_engine vc_engine;

enum {
    VC_ENGINE_ZERO_COPY = 1u, /* the block is the device's own memory if that memory is uniform and
                               * the block lies inside one cycle. Otherwise the block is a copy,
                               * which is counted */
    VC_ENGINE_PACKED = 2u,    /* with ZERO_COPY: copy unless the memory is interleaved and
                               * contiguous */
    VC_ENGINE_METER = 4u,     /* measure peak and mean square of each channel */
    VC_ENGINE_LEND = 8u       /* for code that keeps no pointers to a block: the block is the
                               * device's own memory if that is interleaved and contiguous. Copies
                               * are not counted */
};

typedef struct vc_engine_config {
    uint32_t input_channels;
    uint32_t output_channels;
    uint32_t block_frames;  /* frames per call of `process`; 0: as the device delivers */
    uint32_t period_frames; /* frames per cycle that the device promises; 0: they vary */
    uint32_t flags;         /* VC_ENGINE_* */
    double samplerate_hz;
    /* The stream's own block memory: vc_engine_max_block_frames * channels floats for each
     * direction. It must live as long as the engine. NULL: the engine allocates it. */
    float *input_block;
    float *output_block;
    /* The clock that measures the cycles, ns. NULL: vc_clock_ns. [IO] */
    int64_t (*clock_ns)(void *clock) VC_REALTIME;
    void *clock;
    vc_process_fn process;
    void (*leave)(void *user); /* called once on the IO thread after the last `process`, so that
                                * the code can drop what it keeps for that thread; may be NULL */
    void *user;
} vc_engine_config;

/* The state of a stream. The IO thread writes it while the device runs. */
typedef enum vc_state {
    VC_IDLE = 0,     /* not started; cycles play silence */
    VC_RUNNING = 1,  /* every cycle reaches the user's code */
    VC_DRAINING = 2, /* the user's code has ended, and its last frames have not been heard yet */
    VC_FINISHED = 3  /* all frames have been heard; cycles play silence */
} vc_state;

/* Why a stream left VC_RUNNING. */
typedef enum vc_reason {
    VC_REASON_NONE = 0,
    VC_REASON_STOP = 1,  /* vc_engine_stop */
    VC_REASON_ABORT = 2, /* vc_engine_abort */
    VC_REASON_END = 3,   /* the user's code returned VC_STOP */
    VC_REASON_ERROR = 4  /* the user's code returned a negative number */
} vc_reason;

/* Number of frames for which the stream's own block memory needs room with this configuration.
 * [any] */
uint32_t vc_engine_max_block_frames(const vc_engine_config *config) VC_REALTIME;
/* [control] */
vc_engine *vc_engine_new(const vc_engine_config *config);
/* NULL is allowed. Call it when no cycle runs or will run. [control] */
void vc_engine_free(vc_engine *engine);
/* Starts a run: from the next cycle on, the engine calls the user's code. If there was an earlier
 * run, sample times continue. They advance by the host time that passes at the connector between
 * the last frame of the earlier run and the first frame of this run. They never go back. The frames
 * of this pause do not count as lost. Call it before the device is started. [control] */
void vc_engine_start(vc_engine *engine);
/* Asks the stream to end after the current block. The IO thread handles the request in its next
 * cycle. In a state other than VC_RUNNING and VC_DRAINING the request has no effect. [any] */
void vc_engine_stop(vc_engine *engine) VC_REALTIME;
/* Fades the output out over `frames` frames, from the next cycle on, and ends the stream like
 * vc_engine_stop when the last of them has been played. The user's code is called as before until
 * then. After a later stop the code is not called again, and the rest of a block that spans cycles
 * is played with the fade. A later abort ends the stream at once. [any] */
void vc_engine_fade_out(vc_engine *engine, uint32_t frames) VC_REALTIME;
/* Asks the stream to end at once. The rest of the block is dropped, and nothing is drained. An
 * abort takes precedence over a stop. [any] */
void vc_engine_abort(vc_engine *engine) VC_REALTIME;
/* Ends a run whose device was stopped before a cycle handled the request to end. Call it when no
 * cycle runs or will run. [control] */
void vc_engine_end(vc_engine *engine);
/* [any] */
vc_state vc_engine_state(const vc_engine *engine) VC_REALTIME;
/* Why the stream ended. The value is valid once the state has left VC_RUNNING. [any] */
vc_reason vc_engine_reason(const vc_engine *engine) VC_REALTIME;
/* The negative number that the user's code returned, if the reason is VC_REASON_ERROR. [any] */
int32_t vc_engine_error(const vc_engine *engine) VC_REALTIME;

/* The device with which an engine continues after it has lost its own. */
typedef struct vc_move {
    /* For each channel of the engine, the channel of the new device's cycles. VC_NO_CHANNEL: input
     * is silence, and output is dropped. The maps are copied. */
    const uint32_t *input_map;
    const uint32_t *output_map;
    uint32_t input_channels; /* channels of the new device's cycles; 0 in a direction that the
                              * engine does not have */
    uint32_t output_channels;
    uint32_t output_places; /* entries of output_map if the engine's single output channel is played
                             * on several channels of the device; 0: one entry for each channel of
                             * the engine */
    uint32_t period_frames; /* as in vc_engine_config */
    int64_t (*clock_ns)(void *clock) VC_REALTIME;
    void *clock;
    double samplerate_hz; /* 0: the rate stays the same */
    double device_hz;     /* rate of the new device's cycles, if the engine keeps its own rate. If
                           * they differ, the cycles are converted (rate.h), and vary. 0: the
                           * device has the engine's rate */
    /* The code that continues, as in vc_engine_config. NULL: the code stays the same. */
    vc_process_fn process;
    void (*leave)(void *user);
    void *user;
} vc_move;

#define VC_NO_CHANNEL UINT32_MAX

/* Makes the engine continue with another device, or with the same device after it has come back.
 * If the rate changes, the engine must have no blocks of its own (block_frames is 0), and sample
 * times continue as frames of the new rate. If a block was only partly exchanged, it is continued.
 * If each cycle was one block, blocks keep their length. Sample times advance by the host time
 * between the last frame at the old connector and the first frame at the new one. They never go
 * back. The frames of this gap are counted as lost in the first cycle, but only if both devices
 * give sample times. The new device brings its input, until vc_engine_set_input is called again.
 * Returns false if memory is exhausted; then nothing has changed. Call it when no cycle runs,
 * before the device is started. [control] */
bool vc_engine_move(vc_engine *engine, const vc_move *move);

/* Adds input to a cycle of a device that has only output: it sets `input`, which has as many
 * channels as the device of the engine, and `input_time`, and adds lost frames. [IO] */
typedef void (*vc_input_fn)(void *argument, vc_cycle *cycle) VC_REALTIME;

/* Makes each cycle begin with a call of `fill`. NULL: the device brings the input itself. Call it
 * when no cycle runs. [control] */
void vc_engine_set_input(vc_engine *engine, vc_input_fn fill, void *argument);

/* Makes the IO thread write one direction of each cycle into a history. Returns false if the engine
 * has as many histories as it can have. The history must live until it was removed and is unused,
 * or until the engine is freed. [control] */
typedef enum vc_direction { VC_INPUT = 0, VC_OUTPUT = 1 } vc_direction;
bool vc_engine_add_history(vc_engine *engine, vc_history *history, vc_direction direction);
/* Removes a history. Returns a number for vc_engine_history_is_unused. [control] */
uint64_t vc_engine_remove_history(vc_engine *engine, const vc_history *history);
/* Whether the IO thread does not use a removed history any more. [control] */
bool vc_engine_history_is_unused(const vc_engine *engine, uint64_t removed);
/* A vc_process_fn that does nothing, for an engine that only has histories. [IO] */
int32_t vc_nothing_process(vc_block *block, void *user) VC_REALTIME;

/* Runs one IO cycle. Every frame of `cycle->output` is written. Returns how many frames, from the
 * first one on, are output of the user's code. The other frames are silence. [IO] */
uint32_t vc_cycle_run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* ---- counting ----------------------------------------------------------------------------- */

typedef struct vc_statistics {
    uint64_t cycles;            /* IO cycles while running */
    uint64_t blocks;            /* calls of the user's code */
    uint64_t frames;            /* frames handed to or taken from the user's code */
    uint64_t xruns;             /* times that frames were lost */
    uint64_t lost_frames;       /* all lost frames */
    uint64_t late_cycles;       /* cycles that took longer than the duration of their frames */
    uint64_t late_blocks;       /* gaps that began because the user's code was late by its lead */
    uint64_t nonfinite_samples; /* NaN or infinity from the user's code, played as silence */
    uint64_t copied_blocks;     /* blocks of a zero_copy stream that had to be copied */
    uint64_t lost_events;       /* events for which the queue had no room */
    uint64_t busy_ns;           /* time spent in cycles, total */
    uint64_t busy_max_ns;       /* longest cycle */
    double load;                /* busy time / time available, smoothed over about 50 cycles */
    vc_time last_output;        /* times of the newest cycle */
    vc_time last_input;
} vc_statistics;

/* Makes a consistent copy of the statistics. If the IO thread changes them meanwhile, the reader
 * tries again. The IO thread never waits. [any] */
void vc_engine_statistics(const vc_engine *engine, vc_statistics *out) VC_REALTIME;

/* Levels of each channel since the last call, output channels first, then input channels. They are
 * measured only with VC_ENGINE_METER. [control] */
typedef struct vc_level {
    float peak;        /* largest magnitude, linear */
    float mean_square; /* linear */
} vc_level;
void vc_engine_levels(vc_engine *engine, vc_level *levels, uint32_t count);

/* Frames since the run began, if its input has given nothing but exact zeros until now. Otherwise
 * 0. After the first sample that is not zero, this costs one branch in each cycle. [any] */
uint64_t vc_engine_zero_frames(const vc_engine *engine) VC_REALTIME;

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
    int64_t waited_ns; /* of VC_EVENT_LATE: the part of `value` in which the user's code waited for
                        * a lock */
} vc_event;

/* Takes the oldest event. Returns false if there is none. [control] */
bool vc_engine_event(vc_engine *engine, vc_event *out);
/* The number of events that were not taken yet. [any] */
uint32_t vc_engine_events_waiting(const vc_engine *engine) VC_REALTIME;

/* Copies up to `count` of the newest xruns, oldest first. Returns how many it copied. The engine
 * keeps the newest VC_XRUNS xruns, also after they were copied. [any] */
enum { VC_XRUNS = 1000 };
uint32_t vc_engine_xruns(const vc_engine *engine, vc_event *out, uint32_t count) VC_REALTIME;

/* Histograms of durations. Below 8 ns, each nanosecond has a bucket. Above, each octave has 8
 * buckets. */
enum { VC_HISTOGRAM_BUCKETS = 304 };
typedef enum vc_timing {
    VC_TIMING_MARGIN = 0, /* the part of a cycle's duration that was left when the cycle ended; 0:
                           * it was late */
    VC_TIMING_JITTER = 1  /* how much earlier or later than expected a cycle began */
} vc_timing;
/* Copies one of the histograms to `counts`, which has VC_HISTOGRAM_BUCKETS. [any] */
void vc_engine_timing(const vc_engine *engine, vc_timing which, uint64_t *counts) VC_REALTIME;

/* For tests: sets functions that are called when the IO thread enters and leaves code that must be
 * real-time safe. NULL: nothing is called. Call it before any cycle runs. [control] */
void vc_cycle_set_trap(void (*enter)(void) VC_REALTIME, void (*leave)(void) VC_REALTIME);

#ifdef __cplusplus
}
#endif
#endif
