"""`play` with sources that are slow, faulty, interrupted, truncated or very long."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig, until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import FileTruncatedError
from voicecoil.files import FileSink
from voicecoil.sounds.mixing import close_outputs

RATE = 48_000


def write(path: Path, frames: NDArray[np.float32], samplerate: int = RATE) -> Path:
    with FileSink(path, samplerate, frames.shape[1]) as sink:
        sink.write(frames)
    return path


class _Coded:
    """A source whose frames encode their numbers. At frame `gate_at`, it waits until the test sets
    `gate`.
    """

    samplerate = RATE
    channels = 2

    def __init__(self, frames: int, gate_at: int | None = None) -> None:
        self.frames: int | None = frames
        self.position = 0
        self.closed = False
        self.gate = threading.Event()
        self._gate_at = gate_at

    def read(self, max_frames: int) -> NDArray[np.float32]:
        assert self.frames is not None
        if self._gate_at is not None:
            if self.position >= self._gate_at:
                assert self.gate.wait(20)
            else:
                max_frames = min(max_frames, self._gate_at - self.position)
        block = coded(self.position, min(max_frames, self.frames - self.position), 2)
        self.position += len(block)
        return block

    def seek(self, frame: int) -> None:
        self.position = frame

    def close(self) -> None:
        self.closed = True


def test_a_long_file_comes_through_the_ring() -> None:
    rig = Rig(frames=512)
    playback = rig.play(_Coded(frames=600_000))
    assert playback._reader is not None
    assert playback._reader.ring.capacity < 600_000
    rig.play_out(playback)
    assert playback.wait(0)
    assert playback.starved_frames == 0
    assert_coded(rig.heard)
    assert len(rig.heard) == 600_000


def test_a_free_clock_waits_for_frames_to_be_read() -> None:
    device = VirtualDevice("Free", clock="free")
    device.capture()
    playback = vc.play(_Coded(frames=600_000), driver=VirtualDriver([device]))
    assert playback.wait(60)
    close_outputs()
    assert playback.starved_frames == 0
    heard = device.heard()
    first = int(np.flatnonzero(heard[:, 0])[0])  # the device played silence before
    assert_coded(heard[first : first + 600_000])
    assert not heard[first + 600_000 :].any()


def test_a_source_that_is_read_too_slowly_is_silence_and_counted(rig: Rig) -> None:
    # Before the first frame is heard, 9600 frames are read.
    source = _Coded(frames=20_000, gate_at=9_600)
    playback = rig.play(source)
    rig.step(150)
    assert playback.starved_frames == 0
    rig.step(3)
    assert playback.starved_frames == 3 * 64
    assert playback.playing
    source.gate.set()
    rig.play_out(playback)
    assert playback.wait(5)
    assert playback.position == 20_000
    assert playback.starved_frames == 3 * 64
    assert_coded(rig.heard[:9_600])
    assert not rig.heard[9_600 : 9_600 + 192].any()
    assert_coded(rig.heard[9_600 + 192 :], 9_600)
    assert source.closed


class _Broken(_Coded):
    def read(self, max_frames: int) -> NDArray[np.float32]:
        if self.position >= 12_000:
            raise OSError("the disk is gone")
        return super().read(min(max_frames, 1_000))


def test_a_source_that_fails_is_heard_until_then(rig: Rig) -> None:
    playback = rig.play(_Broken(frames=20_000))
    rig.play_out(playback)
    with pytest.raises(OSError, match="the disk is gone"):
        playback.wait(5)
    assert playback.wait(5), "once"
    assert len(rig.heard) == 12_000
    assert_coded(rig.heard)


@pytest.mark.parametrize("block", [[[0.0, 0.0]], np.zeros((2, 9), np.float32), None])
def test_an_unsuitable_block_of_a_source_is_named(rig: Rig, block: Any) -> None:
    class Odd(_Coded):
        def read(self, max_frames: int) -> Any:
            return super().read(100) if self.position < 1000 else block

    playback = rig.play(Odd(frames=20_000))
    rig.play_out(playback)
    with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match=r"Odd\.read\(.* return"):
        playback.wait(5)
    assert_coded(rig.heard)
    assert len(rig.heard) == 1000


class _Interrupted(_Coded):
    def read(self, max_frames: int) -> NDArray[np.float32]:
        raise KeyboardInterrupt


def test_a_source_that_raises_ctrl_c_ends_the_sound_and_is_raised_by_wait(rig: Rig) -> None:
    source = _Interrupted(frames=20_000)
    playback = rig.play(source)
    rig.play_out(playback)
    with pytest.raises(KeyboardInterrupt):
        playback.wait(5)
    assert source.closed


# One length is less than what is read before the sound starts, and the other one is more.
@pytest.mark.parametrize("frames", [500, 60_000])
def test_a_truncated_file_is_played_as_far_as_it_goes(
    rig: Rig, tmp_path: Path, frames: int
) -> None:
    path = write(tmp_path / "a.wav", coded(0, frames, 2))
    data = path.read_bytes()
    path.write_bytes(data[: -frames * 2])
    playback = rig.play(path)
    rig.play_out(playback)
    with pytest.raises(FileTruncatedError, match="truncated"):
        playback.wait(5)
    assert_coded(rig.heard)
    assert frames * 0.7 < len(rig.heard) < frames * 0.8


def test_a_two_hour_file_starts_at_once_in_constant_memory(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    frames = 2 * 3600 * RATE
    size = frames * 4
    with path.open("wb") as file:  # a sparse file, which takes no room on the disk
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt ")
        file.write(struct.pack("<IHHIIHH", 16, 1, 2, RATE, RATE * 4, 4, 16))
        file.write(b"data" + struct.pack("<I", size) + struct.pack("<hh", 16384, -16384))
        file.truncate(44 + size)
    playback = rig.play(path)
    ring = playback._reader.ring  # type: ignore[union-attr]
    assert playback.frames == frames
    rig.step(1)
    assert rig.heard[0].tolist() == [0.5, -0.5]
    until(lambda: ring.writable == 0)
    assert ring.total_written <= ring.capacity + 64
    playback.stop(0)
    rig.play_out(playback)


def test_a_source_that_returns_after_the_stop_is_not_read_again(rig: Rig) -> None:
    source = _Coded(frames=600_000, gate_at=20_000)
    playback = rig.play(source)
    reader = playback._reader
    assert reader is not None
    until(lambda: source.position == 20_000)
    playback.stop(0)
    rig.step(2)
    assert not playback.playing
    assert not reader.at_end, "its thread waits for the source"
    source.gate.set()
    until(lambda: not reader._thread.is_alive())
    assert source.closed
    assert source.position <= 20_000 + 8_192, "one more block"


# Sources that do not return for 60 s. One of them is playing and the others were stopped.
BLOCKED = """
import threading
import voicecoil as vc
from voicecoil.testing import VirtualDevice, VirtualDriver

class Blocked:
    samplerate, channels, frames = 48_000, 2, None
    def __init__(self):
        self.entered = threading.Event()
    def read(self, max_frames):
        self.entered.set()
        threading.Event().wait(60)
    def seek(self, frame): ...
    def close(self): ...

driver = VirtualDriver([VirtualDevice()])
for _ in range(30):
    source = Blocked()
    playback = vc.play(source, driver=driver)
    assert source.entered.wait(20)
    playback.stop()
print("end")
"""


def test_blocked_sources_do_not_delay_the_exit_one_after_the_other() -> None:
    """Each of them delayed the exit by 1 s. The deadline of 25 s is for all."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=25
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
