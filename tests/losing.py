"""Helpers for tests in which a device is lost and comes back."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
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
    """Waits until the stream has lost its device and got it back `times` times in total."""
    news = stream._connection.device.news  # type: ignore[union-attr]
    until(lambda: kinds(listed(news)).count("back") == times)
    is_on(stream)


def listed(news: deque[vc.Event]) -> list[vc.Event]:
    """Returns the events. The thread that recovers streams may append an event meanwhile. With a
    GIL it cannot do that inside of `copy`, but in a free-threaded Python it can.
    """
    while True:
        try:
            return list(news.copy())
        except RuntimeError:
            pass


def kinds(events: list[vc.Event]) -> list[str]:
    return [event.kind for event in events if event.kind in ("lost", "back", "xrun")]


def unplug(device: Any) -> None:
    device.inject("unplug")
    go_by(device)


def go_by(device: Any) -> None:
    """Runs one cycle of the device if a stream still runs on it."""
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
    """Checks that the thread that checks devices ends with its streams.

    If a thread remains, only this test fails. Later tests ignore this thread.
    """

    def staying() -> set[threading.Thread]:
        threads = {t for t in threading.enumerate() if t.name.startswith("voicecoil devices")}
        return threads - _stayed

    try:
        until(lambda: not staying())
    finally:
        _stayed.update(staying())


_stayed: set[threading.Thread] = set()
