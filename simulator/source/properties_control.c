/* properties_control.c: control objects (levels, switches, selectors, pans). The properties of a
 * device that are views of a control are in properties_view.c. */
#include "properties.h"

static float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static float to_db(const control *c, float scalar) {
    return c->low_db + (c->high_db - c->low_db) * scalar;
}
static float to_scalar(const control *c, float db) {
    return (db - c->low_db) / (c->high_db - c->low_db);
}

/* Returns the hardware's step that is nearest to a level. */
static float nearest_step(float scalar) {
    const float steps = 128;
    return (float)(int)(clamp(scalar, 0, 1) * steps + 0.5f) / steps;
}

control *control_find(const device *d, AudioClassID class_id, UInt32 scope, UInt32 element) {
    for (size_t i = 0; i < d->control_count; i++) {
        control *c = d->controls[i];
        if (c->o.class_id == class_id && c->scope == scope && c->element == element) {
            return c;
        }
    }
    return NULL;
}

static void changed(const request *q, UInt32 selector) { control_changed(q->c, &selector, 1); }

GET_U32(scope, q->c->scope)
GET_U32(element, q->c->element)

/* ---- levels ---- */

GET_F32(scalar, q->c->level)
GET_F32(decibels, to_db(q->c, q->c->level))
GET(decibel_range) {
    AudioValueRange range = {q->c->low_db, q->c->high_db};
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
GET_F32(to_decibels, to_db(q->c, clamp(given(q), 0, 1)))
GET_F32(to_scalar, to_scalar(q->c, clamp(given(q), q->c->low_db, q->c->high_db)))
void control_set_level(control *c, float scalar) {
    static const UInt32 both[] = {kAudioLevelControlPropertyScalarValue,
                                  kAudioLevelControlPropertyDecibelValue};
    float step = nearest_step(scalar);
    if (c->level != step) {
        c->level = step;
        control_changed(c, both, 2);
    }
}
SET(scalar) {
    float x;
    (void)size;
    memcpy(&x, data, sizeof x);
    control_set_level(q->c, x);
    return 0;
}
SET(decibels) {
    float x;
    (void)size;
    memcpy(&x, data, sizeof x);
    control_set_level(q->c, to_scalar(q->c, x));
    return 0;
}
GET_U32(transfer_function, q->c->transfer_function)
SET(transfer_function) {
    UInt32 f;
    (void)size;
    memcpy(&f, data, sizeof f);
    if (f > kAudioLevelControlTranferFunction12Over1) {
        return kAudioHardwareIllegalOperationError;
    }
    q->c->transfer_function = f;
    return 0;
}

/* ---- switches ---- */

/* The state of a jack comes from the hardware. */
static bool accepts_switch(const request *q) { return q->o->class_id != kAudioJackControlClassID; }
GET_U32(on, q->c->on)
void control_set_on(control *c, bool on) {
    UInt32 selector = kAudioBooleanControlPropertyValue;
    if (c->on != on) {
        c->on = on;
        control_changed(c, &selector, 1);
        voice_update_locked(c->o.device);
    }
}
SET(on) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    control_set_on(q->c, on != 0);
    return 0;
}

/* ---- selectors ---- */

