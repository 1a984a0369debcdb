# cython: language_level=3
"""The same bridge from Cython: calls a Python function many times from code without the GIL."""

from cpython.ref cimport Py_DECREF
from voicecoil cimport bridge

cdef const bridge.voicecoil_bridge_api *api = bridge.voicecoil_bridge_import()


def call(callback, long times):
    """Calls `callback()` that many times. Returns the number of calls that returned."""
    cdef bridge.voicecoil_gate *gate = api.gate_new(callback, NULL)
    cdef bridge.voicecoil_way *way
    cdef void *raised
    cdef long done = 0
    with nogil:
        way = api.way_new(gate)
        for _ in range(times):
            done += api.call(way, NULL) == bridge.VOICECOIL_OK
        api.way_free(way)
    try:
        api.gate_close(gate, 1.0)
        raised = api.gate_take_exception(gate)
        if raised != NULL:
            error = <object>raised
            Py_DECREF(error)  # the reference that gate_take_exception returned
            raise error
    finally:
        api.gate_free(gate)
    return done
