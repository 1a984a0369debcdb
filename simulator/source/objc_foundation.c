/* objc_foundation.c: methods of NSString, NSNumber and NSUUID. */
#include "objc.h"

static CFStringEncoding encoding_of(uint64_t ns) {
    switch (ns) {
    case 1:
        return kCFStringEncodingASCII;
    case 5:
        return kCFStringEncodingISOLatin1;
    case 10:
        return kCFStringEncodingUTF16;
    case 30:
        return kCFStringEncodingMacRoman;
    default:
        return kCFStringEncodingUTF8; /* 4 */
    }
}

/* ---- NSString ---- */

static id string_empty(Class c, SEL s) {
    (void)c, (void)s;
    return later(cf_string(""));
}
static id string_from_utf8(const char *text, const char *what) {
    return text != NULL ? unconst(cf_string(text)) : objc_exception("%s: a NULL pointer", what);
}
static id string_with_utf8(Class c, SEL s, const char *text) {
    (void)c;
    return later(string_from_utf8(text, sel_getName(s)));
}
static id string_init(id self, SEL s) {
    (void)s;
    objc_take_placeholder(self);
    return unconst(cf_string(""));
}
static id string_init_utf8(id self, SEL s, const char *text) {
    objc_take_placeholder(self);
    return string_from_utf8(text, sel_getName(s));
}
static id string_with_cstring(Class c, SEL s, const char *text, uint64_t encoding) {
    (void)c, (void)s;
    return later(CFStringCreateWithCString(NULL, text, encoding_of(encoding)));
}
static id string_init_cstring(id self, SEL s, const char *text, uint64_t encoding) {
    (void)s;
    objc_take_placeholder(self);
    return unconst(CFStringCreateWithCString(NULL, text, encoding_of(encoding)));
}
static id string_init_bytes(id self, SEL s, const void *bytes, uint64_t size, uint64_t encoding) {
    (void)s;
    objc_take_placeholder(self);
    return unconst(CFStringCreateWithBytes(NULL, bytes, (CFIndex)size, encoding_of(encoding), 0));
}
static id string_with_string(Class c, SEL s, id string) {
    (void)c, (void)s;
    return objc_retainAutorelease(string);
}
static id string_init_string(id self, SEL s, id string) {
    (void)s;
    objc_take_placeholder(self);
    return objc_retain(string);
}
static id string_description(id self, SEL s) {
    (void)s;
    return objc_retainAutorelease(self);
}
static uint64_t string_length(id self, SEL s) {
    (void)s;
    return (uint64_t)CFStringGetLength(self);
}
static UniChar string_character(id self, SEL s, uint64_t index) {
    (void)s;
    const cf_string_object *string = self;
    if (index >= (uint64_t)string->length) {
        objc_exception("-[NSString characterAtIndex:]: %llu of %ld", (unsigned long long)index,
                       (long)string->length);
        return 0;
    }
    return string->units[index];
}
/* The text lives as long as the autorelease pool. */
static const char *string_bytes(id self, SEL s, uint64_t encoding) {
    (void)s;
    CFIndex room = CFStringGetLength(self) * 3 + 1;
    char *text = malloc((size_t)room);
    const char *kept = NULL;
    if (CFStringGetCString(self, text, room, encoding_of(encoding))) {
        CFDataRef data = CFDataCreate(NULL, (const UInt8 *)text, (CFIndex)strlen(text) + 1);
        kept = (const char *)CFDataGetBytePtr(later(data));
    }
    free(text);
    return kept;
}
static const char *string_utf8(id self, SEL s) { return string_bytes(self, s, 4); }
static signed char string_get(id self, SEL s, char *buffer, uint64_t size, uint64_t encoding) {
    (void)s;
    return (signed char)CFStringGetCString(self, buffer, (CFIndex)size, encoding_of(encoding));
}
static signed char string_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && objc_is(other, NS_STRING) && CFStringCompare(self, other, 0) == 0;
}
static int64_t string_compare(id self, SEL s, id other) {
    (void)s;
    return (int64_t)CFStringCompare(self, other, 0);
}
static signed char string_has_prefix(id self, SEL s, id other) {
    (void)s;
    const cf_string_object *a = self, *b = other;
    return a->length >= b->length &&
           memcmp(a->units, b->units, (size_t)b->length * sizeof *b->units) == 0;
}
static signed char string_has_suffix(id self, SEL s, id other) {
    (void)s;
    const cf_string_object *a = self, *b = other;
    return a->length >= b->length && memcmp(a->units + (a->length - b->length), b->units,
                                            (size_t)b->length * sizeof *b->units) == 0;
}

/* ---- NSNumber ---- */

