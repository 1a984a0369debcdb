"""The miniaudio driver passes the contract on miniaudio's own null backend, in real time.

The same tests run on real sound servers: test_jack.py, test_pulseaudio.py, test_pipewire.py,
test_alsa.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from compiler import shared_library
from driver_contract import CodedOutput, DriverContract
from failure_contract import FailureContract
from rig import until
from voicecoil.drivers.miniaudio import _io, opening
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")


def trimmed(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the sound without the silence around it."""
    loud = np.flatnonzero(frames.any(axis=1))
    return frames[loud[0] : loud[-1] + 1] if len(loud) else frames[:0]


class NullRig:
    stepped = False
    cycle_frames = 480
    channels = [0, 1]  # noqa: RUF012

    def __init__(self, tap: ctypes.CDLL) -> None:
        self.tap = tap
        self.memory = np.zeros((48_000 * 10, 2), np.float32)
        tap.tap_set.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        tap.tap_frames.restype = ctypes.c_size_t
        tap.tap_cycles.restype = ctypes.c_uint64
        tap.tap_set(_io.data_callback_address(), self.memory.ctypes.data, 2, len(self.memory))
        self.driver = MiniaudioDriver("null")
        self.device = self.driver.devices()[0]
        self.another_device = self.device.uid  # its streams do not wait for each other

    def advance(self, cycles: int) -> None:
        wanted = self.tap.tap_cycles() + cycles
        with contextlib.suppress(AssertionError):  # no stream runs, so no cycles come
            until(lambda: self.tap.tap_cycles() >= wanted, patience=1000)

    def heard(self) -> NDArray[np.float32]:
        return trimmed(self.memory[: self.tap.tap_frames()])

    def unplug(self) -> None:
        raise NotImplementedError("nobody can unplug the null backend")


@pytest.fixture(scope="module")
def tap(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(str(shared_library("servers/tap.c", tmp_path_factory.mktemp("tap"))))


@pytest.fixture
def rig(tap: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> NullRig:
    address = ctypes.cast(tap.tap_data, ctypes.c_void_p).value
    monkeypatch.setattr(opening, "DATA_CALLBACK", address)
    return NullRig(tap)


NOT_NULL = pytest.mark.skip(reason="the null backend has no cable, no mixer and no plug; JACK has")


class TestNullBackend(DriverContract, FailureContract):
    @pytest.mark.skip(reason="nothing makes a start of the null backend fail")
    def test_a_start_that_failed_leaves_nothing_and_can_be_repeated(self) -> None:  # type: ignore[override]
        pass

    @NOT_NULL
    def test_starting_on_a_device_that_is_gone_fails(self) -> None:  # type: ignore[override]
        pass

    @NOT_NULL
    def test_output_comes_back_after_the_declared_latency(self) -> None:  # type: ignore[override]
        pass

    @NOT_NULL
    def test_two_streams_are_mixed(self) -> None:  # type: ignore[override]
        pass

    @NOT_NULL
    def test_unplugging_ends_the_stream_with_an_error_once(self) -> None:  # type: ignore[override]
        pass

    @NOT_NULL
    def test_opening_an_unplugged_device(self) -> None:  # type: ignore[override]
        pass

    def test_channel_map_that_is_not_uniform(self, rig: NullRig) -> None:
        def callback(block: vc.Block) -> None:
            block.output[:] = (0.25, 0.5)

        with self.open_output(rig, callback, channels=[1, 0]) as stream:  # type: ignore[arg-type]
            rig.advance(2)
            stream.abort()
        assert (rig.heard() == (0.5, 0.25)).all()

    def test_sample_time_goes_on_from_start_to_start(self, rig: NullRig) -> None:
        callback = CodedOutput()
        stream = self.open_output(rig, callback)  # type: ignore[arg-type]
        for _ in range(3):
            stream.start()
            rig.advance(3)
            stream.abort()
        stream.close()
        frames = np.array(callback.output_frames, np.int64)
        assert (np.diff(frames) > 0).all()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_named_sound_system_loads_no_library_of_another() -> None:
    program = """
import voicecoil as vc
with vc.OutputStream(lambda block: None, driver="miniaudio:null") as stream:
    stream.latency
print("libjack" in open("/proc/self/maps").read())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
