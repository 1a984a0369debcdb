"""Test of the input channels: which of them are dead."""

from __future__ import annotations

from typing import Any

from voicecoil.doctor.finding import Finding, Subject, Verdict
from voicecoil.levels import decibels
from voicecoil.sounds.record import record

__all__ = ["channels"]

LISTEN_S = 1.0


def channels(subject: Subject) -> Finding:
    """Test which input channels have a signal, noise, exact zeros, or a constant value."""
    device = subject.input
    if device is None:
        return Finding("inputs", "skipped", "there is no input")
    recording = record(
        duration_s=min(LISTEN_S, subject.seconds),
        device=device,
        driver=subject.driver,
        channels=list(range(device.input_channels)),
        name="doctor",
    )
    frames: Any = recording.wait(timeout=subject.seconds + 10)
    if frames is None or not len(frames):
        recording.stop()
        return Finding("inputs", "failed", f"{device.name} recorded nothing")
    kinds = [_kind(frames[:, channel]) for channel in range(frames.shape[1])]
    peaks = abs(frames).max(axis=0)
    words = []
    for kind in ("signal", "clipped", "constant", "zeros"):
        found = [str(channel + 1) for channel, has in enumerate(kinds) if has == kind]
        if found:
            words.append(f"{WORDS[kind]} {', '.join(found)}")
    loudest = float(peaks.max())
    if loudest > 0:
        words.append(f"peak {decibels(loudest):.0f} dB")
    verdict: Verdict = "ok" if all(kind == "signal" for kind in kinds) else "warning"
    if all(kind == "zeros" for kind in kinds):
        words.append("is the microphone muted, or has this program no permission to use it?")
    data = {"channels": kinds, "peaks": [float(peak) for peak in peaks]}
    return Finding("inputs", verdict, "; ".join(words), data)


WORDS = {
    "signal": "a signal on",
    "clipped": "clipped:",
    "constant": "a constant value on",
    "zeros": "exact zeros on",
}


def _kind(samples: Any) -> str:
    if not samples.any():
        return "zeros"
    if samples.min() == samples.max():
        return "constant"
    return "clipped" if abs(samples).max() >= 1 else "signal"
