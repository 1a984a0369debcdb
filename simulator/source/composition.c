/* composition.c: reads and writes the dictionary that describes an aggregate device. */
#include "aggregate.h"

static CFTypeRef value_of(CFDictionaryRef dictionary, const char *key) {
    CFStringRef string = cf_string(key);
    CFTypeRef value = CFDictionaryGetValue(dictionary, string);
    CFRelease(string);
    return value;
}

static char *text_of(CFDictionaryRef dictionary, const char *key) {
    CFTypeRef value = value_of(dictionary, key);
    return cf_is(value, CF_STRING) ? cf_copy_utf8(value) : NULL;
}

static UInt32 number_of(CFDictionaryRef dictionary, const char *key) {
    CFTypeRef value = value_of(dictionary, key);
    SInt32 number = 0;
    if (cf_is(value, CF_NUMBER)) {
        CFNumberGetValue(value, kCFNumberSInt32Type, &number);
    } else if (cf_is(value, CF_BOOLEAN)) {
        number = CFBooleanGetValue(value);
    }
    return (UInt32)number;
}

static OSStatus read_sub(CFDictionaryRef dictionary, sub_device *s) {
    *s = (sub_device){0};
    if (!cf_is(dictionary, CF_DICTIONARY)) {
        return kAudioHardwareIllegalOperationError;
    }
    s->uid = text_of(dictionary, kAudioSubDeviceUIDKey);
    s->drift = number_of(dictionary, kAudioSubDeviceDriftCompensationKey) != 0;
    s->quality = number_of(dictionary, kAudioSubDeviceDriftCompensationQualityKey);
    s->extra_in = number_of(dictionary, kAudioSubDeviceExtraInputLatencyKey);
    s->extra_out = number_of(dictionary, kAudioSubDeviceExtraOutputLatencyKey);
    return s->uid != NULL ? 0 : kAudioHardwareIllegalOperationError;
}

OSStatus composition_read(CFDictionaryRef dictionary, composition *c) {
    *c = (composition){0};
    if (!cf_is(dictionary, CF_DICTIONARY)) {
        return kAudioHardwareIllegalOperationError;
    }
    c->uid = text_of(dictionary, kAudioAggregateDeviceUIDKey);
    c->name = text_of(dictionary, kAudioAggregateDeviceNameKey);
    c->main_uid = text_of(dictionary, kAudioAggregateDeviceMainSubDeviceKey);
    c->clock_uid = text_of(dictionary, kAudioAggregateDeviceClockDeviceKey);
    c->is_private = number_of(dictionary, kAudioAggregateDeviceIsPrivateKey) != 0;
    c->stacked = number_of(dictionary, kAudioAggregateDeviceIsStackedKey) != 0;
    CFTypeRef list = value_of(dictionary, kAudioAggregateDeviceSubDeviceListKey);
    for (CFIndex i = 0; cf_is(list, CF_ARRAY) && i < CFArrayGetCount(list); i++) {
        if (c->sub_count == MAX_SUB_DEVICES) {
            return kAudioHardwareIllegalOperationError;
        }
        OSStatus error = read_sub(CFArrayGetValueAtIndex(list, i), &c->subs[c->sub_count]);
        if (error != 0) {
            return error;
        }
        c->sub_count++;
    }
    return 0;
}

void composition_free(composition *c) {
    free(c->uid);
    free(c->name);
    free(c->main_uid);
    free(c->clock_uid);
    for (size_t i = 0; i < c->sub_count; i++) {
        free(c->subs[i].uid);
    }
    *c = (composition){0};
}

/* ---- writing ---- */

static CFMutableDictionaryRef dictionary_new(void) {
    return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
}
static void add_value(CFMutableDictionaryRef dictionary, const char *key, CFTypeRef value) {
    CFStringRef string = cf_string(key);
    CFDictionarySetValue(dictionary, string, value);
    CFRelease(string);
    CFRelease(value);
}
static void add_text(CFMutableDictionaryRef dictionary, const char *key, const char *text) {
    if (text != NULL) {
        add_value(dictionary, key, cf_string(text));
    }
}
static void add_number(CFMutableDictionaryRef dictionary, const char *key, UInt32 number) {
    add_value(dictionary, key, CFNumberCreate(NULL, kCFNumberSInt32Type, &number));
}

CFDictionaryRef composition_write(const device *d) {
    CFMutableDictionaryRef whole = dictionary_new();
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    add_text(whole, kAudioAggregateDeviceUIDKey, d->uid);
    add_text(whole, kAudioAggregateDeviceNameKey, d->name);
    add_text(whole, kAudioAggregateDeviceMainSubDeviceKey, d->aggregate->main_uid);
    add_text(whole, kAudioAggregateDeviceClockDeviceKey, d->aggregate->clock_uid);
    add_number(whole, kAudioAggregateDeviceIsPrivateKey, d->aggregate->is_private);
    add_number(whole, kAudioAggregateDeviceIsStackedKey, d->aggregate->stacked);
    for (size_t i = 0; i < d->aggregate->sub_count; i++) {
        const sub_device *s = d->aggregate->subs[i];
        CFMutableDictionaryRef one = dictionary_new();
        add_text(one, kAudioSubDeviceUIDKey, s->uid);
        add_number(one, kAudioSubDeviceDriftCompensationKey, s->drift);
        add_number(one, kAudioSubDeviceDriftCompensationQualityKey, s->quality);
        add_number(one, kAudioSubDeviceExtraInputLatencyKey, s->extra_in);
        add_number(one, kAudioSubDeviceExtraOutputLatencyKey, s->extra_out);
        CFArrayAppendValue(list, one);
        CFRelease(one);
    }
    add_value(whole, kAudioAggregateDeviceSubDeviceListKey, list);
    return whole;
}
