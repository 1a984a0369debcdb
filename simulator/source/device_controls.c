/* device_controls.c: makes the control objects of a device from its description. */
#include "world.h"

static AudioClassID base_of(AudioClassID class_id) {
    switch (class_id) {
    case kAudioVolumeControlClassID:
    case kAudioLFEVolumeControlClassID:
        return kAudioLevelControlClassID;
    case kAudioDataSourceControlClassID:
    case kAudioDataDestinationControlClassID:
    case kAudioClockSourceControlClassID:
    case kAudioLineLevelControlClassID:
    case kAudioHighPassFilterControlClassID:
        return kAudioSelectorControlClassID;
    case kAudioStereoPanControlClassID:
    case kAudioSliderControlClassID:
        return kAudioControlClassID;
    default:
        return kAudioBooleanControlClassID;
    }
}

static control *add(device *d, AudioClassID class_id, UInt32 scope, UInt32 element) {
    if (d->control_count == MAX_CONTROLS) {
        return NULL;
    }
    control *c = calloc(1, sizeof *c);
    c->o.class_id = class_id;
    c->scope = scope;
    c->element = element;
    c->low_db = -64;
    c->level = class_id == kAudioStereoPanControlClassID ? 0.5f : 1;
    c->on = class_id == kAudioJackControlClassID;
    d->controls[d->control_count++] = c;
    return c;
}

static void add_item(control *c, UInt32 id, const char *name, size_t length) {
    if (c != NULL && c->item_count < MAX_ITEMS) {
        char *text = calloc(1, length + 1);
        memcpy(text, name, length);
        c->items[c->item_count].id = id;
        c->items[c->item_count++].name = text;
        c->current = c->items[0].id;
    }
}

/* volume=none, master or channels */
void controls_key_volume(device *d, const char *v) {
    d->volume_kind = strcmp(v, "master") == 0 ? 1 : strcmp(v, "channels") == 0 ? 2 : 0;
}

/* sources=ispk:Internal Speakers,hdpn:Headphones */
void controls_key_sources(device *d, const char *v) {
    control *c = add(d, kAudioDataSourceControlClassID, kAudioObjectPropertyScopeOutput, 0);
    while (*v != 0) {
        size_t length = strcspn(v, ",");
        if (length >= 4) {
            add_item(c, FOURCC(v[0], v[1], v[2], v[3]), v + (length > 5 ? 5 : length),
                     length > 5 ? length - 5 : 0);
        }
        v += length + (v[length] == ',');
    }
}

/* controls=phan:in:1,jack:out:0: class, scope (in, out, thru, global) and element. A selector gets
 * two items. */
void controls_key_controls(device *d, const char *v) {
    while (strlen(v) >= 4) {
        size_t length = strcspn(v, ",");
        const char *scope = v + 5, *element = length > 5 ? strchr(scope, ':') : NULL;
        UInt32 code = strncmp(scope, "in", 2) == 0     ? kAudioObjectPropertyScopeInput
                      : strncmp(scope, "out", 3) == 0  ? kAudioObjectPropertyScopeOutput
                      : strncmp(scope, "thru", 4) == 0 ? kAudioObjectPropertyScopePlayThrough
                                                       : kAudioObjectPropertyScopeGlobal;
        control *c = add(d, FOURCC(v[0], v[1], v[2], v[3]), code,
                         element ? (UInt32)strtoul(element + 1, NULL, 10) : 0);
        if (c != NULL && base_of(c->o.class_id) == kAudioSelectorControlClassID) {
            add_item(c, FOURCC('i', 't', 'm', '1'), "First", 5);
            add_item(c, FOURCC('i', 't', 'm', '2'), "Second", 6);
        }
        v += length + (v[length] == ',');
    }
}

/* Adds the volumes and mutes, and gives all controls their object IDs. */
void controls_make(device *d) {
    for (int direction = INPUT; direction >= OUTPUT; direction--) {
        UInt32 scope =
            direction == INPUT ? kAudioObjectPropertyScopeInput : kAudioObjectPropertyScopeOutput;
        UInt32 channels = device_channels(d, direction);
        if (channels > 0 && d->volume_kind == 1) {
            add(d, kAudioVolumeControlClassID, scope, 0);
            add(d, kAudioMuteControlClassID, scope, 0);
        }
        for (UInt32 i = 1; d->volume_kind == 2 && i <= channels; i++) {
            add(d, kAudioVolumeControlClassID, scope, i);
        }
    }
    for (size_t i = 0; i < d->control_count; i++) {
        AudioClassID class_id = d->controls[i]->o.class_id;
        object_add(&d->controls[i]->o, CONTROL, class_id, base_of(class_id), &d->o, d);
    }
}
