# Declarations from core/port.h for the drivers' extension modules.
from libc.stdint cimport int64_t, uint64_t


cdef extern from "voicecoil.h" nogil:
    ctypedef struct vc_engine:
        pass


cdef extern from "port.h" nogil:
    ctypedef struct vc_port:
        pass

    bint vc_port_detach(vc_port *port, vc_engine *back, int64_t timeout_ns)
    uint64_t vc_port_turn(const vc_port *port)
