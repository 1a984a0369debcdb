"""The beginning and the end of a recorder, player or mixer: also ``with`` and ``async with``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from voicecoil.lifetime.awaiting import off_the_loop
from voicecoil.sealed import Unique

__all__ = ["Life"]


class Life(Unique):
    """Starts when its ``with`` or ``async with`` begins, and is closed when that ends.

    If the start fails or is interrupted, the object is closed, so that nothing is left open.
    """

    def start(self) -> object:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close like :meth:`close`, in a task of asyncio or trio, without blocking the loop."""
        await off_the_loop(self.close)

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
        self.close()

    async def __aenter__(self) -> Self:
        try:
            await off_the_loop(self.start)
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
        await self.aclose()
