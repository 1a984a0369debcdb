/* cf_string.c: CFString, stored as UTF-16. */
#include "cf.h"

static void finalise(cf_object *o) {
    cf_string_object *s = (cf_string_object *)(void *)o;
    free((void *)(uintptr_t)s->units);
    free(s->ascii);
    s->units = NULL;
    s->ascii = NULL;
}

/* Takes ownership of the units, which were malloc'ed. */
static CFStringRef make(UniChar *units, size_t length) {
    cf_string_object *s = cf_new(CF_STRING, sizeof *s, finalise);
    s->units = units;
    s->length = (CFIndex)length;
    return (CFStringRef)(const void *)s;
}

static const cf_string_object *of(CFStringRef string) { return (const void *)string; }

/* Reads one code point of UTF-8. Returns -1 if the text is not valid UTF-8. */
static long take_utf8(const UInt8 **at, const UInt8 *end) {
    UInt8 c = *(*at)++;
    int more = c < 0x80                ? 0
               : c >= 0xc2 && c < 0xe0 ? 1
               : c >= 0xe0 && c < 0xf0 ? 2
               : c >= 0xf0 && c < 0xf5 ? 3
                                       : -1;
    if (more < 0 || end - *at < more) {
        return -1;
    }
    long code = more == 0 ? c : c & (0x3f >> more);
    for (int i = 0; i < more; i++) {
        UInt8 next = *(*at)++;
        if ((next & 0xc0) != 0x80) {
            return -1;
        }
        code = code << 6 | (next & 0x3f);
    }
    static const long least[] = {0, 0x80, 0x800, 0x10000};
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[more] || code > 0x10ffff || surrogate ? -1 : code;
}

static bool is_utf16(CFStringEncoding e) {
    return e == kCFStringEncodingUTF16 || e == kCFStringEncodingUTF16LE ||
           e == kCFStringEncodingUTF16BE;
}

EXPORT CFStringRef CFStringCreateWithBytes(CFAllocatorRef alloc, const UInt8 *bytes,
                                           CFIndex numBytes, CFStringEncoding encoding,
                                           Boolean isExternalRepresentation) {
    (void)alloc, (void)isExternalRepresentation;
    if (bytes == NULL || numBytes < 0) {
        return NULL;
    }
    UniChar *units = malloc(((size_t)numBytes + 1) * sizeof *units);
    size_t n = 0;
    const UInt8 *at = bytes, *end = bytes + numBytes;
    bool fine =
        cf_is_single_byte(encoding) || is_utf16(encoding) || encoding == kCFStringEncodingUTF8;
    while (fine && at < end) {
        if (is_utf16(encoding)) {
            bool big = encoding == kCFStringEncodingUTF16BE;
            if (end - at < 2) {
                break;
            }
            units[n++] = (UniChar)(big ? at[0] << 8 | at[1] : at[1] << 8 | at[0]);
            at += 2;
        } else if (cf_is_single_byte(encoding)) {
            fine = cf_decode_byte(encoding, *at++, &units[n++]);
        } else {
            long code = take_utf8(&at, end);
            fine = code >= 0;
            if (fine && code >= 0x10000) {
                units[n++] = (UniChar)(0xd800 + ((code - 0x10000) >> 10));
                units[n++] = (UniChar)(0xdc00 + ((code - 0x10000) & 0x3ff));
            } else if (fine) {
                units[n++] = (UniChar)code;
            }
        }
    }
    if (!fine) {
        free(units);
        return NULL;
    }
    return make(units, n);
}

EXPORT CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *cStr,
                                             CFStringEncoding encoding) {
    return cStr == NULL ? NULL
                        : CFStringCreateWithBytes(alloc, (const UInt8 *)cStr, (CFIndex)strlen(cStr),
                                                  encoding, 0);
}

EXPORT CFStringRef CFStringCreateWithCharacters(CFAllocatorRef alloc, const UniChar *chars,
                                                CFIndex numChars) {
    (void)alloc;
    UniChar *units = malloc(((size_t)numChars + 1) * sizeof *units);
    memcpy(units, chars, (size_t)numChars * sizeof *units);
    return make(units, (size_t)numChars);
}

CFStringRef cf_string(const char *utf8) {
    return CFStringCreateWithCString(NULL, utf8, kCFStringEncodingUTF8);
}

EXPORT CFIndex CFStringGetLength(CFStringRef theString) { return of(theString)->length; }

/* Encodes the character at `i`. Returns the number of bytes, or 0 if the encoding does not have the
 * character. */
