"""Runs IO cycles of the real binding under the trap shim (LD_PRELOAD).

Argument: the driver or the home. Prints the calls that the shim caught on the IO thread.
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


def coreaudio(library: str, simulator: str) -> None:
    """Runs cycles of the CoreAudio driver. The time is real, because in virtual time a cycle would
    take locks in order to ask the simulator for the time.
    """
    from life import until

    from voicecoil.testing import SimulatedCoreAudio

    world = SimulatedCoreAudio(
        simulator, devices=["uid=trap; in=1,1; out=2,2,8; buffer=64; rate=96000"], clock="real"
    )
    function = ctypes_type()(("vc_test_gain", ctypes.CDLL(library)))
    user = (ctypes.c_float * 4)(0.5)
    with (
        world,
        vc.Stream(
            vc.NativeCallback(function, user), driver=world.driver, channels=([1, 0], [0, 3, 11])
        ) as stream,
    ):
        until(lambda: stream.statistics().cycles >= 200)
        stream.abort()


def ioproc(library: str, caller: str) -> None:
    from voicecoil.drivers.coreaudio import _hal

    function = ctypes.cast(ctypes.CDLL(library).vc_test_gain, ctypes.c_void_p)
    user = (ctypes.c_float * 4)(0.5)
    code = _core.NativeCode(function.value, ctypes.addressof(user), (user,))
    engine = _core.Engine(
        code,
        input_channels=2,
        output_channels=4,
        block_frames=100,
        period_frames=0,
        samplerate_hz=48_000.0,
        flags=_core.METER,
    )
    place = _hal.IOProc(
        engine,
        _core.cycle_run_address(),
        [(0, 0), (2, 7)],
        [(0, 0), (0, 1), (1, 0), (2, 3)],
        11,
        13,
        100,
        (125, 3),
        48_000.0,
    )
    engine.start()
    call = ctypes.CDLL(caller).vc_test_ioproc
    call.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_uint32] + [ctypes.c_void_p] * 2
    call(_hal.ioproc_address(), place.address, CYCLES, *addresses)
    counts = place.counts()
    assert counts["cycles"] + counts["empty_cycles"] == CYCLES, counts
    assert counts["oddities"] == 3, "all unusual paths of the IOProc were taken"
    engine.abort()


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
    """Runs cycles of a stream with a lead. The device's clock is real, because with another clock
    the IO thread would wait for the worker.
    """
    with vc.Stream(lambda block: None, driver=devices(clock="real"), latency=0.02) as stream:
        until(lambda: stream.statistics().cycles > CYCLES // 4)
        assert stream.statistics().blocks > 0


ways = {
    "native": native,
    "coreaudio": coreaudio,
    "ioproc": ioproc,
    "mixer": mixer,
    "recorder": recorder,
    "python": python,
    "ahead": ahead,
}
ways[sys.argv[1]](*sys.argv[2:])
text = ctypes.create_string_buffer(4096)
shim.vc_trap_report(text, len(text))
print(text.value.decode())
