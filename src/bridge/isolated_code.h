/* isolated_code.h - the code of a stream whose callable is in an isolated interpreter: an ordinary
 * bridge that is made in that interpreter. Threads as in isolated.h. */
#ifndef VOICECOIL_BRIDGE_ISOLATED_CODE_H
#define VOICECOIL_BRIDGE_ISOLATED_CODE_H

#include "bridge.h"
#include "isolated.h"

typedef struct vc_isolated_code {
    vc_isolated isolated;
    vc_bridge *bridge;  /* NULL: not made, or ended */
    float *input_block; /* memory of the callable's views; NULL without that direction */
    float *output_block;
} vc_isolated_code;

/* Calls vc_isolated_make, and makes the bridge inside. If the returned bytes describe an error,
 * `bridge` stays NULL. [keeper] */
PyObject *vc_isolated_code_make(vc_isolated_code *code, PyObject *wanted);
/* Ends the interpreter. Call it when no cycle runs or will run. [keeper] */
void vc_isolated_code_end(vc_isolated_code *code);
/* New reference to bytes that describe the exception that ended the stream, or to None. A second
 * call returns None. Call it when no cycle runs. [control] */
PyObject *vc_isolated_code_take_exception(vc_isolated_code *code);
/* Raises SystemExit in the callable if it is running. [keeper] */
void vc_isolated_code_interrupt(vc_isolated_code *code);
/* Calls vc_isolated_break_import. [control] */
void vc_isolated_code_break_import(vc_isolated_code *code);

#endif
