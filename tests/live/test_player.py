"""`Player`, frame by frame: chunks, clears, marks, pauses, underruns, levels and refusals."""

from __future__ import annotations

import array
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import assert_coded, coded
from rig import Rig, until
from voicecoil.testing import VirtualDevice, VirtualDriver

RATE = 48_000
FRAMES = 64  # of a cycle


class Playing:
    """A player on a stepped device, with what was heard since it was opened."""

    def __init__(self, rig: Rig, **options: Any) -> None:
        self.rig = rig
        self.before = len(rig.heard)
        self.player = vc.Player(driver=rig.driver, **options)
        self.player.start()

    @property
    def heard(self) -> NDArray[np.float32]:
        return self.rig.heard[self.before :]

    def times(self) -> dict[Any, float]:
        """The frame of the capture at which each mark was heard, from the first mark on."""
        marks = self.player.marks_heard
        first = marks[0].host_ns
        assert first is not None
        return {mark.name: ((mark.host_ns or 0) - first) * RATE / 1e9 for mark in marks}


@pytest.fixture
def playing(rig: Rig) -> Iterator[Any]:
    with ExitStack() as closing:

        def make(**options: Any) -> Playing:
            made = Playing(rig, **{"channels": 2, **options})
            closing.callback(made.player.close)
            return made

        yield make


def test_chunks_are_heard_once_and_in_order_and_marks_at_their_frames(playing: Any) -> None:
    it = playing()
    player = it.player
    for number, (begin, frames) in enumerate([(0, 100), (100, 1), (101, 299), (400, 64)]):
        player.mark(number)
        assert player.write(coded(begin, frames, 2)) == frames
    player.mark("end")
    player.finish()
    assert player.queued_s == 464 / RATE
    it.rig.step(20)
    assert_coded(it.heard[:464])
    assert not it.heard[464:].any()
    assert player.heard_frames == player.written_frames == 464
    assert player.drain(0)
    assert (player.cleared_frames, player.underruns, player.queued_s) == (0, 0, 0)
    assert [mark.frame for mark in player.marks_heard] == [0, 100, 101, 400, 464]
    times = it.times()
    assert times == pytest.approx({0: 0, 1: 100, 2: 101, 3: 400, "end": 464}, abs=0.01)


def test_heard_frames_are_those_that_left_the_connector() -> None:
    rig = Rig(latency_frames=(0, 100))
    it = Playing(rig, channels=2)
    it.player.write(coded(0, 500, 2), more=False)
    for cycle in range(1, 14):
        rig.step()
        # A cycle's frames are at the connector one cycle and the latency later.
        assert it.player.heard_frames == min(500, max(0, (cycle - 1) * FRAMES - 100)), cycle
    it.player.close()


@pytest.mark.parametrize("fade", [0, 48, 1000, 5000])
def test_a_clear_discards_all_but_the_fade(playing: Any, fade: int) -> None:
    it = playing()
    player = it.player
    player.write(np.ones((2000, 2), np.float32))
    player.mark("cut")
    it.rig.step(2)
    player.clear(fade / RATE)
    assert player.queued_s == 0
    player.mark("next")
    player.write(coded(0, 100, 2), more=False)
    it.rig.step(50)
    left = min(fade, 2000 - 2 * FRAMES)
    assert (it.heard[: 2 * FRAMES] == 1).all()
    faded = it.heard[2 * FRAMES : 2 * FRAMES + left, 0]
    np.testing.assert_allclose(faded, 1 - np.arange(left) / max(left, 1), atol=1e-6)
    assert_coded(it.heard[2 * FRAMES + left :][:100])  # the next utterance follows at once
    assert player.heard_frames == 2 * FRAMES + left + 100
    assert player.cleared_frames == 2100 - player.heard_frames
    all_heard = left == 2000 - 2 * FRAMES
    assert [mark.name for mark in player.marks_cleared] == ["cut"] * (not all_heard)
    assert [mark.name for mark in player.marks_heard] == ["cut"] * all_heard + ["next"]
    assert player.underruns == 0


def test_a_second_clear_shortens_the_fade_of_the_first(playing: Any) -> None:
    it = playing()
    it.player.write(np.ones((4000, 2), np.float32))
    it.rig.step()
    it.player.clear(0.05)
    it.rig.step()
    it.player.clear(0)
    it.rig.step(2)
    assert it.player.heard_frames == 2 * FRAMES
    assert not it.heard[2 * FRAMES :].any()


