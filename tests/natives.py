"""Native functions of native.c as several kinds of objects, and a stream that calls them."""

from __future__ import annotations

import ctypes
from typing import Any

import voicecoil as vc
from voicecoil.callbacks.native import ctypes_type
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver


class Gain(ctypes.Structure):
    """The user data of `vc_test_gain` in native.c."""

    _fields_ = (
        ("factor", ctypes.c_float),
        ("blocks_left", ctypes.c_int32),
        ("frames", ctypes.c_uint64),
    )


class Tally(ctypes.Structure):
    """The user data of `vc_test_numbers` in native.c."""

    _fields_ = (
        ("frames", ctypes.c_uint64),
        ("heard", ctypes.c_uint64),
        ("wrong", ctypes.c_uint64),
    )


def function(library: ctypes.CDLL, name: str = "vc_test_gain") -> Any:
    return ctypes_type()((name, library))


def capsule(address: int, name: bytes | None) -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(address, name, None)


def address_of(library: ctypes.CDLL, name: str = "vc_test_gain") -> int:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert address is not None
    return address


def heard_of(device: VirtualDevice, driver: VirtualDriver, callback: Any) -> Any:
    """Runs a stream with the callback for three cycles and returns its output."""
    device.capture()
    with vc.OutputStream(callback, driver=driver) as stream:
        device.step(3)
        stream.abort()
    return device.heard()
