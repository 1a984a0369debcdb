"""What ``events()`` returns: a list, which tasks can iterate over while events come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from voicecoil.events import Event

__all__ = ["Events"]


class Events(list[Event]):
    """The events since the last call, oldest first.

    ``async for event in stream.events()`` goes on with the events that come later, until the stream
    has ended or is closed. Each event is given to one reader only. A cancelled task loses none.

    Parameters
    ----------
    events : iterable of Event
    later : callable
        Returns a function that waits for more events and returns them, none at the end of the
        stream; None if the stream was dropped.
    """

    def __init__(
        self,
        events: Iterable[Event],
        later: Callable[[], Callable[[], Coroutine[Any, Any, list[Event]]] | None],
    ) -> None:
        super().__init__(events)
        self._later = later

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in list(self):
            yield event
        while (later := self._later()) is not None:
            found = await later()
            del later
            if not found:
                return
            for event in found:
                yield event
