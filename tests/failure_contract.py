"""The part of the driver contract about failures, and about devices that come and go.

driver_contract.py has the other part.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import pytest

import voicecoil as vc
from coded import coded
from driver_contract import CodedOutput, Rig
from rig import until

__all__ = ["FailureContract", "RemovableContract"]


class FailingRig(Rig, Protocol):
    """A rig with two devices, of which the first can refuse to start."""

    another_device: str  # uid of a device whose cycles do not wait for those of `device`

    def starts_fail(self, stream: vc.OutputStream) -> AbstractContextManager[None]:
        """Returns a context in which the system refuses to start the open stream `stream`."""


class FailureContract:
    """Tests of drivers after a start that failed, and with a callback that never returns."""

    def open_output_of(self, rig: FailingRig, callback: object) -> vc.OutputStream:
        place: dict[str, Any] = {"driver": rig.driver, "device": rig.device.uid}
        return vc.OutputStream(callback, channels=rig.channels, latency="low", **place)  # type: ignore[arg-type]

    def test_a_start_that_failed_leaves_nothing_and_can_be_repeated(self, rig: FailingRig) -> None:
        callback = CodedOutput()
        stream = self.open_output_of(rig, callback)
        with rig.starts_fail(stream), pytest.raises(vc.DriverError):
            stream.start()
        assert not stream.active
        assert stream.wait(10)
        made = callback.blocks
        rig.advance(2)
        assert callback.blocks == made
        stream.start()
        rig.advance(4)
        stream.abort()
        assert callback.blocks > made
        stream.close()

    def test_a_callback_that_never_returns_holds_up_no_other_stream(
        self, rig: FailingRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("voicecoil.streams.base.STOP_TIMEOUT_S", 0.2)
        monkeypatch.setattr("voicecoil.streams.base.HALT_S", 0.1)
        started, inside, free = threading.Event(), threading.Event(), threading.Event()

        def never_returns(block: vc.Block) -> None:
            if started.is_set():
                inside.set()
                free.wait(60)

        stuck = self.open_output_of(rig, never_returns)
        place: dict[str, Any] = {"driver": rig.driver, "device": rig.another_device}
        other = vc.OutputStream(CodedOutput(), channels=2, latency="low", **place)
        other.start()
        stuck.start()
        started.set()
        mover = threading.Thread(target=rig.advance, args=(1,))
        mover.start()
        try:
            assert inside.wait(30)
            with pytest.raises(vc.StreamTimeoutError):
                stuck.abort()
            assert stuck.state == "draining"
            other.abort()
            assert not other.active
            other.close()
        finally:
            free.set()
            mover.join(30)
        stuck.close()
        assert stuck.state == "closed"


class RemovableRig(Rig, Protocol):
    """A rig whose device can come back."""

    def replug(self) -> None:
        """Brings the removed device back after some time."""


class RemovableContract:
    """The tests of drivers whose devices come and go. A subclass defines a removable `rig`."""

    def waiting_stream(self, rig: RemovableRig, callback: CodedOutput) -> vc.OutputStream:
        """Opens a stream on the rig's device that waits for it if it is lost."""
        return vc.OutputStream(
            callback,
            driver=rig.driver,
            device=rig.device.uid,
            channels=rig.channels,
            on_device_lost="wait",
        )

    def go_away_and_back(self, rig: RemovableRig, stream: vc.OutputStream | vc.InputStream) -> None:
        rig.advance(4)
        rig.unplug()
        until(lambda: stream.state == "waiting")
        assert not stream.wait(0)
        rig.replug()
        until(lambda: stream.state == "running")
        rig.advance(4)

    def test_a_stream_that_waits_goes_on_where_it_was(self, rig: RemovableRig) -> None:
        callback = CodedOutput()
        with self.waiting_stream(rig, callback) as stream:
            self.go_away_and_back(rig, stream)
            self.go_away_and_back(rig, stream)
            stream.abort()
            told = [event.kind for event in stream.events() if event.kind in ("lost", "back")]
        assert told == ["lost", "back"] * 2
        assert stream.device.uid == rig.device.uid
        # Each frame is played once and in order. Frames that the device had not played when it was
        # removed are lost.
        heard = rig.heard()
        codes = heard[heard.any(axis=1)][:, 0]
        assert (np.diff(codes) > 0).all()
        assert codes[-1] == coded(callback.position - 1, 1, 1)

    def test_frames_lost_without_a_device_are_reported(self, rig: RemovableRig) -> None:
        callback = CodedOutput()
        with self.waiting_stream(rig, callback) as stream:
            self.go_away_and_back(rig, stream)
            stream.abort()
        lost = np.diff(callback.output_frames) - callback.sizes[:-1]
        assert lost.tolist() == callback.xruns[1:]
        assert stream.statistics().lost_frames == lost.sum()
        assert (np.diff(callback.output_ns) > 0).all()

    def test_an_input_stream_continues_after_waiting(self, rig: RemovableRig) -> None:
        times: list[int | None] = []
        wishes: dict[str, Any] = {"driver": rig.driver, "channels": rig.channels}
        with vc.InputStream(
            lambda block: times.append(block.time.input_frames),
            device=rig.device.uid,
            on_device_lost="wait",
            **wishes,
        ) as stream:
            self.go_away_and_back(rig, stream)
            stream.abort()
        assert len(times) >= 8
        assert (np.diff(times) > 0).all()  # type: ignore[arg-type]
