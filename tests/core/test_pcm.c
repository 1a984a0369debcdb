/* Conversions between float and the integer samples of devices. */
#include "check.h"
#include "pcm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 517 };

/* Each layout, and the bytes of the sample 0x12345678 >> (32 - bits) and of -0x12345678 there. */
static const struct {
    vc_pcm pcm;
    unsigned char up[4], down[4];
} LAYOUTS[] = {
    {{1, 8, false, false}, {0x12}, {0xed}},
    {{2, 16, false, false}, {0x34, 0x12}, {0xcb, 0xed}},
    {{2, 16, false, true}, {0x12, 0x34}, {0xed, 0xcb}},
    {{3, 24, false, false}, {0x56, 0x34, 0x12}, {0xa9, 0xcb, 0xed}},
    {{3, 24, false, true}, {0x12, 0x34, 0x56}, {0xed, 0xcb, 0xa9}},
    {{3, 20, true, false}, {0x50, 0x34, 0x12}, {0xa0, 0xcb, 0xed}},
    {{3, 20, false, false}, {0x45, 0x23, 0x01}, {0xba, 0xdc, 0xfe}},
    {{4, 24, true, false}, {0x00, 0x56, 0x34, 0x12}, {0x00, 0xa9, 0xcb, 0xed}},
    {{4, 24, false, false}, {0x56, 0x34, 0x12, 0x00}, {0xa9, 0xcb, 0xed, 0xff}},
    {{4, 24, true, true}, {0x12, 0x34, 0x56, 0x00}, {0xed, 0xcb, 0xa9, 0x00}},
    {{4, 24, false, true}, {0x00, 0x12, 0x34, 0x56}, {0xff, 0xed, 0xcb, 0xa9}},
    {{4, 32, false, false}, {0x80, 0x56, 0x34, 0x12}, {0x80, 0xa9, 0xcb, 0xed}},
    {{4, 32, true, true}, {0x12, 0x34, 0x56, 0x80}, {0xed, 0xcb, 0xa9, 0x80}},
};
enum { LAYOUTS_N = sizeof LAYOUTS / sizeof LAYOUTS[0] };

/* 0x12345680 and its negative are exact in float. */
static void the_bytes_of_each_layout(void) {
    static const float number = 305419904.0f / 2147483648.0f;
    for (size_t k = 0; k < LAYOUTS_N; k++) {
        const vc_pcm pcm = LAYOUTS[k].pcm;
        CHECK(vc_pcm_valid(pcm));
        unsigned char bytes[9];
        memset(bytes, 0x55, sizeof bytes);
        CHECK_INT(vc_pcm_from_float(bytes, pcm, (float[]){number, -number}, 2), 0);
        check_that(memcmp(bytes, LAYOUTS[k].up, pcm.bytes) == 0, __FILE__, __LINE__,
                   "layout %zu, up: %02x %02x %02x %02x", k, bytes[0], bytes[1], bytes[2],
                   bytes[3]);
        check_that(memcmp(bytes + pcm.bytes, LAYOUTS[k].down, pcm.bytes) == 0, __FILE__, __LINE__,
                   "layout %zu, down: %02x %02x %02x %02x", k, bytes[pcm.bytes],
                   bytes[pcm.bytes + 1], bytes[pcm.bytes + 2], bytes[pcm.bytes + 3]);
        CHECK_INT(bytes[2 * pcm.bytes], 0x55);
        float back[2];
        vc_pcm_to_float(back, bytes, pcm, 2);
        const double step = ldexp(1, 1 - pcm.bits); /* what the bits cannot hold is cut off */
        CHECK_NEAR(back[0], floor((double)number / step) * step, 0);
        CHECK_NEAR(back[1], floor(-(double)number / step) * step, 0);
    }
    CHECK(!vc_pcm_valid((vc_pcm){.bytes = 5, .bits = 32}));
    CHECK(!vc_pcm_valid((vc_pcm){.bytes = 2, .bits = 24}));
    CHECK(!vc_pcm_valid((vc_pcm){.bytes = 0, .bits = 0}));
}

