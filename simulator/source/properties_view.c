/* properties_view.c: the properties of a device that are views of one of its controls. A request to
 * the device becomes a request to the control of the same scope and element. */
#include "properties.h"

static const struct view {
    UInt32 selector;
    AudioClassID class_id;
    UInt32 of;
} views[] = {
#define COREAUDIO_CONTROL_VIEW(selector, class_id, of) {selector, class_id, of},
    COREAUDIO_CONTROL_VIEWS
#undef COREAUDIO_CONTROL_VIEW
};

/* A view is in the play-through scope, in the global scope, or on one side. */
static bool view_has_scope(UInt32 selector, UInt32 scope) {
    enum coreaudio_scopes scopes = property_row(kAudioDeviceClassID, selector)->scopes;
    return (scopes == COREAUDIO_SCOPES_PLAYTHROUGH) ==
               (scope == kAudioObjectPropertyScopePlayThrough) &&
           (scopes == COREAUDIO_SCOPES_ANY) == (scope == kAudioObjectPropertyScopeGlobal);
}

/* Notifies a change of a control, and of all properties of its device that are views of it. */
void control_changed(const control *c, const UInt32 *selectors, size_t count) {
    change own = {.count = 0}, seen = {.count = 0};
    for (size_t k = 0; k < count; k++) {
        change_add(&own, selectors[k], kAudioObjectPropertyScopeGlobal);
        for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
            if (views[i].class_id == c->o.class_id && views[i].of == selectors[k] &&
                view_has_scope(views[i].selector, c->scope)) {
                change_add_element(&seen, views[i].selector, c->scope, c->element);
            }
        }
    }
    notify_locked(c->o.owner->id, &seen);
    notify_locked(c->o.id, &own);
}

static const struct view *view_of(UInt32 selector) {
    size_t i = 0;
    while (views[i].selector != selector) {
        i++;
    }
    return &views[i];
}

/* Makes the request to the control. Returns false if the device has no such control. */
static bool to_control(const request *q, request *control_request) {
    const struct view *v = view_of(q->selector);
    bool device_wide = q->p->scopes == COREAUDIO_SCOPES_ANY;
    UInt32 scope = device_wide ? kAudioObjectPropertyScopeGlobal : q->scope;
    control *c = control_find(q->d, v->class_id, scope, device_wide ? 0 : q->element);
    if (c == NULL) {
        return false;
    }
    *control_request = (request){.o = &c->o,
                                 .selector = v->of,
                                 .scope = kAudioObjectPropertyScopeGlobal,
                                 .qualifier = q->qualifier,
                                 .qualifier_size = q->qualifier_size,
                                 .in_out = q->in_out};
    return property_find(control_request) != NULL;
}

static bool has_view(const request *q) {
    request c;
    return to_control(q, &c);
}

static bool writes_view(const request *q) {
    request c;
    return to_control(q, &c) && property_has_setter(&c);
}

/* Answers an AudioValueTranslation: its input is the ID of an item, which the control gets as a
 * qualifier. Old selectors want the name of an item as a C string. */
static OSStatus translate(const request *q, request *c, reply *r) {
    AudioValueTranslation t = {0};
    if (!r->size_only) {
        bool kind = c->selector == kAudioSelectorControlPropertyItemKind;
        bool old = q->selector == kAudioDevicePropertyDataSourceNameForID ||
                   q->selector == kAudioDevicePropertyClockSourceNameForID ||
                   q->selector == kAudioDevicePropertyPlayThruDestinationNameForID ||
                   q->selector == kAudioDevicePropertyChannelNominalLineLevelNameForID ||
                   q->selector == kAudioDevicePropertyHighPassFilterSettingNameForID;
        UInt32 size = kind ? sizeof(UInt32) : old ? 1 : sizeof(CFStringRef);
        OSStatus error = read_translation(q, &t, sizeof(UInt32), size);
        if (error != 0) {
            return error;
        }
        c->qualifier = t.mInputData;
        c->qualifier_size = sizeof(UInt32);
        reply item;
        item.size = 0;
        item.size_only = false;
        error = c->p->does->get(c, &item);
        if (error != 0) {
            return error;
        }
        if (old) {
            CFStringRef name;
            memcpy(&name, item.bytes, sizeof name);
            CFStringGetCString(name, t.mOutputData, (CFIndex)t.mOutputDataSize,
                               kCFStringEncodingMacRoman);
            CFRelease(name);
        } else {
            memcpy(t.mOutputData, item.bytes, size);
        }
    }
    put(r, &t, sizeof t);
    return 0;
}

static OSStatus get_view(const request *q, reply *r) {
    request c;
    if (!to_control(q, &c)) {
        return kAudioHardwareUnknownPropertyError;
    }
    return q->p->type == COREAUDIO_TYPE_TRANSLATION ? translate(q, &c, r) : c.p->does->get(&c, r);
}

static OSStatus set_view(const request *q, const void *data, UInt32 size) {
    request c;
    return to_control(q, &c) ? c.p->does->set(&c, data, size) : kAudioHardwareUnknownPropertyError;
}

const behaviour view_behaviours[] = {
#define COREAUDIO_CONTROL_VIEW(selector, class_id, of)                                             \
    {kAudioDeviceClassID, selector, get_view, set_view, has_view, writes_view},
    COREAUDIO_CONTROL_VIEWS
#undef COREAUDIO_CONTROL_VIEW
    {0, 0, NULL, NULL, NULL, NULL},
};
