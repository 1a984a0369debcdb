/* test_table.c: a client that names every selector of the table of properties, in every scope and
 * some elements of every object of all fixtures, and compares the answers with the table. */
#include "table_client.h"

static void read_value(AudioObjectID id, const AudioObjectPropertyAddress *a, const row *r) {
    static unsigned char bytes[32768];
    UInt32 size = 0, got = sizeof bytes;
    Boolean settable = 9;
    EQUAL(AudioObjectGetPropertyDataSize(id, a, 0, NULL, &size), 0);
    CHECK(size_of(r) == 0 || size == size_of(r), "%s: %u bytes", r->name, size);
    EQUAL(AudioObjectIsPropertySettable(id, a, &settable), 0);
    CHECK(settable <= (r->settable != COREAUDIO_SETTABLE_NO), "%s is settable", r->name);
    if (is_question(r)) {
        return;
    }
    OSStatus error = AudioObjectGetPropertyData(id, a, 0, NULL, &got, bytes);
    CHECK(error == 0 && got == size, "%s: error %d, %u of %u bytes", r->name, (int)error, got,
          size);
    bool is_object = is_cf(r) || r->type == COREAUDIO_TYPE_TAP_DESCRIPTION;
    if (error == 0 && (is_object || r->type == COREAUDIO_TYPE_WORKGROUP)) {
        void *object;
        memcpy(&object, bytes, sizeof object);
        if (is_object) {
            CFRelease(object);
        } else {
            os_release(object);
        }
    }
    if (size_of(r) > 1 && error == 0) { /* a buffer that is too small */
        UInt32 less = size_of(r) - 1;
        EQUAL(AudioObjectGetPropertyData(id, a, 0, NULL, &less, bytes),
              kAudioHardwareBadPropertySizeError);
    }
}

static void ask(AudioObjectID id, AudioClassID class_id, row *named, int macos) {
    row *r = row_for(class_id, named->selector);
    for (size_t s = 0; s < 4; s++) {
        for (UInt32 element = 0; element < 6; element++) {
            AudioObjectPropertyAddress a = {named->selector, scopes[s], element};
            if (!AudioObjectHasProperty(id, &a)) {
                Boolean settable;
                EQUAL(AudioObjectIsPropertySettable(id, &a, &settable),
                      kAudioHardwareUnknownPropertyError);
                continue;
            }
            CHECK(r != NULL, "class %08x answers %s", class_id, named->name);
            if (r != NULL) {
                CHECK(r->since <= macos, "%s on macOS %d", r->name, macos);
                CHECK(scope_allowed(r, scopes[s]), "%s in scope %08x", r->name, scopes[s]);
                CHECK(element == 0 || r->elements != COREAUDIO_ELEMENTS_MAIN, "%s of element %u",
                      r->name, element);
                r->answers++;
                read_value(id, &a, r);
            }
        }
    }
}

static void every_selector_of_every_object(int macos) {
    world_of_every_class(macos);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i].answers = 0;
    }
    for (AudioObjectID id = 1; id < 300; id++) {
        AudioClassID class_id = 0;
        UInt32 size = sizeof class_id;
        if (get_data(id, kAudioObjectPropertyClass, kAudioObjectPropertyScopeGlobal, 0, &class_id,
                     &size) == 0) {
            for (size_t i = 0; i < ROWS; i++) {
                ask(id, class_id, &rows[i], macos);
            }
        }
    }
    for (size_t i = 0; i < ROWS; i++) {
        bool newer = rows[i].since > macos;
        CHECK(rows[i].answers == 0 || !newer, "%s on macOS %d", rows[i].name, macos);
        CHECK(rows[i].answers > 0 || newer, "nobody answers %s", rows[i].name);
    }
    EQUAL(sim_counter("live_cf_objects"), 0);
    EQUAL(sim_counter("live_workgroups"), 0);
    sim_reset();
}

int main(void) {
    every_selector_of_every_object(2600);
    every_selector_of_every_object(1402);
    every_selector_of_every_object(1100);
    return check_result("table");
}
