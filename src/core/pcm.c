/* Conversions between float and the integer samples of devices. See pcm.h.
 *
 * formats.c converts int16 and int32 in the order of this machine. All other layouts are packed
 * from int32, or unpacked to it, in parts that stay in the first-level cache. */
#include "pcm.h"

#include "formats.h"

enum { PART = 256 }; /* samples */

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static const bool native_is_big = true;
#else
static const bool native_is_big = false;
#endif

/* The compiler makes one loop for each constant number of bytes. */
static inline uint32_t load(const uint8_t *at, uint32_t bytes, bool big) {
    uint32_t raw = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        raw |= (uint32_t)at[big ? bytes - 1 - i : i] << (8 * i);
    }
    return raw;
}

static inline void store(uint8_t *at, uint32_t raw, uint32_t bytes, bool big) {
    for (uint32_t i = 0; i < bytes; i++) {
        at[big ? bytes - 1 - i : i] = (uint8_t)(raw >> (8 * i));
    }
}

static inline void unpack_all(int32_t *to, const uint8_t *from, vc_pcm pcm, size_t samples,
                              uint32_t bytes, bool big) {
    const uint32_t shift = pcm.high ? 32u - 8u * bytes : 32u - pcm.bits;
    const uint32_t mask = UINT32_MAX << (32u - pcm.bits);
    for (size_t i = 0; i < samples; i++) {
        to[i] = (int32_t)((load(from + i * bytes, bytes, big) << shift) & mask);
    }
}

static inline void pack_all(uint8_t *to, const int32_t *from, vc_pcm pcm, size_t samples,
                            uint32_t bytes, bool big) {
    const uint32_t mask = UINT32_MAX << (32u - pcm.bits);
    const uint32_t shift = pcm.high ? 32u - 8u * bytes : 32u - pcm.bits;
    for (size_t i = 0; i < samples; i++) {
        /* The shift repeats the sign in all compilers for which voicecoil is built. */
        int32_t kept = (int32_t)((uint32_t)from[i] & mask) >> shift;
        store(to + i * bytes, (uint32_t)kept, bytes, big);
    }
}

/* Calls `all` with constants for the bytes and the byte order of a layout. */
#define FOR_LAYOUT(all, to, from, pcm, samples)                                                    \
    switch ((pcm).bytes * 2 + (pcm).big_endian) {                                                  \
    case 2:                                                                                        \
    case 3:                                                                                        \
        all(to, from, pcm, samples, 1, false);                                                     \
        break;                                                                                     \
    case 4:                                                                                        \
        all(to, from, pcm, samples, 2, false);                                                     \
        break;                                                                                     \
    case 5:                                                                                        \
        all(to, from, pcm, samples, 2, true);                                                      \
        break;                                                                                     \
    case 6:                                                                                        \
        all(to, from, pcm, samples, 3, false);                                                     \
        break;                                                                                     \
    case 7:                                                                                        \
        all(to, from, pcm, samples, 3, true);                                                      \
        break;                                                                                     \
    case 8:                                                                                        \
        all(to, from, pcm, samples, 4, false);                                                     \
        break;                                                                                     \
    default:                                                                                       \
        all(to, from, pcm, samples, 4, true);                                                      \
    }

static void unpack(int32_t *to, const uint8_t *from, vc_pcm pcm, size_t samples) {
    FOR_LAYOUT(unpack_all, to, from, pcm, samples)
}

static void pack(uint8_t *to, const int32_t *from, vc_pcm pcm, size_t samples) {
    FOR_LAYOUT(pack_all, to, from, pcm, samples)
}

/* Whether formats.c has the layout. */
static bool is_native(vc_pcm pcm, vc_format *format) {
    *format = pcm.bytes == 2 ? VC_FORMAT_INT16 : VC_FORMAT_INT32;
    return pcm.big_endian == native_is_big && pcm.bits == 8 * pcm.bytes &&
           (pcm.bytes == 2 || pcm.bytes == 4);
}

size_t vc_pcm_from_float(void *to, vc_pcm pcm, const float *from, size_t samples) {
    vc_format format;
    if (is_native(pcm, &format)) {
        return vc_format_from_float(to, format, from, samples);
    }
    int32_t numbers[PART];
    size_t clipped = 0;
    for (size_t done = 0; done < samples; done += PART) {
        size_t now = samples - done < PART ? samples - done : PART;
        clipped += vc_format_from_float(numbers, VC_FORMAT_INT32, from + done, now);
        pack((uint8_t *)to + done * pcm.bytes, numbers, pcm, now);
    }
    return clipped;
}

void vc_pcm_to_float(float *to, const void *from, vc_pcm pcm, size_t samples) {
    vc_format format;
    if (is_native(pcm, &format)) {
        vc_format_to_float(to, from, format, samples);
        return;
    }
    int32_t numbers[PART];
    for (size_t done = 0; done < samples; done += PART) {
        size_t now = samples - done < PART ? samples - done : PART;
        unpack(numbers, (const uint8_t *)from + done * pcm.bytes, pcm, now);
        vc_format_to_float(to + done, numbers, VC_FORMAT_INT32, now);
    }
}
