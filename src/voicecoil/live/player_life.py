"""The beginning and the end of a player: start, close, ``with`` and ``async with``."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from voicecoil.arguments import check_seconds
from voicecoil.lifetime.awaiting import off_the_loop
from voicecoil.live.feed import FADE_S
from voicecoil.live.player_facts import PlayerFacts
from voicecoil.live.steps import Steps
from voicecoil.live.writing import Done, Writer
from voicecoil.streams.lifecycle import STOP_TIMEOUT_S

__all__ = ["PlayerLife"]


class PlayerLife(PlayerFacts):
    """Starts and ends a player. `Player` writes to it."""

    _writer: Writer
    _starting: Steps  # these wait for the device
    _loop: asyncio.AbstractEventLoop | None = None  # the one whose tasks never block

    def drain(self, timeout: float | None = None) -> Done:
        raise NotImplementedError

    async def _drain_later(self, seconds: float | None) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start the device. A second call does nothing.

        Raises
        ------
        DeviceLostError, DriverError
            The device cannot be started.
        StreamClosedError
            The player is closed.
        """
        self._writer.refuse_closed()
        self._start_if_new()

    def _start_if_new(self) -> None:
        if not self._writer.begun:
            self._starting.run(self._start_once)

    def _start_once(self) -> None:
        if not self._writer.begun:
            self._stream.start()
            self._writer.begun = True

    async def _start_later(self) -> None:
        if not self._writer.begun:
            await off_the_loop(self._start_if_new)

    def close(self, fade_s: float = FADE_S) -> None:
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
        seconds = check_seconds(fade_s, "fade_s")
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

    async def aclose(self, fade_s: float = FADE_S) -> None:
        """Close the player like :meth:`close`, in an asyncio task, without blocking the loop.

        Parameters
        ----------
        fade_s : float
            Duration of the fade, s.
        """
        await off_the_loop(lambda: self.close(fade_s))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

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
        self._writer.refuse_closed()
        self._loop = asyncio.get_running_loop()
        try:
            await self._start_later()
        except BaseException:
            await self.aclose()
            raise
        return self

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