#define NUMBER(name, type, cf_type)                                                                \
    static id number_with_##name(Class c, SEL s, type value) {                                     \
        (void)c, (void)s;                                                                          \
        return later(CFNumberCreate(NULL, cf_type, &value));                                       \
    }                                                                                              \
    static id number_init_##name(id self, SEL s, type value) {                                     \
        (void)s;                                                                                   \
        objc_take_placeholder(self);                                                               \
        return unconst(CFNumberCreate(NULL, cf_type, &value));                                     \
    }                                                                                              \
    static type number_##name(id self, SEL s) {                                                    \
        type value = 0;                                                                            \
        (void)s;                                                                                   \
        if (cf_is(self, CF_BOOLEAN)) {                                                             \
            return (type)CFBooleanGetValue(self);                                                  \
        }                                                                                          \
        CFNumberGetValue(self, cf_type, &value);                                                   \
        return value;                                                                              \
    }
NUMBER(char, signed char, kCFNumberSInt8Type)
NUMBER(unsigned_char, unsigned char, kCFNumberSInt8Type)
NUMBER(short, short, kCFNumberSInt16Type)
NUMBER(unsigned_short, unsigned short, kCFNumberSInt16Type)
NUMBER(int, int, kCFNumberSInt32Type)
NUMBER(long, int64_t, kCFNumberSInt64Type)
NUMBER(float, float, kCFNumberFloat32Type)
NUMBER(double, double, kCFNumberFloat64Type)
/* CFNumber has no unsigned types: an unsigned int becomes a number of 64 bits. */
static id number_with_unsigned_int(Class c, SEL s, unsigned value) {
    return number_with_long(c, s, (int64_t)value);
}
static id number_init_unsigned_int(id self, SEL s, unsigned value) {
    return number_init_long(self, s, (int64_t)value);
}
static unsigned number_unsigned_int(id self, SEL s) { return (unsigned)number_long(self, s); }
/* The upper bits of the register of a BOOL mean nothing. */
static id number_with_bool(Class c, SEL s, signed char value) {
    (void)c, (void)s;
    return unconst(value != 0 ? kCFBooleanTrue : kCFBooleanFalse);
}
static id number_init_bool(id self, SEL s, signed char value) {
    objc_take_placeholder(self);
    return number_with_bool(NULL, s, value);
}
static signed char number_bool(id self, SEL s) { return number_double(self, s) != 0; }
static signed char number_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && (signed char)CFEqual(self, other);
}
static id number_string(id self, SEL s) {
    char text[64];
    double value = number_double(self, s);
    if ((double)number_long(self, s) == value) {
        snprintf(text, sizeof text, "%lld", (long long)number_long(self, s));
    } else {
        snprintf(text, sizeof text, "%.15g", value);
    }
    return later(cf_string(text));
}
static int64_t number_compare(id self, SEL s, id other) {
    double a = number_double(self, s), b = number_double(other, s);
    return a < b ? -1 : a > b;
}

/* ---- NSUUID ---- */

typedef struct ns_uuid {
    cf_object head;
    char text[37];
} ns_uuid;

const char *objc_uuid_text(id uuid) { return ((const ns_uuid *)uuid)->text; }
static id uuid_of(const char *text) {
    ns_uuid *u = cf_new(CF_NSUUID, sizeof *u, NULL);
    for (int i = 0; i < 36; i++) {
        u->text[i] = text[i] >= 'a' && text[i] <= 'f' ? (char)(text[i] - 32) : text[i];
    }
    return u;
}
/* Returns NULL if the text is not a UUID. */
id objc_uuid_from_text(const char *text) {
    bool fine = text != NULL && strlen(text) == 36;
    for (int i = 0; fine && i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        fine = dash ? text[i] == '-' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    }
    return fine ? uuid_of(text) : NULL;
}
static id uuid_init(id self, SEL s) {
    (void)s;
    if (self != NULL) {
        objc_take_placeholder(self);
    }
    CFUUIDRef made = CFUUIDCreate(NULL);
    CFStringRef string = CFUUIDCreateString(NULL, made);
    char *text = cf_copy_utf8(string);
    id uuid = uuid_of(text);
    free(text);
    CFRelease(string);
    CFRelease(made);
    return uuid;
}
static id uuid_new(Class c, SEL s) {
    (void)c;
    return later(uuid_init(NULL, s));
}
static id uuid_init_string(id self, SEL s, id string) {
    (void)s;
    objc_take_placeholder(self);
    char *text = cf_copy_utf8(string);
    id uuid = objc_uuid_from_text(text);
    free(text);
    return uuid;
}
static id uuid_init_bytes(id self, SEL s, const unsigned char *b) {
    (void)s;
    char text[37];
    objc_take_placeholder(self);
    snprintf(text, sizeof text,
             "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return uuid_of(text);
}
static void uuid_get_bytes(id self, SEL s, unsigned char *bytes) {
    (void)s;
    const char *at = objc_uuid_text(self);
    for (int i = 0; i < 16; i++) {
        at += *at == '-';
        char pair[3] = {at[0], at[1], 0};
        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
        at += 2;
    }
}
static id uuid_string(id self, SEL s) {
    (void)s;
    return later(cf_string(objc_uuid_text(self)));
}
static signed char uuid_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && objc_is(other, NS_UUID) &&
           strcmp(objc_uuid_text(self), objc_uuid_text(other)) == 0;
}
/* Objects that never change: a copy is the object itself. */
static id constant_copy(id self, SEL s) {
    (void)s;
    return objc_retain(self);
}

