"""What there is: versions, audio systems, devices, and the priority that a worker obtained."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict

import numpy as np

from voicecoil.doctor.finding import Finding, Subject, Verdict
from voicecoil.drivers.choose import get_driver, real_driver_names, why_silent
from voicecoil.drivers.protocol import Device, Direction
from voicecoil.errors import DriverError, VoicecoilError
from voicecoil.streams.stream import InputStream, OutputStream
from voicecoil.wording import plural, rounded

__all__ = ["devices", "latency", "overview", "priority", "systems"]

PRIORITY_S = 0.3  # the worker has run by then, and RealtimeKit has answered


def overview() -> Finding:
    """Return the versions of this program's parts."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    parts = {
        "voicecoil": sys.modules["voicecoil"].__version__,
        "python": platform.python_version() + ("" if gil else " without a GIL"),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }
    text = (
        f"voicecoil {parts['voicecoil']}, Python {parts['python']}, NumPy {parts['numpy']}, "
        f"{parts['system']} on {parts['machine']}"
    )
    return Finding("versions", "ok", text, parts)


def systems() -> list[Finding]:
    """Return one finding for each audio system of this platform, with its devices."""
    return [_system(name) for name in real_driver_names() if name != "virtual"]


def _system(name: str) -> Finding:
    test = f"system {name}"
    try:
        driver = get_driver(name)
        devices = driver.devices()
    except DriverError as error:
        return Finding(test, "warning", str(error))
    if not devices:
        why = why_silent(driver)
        return Finding(test, "warning", f"no devices{f' ({why})' if why else ''}")
    defaults = {
        way: next((d.name for d in devices if getattr(d, f"is_default_{way}")), None)
        for way in ("input", "output")
    }
    text = f"{plural(len(devices), 'device')}" + "".join(
        f", default {way}: {found or 'none'}" for way, found in defaults.items()
    )
    verdict: Verdict = "ok" if defaults["output"] else "warning"
    data = {"defaults": defaults, "devices": [asdict(device) for device in devices]}
    return Finding(test, verdict, text, data)


def devices(subject: Subject) -> list[Finding]:
    """Return one finding for each device of the audio system whose devices are tested."""
    return [Finding("device", "ok", _described(d), asdict(d)) for d in subject.driver.devices()]


def _described(device: Device) -> str:
    ways: tuple[Direction, Direction] = ("input", "output")
    words = [
        *(f"{n} {way[:-3]}" for way in ways if (n := device.channels(way))),
        f"{device.samplerate:g} Hz",
    ]
    rates = [f"{rate:g}" for rate in device.samplerates or ()]
    if len(rates) > 1:
        words.append(f"offers {' '.join(rates)}")
    for way in ways:
        if (frames := getattr(device, f"{way}_latency_frames")) is not None:
            words.append(f"{way} latency {plural(frames, 'frame')}")
    if device.transport is not None:
        words.append(device.transport)
    words += [f"default {way}" for way in ways if getattr(device, f"is_default_{way}")]
    return f"{device.name}: {', '.join(words)}"


def latency(subject: Subject) -> list[Finding]:
    """Return the latency of each direction with a callback on the device's thread."""
    found = []
    for way, kind in (("output", OutputStream), ("input", InputStream)):
        device = getattr(subject, way)
        if device is None:
            continue
        test = f"{way} latency"
        try:
            with kind(
                lambda block: None, device=device, driver=subject.driver, latency="low"
            ) as stream:
                stream.wait(timeout=PRIORITY_S)
                told, rate = stream.latency, stream.samplerate
        except (VoicecoilError, OSError) as error:
            found.append(Finding(test, "failed", f"{device.name}: {error}"))
            continue
        parts = {key: value for key, value in asdict(told).items() if key.endswith("_frames")}
        words = [f"{value} {key[:-7]}" for key, value in parts.items() if value]
        estimated = " (estimated)" if told.is_estimate else ""
        text = f"{device.name}: {rounded(told.seconds * 1e3, 3)} ms{estimated} at {rate:g} Hz"
        if words:
            text += f" = {' + '.join(words)} frames"
        found.append(Finding(test, "ok", text, {"seconds": told.seconds, **parts}))
    return found


def priority(subject: Subject) -> Finding:
    """Return the priority that the system gives to the thread of a callback with a lead."""
    device = subject.output or subject.input
    if device is None:
        return Finding("priority", "skipped", "there is no device")
    kind = OutputStream if subject.output is not None else InputStream
    with kind(lambda block: None, device=device, driver=subject.driver) as stream:
        stream.wait(timeout=PRIORITY_S)
        got = stream.worker_priority
    data = None if got is None else asdict(got)
    if got is None:
        return Finding("priority", "skipped", "the callback has no thread of its own")
    if got.is_realtime:
        level = f", level {got.level}" if got.level else ""
        return Finding("priority", "ok", f"{got.policy}{level}", {"priority": data})
    return Finding("priority", "warning", f"{got.policy}: {got.detail}", {"priority": data})
