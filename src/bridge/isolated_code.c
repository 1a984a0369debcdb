/* A stream's code in an isolated interpreter. See isolated_code.h. */
#include "isolated_code.h"

#include "block.h"

static float *block_of(PyObject *memory) {
    return memory == Py_None ? NULL : ((vc_py_memory *)memory)->data;
}

/* `parts`: (callable, block, input memory, output memory, zero_copy, Stop, EscapedBlockError,
 * CallbackResultError). */
static int take(void *argument, PyObject *parts) {
    vc_isolated_code *code = argument;
    PyObject **part = &PyTuple_GET_ITEM(parts, 0);
    vc_bridge_types types = {part[5], part[6], part[7]};
    code->bridge = vc_bridge_new(part[0], part[1], PyObject_IsTrue(part[4]), &types);
    code->input_block = block_of(part[2]);
    code->output_block = block_of(part[3]);
    return code->bridge == NULL ? -1 : 0;
}

static void drop(void *argument) {
    vc_isolated_code *code = argument;
    vc_bridge_free(code->bridge);
    code->bridge = NULL;
}

PyObject *vc_isolated_code_make(vc_isolated_code *code, PyObject *wanted) {
    return vc_isolated_make(&code->isolated, wanted, &(vc_isolated_user){take, drop, code});
}

void vc_isolated_code_end(vc_isolated_code *code) {
    if (code->bridge != NULL) {
        vc_bridge_reap(code->bridge);
    }
    vc_isolated_end(&code->isolated, &(vc_isolated_user){take, drop, code});
}

PyObject *vc_isolated_code_take_exception(vc_isolated_code *code) {
    PyObject *exception = code->bridge ? vc_bridge_take_exception(code->bridge) : NULL;
    if (exception == NULL) {
        Py_RETURN_NONE;
    }
    return vc_isolated_describe(&code->isolated, exception);
}

void vc_isolated_code_interrupt(vc_isolated_code *code) {
    unsigned long thread = code->bridge ? vc_bridge_running_on(code->bridge) : 0;
    if (thread != 0) {
        vc_isolated_interrupt(&code->isolated, thread);
    }
}

void vc_isolated_code_break_import(vc_isolated_code *code) {
    vc_isolated_break_import(&code->isolated);
}
