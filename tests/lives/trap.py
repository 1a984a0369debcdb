"""Cycles of the real binding under the trap shim (LD_PRELOAD): prints what they tripped; argument:
whose cycles.
"""

import ctypes
import sys

import numpy as np
from life import devices, until

import voicecoil as vc
from voicecoil import _core
from voicecoil.native import ctypes_type

shim = ctypes.CDLL(None)
shim.vc_trap_report.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
addresses = [
    ctypes.cast(shim[f"vc_trap_{name}"], ctypes.c_void_p).value for name in ("enter", "leave")
]
_core.set_trap(*addresses)
driver = devices(clock="stepped")
device = driver.virtual_devices[0]
CYCLES = 1000


def native(library: str) -> None:
    user = (ctypes.c_float * 4)(0.5)
    function = ctypes_type()(("vc_test_gain", ctypes.CDLL(library)))
    with vc.Stream(vc.NativeCallback(function, user), driver=driver) as stream:
        device.step(CYCLES)
        stream.abort()


def mixer() -> None:
    sound = np.zeros((64 * CYCLES // 2, 2), np.float32)
    first = vc.play(sound, 48_000, driver=driver)
    second = vc.play(sound, 48_000, driver=driver, loops=3)
    device.step(CYCLES)
    assert not first.playing
    assert second.playing
    second.stop()
    device.step(100)


def recorder() -> None:
    recording = vc.record(driver=driver)
    device.step(CYCLES)
    assert len(recording.stop()) == 64 * CYCLES


def python() -> None:
    with vc.OutputStream(lambda block: None, driver=driver, latency="low") as stream:
        device.step(CYCLES)
        stream.abort()


def ahead() -> None:
    """In real time: on a clock that is not real, the IO thread waits for the worker."""
    with vc.Stream(lambda block: None, driver=devices(clock="real"), latency=0.02) as stream:
        until(lambda: stream.statistics().cycles > CYCLES // 4)
        assert stream.statistics().blocks > 0


ways = {"native": native, "mixer": mixer, "recorder": recorder, "python": python, "ahead": ahead}
ways[sys.argv[1]](*sys.argv[2:])
text = ctypes.create_string_buffer(4096)
shim.vc_trap_report(text, len(text))
print(text.value.decode())
