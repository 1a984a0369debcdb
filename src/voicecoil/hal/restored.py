"""Changes that are undone at the end of a ``with`` block, or when the interpreter ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType

from voicecoil.errors import StreamStateError, VoicecoilError
from voicecoil.lifetime import exit_and_fork

__all__ = ["Restored"]

_made: dict[int, Restored] = {}  # by id, in the order in which they were made


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
        """Encloses the change. It is undone if an error is raised, or the interpreter ends."""
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
            later._end()

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
