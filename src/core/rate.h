/* rate.h - runs an engine in the cycles of a device that has another rate.
 *
 * An engine keeps its rate when it moves to such a device. Each cycle of the device is converted:
 * its input is resampled to the engine's rate, the engine runs a cycle of its own, and its output
 * is resampled to the device's rate. So every kind of user code continues, and all frames, times
 * and counts stay those of the engine's rate.
 *
 * Frame n of the engine is the device's frame n * (device's rate / engine's rate), in whole
 * numbers, for any duration. Each direction has a constant delay, because the resampler needs
 * frames before and after each position. The times of the cycles contain it. Frames that the device
 * has lost become a jump of the sample times at the frame of the engine that follows the loss.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_RATE_H
#define VOICECOIL_RATE_H

#include "voicecoil.h"

typedef struct vc_rate vc_rate;

typedef struct vc_rate_config {
    uint32_t input_channels; /* of the device's cycles */
    uint32_t output_channels;
    double device_hz;
    double engine_hz;
} vc_rate_config;

/* Frames, at the rate `from_hz`, by which a conversion to `to_hz` delays the sound. `from_hz` is at
 * most VC_RESAMPLER_MAX_RATIO times `to_hz`. [any] */
uint32_t vc_rate_delay_frames(double from_hz, double to_hz) VC_REALTIME;
/* Returns NULL if memory is exhausted. [control] */
vc_rate *vc_rate_new(const vc_rate_config *config);
/* NULL is allowed. Call it when no cycle runs. [control] */
void vc_rate_free(vc_rate *rate);
/* Begins a new run with silence. Call it when no cycle runs. [control] */
void vc_rate_begin(vc_rate *rate);
/* Runs one cycle of the device, like vc_cycle_run. [IO] */
uint32_t vc_rate_run(vc_rate *rate, vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

#endif
