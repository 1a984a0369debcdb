/* ioproc.h - the function that CoreAudio calls on its IO thread.
 *
 * One `vc_ioproc` is the client data of one AudioDeviceIOProcID. It knows how the stream's channels
 * lie in the device's AudioBuffers, turns the AudioTimeStamps into host ns and frames, and runs the
 * engine's cycle. Everything that it needs is decided before the device starts.
 *
 * Life: new -> AudioDeviceCreateIOProcID -> AudioDeviceStart -> detach, and wait until it is not
 * `inside` -> AudioDeviceStop -> AudioDeviceDestroyIOProcID -> free, when nobody can call any more.
 * After detach it plays silence: that no cycle of the engine runs or will run is this file's
 * promise, whatever CoreAudio does with the IOProc (sources disagree whether AudioDeviceStop
 * waits).
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_COREAUDIO_IOPROC_H
#define VOICECOIL_COREAUDIO_IOPROC_H

#include "coreaudio_abi.h"
#include "voicecoil.h"

/* vc_cycle_run: another extension module has it, so its address is handed over. */
typedef uint32_t (*vc_cycle_run_fn)(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* Host time: ns = ticks * numerator / denominator. 125/3 on Apple silicon, 1/1 on Intel. */
typedef struct vc_timebase {
    uint32_t numerator;
    uint32_t denominator;
} vc_timebase;

/* Where one channel of the stream is: which AudioBuffer, and which channel in it. */
typedef struct vc_ioproc_channel {
    uint32_t buffer;
    uint32_t channel;
} vc_ioproc_channel;

typedef struct vc_ioproc_direction {
    const vc_ioproc_channel *map; /* one for each channel of the engine; copied */
    uint32_t channels;
    uint32_t latency_frames; /* device and stream: between the time stamp and the connector */
} vc_ioproc_direction;

typedef struct vc_ioproc_config {
    vc_cycle_run_fn run;
    vc_engine *engine;
    vc_ioproc_direction input;
    vc_ioproc_direction output;
    uint32_t drain_frames; /* between a cycle and the ear */
    vc_timebase timebase;
    double samplerate_hz;
} vc_ioproc_config;

typedef struct vc_ioproc vc_ioproc;

/* What it saw. Read one by one: they belong together only when no cycle runs. */
typedef struct vc_ioproc_counts {
    uint64_t cycles;        /* calls that reached the engine */
    uint64_t silent_cycles; /* calls after detach */
    uint64_t empty_cycles;  /* calls whose buffers had no frames, or too many */
    int64_t first_host_ns;  /* of the first call; 0: none yet */
    int64_t last_host_ns;   /* of the newest call */
    int64_t content_first;  /* output sample time of the first frame that the user's code made, */
    int64_t content_end;    /* and behind the last one; INT64_MIN: none */
    uint32_t oddities;      /* VC_ODD_* that happened */
} vc_ioproc_counts;

enum {
    VC_ODD_LAYOUT = 1u,    /* a mapped channel had no memory */
    VC_ODD_HOST_TIME = 2u, /* a host time was missing or impossible, and was derived */
};

/* NULL: no memory. [control] */
vc_ioproc *vc_ioproc_new(const vc_ioproc_config *config);
/* [control], when CoreAudio cannot call it any more. */
void vc_ioproc_free(vc_ioproc *ioproc);
/* From the next cycle on the engine is not called. [control] */
void vc_ioproc_detach(vc_ioproc *ioproc);
/* Takes a detach back. [control] */
void vc_ioproc_attach(vc_ioproc *ioproc, vc_engine *engine);
/* After a detach: odd, and as before, as long as a cycle may still have the engine. [any] */
uint64_t vc_ioproc_turn(const vc_ioproc *ioproc) VC_REALTIME;
/* [any] */
void vc_ioproc_count(const vc_ioproc *ioproc, vc_ioproc_counts *out) VC_REALTIME;

/* The AudioDeviceIOProc; `client_data` is a vc_ioproc. [IO] */
OSStatus vc_ioproc_run(AudioObjectID device, const AudioTimeStamp *now,
                       const AudioBufferList *input, const AudioTimeStamp *input_time,
                       AudioBufferList *output, const AudioTimeStamp *output_time,
                       void *client_data) VC_REALTIME;

/* Ticks of host time in ns, exact, without overflow for 292 years. [any] */
int64_t vc_ticks_to_ns(vc_timebase timebase, uint64_t ticks) VC_REALTIME;
/* The other way, rounded up: a wait for it does not end early. [any] */
uint64_t vc_ns_to_ticks(vc_timebase timebase, int64_t ns) VC_REALTIME;

/* A clock for vc_engine_config: `clock` is a vc_host_clock. [any] */
typedef struct vc_host_clock {
    mach_absolute_time_fn ticks;
    vc_timebase timebase;
} vc_host_clock;
int64_t vc_host_clock_ns(void *clock) VC_REALTIME;

#endif
