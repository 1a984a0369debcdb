/* gate.h - what the module voicecoil._core needs of the bridge for other extensions. See
 * voicecoil_bridge.h. */
#ifndef VOICECOIL_BRIDGE_GATE_H
#define VOICECOIL_BRIDGE_GATE_H

#include <stdbool.h>

#include "voicecoil_bridge.h"

/* The table of functions in the capsule that other extensions import. [control] */
const voicecoil_bridge_api *vc_bridge_api(void);

/* The following functions are for voicecoil.callbacks.gate, which has a reference to each gate.
 * They are all [python]. */
void vc_gate_hold(voicecoil_gate *gate);
void vc_gate_release(voicecoil_gate *gate);
/* Whether the calling thread is in a call through the gate. */
bool vc_gate_is_inside(voicecoil_gate *gate);
/* Closes the gate and waits. Returns how many threads are still in a call after `timeout_s`. The
 * calling thread must not be in a call. */
int vc_gate_shut(voicecoil_gate *gate, double timeout_s);
/* Call it after the gate is closed. Releases the gate's references in the main interpreter. */
void vc_gate_clear(voicecoil_gate *gate);
/* New reference to the exception that is kept, or to None. An exception of another interpreter is
 * returned as bytes that describe it. A second call returns None. */
PyObject *vc_gate_take_exception(voicecoil_gate *gate);

/* Call vc_isolated_make and vc_isolated_end, for a gate whose callable is in an isolated
 * interpreter. [keeper] */
PyObject *vc_gate_make(voicecoil_gate *gate, PyObject *wanted);
void vc_gate_end(voicecoil_gate *gate);
/* Calls vc_isolated_break_import. [control] */
void vc_gate_break_import(voicecoil_gate *gate);

#endif
