"""One thread that notices the ends of streams and sounds, and calls a function for each end.

The thread is started when it is first needed. While nothing is watched, it sleeps. While something
is watched, C code looks every millisecond, without the GIL, whether an engine or clip has ended.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable

from voicecoil import _core
from voicecoil.lifetime import exit_and_fork

__all__ = ["Watch", "unwatch", "watch"]

LOOK_S = 0.1  # interval at which `over` is called, to notice ends other than those of engines
SOON_S = 0.002  # the same after the engine or clip has ended, until the last frame was heard
EXIT_S = 0.2  # how long the exit of the interpreter waits for the thread


class Watch:
    """A stream or sound whose end is awaited.

    Parameters
    ----------
    thing : Engine or MixerClip
        When it has ended, `over` is called every `SOON_S`, before that every `LOOK_S`.
    over : callable
        Returns whether the stream or sound has ended: its last frame was heard, or its device is
        lost. It must not wait.
    tell : callable
        Called once, on the watching thread, when `over` has returned True. It must not wait.
    """

    def __init__(
        self,
        thing: _core.Engine | _core.MixerClip,
        over: Callable[[], bool],
        tell: Callable[[], object],
    ) -> None:
        self.thing = thing
        self.over = over
        self.tell = tell

    def look(self) -> bool:
        """Calls `tell` and returns True if the end has come. Reports an error, and then ends."""
        try:
            if not self.over():
                return False
            self.tell()
        except Exception as error:
            exit_and_fork.report(error, self.over)
        return True

    @property
    def ended(self) -> bool:
        """Whether the engine or clip has ended."""
        if isinstance(self.thing, _core.Engine):
            return bool(self.thing.state == _core.FINISHED)
        return bool(self.thing.state == _core.CLIP_DONE)


class _Watcher:
    """The thread and what it watches. All its containers can be used without a lock."""

    def __init__(self) -> None:
        self._watches: dict[int, Watch] = {}
        self._ends = _core.Ends()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False
        self._thread = exit_and_fork.ThreadOnDemand(self._run, "voicecoil control")

    def add(self, one: Watch) -> None:
        self._watches[id(one)] = one
        self._thread.ensure()
        self._rouse()

    def remove(self, one: Watch) -> None:
        self._watches.pop(id(one), None)
        self._ends.ring()

    def _rouse(self) -> None:
        self._wake.put(None)
        self._ends.ring()

    def _run(self) -> None:
        since = exit_and_fork.generation()
        while not self._over and not exit_and_fork.forked(since):
            seen = self._ends.rings
            soon, waiting = False, []
            for key, one in self._watches.copy().items():
                if one.look():
                    self._watches.pop(key, None)
                elif one.ended:
                    soon = True
                else:
                    waiting.append(one.thing)
            if self._watches:
                self._ends.wait(waiting, seen, SOON_S if soon else LOOK_S)
            else:
                self._wake.get()

    def end(self) -> None:
        """Ends the thread before the interpreter ends."""
        self._over = True
        self._rouse()
        self._thread.join(EXIT_S)


_watcher: _Watcher | None = None


def watch(
    thing: _core.Engine | _core.MixerClip,
    over: Callable[[], bool],
    tell: Callable[[], object],
) -> Watch:
    """Watches a stream or sound from now on, until its end or `unwatch`.

    Raises
    ------
    StreamStateError
        The interpreter is ending.
    DriverError
        The system cannot start a thread.
    """
    global _watcher
    if _watcher is None:
        _watcher = _Watcher()
    one = Watch(thing, over, tell)
    _watcher.add(one)
    return one


def unwatch(one: Watch) -> None:
    """Watches it no longer. `tell` may be running on the watching thread."""
    if _watcher is not None:
        _watcher.remove(one)


@exit_and_fork.at_the_end
def _end() -> None:
    if _watcher is not None:
        _watcher.end()


def _after_fork_in_child() -> None:
    global _watcher
    _watcher = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
