/* properties.h: how a property is found and answered, and functions that several of the files with
 * properties use.
 *
 * The facts of a property (type, scopes, elements, settable, first macOS) are in the table
 * src/voicecoil/hal/properties.json, which also is the table of Python's objects. A `behaviour`
 * says how the simulator answers one row of it. A row without a behaviour is absent in every
 * object. */
#ifndef SIM_PROPERTIES_H
#define SIM_PROPERTIES_H

#include "world.h"
#include "coreaudio_properties.h"

typedef struct request {
    object *o;
    device *d;
    stream *s;
    control *c;
    const struct property *p;
    UInt32 selector, scope, element;
    int direction; /* OUTPUT, INPUT, or -1 for global */
    UInt32 qualifier_size;
    const void *qualifier;
    void *in_out; /* the caller's AudioValueTranslation; NULL in a size query */
} request;
typedef struct reply {
    unsigned char bytes[24576];
    UInt32 size;
    bool size_only; /* a size query: the getter makes no CoreFoundation objects */
} reply;
typedef OSStatus (*getter)(const request *q, reply *r);
typedef OSStatus (*setter)(const request *q, const void *data, UInt32 size);
typedef struct behaviour {
    AudioClassID class_id; /* together with the selector: the row of the table */
    UInt32 selector;
    getter get;
    setter set;                       /* NULL: read-only */
    bool (*has)(const request *q);    /* NULL: each object of the class has it */
    bool (*writes)(const request *q); /* NULL: each object that has it accepts a set */
} behaviour;
typedef struct property {
    AudioClassID class_id;
    UInt32 selector;
    enum coreaudio_type type;
    enum coreaudio_scopes scopes;
    enum coreaudio_elements elements;
    enum coreaudio_settable settable;
    int since;
    bool is_list;     /* a get into a short buffer gives the items that fit */
    UInt32 item_size; /* of an item, or the least size of a value whose size varies */
    bool size_varies;
    const behaviour *does;
} property;

/* Define a getter or a setter of a file with behaviours. */
#define GET(name) static OSStatus get_##name(const request *q, reply *r)
#define SET(name) static OSStatus set_##name(const request *q, const void *data, UInt32 size)
/* Define a getter of one value, which is an expression of `q`. */
#define GET_VALUE(name, put_value, value)                                                          \
    GET(name) {                                                                                    \
        (void)q;                                                                                   \
        put_value(r, value);                                                                       \
        return 0;                                                                                  \
    }
#define GET_U32(name, value) GET_VALUE(name, put_u32, value)
#define GET_F32(name, value) GET_VALUE(name, put_f32, value)
#define GET_F64(name, value) GET_VALUE(name, put_f64, value)
#define GET_STRING(name, value) GET_VALUE(name, put_string, value)

/* ---- property_table.c ---- */
const property *property_find(request *q); /* also q->p; NULL: the object does not have it */
bool property_has_setter(const request *q);
bool property_is_settable(const request *q);
const property *property_row(AudioClassID class_id, UInt32 selector); /* of this class itself */
bool class_is_a(AudioClassID class_id, AudioClassID ancestor);

/* ---- property_reply.c ---- */
void put(reply *r, const void *data, size_t size);
void put_u32(reply *r, UInt32 value);
void put_f32(reply *r, Float32 value);
void put_f64(reply *r, Float64 value);
void put_string(reply *r, const char *text);
/* As the row says: a CFString, or a C string for a selector of AudioHardwareDeprecated.h. */
void put_text(const request *q, reply *r, const char *text);
/* Getters of constants, for rows whose value never changes. */
OSStatus get_zero(const request *q, reply *r), get_one(const request *q, reply *r);
OSStatus get_nothing(const request *q, reply *r); /* an empty array */
int request_side(const request *q);               /* INPUT or OUTPUT; OUTPUT in the global scope */
OSStatus qualifier_string(const request *q, CFStringRef *string);
/* Reads the caller's AudioValueTranslation, and checks its pointers and the sizes of their data. */
OSStatus read_translation(const request *q, AudioValueTranslation *t, UInt32 input_size,
                          UInt32 output_size);
/* Answer with the object that a text means. The text is the qualifier, or the input of an
 * AudioValueTranslation. */
typedef AudioObjectID (*text_finder)(const char *text);
OSStatus put_object_for_qualifier(const request *q, reply *r, text_finder find);
OSStatus put_object_translation(const request *q, reply *r, text_finder find);

/* ---- the behaviours, one array per file; each ends with an empty row ---- */
extern const behaviour object_behaviours[], system_behaviours[], device_behaviours[],
    io_behaviours[], old_behaviours[], stream_behaviours[], control_behaviours[], view_behaviours[],
    process_behaviours[], aggregate_behaviours[], box_behaviours[], tap_behaviours[],
    rare_behaviours[], end_point_behaviours[];

/* ---- properties_object.c ---- */
extern const char plug_in_bundle[]; /* the bundle ID of the plug-in that owns the devices */

/* ---- boxes.c ---- */
OSStatus get_boxes(const request *q, reply *r), get_clock_devices(const request *q, reply *r);
OSStatus get_box_for_uid(const request *q, reply *r);
OSStatus get_clock_device_for_uid(const request *q, reply *r);
const char *box_name(const object *o); /* of a box or a clock device */

/* ---- end_points.c ---- */
OSStatus get_transport_managers(const request *q, reply *r);
OSStatus get_transport_manager_for_bundle(const request *q, reply *r);
const char *transport_manager_bundle(const object *o);
/* Answers with an unknown object if the one in the reply does not belong to the asked plug-in. */
void put_only_owned(const request *q, reply *r);

/* ---- properties_tap.c ---- */
const char *tap_name(const object *o);

/* ---- stream_formats.c ---- */
AudioStreamBasicDescription stream_virtual_format(const stream *s, const stream_format *f,
                                                  double rate);
AudioStreamBasicDescription stream_physical_format(const stream *s, const stream_format *f,
                                                   double rate);
/* Finds the stream's format that a description means, or returns NULL. Fields that are zero mean
 * any value. `is_virtual`: the description is of the format that an IOProc gets. */
const stream_format *stream_match(const stream *s, const AudioStreamBasicDescription *f,
                                  bool is_virtual);

/* ---- properties_stream.c ---- */
stream *stream_of_channel(const request *q); /* NULL: the device has no such channel */

#endif
