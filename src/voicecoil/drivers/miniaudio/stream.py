"""A stream on a device of miniaudio: starting, watching and stopping it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from voicecoil import _core
from voicecoil.drivers.base import DriverStreamBase
from voicecoil.drivers.call_thread import AbandonedError, check_wanted
from voicecoil.drivers.miniaudio import _io, jack
from voicecoil.drivers.miniaudio.backends import Backend
from voicecoil.drivers.miniaudio.opening import Opened
from voicecoil.drivers.miniaudio.status import result_error
from voicecoil.drivers.protocol import OpenRequest
from voicecoil.errors import DeviceLostError, StreamTimeoutError, VoicecoilError
from voicecoil.events import Event

__all__ = ["MiniaudioStream"]

POLL_S = 0.001
# How long `stop` waits for a silent cycle before it stops the device anyway.
SILENCE_S = 0.1
# PulseAudio's client library does not report that the server is gone. If no cycle has come for this
# time, the device is looked for.
STALLED_S = 0.2
SETTLE_S = 0.5  # how long `start` waits for an earlier call to return
LOOK_AGAIN_S = 1.0
# If libjack does not report when a cycle began, the start waits until the new connections are used.
# They take effect with the next cycle, and one cycle may be running, so two cycles must pass. The
# port's turn grows by two in each cycle.
CONNECTED_TURNS = 5
CONNECTED_S = 0.5
SUCCESS = 0  # MA_SUCCESS
Answer = tuple[int, list[str]]  # a ma_result, and the messages of the client library
# Maps indices of `notifications` in vc_ma_counts to kinds of events.
_NOTIFICATIONS = {2: "rerouted", 3: "interrupted", 4: "resumed"}


class MiniaudioStream(DriverStreamBase):
    """A `DriverStream` on a device of miniaudio.

    Parameters
    ----------
    backend : Backend
    request : OpenRequest
    opened : Opened
    """

    def __init__(self, backend: Backend, request: OpenRequest, opened: Opened) -> None:
        super().__init__(request.device.name, opened.opened_format)
        self._backend = backend
        self._device = request.device
        self._opened = opened
        self._begun = self._running = False
        self._looked_ns = 0
        self._starts = 0
        self._missing: str | None = None  # why the device is missing; set by a thread that looks
        self._seen: dict[str, int] = {}  # number of events taken, by kind

    # ---- start ----

    def _start(self, engine: _core.Engine) -> None:
        until = time.monotonic() + SETTLE_S  # an interrupted start may still be inside a call
        while self._opened.inside and time.monotonic() < until:
            time.sleep(POLL_S)
        if self._opened.inside:
            raise StreamTimeoutError(
                f"an earlier call for {self._name!r} has not returned; close the stream, and open "
                "a new one when the sound server answers"
            )
        backend, opened = self._backend, self._opened
        connects_later = backend.kind.connects_later
        self._begun = True  # set first, so that `stop` ends a start that was interrupted
        if not connects_later:
            self._attach(engine)
        self._started_ns = _core.clock_ns()
        self._starts += 1
        self._missing = None
        try:
            result, said = backend.call(
                f"starting {self._name!r}",
                lambda: self._noted(self._start_device),
                backend.timeouts.start_s,
                self._undo,
            )
            if result != SUCCESS:
                raise result_error("ma_device_start", result, repr(self._name), said)
            if connects_later:
                self._attach(engine, connected=jack.tells_cycles())
        except (VoicecoilError, OSError):
            self._begun = False  # the device did not start, or `_undo` stops it
            opened.io.detach()
            raise
        self._running = True

    def _attach(self, engine: _core.Engine, connected: bool = False) -> None:
        longest = min(engine.max_period_frames, self._opened.max_period_frames)
        self._opened.io.attach(engine, engine.period_frames, longest, connected)

    def _noted(self, work: Callable[[], Answer]) -> Answer:
        """Runs `work` while a token of it is in `inside`. Call it on the sound system's thread.

        Abandoned work counts as a success, so that it is undone.
        """
        token = object()
        self._opened.inside.add(token)
        try:
            return work()
        except AbandonedError:
            return SUCCESS, []
        finally:
            self._opened.inside.discard(token)

    def _start_device(self) -> Answer:
        backend = self._backend
        if self._opened.dead or self._opened.gone:
            raise DeviceLostError(self._gone_text())
        self._opened.latencies.prepare()
        check_wanted()
        result = backend.library.lib.ma_device_start(self._opened.device)
        said = _io.take_messages()
        if result == SUCCESS and backend.kind.connects_later and not jack.tells_cycles():
            turn = self._opened.io.turn
            until = time.monotonic() + CONNECTED_S
            while self._opened.io.turn < turn + CONNECTED_TURNS and time.monotonic() < until:
                time.sleep(POLL_S)
        return result, said

    def _stop(self) -> Answer:
        """Stops the device. Does nothing if its server is gone, as the call would fail or hang."""
        with self._opened.kept() as is_there:
            if is_there and not (self._opened.dead or self._opened.gone):
                self._backend.library.lib.ma_device_stop(self._opened.device)
        return SUCCESS, _io.take_messages()

    def _undo(self, _: object) -> None:
        """Stops the device after a start that returned too late or whose wait was interrupted."""
        self._noted(self._stop)
        if self._closed:
            self._opened.end()

    # ---- stop ----

    def stop(self, timeout_s: float) -> None:
        io = self._opened.io
        until = time.monotonic() + timeout_s
        if not io.detach(timeout_s, put_back=self._begun):
            raise self._callback_is_stuck(timeout_s)
        turn = io.turn
        if not self._begun:
            return
        self._begun = self._running = False
        if self._lost is not None or not self._is_started():
            return  # a lost device may not answer; `close` ends it
        self._let_silence_through(turn, min(until, time.monotonic() + SILENCE_S))
        left_s = max(until - time.monotonic(), self._backend.timeouts.stop_s)
        with contextlib.suppress(StreamTimeoutError):  # the device plays silence until it stops
            self._backend.call(
                f"stopping {self._name!r}",
                lambda: self._noted(self._stop),
                left_s,
                self._undo,
                later=True,
            )

    def _let_silence_through(self, turn: int, until: float) -> None:
        """Waits for a silent cycle, because a device that is stopped may repeat its last buffer."""
        while self._opened.io.turn == turn and time.monotonic() < until:
            time.sleep(POLL_S)

    def close(self) -> None:
        self._opened.latencies.ended = True
        super().close()

    def _close(self) -> None:
        if self._opened.inside:
            return  # `_undo` closes the device after the pending call has returned
        backend = self._backend
        with contextlib.suppress(StreamTimeoutError):  # the device is closed later
            backend.call(
                f"closing {self._name!r}", self._opened.end, backend.timeouts.stop_s, later=True
            )

    # ---- while the stream runs ----

    def _is_started(self) -> bool:
        opened = self._opened
        if opened.dead or opened.gone:
            return False
        return bool(self._backend.library.lib.ma_device_is_started(opened.device))

    def _notice(self) -> None:
        if not self._running:
            return
        starts = self._starts
        lost = self._examine()
        # Ignored if another thread has stopped or restarted the stream meanwhile.
        if lost is not None and self._running and starts == self._starts:
            self._lost = lost

    def _gone_text(self) -> str:
        title = self._backend.kind.title
        return f"{title} ended its connection to {self._name!r}: its server stopped or refused it"

    def _examine(self) -> str | None:
        """Returns why no IO cycle will come any more; None if cycles will come."""
        title = self._backend.kind.title
        if not self._is_started():
            return self._gone_text()
        counts = self._opened.io.counts()
        if counts["resized"]:
            return (
                f"{title} changed the buffer of {self._name!r} under the stream, from "
                f"{self.opened_format.usual_period_frames} to {counts['resized']} frames"
            )
        if counts["rate_hz"] not in (0, round(self.opened_format.samplerate)):
            return (
                f"{title} changed the rate of {self._name!r} under the stream, from "
                f"{self.opened_format.samplerate:g} to {counts['rate_hz']} Hz"
            )
        now_ns = _core.clock_ns()
        quiet_s = self._quiet_s(self._opened.io, now_ns)
        if quiet_s is None:
            return None
        limit_s = self._backend.timeouts.cycle_s
        if quiet_s > limit_s:
            return self._overdue_text(limit_s)
        longest = self.opened_format.max_period_frames
        stalled_s = STALLED_S + 4 * longest / self.opened_format.samplerate
        again = now_ns - self._looked_ns > LOOK_AGAIN_S * 1e9
        if quiet_s > stalled_s and again:
            self._looked_ns = now_ns
            self._look_whether_missing()
        return self._missing

    def _look_whether_missing(self) -> None:
        starts = self._starts

        def look() -> None:
            missing = self._backend.missing(self._device)
            if starts == self._starts:  # otherwise the answer is about an earlier run
                self._missing = missing

        self._look_on_a_thread(look)

    @property
    def overloads(self) -> int:
        """Overloads that JACK reported, including those of other clients. Otherwise always 0."""
        return int(self._opened.io.counts()["overloads"][0])

    def events(self) -> list[Event]:
        """Returns the new events of the device: rerouted, interrupted, resumed, overload."""
        taken = []
        counts = self._opened.io.counts()
        told = {kind: counts["notifications"][i] for i, kind in _NOTIFICATIONS.items()}
        told["overload"] = counts["overloads"]
        for kind, (count, host_ns) in told.items():
            for _ in range(count - self._seen.get(kind, 0)):
                taken.append(Event(kind, host_ns, 0, 0))  # type: ignore[arg-type]
            self._seen[kind] = count
        return sorted(taken, key=lambda event: event.host_ns)
