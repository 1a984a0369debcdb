/* A device's thread enters Python, calls the user's code, and leaves. See bridge.h. */
#include "bridge.h"

#include "block.h"
#include "entry.h"
#include "forks.h"
#include "histogram.h"
#include "memory.h"
#include "preempt.h"
#include "shown.h"
#include "thread.h"

#if defined(__APPLE__)
#include <pthread.h>
#endif

struct vc_bridge {
    vc_entry entry;     /* the IO thread's entry into the interpreter that opened the stream */
    vc_guard guard;     /* keeps that interpreter alive until the bridge is closed */
    PyObject *callable; /* borrowed, like all objects here */
    PyObject *block;
    vc_bridge_types types;
    vc_view input, output;
    int zero_copy;
    bool stays; /* the thread stays in Python between blocks, until vc_bridge_release_gil */

    vc_preempt preempt; /* used by the entry, if vc_bridge_preempt was called */
    vc_histogram waits, runs;

    _Atomic uint64_t clipped; /* samples that a conversion to the callback's format has clipped */

    _Atomic(PyObject *) exception; /* the exception that ended the stream */
};

/* ---- one block --------------------------------------------------------------------------------
 */

static int32_t check_result(vc_bridge *bridge, PyObject *result) {
    if (result == NULL) {
        if (PyErr_ExceptionMatches(bridge->types.stop)) {
            PyErr_Clear();
            return VC_STOP;
        }
        return VC_ERROR;
    }
    if (result != Py_None) {
        PyObject *shown = vc_py_shown(result);
        if (shown != NULL) {
            PyErr_Format(bridge->types.result,
                         "the callback returned %U; a callback fills block.output in place and "
                         "returns None (raise voicecoil.Stop to end the stream)",
                         shown);
            Py_DECREF(shown);
        }
        return VC_ERROR;
    }
    return VC_CONTINUE;
}

/* Returns "output" or "input" if code outside the bridge still has a reference to that view of the
 * block. Returns NULL if no view has such a reference. */
static const char *escaped(const vc_bridge *bridge) {
    return vc_view_escaped(&bridge->output)  ? "output"
           : vc_view_escaped(&bridge->input) ? "input"
                                             : NULL;
}

static PyObject *words_of_escape(const char *which) {
    return PyUnicode_FromFormat(
        "the callback kept a reference to block.%s or to a part of it; with zero_copy=True "
        "that is the device's own memory and is gone after the call. Keep "
        "block.%s.copy(), or open the stream without zero_copy",
        which, which);
}

static int32_t check_escape(const vc_bridge *bridge) {
    const char *which = escaped(bridge);
    if (which == NULL) {
        return VC_CONTINUE;
    }
    PyObject *words = words_of_escape(which);
    if (words != NULL) {
        PyErr_SetObject(bridge->types.escaped, words);
        Py_DECREF(words);
    }
    return VC_ERROR;
}

/* Clears the local variables of all functions in the exception's traceback. A variable could be a
 * slice of a view, and would then show memory that the device has taken back. Whole views are no
 * problem, because vc_view_restore points them to their own memory again. */
static void forget_locals(PyObject *exception) {
    PyObject *traceback = PyException_GetTraceback(exception);
    while (traceback != NULL && traceback != Py_None) {
        PyObject *frame = PyObject_GetAttrString(traceback, "tb_frame");
        PyObject *done = frame != NULL ? PyObject_CallMethod(frame, "clear", NULL) : NULL;
        PyObject *next = PyObject_GetAttrString(traceback, "tb_next");
        PyErr_Clear(); /* the frame of a running generator cannot be cleared */
        Py_XDECREF(done);
        Py_XDECREF(frame);
        Py_SETREF(traceback, next);
    }
    PyErr_Clear();
    Py_XDECREF(traceback);
}

enum { MAX_CONTEXTS = 100 }; /* the chain of __context__ may be circular */

/* Called if the callable raised an exception and a reference to a view is left. The callable's
 * exception is the one that is reported. If the reference is still there without the local
 * variables of the traceback, the exception gets a note about it. */
