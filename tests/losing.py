"""Losing devices and getting them back, as the tests of it want that."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import voicecoil as vc
from rig import until
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver

AnyStream = vc.OutputStream | vc.InputStream | vc.Stream


def is_on(stream: AnyStream) -> None:
    """Waits until the stream is on a device again."""
    until(lambda: stream.state == "running")


def is_away(stream: AnyStream) -> None:
    until(lambda: stream.state == "waiting")


def came_back(stream: AnyStream, times: int = 1) -> None:
    """Waits until it was lost and came back so many times, whenever that was."""
    news = stream._connection._news  # type: ignore[union-attr]
    # A copy is made in one step; a list made of it finds it changed by the thread that recovers.
    until(lambda: kinds(list(news.copy())).count("back") == times)
    is_on(stream)


def kinds(events: list[vc.Event]) -> list[str]:
    return [event.kind for event in events if event.kind in ("lost", "back", "xrun")]


def unplug(device: Any) -> None:
    device.inject("unplug")
    go_by(device)


def go_by(device: Any) -> None:
    """Lets a cycle go by, if some stream is still there for it."""
    with contextlib.suppress(vc.StreamStateError):
        device.step(1)


def two_devices(**second: Any) -> tuple[VirtualDevice, VirtualDevice, VirtualDriver]:
    shape: dict[str, Any] = {"clock": "stepped", "frames": 64, "poison": True}
    one = VirtualDevice("One", **shape)
    two = VirtualDevice("Two", **{**shape, **second})
    one.capture()
    two.capture()
    return one, two, VirtualDriver([one, two])


def no_thread_stays() -> None:
    """The thread that looks after devices ends with the streams that it looks after.

    A thread that stays fails one test, not all that follow.
    """

    def staying() -> set[threading.Thread]:
        threads = {t for t in threading.enumerate() if t.name.startswith("voicecoil devices")}
        return threads - _stayed

    try:
        until(lambda: not staying())
    finally:
        _stayed.update(staying())


_stayed: set[threading.Thread] = set()
