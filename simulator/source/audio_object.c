/* audio_object.c: the functions AudioObject*, which read and set properties of any object, and the
 * table of their errors (S2). */
#include "properties.h"

/* Finds an object, and the row of the requested property. The world must be locked. */
static OSStatus look_up(AudioObjectID id, const AudioObjectPropertyAddress *a,
                        UInt32 qualifier_size, const void *qualifier, request *q) {
    *q = (request){.qualifier_size = qualifier_size, .qualifier = qualifier};
    q->o = object_find(id);
    if (a == NULL) {
        report_fault(CN_fault_null, "a NULL property address");
        return kAudioHardwareIllegalOperationError;
    }
    if (q->o == NULL) {
        return kAudioHardwareBadObjectError;
    }
    q->selector = a->mSelector;
    q->scope = a->mScope;
    q->element = a->mElement;
    return property_find(q) != NULL ? 0 : kAudioHardwareUnknownPropertyError;
}

EXPORT Boolean AudioObjectHasProperty(AudioObjectID inObjectID,
                                      const AudioObjectPropertyAddress *inAddress) {
    if (!enter(__func__)) {
        return 0;
    }
    request q;
    bool has = override_find(inObjectID, inAddress) != NULL ||
               look_up(inObjectID, inAddress, 0, NULL, &q) == 0;
    leave();
    return has;
}

