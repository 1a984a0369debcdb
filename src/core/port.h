/* port.h - the place where a driver's IO thread calls an engine.
 *
 * A driver has one port for each engine that its IO thread calls. The control thread attaches an
 * engine to the port and detaches it again. In each IO cycle the IO thread brackets its work:
 *
 *     vc_engine *engine = vc_port_begin(port);
 *     if (engine != NULL) {
 *         run_cycle(engine, ...);
 *     }
 *     vc_port_end(port);
 *
 * After vc_port_detach has returned true, no cycle of the engine runs or will run, whatever the
 * audio system does. So the engine can be freed although the audio system goes on calling. This
 * works because `turn` is odd from before the IO thread reads `engine` until after its last use of
 * it, and because a detach clears `engine` before it reads `turn`. All four accesses are
 * sequentially consistent. The model is tests/models/port.pml.
 *
 * Between vc_port_begin and vc_port_end the thread has the floating-point mode of floating.h. What
 * computes with floats there has to be in a function that is not inlined, as floating.h explains.
 *
 * Each extension module that has a driver links port.c itself. Threads: as in voicecoil.h. */
#ifndef VOICECOIL_PORT_H
#define VOICECOIL_PORT_H

#include "floating.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* The type of vc_cycle_run. Its address is passed to drivers in other extension modules. */
typedef uint32_t (*vc_cycle_run_fn)(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* Begin with zeros. */
typedef struct vc_port {
    _Atomic(vc_engine *) engine; /* NULL: none is attached */
    _Atomic uint64_t turn;       /* odd while the IO thread is inside; it only grows */
    vc_float_mode mode;          /* that the IO thread came with; used only by the IO thread */
} vc_port;

/* From the next cycle on the IO thread calls `engine`. No engine may be attached. [control] */
void vc_port_attach(vc_port *port, vc_engine *engine);

/* Detaches the engine, and waits until no cycle of it runs. If that takes longer than `timeout_ns`,
 * it attaches `back`, so that the engine can end in its next cycle, and returns false. `back` NULL:
 * nothing is attached again. It must not be called on the IO thread. [control] */
bool vc_port_detach(vc_port *port, vc_engine *back, int64_t timeout_ns);

/* The number of times that the IO thread came and left. Odd: it is inside. [any] */
static inline uint64_t vc_port_turn(const vc_port *port) VC_REALTIME {
    return atomic_load(&port->turn);
}

/* Whether no engine is attached. A driver that has many ports can skip those. [IO] */
static inline bool vc_port_is_empty(const vc_port *port) VC_REALTIME {
    return atomic_load_explicit(&port->engine, memory_order_relaxed) == NULL;
}

/* Begins a cycle. Returns the engine to call; NULL: none is attached. [IO] */
static inline vc_engine *vc_port_begin(vc_port *port) VC_REALTIME {
    uint64_t turn = atomic_load_explicit(&port->turn, memory_order_relaxed);
    atomic_store(&port->turn, turn + 1);
    port->mode = vc_float_enter();
    return atomic_load(&port->engine);
}

/* Ends a cycle. The engine and all memory that was prepared for it may be freed after this. [IO] */
static inline void vc_port_end(vc_port *port) VC_REALTIME {
    vc_float_leave(port->mode);
    uint64_t turn = atomic_load_explicit(&port->turn, memory_order_relaxed);
    atomic_store_explicit(&port->turn, turn + 1, memory_order_release);
}

/* Describes channels that a driver has found one by one, for `frames` frames. If they are equally
 * far apart in one buffer, or follow each other without gaps, the description is uniform, so that
 * the engine can use the memory directly. Otherwise it refers to the list. A channel whose data is
 * NULL has no memory: it is silent, or its output is dropped. [IO] */
vc_audio vc_port_audio(const vc_channel *list, uint32_t channels, uint32_t frames) VC_REALTIME;

/* Adds to a counter that only the IO thread writes, so no read-modify-write is needed. [IO] */
static inline void vc_port_count(_Atomic uint64_t *counter, uint64_t more) VC_REALTIME {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

#endif
