/* listener.h - what CoreAudio tells about its properties, from any of its threads.
 *
 * A listener may be called on the IO thread with the HAL's own lock held, so it only notes what
 * changed; control reads that and asks the HAL itself. One queue serves all registrations of a
 * process, and lives as long as the process: a call that is under way when its registration is
 * removed finds it still there. */
#ifndef VOICECOIL_COREAUDIO_LISTENER_H
#define VOICECOIL_COREAUDIO_LISTENER_H

#include "ioproc.h"

typedef struct vc_change {
    int64_t host_ns; /* when the listener was called */
    AudioObjectID object;
    AudioObjectPropertySelector selector;
    AudioObjectPropertyScope scope;
    AudioObjectPropertyElement element;
} vc_change;

enum { VC_CHANGES = 1024 };
typedef struct vc_changes vc_changes;

/* NULL: no memory. `clock` lives as long as the queue. [control] */
vc_changes *vc_changes_new(vc_host_clock *clock);
void vc_changes_free(vc_changes *changes); /* when no listener has it */
/* The AudioObjectPropertyListenerProc; `client_data` is a vc_changes. [any], wait-free */
OSStatus vc_changes_listen(AudioObjectID object, UInt32 count,
                           const AudioObjectPropertyAddress *addresses,
                           void *client_data) VC_REALTIME;
/* Takes the oldest; false: there is none. [control], one thread at a time */
bool vc_changes_take(vc_changes *changes, vc_change *out);
/* How many found the queue full, since the last call. [control] */
uint64_t vc_changes_lost(vc_changes *changes);

#endif
