/* properties_control.c: volume, mute and data source. A device has them as properties, and also as
 * control objects. */
#include "properties.h"

static const float lowest_db = -64;

static float to_db(float scalar) { return lowest_db * (1 - scalar); }
static float to_scalar(float db) { return 1 - db / lowest_db; }
static float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* A control belongs to one scope and element of its device. A request for the device's own property
 * states both. */
static int side(const request *q) {
    UInt32 scope = q->c ? q->c->scope : q->scope;
    return scope == kAudioObjectPropertyScopeInput ? INPUT : OUTPUT;
}
static UInt32 channel(const request *q) { return q->c ? q->c->element : q->element; }
static float *volume(const request *q) { return &q->d->volume[side(q)][channel(q)]; }

static void changed(const request *q, UInt32 device_selector, UInt32 control_selector,
                    AudioClassID class_id) {
    UInt32 scope =
        side(q) == INPUT ? kAudioObjectPropertyScopeInput : kAudioObjectPropertyScopeOutput;
    change c = {.addresses = {{device_selector, scope, channel(q)}}, .count = 1};
    notify_locked(q->d->o.id, &c);
    for (size_t i = 0; i < q->d->control_count; i++) {
        const control *k = q->d->controls[i];
        if (k->o.class_id == class_id && k->scope == scope && k->element == channel(q)) {
            notify_one_locked(k->o.id, control_selector, kAudioObjectPropertyScopeGlobal);
        }
    }
}

bool has_volume(const request *q) {
    UInt32 channels = device_channels(q->d, side(q));
    return channels > 0 && ((q->d->volume_kind == 1 && q->element == 0) ||
                            (q->d->volume_kind == 2 && q->element >= 1 && q->element <= channels));
}
bool has_mute(const request *q) {
    return q->d->volume_kind == 1 && q->element == 0 && device_channels(q->d, side(q)) > 0;
}
bool has_source(const request *q) {
    return q->element == 0 && side(q) == OUTPUT && q->d->source_count > 0;
}

#define GET(name) OSStatus get_##name(const request *q, reply *r)
#define SET(name) OSStatus set_##name(const request *q, const void *data, UInt32 size)

GET(volume) {
    put_f32(r, *volume(q));
    return 0;
}
GET(decibels) {
    put_f32(r, to_db(*volume(q)));
    return 0;
}
GET(decibel_range) {
    (void)q;
    AudioValueRange range = {lowest_db, 0};
    put(r, &range, sizeof range);
    return 0;
}
static float given(const request *q) {
    float x = 0;
    if (q->in_out != NULL) {
        memcpy(&x, q->in_out, sizeof x);
    }
    return x;
}
GET(to_decibels) {
    put_f32(r, to_db(clamp(given(q), 0, 1)));
    return 0;
}
GET(to_scalar) {
    put_f32(r, to_scalar(clamp(given(q), lowest_db, 0)));
    return 0;
}
static void set_level(const request *q, float scalar) {
    scalar = clamp(scalar, 0, 1);
    if (*volume(q) != scalar) {
        *volume(q) = scalar;
        changed(q, kAudioDevicePropertyVolumeScalar, kAudioLevelControlPropertyScalarValue,
                kAudioVolumeControlClassID);
    }
}
SET(volume) {
    float x;
    (void)size;
    memcpy(&x, data, sizeof x);
    set_level(q, x);
    return 0;
}
SET(decibels) {
    float x;
    (void)size;
    memcpy(&x, data, sizeof x);
    set_level(q, to_scalar(x));
    return 0;
}
GET(mute) {
    put_u32(r, q->d->mute[side(q)]);
    return 0;
}
SET(mute) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    if (q->d->mute[side(q)] != (on != 0)) {
        q->d->mute[side(q)] = on != 0;
        changed(q, kAudioDevicePropertyMute, kAudioBooleanControlPropertyValue,
                kAudioMuteControlClassID);
    }
    return 0;
}
GET(source) {
    put_u32(r, q->d->source);
    return 0;
}
SET(source) {
    UInt32 id;
    (void)size;
    memcpy(&id, data, sizeof id);
    for (size_t i = 0; i < q->d->source_count; i++) {
        if (q->d->sources[i].id == id) {
            if (q->d->source != id) {
                q->d->source = id;
                changed(q, kAudioDevicePropertyDataSource, kAudioSelectorControlPropertyCurrentItem,
                        kAudioDataSourceControlClassID);
            }
            return 0;
        }
    }
    return kAudioHardwareIllegalOperationError;
}
GET(sources) {
    for (size_t i = 0; i < q->d->source_count; i++) {
        put_u32(r, q->d->sources[i].id);
    }
    return 0;
}

