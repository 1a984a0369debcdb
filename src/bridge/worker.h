/* worker.h - the thread on which user code runs ahead of the device.
 *
 * It looks for work by the clock: the IO thread wakes nobody (docs/decisions/0005). It keeps one
 * Python thread state, as an IO thread does, which is why it is a C thread and not one of
 * `threading` (docs/decisions/0009).
 *
 * Threads: [IO] and [control] as in voicecoil.h. No call here needs the GIL, and those that wait
 * must not hold it. */
#ifndef VOICECOIL_WORKER_H
#define VOICECOIL_WORKER_H

#include "lead.h"
#include "thread.h"

typedef struct vc_worker vc_worker;

/* A worker and its lead. `leave(config->user)` is called on the worker thread when it ends; may be
 * NULL. `waited_for`: the device's clock is not real, and its IO thread waits for the worker at the
 * end of each cycle; config->settle, its argument and
 * config->timed are set here. NULL: no memory. [control] */
vc_worker *vc_worker_new(const vc_lead_config *config, void (*leave)(void *user), bool waited_for);
/* When its thread has ended, or in a forked child, which has not got it. NULL is allowed.
 * [control] */
void vc_worker_free(vc_worker *worker);
/* The user of vc_lead_process. */
vc_lead *vc_worker_lead(vc_worker *worker) VC_REALTIME;
/* For another device: vc_lead_resize, and whether its IO thread waits for the worker. When the
 * thread does not run. False: no memory. [control] */
bool vc_worker_fit(vc_worker *worker, uint32_t device_frames, uint32_t lead_frames,
                   bool waited_for);
/* Begins a new time line and a thread, before the device is started. False: the system gives no
 * thread. [control] */
bool vc_worker_start(vc_worker *worker);
/* What its thread was given, this time or the last. [control] */
vc_thread *vc_worker_thread(vc_worker *worker);
/* Asks the thread to end after the block that it is at. [control], several at a time, or in user
 * code */
void vc_worker_quit(vc_worker *worker);
/* Whether it has ended, or was never begun. [any] */
bool vc_worker_ended(const vc_worker *worker) VC_REALTIME;
/* Waits for its end. False: not within `deadline_ns`; then nothing may be freed. [control] */
bool vc_worker_join(vc_worker *worker, int64_t deadline_ns);
/* Waits until the engine's state is VC_FINISHED. False: `timeout_ns` passed, or a signal came that
 * Python may want to handle. A look costs a hundredth of what it costs in Python. [control] */
bool vc_wait_finished(const vc_engine *engine, int64_t timeout_ns);

#endif
