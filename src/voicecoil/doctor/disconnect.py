"""Test of a device that is unplugged and plugged in again by the user."""

from __future__ import annotations

import time
from collections.abc import Callable

from voicecoil.doctor.finding import Finding, Subject
from voicecoil.streams.stream import InputStream, OutputStream

__all__ = ["disconnect"]

LOOK_S = 0.1


def disconnect(subject: Subject, tell: Callable[[str], None], patience_s: float = 30.0) -> Finding:
    """Ask the user to unplug the device and to plug it in again, and watch a stream meanwhile.

    Parameters
    ----------
    subject : Subject
        The output, or the input if there is no output, is tested.
    tell : callable
        Shows an instruction to the user.
    patience_s : float
        Longest wait for each of the two steps, s.
    """
    device = subject.output or subject.input
    if device is None:
        return Finding("disconnect", "skipped", "there is no device")
    kind = OutputStream if subject.output is not None else InputStream
    with kind(
        lambda block: None, device=device, driver=subject.driver, on_device_lost="wait"
    ) as stream:

        def seen(event: str) -> bool:
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                if stream.wait(timeout=LOOK_S):
                    return False
                if any(one.kind == event for one in stream.events()):
                    return True
            return False

        tell(f"Unplug {device.name} now ({patience_s:g} s).")
        if not seen("lost"):
            return Finding("disconnect", "skipped", f"{device.name} was not unplugged")
        tell(f"Plug {device.name} in again ({patience_s:g} s).")
        if not seen("back"):
            text = f"the loss was noticed; {device.name} did not come back"
            return Finding("disconnect", "failed", text, {"lost": True, "back": False})
        before = stream.statistics().cycles
        stream.wait(timeout=1.0)
        goes_on = stream.statistics().cycles > before
    text = "the loss was noticed, and the stream went on when the device was back"
    if not goes_on:
        text = "the device is back, but it does not call back"
    data = {"lost": True, "back": True, "goes_on": goes_on}
    return Finding("disconnect", "ok" if goes_on else "failed", text, data)
