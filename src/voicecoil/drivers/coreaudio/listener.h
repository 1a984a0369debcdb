/* listener.h - the queue of CoreAudio's property notifications, which come on any of its threads.
 *
 * A listener may be called on the IO thread with the HAL's own lock held, so it only queues a note
 * of the change. The call thread reads the note and asks the HAL. One queue serves all
 * registrations of a process. It is never freed, because a listener may still be running when its
 * registration is removed. */
#ifndef VOICECOIL_COREAUDIO_LISTENER_H
#define VOICECOIL_COREAUDIO_LISTENER_H

#include "ioproc.h"

typedef struct vc_change {
    int64_t host_ns; /* host time of the listener's call */
    AudioObjectID object;
    AudioObjectPropertySelector selector;
    AudioObjectPropertyScope scope;
    AudioObjectPropertyElement element;
} vc_change;

enum { VC_CHANGES = 1024, VC_WATCHED = 1024 };
typedef struct vc_changes vc_changes;

/* Returns NULL if memory is exhausted. `clock` must live as long as the queue. [control] */
vc_changes *vc_changes_new(vc_host_clock *clock);
void vc_changes_free(vc_changes *changes); /* call it when no listener uses the queue */
/* The AudioObjectPropertyListenerProc; `client_data` is a vc_changes. Wait-free. [any] */
OSStatus vc_changes_listen(AudioObjectID object, UInt32 count,
                           const AudioObjectPropertyAddress *addresses,
                           void *client_data) VC_REALTIME;
/* Watches the virtual format of an AudioStream. vc_changes_listen_and_ring compares it with
 * `expected` at each notification, so a listener must be registered for it. Rates are not compared.
 * Returns NULL if there is no room. [control] */
vc_watched *vc_watched_new(vc_changes *changes, AudioObjectID stream,
                           const AudioStreamBasicDescription *expected,
                           AudioObjectGetPropertyData_fn get);
void vc_watched_free(vc_changes *changes, vc_watched *watched);
/* Compares the format now, in case it has changed before the listener was registered. Returns
 * whether it differs. [control] */
bool vc_watched_check(vc_watched *watched);
/* The listener of properties that CoreAudio never reports on an IO thread: it also wakes the thread
 * that waits for notes. [a thread of the HAL] */
OSStatus vc_changes_listen_and_ring(AudioObjectID object, UInt32 count,
                                    const AudioObjectPropertyAddress *addresses, void *client_data);
/* Wakes the threads in vc_changes_wait. [not IO] */
void vc_changes_ring(vc_changes *changes);
/* How often vc_changes_ring was called. [control] */
uint32_t vc_changes_rings(const vc_changes *changes);
/* Waits until vc_changes_rings is no longer `seen`, or until the timeout. If `look_ns` is not 0, it
 * also looks for notes at this interval, because vc_changes_listen wakes no thread. Returns false
 * after the timeout. [control] */
bool vc_changes_wait(vc_changes *changes, uint32_t seen, int64_t timeout_ns, int64_t look_ns);
/* Takes the oldest note. Returns false if there is none. One thread at a time. [control] */
bool vc_changes_take(vc_changes *changes, vc_change *out);
/* Number of notes that were lost because the queue was full, since the last call. [control] */
uint64_t vc_changes_lost(vc_changes *changes);

#endif
