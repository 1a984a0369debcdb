"""The workgroup of a device's IO thread, which threads of the program can join."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from voicecoil.drivers.protocol import ThreadGroup
from voicecoil.errors import StreamStateError
from voicecoil.lifetime import exit_and_fork

__all__ = ["WorkgroupMembership"]

ALREADY = 37  # Darwin's EALREADY: the thread is in the workgroup already


class WorkgroupMembership:
    """A context manager in which the calling thread is in a device's workgroup.

    It is returned by :func:`OutputStream.workgroup`.

    Attributes
    ----------
    joined : bool
        Whether the thread is in the workgroup. False before and after the ``with`` block, and if
        there is no workgroup.
    """

    def __init__(self, find: Callable[[], ThreadGroup | None]) -> None:
        self._find = find
        self._group: ThreadGroup | None = None
        self._thread = 0
        self._generation = 0  # of the process that has joined
        self.joined = False

    def __enter__(self) -> Self:
        if self.joined:
            raise StreamStateError(
                "a thread is in this block already; call stream.workgroup() in each thread"
            )
        group = self._find()
        if group is None:
            return self
        status = group.join()
        self.joined = status in (0, ALREADY)
        if status == 0:
            self._group, self._thread = group, threading.get_ident()
            self._generation = exit_and_fork.generation()
        else:
            group.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._group is not None and exit_and_fork.forked(self._generation):
            self.joined = False  # only a thread of the parent is in the workgroup
            return
        if self._group is not None and threading.get_ident() != self._thread:
            raise StreamStateError(
                "another thread has joined the workgroup; only that thread can leave it"
            )
        group, self._group, self.joined = self._group, None, False
        if group is not None:
            group.leave()
            group.close()
