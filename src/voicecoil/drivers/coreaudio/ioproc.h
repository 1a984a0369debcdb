/* ioproc.h - the function that CoreAudio calls on its IO thread.
 *
 * One `vc_ioproc` is the client data of one AudioDeviceIOProcID. It maps the stream's channels to
 * the device's AudioBuffers, converts the AudioTimeStamps to host ns and frames, and runs the
 * engine's cycle. Its configuration is fixed before the device starts, except the latencies.
 *
 * Life cycle: new -> AudioDeviceCreateIOProcID -> AudioDeviceStart -> vc_port_detach ->
 * AudioDeviceStop -> AudioDeviceDestroyIOProcID -> free, when CoreAudio cannot call it any more.
 * After the detach, the IOProc plays silence. So it does not matter whether AudioDeviceStop waits
 * for the IOProc, about which sources disagree.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_COREAUDIO_IOPROC_H
#define VOICECOIL_COREAUDIO_IOPROC_H

#include "coreaudio_abi.h"
#include "pcm.h"
#include "port.h"
#include "voicecoil.h"

/* Host time: ns = ticks * numerator / denominator. 125/3 on Apple silicon, 1/1 on Intel. */
typedef struct vc_timebase {
    uint32_t numerator;
    uint32_t denominator;
} vc_timebase;

/* The place of one channel of the stream: the index of the AudioBuffer, and the channel in it. */
typedef struct vc_ioproc_channel {
    uint32_t buffer;
    uint32_t channel;
} vc_ioproc_channel;

/* The samples of an AudioBuffer. */
typedef enum vc_ioproc_kind {
    VC_SAMPLES_FLOAT32 = 0, /* the engine gets the device's memory */
    VC_SAMPLES_INTEGER = 1, /* converted, in memory of the IOProc, as `pcm` says */
    VC_SAMPLES_OTHER = 2    /* must not be mapped; silenced if it is output */
} vc_ioproc_kind;
typedef struct vc_ioproc_buffer {
    vc_ioproc_kind kind;
    vc_pcm pcm;
    uint32_t channels;
} vc_ioproc_buffer;

typedef struct vc_ioproc_direction {
    const vc_ioproc_channel *map; /* one entry for each channel of the engine; copied */
    uint32_t channels;
    uint32_t latency_frames;         /* latency of device and stream, between the time stamp and the
                                      * connector */
    const vc_ioproc_buffer *buffers; /* copied; the device's other AudioBuffers are float32 */
    uint32_t buffer_count;
} vc_ioproc_direction;

/* The virtual format of an AudioStream, which may change; see vc_watched_new in listener.h. */
typedef struct vc_watched {
    _Atomic bool differs; /* it is not `expected` now */
    AudioStreamBasicDescription expected;
    _Atomic uint32_t object;
    uint32_t users, ticket;
    AudioObjectGetPropertyData_fn get;
} vc_watched;

typedef struct vc_ioproc_config {
    vc_cycle_run_fn run;
    vc_engine *engine;
    vc_ioproc_direction input;
    vc_ioproc_direction output;
    uint32_t drain_frames; /* output latency: frames between a cycle and the connector */
    vc_timebase timebase;
    double samplerate_hz;
    uint32_t room_frames; /* the longest cycle, if a mapped AudioBuffer has integers. Of a longer
                           * one, only these frames are used. */
    /* While one of these formats differs, the IOProc plays silence and records nothing, because
     * integers that are taken for floats are loud noise. Copied; they must exist as long as the
     * IOProc. */
    vc_watched *const *watched;
    uint32_t watched_count;
} vc_ioproc_config;

typedef struct vc_ioproc vc_ioproc;

/* Counts of an IOProc. They are read one by one and are consistent only if no cycle runs. */
typedef struct vc_ioproc_counts {
    uint64_t cycles;        /* calls that reached the engine */
    uint64_t silent_cycles; /* calls after detach, or in another format */
    uint64_t empty_cycles;  /* calls whose buffers had no frames */
    int64_t first_host_ns;  /* host time of the first call; 0: none yet */
    int64_t last_host_ns;   /* host time of the newest call */
    int64_t content_first;  /* output sample time of the first frame that the user's code made */
    int64_t content_end;    /* output sample time after the last such frame; INT64_MIN: none */
    uint32_t oddities;      /* VC_ODD_* flags of unusual things that happened */
} vc_ioproc_counts;

enum {
    VC_ODD_LAYOUT = 1u,    /* a mapped channel had no memory */
    VC_ODD_HOST_TIME = 2u, /* a host time was missing or impossible, and was computed instead */
};

/* Returns NULL if memory is exhausted. [control] */
vc_ioproc *vc_ioproc_new(const vc_ioproc_config *config);
/* Call it when CoreAudio cannot call the IOProc any more. [control] */
void vc_ioproc_free(vc_ioproc *ioproc);
/* The port, to which the engine is attached from the beginning. [any] */
vc_port *vc_ioproc_port(vc_ioproc *ioproc) VC_REALTIME;
/* Sets the latencies of later cycles, as in vc_ioproc_config. [control] */
void vc_ioproc_set_latencies(vc_ioproc *ioproc, uint32_t input_frames, uint32_t output_frames,
                             uint32_t drain_frames);
/* [any] */
void vc_ioproc_count(const vc_ioproc *ioproc, vc_ioproc_counts *out) VC_REALTIME;

/* The AudioDeviceIOProc; `client_data` is a vc_ioproc. [IO] */
OSStatus vc_ioproc_run(AudioObjectID device, const AudioTimeStamp *now,
                       const AudioBufferList *input, const AudioTimeStamp *input_time,
                       AudioBufferList *output, const AudioTimeStamp *output_time,
                       void *client_data) VC_REALTIME;

/* Converts ticks of host time to ns, exactly and without overflow for 292 years. [any] */
int64_t vc_ticks_to_ns(vc_timebase timebase, uint64_t ticks) VC_REALTIME;
/* Converts ns to ticks, rounded up so that a wait does not end early. [any] */
uint64_t vc_ns_to_ticks(vc_timebase timebase, int64_t ns) VC_REALTIME;

/* A clock for vc_engine_config: `clock` is a vc_host_clock. [any] */
typedef struct vc_host_clock {
    mach_absolute_time_fn ticks;
    vc_timebase timebase;
} vc_host_clock;
int64_t vc_host_clock_ns(void *clock) VC_REALTIME;

#endif