EXPORT OSStatus AudioObjectIsPropertySettable(AudioObjectID inObjectID,
                                              const AudioObjectPropertyAddress *inAddress,
                                              Boolean *outIsSettable) {
    if (!enter(__func__)) {
        return refused();
    }
    request q;
    OSStatus error = look_up(inObjectID, inAddress, 0, NULL, &q);
    if (outIsSettable == NULL) {
        report_fault(CN_fault_null, "AudioObjectIsPropertySettable: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else if (error == 0) {
        *outIsSettable = property_is_settable(&q);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioObjectGetPropertyDataSize(AudioObjectID inObjectID,
                                               const AudioObjectPropertyAddress *inAddress,
                                               UInt32 inQualifierDataSize,
                                               const void *inQualifierData, UInt32 *outDataSize) {
    if (!enter(__func__)) {
        return refused();
    }
    request q;
    const override *o = override_find(inObjectID, inAddress);
    OSStatus error = 0;
    if (o == NULL) {
        error = look_up(inObjectID, inAddress, inQualifierDataSize, inQualifierData, &q);
    }
    if (outDataSize == NULL) {
        report_fault(CN_fault_null, "AudioObjectGetPropertyDataSize: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else if (o != NULL) {
        error = override_reply(o, outDataSize, NULL);
    } else if (error == 0) {
        reply r; /* the bytes need not be zeroed */
        r.size = 0;
        r.size_only = true;
        error = q.p->does->get(&q, &r);
        if (error == 0) {
            *outDataSize = r.size;
        }
    }
    leave();
    return error;
}

/* Blocks if a test has made this property hang. Returns false if the object died during the wait.
 */
static bool hang(const request *q) {
    device *d = q->o->device;
    if (d == NULL || d->hang_get_ns == 0 || d->hang_selector != q->selector) {
        return true;
    }
    uint64_t ns = d->hang_get_ns;
    return block_until_locked(ns == SIM_FOREVER ? SIM_FOREVER : now_locked() + ns, d) &&
           q->o->alive;
}

static OSStatus get(request *q, UInt32 *size, void *data) {
    const property *p = q->p;
    reply r;
    r.size = 0;
    r.size_only = false;
    q->in_out = data;
    if (!p->is_list && *size < p->item_size) {
        report_fault(CN_fault_bad_size, "get of %s with a buffer of %u bytes",
                     fourcc_text(p->selector), *size);
        return kAudioHardwareBadPropertySizeError;
    }
    OSStatus error = p->does->get(q, &r);
    if (error != 0) {
        return error;
    }
    if (p->is_list && *size < r.size) {
        r.size = *size / p->item_size * p->item_size;
        if (p->type == COREAUDIO_TYPE_C_STRING && r.size > 0) {
            r.bytes[r.size - 1] = 0; /* a text ends in its buffer */
        }
    } else if (*size < r.size) {
        report_fault(CN_fault_bad_size, "get of %s with a buffer of %u bytes",
                     fourcc_text(p->selector), *size);
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(data, r.bytes, r.size);
    *size = r.size;
    return 0;
}

EXPORT OSStatus AudioObjectGetPropertyData(AudioObjectID inObjectID,
                                           const AudioObjectPropertyAddress *inAddress,
                                           UInt32 inQualifierDataSize, const void *inQualifierData,
                                           UInt32 *ioDataSize, void *outData) {
    if (!enter(__func__)) {
        return refused();
    }
    request q;
    const override *o = override_find(inObjectID, inAddress);
    OSStatus error = 0;
    if (o == NULL) {
        error = look_up(inObjectID, inAddress, inQualifierDataSize, inQualifierData, &q);
    }
    unsigned char nothing; /* a NULL pointer is a buffer of no size */
    void *data = outData != NULL ? outData : &nothing;
    if (ioDataSize == NULL || (outData == NULL && *ioDataSize > 0)) {
        report_fault(CN_fault_null, "AudioObjectGetPropertyData: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else if (o != NULL) {
        error = override_reply(o, ioDataSize, data);
    } else if (error == 0) {
        error = hang(&q) ? get(&q, ioDataSize, data) : kAudioHardwareBadObjectError;
    }
    leave();
    return error;
}

static OSStatus set_read_only(void) {
    static const OSStatus errors[3] = {kAudioHardwareUnknownPropertyError,
                                       kAudioHardwareUnsupportedOperationError,
                                       kAudioHardwareIllegalOperationError};
    return errors[SWITCH(set_readonly_error)];
}

EXPORT OSStatus AudioObjectSetPropertyData(AudioObjectID inObjectID,
                                           const AudioObjectPropertyAddress *inAddress,
                                           UInt32 inQualifierDataSize, const void *inQualifierData,
                                           UInt32 inDataSize, const void *inData) {
    if (!enter(__func__)) {
        return refused();
    }
    request q;
    OSStatus error = look_up(inObjectID, inAddress, inQualifierDataSize, inQualifierData, &q);
    if (error == 0 && !property_is_settable(&q)) {
        error = set_read_only();
    } else if (error == 0 && inData == NULL) {
        report_fault(CN_fault_null, "AudioObjectSetPropertyData: a NULL pointer");
        error = kAudioHardwareIllegalOperationError;
    } else if (error == 0 && (q.p->is_list || q.p->size_varies ? inDataSize < q.p->item_size
                                                               : inDataSize != q.p->item_size)) {
        report_fault(CN_fault_bad_size, "set of %s with %u bytes", fourcc_text(q.selector),
                     inDataSize);
        error = kAudioHardwareBadPropertySizeError;
    } else if (error == 0) {
        error = q.p->does->set(&q, inData, inDataSize);
    }
    leave();
    return error;
}

/* The real function prints. The simulated one adds the text to the report. */
EXPORT void AudioObjectShow(AudioObjectID inObjectID) {
    if (!enter(__func__)) {
        return;
    }
    const object *o = object_even_dead(inObjectID);
    if (o == NULL) {
        report_line("AudioObjectShow: %u is no object", inObjectID);
    } else {
        report_line("AudioObjectShow: %u class %s owner %u%s", o->id, fourcc_text(o->class_id),
                    o->owner ? o->owner->id : 0, o->alive ? "" : " (dead)");
    }
    leave();
}

EXPORT OSStatus AudioHardwareUnload(void) {
    if (!enter(__func__)) {
        return refused();
    }
    for (size_t i = 0; i < world.device_count; i++) {
        if (world.devices[i]->current != NULL) {
            io_end_locked(world.devices[i]->current, true);
        }
    }
    leave();
    return 0;
}

/* In the real HAL, these sources were only for the HAL's own run loop. The simulator runs no
 * sources. */
EXPORT OSStatus AudioHardwareAddRunLoopSource(CFRunLoopSourceRef inRunLoopSource) {
    return inRunLoopSource == NULL ? kAudioHardwareIllegalOperationError : 0;
}

EXPORT OSStatus AudioHardwareRemoveRunLoopSource(CFRunLoopSourceRef inRunLoopSource) {
    return inRunLoopSource == NULL ? kAudioHardwareIllegalOperationError : 0;
}
