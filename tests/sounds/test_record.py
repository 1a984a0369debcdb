"""The frames that `record` records equal the input."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig, until
from voicecoil.conversion import as_source, converted, read_all
from voicecoil.drivers.protocol import DriverStream, OpenRequest
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.errors import FileAccessError, FileFormatError
from voicecoil.files import open_source

RATE = 48_000
ROUND_TRIP = 128  # frames; output and input each take one buffer of 64


def samples(path: Path) -> NDArray[np.float32]:
    with open_source(path) as source:
        return source.read(1_000_000)


def take_from_cable(rig: Rig, take: vc.Recording, frames: int) -> vc.Playback:
    """Plays the coded signal while `take` records, until `frames` frames of it have arrived."""
    playback = rig.play(coded(0, frames, 2), RATE)
    rig.step(-(-(frames + ROUND_TRIP) // 64) + 1)
    return playback


def test_record_a_loopback_into_an_array(rig: Rig) -> None:
    take = rig.record()
    take_from_cable(rig, take, 1000)
    sound = take.stop()
    assert isinstance(sound, np.ndarray)
    assert sound.dtype == np.float32
    first = int(np.flatnonzero(sound[:, 0])[0])
    assert first == ROUND_TRIP
    assert not sound[:first].any()
    assert_coded(sound[first : first + 1000])
    assert len(sound) == take.position
    assert take.lost_frames == 0
    assert take.stop() is sound, "a second wait() returns the same array"


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", None), ("a.flac", "PCM_24")])
def test_record_a_loopback_into_a_file(
    rig: Rig, tmp_path: Path, name: str, subtype: str | None
) -> None:
    path = tmp_path / name
    take = rig.record(path, subtype=subtype)
    take_from_cable(rig, take, 5000)
    assert take.stop() == str(path)
    sound = samples(path)
    assert len(sound) == take.position
    assert_coded(sound[ROUND_TRIP : ROUND_TRIP + 5000])


@pytest.mark.parametrize("frames", [1, 64, 1000])
def test_a_number_of_frames_is_exact(rig: Rig, frames: int) -> None:
    take = rig.record(frames=frames)
    assert take.wait(0) is None
    assert take.recording
    rig.step(frames // 64 + 3)
    sound = take.wait(10)
    assert isinstance(sound, np.ndarray)
    assert sound.shape == (frames, 2)
    assert take.position == frames
    assert not take.recording
    assert "done" in repr(take)


def test_a_duration_is_in_seconds(rig: Rig) -> None:
    take = rig.record(duration_s=0.01, channels=1, samplerate=44_100)
    rig.step(10)
    sound = take.wait(10)
    assert isinstance(sound, np.ndarray)
    assert sound.shape == (441, 1)
    assert take.position_s == 0.01


@pytest.mark.parametrize("name", [None, "a.wav"])
@pytest.mark.parametrize(("rate", "frames"), [(16_000, 1001), (22_050, 500), (96_000, 2001)])
def test_the_rate_is_the_one_that_was_asked_for(
    rig: Rig, tmp_path: Path, name: str | None, rate: int, frames: int
) -> None:
    playback = rig.play(0.5 * coded(0, 5000, 2), RATE)  # from here on the device runs at this rate
    device_frames = -(-frames * RATE // rate)
    as_it_runs = rig.record(frames=device_frames)
    path = None if name is None else tmp_path / name
    take = rig.record(path, frames=frames, samplerate=rate)
    assert take.samplerate == rate
    rig.step(device_frames // 64 + 3)
    sound = take.wait(10)
    if path is not None:
        assert sound == str(path)
        with open_source(path) as source:
            assert source.samplerate == rate
            sound = source.read(1_000_000)
    device_sound = as_it_runs.wait(10)
    assert isinstance(device_sound, np.ndarray)
    wanted = read_all(converted(as_source(device_sound, RATE), rate, 2))[:frames]
    assert np.any(wanted)
    assert np.array_equal(np.asarray(sound), wanted)
    assert take.position == frames
    playback.stop()


def test_the_context_manager_ends_a_recording(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with rig.record(path) as take:
        rig.step(10)
    assert not take.recording
    assert samples(path).shape == (640, 2)
    assert take.device.name == "Rig"


def test_channels_are_chosen(rig: Rig) -> None:
    take = rig.record(channels=[1])
    take_from_cable(rig, take, 100)
    sound = take.stop()
    assert isinstance(sound, np.ndarray)
    assert np.array_equal(sound[ROUND_TRIP : ROUND_TRIP + 100, 0], coded(0, 100, 2)[:, 1])


def test_longer_than_one_piece_of_memory() -> None:
    rig = Rig(frames=512)
    frames = 150_000
    take = rig.record(frames=frames)
    rig.play(np.tile(coded(0, 1000, 2), (200, 1)), RATE)
    rig.step(frames // 512 + 3)
    sound = take.wait(10)
    assert isinstance(sound, np.ndarray)
    assert len(sound) == frames
    for first in range(1024, frames - 1000, 1000):
        assert_coded(sound[first : first + 1000])


def test_levels(rig: Rig) -> None:
    take = rig.record()
    rig.play(np.full((6400, 2), (0.5, -0.25), np.float32), RATE)
    rig.step(4)
    take.levels()
    rig.step(1)
    assert take.levels() == [vc.Level(0.5, 0.5), vc.Level(0.25, 0.25)]
    take.stop()


def test_a_lost_device_keeps_the_recorded_frames(rig: Rig) -> None:
    take = rig.record()
    rig.step(5)
    rig.device.inject("unplug")
    rig.step(1)
    with pytest.raises(vc.DeviceLostError, match="unplugged"):
        take.wait(10)
    sound = take.wait(10)
    assert isinstance(sound, np.ndarray)
    assert sound.shape == (320, 2)
    assert not take.recording


def test_a_lost_device_leaves_a_complete_file(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    take = rig.record(path)
    rig.step(5)
    rig.device.inject("unplug")
    rig.step(1)
    with pytest.raises(vc.DeviceLostError):
        take.stop()
    assert samples(path).shape == (320, 2)
    assert take.stop() == str(path)


def test_a_dropped_recording_into_an_array_ends(rig: Rig) -> None:
    take = rig.record()
    stream = weakref.ref(take._stream)
    thread = take._writer.thread
    rig.step(1)
    del take
    gc.collect()
    until(lambda: not thread.is_alive())
    until(lambda: stream() is None)


def test_a_dropped_recording_into_a_file_is_finished(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    thread = rig.record(path, frames=300)._writer.thread
    gc.collect()
    rig.step(8)
    until(lambda: not thread.is_alive())
    assert samples(path).shape == (300, 2)


def test_a_file_that_cannot_be_made_leaves_no_stream(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"the extension .* is unknown"):
        rig.record(tmp_path / "a.xyz")
    with pytest.raises(vc.StreamStateError, match="no stream"):
        rig.step(1)


def test_a_recording_that_cannot_begin_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording leaves no file even if the device cannot be closed either."""

    class Broken(VirtualDriver):
        def open_stream(self, request: OpenRequest) -> DriverStream:
            stream = super().open_stream(request)
            close = stream.close

            def close_and_fail() -> None:
                close()
                raise vc.DriverError("the device does not close", call="close")

            monkeypatch.setattr(stream, "close", close_and_fail)
            return stream

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "a.wav"
    with monkeypatch.context() as no_thread:
        no_thread.setattr(threading.Thread, "start", start)
        with pytest.raises(vc.DriverError, match="does not close") as caught:
            vc.record(path, driver=Broken([VirtualDevice("A", clock="stepped")]))
    assert "gives no thread" in str(caught.value.__context__)
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a limit for one process needs POSIX")
def test_a_disk_that_is_full(rig: Rig, tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    take = rig.record(tmp_path / "a.wav")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        rig.step(100)
        until(lambda: not take._writer.thread.is_alive())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not take.recording
    with pytest.raises(FileAccessError, match="cannot write"):
        take.wait(5)
    assert take.wait(5) == str(tmp_path / "a.wav")


FORK = """
import os, sys
import voicecoil as vc
take = vc.record(sys.argv[1])
playback = vc.play(sys.argv[2], loops=0)
while take.position < 5000:
    take.wait(0.01)
child = os.fork()
if child == 0:
    told = 0
    for call in (take.stop, take.wait, playback.wait, playback.stop):
        try:
            call()
        except vc.ForkedError as error:
            told += "forked" in str(error)
    del take, playback, call
    sys.exit(told)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
before = take.position
while take.position < before + 5000:
    take.wait(0.01)
playback.stop(0)
take.stop()
print(take.position)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_an_error_and_does_not_damage_the_file(tmp_path: Path) -> None:
    from voicecoil.files import FileSink

    path, song = tmp_path / "take.wav", tmp_path / "song.wav"
    with FileSink(song, RATE, 2) as sink:
        sink.write(coded(0, 1000, 2))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(path), str(song)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    sound = samples(path)
    assert len(sound) == int(done.stdout)
    heard = np.flatnonzero(sound[:, 0])
    assert_coded(sound[heard[0] : heard[0] + 1000])


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_while_a_take_ends_does_not_lose_its_error() -> None:
    device = VirtualDevice("Away", clock="free", frames=64)
    take = vc.record(driver=VirtualDriver([device]))
    until(lambda: take.position > 1000)
    device.inject("unplug", at_frame=device.frame)
    until(lambda: not take._writer.thread.is_alive())

    def press(frame: FrameType, event: str, arg: object) -> None:
        """Sends Ctrl-C when `_finish` is called. This function runs on the thread that finishes the
        recording, so the main thread handles the signal later.
        """
        if event == "call" and frame.f_code.co_name == "_finish":
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    threading.setprofile(press)
    try:
        with pytest.raises(KeyboardInterrupt):
            take.wait()
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
    with pytest.raises(vc.DeviceLostError):
        take.wait()
    sound = take.wait()
    assert sound is not None
    assert len(sound) == take.position


IMPORTS = """
import sys, threading

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if threading.current_thread().name == "voicecoil recorder":
            print(name)

sys.meta_path.insert(0, Finder)
import voicecoil as vc
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

device = VirtualDevice(clock="stepped", frames=64)
take = vc.record(frames=100, driver=VirtualDriver([device]))
device.step(4)
assert take.stop().shape == (100, 2)
"""


def test_the_first_recording_of_a_program_imports_nothing_on_its_thread() -> None:
    """NumPy's import takes longer than `END_S` on a busy machine. The time counted as a time in
    which the recording made no progress, and `stop` raised StreamTimeoutError.
    """
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
