/* old_calls.c: the functions for properties that are older than macOS 10.6, on top of the newer
 * ones. They state a channel and a direction instead of an address. */
#include "world.h"

static AudioObjectPropertyAddress of_system(UInt32 property) {
    return (AudioObjectPropertyAddress){property, kAudioObjectPropertyScopeGlobal, 0};
}

/* Global properties answer in every scope, so the direction is the scope. */
static AudioObjectPropertyAddress of_device(UInt32 property, UInt32 channel, Boolean is_input) {
    UInt32 scope = is_input == kAudioPropertyWildcardSection ? kAudioObjectPropertyScopeWildcard
                   : is_input                                ? kAudioObjectPropertyScopeInput
                                                             : kAudioObjectPropertyScopeOutput;
    return (AudioObjectPropertyAddress){property, scope, channel};
}

static AudioObjectPropertyAddress of_stream(UInt32 property, UInt32 channel) {
    return (AudioObjectPropertyAddress){property, kAudioObjectPropertyScopeGlobal, channel};
}

static OSStatus info(AudioObjectID id, AudioObjectPropertyAddress a, UInt32 *size,
                     Boolean *writable) {
    OSStatus error = 0;
    if (size != NULL) {
        error = AudioObjectGetPropertyDataSize(id, &a, 0, NULL, size);
    }
    if (error == 0 && writable != NULL) {
        error = AudioObjectIsPropertySettable(id, &a, writable);
    }
    if (error == 0 && size == NULL && writable == NULL && !AudioObjectHasProperty(id, &a)) {
        error = kAudioHardwareUnknownPropertyError;
    }
    return error;
}

void listener_invoke(const listener_call *c, AudioObjectID id, UInt32 count,
                     const AudioObjectPropertyAddress *addresses) {
    if (c->manner == OBJECT_LISTENER) {
        ((AudioObjectPropertyListenerProc)c->proc)(id, count, addresses, c->client_data);
        return;
    }
    for (UInt32 i = 0; i < count; i++) {
        AudioObjectPropertyAddress a = addresses[i];
        Boolean is_input = a.mScope == kAudioObjectPropertyScopeInput;
        if (c->manner == HARDWARE_LISTENER) {
            ((AudioHardwarePropertyListenerProc)c->proc)(a.mSelector, c->client_data);
        } else if (c->manner == DEVICE_LISTENER) {
            ((AudioDevicePropertyListenerProc)c->proc)(id, a.mElement, is_input, a.mSelector,
                                                       c->client_data);
        } else {
            ((AudioStreamPropertyListenerProc)c->proc)(id, a.mElement, a.mSelector, c->client_data);
        }
    }
}

/* ---- the system ---- */

EXPORT OSStatus AudioHardwareGetPropertyInfo(AudioHardwarePropertyID inPropertyID, UInt32 *outSize,
                                             Boolean *outWritable) {
    return info(kAudioObjectSystemObject, of_system(inPropertyID), outSize, outWritable);
}

EXPORT OSStatus AudioHardwareGetProperty(AudioHardwarePropertyID inPropertyID,
                                         UInt32 *ioPropertyDataSize, void *outPropertyData) {
    AudioObjectPropertyAddress a = of_system(inPropertyID);
    return AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, ioPropertyDataSize,
                                      outPropertyData);
}

EXPORT OSStatus AudioHardwareSetProperty(AudioHardwarePropertyID inPropertyID,
                                         UInt32 inPropertyDataSize, const void *inPropertyData) {
    AudioObjectPropertyAddress a = of_system(inPropertyID);
    return AudioObjectSetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, inPropertyDataSize,
                                      inPropertyData);
}

EXPORT OSStatus AudioHardwareAddPropertyListener(AudioHardwarePropertyID inPropertyID,
                                                 AudioHardwarePropertyListenerProc inProc,
                                                 void *inClientData) {
    AudioObjectPropertyAddress a = of_system(inPropertyID);
    listener_call c = {HARDWARE_LISTENER, (void (*)(void))inProc, NULL, inClientData, false};
    return listener_add(__func__, kAudioObjectSystemObject, &a, c);
}

EXPORT OSStatus AudioHardwareRemovePropertyListener(AudioHardwarePropertyID inPropertyID,
                                                    AudioHardwarePropertyListenerProc inProc) {
    AudioObjectPropertyAddress a = of_system(inPropertyID);
    listener_call c = {HARDWARE_LISTENER, (void (*)(void))inProc, NULL, NULL, true};
    return listener_remove(__func__, kAudioObjectSystemObject, &a, c);
}

/* ---- devices ---- */

