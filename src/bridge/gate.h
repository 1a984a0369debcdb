/* gate.h - the bridge for other extensions: what _core needs of it. See voicecoil_bridge.h. */
#ifndef VOICECOIL_BRIDGE_GATE_H
#define VOICECOIL_BRIDGE_GATE_H

#include "voicecoil_bridge.h"

/* For the capsule. [control] */
const voicecoil_bridge_api *vc_bridge_api(void);

/* For voicecoil.callbacks.gate, which owns a reference to each gate. All [python]. */
void vc_gate_hold(voicecoil_gate *gate);
void vc_gate_release(voicecoil_gate *gate);
/* Closes it and waits: how many threads are still in a call when the time is over; -1: this is one
 * of them. */
int vc_gate_shut(voicecoil_gate *gate, double timeout_s);
/* When it is shut: drops what it has in the program's own interpreter. */
void vc_gate_clear(voicecoil_gate *gate);
/* New reference to the exception that is kept, once, or to bytes that describe it if it is of
 * another interpreter; or to None. */
PyObject *vc_gate_take_exception(voicecoil_gate *gate);

/* The keeper's calls, as in isolated.h. [keeper] */
PyObject *vc_gate_make(voicecoil_gate *gate, PyObject *wanted);
void vc_gate_end(voicecoil_gate *gate);
/* As in isolated.h. [control] */
void vc_gate_break_import(voicecoil_gate *gate);

#endif
