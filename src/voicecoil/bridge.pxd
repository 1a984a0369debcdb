# The bridge for other extensions. voicecoil_bridge.h has the documentation. A Cython module gets
# these declarations with `from voicecoil cimport bridge`.
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "voicecoil_bridge.h":
    ctypedef struct voicecoil_gate:
        pass

    ctypedef struct voicecoil_way:
        pass

    enum:
        VOICECOIL_BRIDGE_VERSION
        VOICECOIL_OK
        VOICECOIL_RAISED
        VOICECOIL_CLOSED

    ctypedef struct voicecoil_gate_functions:
        object (*arguments)(void *user)
        int (*before)(object arguments, void *event, void *user) except -1
        int (*after)(object result, void *event, void *user) except -1
        void *user

    ctypedef struct voicecoil_bridge_api:
        uint32_t version
        uint32_t bytes
        voicecoil_gate *(*gate_new)(object callable,
                                    const voicecoil_gate_functions *functions) except NULL
        voicecoil_gate *(*gate_new_isolated)(const char *name,
                                             const voicecoil_gate_functions *functions) except NULL
        int (*gate_close)(voicecoil_gate *gate, double timeout_s) except -1
        void *(*gate_take_exception)(voicecoil_gate *gate)
        uint64_t (*gate_dropped_exceptions)(const voicecoil_gate *gate) noexcept nogil
        void (*gate_free)(voicecoil_gate *gate)
        voicecoil_way *(*way_new)(voicecoil_gate *gate) noexcept nogil
        int (*call)(voicecoil_way *way, void *event) noexcept nogil
        void (*way_free)(voicecoil_way *way) noexcept nogil

    const voicecoil_bridge_api *voicecoil_bridge_import() except NULL
