/* cf.h: declarations that the CoreFoundation files of the simulator share. */
#ifndef SIM_CF_H
#define SIM_CF_H

#include "world.h"

typedef struct cf_string_object {
    cf_object head;
    const UniChar *units; /* UTF-16 */
    CFIndex length;
    char *ascii; /* cached result of CFStringGetCStringPtr */
} cf_string_object;

bool cf_is_single_byte(CFStringEncoding e);
bool cf_decode_byte(CFStringEncoding e, UInt8 byte, UniChar *unit); /* false: no such character */
bool cf_encode_byte(CFStringEncoding e, UniChar unit, UInt8 *byte);
void cf_make_internal(cf_object *o);
CFHashCode cf_string_hash(CFStringRef string);
Boolean cf_number_equal(CFNumberRef a, CFNumberRef b);
CFHashCode cf_number_hash(CFNumberRef number);
Boolean cf_array_equal(CFArrayRef a, CFArrayRef b);
Boolean cf_dictionary_equal(CFDictionaryRef a, CFDictionaryRef b);
void cf_drop_storage(cf_object *o); /* of a collection, without releasing its values */

#endif
