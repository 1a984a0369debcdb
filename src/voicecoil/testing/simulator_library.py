"""Typed bindings of the simulator's control functions (``coreaudio_simulator.h``)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from voicecoil.arguments import shown
from voicecoil.errors import ArgumentTypeError, DriverError

__all__ = ["ENVIRONMENT", "Run", "find_simulator", "load"]

ENVIRONMENT = "VOICECOIL_COREAUDIO_SIMULATOR"
_u32, _u64, _i32, _i64 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32, ctypes.c_int64
_text, _double, _int, _size = ctypes.c_char_p, ctypes.c_double, ctypes.c_int, ctypes.c_size_t
_pointer = ctypes.c_void_p


class Run(ctypes.Structure):
    """The structure ``sim_run``: one run of a device from the start to the end of its IO thread."""

    _fields_ = (
        ("thread", _u64),
        ("rate_hz", _double),
        ("true_rate_hz", _double),
        ("first_sample_time", _double),
        ("frames", _u64),
        ("gap_frames", _u64),
        ("first_emission_ns", _u64),
        ("cycles", _u64),
        ("skipped_frames", _u64),
        ("running", ctypes.c_bool),
    )


# name -> (result, arguments)
_FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "sim_reset": (None, ()),
    "sim_configure": (None, (_u64,)),
    "sim_set": (_int, (_text, _i64)),
    "sim_get": (_i64, (_text,)),
    "sim_switch_name": (_text, (_size,)),
    "sim_set_macos": (_int, (_int,)),
    "sim_load_fixture": (_int, (_int,)),
    "sim_add_device": (_u32, (_text,)),
    "sim_remove_device": (_int, (_u32,)),
    "sim_replug_device": (_u32, (_u32,)),
    "sim_restart_service": (None, ()),
    "sim_find_device": (_u32, (_text,)),
    "sim_set_default": (_int, (_u32, _u32)),
    "sim_change_rate": (_int, (_u32, _double)),
    "sim_notify": (_int, (_u32, _u32, _u32, _u32)),
    "sim_hang": (_int, (_u32, _u32, _u64)),
    "sim_release_hung": (None, ()),
    "sim_hog": (_int, (_u32, _i32)),
    "sim_set_volume": (_int, (_u32, _u32, _u32, ctypes.c_float)),
    "sim_set_mute": (_int, (_u32, _u32, _u32, ctypes.c_bool)),
    "sim_set_data_source": (_int, (_u32, _u32)),
    "sim_speak": (_int, (_u32, ctypes.c_bool)),
    "sim_voice_processing": (_int, (_u32, ctypes.c_bool)),
    "sim_sleep": (_int, (ctypes.c_bool,)),
    "sim_wake": (_int, ()),
    "sim_set_consent": (_int, (_int,)),
    "sim_set_tap_consent": (_int, (_int,)),
    "sim_add_process": (_u32, (_i32, _text)),
    "sim_process_io": (_int, (_i32, _u32, _u32)),
    "sim_remove_process": (_int, (_i32,)),
    "sim_process_sound": (_int, (_i32, _int)),
    "sim_process_sample": (ctypes.c_float, (_i32, _u32, _i64)),
    "sim_process_is_audible": (_int, (_i32,)),
    "sim_add_box": (_u32, (_text, _text, _text)),
    "sim_add_clock_device": (_u32, (_text, _text, _double)),
    "sim_add_transport_manager": (_u32, (_text,)),
    "sim_add_end_point": (_u32, (_u32, _text, _text, _u32, _u32)),
    "sim_remove_end_point": (_int, (_u32,)),
    "sim_override_property": (_int, (_u32, _u32, _u32, _u32, _i32, _u32, _text, _u32)),
    "sim_fail_call": (_int, (_text, _i32, _u32, _u32)),
    "sim_set_input": (_int, (_u32, _int)),
    "sim_inject_overload": (_int, (_u32, _u32)),
    "sim_use_real_time": (None, ()),
    "sim_use_virtual_time": (None, ()),
    "sim_set_timebase": (_int, (_u32, _u32)),
    "sim_advance_ns": (_int, (_u64,)),
    "sim_start_clock": (_int, (_double,)),
    "sim_stop_clock": (None, ()),
    "sim_now_ns": (_u64, ()),
    "sim_wait_blocked": (_size, (_size, _u32)),
    "sim_spend_ns": (None, (_u64,)),
    "sim_device_serial": (_u32, (_u32,)),
    "sim_run_count": (_size, (_u32,)),
    "sim_run_info": (_int, (_u32, _size, ctypes.POINTER(Run))),
    "sim_capture_read": (_size, (_u32, _size, _u32, _u32, _u64, _size, _pointer, _pointer)),
    "sim_emission_ns": (_u64, (_u32, _size, _u32, _double)),
    "sim_arrival_ns": (_u64, (_u32, _size, _u32, _double)),
    "sim_counter": (_i64, (_text,)),
    "sim_counter_name": (_text, (_size,)),
    "sim_report": (_size, (_text, _size)),
    "sim_check_clean": (_i64, ()),
}


def find_simulator(path: str | os.PathLike[str] | None = None) -> str:
    """Return the path of ``libcoreaudio_simulated.so``.

    Parameters
    ----------
    path : path, optional
        The default is the environment variable ``VOICECOIL_COREAUDIO_SIMULATOR``.

    Returns
    -------
    str
        The path of a file that exists.

    Raises
    ------
    DriverError
        The library does not exist. The message says how to build it.
    """
    if not isinstance(path, (str, os.PathLike, type(None))):
        raise ArgumentTypeError(f"library={shown(path)}; give the path of a file")
    chosen = os.fspath(path) if path is not None else os.environ.get(ENVIRONMENT, "")
    if chosen and Path(chosen).is_file():
        return str(Path(chosen).resolve())
    raise DriverError(
        f"the simulated CoreAudio is not {'at ' + chosen if chosen else 'named'}; build it in "
        f"voicecoil's sources (make -C simulator) and set {ENVIRONMENT} to "
        "simulator/build/libcoreaudio_simulated.so",
        call="dlopen",
    )


def load(path: str) -> ctypes.CDLL:
    """Load the control functions. Calls release the GIL, because they wait for callbacks."""
    library = ctypes.CDLL(path)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
