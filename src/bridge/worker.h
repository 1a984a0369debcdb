/* worker.h - the thread on which user code runs ahead of the device.
 *
 * The worker looks for work at intervals, because the IO thread wakes no other thread
 * (docs/decisions/0005). It keeps one Python thread state, as an IO thread does. So it is a C
 * thread and not a thread of `threading` (docs/decisions/0009).
 *
 * Threads: [IO] and [control] as in voicecoil.h. No function here needs the GIL. Those that wait
 * must be called without it. */
#ifndef VOICECOIL_WORKER_H
#define VOICECOIL_WORKER_H

#include "lead.h"
#include "thread.h"

typedef struct vc_worker vc_worker;

/* Makes a worker and its lead. `leave(config->user)` is called on the worker thread when it ends,
 * and may be NULL. `waited_for`: the device's clock is not real, and its IO thread waits for the
 * worker at the end of each cycle. This function sets config->settle, its argument and
 * config->timed. Returns NULL if memory is exhausted. [control] */
vc_worker *vc_worker_new(const vc_lead_config *config, void (*leave)(void *user), bool waited_for);
/* NULL is allowed. Call it when the thread has ended, or in a forked child, which does not have the
 * thread. [control] */
void vc_worker_free(vc_worker *worker);
/* Returns the worker's lead, which is the `user` for vc_lead_process. */
vc_lead *vc_worker_lead(vc_worker *worker) VC_REALTIME;
/* Adapts the lead to another device (vc_lead_resize), and sets whether its IO thread waits for the
 * worker. Call it while the thread does not run. Returns false if memory is exhausted. [control] */
bool vc_worker_resize(vc_worker *worker, uint32_t max_period_frames, uint32_t lead_frames,
                      uint32_t max_lead_frames, bool waited_for);
/* Begins a new time line and starts the thread, before the device is started. Returns false if the
 * system cannot create a thread. [control] */
bool vc_worker_start(vc_worker *worker);
/* What the system has granted to the current or last thread. [control] */
vc_thread *vc_worker_thread(vc_worker *worker);
/* Lets the thread join a group, and leave the one before, when it looks for work the next time;
 * NULL: none. It leaves the group when it ends. Groups must live until then. [control] */
void vc_worker_join_group(vc_worker *worker, vc_thread_group *group);
/* Asks the thread to end after its current block. [control], several threads at a time, or user
 * code */
void vc_worker_quit(vc_worker *worker);
/* Whether the thread has ended or was never started. [any] */
bool vc_worker_ended(const vc_worker *worker) VC_REALTIME;
/* Waits until the thread has ended. Returns false after `deadline_ns`; then nothing may be freed.
 * [control] */
bool vc_worker_join(vc_worker *worker, int64_t deadline_ns);
/* Waits until the engine's state is VC_FINISHED. Returns false if `timeout_ns` passed, or if a
 * signal came that Python may want to handle. A loop in Python would cost a hundred times as much.
 * [control] */
bool vc_wait_finished(const vc_engine *engine, int64_t timeout_ns);

#endif
