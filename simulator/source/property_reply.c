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

void put_text(const request *q, reply *r, const char *text) {
    if (q->p->type == COREAUDIO_TYPE_C_STRING) {
        put(r, text, strlen(text) + 1);
    } else {
        put_string(r, text);
    }
}

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

OSStatus read_translation(const request *q, AudioValueTranslation *t, UInt32 input_size,
                          UInt32 output_size) {
    memcpy(t, q->in_out, sizeof *t);
    if (t->mInputData == NULL || t->mOutputData == NULL) {
        return kAudioHardwareIllegalOperationError;
    }
    return t->mInputDataSize < input_size || t->mOutputDataSize < output_size
               ? kAudioHardwareBadPropertySizeError
               : 0;
}

static AudioObjectID find_by(CFStringRef string, text_finder find) {
    char *text = cf_copy_utf8(string);
    AudioObjectID id = text != NULL ? find(text) : kAudioObjectUnknown;
    free(text);
    return id;
}

OSStatus put_object_for_qualifier(const request *q, reply *r, text_finder find) {
    CFStringRef string;
    OSStatus error = r->size_only ? 0 : qualifier_string(q, &string);
    put_u32(r, r->size_only || error != 0 ? kAudioObjectUnknown : find_by(string, find));
    return error;
}

OSStatus put_object_translation(const request *q, reply *r, text_finder find) {
    AudioValueTranslation t = {0};
    if (!r->size_only) {
        CFStringRef string;
        OSStatus error = read_translation(q, &t, sizeof string, sizeof(AudioObjectID));
        if (error != 0) {
            return error;
        }
        memcpy(&string, t.mInputData, sizeof string);
        AudioObjectID id = find_by(string, find);
        memcpy(t.mOutputData, &id, sizeof id);
    }
    put(r, &t, sizeof t);
    return 0;
}
