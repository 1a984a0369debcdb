/* quick.h - gets of numbers, and other work, by the call thread, without Python's locks.
 *
 * One thread makes all calls of CoreAudio. Handing work to it through Python's locks takes 100 us,
 * and on the main thread 400 us, because no signal handler may interrupt the thread that holds such
 * a lock. A get itself takes 1 us. While the call thread has no other work, it serves requests
 * here: a client claims the only place, the server calls CoreAudio, and both wait for each other by
 * spinning for a moment before they sleep. A client whose request hangs abandons it.
 *
 * A request without `get` is work of the caller of vc_quick_serve, such as a Python function. */
#ifndef VOICECOIL_COREAUDIO_QUICK_H
#define VOICECOIL_COREAUDIO_QUICK_H

#include "coreaudio_abi.h"

#include <stdbool.h>
#include <stdint.h>

enum { VC_QUICK_BYTES = 16 };
enum { VC_QUICK_POKED, VC_QUICK_TIMEOUT, VC_QUICK_ABANDONED, VC_QUICK_WORK };

typedef struct vc_quick_request {
    AudioObjectGetPropertyData_fn get; /* NULL: `data` describes other work */
    AudioObjectID object;
    AudioObjectPropertyAddress address;
    UInt32 size; /* room in, size of the answer out */
    OSStatus status;
    unsigned char data[VC_QUICK_BYTES];
} vc_quick_request;

typedef struct vc_quick vc_quick;

/* Returns NULL if memory is exhausted. [control] */
vc_quick *vc_quick_new(void);
/* Call it when neither a server nor a client uses the object. [control] */
void vc_quick_free(vc_quick *quick);

/* Serves requests until vc_quick_poke was called after vc_quick_pokes returned `seen`, until the
 * timeout after the last request, or until a client has abandoned a request whose call has now
 * returned. After VC_QUICK_WORK, the caller does the work that vc_quick_work describes, and then
 * calls vc_quick_finish. [call thread] */
int vc_quick_serve(vc_quick *quick, uint32_t seen, int64_t timeout_ns);
const unsigned char *vc_quick_work(const vc_quick *quick); /* [call thread] */
/* Returns false if the client has abandoned the work. [call thread] */
bool vc_quick_finish(vc_quick *quick);
uint32_t vc_quick_pokes(const vc_quick *quick); /* [control] */
void vc_quick_poke(vc_quick *quick);            /* [not IO] */

/* Hands a request over. Returns false if nobody serves, as in a forked child, or if another client
 * does this. [control] */
bool vc_quick_begin(vc_quick *quick, const vc_quick_request *request);
/* Waits for the answer for a few microseconds, without a system call, so that a client need not
 * release the GIL. Returns false if it has not come. [control] */
bool vc_quick_spin(vc_quick *quick);
/* Waits for the answer. Returns false after the timeout. [control] */
bool vc_quick_wait(vc_quick *quick, int64_t timeout_ns);
/* Takes the answer, after vc_quick_wait has returned true. [control] */
void vc_quick_take(vc_quick *quick, vc_quick_request *answer);
/* Gives the request up. Returns false if the answer has come meanwhile. [control] */
bool vc_quick_abandon(vc_quick *quick);

#endif
