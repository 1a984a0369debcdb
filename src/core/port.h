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
 * After vc_port_detach has returned true, no cycle of the engine runs or will run. So the engine
 * can be freed even if the audio system continues to call the driver. This works because `turn` is
 * an odd number while the IO thread may use the engine: the IO thread increments `turn` before it
 * reads `engine`, and again after its last use of the engine. vc_port_detach clears `engine` before
 * it reads `turn`. All of these accesses are sequentially consistent, except the second increment,
 * which is a release. tests/models/port.pml is a model of this.
 *
 * Between vc_port_begin and vc_port_end the thread has the floating-point mode of floating.h. Code
 * that computes with floats between them must be in a function that is not inlined, as floating.h
 * explains.
 *
 * Each extension module that has a driver links port.c itself. Threads: as in voicecoil.h. */
#ifndef VOICECOIL_PORT_H
#define VOICECOIL_PORT_H

#include "floating.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* The type of vc_cycle_run. The function's address is passed to drivers in other extension modules.
 */
typedef uint32_t (*vc_cycle_run_fn)(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;

/* A port must be filled with zeros before its first use. */
typedef struct vc_port {
    _Atomic(vc_engine *) engine; /* NULL: none is attached */
    _Atomic uint64_t turn;       /* odd while a cycle runs; it only grows */
    vc_float_mode mode;          /* the IO thread's mode before the cycle; used only by the IO
                                  * thread */
} vc_port;

/* Attaches `engine`, so that the IO thread calls it from the next cycle on. No other engine may be
 * attached. [control] */
void vc_port_attach(vc_port *port, vc_engine *engine);

/* Detaches the engine, and waits until no cycle of it runs. If that takes longer than `timeout_ns`,
 * the function attaches `back` and returns false. If `back` is the same engine, it can then end in
 * its next cycle. If `back` is NULL, nothing is attached again. Do not call this function on the IO
 * thread. [control] */
bool vc_port_detach(vc_port *port, vc_engine *back, int64_t timeout_ns);

/* A number that grows by 1 when a cycle begins and when it ends. It is odd while a cycle runs.
 * [any] */
static inline uint64_t vc_port_turn(const vc_port *port) VC_REALTIME {
    return atomic_load(&port->turn);
}

/* Whether no engine is attached. A driver with many ports can skip the empty ones in a cycle. [IO]
 */
static inline bool vc_port_is_empty(const vc_port *port) VC_REALTIME {
    return atomic_load_explicit(&port->engine, memory_order_relaxed) == NULL;
}

/* Begins a cycle. Returns the engine to call, or NULL if none is attached. [IO] */
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

/* Describes `frames` frames of the channels in `list` as one vc_audio. If the channels are equally
 * far apart in one buffer, or follow each other without gaps, the description is uniform, so that
 * the engine can use the memory directly. Otherwise the description refers to the list. A channel
 * whose data is NULL has no memory: its input is silence, and its output is dropped. [IO] */
vc_audio vc_port_audio(const vc_channel *list, uint32_t channels, uint32_t frames) VC_REALTIME;

/* Adds to a counter that only the IO thread writes, so no atomic addition is needed. [IO] */
static inline void vc_port_count(_Atomic uint64_t *counter, uint64_t more) VC_REALTIME {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

#endif
