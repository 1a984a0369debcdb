/* composition.c: reads and writes the dictionary that describes an aggregate device. */
#include "aggregate.h"
#include "dictionary.h"

static OSStatus read_sub(CFDictionaryRef dictionary, sub_device *s) {
    *s = (sub_device){0};
    if (!cf_is(dictionary, CF_DICTIONARY)) {
        return kAudioHardwareIllegalOperationError;
    }
    s->uid = dictionary_text(dictionary, kAudioSubDeviceUIDKey);
    s->drift = dictionary_number(dictionary, kAudioSubDeviceDriftCompensationKey) != 0;
    s->quality = dictionary_number(dictionary, kAudioSubDeviceDriftCompensationQualityKey);
    s->extra_in = dictionary_number(dictionary, kAudioSubDeviceExtraInputLatencyKey);
    s->extra_out = dictionary_number(dictionary, kAudioSubDeviceExtraOutputLatencyKey);
    return s->uid != NULL ? 0 : kAudioHardwareIllegalOperationError;
}

static OSStatus read_list(CFTypeRef list, sub_device *subs, size_t *count) {
    for (CFIndex i = 0; cf_is(list, CF_ARRAY) && i < CFArrayGetCount(list); i++) {
        if (*count == MAX_SUB_DEVICES) {
            return kAudioHardwareIllegalOperationError;
        }
        OSStatus error = read_sub(CFArrayGetValueAtIndex(list, i), &subs[*count]);
        if (error != 0) {
            return error;
        }
        (*count)++;
    }
    return 0;
}

OSStatus composition_read(CFDictionaryRef dictionary, composition *c) {
    *c = (composition){0};
    if (!cf_is(dictionary, CF_DICTIONARY)) {
        return kAudioHardwareIllegalOperationError;
    }
    c->uid = dictionary_text(dictionary, kAudioAggregateDeviceUIDKey);
    c->name = dictionary_text(dictionary, kAudioAggregateDeviceNameKey);
    c->main_uid = dictionary_text(dictionary, kAudioAggregateDeviceMainSubDeviceKey);
    c->clock_uid = dictionary_text(dictionary, kAudioAggregateDeviceClockDeviceKey);
    c->is_private = dictionary_number(dictionary, kAudioAggregateDeviceIsPrivateKey) != 0;
    c->stacked = dictionary_number(dictionary, kAudioAggregateDeviceIsStackedKey) != 0;
    c->tap_auto_start = dictionary_number(dictionary, kAudioAggregateDeviceTapAutoStartKey) != 0;
    OSStatus error = read_list(dictionary_value(dictionary, kAudioAggregateDeviceSubDeviceListKey),
                               c->subs, &c->sub_count);
    if (error == 0 && world.macos >= 1402) { /* an older macOS does not know taps */
        error = read_list(dictionary_value(dictionary, kAudioAggregateDeviceTapListKey), c->taps,
                          &c->tap_count);
    }
    return error;
}

/* What an aggregate is made of now. The caller frees it. */
void composition_of_device(const device *d, composition *c) {
    const struct aggregate *a = d->aggregate;
    *c = (composition){
        .tap_auto_start = a->tap_auto_start, .sub_count = a->sub_count, .tap_count = a->tap_count};
    for (size_t i = 0; i < a->sub_count; i++) {
        c->subs[i] = *a->subs[i];
        c->subs[i].uid = text_copy(a->subs[i]->uid);
    }
    for (size_t i = 0; i < a->tap_count; i++) {
        c->taps[i] = *a->taps[i];
        c->taps[i].uid = text_copy(a->taps[i]->uid);
    }
}

void composition_drop_taps(composition *c) {
    for (size_t i = 0; i < c->tap_count; i++) {
        free(c->taps[i].uid);
        c->taps[i] = (sub_device){0};
    }
    c->tap_count = 0;
}

void composition_free(composition *c) {
    free(c->uid);
    free(c->name);
    free(c->main_uid);
    free(c->clock_uid);
    for (size_t i = 0; i < c->sub_count; i++) {
        free(c->subs[i].uid);
    }
    composition_drop_taps(c);
    *c = (composition){0};
}

/* ---- writing ---- */

/* Devices and taps have the same keys. */
static CFArrayRef list_of(sub_device *const subs[], size_t count) {
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (size_t i = 0; i < count; i++) {
        const sub_device *s = subs[i];
        CFMutableDictionaryRef one = dictionary_new();
        dictionary_add_text(one, kAudioSubDeviceUIDKey, s->uid);
        dictionary_add_number(one, kAudioSubDeviceDriftCompensationKey, s->drift);
        dictionary_add_number(one, kAudioSubDeviceDriftCompensationQualityKey, s->quality);
        dictionary_add_number(one, kAudioSubDeviceExtraInputLatencyKey, s->extra_in);
        dictionary_add_number(one, kAudioSubDeviceExtraOutputLatencyKey, s->extra_out);
        CFArrayAppendValue(list, one);
        CFRelease(one);
    }
    return list;
}

CFDictionaryRef composition_write(const device *d) {
    CFMutableDictionaryRef whole = dictionary_new();
    dictionary_add_text(whole, kAudioAggregateDeviceUIDKey, d->uid);
    dictionary_add_text(whole, kAudioAggregateDeviceNameKey, d->name);
    dictionary_add_text(whole, kAudioAggregateDeviceMainSubDeviceKey, d->aggregate->main_uid);
    dictionary_add_text(whole, kAudioAggregateDeviceClockDeviceKey, d->aggregate->clock_uid);
    dictionary_add_number(whole, kAudioAggregateDeviceIsPrivateKey, d->aggregate->is_private);
    dictionary_add_number(whole, kAudioAggregateDeviceIsStackedKey, d->aggregate->stacked);
    dictionary_add(whole, kAudioAggregateDeviceSubDeviceListKey,
                   list_of(d->aggregate->subs, d->aggregate->sub_count));
    if (d->aggregate->tap_count > 0) {
        dictionary_add(whole, kAudioAggregateDeviceTapListKey,
                       list_of(d->aggregate->taps, d->aggregate->tap_count));
        dictionary_add_number(whole, kAudioAggregateDeviceTapAutoStartKey,
                              d->aggregate->tap_auto_start);
    }
    return whole;
}
