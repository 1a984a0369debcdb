"""Signal handlers that use a stream on CoreAudio while the program looks at it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import voicecoil as vc
from coreaudio import Worlds


class Interrupted:
    """CoreAudio's library, for which a signal arrives while notifications are taken."""

    def __init__(self, hal: Any) -> None:
        self._hal = hal
        self.signals = 1

    def __getattr__(self, name: str) -> Any:
        return self if name == "library" else getattr(self._hal, name)

    def take_changes(self) -> Any:
        if self.signals:
            self.signals = 0
            signal.raise_signal(signal.SIGUSR1)
        return self._hal.library.take_changes()

    def take_lost_changes(self) -> Any:
        return self._hal.library.take_lost_changes()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_handler_closes_a_stream_while_notifications_are_taken(
    coreaudio: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = coreaudio(devices=["uid=one; name=One; out=2"])
    stream = vc.OutputStream(lambda block: None, driver=world.driver)
    stream.start()
    changes = world.driver.changes

    def close(number: int, frame: Any) -> None:
        stream.close()

    before = signal.signal(signal.SIGUSR1, close)
    try:
        monkeypatch.setattr(changes, "_hal", Interrupted(changes._hal))
        changes.dispatch()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stream.state == "closed"
    assert not changes.are_heard  # the listeners were removed before `close` returned
