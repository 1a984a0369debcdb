/* Voices: clips at exact frames and times, with their loops, rates, fades, jumps and groups, and
 * the threads all at once. */
#include "check.h"
#include "voice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32, LENGTH = 100 }; /* frames */
static const double NS_PER_FRAME = 1e9 / 48000.0;
static const int64_t BEGIN_NS = 5000000000; /* host time of frame 0 */

typedef struct rig {
    vc_voices *voices;
    uint32_t channels;
    int64_t frame;
    float data[LENGTH * 2];
    float out[BLOCK * 2];
} rig;

static int64_t time_ns(int64_t frame) {
    return BEGIN_NS + (int64_t)((double)frame * NS_PER_FRAME + 0.5);
}

static rig new_rig(uint32_t channels) {
    rig made = {.voices = vc_voices_new(channels, 64, 1.0f), .channels = channels};
    for (uint32_t f = 0; f < LENGTH; f++) {
        for (uint32_t c = 0; c < channels; c++) {
            made.data[f * channels + c] = code(f, c);
        }
    }
    return made;
}

static void end_rig(rig *rig) {
    vc_voice *voice;
    while ((voice = vc_voices_collect(rig->voices)) != NULL) {
        vc_voice_free(voice);
    }
    vc_voices_free(rig->voices);
}

static vc_voice_config config_of(const rig *rig) {
    return (vc_voice_config){.data = rig->data,
                             .frames = LENGTH,
                             .channels = rig->channels,
                             .loop_end = LENGTH,
                             .loops = 1,
                             .gain = 1.0f,
                             .left = 1.0f,
                             .right = 1.0f,
                             .rate = 1.0};
}

static vc_voice *add(rig *rig, const vc_voice_config *config) {
    vc_voice *voice = vc_voice_new(config);
    CHECK(vc_voices_add(rig->voices, voice));
    return voice;
}

static vc_voice *add_at(rig *rig, int64_t frame) {
    vc_voice_config config = config_of(rig);
    config.when = VC_WHEN_FRAME;
    config.at = frame;
    return add(rig, &config);
}

static const float *play_frames(rig *rig, uint32_t frames) {
    memset(rig->out, 0, sizeof rig->out);
    vc_block block = {.frames = frames,
                      .valid_frames = frames,
                      .samplerate_hz = 48000.0,
                      .output = {.data = rig->out,
                                 .frame_stride = (ptrdiff_t)rig->channels,
                                 .channel_stride = 1,
                                 .channels = rig->channels},
                      .output_time = {.host_ns = time_ns(rig->frame), .valid = VC_TIME_HOST}};
    CHECK_INT(vc_voices_process(&block, rig->voices), VC_CONTINUE);
    rig->frame += frames;
    return rig->out;
}

static const float *play(rig *rig) { return play_frames(rig, BLOCK); }

static vc_voice_facts facts_of(const vc_voice *voice) {
    vc_voice_facts facts;
    vc_voice_look(voice, &facts);
    return facts;
}

static void voices_begin_at_their_frame_or_host_time(void) {
    for (int by_host = 0; by_host < 2; by_host++) {
        for (int64_t at = 0; at < 70; at++) {
            rig rig = new_rig(2);
            vc_voice_config config = config_of(&rig);
            config.when = by_host ? VC_WHEN_HOST : VC_WHEN_FRAME;
            config.at = by_host ? time_ns(at) : at;
            vc_voice *voice = add(&rig, &config);
            float all[6 * BLOCK * 2];
            for (int i = 0; i < 6; i++) {
                memcpy(all + i * BLOCK * 2, play(&rig), sizeof rig.out);
            }
            for (int64_t f = 0; f < at * 2; f++) {
                CHECK_NEAR(all[f], 0, 0);
            }
            CHECK_CODED(all + at * 2, 2, LENGTH, 0);
            CHECK_NEAR(all[(at + LENGTH) * 2], 0, 0);
            CHECK_INT(facts_of(voice).state, VC_VOICE_DONE);
            CHECK_INT(facts_of(voice).started_frame, at);
            CHECK_NEAR(facts_of(voice).started_ns, time_ns(at), 1);
            CHECK_NEAR(facts_of(voice).ended_ns, time_ns(at + LENGTH), 1);
            CHECK_INT(facts_of(voice).late_ns, 0);
            end_rig(&rig);
        }
    }
}

