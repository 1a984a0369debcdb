/* properties.h: the type of a row in the tables of properties, and functions that several of the
 * files with such tables use. */
#ifndef SIM_PROPERTIES_H
#define SIM_PROPERTIES_H

#include "world.h"

/* ---- properties.c: one row for each property ---- */
typedef struct request {
    object *o;
    device *d;
    stream *s;
    control *c;
    UInt32 selector, scope, element;
    int direction; /* OUTPUT, INPUT, or -1 for global */
    UInt32 qualifier_size;
    const void *qualifier;
    void *in_out; /* the caller's AudioValueTranslation; NULL in a size query */
} request;
typedef struct reply {
    unsigned char bytes[8192];
    UInt32 size;
    bool size_only; /* a size query: the getter makes no CoreFoundation objects */
} reply;
enum shape { SCALAR, ARRAY, OBJECT, TRANSLATION };
enum scope_rule { GLOBAL_ONLY, ANY_SCOPE, IN_OUT, IN_OUT_GLOBAL };
typedef struct property {
    UInt32 selector;
    UInt32 kinds; /* object_kind of the objects that have the property, combined with | */
    enum scope_rule scope;
    enum shape shape;
    UInt32 item_size;
    int since; /* the first macOS that has the property */
    OSStatus (*get)(const request *q, reply *r);
    OSStatus (*set)(const request *q, const void *data, UInt32 size); /* NULL: read-only */
    bool (*has)(const request *q);                                    /* NULL: always true */
} property;
extern const property system_properties[], device_properties[], stream_properties[],
    control_properties[], object_properties[];
const property *property_find(request *q, OSStatus *error);
void put(reply *r, const void *data, size_t size);
void put_u32(reply *r, UInt32 value);
void put_f32(reply *r, Float32 value);
void put_f64(reply *r, Float64 value);
void put_string(reply *r, const char *text);
AudioStreamBasicDescription stream_virtual_format(const stream *s, double rate);
AudioStreamBasicDescription stream_physical_format(const stream *s, double rate, UInt32 bits);
UInt32 stream_physical_bits(const AudioStreamBasicDescription *f); /* 0: unknown format */

/* ---- properties_control.c ---- */
OSStatus get_volume(const request *q, reply *r), get_decibels(const request *q, reply *r);
OSStatus get_decibel_range(const request *q, reply *r), get_mute(const request *q, reply *r);
OSStatus get_to_decibels(const request *q, reply *r), get_to_scalar(const request *q, reply *r);
OSStatus get_source(const request *q, reply *r), get_sources(const request *q, reply *r);
OSStatus get_source_name(const request *q, reply *r), get_source_kind(const request *q, reply *r);
OSStatus set_volume(const request *q, const void *data, UInt32 size);
OSStatus set_decibels(const request *q, const void *data, UInt32 size);
OSStatus set_mute(const request *q, const void *data, UInt32 size);
OSStatus set_source(const request *q, const void *data, UInt32 size);
bool has_volume(const request *q), has_mute(const request *q), has_source(const request *q);

/* ---- properties_stream.c ---- */
OSStatus get_first_virtual(const request *q, reply *r),
    get_first_physical(const request *q, reply *r);
OSStatus get_first_virtual_formats(const request *q, reply *r);
OSStatus get_first_physical_formats(const request *q, reply *r);
OSStatus set_first_virtual(const request *q, const void *data, UInt32 size);
OSStatus set_first_physical(const request *q, const void *data, UInt32 size);

#endif
