/* aggregate.h: aggregate devices (S12). */
#ifndef SIM_AGGREGATE_H
#define SIM_AGGREGATE_H

#include "properties.h"

enum { MAX_SUB_DEVICES = 16 };

/* A device, or a tap, in the composition of an aggregate. It is an object of its own while the real
 * device or tap is there. */
typedef struct sub_device {
    object o;
    char *uid;
    UInt32 drift, quality, extra_in, extra_out;
    double extra_latency;
    bool late; /* a tap that was not in the dictionary of the creation: it records zeros */
} sub_device;
struct aggregate {
    char *main_uid, *clock_uid; /* NULL: none */
    bool is_private, stacked, published;
    bool counts; /* in live_aggregates: the client has made it */
    sub_device *subs[MAX_SUB_DEVICES], *taps[MAX_SUB_DEVICES];
    size_t sub_count, tap_count;
    bool tap_auto_start;
};

/* What a dictionary says about a new aggregate. The texts belong to it. */
typedef struct composition {
    char *uid, *name, *main_uid, *clock_uid;
    bool is_private, stacked, tap_auto_start;
    sub_device subs[MAX_SUB_DEVICES], taps[MAX_SUB_DEVICES]; /* without objects */
    size_t sub_count, tap_count;
} composition;
OSStatus composition_read(CFDictionaryRef dictionary, composition *c);
void composition_free(composition *c);
void composition_drop_taps(composition *c);
void composition_of_device(const device *d, composition *c);
CFDictionaryRef composition_write(const device *d); /* the caller releases */

/* ---- properties_aggregate.c: lists of sub-devices or taps ---- */
void put_sub_uids(reply *r, sub_device *const *subs, size_t count); /* a CFArray of all UIDs */
void put_live_subs(reply *r, sub_device *const *subs,
                   size_t count); /* the objects of those there */

OSStatus aggregate_create_locked(composition *c, AudioObjectID *id);
OSStatus aggregate_destroy_locked(AudioObjectID id);
void aggregate_rebuild_locked(device *d);
void aggregate_compose_locked(device *d, composition *c);
device *sub_device_target(const sub_device *s); /* NULL: it is not there */
const sub_device *aggregate_main(const device *d);

#endif