static void a_voice_whose_time_has_passed_says_how_late_it_is(void) {
    rig rig = new_rig(1);
    play(&rig);
    vc_voice *late = add_at(&rig, 2);
    CHECK_CODED(play(&rig), 1, BLOCK, 0);
    CHECK_NEAR(facts_of(late).late_ns, 30 * NS_PER_FRAME, 1);
    vc_voice_config config = config_of(&rig);
    config.when = VC_WHEN_HOST;
    config.at = time_ns(rig.frame) - 1000000;
    config.skips_late = true;
    vc_voice *skipped = add(&rig, &config);
    CHECK_CODED(play(&rig), 1, BLOCK, BLOCK);
    CHECK_INT(facts_of(skipped).state, VC_VOICE_LATE);
    CHECK_NEAR(facts_of(skipped).late_ns, 1000000, 1);
    config.when = VC_WHEN_FRAME;
    config.at = -(INT64_C(1) << 62); /* before the fix, this was not late */
    vc_voice *latest = add(&rig, &config);
    CHECK_CODED(play(&rig), 1, BLOCK, 2 * BLOCK);
    CHECK_INT(facts_of(latest).state, VC_VOICE_LATE);
    CHECK(facts_of(latest).late_ns > INT64_C(1) << 62);
    vc_voices_stop(rig.voices, late, 0);
    play(&rig);
    end_rig(&rig);
}

static void a_loop_repeats_its_frames_and_then_goes_on(void) {
    rig rig = new_rig(1);
    vc_voice_config config = config_of(&rig);
    config.loop_begin = 10;
    config.loop_end = 15;
    config.loops = 3;
    config.start = 5;
    config.frames = 20;
    vc_voice *voice = add(&rig, &config);
    const float *out = play(&rig);
    CHECK_CODED(out, 1, 10, 5);
    CHECK_CODED(out + 10, 1, 5, 10);
    CHECK_CODED(out + 15, 1, 10, 10);
    CHECK_NEAR(out[25], 0, 0);
    CHECK_INT(facts_of(voice).state, VC_VOICE_DONE);
    end_rig(&rig);
}

static void rates_interpolate_and_step(void) {
    rig rig = new_rig(1);
    vc_voice_config config = config_of(&rig);
    config.rate = 0.5;
    config.frames = 15;
    config.loop_end = 10;
    config.loops = 1;
    vc_voice *half = add(&rig, &config);
    const float *out = play(&rig);
    for (int f = 2; f < 26; f++) { /* a cubic through points of a line is this line */
        CHECK_NEAR(out[f], 1.0 + 16.0 * 0.5 * f, 0.001);
    }
    CHECK_NEAR(out[30], 0, 0);
    CHECK_INT(facts_of(half).state, VC_VOICE_DONE);
    config = config_of(&rig);
    config.rate = 2.0;
    vc_voice *doubled = add(&rig, &config);
    out = play(&rig);
    for (int f = 0; f < BLOCK; f++) {
        CHECK_NEAR(out[f], code(2 * f, 0), 0);
    }
    vc_voice_set_rate(doubled, 1.0, 0);
    CHECK_CODED(play(&rig), 1, BLOCK, 64);
    play(&rig);
    end_rig(&rig);
}

static void gains_pauses_jumps_and_stops_are_faded(void) {
    rig rig = new_rig(2);
    vc_voice_config config = config_of(&rig);
    config.loops = 0;
    config.ramp_frames = 4;
    vc_voice *voice = add(&rig, &config);
    play(&rig);
    vc_voice_pause(voice, true, 8);
    const float *out = play(&rig);
    for (int f = 0; f < 8; f++) {
        CHECK_NEAR(out[2 * f], code(32 + f, 0) * (1.0 - f / 8.0), 0.001);
    }
    CHECK_NEAR(out[16], 0, 0);
    vc_voice_seek(voice, 70);
    vc_voice_pause(voice, false, 0);
    out = play(&rig); /* the jump fades in, although the pause does not */
    CHECK_NEAR(out[2 * 3], code(73, 0) * 0.75, 0.001);
    CHECK_CODED(out + 2 * 4, 2, 26, 74);
    CHECK_INT(facts_of(voice).position, 2);
    vc_voice_seek(voice, 50);
    out = play(&rig);
    CHECK_NEAR(out[2], code(3, 0) * 0.75, 0.001);
    CHECK_NEAR(out[8], 0, 0);
    CHECK_NEAR(out[2 * 6], code(52, 0) * 0.5, 0.001);
    CHECK_CODED(out + 2 * 8, 2, BLOCK - 8, 54);
    vc_voice_set_gain(voice, 0.5f, 16);
    vc_voice_set_pan(voice, -1.0f, 0);
    out = play(&rig);
    CHECK_NEAR(out[2 * 8], code(86, 0) * 0.75, 0.001);
    CHECK_NEAR(out[2 * 8 + 1], 0, 0);
    vc_voices_stop(rig.voices, voice, 16);
    out = play(&rig);
    CHECK_NEAR(out[2 * 8], code(10 + 8, 0) * 0.25, 0.001);
    CHECK_NEAR(out[2 * 16], 0, 0);
    CHECK_INT(facts_of(voice).state, VC_VOICE_DONE);
    end_rig(&rig);
}

