/* history.h - the newest frames of a stream, which other threads may read while it runs.
 *
 * A history belongs to one direction of one engine. In each IO cycle, the engine writes the frames
 * of the cycle into each of its histories. A history overwrites its oldest frames, so the IO thread
 * never waits for a reader, and a reader can go back as far as the memory reaches.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_HISTORY_H
#define VOICECOIL_HISTORY_H

#include "mixer.h"
#include "user_code.h"

#include <stdbool.h>

typedef struct vc_history vc_history;

/* The times of one frame. Frames after it continue its times, up to the next stamp. */
typedef struct vc_stamp {
    uint64_t position;     /* frames that were written to the history before this frame */
    uint64_t lost_frames;  /* frames that were lost before this frame, since the first frame */
    int64_t host_ns;       /* host time */
    int64_t sample_frames; /* the stream's sample time */
    int64_t device_frames; /* the device's sample time, which begins anew on another device */
    double samplerate_hz;  /* of this frame and those after it */
    uint64_t valid;        /* VC_TIME_HOST | VC_TIME_SAMPLE */
} vc_stamp;

/* `map` has the channel of the cycles for each of the `channels` of the history, and is copied. A
 * channel that the cycles do not have is silent. Returns NULL if memory is exhausted. [control] */
vc_history *vc_history_new(uint32_t frames, const uint32_t *map, uint32_t channels);
void vc_history_free(vc_history *history);
/* A history with a limit ends before the frame with which more than `frames` frames would not have
 * been released. With `wait`, the IO thread waits for the release first, for a limited time. This
 * is only for devices whose clock is not real. `ends` false: it only waits. Call it before an
 * engine has the history. [control] */
void vc_history_limit(vc_history *history, uint32_t frames, bool ends, vc_wait_fn wait);
/* Frames that a reader can go back. [any] */
uint32_t vc_history_capacity(const vc_history *history) VC_REALTIME;
uint32_t vc_history_channels(const vc_history *history) VC_REALTIME;
/* Frames that were written so far. [any] */
uint64_t vc_history_written(const vc_history *history) VC_REALTIME;
/* Whether the history has ended because of its limit. [any] */
bool vc_history_ended(const vc_history *history) VC_REALTIME;
/* Tells that all frames before `position` have been read. Only one thread may call it. [control] */
void vc_history_release(vc_history *history, uint64_t position) VC_REALTIME;
/* Copies `frames` frames from `position` on, which must have been written. Returns the position of
 * the oldest frame that had certainly not been overwritten. Frames before it are not usable. [any]
 */
uint64_t vc_history_copy(const vc_history *history, uint64_t position, float *out,
                         uint32_t frames) VC_REALTIME;
/* Number of stamps so far. A stamp is there before `written` counts its frame. [any] */
uint64_t vc_history_stamps(const vc_history *history) VC_REALTIME;
/* Reads the stamp with that number, from 0 on. Returns false if it was overwritten. [any] */
bool vc_history_stamp(const vc_history *history, uint64_t number, vc_stamp *out) VC_REALTIME;
/* Writes the first `frames` frames of `audio`. `stamp` describes the first of them, without its
 * position, and with all frames that the stream has lost so far. [producer] */
void vc_history_write(vc_history *history, const vc_audio *audio, uint32_t frames,
                      const vc_stamp *stamp) VC_REALTIME;

#endif
