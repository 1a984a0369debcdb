/* Copies of samples between different layouts. */
#include "check.h"
#include "voicecoil.h"

#include <math.h>
#include <string.h>

enum { FRAMES = 20, MEMORY = 400 };

typedef struct memory {
    float data[MEMORY];
    vc_channel list[4];
    vc_audio audio;
} memory;

enum { LAYOUTS = 6 };

/* Sets up one of the layouts. Any stride is allowed, so some layouts have gaps or run backwards. */
static void lay_out(memory *m, int layout, uint32_t channels) {
    ptrdiff_t c = (ptrdiff_t)channels;
    for (int i = 0; i < MEMORY; i++) {
        m->data[i] = NAN;
    }
    m->audio = (vc_audio){.data = m->data, .channels = channels};
    switch (layout) {
    case 0: /* interleaved */
        m->audio.frame_stride = c;
        m->audio.channel_stride = 1;
        break;
    case 1: /* planar */
        m->audio.frame_stride = 1;
        m->audio.channel_stride = FRAMES;
        break;
    case 2: /* interleaved with a gap */
        m->audio.frame_stride = c + 2;
        m->audio.channel_stride = 1;
        break;
    case 3: /* last channel first */
        m->audio.data = m->data + c - 1;
        m->audio.frame_stride = c;
        m->audio.channel_stride = -1;
        break;
    case 4: /* planar with a gap, backwards in time */
        m->audio.data = m->data + FRAMES - 1;
        m->audio.frame_stride = -1;
        m->audio.channel_stride = FRAMES + 3;
        break;
    default: /* a list: two interleaved channels, the others in arrays of their own */
        for (uint32_t i = 0; i < channels; i++) {
            m->list[i] =
                i < 2 ? (vc_channel){m->data + i, 2} : (vc_channel){m->data + i * 2 * FRAMES, 1};
        }
        m->audio.data = NULL;
        m->audio.list = m->list;
    }
}

static float *sample(const memory *m, uint32_t f, uint32_t c) {
    if (m->audio.data == NULL) {
        return m->list[c].data + (ptrdiff_t)f * m->list[c].stride;
    }
    return m->audio.data + (ptrdiff_t)f * m->audio.frame_stride +
           (ptrdiff_t)c * m->audio.channel_stride;
}

static uint32_t written(const memory *m) {
    uint32_t count = 0;
    for (int i = 0; i < MEMORY; i++) {
        count += isnan(m->data[i]) ? 0 : 1;
    }
    return count;
}

static void fill(memory *m) {
    for (uint32_t f = 0; f < FRAMES; f++) {
        for (uint32_t c = 0; c < m->audio.channels; c++) {
            *sample(m, f, c) = code(f, c);
        }
    }
}

static void from_every_layout_to_every_other(void) {
    memory from, to;
    for (int a = 0; a < LAYOUTS; a++) {
        for (int b = 0; b < LAYOUTS; b++) {
            for (uint32_t ca = 1; ca <= 4; ca++) {
                for (uint32_t cb = 1; cb <= 4; cb++) {
                    lay_out(&from, a, ca);
                    lay_out(&to, b, cb);
                    fill(&from);
                    vc_audio_copy(&to.audio, 3, &from.audio, 7, 5);
                    uint32_t both = ca < cb ? ca : cb;
                    for (uint32_t f = 0; f < 5; f++) {
                        for (uint32_t c = 0; c < both; c++) {
                            CHECK(*sample(&to, 3 + f, c) == code(7 + f, c));
                        }
                    }
                    CHECK_INT(written(&to), 5 * both);
                }
            }
        }
    }
}

static void silence_is_written_where_it_belongs(void) {
    memory m;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        for (uint32_t channels = 1; channels <= 4; channels++) {
            lay_out(&m, layout, channels);
            vc_audio_silence(&m.audio, 4, 9);
            for (uint32_t f = 4; f < 13; f++) {
                for (uint32_t c = 0; c < channels; c++) {
                    CHECK(*sample(&m, f, c) == 0.0f);
                }
            }
            CHECK_INT(written(&m), 9 * channels);
        }
    }
}