static void note_escape(vc_bridge *bridge, PyObject *exception) {
    PyObject *inner = Py_NewRef(exception);
    for (int depth = 0; inner != NULL && depth < MAX_CONTEXTS; depth++) {
        forget_locals(inner);
        Py_SETREF(inner, PyException_GetContext(inner));
    }
    Py_XDECREF(inner);
    const char *which = escaped(bridge);
    PyObject *words = which != NULL ? words_of_escape(which) : NULL;
    PyObject *done = words != NULL ? PyObject_CallMethod(exception, "add_note", "O", words) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(words);
    PyErr_Clear();
}

/* The following functions remember for each thread whether it is in a callback. */
#if defined(__APPLE__)
/* The first use of a pthread key does not allocate, unlike the first use of a thread-local variable
 * on macOS. */
static pthread_key_t inside_key;
static pthread_once_t has_key = PTHREAD_ONCE_INIT;
static void make_key(void) { pthread_key_create(&inside_key, NULL); }
static void prepare_inside(void) { pthread_once(&has_key, make_key); }
static void set_inside(bool inside) { pthread_setspecific(inside_key, inside ? &has_key : NULL); }
static bool is_inside(void) {
    prepare_inside();
    return pthread_getspecific(inside_key) != NULL;
}
#else
static VC_THREAD_LOCAL bool in_callback;
static void prepare_inside(void) {}
static void set_inside(bool inside) { in_callback = inside; }
static bool is_inside(void) { return in_callback; }
#endif

