/* property_table.c: finds the row of a property, and the behaviour that answers it. The rows come
 * from src/voicecoil/hal/properties.json. */
#include "aggregate.h"

static property rows[] = {
#define COREAUDIO_PROPERTY(class_id, selector, type, scopes, elements, settable, since)            \
    {class_id, selector, type, scopes, elements, settable, since, false, 0, false, NULL},
    COREAUDIO_PROPERTIES
#undef COREAUDIO_PROPERTY
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct {
    AudioClassID class_id, parent;
} classes[] = {
#define COREAUDIO_CLASS(class_id, parent) {class_id, parent},
    COREAUDIO_CLASSES
#undef COREAUDIO_CLASS
};

static const behaviour *const behaviours[] = {
    object_behaviours,  system_behaviours,    device_behaviours,  io_behaviours,
    old_behaviours,     stream_behaviours,    control_behaviours, view_behaviours,
    process_behaviours, aggregate_behaviours, box_behaviours,     tap_behaviours,
    rare_behaviours,    end_point_behaviours};

static AudioClassID parent_of(AudioClassID class_id) {
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].class_id == class_id) {
            return classes[i].parent;
        }
    }
    return 0;
}

/* Returns the number of steps from a class up to its ancestor, or -1 if it is none. */
static int distance(AudioClassID class_id, AudioClassID ancestor) {
    int steps = 0;
    while (class_id != ancestor) {
        if (class_id == 0) {
            return -1;
        }
        class_id = parent_of(class_id);
        steps++;
    }
    return steps;
}

bool class_is_a(AudioClassID class_id, AudioClassID ancestor) {
    return ancestor == kAudioObjectClassIDWildcard || distance(class_id, ancestor) >= 0;
}

/* ---- the rows, sorted by selector ---- */

static void describe_type(property *p) {
    switch (p->type) {
    case COREAUDIO_TYPE_U32_LIST:
    case COREAUDIO_TYPE_ID_LIST:
        p->is_list = true;
        p->item_size = 4;
        break;
    case COREAUDIO_TYPE_RANGE_LIST:
        p->is_list = true;
        p->item_size = sizeof(AudioValueRange);
        break;
    case COREAUDIO_TYPE_FORMAT_LIST:
        p->is_list = true;
        p->item_size = sizeof(AudioStreamBasicDescription);
        break;
    case COREAUDIO_TYPE_RANGED_FORMAT_LIST:
        p->is_list = true;
        p->item_size = sizeof(AudioStreamRangedDescription);
        break;
    case COREAUDIO_TYPE_C_STRING:
        p->is_list = true;
        p->item_size = 1;
        break;
    case COREAUDIO_TYPE_U32_PAIR:
    case COREAUDIO_TYPE_F64:
        p->item_size = 8;
        break;
    case COREAUDIO_TYPE_RANGE:
        p->item_size = sizeof(AudioValueRange);
        break;
    case COREAUDIO_TYPE_FORMAT:
        p->item_size = sizeof(AudioStreamBasicDescription);
        break;
    case COREAUDIO_TYPE_ADDRESS:
        p->item_size = sizeof(AudioObjectPropertyAddress);
        break;
    case COREAUDIO_TYPE_TRANSLATION:
        p->item_size = sizeof(AudioValueTranslation);
        break;
    case COREAUDIO_TYPE_CHANNEL_LAYOUT:
    case COREAUDIO_TYPE_BUFFER_LIST:
        p->size_varies = true;
        break;
    case COREAUDIO_TYPE_STREAM_USAGE:
        p->size_varies = true;
        p->item_size = offsetof(AudioHardwareIOProcStreamUsage, mStreamIsOn);
        break;
    case COREAUDIO_TYPE_WORKGROUP:
    case COREAUDIO_TYPE_RUN_LOOP:
    case COREAUDIO_TYPE_TAP_DESCRIPTION:
    case COREAUDIO_TYPE_CFSTRING:
    case COREAUDIO_TYPE_CFURL:
    case COREAUDIO_TYPE_CFARRAY:
    case COREAUDIO_TYPE_CFDICTIONARY:
        p->item_size = sizeof(void *);
        break;
    case COREAUDIO_TYPE_U32:
    case COREAUDIO_TYPE_F32:
    case COREAUDIO_TYPE_PID:
    case COREAUDIO_TYPE_STATUS:
    case COREAUDIO_TYPE_ID:
    case COREAUDIO_TYPE_CLASS:
        p->item_size = 4;
        break;
    }
}

static int by_selector(const void *a, const void *b) {
    UInt32 x = ((const property *)a)->selector, y = ((const property *)b)->selector;
    return x < y ? -1 : x > y;
}

static property *first_row(UInt32 selector) {
    size_t low = 0, high = ROWS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].selector < selector) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return &rows[low];
}

const property *property_row(AudioClassID class_id, UInt32 selector) {
    const property *p = first_row(selector);
    while (p < rows + ROWS && p->selector == selector && p->class_id != class_id) {
        p++;
    }
    return p < rows + ROWS && p->selector == selector ? p : NULL;
}