static void channels_without_memory(void) {
    memory m;
    lay_out(&m, 5, 3);
    m.list[1].data = NULL;
    float packed[3 * FRAMES];
    vc_audio to = {.data = packed, .frame_stride = 3, .channel_stride = 1, .channels = 3};
    *sample(&m, 0, 0) = 5.0f;
    *sample(&m, 0, 2) = 7.0f;
    packed[1] = 9.0f;
    vc_audio_copy(&to, 0, &m.audio, 0, 1);
    CHECK(packed[0] == 5.0f && packed[1] == 0.0f && packed[2] == 7.0f);
    vc_audio_copy(&m.audio, 0, &to, 0, FRAMES); /* the missing channel is skipped without a crash */
    vc_audio_silence(&m.audio, 0, FRAMES);
    CHECK_INT(vc_audio_scrub(&m.audio, FRAMES), 0);
    vc_audio nothing = {.channels = 3};
    vc_audio_silence(&nothing, 0, FRAMES);
    vc_audio none = {0};
    vc_audio_silence(&none, 0, FRAMES);
    vc_audio_copy(&none, 0, &to, 0, FRAMES);
    vc_audio_copy(&to, 0, &nothing, 0, FRAMES);
    CHECK(packed[0] == 0.0f && packed[1] == 0.0f && packed[2] == 0.0f);
}

static float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void scrub_knows_every_nan(void) {
    static const uint32_t bad[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00000u,
                                   0x7f800001u, 0xffffffffu, 0x7fffffffu};
    static const uint32_t good[] = {0u,          0x80000000u, 0x00000001u, 0x807fffffu,
                                    0x7f7fffffu, 0xff7fffffu, 0x3f800000u};
    memory m;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        lay_out(&m, layout, 3);
        fill(&m);
        for (uint32_t i = 0; i < 7; i++) {
            *sample(&m, i * 2, i % 3) = of_bits(bad[i]);
            *sample(&m, i * 2 + 1, i % 3) = of_bits(good[i]);
        }
        CHECK_INT(vc_audio_scrub(&m.audio, 13), 7);
        for (uint32_t i = 0; i < 7; i++) {
            CHECK(*sample(&m, i * 2, i % 3) == 0.0f);
            float kept = of_bits(good[i]);
            CHECK(memcmp(sample(&m, i * 2 + 1, i % 3), &kept, sizeof kept) == 0);
        }
        CHECK_INT(vc_audio_scrub(&m.audio, 13), 0);
        *sample(&m, 13, 0) = NAN;
        CHECK_INT(vc_audio_scrub(&m.audio, 13), 0);
    }
}

static void mixing_is_exact_at_gain_one(void) {
    float to[6] = {0}, from[6];
    for (uint32_t i = 0; i < 6; i++) {
        from[i] = 0.1f + (float)i / 7.0f;
    }
    vc_mix_add(to, from, 3, 2, 1.0f, 0.0f);
    CHECK(memcmp(to, from, sizeof to) == 0);
    vc_mix_add(to, from, 3, 2, 0.5f, 0.0f);
    for (uint32_t i = 0; i < 6; i++) {
        CHECK(to[i] == from[i] + from[i] * 0.5f);
    }
}

/* The gain changes from frame to frame, not from sample to sample. It may be negative, which
 * inverts the phase. */
static void gain_moves_by_frame(void) {
    for (float sign = -1.0f; sign <= 1.0f; sign += 2.0f) {
        float to[8] = {0}, from[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        vc_mix_add(to, from, 4, 2, sign, -sign * 0.25f);
        for (uint32_t f = 0; f < 4; f++) {
            float gain = sign * (1.0f - 0.25f * (float)f);
            CHECK(to[f * 2] == gain && to[f * 2 + 1] == gain);
        }
    }
}

int main(void) {
    RUN(from_every_layout_to_every_other);
    RUN(silence_is_written_where_it_belongs);
    RUN(channels_without_memory);
    RUN(scrub_knows_every_nan);
    RUN(mixing_is_exact_at_gain_one);
    RUN(gain_moves_by_frame);
    return check_summary();
}
