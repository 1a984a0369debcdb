/* aggregate.h: aggregate devices (S12). */
#ifndef SIM_AGGREGATE_H
#define SIM_AGGREGATE_H

#include "properties.h"

enum { MAX_SUB_DEVICES = 16 };

/* A device in the composition of an aggregate. It is an object of its own while the real device is
 * there. */
typedef struct sub_device {
    object o;
    char *uid;
    UInt32 drift, quality, extra_in, extra_out;
    double extra_latency;
} sub_device;
struct aggregate {
    char *main_uid, *clock_uid; /* NULL: none */
    bool is_private, stacked, published;
    bool counts; /* in live_aggregates: the client has made it */
    sub_device *subs[MAX_SUB_DEVICES];
    size_t sub_count;
};

/* What a dictionary says about a new aggregate. The texts belong to it. */
typedef struct composition {
    char *uid, *name, *main_uid, *clock_uid;
    bool is_private, stacked;
    sub_device subs[MAX_SUB_DEVICES]; /* without objects */
    size_t sub_count;
} composition;
OSStatus composition_read(CFDictionaryRef dictionary, composition *c);
void composition_free(composition *c);
CFDictionaryRef composition_write(const device *d); /* the caller releases */

OSStatus aggregate_create_locked(composition *c, AudioObjectID *id);
OSStatus aggregate_destroy_locked(AudioObjectID id);
void aggregate_rebuild_locked(device *d);
void aggregate_compose_locked(device *d, const composition *c);
device *sub_device_target(const sub_device *s); /* NULL: it is not there */
const sub_device *aggregate_main(const device *d);

#endif