/* A seek that comes while a block is played counts from the next block on. Before the fix, one that
 * came between the two looks at the newest seek let the voice play on without its fade-in. */
static void a_jump_is_the_one_that_the_block_began_with(void) {
    rig rig = new_rig(1);
    vc_voice_config config = config_of(&rig);
    config.ramp_frames = 4;
    vc_voice *voice = add(&rig, &config);
    play(&rig);
    vc_voice_seek(voice, 10);
    play_frames(&rig, 2); /* half of the fade-out */
    vc_voice_seek(voice, 50);
    atomic_fetch_sub(&voice->requests, 1); /* as if it was just being made */
    play(&rig);
    CHECK_INT(facts_of(voice).position, 10 + BLOCK - 2);
    atomic_fetch_add(&voice->requests, 1);
    play(&rig);
    CHECK_INT(facts_of(voice).position, 50 + BLOCK - 4);
    vc_voices_stop(rig.voices, voice, 0);
    play(&rig);
    end_rig(&rig);
}

static void voices_that_wait_are_stopped_at_once_and_in_any_order(void) {
    rig rig = new_rig(1);
    vc_voice *voices[40];
    for (int64_t i = 0; i < 40; i++) {
        voices[i] = add_at(&rig, 1000 + (i * 17 % 40) * 100);
    }
    uint32_t waiting, sounding, played = 0;
    vc_voices_count(rig.voices, &waiting, &sounding);
    CHECK_INT(waiting, 40); /* before the first block */
    play(&rig);
    vc_voices_count(rig.voices, &waiting, &sounding);
    CHECK_INT(waiting, 40);
    for (int i = 0; i < 40; i += 3) {
        vc_voices_stop(rig.voices, voices[i], 0);
    }
    play(&rig);
    vc_voices_count(rig.voices, &waiting, &sounding);
    CHECK_INT(waiting, 40 - 14);
    for (int i = 0; i < 5000 / BLOCK; i++) {
        play(&rig);
    }
    for (int64_t i = 0; i < 40; i++) {
        CHECK_INT(facts_of(voices[i]).state, VC_VOICE_DONE);
        if (i % 3 != 0) {
            CHECK_INT(facts_of(voices[i]).started_frame, 1000 + (i * 17 % 40) * 100);
            played++;
        }
    }
    CHECK_INT(played, 26);
    end_rig(&rig);
}

static int32_t negate(float *output, const float *input, uint32_t frames, const vc_block *block,
                      void *user) {
    for (uint32_t i = 0; i < frames * block->output.channels; i++) {
        output[i] = -input[i];
    }
    return *(const int32_t *)user;
}

static void groups_have_a_gain_and_an_effect(void) {
    rig rig = new_rig(1);
    int32_t answer = 0;
    const vc_native effect = {.function = negate, .user = &answer};
    vc_voice_config config = config_of(&rig);
    config.group = vc_voices_group(rig.voices, 0.5f, &effect);
    vc_voice *voice = add(&rig, &config);
    const float *out = play(&rig);
    for (int f = 0; f < BLOCK; f++) {
        CHECK_NEAR(out[f], -0.5 * code(f, 0), 0);
    }
    vc_voices_group_gain(rig.voices, config.group, 1.0f, BLOCK);
    vc_voices_group_gain(rig.voices, 0, 2.0f, 0);
    out = play(&rig);
    CHECK_NEAR(out[16], -0.75 * 2 * code(BLOCK + 16, 0), 0.01);
    answer = -7;
    out = play(&rig);
    CHECK_NEAR(out[3], 2 * code(2 * BLOCK + 3, 0), 0);
    CHECK_INT(vc_voices_group_error(rig.voices, config.group), -7);
    vc_voices_stop(rig.voices, voice, 0);
    play(&rig);
    end_rig(&rig);
}

