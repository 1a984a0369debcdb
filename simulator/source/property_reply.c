/* property_reply.c: writes values into a reply. */
#include "properties.h"

void put(reply *r, const void *data, size_t size) {
    if (r->size + size <= sizeof r->bytes) {
        memcpy(r->bytes + r->size, data, size);
        r->size += (UInt32)size;
    }
}

void put_u32(reply *r, UInt32 value) { put(r, &value, sizeof value); }
void put_f32(reply *r, Float32 value) { put(r, &value, sizeof value); }
void put_f64(reply *r, Float64 value) { put(r, &value, sizeof value); }

/* Puts a new CFString into the reply. The client owns the string. */
void put_string(reply *r, const char *text) {
    CFStringRef string = r->size_only ? NULL : cf_string(text);
    put(r, &string, sizeof string);
}

void put_c_string(reply *r, const char *text) { put(r, text, strlen(text) + 1); }

OSStatus get_zero(const request *q, reply *r) {
    (void)q;
    put_u32(r, 0);
    return 0;
}

OSStatus get_one(const request *q, reply *r) {
    (void)q;
    put_u32(r, 1);
    return 0;
}

OSStatus get_nothing(const request *q, reply *r) {
    (void)q, (void)r;
    return 0;
}

int request_side(const request *q) { return q->direction == INPUT ? INPUT : OUTPUT; }

/* Reads a qualifier that is the address of a CFString. */
OSStatus qualifier_string(const request *q, CFStringRef *string) {
    if (q->qualifier == NULL || q->qualifier_size != sizeof *string) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(string, q->qualifier, sizeof *string);
    return cf_is(*string, CF_STRING) ? 0 : kAudioHardwareIllegalOperationError;
}
