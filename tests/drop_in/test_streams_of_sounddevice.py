"""The streams of voicecoil.sounddevice on virtual devices, frame by frame."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
import voicecoil.sounddevice as sd
from coded import assert_coded, coded
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.sounddevice import sounds, state


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    yield
    sd.stop()
    until(lambda: not state.running)  # a stream that a test leaves running runs on for ever
    sounds._newest = None
    sd.options.__init__()  # type: ignore[misc]
    sd.default.reset()


@pytest.fixture
def stepped_device() -> VirtualDevice:
    """A device with a clock that the test advances, and whose output is its input."""
    device = VirtualDevice("Stepped", clock="stepped", frames=64, loopback=True)
    return use(device)


@pytest.fixture
def free_device() -> VirtualDevice:
    """The same with a clock that is as fast as the machine, and waits for the program."""
    return use(VirtualDevice("Free", clock="free", frames=64, loopback=True))


def use(device: VirtualDevice) -> VirtualDevice:
    sd.options.driver = VirtualDriver([device])
    device.capture()
    return device


class Coder:
    """A callback that plays coded frames and notes its arguments."""

    def __init__(self, end_at: int = 0, raises: Any = sd.CallbackStop) -> None:
        self.made = 0
        self.flags: list[sd.CallbackFlags] = []
        self._end_at, self._raises = end_at, raises

    def __call__(self, outdata: Any, frames: int, time: Any, status: sd.CallbackFlags) -> None:
        assert outdata.shape == (frames, 2)
        outdata[:] = coded(self.made, frames, 2)
        self.made += frames
        self.flags.append(status)
        if self._end_at and self.made >= self._end_at:
            raise self._raises


@pytest.mark.parametrize("latency", ["low", "high", 0.004, 0])
def test_frames_of_a_callback_until_callback_stop_are_all_heard(
    free_device: VirtualDevice, latency: Any
) -> None:
    ended = threading.Event()
    callback = Coder(end_at=640)
    stream = sd.OutputStream(
        channels=2, latency=latency, callback=callback, finished_callback=ended.set
    )
    with stream:
        assert ended.wait(20)
        assert not stream.active
        assert not stream.stopped
    assert stream.stopped
    assert stream.closed
    heard = free_device.heard()
    heard = heard[np.flatnonzero(heard.any(axis=1))[0] :]
    assert_coded(heard[:640])
    assert not heard[640:].any()
    assert not any(callback.flags)


def test_low_is_the_io_thread_and_other_latencies_are_ahead(free_device: VirtualDevice) -> None:
    leads = {}
    for latency in ("low", "high", 0.1, ("low", "high"), ("low", "low")):
        kind = sd.Stream if isinstance(latency, tuple) else sd.OutputStream
        with kind(latency=latency, callback=lambda *arguments: None) as stream:
            leads[latency] = stream._engine.lead_s
    assert leads["low"] == leads[("low", "low")] == 0
    assert leads["high"] == pytest.approx(0.06, abs=0.002)
    assert leads[0.1] == pytest.approx(0.1, abs=0.002)
    assert leads[("low", "high")] == pytest.approx(0.06, abs=0.002)


def test_a_lost_frame_sets_the_flags_of_the_next_block(stepped_device: VirtualDevice) -> None:
    callback = Coder()
    with sd.OutputStream(channels=2, latency="low", callback=callback):
        stepped_device.step(2)
        stepped_device.inject("xrun", 64)
        stepped_device.step(2)
    assert [str(flags) for flags in callback.flags] == ["", "", "output underflow", ""]
    seen = []
    with sd.InputStream(latency="low", callback=lambda i, f, t, status: seen.append(str(status))):
        stepped_device.step()
        stepped_device.inject("xrun", 64)
        stepped_device.step()
    assert seen == ["", "input overflow"]


def test_input_may_be_changed_in_place(stepped_device: VirtualDevice) -> None:
    changed = []

    def callback(indata: Any, frames: int, time: Any, status: Any) -> None:
        indata += 1
        changed.append(indata.copy())

    with sd.InputStream(latency="low", callback=callback):
        stepped_device.step()
    assert (changed[0] == 1).all()


@pytest.mark.parametrize("dtype", ["int8", "int16", "int24", "int32", "uint8", "float32"])
def test_bytes_of_raw_streams_come_back_unchanged(free_device: VirtualDevice, dtype: str) -> None:
    size = {"int8": 1, "uint8": 1, "int16": 2, "int24": 3}.get(dtype, 4)
    values = np.arange(64 * 2 * size, dtype=np.uint8).tobytes()
    if dtype in ("float32", "int32"):  # the device has float32, which keeps 24 bits
        numbers = (np.arange(128) - 64) * 2.0**-7
        scale = 1 if dtype == "float32" else 2**31
        values = (numbers * scale).astype(dtype).tobytes()
    taken = []

    def callback(indata: Any, outdata: Any, frames: int, time: Any, status: Any) -> None:
        assert len(indata) == len(outdata) == frames * 2 * size
        taken.append(indata[:])
        outdata[:] = values
        if len(taken) == 60:
            raise sd.CallbackStop

    ended = threading.Event()
    with sd.RawStream(
        channels=2, blocksize=64, dtype=dtype, callback=callback, finished_callback=ended.set
    ):
        assert ended.wait(20)
    assert all(isinstance(one, bytes) for one in taken)
    assert values in b"".join(taken)


def test_each_direction_may_have_its_own_format(free_device: VirtualDevice) -> None:
    taken = []

    def callback(indata: Any, outdata: Any, frames: int, time: Any, status: Any) -> None:
        assert indata.dtype == np.int16
        assert outdata.dtype == np.float32
        outdata[:] = 0.25
        taken.append(indata.copy())
        if len(taken) == 60:
            raise sd.CallbackStop

    ended = threading.Event()
    with sd.Stream(
        dtype=("int16", "float32"), callback=callback, finished_callback=ended.set, latency="low"
    ):
        assert ended.wait(20)
    assert (taken[-1] == 8192).all()


def test_an_exception_is_printed_and_raised_once(
    free_device: VirtualDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    def callback(*arguments: Any) -> None:
        raise ZeroDivisionError("meant")

    for raises in (True, False):
        sd.options.raise_callback_errors = raises
        ended = threading.Event()
        stream = sd.OutputStream(callback=callback, finished_callback=ended.set)
        stream.start()
        assert ended.wait(20)
        if raises:
            with pytest.raises(ZeroDivisionError, match="meant"):
                stream.stop()
        stream.stop()
        stream.close()
        printed = capsys.readouterr().err
        assert printed.startswith("Exception ignored from cffi callback <function ")
        assert printed.count("ZeroDivisionError: meant") == 1
    with pytest.raises(ValueError, match="first"), sd.OutputStream(callback=callback) as stream:
        until(lambda: not stream.active)
        raise ValueError("first")
    assert stream.closed


def test_callback_abort_drops_what_was_not_played(stepped_device: VirtualDevice) -> None:
    callback = Coder(end_at=128, raises=sd.CallbackAbort)
    with sd.OutputStream(channels=2, latency="low", callback=callback) as stream:
        stepped_device.step(4)
        assert not stream.active
    assert callback.made == 128


def test_blocking_streams_exchange_all_frames(free_device: VirtualDevice) -> None:
    frames = 6000
    with sd.OutputStream(channels=2, blocksize=64) as stream:
        for first in range(0, frames, 500):
            assert stream.write(coded(first, 500, 2)) in (True, False)
        assert stream.write_available <= frames
    heard = free_device.heard()
    assert_coded(heard[heard.any(axis=1)])
    assert len(heard[heard.any(axis=1)]) == frames


def test_write_and_read_refuse_what_they_cannot_do(free_device: VirtualDevice) -> None:
    with sd.OutputStream(channels=2) as stream:
        for data, error in (
            (np.zeros((4, 2)), TypeError),
            (np.zeros((4, 3), np.float32), ValueError),
            (np.zeros((2, 4), np.float32).T, TypeError),
        ):
            with pytest.raises(error):
                stream.write(data)
    with pytest.raises(sd.PortAudioError) as caught:
        stream.write(np.zeros((4, 2), np.float32))
    assert caught.value.args[1] == -9988
    with sd.RawOutputStream(dtype="int24") as raw, pytest.raises(ValueError, match="divisible"):
        raw.write(bytes(7))
    with sd.InputStream(callback=lambda *a: None) as recording:
        with pytest.raises(sd.PortAudioError) as caught:
            recording.read(1)
        assert caught.value.args[1] == -9977


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32", "int8", "uint8"])
def test_playrec_records_what_it_plays(free_device: VirtualDevice, dtype: str) -> None:
    ramp = (np.arange(400) % 100)[:, None].repeat(2, axis=1)
    data = (ramp / 128 if dtype.startswith("float") else ramp).astype(dtype)
    if dtype == "int32":
        data <<= 24
    sound = np.concatenate([data, np.full((6000, 2), 128 if dtype == "uint8" else 0, dtype)])
    recorded = sd.playrec(sound, channels=2, blocking=True)
    assert recorded.dtype == dtype
    assert recorded.shape == sound.shape
    first = np.flatnonzero((recorded != sound[-1]).any(axis=1))[0]
    skipped = 0 if dtype == "uint8" else 1  # the ramp begins with silence
    assert np.array_equal(recorded[first : first + 399], data[skipped : skipped + 399])


def test_mappings_count_from_one(free_device: VirtualDevice) -> None:
    left = coded(0, 256, 2)[:, :1]
    sd.play(left, mapping=[2], blocking=True)
    heard = free_device.heard()
    assert not heard[:, 0].any()
    assert np.array_equal(heard[heard.any(axis=1), 1], left[:, 0])
    assert sd.rec(100, mapping=[2, 1], blocking=True).shape == (100, 2)
    with pytest.raises(ValueError, match="< 1"):
        sd.play(left, mapping=[0])
    with pytest.raises(sd.PortAudioError) as caught:
        sd.rec(100, mapping=[3])
    assert caught.value.args[1] == -9998


def test_wait_status_and_stream_of_sounds(free_device: VirtualDevice) -> None:
    with pytest.raises(RuntimeError):
        sd.get_stream()
    assert sd.wait() is None
    buffer = sd.rec(4000, channels=1)
    assert buffer.shape == (4000, 1)
    assert isinstance(sd.get_stream(), sd.InputStream)
    assert sd.wait() is None
    assert sd.get_stream().closed
    assert not sd.get_status()
    sd.play(np.zeros(100), loop=True)
    assert sd.get_stream().active
    sd.stop()
    assert sd.get_stream().closed


def test_overlapping_play_is_an_option(free_device: VirtualDevice) -> None:
    sd.options.overlapping_play = True
    sd.play(np.full(64, 0.25, np.float32), loop=True)
    first = sd.get_stream()
    sd.play(np.full(64, 0.25, np.float32), loop=True)
    assert first.active
    sd.stop()
    assert first.closed


def test_a_priming_block_is_made_first_and_heard_first(free_device: VirtualDevice) -> None:
    calls = []

    def callback(indata: Any, outdata: Any, frames: int, time: Any, status: Any) -> None:
        calls.append(status.priming_output)
        if status.priming_output:
            assert status.input_underflow
            assert not indata.any()
        outdata[:] = len(calls) / 8
        if len(calls) == 3:
            raise sd.CallbackStop

    with sd.Stream(
        channels=2,
        blocksize=64,
        callback=callback,
        prime_output_buffers_using_stream_callback=True,
    ) as stream:
        until(lambda: not stream.active)
    assert calls == [True, False, False]
    heard = free_device.heard()
    heard = heard[heard.any(axis=1), 0]
    assert np.array_equal(heard, np.repeat([1 / 8, 2 / 8, 3 / 8], 64))


def test_a_lost_device_ends_streams_and_sounds_with_an_error(free_device: VirtualDevice) -> None:
    recording = sd.InputStream(callback=lambda *a: None)
    blocking = sd.InputStream()
    recording.start()
    blocking.start()
    buffer = sd.rec(100_000_000, channels=1, dtype="int8")
    free_device.inject("unplug")
    with pytest.raises(sd.PortAudioError) as caught:
        sd.wait()
    assert caught.value.args[1] == -9985
    with pytest.raises(sd.PortAudioError) as caught:
        while True:
            blocking.read(1000)
    assert caught.value.args[1] == -9985
    until(lambda: not recording.active)
    recording.close()
    blocking.close()
    assert sd.get_stream().closed
    assert buffer.shape == (100_000_000, 1)


def test_stop_in_another_thread_ends_wait_without_an_error(free_device: VirtualDevice) -> None:
    for _ in range(10):
        sd.play(np.full(64, 0.25, np.float32), loop=True)
        stopper = threading.Thread(target=sd.stop)
        stopper.start()
        assert sd.wait() is None
        stopper.join(20)


def test_a_running_stream_that_is_dropped_runs_on_until_its_end(
    stepped_device: VirtualDevice,
) -> None:
    callback = Coder(end_at=256)
    stream = sd.OutputStream(channels=2, latency="low", callback=callback)
    stream.start()
    dropped = weakref.ref(stream)
    del stream
    gc.collect()
    stepped_device.step(4)
    assert callback.made == 256
    stepped_device.step(8)  # plays the last frames

    def is_freed() -> bool:
        gc.collect()
        return dropped() is None

    until(is_freed)
    assert not state.running


def test_devices_keep_their_indices(free_device: VirtualDevice) -> None:
    driver: Any = sd.options.driver
    other = VirtualDevice("Other", input_channels=0)
    driver.virtual_devices.insert(0, other)
    first = sd.query_devices()
    assert [one["name"] for one in first] == ["Other", "Free"]
    third = VirtualDevice("Third one", output_channels=0)
    driver.virtual_devices[:] = [third, free_device]
    assert [one["name"] for one in sd.query_devices()] == ["Other", "Free", "Third one"]
    assert sd.query_devices("third virt", "input")["index"] == 2
    assert sd.query_devices({"index": 1})["name"] == "Free"
    with pytest.raises(ValueError, match="Multiple"):
        sd.query_devices("e")
    with pytest.raises(ValueError, match="No output device"):
        sd.query_devices("third", "output")
    sd._terminate()
    sd._initialize()
    assert [one["name"] for one in sd.query_devices()] == ["Third one", "Free"]
    table = str(sd.query_devices())
    assert table.splitlines()[0] == "> 0 Third one, virtual (2 in, 0 out)"
    assert table.splitlines()[1] == "< 1 Free, virtual (2 in, 2 out)"


LAST = """
import voicecoil.sounddevice as sd

class Player:
    def __init__(self):
        self.stream = sd.OutputStream()
        self.stream.start()

    def __del__(self):
        self.stream.stop()
        self.stream.close()

player = Player()
player.itself = player  # found by the last garbage collection, when nothing can be imported
"""


def test_a_stream_may_be_stopped_while_the_interpreter_ends() -> None:
    done = subprocess.run([sys.executable, "-c", LAST], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_errors_are_also_those_of_voicecoil() -> None:
    assert issubclass(sd.PortAudioError, vc.VoicecoilError)
    assert issubclass(sd.CallbackStop, vc.Stop)
    error = sd.PortAudioError("text", -9999, (0, 5, "said"))
    assert str(error) == "text [PaErrorCode -9999]: 'said' [error 5 of host API 0]"
    for name in ("_lib", "_ffi"):
        with pytest.raises(AttributeError, match="no PortAudio"):
            getattr(sd, name)
    with pytest.raises(NotImplementedError, match="PortAudio"):
        sd._StreamBase("output", callback=lambda *a: None)
