/* properties_rare.c: properties that few objects have: the chime at the start of the computer, and
 * what only some drivers tell. */
#include "properties.h"

#include <math.h>

/* ---- the chime ---- */

static const float chime_low_db = -48, chime_high_db = 0;
static float chime_db(float scalar) { return chime_low_db + scalar * -chime_low_db; }
static float chime_scalar(float db) {
    float scalar = (db - chime_low_db) / -chime_low_db;
    return scalar < 0 ? 0 : scalar > 1 ? 1 : scalar;
}
GET_F32(chime_scalar, world.chime)
GET_F32(chime_decibels, chime_db(world.chime))
static OSStatus set_chime(float scalar) {
    world.chime = scalar < 0 || isnan(scalar) ? 0 : scalar > 1 ? 1 : scalar;
    notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyBootChimeVolumeScalar,
                      kAudioObjectPropertyScopeGlobal);
    notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyBootChimeVolumeDecibels,
                      kAudioObjectPropertyScopeGlobal);
    return 0;
}
static float f32_from(const void *data) {
    float value;
    memcpy(&value, data, sizeof value);
    return value;
}
SET(chime_scalar) {
    (void)q, (void)size;
    return set_chime(f32_from(data));
}
SET(chime_decibels) {
    (void)q, (void)size;
    return set_chime(chime_scalar(f32_from(data)));
}
GET(chime_range) {
    AudioValueRange range = {chime_low_db, chime_high_db};
    (void)q;
    put(r, &range, sizeof range);
    return 0;
}
/* A conversion has the question in the buffer of the answer. */
GET(chime_to_decibels) {
    put_f32(r, r->size_only ? 0 : chime_db(f32_from(q->in_out)));
    return 0;
}
GET(chime_to_scalar) {
    put_f32(r, r->size_only ? 0 : chime_scalar(f32_from(q->in_out)));
    return 0;
}

/* ---- drivers ---- */

/* Of devices with a driver of the kernel: the error with which its plug-in was loaded. */
static bool has_plug_in(const request *q) {
    return q->o->kind == DEVICE && q->d->transport == kAudioDeviceTransportTypeBuiltIn;
}
/* Of devices that a driver in user space makes. */
static bool is_of_plug_in(const request *q) {
    return q->o->kind == DEVICE && q->d->transport == kAudioDeviceTransportTypeVirtual;
}
/* Of devices with a subwoofer: whether the driver controls it. */
static bool has_subwoofer(const request *q) {
    return q->o->kind == DEVICE &&
           control_find(q->d, kAudioLFEVolumeControlClassID, kAudioObjectPropertyScopeOutput, 0);
}
/* Of devices that follow a clock device. Those of an aggregate are in properties_aggregate.c. */
static bool has_clock_device(const request *q) {
    return q->o->kind == DEVICE && q->d->clock_device != NULL;
}
GET_STRING(clock_device, q->d->clock_device)
GET_U32(subwoofer, q->d->owns_subwoofer)
SET(subwoofer) {
    (void)size;
    memcpy(&q->d->owns_subwoofer, data, sizeof q->d->owns_subwoofer);
    notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    return 0;
}

#define SYSTEM(name, get, set)                                                                     \
    {kAudioSystemObjectClassID, kAudioHardwarePropertyBootChimeVolume##name, get, set, NULL, NULL}
#define DEVICE(name, get, set, has)                                                                \
    {kAudioDeviceClassID, kAudioDeviceProperty##name, get, set, has, NULL}
const behaviour rare_behaviours[] = {
    SYSTEM(Scalar, get_chime_scalar, set_chime_scalar),
    SYSTEM(Decibels, get_chime_decibels, set_chime_decibels),
    SYSTEM(RangeDecibels, get_chime_range, NULL),
    SYSTEM(ScalarToDecibels, get_chime_to_decibels, NULL),
    SYSTEM(DecibelsToScalar, get_chime_to_scalar, NULL),
    SYSTEM(DecibelsToScalarTransferFunction, get_zero, NULL),
    DEVICE(ClockDevice, get_clock_device, NULL, has_clock_device),
    DEVICE(PlugIn, get_zero, NULL, has_plug_in),
    DEVICE(WantsControlsRestored, get_one, NULL, is_of_plug_in),
    DEVICE(WantsStreamFormatsRestored, get_one, NULL, is_of_plug_in),
    DEVICE(DriverShouldOwniSub, get_subwoofer, set_subwoofer, has_subwoofer),
    {0, 0, NULL, NULL, NULL, NULL},
};
