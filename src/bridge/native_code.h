/* native_code.h - a native callback, and the exceptions of Python code inside it.
 *
 * A native function may call Python code (ctypes, cffi, Cython). An exception in that code does not
 * reach the caller. CPython passes it to sys.unraisablehook, on the same thread and within the
 * call. voicecoil.callbacks.native sets a hook, finds the callback by its thread, and marks it
 * here. Then the stream ends.
 *
 * Threads: [IO] the device's thread; [control] any other thread, attached. */
#ifndef VOICECOIL_BRIDGE_NATIVE_CODE_H
#define VOICECOIL_BRIDGE_NATIVE_CODE_H

#include <stdatomic.h>

#include "voicecoil.h"

typedef struct vc_native_code {
    vc_slot *slot;
    _Atomic unsigned long thread; /* ident of the thread that is inside the function, else 0 */
    _Atomic int raised;           /* Python code inside the function raised an exception */
} vc_native_code;

/* Runs the function in the slot. Returns VC_ERROR if Python code inside it raised. [IO] */
int32_t vc_native_code_process(vc_block *block, void *code) VC_REALTIME;
/* The thread that is inside the function, else 0. [IO, control] */
unsigned long vc_native_code_running_on(const vc_native_code *code);
/* Called by the hook. [the thread that is inside] */
void vc_native_code_set_raised(vc_native_code *code);
/* Clears the mark for the next run. [control, while the function does not run] */
void vc_native_code_clear_raised(vc_native_code *code);

#endif
