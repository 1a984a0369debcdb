"""A foreign thread enters Python with one thread state, and never through a closed gate."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import pytest

import voicecoil as vc
from compiler import shared_library
from voicecoil import _block, _core
from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import CallbackResultError, EscapedBlockError

ABI = ("coreaudio_abi", "voicecoil/drivers/coreaudio")


class Caller:
    """CoreAudio's IOProc with a Python callback, which any thread can call."""

    def __init__(self, library: Path, callback: Any) -> None:
        memories = (_block.memory(64, 2, True), _block.memory(64, 2, False))
        views = [memoryview(memory) for memory in memories]
        types = (vc.Stop, EscapedBlockError, CallbackResultError)
        self.code = _core.PythonCode(callback, views, memories, 48_000.0, False, types, None, None)
        self._engine = _core.Engine(
            self.code,
            input_channels=2,
            output_channels=2,
            block_frames=64,
            period_frames=64,
            samplerate_hz=48_000.0,
            flags=0,
        )
        channels = [(0, 0), (0, 1)]
        self._place = _hal.IOProc(
            self._engine, _core.cycle_run_address(), channels, channels, 0, 0, 0, (1, 1), 48_000.0
        )
        self._engine.start()
        library_ = ctypes.CDLL(str(library))
        self._here = library_.vc_test_ioproc
        self._here.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_uint32] + [ctypes.c_void_p] * 2
        self._elsewhere = library_.vc_test_ioproc_on_a_new_thread
        self._elsewhere.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
        self._nothing = ctypes.CFUNCTYPE(None)(lambda: None)

    def on_this_thread(self, cycles: int) -> None:
        nothing = ctypes.cast(self._nothing, ctypes.c_void_p)
        self._here(_hal.ioproc_address(), self._place.address, cycles, nothing, nothing)

    def on_a_new_thread(self, cycles: int) -> None:
        self._elsewhere(_hal.ioproc_address(), self._place.address, cycles)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_library("ioproc.c", tmp_path_factory.mktemp("entering"), *ABI)


def thread_states() -> int:
    """Returns the number of thread states of this interpreter, also those of ended threads."""
    api = ctypes.pythonapi
    for name in ("PyInterpreterState_Get", "PyInterpreterState_ThreadHead", "PyThreadState_Next"):
        getattr(api, name).restype = ctypes.c_void_p
    state = api.PyInterpreterState_ThreadHead(ctypes.c_void_p(api.PyInterpreterState_Get()))
    count = 0
    while state:
        count += 1
        state = api.PyThreadState_Next(ctypes.c_void_p(state))
    return count


def test_threads_that_come_one_after_another_leave_one_state(library: Path) -> None:
    seen: list[int] = []
    caller = Caller(library, lambda block: seen.append(threading.get_ident()))
    before = thread_states()
    for _ in range(5):
        caller.on_a_new_thread(3)
    assert len(seen) == 15
    assert thread_states() == before + 1
    assert caller.code.has_orphan
    reaper = threading.Thread(target=caller.code.reap)
    reaper.start()
    reaper.join()
    assert thread_states() == before


def test_a_thread_is_in_a_callback_only_during_the_call(library: Path) -> None:
    inside: list[bool] = []
    caller = Caller(library, lambda block: inside.append(_core.in_callback()))
    assert not _core.in_callback()
    caller.on_this_thread(3)
    assert inside == [True] * 3
    assert not _core.in_callback()


@pytest.fixture
def stepped_driver() -> tuple[VirtualDevice, VirtualDriver]:
    device = VirtualDevice("Entering", clock="stepped", frames=64)
    return device, VirtualDriver([device])


@pytest.mark.parametrize("latency", ["low", "safe"])
def test_code_that_is_shut_is_not_called_any_more(
    latency: str, stepped_driver: tuple[VirtualDevice, VirtualDriver]
) -> None:
    device, driver = stepped_driver
    blocks: list[int] = []
    stream = vc.OutputStream(
        lambda block: blocks.append(block.frames), driver=driver, latency=latency
    )
    with stream:
        device.step(3)
        called = len(blocks)
        assert called > 0
        stream._code.shut()
        device.step(50)
        assert len(blocks) == called


def test_closing_shuts_the_code_also_when_the_device_cannot_be_stopped(
    stepped_driver: tuple[VirtualDevice, VirtualDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device's thread may still call after the interpreter has ended. It must not enter Python
    then, not even to release its thread state.
    """
    device, driver = stepped_driver
    stream = vc.OutputStream(lambda block: None, driver=driver, latency="low")
    stream.start()
    device.step(3)
    code, opened = stream._code, stream._connection.driver_stream

    def refuse(timeout_s: float) -> None:
        raise vc.StreamTimeoutError("the device does not stop")

    with monkeypatch.context() as patch:
        patch.setattr(type(opened), "stop", lambda self, timeout_s: refuse(timeout_s))
        with pytest.raises(vc.StreamTimeoutError, match="does not stop"):
            stream.close()
    assert code.has_orphan
    device.step(3)
    assert code.has_orphan, "the device's thread has entered once more"
    stream.close()