EXPORT OSStatus AudioDeviceGetPropertyInfo(AudioDeviceID inDevice, UInt32 inChannel,
                                           Boolean isInput, AudioDevicePropertyID inPropertyID,
                                           UInt32 *outSize, Boolean *outWritable) {
    return info(inDevice, of_device(inPropertyID, inChannel, isInput), outSize, outWritable);
}

EXPORT OSStatus AudioDeviceGetProperty(AudioDeviceID inDevice, UInt32 inChannel, Boolean isInput,
                                       AudioDevicePropertyID inPropertyID,
                                       UInt32 *ioPropertyDataSize, void *outPropertyData) {
    AudioObjectPropertyAddress a = of_device(inPropertyID, inChannel, isInput);
    return AudioObjectGetPropertyData(inDevice, &a, 0, NULL, ioPropertyDataSize, outPropertyData);
}

/* The time of the set is ignored, as the HAL has done since macOS 10.6. */
EXPORT OSStatus AudioDeviceSetProperty(AudioDeviceID inDevice, const AudioTimeStamp *inWhen,
                                       UInt32 inChannel, Boolean isInput,
                                       AudioDevicePropertyID inPropertyID,
                                       UInt32 inPropertyDataSize, const void *inPropertyData) {
    (void)inWhen;
    AudioObjectPropertyAddress a = of_device(inPropertyID, inChannel, isInput);
    return AudioObjectSetPropertyData(inDevice, &a, 0, NULL, inPropertyDataSize, inPropertyData);
}

EXPORT OSStatus AudioDeviceAddPropertyListener(AudioDeviceID inDevice, UInt32 inChannel,
                                               Boolean isInput, AudioDevicePropertyID inPropertyID,
                                               AudioDevicePropertyListenerProc inProc,
                                               void *inClientData) {
    AudioObjectPropertyAddress a = of_device(inPropertyID, inChannel, isInput);
    listener_call c = {DEVICE_LISTENER, (void (*)(void))inProc, NULL, inClientData, false};
    return listener_add(__func__, inDevice, &a, c);
}

EXPORT OSStatus AudioDeviceRemovePropertyListener(AudioDeviceID inDevice, UInt32 inChannel,
                                                  Boolean isInput,
                                                  AudioDevicePropertyID inPropertyID,
                                                  AudioDevicePropertyListenerProc inProc) {
    AudioObjectPropertyAddress a = of_device(inPropertyID, inChannel, isInput);
    listener_call c = {DEVICE_LISTENER, (void (*)(void))inProc, NULL, NULL, true};
    return listener_remove(__func__, inDevice, &a, c);
}

/* ---- streams ---- */

EXPORT OSStatus AudioStreamGetPropertyInfo(AudioStreamID inStream, UInt32 inChannel,
                                           AudioDevicePropertyID inPropertyID, UInt32 *outSize,
                                           Boolean *outWritable) {
    return info(inStream, of_stream(inPropertyID, inChannel), outSize, outWritable);
}

EXPORT OSStatus AudioStreamGetProperty(AudioStreamID inStream, UInt32 inChannel,
                                       AudioDevicePropertyID inPropertyID,
                                       UInt32 *ioPropertyDataSize, void *outPropertyData) {
    AudioObjectPropertyAddress a = of_stream(inPropertyID, inChannel);
    return AudioObjectGetPropertyData(inStream, &a, 0, NULL, ioPropertyDataSize, outPropertyData);
}

EXPORT OSStatus AudioStreamSetProperty(AudioStreamID inStream, const AudioTimeStamp *inWhen,
                                       UInt32 inChannel, AudioDevicePropertyID inPropertyID,
                                       UInt32 inPropertyDataSize, const void *inPropertyData) {
    (void)inWhen;
    AudioObjectPropertyAddress a = of_stream(inPropertyID, inChannel);
    return AudioObjectSetPropertyData(inStream, &a, 0, NULL, inPropertyDataSize, inPropertyData);
}

EXPORT OSStatus AudioStreamAddPropertyListener(AudioStreamID inStream, UInt32 inChannel,
                                               AudioDevicePropertyID inPropertyID,
                                               AudioStreamPropertyListenerProc inProc,
                                               void *inClientData) {
    AudioObjectPropertyAddress a = of_stream(inPropertyID, inChannel);
    listener_call c = {STREAM_LISTENER, (void (*)(void))inProc, NULL, inClientData, false};
    return listener_add(__func__, inStream, &a, c);
}

EXPORT OSStatus AudioStreamRemovePropertyListener(AudioStreamID inStream, UInt32 inChannel,
                                                  AudioDevicePropertyID inPropertyID,
                                                  AudioStreamPropertyListenerProc inProc) {
    AudioObjectPropertyAddress a = of_stream(inPropertyID, inChannel);
    listener_call c = {STREAM_LISTENER, (void (*)(void))inProc, NULL, NULL, true};
    return listener_remove(__func__, inStream, &a, c);
}
