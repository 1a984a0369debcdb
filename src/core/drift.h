/* drift.h - the input of a stream whose input and output are two devices with two clocks.
 *
 * The input device has an engine of its own, whose code (vc_drift_process) writes the frames and
 * their times into a ring. The output device calls the stream's engine. At the beginning of each of
 * its cycles, vc_drift_fill reads the ring through a resampler and adds the frames to the cycle as
 * its input. From there on the cycle is that of a device with both directions.
 *
 * The frame that belongs to an output frame is found by time, not by the fill of the ring: it is
 * the one that was at the input's connector a constant delay before the output frame is at the
 * output's connector. Both times are lines through the times that the devices report
 * (clock_line.h). A first-order loop leads the reading position to the frame that the lines give,
 * so that noise of the times does not become noise of the sound.
 *
 * Losses. If the input device loses frames, they become silence of the same length, and the delay
 * stays the same. The sound is faded out before the silence and in after it (splice.h). If frames
 * come too late, silence is read, and the delay grows once by as much as they were late. All of
 * them, and jumps of a clock, are lost frames of the cycle. If the output device loses frames, the
 * same number of input frames is skipped.
 *
 * Threads: as in voicecoil.h. [input]: the IO thread of the input device. [output]: that of the
 * output device. */
#ifndef VOICECOIL_DRIFT_H
#define VOICECOIL_DRIFT_H

#include "voicecoil.h"

typedef struct vc_drift vc_drift;

typedef struct vc_drift_config {
    uint32_t channels;
    double input_rate_hz; /* nominal; input rate / output rate is at most VC_RESAMPLER_MAX_RATIO */
    double output_rate_hz;
    uint32_t input_period_frames;  /* the longest cycle of the input, in its own frames */
    uint32_t output_period_frames; /* the longest cycle of the output */
    uint32_t delay_frames;         /* output frames between the two connectors */
} vc_drift_config;

/* The part of the delay that is needed in addition to the latencies of the devices and their
 * buffers: output frames that are read ahead, with a margin for cycles that come late. [any] */
uint32_t vc_drift_extra_frames(const vc_drift_config *config) VC_REALTIME;
/* Returns NULL if memory is exhausted. [control] */
vc_drift *vc_drift_new(const vc_drift_config *config);
/* NULL is allowed. Call it when neither device runs. [control] */
void vc_drift_free(vc_drift *drift);
/* Begins a new run. Call it when neither device runs. [control] */
void vc_drift_start(vc_drift *drift);
/* The delay between the two connectors, output frames. It grows if frames came too late. [any] */
uint32_t vc_drift_delay_frames(const vc_drift *drift) VC_REALTIME;

/* The code of the input's engine; `drift` is the vc_drift*. [input] */
int32_t vc_drift_process(vc_block *block, void *drift) VC_REALTIME;
/* A vc_input_fn: adds input to a cycle of the output device; `drift` is the vc_drift*. [output] */
void vc_drift_fill(void *drift, vc_cycle *cycle) VC_REALTIME;

#endif
