/* Conversions between float and integer samples. */
#include "check.h"
#include "formats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 67 };
static const vc_format FORMATS[] = {VC_FORMAT_INT16, VC_FORMAT_INT32, VC_FORMAT_UINT8};

static int64_t number_at(const void *data, vc_format format, size_t i) {
    return format == VC_FORMAT_INT16   ? ((const int16_t *)data)[i]
           : format == VC_FORMAT_INT32 ? ((const int32_t *)data)[i]
                                       : ((const uint8_t *)data)[i];
}

/* Returns the expected value. It is computed with doubles, rounded to 32 bits, and then loses the
 * bits that the format does not have. */
static int64_t reference(float sample, vc_format format) {
    double value = isnan(sample) ? 0.0 : (double)sample * 2147483648.0;
    value = value > 2147483647.0 ? 2147483647.0 : value < -2147483648.0 ? -2147483648.0 : value;
    int64_t whole = llrint(value);
    return format == VC_FORMAT_INT16   ? whole >> 16
           : format == VC_FORMAT_INT32 ? whole
                                       : (whole >> 24) + 128;
}

static const float EDGES[] = {0.0f,
                              -0.0f,
                              1.0f,
                              -1.0f,
                              0.99999994f,
                              -0.99999994f,
                              1.0000001f,
                              -1.0000001f,
                              2.0f,
                              -2.0f,
                              INFINITY,
                              -INFINITY,
                              NAN,
                              0x1p-31f,
                              -0x1p-31f,
                              0x1p-32f,
                              -0x1p-32f,
                              0x1.8p-31f,
                              0x1.4p-30f,
                              0x1p-15f,
                              -0x1p-15f,
                              -0x1p-33f,
                              -0x1.0001p-15f,
                              0x1.fffffep-9f,
                              -0x1.fffffep-9f,
                              0x1p-9f,
                              -0x1p-8f,
                              0x1p-40f,
                              0x1.7fffffp-10f,
                              0x1p-149f};

/* Puts each value at every position in a vector, and in the rest after the last whole vector. */
static void each_value_at_each_place(void) {
    const size_t edges = sizeof EDGES / sizeof *EDGES;
    for (size_t k = 0; k < 3; k++) {
        for (size_t samples = 0; samples <= MOST; samples++) {
            float from[MOST];
            int32_t to[MOST + 1];
            size_t clipped = 0;
            memset(to, 0x55, sizeof to);
            for (size_t i = 0; i < samples; i++) {
                from[i] = EDGES[(i * 7 + samples) % edges];
                clipped += fabsf(from[i]) > 1.0f;
            }
            CHECK_INT(vc_format_from_float(to, FORMATS[k], from, samples), clipped);
            for (size_t i = 0; i < samples; i++) {
                CHECK_INT(number_at(to, FORMATS[k], i), reference(from[i], FORMATS[k]));
            }
            CHECK_INT(((unsigned char *)to)[samples * vc_format_bytes(FORMATS[k])], 0x55);
        }
    }
}

static void many_values(void) {
    enum { COUNT = 1 << 16 };
    float *from = malloc(COUNT * sizeof *from);
    int32_t *to = malloc(COUNT * sizeof *to);
    uint32_t state = 1;
    for (int round = 0; round < 16; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            state = state * 1664525u + 1013904223u;
            int exponent = (int)(state >> 27) - 30; /* magnitudes 2^-30 to 2^1 */
            from[i] = ldexpf((float)(int32_t)(state << 5) / 2147483648.0f, exponent);
        }
        for (size_t k = 0; k < 3; k++) {
            vc_format_from_float(to, FORMATS[k], from, COUNT);
            for (size_t i = 0; i < COUNT; i++) {
                CHECK_INT(number_at(to, FORMATS[k], i), reference(from[i], FORMATS[k]));
            }
        }
    }
    free(from);
    free(to);
}

static void each_integer_and_back(void) {
    enum { COUNT = 65536 };
    int16_t *numbers = malloc(COUNT * sizeof *numbers), *back = malloc(COUNT * sizeof *back);
    float *floats = malloc(COUNT * sizeof *floats);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = (int16_t)(i - 32768);
    }
    vc_format_to_float(floats, numbers, VC_FORMAT_INT16, COUNT);
    CHECK_INT(vc_format_from_float(back, VC_FORMAT_INT16, floats, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK(floats[i] == (float)(i - 32768) / 32768.0f);
        CHECK_INT(back[i], numbers[i]);
    }
    uint8_t bytes[256], again[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    vc_format_to_float(floats, bytes, VC_FORMAT_UINT8, 256);
    CHECK_INT(vc_format_from_float(again, VC_FORMAT_UINT8, floats, 256), 0);
    for (int i = 0; i < 256; i++) {
        CHECK(floats[i] == (float)(i - 128) / 128.0f);
    }
    CHECK(memcmp(bytes, again, 256) == 0);
    const int32_t wide[7] = {INT32_MIN, INT32_MAX, 0, 1, -1, 1 << 24, 16777217};
    int32_t wide_again[7];
    vc_format_to_float(floats, wide, VC_FORMAT_INT32, 7);
    vc_format_from_float(wide_again, VC_FORMAT_INT32, floats, 7);
    for (int i = 0; i < 7; i++) {
        CHECK(floats[i] == (float)wide[i] / 2147483648.0f);
        CHECK(llabs((long long)wide_again[i] - wide[i]) <= 1);
    }
    free(numbers);
    free(back);
    free(floats);
}

static void silence_is_silence(void) {
    uint8_t bytes[9];
    memset(bytes, 3, sizeof bytes);
    vc_format_silence(bytes, VC_FORMAT_UINT8, 8);
    CHECK(bytes[0] == 128 && bytes[7] == 128 && bytes[8] == 3);
    float floats[4];
    vc_format_to_float(floats, bytes, VC_FORMAT_UINT8, 4);
    CHECK(floats[0] == 0.0f && floats[3] == 0.0f);
    int16_t numbers[3] = {1, 2, 3};
    vc_format_silence(numbers, VC_FORMAT_INT16, 2);
    CHECK(numbers[0] == 0 && numbers[1] == 0 && numbers[2] == 3);
}

int main(void) {
    RUN(each_value_at_each_place);
    RUN(many_values);
    RUN(each_integer_and_back);
    RUN(silence_is_silence);
    return check_summary();
}
