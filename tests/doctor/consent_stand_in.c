/* A stand-in for Objective-C and AVFoundation with one class, AVCaptureDevice. `stand_in_status` is
 * its answer; -1: the class does not have the method. */
#include <stddef.h>
#include <string.h>

static char device, audio, responds, status;
void *AVMediaTypeAudio = &audio;
long stand_in_status;
int stand_in_pools;

void *objc_getClass(const char *name) {
    return strcmp(name, "AVCaptureDevice") == 0 ? &device : NULL;
}

void *sel_registerName(const char *name) {
    if (strcmp(name, "authorizationStatusForMediaType:") == 0) {
        return &status;
    }
    return strcmp(name, "respondsToSelector:") == 0 ? &responds : NULL;
}

long objc_msgSend(void *receiver, void *selector, void *argument) {
    if (receiver == &device && selector == &responds) {
        return argument == &status && stand_in_status >= 0;
    }
    return receiver == &device && selector == &status && argument == &audio ? stand_in_status : 99;
}

void *objc_autoreleasePoolPush(void) {
    stand_in_pools++;
    return &device;
}

void objc_autoreleasePoolPop(void *pool) { stand_in_pools -= pool == &device; }
