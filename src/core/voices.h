/* voices.h - plays clips at exact frames or host times, at any rate, in groups.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_VOICES_H
#define VOICECOIL_VOICES_H

#include "native.h"
#include "user_code.h"
#include "when.h"

#include <stdbool.h>

/* A voice plays a clip once. The control thread makes it and keeps the memory of the clip alive.
 * The IO thread plays it, and returns the pointer when it has ended. Then the control thread frees
 * it. */
typedef struct vc_voice vc_voice;
/* All voices of a device: those that wait for their time, and those that sound. */
typedef struct vc_voices vc_voices;

typedef enum vc_voice_state {
    VC_VOICE_WAITS = 0,  /* no frame of it was mixed so far */
    VC_VOICE_SOUNDS = 1, /* at least one frame was mixed */
    VC_VOICE_DONE = 2,   /* it ended or was stopped, and was returned */
    VC_VOICE_LATE = 3    /* its time had passed, so it was not played, and was returned */
} vc_voice_state;

typedef struct vc_voice_config {
    const float *data; /* interleaved frames */
    uint64_t frames;   /* below 2^48 */
    uint32_t channels; /* as many as the mixer has, or 1, which is played on all channels */
    uint32_t group;    /* a number that vc_voices_group has returned; 0: no group */
    uint64_t start;    /* the first frame that is played */
    /* The frames from `loop_begin` to `loop_end` (exclusive) are played `loops` times (0: for
     * ever). Then the clip goes on to its end. */
    uint64_t loop_begin, loop_end, loops;
    uint32_t fade_in_frames;
    uint32_t fade_out_frames; /* at the natural end, in frames of the clip */
    uint32_t ramp_frames;     /* each of the two fades of a jump */
    vc_when when;
    int64_t at;
    bool skips_late;         /* the voice is not played if it is late by VC_SKIPPED_NS or more */
    float gain, left, right; /* `left` and `right` apply to the first two channels */
    double rate;             /* frames of the clip for each frame of the device, above 0 */
} vc_voice_config;

/* Returns NULL if memory is exhausted. [control] */
vc_voice *vc_voice_new(const vc_voice_config *config);
/* Call it before a vc_voices has the voice, or after it was returned. [control] */
void vc_voice_free(vc_voice *voice);

/* The following requests take effect at the beginning of the next block. Only the newest request of
 * each kind counts. [any], but one thread at a time for each voice. */
void vc_voice_set_gain(vc_voice *voice, float gain, uint32_t ramp_frames) VC_REALTIME;
void vc_voice_set_pan(vc_voice *voice, float pan, uint32_t ramp_frames) VC_REALTIME;
void vc_voice_set_rate(vc_voice *voice, double rate, uint32_t ramp_frames) VC_REALTIME;
/* Fades out and pauses, or continues and fades in. */
void vc_voice_pause(vc_voice *voice, bool pause, uint32_t fade_frames) VC_REALTIME;
/* Fades out, goes to a frame of the clip, and fades in. */
void vc_voice_seek(vc_voice *voice, uint64_t frame) VC_REALTIME;

#define VC_NOT_STARTED INT64_MIN
/* The facts about a voice that other threads can read. The fields may be of different blocks, but
 * all fields below `state` are valid as soon as the state says so. */
typedef struct vc_voice_facts {
    uint64_t position; /* the next frame of the clip that is mixed */
    vc_voice_state state;
    int64_t started_frame; /* of the time line of the voices */
    int64_t started_ns;    /* host time at which the first frame is at the connector, or
                            * VC_NOT_STARTED */
    int64_t ended_ns;      /* host time at which the last frame has been at the connector */
    int64_t late_ns;       /* how late the voice was */
} vc_voice_facts;
/* [any] */
void vc_voice_look(const vc_voice *voice, vc_voice_facts *facts) VC_REALTIME;
/* The frame of the clip that is at the connector at a host time, ns. [any] */
uint64_t vc_voice_heard(const vc_voice *voice, int64_t host_ns) VC_REALTIME;

enum { VC_GROUPS = 64, VC_GROUP_FRAMES = 512 }; /* most frames that an effect gets in one call */

/* `capacity` is the number of voices that can be alive at the same time. Returns NULL if memory is
 * exhausted. [control] */
vc_voices *vc_voices_new(uint32_t channels, uint32_t capacity, float gain);
/* Does not free voices. Call it when no cycle runs. [control] */
void vc_voices_free(vc_voices *voices);
/* Makes a group, which lives as long as the voices. The effect gets the sum of its voices as input,
 * and its output is heard in place of it; NULL: no effect. It is called for all blocks. Returns its
 * number, or 0 if there are VC_GROUPS groups or memory is exhausted. [control] */
uint32_t vc_voices_group(vc_voices *voices, float gain, const vc_native *effect);
/* Moves the gain of a group along a straight line; of group 0: the gain of everything. [control] */
void vc_voices_group_gain(vc_voices *voices, uint32_t group, float gain, uint32_t ramp_frames);
/* Fades a group out and holds its voices, or lets them go on and fades in; of group 0: everything.
 * A fade-out ends with a block, so that no frame is lost. Voices that are scheduled begin later by
 * the duration of the pause. While group 0 is held, the time line of the voices stands still and no
 * effect is called. The effect of another group is called further on. Only the newest request
 * counts, from the next block on. [any] */
void vc_voices_group_pause(vc_voices *voices, uint32_t group, bool pause,
                           uint32_t fade_frames) VC_REALTIME;
/* The negative number that the effect of a group returned last, otherwise 0. After an error the
 * group is heard without its effect. [any] */
int32_t vc_voices_group_error(const vc_voices *voices, uint32_t group) VC_REALTIME;
/* Gives a voice to the IO thread. Returns false if `capacity` voices are alive. [control] */
bool vc_voices_add(vc_voices *voices, vc_voice *voice);
/* Fades a voice out over `fade_frames` frames and ends it. A second call can make the fade shorter,
 * but not longer. A voice that has not begun ends at once. [control] */
void vc_voices_stop(vc_voices *voices, vc_voice *voice, uint32_t fade_frames);
/* Takes one voice that has ended, or returns NULL. [control] */
vc_voice *vc_voices_collect(vc_voices *voices);
/* Frames mixed since the start. This is the time line of the voices. [any] */
uint64_t vc_voices_frames(const vc_voices *voices) VC_REALTIME;
/* Host time at which the frame of vc_voices_frames is at the connector; 0 before the first block.
 * [any] */
int64_t vc_voices_next_ns(const vc_voices *voices) VC_REALTIME;
/* The numbers of voices that wait for their time, with those that no block has seen yet, and that
 * sound or are paused as of the newest block. [any] */
void vc_voices_count(const vc_voices *voices, uint32_t *waiting, uint32_t *sounding) VC_REALTIME;
/* As a vc_process_fn; `user` is the vc_voices*. It needs interleaved blocks. [IO] */
int32_t vc_voices_process(vc_block *block, void *user) VC_REALTIME;

#endif
