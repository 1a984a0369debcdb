"""`on_end` is called once for each run, with the reason for its end; fades at the end."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from rig import Rig, until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.lifetime import exit_and_fork, unseen_error
from voicecoil.lifetime.waking import watch
from voicecoil.streams import base, failure_watch

FADE = 100 / 48_000


class Listener:
    """Notes each call of `on_end`."""

    def __init__(self, then: Callable[[Any], object] = lambda stream: None) -> None:
        self.calls: list[tuple[Any, BaseException | None]] = []
        self.threads: set[int] = set()
        self._then = then

    def __call__(self, stream: Any, error: BaseException | None) -> None:
        self.threads.add(threading.get_ident())
        self.calls.append((stream, error))
        self._then(stream)

    def settle(self, calls: int = 1) -> None:
        """Waits for the calls, and until calls that are on their way would have been made."""
        until(lambda: len(self.calls) >= calls)
        passed = threading.Event()
        exit_and_fork.tell(passed.set)
        assert passed.wait(20)
        assert len(self.calls) == calls


def callback_that(ends: str) -> Callable[[vc.Block], None]:
    def callback(block: vc.Block) -> None:
        block.output[:] = 1
        if ends == "Stop":
            raise vc.Stop
        if ends == "error":
            raise ZeroDivisionError("meant")

    return callback


@pytest.mark.parametrize("ends", ["stop", "abort", "close", "with", "Stop", "error", "lost"])
def test_on_end_is_called_once_with_the_reason(rig: Rig, home: str, ends: str) -> None:
    listener = Listener()
    stream = vc.OutputStream(callback_that(ends), driver=rig.driver, on_end=listener)
    if ends == "with":
        with stream:
            rig.step(2)
    else:
        stream.start()
        rig.step(2)
    assert not listener.calls or ends in ("with", "Stop", "error")
    if ends in ("stop", "abort", "close"):
        getattr(stream, ends)()
    elif ends == "lost":
        rig.device.inject("unplug")
        rig.step(1)
    elif ends == "Stop":
        for _ in range(100):
            rig.step(1)
    listener.settle()
    expected = {"error": ZeroDivisionError, "lost": vc.DeviceLostError}.get(ends)
    (called, error) = listener.calls[0]
    assert called is stream
    if expected is None:
        assert error is None
    else:
        assert type(error) is expected
        assert stream.exception is error
        with pytest.raises(expected):
            stream.wait(5)
    stream.close()
    listener.settle()
    assert threading.get_ident() not in listener.threads


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_each_run_has_its_own_end(stepped: VirtualDevice, driver: VirtualDriver) -> None:
    listener = Listener()
    stream = vc.OutputStream(callback_that("none"), driver=driver, on_end=listener)
    for run in range(1, 4):
        stream.start()
        stepped.step(1)
        stream.stop()
        listener.settle(run)
    stream.close()
    listener.settle(3)
    assert listener.calls == [(stream, None)] * 3


def test_a_start_at_once_does_not_hide_the_exception_of_the_run_before() -> None:
    """Before the fix, `start` cleared the exception, and `on_end` was called with None."""
    device, listener = VirtualDevice("Rig", clock="stepped", frames=64), Listener()
    stream = vc.OutputStream(
        callback_that("error"), driver=VirtualDriver([device]), on_end=listener
    )
    stream.start()
    busy, released = threading.Event(), threading.Event()

    def over() -> bool:  # keeps the thread busy that watches for ends
        busy.set()
        return released.wait(20)

    assert stream._connection is not None
    watch(stream._connection.engine.finished_count(), 1, over, lambda: None)
    assert busy.wait(20)
    device.step(1)
    with pytest.raises(ZeroDivisionError):
        stream.wait(5)
    stream.start()
    released.set()
    listener.settle()
    assert isinstance(listener.calls[0][1], ZeroDivisionError)
    stream.close()
    listener.settle(2)
    assert listener.calls[1] == (stream, None)


def test_a_start_that_failed_has_no_end() -> None:
    """Before the fix, `close` called `on_end` with None."""
    device, listener = VirtualDevice("Rig", clock="stepped", frames=64), Listener()
    driver = VirtualDriver([device])
    others = [vc.OutputStream(callback_that("none"), driver=driver) for _ in range(64)]
    for other in others:
        other.start()  # a virtual device runs no more
    streams = [
        vc.OutputStream(callback_that("none"), driver=driver, on_end=listener) for _ in range(2)
    ]
    for stream in streams:
        with pytest.raises(vc.DriverError, match="64 running streams"):
            stream.start()
    for other in [streams.pop(), *others]:
        other.close()
    listener.settle(0)
    (stream,) = streams
    stream.start()
    device.step(1)
    assert stream.wait(0) is False
    stream.close()
    listener.settle()
    assert listener.calls == [(stream, None)]


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    return seen


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_an_on_end_that_raises_is_reported_and_called_for_the_next_run(
    stepped: VirtualDevice, driver: VirtualDriver, unraisable: list[Any]
) -> None:
    def fail(stream: Any) -> None:
        raise LookupError("in on_end")

    listener = Listener(fail)
    with vc.OutputStream(callback_that("none"), driver=driver, on_end=listener) as stream:
        stepped.step(1)
        stream.stop()
        listener.settle()
        stream.start()
        stepped.step(1)
    listener.settle(2)
    assert [type(error) for error in unraisable] == [LookupError, LookupError]


@pytest.mark.parametrize("ends", ["stop", "error", "lost"])
@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_an_on_end_that_closes_the_stream(
    stepped: VirtualDevice, driver: VirtualDriver, ends: str, unraisable: list[Any]
) -> None:
    def end(stream: Any) -> None:
        try:
            stream.close()
        except ZeroDivisionError:
            assert ends == "error"

    listener = Listener(end)
    stream = vc.OutputStream(callback_that(ends), driver=driver, on_end=listener)
    stream.start()
    stepped.step(1)
    if ends == "stop":
        stream.stop()
    elif ends == "lost":
        stepped.inject("unplug")
        stepped.step(1)
    listener.settle()
    assert stream.state == "closed"
    assert not unraisable


@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_a_dropped_stream_ends_and_the_exception_is_told_only_to_on_end(
    stepped: VirtualDevice, driver: VirtualDriver, unraisable: list[Any]
) -> None:
    listener = Listener(lambda stream: None)
    for ends in ("none", "error"):
        stream = vc.OutputStream(callback_that(ends), driver=driver, on_end=listener)
        stream.start()
        stepped.step(1)
        del stream
        gc.collect()
        listener.settle(1 if ends == "none" else 2)
    assert listener.calls[0][1] is None
    assert isinstance(listener.calls[1][1], ZeroDivisionError)
    assert not unraisable
    listener.calls.clear()


def test_on_end_is_checked_when_the_stream_is_opened(driver: VirtualDriver) -> None:
    for wrong in (1, "name"):
        with pytest.raises(vc.ArgumentTypeError, match="on_end="):
            vc.OutputStream(callback_that("none"), driver=driver, on_end=wrong)  # type: ignore[arg-type]

    async def later(stream: Any, error: Any) -> None: ...

    with pytest.raises(vc.ArgumentTypeError, match="on_end="):
        vc.OutputStream(callback_that("none"), driver=driver, on_end=later)


def test_wait_for_a_stream_that_was_never_started_is_an_error(driver: VirtualDriver) -> None:
    """Before, `wait` returned True at once, and a program that forgot `start` ended silently."""
    stream = vc.OutputStream(callback_that("none"), driver=driver)
    with pytest.raises(vc.StreamStateError, match="never started"):
        stream.wait(0)
    stream.stop()  # nothing to end, so no error
    stream.close()


@pytest.mark.parametrize("awaited", [True, False])
@pytest.mark.parametrize("stepped", ["virtual"], indirect=True)
def test_an_exception_is_told_once_if_a_with_block_will_raise_it(
    stepped: VirtualDevice,
    driver: VirtualDriver,
    unraisable: list[Any],
    awaited: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the fix, the exception was reported while the block ran, and raised at its end."""
    monkeypatch.setattr(unseen_error, "PATIENCE_S", 0.0)
    stream = vc.OutputStream(callback_that("error"), driver=driver)
    with contextlib.ExitStack() as stack:
        if awaited:
            stack.enter_context(pytest.raises(ZeroDivisionError))
            stack.enter_context(stream)
        else:
            stream.start()
        stepped.step(1)
        for _ in range(3):
            failure_watch._look()
        if not awaited:
            until(lambda: bool(unraisable))
    if not awaited:
        with pytest.raises(ZeroDivisionError):
            stream.close()
    assert len(unraisable) == int(not awaited)