GET_U32(current, q->c->current)
OSStatus control_select(control *c, UInt32 item) {
    UInt32 selector = kAudioSelectorControlPropertyCurrentItem;
    for (size_t i = 0; i < c->item_count; i++) {
        if (c->items[i].id == item) {
            if (c->current != item) {
                c->current = item;
                control_changed(c, &selector, 1);
            }
            return 0;
        }
    }
    return kAudioHardwareIllegalOperationError;
}
SET(current) {
    UInt32 item;
    if (size != sizeof item) { /* the simulated selectors choose one item */
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(&item, data, sizeof item);
    return control_select(q->c, item);
}
GET(available) {
    for (size_t i = 0; i < q->c->item_count; i++) {
        put_u32(r, q->c->items[i].id);
    }
    return 0;
}
/* The qualifier is the ID of an item. A size query needs none. */
static OSStatus qualified_item(const request *q, const reply *r, size_t *index) {
    UInt32 id;
    *index = 0;
    if (r->size_only) {
        return q->c->item_count > 0 ? 0 : kAudioHardwareIllegalOperationError;
    }
    if (q->qualifier == NULL || q->qualifier_size != sizeof id) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(&id, q->qualifier, sizeof id);
    while (*index < q->c->item_count && q->c->items[*index].id != id) {
        ++*index;
    }
    return *index < q->c->item_count ? 0 : kAudioHardwareIllegalOperationError;
}
GET(item_name) {
    size_t i;
    OSStatus error = qualified_item(q, r, &i);
    if (error == 0) {
        put_string(r, q->c->items[i].name);
    }
    return error;
}
GET(item_kind) {
    size_t i;
    OSStatus error = qualified_item(q, r, &i);
    if (error == 0) {
        put_u32(r, q->c->items[i].id);
    }
    return error;
}
/* Line levels and high-pass filters have no kinds of items. */
static bool has_kinds(const request *q) {
    return q->o->class_id == kAudioDataSourceControlClassID ||
           q->o->class_id == kAudioDataDestinationControlClassID ||
           q->o->class_id == kAudioClockSourceControlClassID;
}

/* ---- pans and sliders ---- */

GET_F32(pan, q->c->level)
SET(pan) {
    float x;
    (void)size;
    memcpy(&x, data, sizeof x);
    x = clamp(x, 0, 1);
    if (q->c->level != x) {
        q->c->level = x;
        changed(q, kAudioStereoPanControlPropertyValue);
    }
    return 0;
}
GET(panned_channels) {
    UInt32 first = q->c->element ? q->c->element : 1;
    put_u32(r, first);
    put_u32(r, first + 1);
    return 0;
}
GET_U32(slider, q->c->slider)
SET(slider) {
    UInt32 x;
    (void)size;
    memcpy(&x, data, sizeof x);
    x = x > 100 ? 100 : x;
    if (q->c->slider != x) {
        q->c->slider = x;
        changed(q, kAudioSliderControlPropertyValue);
    }
    return 0;
}
GET(slider_range) {
    (void)q;
    put_u32(r, 0);
    put_u32(r, 100);
    return 0;
}

#define ROW(class_name, name, get, set)                                                            \
    {kAudio##class_name##ClassID, kAudio##name, get, set, NULL, NULL}
const behaviour control_behaviours[] = {
    ROW(Control, ControlPropertyScope, get_scope, NULL),
    ROW(Control, ControlPropertyElement, get_element, NULL),
    ROW(Control, ControlPropertyVariant, get_zero, NULL),
    ROW(LevelControl, LevelControlPropertyScalarValue, get_scalar, set_scalar),
    ROW(LevelControl, LevelControlPropertyDecibelValue, get_decibels, set_decibels),
    ROW(LevelControl, LevelControlPropertyDecibelRange, get_decibel_range, NULL),
    ROW(LevelControl, LevelControlPropertyConvertScalarToDecibels, get_to_decibels, NULL),
    ROW(LevelControl, LevelControlPropertyConvertDecibelsToScalar, get_to_scalar, NULL),
    ROW(LevelControl, LevelControlPropertyDecibelsToScalarTransferFunction, get_transfer_function,
        set_transfer_function),
    {kAudioBooleanControlClassID, kAudioBooleanControlPropertyValue, get_on, set_on, NULL,
     accepts_switch},
    ROW(SelectorControl, SelectorControlPropertyCurrentItem, get_current, set_current),
    ROW(SelectorControl, SelectorControlPropertyAvailableItems, get_available, NULL),
    ROW(SelectorControl, SelectorControlPropertyItemName, get_item_name, NULL),
    {kAudioSelectorControlClassID, kAudioSelectorControlPropertyItemKind, get_item_kind, NULL,
     has_kinds, NULL},
    ROW(StereoPanControl, StereoPanControlPropertyValue, get_pan, set_pan),
    ROW(StereoPanControl, StereoPanControlPropertyPanningChannels, get_panned_channels, NULL),
    ROW(SliderControl, SliderControlPropertyValue, get_slider, set_slider),
    ROW(SliderControl, SliderControlPropertyRange, get_slider_range, NULL),
    {0, 0, NULL, NULL, NULL, NULL},
};