static int encode(const cf_string_object *s, CFIndex *i, CFIndex end, CFStringEncoding e,
                  UInt8 out[4]) {
    UniChar unit = s->units[(*i)++];
    if (is_utf16(e)) {
        bool big = e == kCFStringEncodingUTF16BE;
        out[big] = (UInt8)unit;
        out[!big] = (UInt8)(unit >> 8);
        return 2;
    }
    if (cf_is_single_byte(e)) {
        return cf_encode_byte(e, unit, &out[0]) ? 1 : 0;
    }
    if (e != kCFStringEncodingUTF8) {
        return 0;
    }
    UInt32 code = unit;
    if (unit >= 0xd800 && unit < 0xdc00 && *i < end) {
        code = 0x10000 + ((UInt32)(unit - 0xd800) << 10) + (UInt32)(s->units[(*i)++] - 0xdc00);
    }
    if (code < 0x80) {
        out[0] = (UInt8)code;
        return 1;
    }
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int k = n - 1; k > 0; k--) {
        out[k] = (UInt8)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const UInt8 heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (UInt8)(heads[n] | code);
    return n;
}

EXPORT CFIndex CFStringGetBytes(CFStringRef theString, CFRange range, CFStringEncoding encoding,
                                UInt8 lossByte, Boolean isExternalRepresentation, UInt8 *buffer,
                                CFIndex maxBufLen, CFIndex *usedBufLen) {
    (void)isExternalRepresentation;
    const cf_string_object *s = of(theString);
    CFIndex i = range.location, end = range.location + range.length, used = 0;
    while (i < end) {
        UInt8 bytes[4];
        CFIndex before = i;
        int n = encode(s, &i, end, encoding, bytes);
        if (n == 0 && lossByte != 0) {
            bytes[0] = lossByte;
            n = 1;
        }
        if (n == 0 || (buffer != NULL && used + n > maxBufLen)) {
            i = before;
            break;
        }
        if (buffer != NULL) {
            memcpy(buffer + used, bytes, (size_t)n);
        }
        used += n;
    }
    if (usedBufLen != NULL) {
        *usedBufLen = used;
    }
    return i - range.location;
}

EXPORT Boolean CFStringGetCString(CFStringRef theString, char *buffer, CFIndex bufferSize,
                                  CFStringEncoding encoding) {
    CFIndex length = CFStringGetLength(theString), used = 0;
    if (buffer == NULL || bufferSize <= 0) {
        return 0;
    }
    CFIndex done = CFStringGetBytes(theString, (CFRange){0, length}, encoding, 0, 0,
                                    (UInt8 *)buffer, bufferSize - 1, &used);
    buffer[done == length ? used : 0] = 0; /* nothing stays of a string that does not fit */
    return done == length;
}

EXPORT const char *CFStringGetCStringPtr(CFStringRef theString, CFStringEncoding encoding) {
    cf_string_object *s = (cf_string_object *)(uintptr_t)theString;
    if (SWITCH(cstring_ptr) == 0 ||
        (!cf_is_single_byte(encoding) && encoding != kCFStringEncodingUTF8)) {
        return NULL;
    }
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (s->ascii == NULL) {
        char *text = malloc((size_t)s->length + 1);
        if (CFStringGetCString(theString, text, s->length + 1, kCFStringEncodingASCII)) {
            s->ascii = text;
        } else {
            free(text);
        }
    }
    pthread_mutex_unlock(&lock);
    return s->ascii;
}

EXPORT CFIndex CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding) {
    return length * (cf_is_single_byte(encoding) ? 1 : is_utf16(encoding) ? 2 : 3);
}

EXPORT CFStringEncoding CFStringGetSystemEncoding(void) { return kCFStringEncodingMacRoman; }

static UniChar folded(UniChar c, bool fold) {
    return fold && c >= 'A' && c <= 'Z' ? (UniChar)(c + 32) : c;
}

EXPORT CFComparisonResult CFStringCompare(CFStringRef theString1, CFStringRef theString2,
                                          CFStringCompareFlags compareOptions) {
    const cf_string_object *a = of(theString1), *b = of(theString2);
    bool fold = (compareOptions & 1u) != 0; /* case-insensitive, for ASCII */
    for (CFIndex i = 0; i < a->length && i < b->length; i++) {
        UniChar x = folded(a->units[i], fold), y = folded(b->units[i], fold);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a->length < b->length ? -1 : a->length > b->length;
}

CFHashCode cf_string_hash(CFStringRef string) {
    const cf_string_object *s = of(string);
    uint64_t hash = (uint64_t)s->length;
    for (CFIndex i = 0; i < s->length; i++) {
        hash = mix64(hash ^ s->units[i]);
    }
    return (CFHashCode)hash;
}

char *cf_copy_utf8(CFStringRef string) {
    if (!cf_is(string, CF_STRING)) {
        return NULL;
    }
    CFIndex size = CFStringGetLength(string) * 3 + 1;
    char *text = malloc((size_t)size);
    CFStringGetCString(string, text, size, kCFStringEncodingUTF8);
    return text;
}
