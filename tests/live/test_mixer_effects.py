"""Effects of a mixer's groups that run in Python, frame by frame, ahead of the device."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voicecoil as vc
from coded import coded
from rig import Rig
from voicecoil.live.mixer_effect import PythonEffect
from voicecoil.native import ctypes_type

RATE = 48_000
FRAMES = 64  # of a cycle
LEAD = 4 * FRAMES


@pytest.fixture
def mixing(rig: Rig) -> Iterator[Any]:
    with ExitStack() as closing:

        def make(latency: Any = LEAD / RATE, **options: Any) -> vc.Mixer:
            mixer = vc.Mixer(driver=rig.driver, latency=latency, **options)
            closing.callback(mixer.close)
            return mixer

        yield make


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    errors: list[BaseException] = []
    monkeypatch.setattr("sys.unraisablehook", lambda one: errors.append(one.exc_value))
    return errors


def expected(frames: int, sounds: list[tuple[int, NDArray[np.float32]]]) -> NDArray[np.float32]:
    out = np.zeros((frames, 2), np.float32)
    for at, samples in sounds:
        end = min(at + len(samples), frames)
        out[at:end] += samples[: max(0, end - at)]
    return out


class Board:
    """Turns the sign, and is called as a pedalboard is. One with a latency returns fewer frames at
    first.
    """

    def __init__(self, latency_frames: int = 0) -> None:
        self.latency_frames = latency_frames
        self.held = np.zeros((0, 2), np.float32)
        self.rates: set[float] = set()

    def process(
        self, audio: NDArray[np.float32], samplerate: float, reset: bool = True
    ) -> NDArray[np.float32]:
        assert not reset
        self.rates.add(samplerate)
        joined = np.concatenate([self.held, -audio])
        ready = max(0, len(joined) - self.latency_frames)
        self.held = joined[ready:]
        audio[:ready] = joined[:ready]
        return audio[:ready]


def test_effects_get_the_sum_of_their_group_and_what_they_make_is_heard(
    rig: Rig, mixing: Any
) -> None:
    mixer = mixing()
    given: list[NDArray[np.float32]] = []

    def in_place(audio: NDArray[np.float32]) -> None:
        assert (audio.shape, audio.dtype) == ((FRAMES, 2), np.float32)
        given.append(audio.copy())
        audio *= -2

    board = Board()
    effects = [in_place, lambda audio: 3 * audio, board, lambda audio: audio[:, ::-1]]
    groups = [mixer.group(0.5, effect=effect) for effect in effects]
    native = ctypes_type()(lambda *arguments: 0)  # silence
    groups.append(mixer.group(effect=native))
    assert groups[2].effect is board
    data = coded(0, 100, 2)
    sound = vc.Sound(data, RATE)
    for number, group in enumerate(groups):
        group.play(sound, at_frame=200 + 200 * number)
        group.play(sound, at_frame=230 + 200 * number)
    last = mixer.play(sound, at_frame=1300)
    rig.step(30)
    sums = expected(130, [(0, data), (30, data)])
    factors = [-1, 1.5, -0.5]
    wanted = [(200 + 200 * n, np.float32(f) * sums) for n, f in enumerate(factors)]
    wanted += [(800, np.float32(0.5) * sums[:, ::-1]), (1300, data)]
    assert mixer.stream.lead_frames == LEAD
    heard = rig.heard  # from the first frame that was mixed
    assert len(heard) == 30 * FRAMES - LEAD
    np.testing.assert_array_equal(heard, expected(len(heard), wanted))
    np.testing.assert_array_equal(np.concatenate(given)[200:330], sums)
    assert len(given) == 30
    assert board.rates == {RATE}
    assert [group.error() for group in groups] == [None] * 5
    assert last.started_frame == 1300


def test_times_are_exact_and_the_lead_is_part_of_the_latency(rig: Rig, mixing: Any) -> None:
    low, mixer = mixing("low"), mixing()
    low_latency = low.latency.frames
    assert mixer.latency.frames == low_latency + LEAD
    assert mixer.latency.lead_frames == LEAD
    low.close()
    mixer.group(effect=lambda audio: None)
    mixer.start()
    rig.step(2)
    now_ns, frame = mixer.now_ns(), mixer.frame
    sound = vc.Sound(coded(0, 50, 2), RATE)
    with pytest.raises(vc.TimePassedError, match="at the earliest") as caught:
        mixer.play(sound, at_ns=now_ns + round(1e9 * (LEAD - FRAMES) / RATE))
    assert 0 < caught.value.late_s <= (low_latency + 2 * FRAMES) / RATE
    with pytest.raises(vc.TimePassedError, match=f"the next frame is {frame}"):
        mixer.play(sound, at_frame=frame - 1)
    first = mixer.play(sound)
    at_ns = now_ns + 20_000_000
    second = mixer.play(sound, at_ns=at_ns)
    rig.step(30)
    assert first.started_frame == frame
    assert second.started_ns == pytest.approx(at_ns, abs=0.5e9 / RATE + 1)
    assert first.started_ns is not None
    assert second.started_ns is not None
    assert second.started_frame is not None
    apart = (second.started_ns - first.started_ns) * RATE / 1e9
    assert second.started_frame - frame == round(apart)
    starts = np.flatnonzero((rig.heard[:, 1] != 0) & (np.roll(rig.heard[:, 1], 1) == 0))
    assert starts.tolist() == [frame, second.started_frame]
    assert mixer.wait(20)


def test_after_an_exception_the_group_is_heard_without_its_effect(
    rig: Rig, mixing: Any, unseen: list[BaseException]
) -> None:
    mixer = mixing()
    calls = 0

    def fails(audio: NDArray[np.float32]) -> None:
        nonlocal calls
        calls += 1
        audio *= -1
        if calls == 3:
            raise LookupError("third")

    def twice(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([audio, audio])

    def late(audio: NDArray[np.float32]) -> int:
        return 3

    groups = [mixer.group(effect=effect) for effect in (fails, twice, late)]
    data = coded(0, 6 * FRAMES, 2)
    groups[0].play(data)
    rig.step(12)
    data[: 2 * FRAMES] *= -1
    np.testing.assert_array_equal(rig.heard[: len(data)], data)
    assert calls == 3
    errors = [group.error() for group in groups]
    assert [type(error) for error in errors] == [
        LookupError,
        vc.CallbackResultError,
        vc.CallbackResultError,
    ]
    assert "an array of the shape (128, 2); return an array of the shape (64, 2)" in str(errors[1])
    assert "returned an int" in str(errors[2])
    assert {id(error) for error in unseen} == {id(error) for error in errors}
    assert mixer.state == "running"


def test_an_effect_may_use_the_mixer_and_nothing_stays_behind(rig: Rig, mixing: Any) -> None:
    class Answer:
        def __init__(self, mixer: vc.Mixer) -> None:
            self.mixer = mixer
            self.calls = 0

        def __call__(self, audio: NDArray[np.float32]) -> None:
            self.calls += 1
            if self.calls == 3:
                self.mixer.play(np.ones(10, np.float32))

    mixer = vc.Mixer(driver=rig.driver, latency=LEAD / RATE)
    answer = Answer(mixer)
    gone = weakref.ref(answer)
    group = mixer.group(effect=answer)
    mixer.start()
    rig.step(10)
    begin = 3 * FRAMES
    assert np.flatnonzero(rig.heard[:, 0]).tolist() == list(range(begin, begin + 10))
    mixer.close()
    del mixer, answer, group
    gc.collect()
    assert gone() is None


def test_long_blocks_come_in_parts_of_the_same_size() -> None:
    rig = Rig(frames=1026)
    sizes: list[int] = []
    with vc.Mixer(driver=rig.driver, latency=1026 / RATE) as mixer:
        group = mixer.group(effect=lambda audio: sizes.append(len(audio)))
        data = coded(0, 2000, 2)
        group.play(data)
        rig.step(5)
        mixer.stream.abort()
    assert sizes == [342] * 15
    np.testing.assert_array_equal(rig.heard[:2000], data)
    rig.close()


def test_a_board_with_a_latency_delays_its_group(rig: Rig, mixing: Any) -> None:
    mixer = mixing()
    group = mixer.group(effect=Board(latency_frames=150))
    data = coded(0, 300, 2)
    group.play(data)
    rig.step(15)
    np.testing.assert_array_equal(rig.heard[:150], 0)
    np.testing.assert_array_equal(rig.heard[150:450], -data)
    assert group.error() is None


def test_a_block_in_which_a_board_cannot_find_the_channels_is_an_error(
    unseen: list[BaseException],
) -> None:
    effect = PythonEffect(Board(), 2, RATE)
    assert effect.run(3) == 0
    assert effect.run(2) < 0
    assert "give the mixer a larger blocksize" in str(effect.error)
    assert unseen == [effect.error]


async def a_coroutine(audio: Any) -> None: ...


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (3, "effect is an int; give a native function, a callable"),
        (Board, r"is the class Board; give an object of it: Board\(\)"),
        (a_coroutine, "an async function"),
    ],
)
def test_what_cannot_be_an_effect_is_refused(mixing: Any, effect: Any, message: str) -> None:
    with pytest.raises(vc.ArgumentTypeError, match=message):
        mixing().group(effect=effect)


def test_a_mixer_on_the_io_thread_says_how_to_use_python(mixing: Any) -> None:
    for effect in (Board(), print):
        with pytest.raises(vc.ArgumentTypeError, match="make the mixer with latency='safe'"):
            mixing("low").group(effect=effect)
    with pytest.raises(vc.ArgumentError, match="latency='fast'"):
        mixing("fast")
    mixing("safe").group(effect=print)


def test_a_pedalboard_makes_the_same_frames_as_without_a_mixer(rig: Rig, mixing: Any) -> None:
    pedalboard = pytest.importorskip("pedalboard", reason="pedalboard is a package of make bench")

    def board() -> Any:
        return pedalboard.Pedalboard([pedalboard.Distortion(12), pedalboard.Reverb()])

    mixer = mixing()
    group = mixer.group(effect=board())
    data = np.sin(np.arange(20 * FRAMES)[:, None] * [0.1, 0.13]).astype(np.float32)
    group.play(data)
    rig.step(40)
    alone, silence = board(), np.zeros((20 * FRAMES, 2), np.float32)
    blocks = np.split(np.concatenate([data, silence]), 40)
    wanted = np.concatenate([alone.process(block, RATE, reset=False) for block in blocks])
    assert group.error() is None
    heard = rig.heard
    np.testing.assert_allclose(heard, wanted[: len(heard)], atol=1e-6)
    assert abs(heard[20 * FRAMES :]).max() > 0.01, "the reverb sounds after the voice"