/* Reads the AudioValueTranslation of the caller, checks that its output has room for `size` bytes,
 * and finds the source that it names. */
static OSStatus translation(const request *q, AudioValueTranslation *t, UInt32 size,
                            size_t *source) {
    memcpy(t, q->in_out, sizeof *t);
    if (t->mInputData == NULL || t->mOutputData == NULL) {
        return kAudioHardwareIllegalOperationError;
    }
    if (t->mInputDataSize < sizeof(UInt32) || t->mOutputDataSize < size) {
        return kAudioHardwareBadPropertySizeError;
    }
    UInt32 id;
    memcpy(&id, t->mInputData, sizeof id);
    for (*source = 0; *source < q->d->source_count; (*source)++) {
        if (q->d->sources[*source].id == id) {
            return 0;
        }
    }
    return kAudioHardwareIllegalOperationError;
}
GET(source_name) {
    AudioValueTranslation t = {0};
    size_t i;
    if (!r->size_only) {
        OSStatus error = translation(q, &t, sizeof(CFStringRef), &i);
        if (error != 0) {
            return error;
        }
        CFStringRef name = cf_string(q->d->sources[i].name);
        memcpy(t.mOutputData, &name, sizeof name);
    }
    put(r, &t, sizeof t);
    return 0;
}
GET(source_kind) {
    AudioValueTranslation t = {0};
    size_t i;
    if (!r->size_only) {
        OSStatus error = translation(q, &t, sizeof(UInt32), &i);
        if (error != 0) {
            return error;
        }
        memcpy(t.mOutputData, &q->d->sources[i].id, sizeof(UInt32));
    }
    put(r, &t, sizeof t);
    return 0;
}

/* ---- controls ---- */

static bool is_level(const request *q) {
    return q->element == 0 && q->o->base_class_id == kAudioLevelControlClassID;
}
static bool is_boolean(const request *q) {
    return q->element == 0 && q->o->base_class_id == kAudioBooleanControlClassID;
}
static bool is_selector(const request *q) {
    return q->element == 0 && q->o->base_class_id == kAudioSelectorControlClassID;
}
static OSStatus get_control_scope(const request *q, reply *r) {
    put_u32(r, q->c->scope);
    return 0;
}
static OSStatus get_control_element(const request *q, reply *r) {
    put_u32(r, q->c->element);
    return 0;
}
static OSStatus get_item_name(const request *q, reply *r) {
    UInt32 id = 0;
    if (q->qualifier != NULL && q->qualifier_size == sizeof id) {
        memcpy(&id, q->qualifier, sizeof id);
    }
    for (size_t i = 0; i < q->d->source_count; i++) {
        if (q->d->sources[i].id == id || r->size_only) {
            put_string(r, q->d->sources[i].name);
            return 0;
        }
    }
    return kAudioHardwareIllegalOperationError;
}

#define ROW(name, shape, size, get, set, has)                                                      \
    {kAudio##name, CONTROL, GLOBAL_ONLY, shape, size, 0, get, set, has}
const property control_properties[] = {
    ROW(ControlPropertyScope, SCALAR, 4, get_control_scope, NULL, NULL),
    ROW(ControlPropertyElement, SCALAR, 4, get_control_element, NULL, NULL),
    ROW(LevelControlPropertyScalarValue, SCALAR, 4, get_volume, set_volume, is_level),
    ROW(LevelControlPropertyDecibelValue, SCALAR, 4, get_decibels, set_decibels, is_level),
    ROW(LevelControlPropertyDecibelRange, SCALAR, 16, get_decibel_range, NULL, is_level),
    ROW(LevelControlPropertyConvertScalarToDecibels, TRANSLATION, 4, get_to_decibels, NULL,
        is_level),
    ROW(LevelControlPropertyConvertDecibelsToScalar, TRANSLATION, 4, get_to_scalar, NULL, is_level),
    ROW(BooleanControlPropertyValue, SCALAR, 4, get_mute, set_mute, is_boolean),
    ROW(SelectorControlPropertyCurrentItem, ARRAY, 4, get_source, set_source, is_selector),
    ROW(SelectorControlPropertyAvailableItems, ARRAY, 4, get_sources, NULL, is_selector),
    ROW(SelectorControlPropertyItemName, OBJECT, 8, get_item_name, NULL, is_selector),
    {0, 0, GLOBAL_ONLY, SCALAR, 0, 0, NULL, NULL, NULL},
};
