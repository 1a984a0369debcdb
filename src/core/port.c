/* How an engine is attached to an IO thread and detached from it. See port.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "port.h"

#include <time.h>

void vc_port_attach(vc_port *port, vc_engine *engine) { atomic_store(&port->engine, engine); }

bool vc_port_detach(vc_port *port, vc_engine *back, int64_t timeout_ns) {
    atomic_store(&port->engine, NULL);
    /* If `turn` is even now, the next cycle finds NULL. If it is odd, the running cycle may still
     * use the engine. */
    uint64_t turn = atomic_load(&port->turn);
    int64_t since_ns = vc_clock_ns();
    while ((turn & 1u) && atomic_load(&port->turn) == turn) {
        if (vc_clock_ns() - since_ns >= timeout_ns) {
            atomic_store(&port->engine, back);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return true;
}
