"""Calls of voicecoil.sounddevice that end a stream or wait for its end, while other code runs."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil.sounddevice as sd
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounddevice import blocking, sounds, streams

STOPPED = -9983
SOUND = np.full((256, 2), 0.25, np.float32)


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    yield
    sd.stop()
    sounds._newest = None
    sd.options.__init__()  # type: ignore[misc]


def device_with(clock: str) -> VirtualDevice:
    device = VirtualDevice("Device", clock=clock, frames=64, loopback=True)
    sd.options.driver = VirtualDriver([device])
    return device


class Beside:
    """A call on another thread, and the error that it raises."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except sd.PortAudioError as error:
            self.error = error

    def has_returned(self) -> bool:
        return not self._thread.is_alive()


def for_ever(call: Callable[[], object]) -> Callable[[], object]:
    def calls() -> None:
        while True:
            call()

    return calls


def test_stop_ends_while_another_thread_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    # So long that only an empty ring ends `stop`.
    monkeypatch.setattr(blocking, "DRAIN_S", 1000.0)
    device_with("free")
    with sd.OutputStream(channels=2) as stream:
        written = threading.Event()

        def write() -> None:
            stream.write(SOUND)
            written.set()

        writer = Beside(for_ever(write))
        assert written.wait(20)
        stopper = Beside(stream.stop)
        until(stopper.has_returned)
        until(writer.has_returned)
        assert isinstance(writer.error, sd.PortAudioError)
        assert writer.error.args[1] == STOPPED
        assert stream.stopped


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_call_that_waits_is_ended_by_abort_with_the_error_of_a_stopped_stream(way: str) -> None:
    device_with("stepped")  # never stepped, so the call waits until the end
    kind: Any = sd.InputStream if way == "read" else sd.OutputStream
    with kind(channels=2) as stream:
        ring = stream._exchange.input or stream._exchange.output
        many = ring.frames + 1
        given = many if way == "read" else np.zeros((many, 2), np.float32)
        waiting = Beside(lambda: getattr(stream, way)(given))
        until(lambda: way == "read" or ring.free == 0)
        stream.abort()
        until(waiting.has_returned)
        assert isinstance(waiting.error, sd.PortAudioError)
        assert waiting.error.args[1] == STOPPED


def test_frames_written_before_stop_are_all_heard() -> None:
    device = device_with("free")
    device.capture()
    with sd.OutputStream(channels=2) as stream:
        stream.write(SOUND)
        stream.stop()
        assert stream.write_available == 0
    assert np.count_nonzero(device.heard()[:, 0]) == len(SOUND)


@pytest.mark.parametrize("call", ["play", "wait"])
def test_a_sound_may_be_waited_for_in_a_finished_callback(call: str) -> None:
    device_with("free")
    returned = threading.Event()

    def finished() -> None:
        if call == "play":
            sd.play(SOUND, blocking=True)
        else:
            sd.wait()
        returned.set()

    def callback(outdata: Any, *others: Any) -> None:
        raise sd.CallbackStop

    sd.play(np.zeros((4800, 2), np.float32))
    with sd.OutputStream(channels=2, callback=callback, finished_callback=finished):
        assert returned.wait(20)


def test_a_slow_finished_callback_delays_no_other_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FINISH_S", 1000.0)
    device_with("free")
    begun, may_return = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        may_return.wait(60)

    def callback(outdata: Any, *others: Any) -> None:
        raise sd.CallbackStop

    stream = sd.OutputStream(channels=2, callback=callback, finished_callback=slow)
    stream.start()
    try:
        assert begun.wait(20)
        playing = Beside(lambda: sd.play(SOUND, blocking=True))
        until(playing.has_returned)
        assert playing.error is None
    finally:
        may_return.set()
        stream.close()


def test_a_stream_that_is_started_again_in_its_finished_callback_can_be_waited_for() -> None:
    device_with("free")
    runs: list[int] = []
    ended = threading.Event()

    def finished() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            stream.stop()
            stream.start()
        else:
            ended.set()

    def callback(outdata: Any, *others: Any) -> None:
        raise sd.CallbackStop

    stream = sd.OutputStream(channels=2, callback=callback, finished_callback=finished)
    with stream:
        assert ended.wait(20)
    assert runs == [0, 1, 2]


class Samples(np.ndarray[Any, Any]):
    """An array that can be referred to weakly."""


@pytest.mark.parametrize("waits", [False, True])
def test_arrays_are_dropped_when_the_sound_is_over(waits: bool) -> None:
    device_with("free")
    sound = np.zeros((4800, 2), np.float32).view(Samples)
    gone = weakref.ref(sound)
    sd.play(sound)
    del sound
    if waits:
        sd.wait()
    until(lambda: bool(gc.collect() or True) and gone() is None)
    recording = sd.rec(4800, channels=1)
    assert recording.shape == (4800, 1)
    until(lambda: sounds._newest is not None and sounds._newest.over)
    assert sounds._newest is not None
    assert sounds._newest.out is None
    assert sd.playrec(SOUND, channels=2, blocking=True).shape == SOUND.shape


FORKED = """
import os, signal
import numpy as np
import voicecoil.sounddevice as sd
from voicecoil.sounddevice import blocking, sounds, streams

blocking.DRAIN_S = streams.FINISH_S = 1000.0
sd.options.driver = "virtual"
sd.play(np.zeros((48000, 2), np.float32), 48000, loop=True)
writing = sd.OutputStream(channels=2)
writing.start()
child = os.fork()
if not child:
    signal.alarm(30)
    assert sd.wait() is None and not writing.active and writing.stopped
    for call in (lambda: writing.write(np.zeros((10, 2), np.float32)), writing.start):
        try:
            call()
        except sd.PortAudioError as error:
            print(type(error).__name__, flush=True)
    writing.stop()
    writing.close()
    sd.stop()
    sd.play(np.zeros((64, 2), np.float32), 48000, blocking=True)
    print("played", flush=True)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert writing.active and sd.get_stream().active
writing.abort()
sd.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_child_waits_for_no_stream_of_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=90
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["PortAudioError", "PortAudioError", "played", "0"]
