/* cf_values.c: CFNumber, CFBoolean, CFNull, CFData, CFURL, CFUUID. */
#include "cf.h"

typedef struct number {
    cf_object head;
    CFNumberType type;
    int64_t integer;
    double real;
} number;

static bool is_real(CFNumberType t) {
    return t == (CFNumberType)kCFNumberFloat32Type || t == (CFNumberType)kCFNumberFloat64Type ||
           t == (CFNumberType)kCFNumberFloatType || t == (CFNumberType)kCFNumberDoubleType ||
           t == (CFNumberType)kCFNumberCGFloatType;
}

static size_t width(CFNumberType t) {
    switch ((UInt32)t) {
    case kCFNumberSInt8Type:
    case kCFNumberCharType:
        return 1;
    case kCFNumberSInt16Type:
    case kCFNumberShortType:
        return 2;
    case kCFNumberSInt32Type:
    case kCFNumberIntType:
    case kCFNumberFloat32Type:
    case kCFNumberFloatType:
        return 4;
    default:
        return 8;
    }
}

EXPORT CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType theType,
                                  const void *valuePtr) {
    (void)allocator;
    number *n = cf_new(CF_NUMBER, sizeof *n, NULL);
    n->type = theType;
    if (is_real(theType)) {
        float f;
        memcpy(width(theType) == 4 ? (void *)&f : (void *)&n->real, valuePtr, width(theType));
        n->real = width(theType) == 4 ? (double)f : n->real;
        n->integer = (int64_t)n->real;
    } else {
        int64_t raw = 0;
        size_t bits = width(theType) * 8;
        memcpy(&raw, valuePtr, width(theType));
        n->integer = (int64_t)((uint64_t)raw << (64 - bits)) >> (64 - bits);
        n->real = (double)n->integer;
    }
    return (CFNumberRef)(const void *)n;
}

EXPORT CFNumberType CFNumberGetType(CFNumberRef n) {
    return ((const number *)(const void *)n)->type;
}

EXPORT Boolean CFNumberGetValue(CFNumberRef theNumber, CFNumberType theType, void *valuePtr) {
    const number *n = (const void *)theNumber;
    if (is_real(theType)) {
        float f = (float)n->real;
        memcpy(valuePtr, width(theType) == 4 ? (const void *)&f : (const void *)&n->real,
               width(theType));
        return width(theType) == 8 || (double)f == n->real;
    }
    memcpy(valuePtr, &n->integer, width(theType));
    size_t bits = width(theType) * 8;
    int64_t back = (int64_t)((uint64_t)n->integer << (64 - bits)) >> (64 - bits);
    return back == n->integer && (double)n->integer == n->real;
}

Boolean cf_number_equal(CFNumberRef a, CFNumberRef b) {
    const number *x = (const void *)a, *y = (const void *)b;
    return x->integer == y->integer && x->real == y->real;
}
CFHashCode cf_number_hash(CFNumberRef n) {
    return (CFHashCode)mix64((uint64_t)((const number *)(const void *)n)->integer);
}

static const cf_object true_object = {.type = CF_BOOLEAN, .immortal = true};
static const cf_object false_object = {.type = CF_BOOLEAN, .immortal = true};
static const cf_object null_object = {.type = CF_NULL, .immortal = true};
EXPORT const CFBooleanRef kCFBooleanTrue = (CFBooleanRef)(const void *)&true_object;
EXPORT const CFBooleanRef kCFBooleanFalse = (CFBooleanRef)(const void *)&false_object;
EXPORT const CFNullRef kCFNull = (CFNullRef)(const void *)&null_object;
EXPORT const CFAllocatorRef kCFAllocatorDefault = NULL;

EXPORT Boolean CFBooleanGetValue(CFBooleanRef boolean) {
    return (const void *)boolean == (const void *)&true_object;
}

typedef struct data {
    cf_object head;
    UInt8 *bytes;
    CFIndex length;
} data;
static void free_data(cf_object *o) {
    data *d = (data *)(void *)o;
    free(d->bytes);
    d->bytes = NULL;
}
EXPORT CFDataRef CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length) {
    (void)allocator;
    data *d = cf_new(CF_DATA, sizeof *d, free_data);
    d->bytes = malloc((size_t)length + 1);
    memcpy(d->bytes, bytes, (size_t)length);
    d->length = length;
    return (CFDataRef)(const void *)d;
}
EXPORT const UInt8 *CFDataGetBytePtr(CFDataRef d) { return ((const data *)(const void *)d)->bytes; }
EXPORT CFIndex CFDataGetLength(CFDataRef d) { return ((const data *)(const void *)d)->length; }

typedef struct url {
    cf_object head;
    char *path;
} url;
static void free_url(cf_object *o) {
    url *u = (url *)(void *)o;
    free(u->path);
    u->path = NULL;
}
static CFURLRef make_url(char *path) {
    url *u = cf_new(CF_URL, sizeof *u, free_url);
    u->path = path;
    return (CFURLRef)(const void *)u;
}
EXPORT CFURLRef CFURLCreateFromFileSystemRepresentation(CFAllocatorRef allocator,
                                                        const UInt8 *buffer, CFIndex bufLen,
                                                        Boolean isDirectory) {
    (void)allocator, (void)isDirectory;
    char *path = calloc(1, (size_t)bufLen + 1);
    memcpy(path, buffer, (size_t)bufLen);
    return make_url(path);
}
EXPORT CFURLRef CFURLCreateWithFileSystemPath(CFAllocatorRef allocator, CFStringRef filePath,
                                              CFURLPathStyle pathStyle, Boolean isDirectory) {
    (void)allocator, (void)pathStyle, (void)isDirectory;
    return make_url(cf_copy_utf8(filePath));
}
EXPORT Boolean CFURLGetFileSystemRepresentation(CFURLRef u, Boolean resolveAgainstBase,
                                                UInt8 *buffer, CFIndex maxBufLen) {
    (void)resolveAgainstBase;
    const char *path = ((const url *)(const void *)u)->path;
    if (path == NULL || strlen(path) + 1 > (size_t)maxBufLen) {
        return 0;
    }
    memcpy(buffer, path, strlen(path) + 1);
    return 1;
}

typedef struct uuid {
    cf_object head;
    uint64_t halves[2];
} uuid;
/* Uses the next number of the seed instead of a random one, so that a run can be repeated. */
EXPORT CFUUIDRef CFUUIDCreate(CFAllocatorRef alloc) {
    (void)alloc;
    uuid *u = cf_new(CF_UUID, sizeof *u, NULL);
    uint64_t x = __atomic_add_fetch(&world.noise, 1, __ATOMIC_RELAXED);
    u->halves[0] = (mix64(x) & ~0xf000ull) | 0x4000;
    u->halves[1] = (mix64(~x) >> 2) | 1ull << 63;
    return (CFUUIDRef)(const void *)u;
}
EXPORT CFStringRef CFUUIDCreateString(CFAllocatorRef alloc, CFUUIDRef uuid_object) {
    (void)alloc;
    const uint64_t *h = ((const uuid *)(const void *)uuid_object)->halves;
    char text[64];
    snprintf(text, sizeof text, "%08X-%04X-%04X-%04X-%012llX", (unsigned)(h[0] >> 32),
             (unsigned)(h[0] >> 16 & 0xffff), (unsigned)(h[0] & 0xffff), (unsigned)(h[1] >> 48),
             (unsigned long long)(h[1] & 0xffffffffffffull));
    return cf_string(text);
}
