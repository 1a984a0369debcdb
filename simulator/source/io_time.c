/* io_time.c: functions that convert between sample time and host time of a device. */
#include "world.h"

EXPORT uint64_t sim_ticks_from_ns(uint64_t ns) {
    return (uint64_t)((unsigned __int128)ns * world.timebase_denom / world.timebase_numer);
}

uint64_t ns_from_ticks(uint64_t ticks) {
    return (uint64_t)((unsigned __int128)ticks * world.timebase_numer / world.timebase_denom);
}

static OSStatus running(AudioObjectID id, run **r) {
    device *d = device_find(id);
    if (d == NULL) {
        return dead_device();
    }
    *r = d->current;
    return *r == NULL ? kAudioHardwareNotRunningError : 0;
}

static AudioTimeStamp at_frame(const run *r, double frame) {
    double ns = clock_predicted_ns(&r->clock, frame);
    return (AudioTimeStamp){.mSampleTime = frame,
                            .mHostTime = sim_ticks_from_ns(ns > 0 ? (uint64_t)(ns + 0.5) : 0),
                            .mRateScalar = clock_rate_scalar(&r->clock),
                            .mFlags = kAudioTimeStampSampleTimeValid |
                                      kAudioTimeStampHostTimeValid |
                                      kAudioTimeStampRateScalarValid};
}

/* Writes the fields of `t` that the client has requested with the flags `wanted` (0: all). */
static void answer(AudioTimeStamp *out, const AudioTimeStamp *t, UInt32 wanted) {
    *out = *t;
    if (wanted != 0) {
        out->mFlags = t->mFlags & wanted;
    }
}

EXPORT OSStatus AudioDeviceGetCurrentTime(AudioObjectID inDevice, AudioTimeStamp *outTime) {
    if (!enter_time(__func__)) {
        return refused();
    }
    run *r = NULL;
    OSStatus error = running(inDevice, &r);
    if (outTime == NULL) {
        error = kAudioHardwareIllegalOperationError;
    } else if (error == 0) {
        AudioTimeStamp t = at_frame(r, clock_predicted_frame(&r->clock, (double)now_locked()));
        answer(outTime, &t, 0);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceTranslateTime(AudioObjectID inDevice, const AudioTimeStamp *inTime,
                                         AudioTimeStamp *outTime) {
    if (!enter_time(__func__)) {
        return refused();
    }
    run *r = NULL;
    OSStatus error = running(inDevice, &r);
    if (inTime == NULL || outTime == NULL) {
        error = kAudioHardwareIllegalOperationError;
    } else if (error == 0) {
        double frame = 0;
        if (inTime->mFlags & kAudioTimeStampSampleTimeValid) {
            frame = inTime->mSampleTime;
        } else if (inTime->mFlags & kAudioTimeStampHostTimeValid) {
            frame = clock_predicted_frame(&r->clock, (double)ns_from_ticks(inTime->mHostTime));
        } else {
            error = kAudioHardwareIllegalOperationError;
        }
        if (error == 0) {
            AudioTimeStamp t = at_frame(r, frame);
            answer(outTime, &t, outTime->mFlags);
        }
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceGetNearestStartTime(AudioObjectID inDevice,
                                               AudioTimeStamp *ioRequestedStartTime,
                                               UInt32 inFlags) {
    (void)inFlags;
    if (!enter_time(__func__)) {
        return refused();
    }
    run *r = NULL;
    OSStatus error = running(inDevice, &r);
    if (SWITCH(start_at_time) == 1) {
        error = kAudioHardwareUnsupportedOperationError;
    } else if (ioRequestedStartTime == NULL) {
        error = kAudioHardwareIllegalOperationError;
    } else if (error == 0) {
        double frame = ioRequestedStartTime->mFlags & kAudioTimeStampSampleTimeValid
                           ? ioRequestedStartTime->mSampleTime
                           : clock_predicted_frame(
                                 &r->clock, (double)ns_from_ticks(ioRequestedStartTime->mHostTime));
        double soonest = r->stream_count[OUTPUT] > 0 ? r->out_cursor : r->in_cursor;
        *ioRequestedStartTime = at_frame(r, frame < soonest ? soonest : frame);
    }
    leave();
    return error;
}

EXPORT OSStatus AudioDeviceRead(AudioDeviceID inDevice, const AudioTimeStamp *inStartTime,
                                AudioBufferList *outData) {
    (void)inDevice, (void)inStartTime, (void)outData;
    return kAudioHardwareUnsupportedOperationError;
}
