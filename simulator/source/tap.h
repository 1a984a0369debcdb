/* tap.h: process taps (S13). A tap records the sound of some processes. It is heard through an
 * aggregate that has it. */
#ifndef SIM_TAP_H
#define SIM_TAP_H

#include "aggregate.h"
#include "objc.h"

enum { MOST_TAPPED = 64 };

/* ---- aggregate_streams.c ---- */
void aggregate_build_locked(device *d); /* streams of all sub-devices that are there */
void aggregate_tune_locked(device *d);  /* clock, rates and latencies */
const tap *aggregate_clock_tap(const device *d);

/* What a CATapDescription says, without objects. The texts belong to it. */
typedef struct tap_settings {
    char *name, *device_uid; /* device: NULL: all */
    AudioObjectID processes[MOST_TAPPED];
    size_t process_count;
    char *bundles[MOST_TAPPED]; /* with those of the processes, if the tap restores them */
    size_t bundle_count, own_bundles;
    bool mono, exclusive, mixdown, is_private, restores;
    int64_t mute, stream; /* stream: -1: all */
} tap_settings;
struct tap {
    object o;
    char *uid;
    tap_settings s;
    uint64_t ready_ns; /* its format can be read from then on */
    double rate;       /* that was notified */
};

tap *tap_with_uid_locked(const char *uid);
AudioObjectID tap_id_with_uid_locked(const char *uid); /* 0: there is none */
bool tap_is_ready_locked(const tap *t);
UInt32 tap_channels_locked(const tap *t);
AudioStreamBasicDescription tap_format_locked(const tap *t);
const device *tap_device_locked(const tap *t); /* the tapped one; NULL: there is none */
id tap_describe_locked(const tap *t);          /* a new CATapDescription */
OSStatus tap_change_locked(tap *t, const tap_description *d);

#endif