# ---- fades -------------------------------------------------------------------------------------


class Counting:
    """Plays coded frames, and calls `then` in block `at`."""

    def __init__(self, at: int) -> None:
        self.frame = self.blocks = 0
        self.at = at
        self.then: Callable[[], object] = lambda: None

    def __call__(self, block: vc.Block) -> None:
        block.output[:] = coded(self.frame, block.frames, block.output.shape[1])
        self.frame += block.frames
        self.blocks += 1
        if self.blocks == self.at:
            self.then()


@pytest.mark.parametrize("blocksize", [None, 48])
def test_a_stop_fades_along_a_straight_line(rig: Rig, home: str, blocksize: int | None) -> None:
    callback = Counting(at=80)
    stream = vc.OutputStream(callback, driver=rig.driver, blocksize=blocksize)
    callback.then = lambda: stream.stop(fade_s=FADE)
    stream.start()
    for _ in range(160):
        rig.step(1)
    assert stream.wait(5)
    heard = rig.heard
    lead = int(np.flatnonzero(heard[:, 0])[0]) if heard.any() else 0
    ratio = heard[lead:] / coded(0, len(heard) - lead, heard.shape[1])
    last = len(ratio) - 1 if ratio[-1].any() else int(np.flatnonzero(ratio[:, 0])[-1])
    first = last + 1 - 100  # the fade has 100 frames
    assert (lead + first) % 64 == 0, "it begins with a cycle"
    np.testing.assert_array_equal(ratio[:first], 1)
    line = np.repeat((1 - np.arange(100) / 100)[:, None], heard.shape[1], axis=1)
    np.testing.assert_allclose(ratio[first : last + 1], line, atol=1e-5)
    assert not ratio[last + 1 :].any()
    stream.close()


