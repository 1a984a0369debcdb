/* playrec.h - plays a sound and records the input on one time line.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_PLAYREC_H
#define VOICECOIL_PLAYREC_H

#include "user_code.h"

#include <stdbool.h>

/* Plays a sound and writes the input of the same blocks to memory, in a duplex stream. Frame n of
 * the sound belongs to the output n frames after the first one. The same is true for the recorded
 * frames and the input. Lost frames are left out of the sound, and are silence in the recording, so
 * that all later frames keep their time. */
typedef struct vc_playrec vc_playrec;

typedef struct vc_playrec_config {
    const float *sound; /* sound_frames * output_channels, interleaved */
    uint64_t sound_frames;
    float *recorded; /* recorded_frames * input_channels, interleaved; filled with silence */
    uint64_t recorded_frames;
    /* The stream ends when the frames that were at the input while the sound was at the output are
     * recorded, and this many frames more. */
    uint64_t margin_frames;
    uint64_t round_trip_frames; /* between input and output of a cycle; used if the sample times of
                                 * the first cycle do not give it */
    uint64_t zero_frame;        /* the frame of the sound whose host time is reported */
    uint32_t output_channels;
    uint32_t input_channels;
} vc_playrec_config;

/* The memory must live as long as the object. [control] */
vc_playrec *vc_playrec_new(const vc_playrec_config *config);
/* NULL is allowed. [control] */
void vc_playrec_free(vc_playrec *playrec);

/* Frames that were lost in one direction. */
typedef struct vc_playrec_loss {
    uint64_t position; /* frame of the recording or of the sound */
    uint64_t frames;
    uint32_t is_output;
    uint32_t reserved;
} vc_playrec_loss;

/* Takes the oldest loss. Returns false if there is none. Losses for which the queue had
 * no room are not returned, but they are counted below. [control] */
bool vc_playrec_take_loss(vc_playrec *playrec, vc_playrec_loss *loss);

typedef struct vc_playrec_state {
    uint64_t played;      /* frames of the output so far, including lost frames */
    uint64_t recorded;    /* frames of the input so far, including lost frames, at most
                           * recorded_frames */
    uint64_t lost_output; /* of the sound */
    uint64_t lost_input;
    int64_t round_trip_frames; /* from the sample times of the first cycle: sample time of the
                                * output minus that of the input */
    bool round_trip_known;
    bool zero_known;
    int64_t zero_ns;  /* host time at which `zero_frame` was at the output connector, ns */
    bool times_known; /* false: the device gives no host times, and apart_ns is 0 */
    double apart_ns;  /* mean over all cycles: host time of the first output frame minus that of
                       * the first input frame */
} vc_playrec_state;

/* The fields may be of different cycles while the stream runs. [any] */
void vc_playrec_read(const vc_playrec *playrec, vc_playrec_state *state) VC_REALTIME;

/* As a vc_process_fn; `user` is the vc_playrec*. [IO] */
int32_t vc_playrec_process(vc_block *block, void *user) VC_REALTIME;

#endif