static void a_metronome_is_exact_for_an_hour(void) {
    enum { BIG = 4096, BEAT = 24000, BEATS = 7200 };
    static float out[BIG];
    const float click = 1.0f;
    uint32_t heard = 0, wrong = 0, added = 0;
    vc_voices *voices = vc_voices_new(1, 1024, 1.0f);
    for (int64_t frame = 0; frame < (int64_t)BEATS * BEAT; frame += BIG) {
        vc_voice *ended;
        while ((ended = vc_voices_collect(voices)) != NULL) {
            vc_voice_free(ended);
        }
        for (bool room = true; room && added < BEATS;) {
            const vc_voice_config config = {.data = &click,
                                            .frames = 1,
                                            .channels = 1,
                                            .loop_end = 1,
                                            .loops = 1,
                                            .gain = 1.0f,
                                            .left = 1.0f,
                                            .right = 1.0f,
                                            .rate = 1.0,
                                            .when = VC_WHEN_FRAME,
                                            .at = (int64_t)added * BEAT};
            vc_voice *voice = vc_voice_new(&config);
            room = vc_voices_add(voices, voice);
            added += room;
            if (!room) {
                vc_voice_free(voice);
            }
        }
        memset(out, 0, sizeof out);
        vc_block block = {
            .frames = BIG,
            .valid_frames = BIG,
            .samplerate_hz = 48000.0,
            .output = {.data = out, .frame_stride = 1, .channel_stride = 1, .channels = 1}};
        vc_voices_process(&block, voices);
        for (int64_t f = 0; f < BIG; f++) {
            heard += out[f] != 0.0f;
            bool due = (frame + f) % BEAT == 0 && frame + f < (int64_t)BEATS * BEAT;
            wrong += (out[f] != 0.0f) != due;
        }
    }
    CHECK_INT(heard, BEATS);
    CHECK_INT(wrong, 0);
    vc_voice *ended;
    while ((ended = vc_voices_collect(voices)) != NULL) {
        vc_voice_free(ended);
    }
    vc_voices_free(voices);
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { ROUNDS = 20000 };
static atomic_bool over;

static void *run_device(void *argument) {
    rig *rig = argument;
    while (!atomic_load(&over)) {
        play(rig);
    }
    return NULL;
}

static void voices_are_added_changed_stopped_and_freed_while_they_play(void) {
    rig rig = new_rig(2);
    vc_voice *alive[64] = {NULL};
    uint64_t freed = 0, added = 0;
    pthread_t device;
    uint32_t group = vc_voices_group(rig.voices, 1.0f, NULL);
    atomic_store(&over, false);
    CHECK_INT(pthread_create(&device, NULL, run_device, &rig), 0);
    for (uint32_t round = 0; round < ROUNDS || freed < added; round++) {
        vc_voice *ended;
        while ((ended = vc_voices_collect(rig.voices)) != NULL) {
            for (int i = 0; i < 64; i++) {
                alive[i] = alive[i] == ended ? NULL : alive[i];
            }
            vc_voice_free(ended);
            freed++;
        }
        vc_voices_group_pause(rig.voices, round % 5 == 0 ? 0 : group, round % 7 < 3, round % 40);
        vc_voice **slot = &alive[round * 7 % 64];
        if (*slot != NULL) {
            vc_voice_set_gain(*slot, 0.5f, round % 5);
            vc_voice_seek(*slot, round % LENGTH);
            vc_voice_pause(*slot, round % 3 == 0, 1);
            if (round % 2 == 0 || round >= ROUNDS) {
                vc_voices_stop(rig.voices, *slot, round % 4);
            }
        } else if (round < ROUNDS) {
            vc_voice_config config = config_of(&rig);
            config.when = (vc_when)(round % 2);
            config.group = round % 3 == 0 ? group : 0;
            config.at = (int64_t)vc_voices_frames(rig.voices) + round % 50;
            config.loops = round % 2;
            *slot = add(&rig, &config);
            added++;
        }
    }
    atomic_store(&over, true);
    pthread_join(device, NULL);
    CHECK_INT(freed, added);
    end_rig(&rig);
}

int main(void) {
    RUN(voices_begin_at_their_frame_or_host_time);
    RUN(a_voice_whose_time_has_passed_says_how_late_it_is);
    RUN(a_loop_repeats_its_frames_and_then_goes_on);
    RUN(rates_interpolate_and_step);
    RUN(gains_pauses_jumps_and_stops_are_faded);
    RUN(a_jump_is_the_one_that_the_block_began_with);
    RUN(voices_that_wait_are_stopped_at_once_and_in_any_order);
    RUN(groups_have_a_gain_and_an_effect);
    RUN(a_metronome_is_exact_for_an_hour);
    RUN(voices_are_added_changed_stopped_and_freed_while_they_play);
    return check_summary();
}
