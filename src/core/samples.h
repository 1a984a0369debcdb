/* samples.h - copies, silences, cleans and mixes samples.
 *
 * voicecoil.h explains the words and the marks for threads. */
#ifndef VOICECOIL_SAMPLES_H
#define VOICECOIL_SAMPLES_H

#include "user_code.h"

/* Copies `frames` frames between any two layouts, from frame `from_offset` of `from` to frame
 * `to_offset` of `to`. If the numbers of channels differ, only the smaller number is copied. A
 * channel without memory reads as silence, and samples written to it are dropped. [IO] */
void vc_audio_copy(const vc_audio *to, uint32_t to_offset, const vc_audio *from,
                   uint32_t from_offset, uint32_t frames) VC_REALTIME;
/* Silences `frames` frames from frame `offset` on. [IO] */
void vc_audio_silence(const vc_audio *to, uint32_t offset, uint32_t frames) VC_REALTIME;
/* Replaces NaN and infinity by 0. Returns the number of replaced samples. [IO] */
uint32_t vc_audio_scrub(const vc_audio *audio, uint32_t frames) VC_REALTIME;
/* Multiplies the samples of `from` by a gain and adds them to `to`. Both have frames * channels
 * samples. The gain begins at `gain` and changes by `step` with each frame. With gain 1 and step 0,
 * adding to silence copies the samples exactly. [IO] */
void vc_mix_add(float *to, const float *from, uint32_t frames, uint32_t channels, float gain,
                float step) VC_REALTIME;

#endif
