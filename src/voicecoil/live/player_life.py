"""The beginning and the end of a player: start, close, ``with`` and ``async with``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from voicecoil.arguments import check_fade
from voicecoil.lifetime.tasks import running_loop
from voicecoil.live.output_life import OutputLife
from voicecoil.live.player_facts import PlayerFacts
from voicecoil.live.writing import Done
from voicecoil.sounds.gain import RAMP_S
from voicecoil.streams.lifecycle import STOP_TIMEOUT_S

__all__ = ["PlayerLife"]


class PlayerLife(OutputLife, PlayerFacts):
    """Starts and ends a player. `Player` writes to it."""

    _loop: object = None  # the one whose tasks never block

    def drain(self, timeout: float | None = None) -> Done:
        raise NotImplementedError

    async def _drain_later(self, seconds: float | None) -> bool:
        raise NotImplementedError

    def _refuse_start(self) -> None:
        self._writer.refuse_closed()

    def close(self, fade_s: float = RAMP_S) -> None:
        """Fade out, discard what is queued, and release the device. A second call does nothing.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.

        Raises
        ------
        StreamTimeoutError
            The device did not stop in time.
        """
        seconds = check_fade(fade_s)
        if self._writer.closed:
            return
        self._writer.closed = True
        try:
            self._code.expect_nothing()  # so that a clock that waits for the program does not wait
            if self._writer.begun and self._monitor.goes_on and not self._monitor.away:
                self._stream.stop(seconds)
        finally:
            heard = self.heard_frames  # the clock stops with the stream
            try:
                self._stream.close()
            finally:
                self._most = max(self._most, heard)
                self._book.end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._can_drain:
                self.drain(self._drain_s)
        finally:
            self.close()

    async def __aenter__(self) -> Self:
        self._refuse_start()
        self._loop = running_loop()
        return await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._can_drain:
                await self._drain_later(self._drain_s)
        finally:
            await self.aclose()

    @property
    def _can_drain(self) -> bool:
        """Whether leaving ``with`` waits until everything was heard."""
        told = self._writer.told or self._writer.closed
        return not (told or self._paused or self._monitor.away)

    @property
    def _drain_s(self) -> float:
        return self.queued_s + self.latency.seconds + STOP_TIMEOUT_S