@pytest.mark.parametrize("then", ["stop", "abort"])
def test_a_later_stop_or_abort_ends_the_fade(rig: Rig, then: str) -> None:
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        block.output[:] = 1
        if blocks == 1:
            stream.stop(fade_s=10)
        elif blocks == 4:
            getattr(stream, then)()

    stream = vc.OutputStream(callback, driver=rig.driver)
    stream.start()
    rig.step(10)
    assert stream.wait(5)
    assert blocks == 4
    assert int(np.flatnonzero(rig.heard[:, 0])[-1]) == 4 * 64 - 1
    with pytest.raises(vc.ArgumentError, match="fade_s"):
        stream.stop(fade_s=-1)
    stream.close()


def test_stop_with_a_fade_waits_until_it_was_heard() -> None:
    device = VirtualDevice("Free", clock="free")
    device.capture()
    stream = vc.OutputStream(lambda block: block.output.fill(0.5), driver=VirtualDriver([device]))
    stream.start()
    until(lambda: stream.statistics().frames > 2_000)
    stream.stop(fade_s=0.1)
    assert stream.state == "finished"
    heard = device.heard()[:, 0]
    fading = heard[(heard > 0) & (heard < 0.5)]
    np.testing.assert_allclose(fading, 0.5 * (1 - np.arange(1, 4_800) / 4_800), atol=1e-6)
    assert np.flatnonzero(heard)[-1] == np.flatnonzero(heard == fading[-1])[0]
    stream.close()


def test_a_long_fade_is_heard_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the fix, `stop` allowed 3 s for the fade and the rest, and then cut the fade off."""
    device = VirtualDevice("Free", clock="free", frames=512)
    device.capture()
    cycles = threading.Semaphore(10)  # how many the device may run now

    def callback(block: vc.Block) -> None:
        cycles.acquire(timeout=20)
        block.output[:] = 0.5

    stream = vc.OutputStream(callback, driver=VirtualDriver([device]))

    class DeviceTime:
        """The time of the device, which runs 0.1 s in each pause of `stop`."""

        @staticmethod
        def sleep(seconds: float) -> None:
            cycles.release(10)
            time.sleep(seconds)

        @staticmethod
        def monotonic() -> float:
            return stream.now_ns() / 1e9

    stream.start()
    until(lambda: stream.statistics().frames > 2_000)
    monkeypatch.setattr(base, "time", DeviceTime)
    stream.stop(fade_s=10)
    heard = device.heard()[:, 0]
    fading = heard[(heard > 0) & (heard < 0.5)]
    assert len(fading) == 479_999
    np.testing.assert_allclose(fading, 0.5 * (1 - np.arange(1, 480_000) / 480_000), atol=1e-5)
    stream.close()


@pytest.mark.parametrize("hz", [16_000, 48_000, 96_000])
def test_a_fade_of_a_stream_that_converts_lasts_as_long_as_requested(hz: int) -> None:
    """Before the fix, the frames of the fade were counted at the program's rate."""
    device = VirtualDevice("Rig", clock="stepped", frames=64, samplerate=hz)
    device.capture()
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1
        block.output[:] = 0.5
        if blocks == 40:
            stream.stop(fade_s=0.05)

    stream = vc.OutputStream(
        callback, driver=VirtualDriver([device]), samplerate=24_000, latency="safe"
    )
    stream.start()
    while stream.state != "finished":
        device.step(1)
    heard = device.heard()[:, 0]
    last = int(np.flatnonzero(heard)[-1]) + 1
    frames = hz // 20
    line = 0.5 * (1 - np.arange(frames) / frames)
    np.testing.assert_allclose(heard[last - frames : last], line, atol=2e-3)
    np.testing.assert_allclose(heard[last - 2 * frames : last - frames], 0.5, atol=2e-3)
    stream.close()


def test_an_input_stream_has_no_fade(rig: Rig) -> None:
    stream = vc.InputStream(lambda block: None, driver=rig.driver)
    stream.start()
    rig.step(2)
    stream.stop(fade_s=10)
    assert not stream.active
    stream.close()
