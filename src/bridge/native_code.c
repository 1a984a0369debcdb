/* A native callback, and the exceptions of Python code inside it. See native_code.h. */
#include "native_code.h"

#include <Python.h>
#include <pythread.h>

int32_t vc_native_code_process(vc_block *block, void *user) {
    vc_native_code *code = user;
    VC_UNPROVEN /* this only reads pthread_self */
        unsigned long me = PyThread_get_thread_ident();
    VC_PROVEN_AGAIN
    atomic_store_explicit(&code->thread, me, memory_order_relaxed);
    int32_t answer = vc_slot_process(block, code->slot);
    atomic_store_explicit(&code->thread, 0, memory_order_relaxed);
    return atomic_load_explicit(&code->raised, memory_order_relaxed) ? VC_ERROR : answer;
}

unsigned long vc_native_code_running_on(const vc_native_code *code) {
    return atomic_load_explicit(&code->thread, memory_order_relaxed);
}

void vc_native_code_set_raised(vc_native_code *code) {
    atomic_store_explicit(&code->raised, 1, memory_order_relaxed);
}

void vc_native_code_clear_raised(vc_native_code *code) {
    atomic_store_explicit(&code->raised, 0, memory_order_relaxed);
}