#define BOTH(name, selector_with, selector_init, selector_value)                                   \
    ON_CLASS(NS_NUMBER, "numberWith" selector_with ":", number_with_##name, 1000),                 \
        ON_OBJECT(NS_NUMBER, "initWith" selector_init ":", number_init_##name, 1000),              \
        ON_OBJECT(NS_NUMBER, selector_value "Value", number_##name, 1000)
objc_method foundation_methods[] = {
    ON_CLASS(NS_STRING, "string", string_empty, 1000),
    ON_CLASS(NS_STRING, "stringWithUTF8String:", string_with_utf8, 1000),
    ON_CLASS(NS_STRING, "stringWithCString:encoding:", string_with_cstring, 1000),
    ON_CLASS(NS_STRING, "stringWithString:", string_with_string, 1000),
    ON_OBJECT(NS_STRING, "init", string_init, 1000),
    ON_OBJECT(NS_STRING, "initWithUTF8String:", string_init_utf8, 1000),
    ON_OBJECT(NS_STRING, "initWithCString:encoding:", string_init_cstring, 1000),
    ON_OBJECT(NS_STRING, "initWithBytes:length:encoding:", string_init_bytes, 1000),
    ON_OBJECT(NS_STRING, "initWithString:", string_init_string, 1000),
    ON_OBJECT(NS_STRING, "length", string_length, 1000),
    ON_OBJECT(NS_STRING, "characterAtIndex:", string_character, 1000),
    ON_OBJECT(NS_STRING, "UTF8String", string_utf8, 1000),
    ON_OBJECT(NS_STRING, "cStringUsingEncoding:", string_bytes, 1000),
    ON_OBJECT(NS_STRING, "getCString:maxLength:encoding:", string_get, 1000),
    ON_OBJECT(NS_STRING, "isEqual:", string_is_equal, 1000),
    ON_OBJECT(NS_STRING, "isEqualToString:", string_is_equal, 1000),
    ON_OBJECT(NS_STRING, "compare:", string_compare, 1000),
    ON_OBJECT(NS_STRING, "hasPrefix:", string_has_prefix, 1000),
    ON_OBJECT(NS_STRING, "hasSuffix:", string_has_suffix, 1000),
    ON_OBJECT(NS_STRING, "copy", constant_copy, 1000),
    ON_OBJECT(NS_STRING, "description", string_description, 1000),
    BOTH(bool, "Bool", "Bool", "bool"),
    BOTH(char, "Char", "Char", "char"),
    BOTH(unsigned_char, "UnsignedChar", "UnsignedChar", "unsignedChar"),
    BOTH(short, "Short", "Short", "short"),
    BOTH(unsigned_short, "UnsignedShort", "UnsignedShort", "unsignedShort"),
    BOTH(int, "Int", "Int", "int"),
    BOTH(unsigned_int, "UnsignedInt", "UnsignedInt", "unsignedInt"),
    BOTH(long, "Long", "Long", "long"),
    BOTH(long, "UnsignedLong", "UnsignedLong", "unsignedLong"),
    BOTH(long, "LongLong", "LongLong", "longLong"),
    BOTH(long, "UnsignedLongLong", "UnsignedLongLong", "unsignedLongLong"),
    BOTH(long, "Integer", "Integer", "integer"),
    BOTH(long, "UnsignedInteger", "UnsignedInteger", "unsignedInteger"),
    BOTH(float, "Float", "Float", "float"),
    BOTH(double, "Double", "Double", "double"),
    ON_OBJECT(NS_NUMBER, "isEqualToNumber:", number_is_equal, 1000),
    ON_OBJECT(NS_NUMBER, "compare:", number_compare, 1000),
    ON_OBJECT(NS_NUMBER, "stringValue", number_string, 1000),
    ON_OBJECT(NS_NUMBER, "description", number_string, 1000),
    ON_OBJECT(NS_NUMBER, "copy", constant_copy, 1000),
    ON_CLASS(NS_UUID, "UUID", uuid_new, 1000),
    ON_OBJECT(NS_UUID, "init", uuid_init, 1000),
    ON_OBJECT(NS_UUID, "initWithUUIDString:", uuid_init_string, 1000),
    ON_OBJECT(NS_UUID, "initWithUUIDBytes:", uuid_init_bytes, 1000),
    ON_OBJECT(NS_UUID, "getUUIDBytes:", uuid_get_bytes, 1000),
    ON_OBJECT(NS_UUID, "UUIDString", uuid_string, 1000),
    ON_OBJECT(NS_UUID, "isEqual:", uuid_is_equal, 1000),
    ON_OBJECT(NS_UUID, "copy", constant_copy, 1000),
    ON_OBJECT(NS_UUID, "description", uuid_string, 1000),
    {NO_CLASS, false, NULL, NULL, 0, NULL},
};