/* Some formats leave other numbers in the unused bits. */
static void unused_bits_of_input_are_ignored(void) {
    static const unsigned char high[] = {0xff, 0x56, 0x34, 0x12}, low[] = {0x56, 0x34, 0x12, 0xaa};
    float number;
    vc_pcm_to_float(&number, high, (vc_pcm){4, 24, true, false}, 1);
    CHECK_NEAR(number, 0x123456 / 8388608.0, 0);
    vc_pcm_to_float(&number, low, (vc_pcm){4, 24, false, false}, 1);
    CHECK_NEAR(number, 0x123456 / 8388608.0, 0);
}

/* Rounds to 32 bits and cuts off what the layout does not have, as formats.h says. */
static double reference(float sample, uint32_t bits) {
    double value = isnan(sample) ? 0.0 : (double)sample * 2147483648.0;
    value = value > 2147483647.0 ? 2147483647.0 : value < -2147483648.0 ? -2147483648.0 : value;
    double step = ldexp(1, (int)(32 - bits));
    return floor((double)llrint(value) / step) * step / 2147483648.0;
}

static const float EDGES[] = {0.0f,         -0.0f,          1.0f,       -1.0f,     0.99999994f,
                              -0.99999994f, 2.0f,           -2.0f,      INFINITY,  -INFINITY,
                              NAN,          0x1p-31f,       -0x1p-9f,   -0x1p-33f, 0x1p-15f,
                              -0x1p-15f,    0x1.fffffep-9f, 1.0000001f, 0x1p-40f,  0x1p-149f,
                              -0x1p-8f,     0x1.8p-24f,     -0x1.8p-23f};

static void rounding_and_clipping_are_those_of_formats(void) {
    const size_t edges = sizeof EDGES / sizeof *EDGES;
    static float from[MOST], back[MOST];
    static unsigned char bytes[MOST * 4 + 1];
    for (size_t k = 0; k < LAYOUTS_N; k++) {
        const vc_pcm pcm = LAYOUTS[k].pcm;
        for (size_t samples = 0; samples <= MOST; samples += samples < 20 ? 1 : 71) {
            size_t clipped = 0;
            for (size_t i = 0; i < samples; i++) {
                from[i] = EDGES[(i * 7 + samples) % edges];
                clipped += fabsf(from[i]) > 1.0f;
            }
            bytes[samples * pcm.bytes] = 0x55;
            CHECK_INT(vc_pcm_from_float(bytes, pcm, from, samples), clipped);
            CHECK_INT(bytes[samples * pcm.bytes], 0x55);
            vc_pcm_to_float(back, bytes, pcm, samples);
            for (size_t i = 0; i < samples; i++) { /* int32 has more bits than float */
                CHECK_NEAR(back[i], (float)reference(from[i], pcm.bits), 0);
            }
        }
    }
}

/* Integers of up to 24 bits are the same after they were floats. Of 32 bits, the highest 24 are. */
static void every_number_of_24_bits_survives_float(void) {
    enum { PIECE = 4096 };
    static unsigned char from[PIECE * 4], to[PIECE * 4];
    static float between[PIECE];
    static const vc_pcm layouts[] = {
        {3, 24, false, false}, {4, 24, false, false}, {4, 32, false, false}};
    for (size_t k = 0; k < 3; k++) {
        const vc_pcm pcm = layouts[k];
        unsigned wrong = 0;
        for (int32_t first = -(1 << 23); first < 1 << 23; first += PIECE) {
            for (int32_t i = 0; i < PIECE; i++) {
                uint32_t number = (uint32_t)(first + i) << (pcm.bits == 32 ? 8 : 0);
                for (uint32_t b = 0; b < pcm.bytes; b++) {
                    from[(uint32_t)i * pcm.bytes + b] = (unsigned char)(number >> (8 * b));
                }
            }
            vc_pcm_to_float(between, from, pcm, PIECE);
            CHECK_INT(vc_pcm_from_float(to, pcm, between, PIECE), 0);
            wrong += memcmp(from, to, (size_t)PIECE * pcm.bytes) != 0;
        }
        CHECK_INT(wrong, 0);
    }
}

int main(void) {
    RUN(the_bytes_of_each_layout);
    RUN(unused_bits_of_input_are_ignored);
    RUN(rounding_and_clipping_are_those_of_formats);
    RUN(every_number_of_24_bits_survives_float);
    return check_summary();
}