def test_an_underrun_is_faded_and_counts_once_when_the_utterance_goes_on(playing: Any) -> None:
    it = playing()
    player, ones = it.player, np.ones((100, 2), np.float32)
    player.write(ones)
    it.rig.step(6)
    assert player.underruns == 0  # it may be the end of the utterance
    player.write(ones)
    it.rig.step(6)
    assert player.underruns == 1
    assert player.underrun_s == (6 * FRAMES - 100) / RATE
    tail = it.heard[100 : 100 + 144, 0]
    assert (np.diff(tail) < 0).all()
    assert tail[0] > 0.99
    assert not it.heard[244 : 6 * FRAMES].any()
    rise = it.heard[6 * FRAMES : 6 * FRAMES + 100, 0]
    assert (np.diff(rise) > 0).all()
    assert rise[0] == 0
    player.finish()  # late, but it is the end: the second outage was none
    it.rig.step(3)
    player.write(ones, more=False)
    it.rig.step(9)
    assert player.underruns == 1
    assert player.heard_frames == 300


def test_an_utterance_waits_for_the_prebuffer_or_its_end(playing: Any) -> None:
    it = playing(prebuffer_s=0.01)
    player = it.player
    player.write(coded(0, 479, 2))
    it.rig.step(3)
    assert not it.heard.any()
    player.write(coded(479, 1, 2))
    it.rig.step(8)
    sound = it.heard[it.heard.any(axis=1)]
    assert_coded(sound[:480])
    player.finish()
    it.rig.step(1)
    player.write(coded(0, 10, 2), more=False)
    it.rig.step(1)
    assert_coded(it.heard[it.heard.any(axis=1)][-10:])


def test_a_pause_loses_and_repeats_no_frame(playing: Any) -> None:
    it = playing()
    player = it.player
    player.write(coded(0, 1000, 2), more=False)
    it.rig.step(2)
    player.pause(0)
    assert player.paused
    it.rig.step(4)
    assert player.heard_frames == 2 * FRAMES
    player.resume(0)
    it.rig.step(20)
    assert_coded(it.heard[: 2 * FRAMES])
    assert not it.heard[2 * FRAMES : 6 * FRAMES].any()
    assert_coded(it.heard[6 * FRAMES :][: 1000 - 2 * FRAMES], 2 * FRAMES)
    assert (player.underruns, player.heard_frames) == (0, 1000)


def test_gain_and_pan_move_along_lines(playing: Any) -> None:
    it = playing(channels=1, gain=0.5)
    player = it.player
    player.write(np.ones(2000, np.float32))
    it.rig.step(1)
    player.set_gain(1.0, 64 / RATE)
    player.set_pan(-1.0, 64 / RATE)
    assert (player.gain, player.pan) == (1.0, -1.0)
    it.rig.step(2)
    assert (it.heard[:64] == 0.5).all()
    line = np.arange(64) / 64
    np.testing.assert_allclose(it.heard[64:128, 0], 0.5 + 0.5 * line, atol=1e-6)
    np.testing.assert_allclose(it.heard[64:128, 1], (0.5 + 0.5 * line) * (1 - line), atol=1e-6)
    assert it.heard[128:, 0].tolist() == [1] * 64
    assert not it.heard[128:, 1].any()


@pytest.mark.parametrize("dtype", ["float32", "int16", "int32", "uint8"])
def test_chunks_of_each_type(playing: Any, dtype: str) -> None:
    it = playing(dtype=dtype)
    samples = (np.arange(400).reshape(200, 2) % 200).astype(dtype)
    if dtype == "float32":
        samples /= 256
    chunks = [
        samples[:50],
        samples[50:80].tobytes(),
        bytearray(samples[80:100].tobytes()),
        memoryview(samples[100:120]),
        memoryview(b"x" + samples[120:140].tobytes())[1:],  # not aligned
        np.asfortranarray(samples[140:]),
    ]
    for chunk in chunks:
        it.player.write(chunk)
    it.player.finish()
    it.rig.step(4)
    scale = {"float32": 1, "int16": 2.0**-15, "int32": 2.0**-31, "uint8": 2.0**-7}[dtype]
    wanted = (samples.astype(np.float64) - 128 * (dtype == "uint8")) * scale
    assert np.array_equal(it.heard[:200], wanted.astype(np.float32))


