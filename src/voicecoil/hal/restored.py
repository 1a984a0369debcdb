"""Changes that are undone at the end of a ``with`` block, or when the interpreter ends."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from voicecoil.errors import StreamStateError, VoicecoilError
from voicecoil.lifetime import exit_and_fork

__all__ = ["Restored", "end_block"]

_made: dict[int, Restored] = {}  # by id, in the order in which they were made

# Held while a setting is changed or restored. Otherwise a block that begins at that moment would
# read a value between as the one to restore. A signal handler may interrupt a change, and begin
# another one.
_lock = threading.RLock()
ALONE_S = 30.0  # longer than several calls of the HAL, each of which has a deadline


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Waits for the changes of other threads, `ALONE_S` at most.

    Ctrl-C may arrive between the two steps of taking a lock, and leave it locked for ever. The
    changes of other threads are then made without it.
    """
    held = _lock.acquire(timeout=ALONE_S)
    try:
        yield
    finally:
        if held:
            _lock.release()


def end_block(end: Callable[[], object], error: BaseException | None) -> None:
    """Ends a ``with`` block, whose `error` is told if its end fails, too."""
    try:
        end()
    except VoicecoilError as second:
        if error is None:
            raise
        error.add_note(str(second))


class Restored:
    """A change that is undone at the end of a ``with`` block, or when the interpreter ends.

    The interpreter does not end the ``with`` blocks of daemon threads. If the process crashes, the
    HAL gives its hog modes back, but not what was set. In a forked child, the end of the block does
    nothing, because the change belongs to the parent.
    """

    _generation = -1
    _is_ending = False

    def _restore(self) -> None:
        """Undoes what was changed. Does nothing if nothing was changed, or all of it was undone.

        It is called again at exit if Ctrl-C has interrupted it.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Encloses the change. It is undone if an error is raised, or the interpreter ends.

        The value to restore must be read in here, too.
        """
        if id(self) in _made and not exit_and_fork.forked(self._generation):
            raise StreamStateError(f"{self!r} has not ended; make another one for another block")
        with _alone():
            yield from self._change()

    def _change(self) -> Iterator[None]:
        self._generation = exit_and_fork.generation()
        self._is_ending = False
        _made[id(self)] = self
        try:
            yield
            if exit_and_fork.is_ending():  # the exit handler may have come before the change
                raise StreamStateError(exit_and_fork.ENDING)
        except BaseException:
            with contextlib.suppress(VoicecoilError):  # the first error is told
                self._undo()
            raise

    def _undo(self) -> None:
        """Undoes the change, unless it belongs to the parent of this process.

        After a KeyboardInterrupt it stays in `_made`, so that the exit handler undoes it.
        """
        try:
            if not exit_and_fork.forked(self._generation):
                self._restore()
        except Exception:
            _made.pop(id(self), None)
            raise
        _made.pop(id(self), None)

    def _is_same_setting(self, other: Restored) -> bool:
        """Whether `other` changes the same setting."""
        return False

    def _take_over(self, earlier: Restored) -> None:
        """Makes this change restore what `earlier` would restore.

        `earlier` is an unfinished change of the same setting, made before this one. Ctrl-C may
        interrupt this method, after which both changes are undone at exit, the later one first.
        """

    def _end(self) -> None:
        """Undoes the change, unless it was undone or belongs to the parent of this process.

        If a later change of the same setting is not undone yet, that one restores the original
        value instead. This is so if Ctrl-C has interrupted the end of an inner block, or if blocks
        of two threads overlap.
        """
        if exit_and_fork.forked(self._generation):
            _made.pop(id(self), None)
            return
        with _alone():
            self._end_alone()

    def _end_alone(self) -> None:
        if id(self) not in _made:
            return
        self._is_ending = True
        later = self._later()
        if later is None:
            self._undo()
            return
        later._take_over(self)
        _made.pop(id(self), None)
        if later._is_ending:  # its block has ended, too
            later._end_alone()

    def _later(self) -> Restored | None:
        """Returns the first change of the same setting that was made after this one."""
        changes = list(_made.values())
        for other in changes[changes.index(self) + 1 :]:
            if self._generation == other._generation and self._is_same_setting(other):
                return other
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()


@exit_and_fork.at_the_end
def _restore_all() -> None:
    """Undoes all changes at exit, after the streams are closed. The last change is undone first."""
    for change in reversed(list(_made.values())):
        try:
            change._end()
        except Exception as error:
            exit_and_fork.report(error, change)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # a thread of the parent may hold the other one for ever


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
