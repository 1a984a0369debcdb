/* native_code.h - a native callback, and the exceptions of Python code inside of it.
 *
 * Python code can hide behind a native function (ctypes, cffi, Cython). Its exceptions reach
 * nobody: they are written to sys.unraisablehook, on the thread and within the call.
 * voicecoil.callbacks.native listens there, finds the callback by its thread, and marks it here, so
 * that the stream ends.
 *
 * Threads: [IO] the device's; [control] any other, attached. */
#ifndef VOICECOIL_BRIDGE_NATIVE_CODE_H
#define VOICECOIL_BRIDGE_NATIVE_CODE_H

#include <stdatomic.h>

#include "voicecoil.h"

typedef struct vc_native_code {
    vc_slot *slot;
    _Atomic unsigned long thread; /* PyThread_get_thread_ident of the one inside, else 0 */
    _Atomic int raised;           /* its Python code raised an exception */
} vc_native_code;

/* Runs what is in the slot; VC_ERROR if Python code inside of it raised. [IO] */
int32_t vc_native_code_process(vc_block *block, void *code) VC_REALTIME;
/* The thread that is inside, else 0. [IO, control] */
unsigned long vc_native_code_running_on(const vc_native_code *code);
/* [the thread that is inside] */
void vc_native_code_set_raised(vc_native_code *code);
/* For the next run. [control, while it does not run] */
void vc_native_code_clear_raised(vc_native_code *code);

#endif