def test_an_array_of_the_standard_library_is_a_chunk(playing: Any) -> None:
    it = playing(dtype="int16", channels=1)
    it.player.write(array.array("h", range(64)), more=False)
    it.rig.step()
    assert np.array_equal(it.heard[:64, 0], np.arange(64, dtype=np.float32) / 2**15)


def test_wrong_chunks_are_refused_at_once_and_disturb_nothing(playing: Any) -> None:
    it = playing()
    player = it.player
    player.write(coded(0, 100, 2))
    for wrong, error, words in [
        ("text", vc.ArgumentTypeError, "a str"),
        (None, vc.ArgumentTypeError, "NoneType"),
        (np.zeros((5, 2)), vc.ArgumentTypeError, "float64"),
        (np.zeros((5, 2), np.uint8), vc.ArgumentTypeError, "uint8"),
        (np.zeros((5, 2), ">f4"), vc.ArgumentTypeError, ">f4"),
        (np.zeros((5, 3), np.float32), vc.ArgumentError, r"\(5, 3\)"),
        (np.zeros(5, np.float32), vc.ArgumentError, r"\(5,\)"),
        (b"12345", vc.ArgumentError, "5 bytes"),
        (np.full((5, 2), np.nan, np.float32), vc.ArgumentError, "NaN"),
        (np.full((5, 2), np.inf, np.float32), vc.ArgumentError, "NaN"),
    ]:
        for write in (player.write, player.write_nowait):
            with pytest.raises(error, match=words):
                write(wrong)
    assert player.write(np.zeros((0, 2), np.float32)) == 0
    player.write(coded(100, 100, 2), more=False)
    it.rig.step(5)
    assert_coded(it.heard[:200])
    assert player.underruns == 0
    player.close()
    player.close()
    for call in (player.write, player.write_nowait):
        with pytest.raises(vc.StreamClosedError):
            call(coded(0, 1, 2))
    for name, value in (("gain", 0.5), ("pan", -1), ("prebuffer_s", 0.01)):
        kept = getattr(player, name)
        with pytest.raises(vc.StreamClosedError):
            setattr(player, name, value)
        assert getattr(player, name) == kept
    for call in (player.pause, player.resume):
        with pytest.raises(vc.StreamClosedError):
            call()
    assert not player.paused
    with pytest.raises(vc.StreamClosedError):
        player.drain()
    with pytest.raises(vc.StreamClosedError):
        player.mark("late")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samplerate": -1}, "samplerate"),
        ({"dtype": "float64"}, "float64"),
        ({"buffer_s": 0}, "buffer_s"),
        ({"prebuffer_s": 3}, "prebuffer_s"),
        ({"pan": 2}, "pan"),
        ({"gain": float("nan")}, "gain"),
        ({"on_mark": 3}, "on_mark"),
        ({"conversion_quality": "best"}, "conversion_quality"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises((vc.ArgumentError, vc.ArgumentTypeError), match=words):
        vc.Player(driver=Rig().driver, **options)


def test_a_full_queue_takes_what_fits_and_a_write_waits_for_the_rest(playing: Any) -> None:
    it = playing(buffer_s=0.01)
    player = it.player
    assert player.write_nowait(coded(0, 500, 2)) == 480
    assert player.write_nowait(coded(480, 1, 2)) == 0
    with pytest.raises(vc.StreamTimeoutError, match="0 of 20 frames"):
        player.write(coded(480, 20, 2), timeout=0.01)
    done = threading.Event()

    def write() -> None:
        player.write(coded(480, 1000, 2), more=False)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        before = player._code.written
        it.rig.step()
        until(lambda: done.is_set() or player._code.written > before)  # noqa: B023
    thread.join()
    it.rig.step(10)
    assert_coded(it.heard[:1480])
    assert player.heard_frames == 1480


def test_a_clear_also_discards_the_rest_of_a_chunk_that_is_being_written(playing: Any) -> None:
    it = playing(buffer_s=0.01)
    player = it.player
    thread = threading.Thread(target=player.write, args=(coded(0, 2000, 2),))
    thread.start()
    until(lambda: player.written_frames == 480)
    it.rig.step(1)
    player.clear(0)
    thread.join(10)
    assert not thread.is_alive()
    it.rig.step(1)  # the thread may have filled the queue again before the clear
    player.write(coded(5000, 10, 2), more=False)
    it.rig.step(5)
    sound = it.heard[it.heard.any(axis=1)]
    assert_coded(sound[-10:], 5000)
    assert player.heard_frames == len(sound)
    assert player.heard_frames + player.cleared_frames == player.written_frames == 2010


def test_chunks_of_another_rate_are_converted_as_one_sound(playing: Any) -> None:
    it = playing(samplerate=24_000, channels=1)
    player = it.player
    sound = np.sin(np.arange(2400) * 0.05).astype(np.float32)
    for begin in range(0, 2400, 100):
        player.write(sound[begin : begin + 100])
        if begin == 1100:
            player.mark("half")
    player.mark("end")
    player.finish()
    it.rig.step(80)
    heard = it.heard[:4800, 0]
    assert np.abs(heard - np.sin(np.arange(4800) * 0.025))[200:-200].max() < 1e-3
    assert not it.heard[4800:].any()
    assert (player.heard_frames, player.written_frames, player.underruns) == (2400, 2400, 0)
    half, end = player.marks_heard
    assert (half.frame, end.frame) == (1200, 2400)
    assert (end.host_ns or 0) - (half.host_ns or 0) == pytest.approx(0.05e9, abs=30_000)


def test_marks_are_called_back_and_iterated_and_the_rest_is_cleared_by_close(playing: Any) -> None:
    called: list[vc.Mark] = []
    it = playing(on_mark=called.append)
    player = it.player
    player.mark("a")
    player.write(coded(0, 100, 2))
    player.mark("b")
    player.mark("c")
    player.write(coded(100, 1000, 2))
    player.mark("d")
    it.rig.step(5)
    marks = iter(player.marks())
    assert [next(marks).name for _ in range(3)] == ["a", "b", "c"]
    until(lambda: len(called) == 3)
    player.close()
    assert [(mark.name, mark.heard) for mark in marks] == [("d", False)]
    until(lambda: len(called) == 4)
    assert [mark.name for mark in called] == ["a", "b", "c", "d"]
    assert player.heard_frames + player.cleared_frames == player.written_frames == 1100


def test_a_lost_device_is_told_once() -> None:
    """Before the fix, the end of `with` raised an error that the program had handled."""
    rig = Rig()
    with vc.Player(driver=rig.driver, channels=2) as player:
        player.write(coded(0, 1000, 2))
        rig.step()
        rig.device.inject("unplug")
        rig.step()
        with pytest.raises(vc.DeviceLostError):
            player.drain()


def test_a_chunk_for_a_lost_device_is_refused() -> None:
    """Chunks were taken until the queue was full, although nobody would ever hear them."""
    rig = Rig()
    with vc.Player(driver=rig.driver, channels=2) as player:
        rig.device.inject("unplug")
        rig.step()
        for write in (player.write, player.write_nowait):
            with pytest.raises(vc.DeviceLostError):
                write(coded(0, 100, 2))
        assert player.written_frames == 0


def test_a_chunk_can_be_changed_after_a_part_of_it_was_taken(playing: Any) -> None:
    """Before the fix, the converted samples of the first call were written again."""
    it = playing(samplerate=24_000, channels=1, buffer_s=0.01)
    chunk = np.full(10_000, 0.25, np.float32)
    assert 0 < it.player.write_nowait(chunk) < 10_000
    it.player.clear(0)
    it.rig.step()  # the queue has room again
    chunk[:] = -0.25
    assert 0 < it.player.write_nowait(chunk) < 10_000
    it.rig.step(4)
    assert it.heard.min() < -0.2
    assert it.heard.max() < 0.2


def test_a_free_clock_does_not_wait_for_an_utterance_that_was_cleared_or_closed() -> None:
    device = VirtualDevice("Free", clock="free", frames=FRAMES)
    player = vc.Player(driver=VirtualDriver([device]), channels=2)
    player.write(coded(0, 100, 2))
    until(lambda: player.queued_s == 0)
    player.clear()
    since = player.now_ns()
    until(lambda: player.now_ns() > since + 1e9)  # 750 cycles; each waited for 4 s
    player.write(coded(0, 100, 2))
    until(lambda: player.queued_s == 0)
    player.close(0.1)  # raised StreamTimeoutError, because the fade takes 75 cycles
    assert player.heard_frames + player.cleared_frames == 200
