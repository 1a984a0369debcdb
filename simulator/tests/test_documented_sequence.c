/* test_documented_sequence.c: a program for CoreAudio as its documentation describes it, without
 * knowledge of the simulator. It opens the library by path, looks symbols up, finds the default
 * output, and plays half a second of a sine in real time. COREAUDIO_LIBRARY names the library. The
 * only other call adds a device, and a comment marks it. */
#include "coreaudio_abi.h"

#include <dlfcn.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tone {
    double phase, step;
    _Atomic unsigned cycles;
    mach_absolute_time_fn host_time;
    _Atomic int wrong;
} tone;

static OSStatus play(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *input,
                     const AudioTimeStamp *input_time, AudioBufferList *output,
                     const AudioTimeStamp *output_time, void *client_data) {
    (void)device, (void)input, (void)input_time;
    tone *t = client_data;
    t->wrong +=
        output_time->mHostTime <= now->mHostTime || now->mHostTime > t->host_time() + 50000000;
    for (UInt32 b = 0; b < output->mNumberBuffers; b++) {
        AudioBuffer *buffer = &output->mBuffers[b];
        float *sample = buffer->mData;
        if (sample == NULL) {
            continue;
        }
        UInt32 frames = buffer->mDataByteSize / (UInt32)sizeof(float) / buffer->mNumberChannels;
        for (UInt32 i = 0; i < frames; i++) {
            for (UInt32 c = 0; c < buffer->mNumberChannels; c++) {
                *sample++ = (float)(0.2 * sin(t->phase));
            }
            t->phase += t->step;
        }
    }
    t->cycles++;
    return kAudioHardwareNoError;
}

static void *library;
#define SYMBOL(name)                                                                               \
    name##_fn name;                                                                                \
    do {                                                                                           \
        void *address = dlsym(library, #name);                                                     \
        if (address == NULL) {                                                                     \
            printf("no symbol %s\n", #name);                                                       \
            return 1;                                                                              \
        }                                                                                          \
        memcpy(&name, &address, sizeof address);                                                   \
    } while (0)

#define TRY(call)                                                                                  \
    do {                                                                                           \
        OSStatus error_ = (call);                                                                  \
        if (error_ != kAudioHardwareNoError) {                                                     \
            printf("%s: %d\n", #call, (int)error_);                                                \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

int main(void) {
    const char *path = getenv("COREAUDIO_LIBRARY");
    library = dlopen(path ? path : "libcoreaudio_simulated.so", RTLD_NOW);
    if (library == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    /* The only call that CoreAudio does not have. It adds a device. */
    int (*plug_in)(int);
    void *address = dlsym(library, "sim_load_fixture");
    if (address != NULL) {
        memcpy(&plug_in, &address, sizeof address);
        plug_in(1);
    }
    SYMBOL(AudioObjectGetPropertyData);
    SYMBOL(AudioDeviceCreateIOProcID);
    SYMBOL(AudioDeviceStart);
    SYMBOL(AudioDeviceStop);
    SYMBOL(AudioDeviceDestroyIOProcID);
    SYMBOL(CFRelease);
    SYMBOL(CFStringGetCString);
    SYMBOL(mach_absolute_time);
    SYMBOL(mach_wait_until);
    SYMBOL(AudioGetHostClockFrequency);

    AudioObjectPropertyAddress a = {kAudioHardwarePropertyDefaultOutputDevice,
                                    kAudioObjectPropertyScopeGlobal,
                                    kAudioObjectPropertyElementMain};
    AudioObjectID device = kAudioObjectUnknown;
    UInt32 size = sizeof device;
    TRY(AudioObjectGetPropertyData(kAudioObjectSystemObject, &a, 0, NULL, &size, &device));

    CFStringRef name = NULL;
    a.mSelector = kAudioObjectPropertyName;
    size = sizeof name;
    TRY(AudioObjectGetPropertyData(device, &a, 0, NULL, &size, &name));
    char text[256] = "?";
    CFStringGetCString(name, text, sizeof text, kCFStringEncodingUTF8);
    CFRelease(name);

    Float64 rate = 0;
    a.mSelector = kAudioDevicePropertyNominalSampleRate;
    size = sizeof rate;
    TRY(AudioObjectGetPropertyData(device, &a, 0, NULL, &size, &rate));

    static tone t;
    t.step = 2 * 3.141592653589793 * 440 / rate;
    t.host_time = mach_absolute_time;
    AudioDeviceIOProcID proc = NULL;
    TRY(AudioDeviceCreateIOProcID(device, play, &t, &proc));
    TRY(AudioDeviceStart(device, proc));
    mach_wait_until(mach_absolute_time() + (UInt64)(0.5 * AudioGetHostClockFrequency()));
    TRY(AudioDeviceStop(device, proc));
    TRY(AudioDeviceDestroyIOProcID(device, proc));
    unsigned cycles = t.cycles;
    printf("%s at %g Hz: %u IO cycles\n", text, rate, cycles);
    /* a busy machine may lose cycles to overloads, so the count is rough */
    if (cycles < 5 || cycles > 60 || t.wrong > 0) {
        printf("documented_sequence: FAILED\n");
        return 1;
    }
    printf("documented_sequence: passed\n");
    return 0;
}