/* Sorts the rows, and gives each its behaviour. A behaviour without a row is a mistake of the
 * simulator. */
__attribute__((constructor)) static void prepare(void) {
    qsort(rows, ROWS, sizeof rows[0], by_selector);
    for (size_t i = 0; i < ROWS; i++) {
        describe_type(&rows[i]);
    }
    for (size_t t = 0; t < sizeof behaviours / sizeof behaviours[0]; t++) {
        for (const behaviour *b = behaviours[t]; b->selector != 0; b++) {
            property *p = (property *)(uintptr_t)property_row(b->class_id, b->selector);
            if (p == NULL || p->does != NULL) {
                fprintf(stderr, "%s: no row of properties.json, or two behaviours\n",
                        fourcc_text(b->selector));
                abort();
            }
            p->does = b;
        }
    }
}

/* ---- finding ---- */

static bool scope_fits(const request *q, const property *p) {
    UInt32 s = q->scope;
    bool global = s == kAudioObjectPropertyScopeGlobal;
    bool input = s == kAudioObjectPropertyScopeInput, output = s == kAudioObjectPropertyScopeOutput;
    bool wildcard = s == kAudioObjectPropertyScopeWildcard;
    switch (p->scopes) {
    case COREAUDIO_SCOPES_GLOBAL:
        return global || (wildcard && q->o->kind == SYSTEM);
    case COREAUDIO_SCOPES_ANY:
        return global || input || output || wildcard || s == kAudioObjectPropertyScopePlayThrough;
    case COREAUDIO_SCOPES_SIDES:
        return input || output;
    case COREAUDIO_SCOPES_SIDES_AND_GLOBAL:
        return global || input || output || (wildcard && q->o->kind == SYSTEM);
    case COREAUDIO_SCOPES_INPUT:
        return input;
    case COREAUDIO_SCOPES_PLAYTHROUGH:
        return s == kAudioObjectPropertyScopePlayThrough;
    }
    return false;
}

/* The element decides only where the table says so. For the rest of a device's properties, the
 * switch `device_elements` chooses between the possible answers. */
static bool element_fits(const request *q, const property *p) {
    bool device_wide = q->o->kind == DEVICE && SWITCH(device_elements) == 1;
    return p->elements != COREAUDIO_ELEMENTS_MAIN || q->element == 0 || device_wide;
}

/* A sub-device has the identity of its device, and neither streams nor IO. So has an end point. */
static bool sub_device_has(UInt32 selector) {
    static const UInt32 selectors[] = {
        kAudioDevicePropertyDeviceUID,     kAudioDevicePropertyModelUID,
        kAudioDevicePropertyTransportType, kAudioDevicePropertyClockDomain,
        kAudioDevicePropertyDeviceIsAlive, kAudioDevicePropertyRelatedDevices};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        if (selectors[i] == selector) {
            return true;
        }
    }
    return false;
}

static bool is_published(const request *q) {
    bool part = q->o->kind == SUB_DEVICE || q->o->kind == SUB_TAP;
    const device *d = part ? q->o->owner->device : q->d;
    return d == NULL || d->aggregate == NULL || d->aggregate->published;
}

static bool answers(const request *q, const property *p) {
    bool is_part = q->o->kind == SUB_DEVICE || q->o->kind == END_POINT;
    if (!is_published(q) ||
        (is_part && p->class_id == kAudioDeviceClassID && !sub_device_has(p->selector))) {
        return false;
    }
    return p->does != NULL && p->since <= world.macos && scope_fits(q, p) && element_fits(q, p) &&
           (p->does->has == NULL || p->does->has(q));
}

const property *property_find(request *q) {
    q->direction = q->scope == kAudioObjectPropertyScopeInput    ? INPUT
                   : q->scope == kAudioObjectPropertyScopeOutput ? OUTPUT
                                                                 : -1;
    q->d = q->o->device;
    q->s = q->o->kind == STREAM ? (stream *)(void *)q->o : NULL;
    q->c = q->o->kind == CONTROL ? (control *)(void *)q->o : NULL;
    const property *best = NULL;
    int nearest = 1000;
    for (property *p = first_row(q->selector); p < rows + ROWS && p->selector == q->selector; p++) {
        int steps = distance(q->o->class_id, p->class_id);
        q->p = p;
        if (steps >= 0 && steps < nearest && answers(q, p)) {
            best = p;
            nearest = steps;
        }
    }
    q->p = best;
    return best;
}

bool property_has_setter(const request *q) {
    const behaviour *does = q->p->does;
    return does->set != NULL && (does->writes == NULL || does->writes(q));
}

/* Nothing says whether a property with COREAUDIO_SETTABLE_GUESS accepts a set. With the switch
 * `guessed_settable`, the seed decides it for each selector. */
bool property_is_settable(const request *q) {
    const property *p = q->p;
    if (p->settable == COREAUDIO_SETTABLE_NO || !property_has_setter(q)) {
        return false;
    }
    bool refused = SWITCH(guessed_settable) == 1 && (mix64(world.seed ^ p->selector) & 1) != 0;
    return p->settable == COREAUDIO_SETTABLE_YES || !refused;
}