static int32_t call(vc_bridge *bridge) {
    /* The callee may overwrite the slot before the arguments (PY_VECTORCALL_ARGUMENTS_OFFSET). A
     * bound method puts its self there without an allocation. */
    PyObject *arguments[2] = {NULL, bridge->block};
    set_inside(true);
    PyObject *result = PyObject_Vectorcall(bridge->callable, arguments + 1,
                                           1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    set_inside(false);
    int32_t answer = check_result(bridge, result);
    Py_XDECREF(result);
    vc_values_give(((vc_py_block *)bridge->block)->results);
    return answer;
}

static bool update(vc_bridge *bridge, const vc_block *block) {
    vc_py_block *object = (vc_py_block *)bridge->block;
    vc_py_time *time = (vc_py_time *)object->time;
    vc_py_store_time(&time->now, &block->now);
    vc_py_store_time(&time->input, &block->input_time);
    vc_py_store_time(&time->output, &block->output_time);
    vc_py_store(&object->lost_frames, block->lost_frames);
    vc_values_take(object->parameters);
    if (object->frames_value != block->frames) {
        PyObject *frames = vc_py_number(object, block->frames);
        if (frames == NULL) {
            return false;
        }
        vc_py_exchange(bridge->block, &object->frames, frames);
        vc_py_store(&object->frames_value, block->frames);
    }
    return true;
}

#ifdef Py_GIL_DISABLED
/* Without a GIL, another thread may be reading a view that the callback has passed on. So a view is
 * never changed, but replaced by another view of the same memory. The views for all numbers of
 * frames are made when the stream is opened, because a device whose cycles vary would otherwise
 * allocate on its thread. They are freed together with the block: all memoryviews of one memory
 * share a counter, and CPython 3.13 changes it without a lock. With zero_copy the views are not
 * replaced, because they are only valid during the call. */
static int make_views(PyObject **slot, PyObject **views, const vc_view *view) {
    if (view->object == NULL || view->own_frames > MOST_VARYING_FRAMES) {
        return 0;
    }
    PyObject *made = PyTuple_New(view->own_frames + 1);
    for (Py_ssize_t i = 0; made != NULL && i <= view->own_frames; i++) {
        PyObject *part = i < view->own_frames ? PySequence_GetSlice(*slot, 0, i) : Py_NewRef(*slot);
        if (part == NULL) {
            Py_CLEAR(made);
        } else {
            PyTuple_SET_ITEM(made, i, part);
        }
    }
    if (made == NULL) {
        return -1;
    }
    *views = made;
    Py_DECREF(*slot); /* from now on, `slot` borrows from the tuple */
    return 0;
}

static int prepare_views(vc_bridge *bridge) {
    vc_py_block *object = (vc_py_block *)bridge->block;
    if (bridge->zero_copy) {
        return 0;
    }
    int made = make_views(&object->input, &object->inputs, &bridge->input);
    return made < 0 ? made : make_views(&object->output, &object->outputs, &bridge->output);
}

static bool exchange_view(vc_py_block *block, PyObject **slot, PyObject *views, vc_view *view) {
    if (views == NULL || view->shape[0] == (Py_ssize_t)block->frames_value) {
        return true;
    }
    PyObject *part = PyTuple_GET_ITEM(views, (Py_ssize_t)block->frames_value);
    Py_BEGIN_CRITICAL_SECTION(block);
    *slot = part;
    Py_END_CRITICAL_SECTION();
    return vc_view_exchange(view, part) == 0;
}

static bool exchange_views(vc_bridge *bridge) {
    vc_py_block *object = (vc_py_block *)bridge->block;
    return exchange_view(object, &object->input, object->inputs, &bridge->input) &&
           exchange_view(object, &object->output, object->outputs, &bridge->output);
}
#else
static int prepare_views(vc_bridge *bridge) {
    (void)bridge;
    return 0;
}

static bool exchange_views(vc_bridge *bridge) {
    (void)bridge;
    return true;
}
#endif

static bool point(vc_bridge *bridge, const vc_block *block) {
    if (vc_view_intact(&bridge->input) && vc_view_intact(&bridge->output) &&
        exchange_views(bridge)) {
        vc_view_set(&bridge->input, &block->input, block->frames);
        vc_view_set(&bridge->output, &block->output, block->frames);
        size_t clipped = vc_view_begin(&bridge->input, &block->input, block->frames, true);
        if (clipped > 0) {
            atomic_fetch_add_explicit(&bridge->clipped, clipped, memory_order_relaxed);
        }
        vc_view_begin(&bridge->output, &block->output, block->frames, false);
        return true;
    }
    PyErr_SetString(bridge->types.result,
                    "the callback changed the shape of block.input or block.output itself; use "
                    "block.output.reshape(...), which gives a view and leaves the array as it is");
    return false;
}

/* Measures how long the thread waited for the GIL. Returns the time when the callable begins, ns,
 * or 0 if blocks are not timed. */
static int64_t count_wait(vc_bridge *bridge, vc_block *block) {
    int64_t began_ns = block->called_ns != 0 ? vc_clock_ns() : 0;
    block->waited_ns = began_ns - block->called_ns;
    if (began_ns != 0) {
        vc_histogram_add(&bridge->waits, block->waited_ns);
    }
    if (bridge->entry.preempt != NULL) {
        vc_preempt_got(&bridge->preempt, block->waited_ns);
    }
    return began_ns;
}

/* Enters Python, unless the thread has stayed in Python since the last block. Returns false if the
 * thread must not run the callable any more or cannot enter. */
static bool enter(vc_bridge *bridge) {
    return vc_bridge_inside(bridge) ? !atomic_load(&bridge->entry.closed)
                                    : vc_entry_enter(&bridge->entry);
}

int32_t vc_bridge_call(vc_bridge *bridge, const vc_block *block) {
    int32_t answer = update(bridge, block) && point(bridge, block) ? call(bridge) : VC_ERROR;
    if (answer >= 0) {
        vc_view_end(&bridge->output, &block->output, block->frames);
    }
    return answer;
}

int32_t vc_bridge_process(vc_block *block, void *user) {
    vc_bridge *bridge = user;
    if (!enter(bridge)) {
        return VC_ERROR;
    }
    unsigned forks = vc_forks();
    int64_t began_ns = count_wait(bridge, block);
    int32_t answer = vc_bridge_call(bridge, block);
    if (vc_forks() != forks) { /* the callback forked, and this is the child */
        vc_forks_end_child(bridge->callable);
    }
    bool raised = answer < 0;
    if (bridge->zero_copy) {
        answer = raised || check_escape(bridge) < 0 ? VC_ERROR : answer;
        vc_view_restore(&bridge->input);
        vc_view_restore(&bridge->output);
    }
    if (answer < 0) {
        PyObject *exception = vc_fetch_exception();
        if (raised && bridge->zero_copy && exception != NULL && escaped(bridge) != NULL) {
            note_escape(bridge, exception);
        }
        Py_XDECREF(atomic_exchange(&bridge->exception, exception));
    }
    if (!bridge->stays) {
        vc_entry_leave(&bridge->entry);
    }
    if (began_ns != 0) {
        block->ended_ns = vc_clock_ns();
        vc_histogram_add(&bridge->runs, block->ended_ns - began_ns);
    }
    return answer;
}

void vc_bridge_release_gil(void *user) {
    vc_bridge *bridge = user;
    if (vc_bridge_inside(bridge)) {
        vc_entry_leave(&bridge->entry);
    }
}

void vc_bridge_leave(void *user) {
    vc_bridge *bridge = user;
    vc_entry *entry = &bridge->entry;
    bool mine = entry->state != NULL && entry->thread == vc_this_thread();
    if (mine && (vc_bridge_inside(bridge) || vc_entry_enter(entry))) {
        vc_entry_leave_for_good(entry);
    } /* otherwise vc_bridge_reap drops the state */
}

/* ---- control ----------------------------------------------------------------------------------
 */

vc_bridge *vc_bridge_new(PyObject *callable, PyObject *block, int zero_copy,
                         const vc_bridge_types *types) {
    vc_bridge *bridge = vc_memory_new(1, sizeof *bridge);
    if (bridge == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    prepare_inside();
    vc_forks_watch();
    bridge->entry.interpreter = PyInterpreterState_Get();
    bridge->zero_copy = zero_copy;
    bridge->callable = callable;
    bridge->block = block;
    bridge->types = *types;
    vc_py_block *views = (vc_py_block *)block;
    if (vc_guard_take(&bridge->guard) < 0 || vc_view_init(&bridge->input, views->input) < 0 ||
        vc_view_init(&bridge->output, views->output) < 0 || prepare_views(bridge) < 0) {
        vc_bridge_free(bridge);
        return NULL;
    }
    return bridge;
}

void vc_bridge_free(vc_bridge *bridge) {
    if (bridge != NULL) {
        vc_guard_release(&bridge->guard);
        Py_XDECREF(atomic_exchange(&bridge->exception, NULL));
        vc_memory_free(bridge);
    }
}

void vc_bridge_keep_gil(vc_bridge *bridge) { bridge->stays = true; }

void vc_bridge_preempt(vc_bridge *bridge) {
    vc_preempt_find();
    bridge->entry.preempt = vc_preempt_kind() > 0 ? &bridge->preempt : NULL;
}

void vc_bridge_timings(const vc_bridge *bridge, uint64_t *waits, uint64_t *runs) {
    vc_histogram_read(&bridge->waits, waits);
    vc_histogram_read(&bridge->runs, runs);
}

uint64_t vc_bridge_clipped(const vc_bridge *bridge) {
    return atomic_load_explicit(&bridge->clipped, memory_order_relaxed);
}

void vc_bridge_close(vc_bridge *bridge) {
    atomic_store(&bridge->entry.closed, true);
    vc_guard_release(&bridge->guard);
}

int vc_bridge_on_io_thread(void) { return is_inside(); }

PyObject *vc_bridge_take_exception(vc_bridge *bridge) {
    return atomic_exchange(&bridge->exception, NULL);
}

unsigned long vc_bridge_running_on(const vc_bridge *bridge) {
    return atomic_load_explicit(&bridge->entry.inside, memory_order_relaxed);
}

bool vc_bridge_inside(const void *user) { return vc_bridge_running_on(user) != 0; }

int vc_bridge_has_orphan(const vc_bridge *bridge) { return bridge->entry.state != NULL; }

void vc_bridge_reap(vc_bridge *bridge) { vc_entry_reap(&bridge->entry); }
