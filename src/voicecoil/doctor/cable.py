"""Tests with a way from the output to the input: a cable, or a microphone at a loudspeaker."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicecoil.doctor.finding import Finding, Subject, Verdict
from voicecoil.errors import DeviceLostError
from voicecoil.files.sink import FileSink
from voicecoil.sounds.playrec import Measurement, playrec
from voicecoil.wording import plural, rounded

__all__ = ["find_glitches", "find_lag", "glitches", "round_trip"]

LEVEL = 0.2  # peak of the burst and of the tone; 1.0 is full scale
BURST_FRAMES = 4096
GAP_S = 0.5  # after each burst; the longest round trip that is found, s
MOST_CHANNELS = 8
CLEAR = 8.0  # the peak of a correlation, in standard deviations of the rest
TONE_PERIOD = 48  # frames; the window of the glitch test has whole periods
WINDOW = 4 * TONE_PERIOD
LEAST_SHARE = 0.3  # of the tone in the energy of a channel that has heard it
KEPT_S = 0.25  # sound that is kept before and after a glitch

Float = NDArray[np.float64]


def burst() -> Float:
    """Return a burst of noise, which is the same each time. Shape (BURST_FRAMES,)."""
    signs = np.random.default_rng(1).integers(0, 2, BURST_FRAMES) * 2 - 1
    return LEVEL * signs * np.hanning(BURST_FRAMES)


def find_lag(heard: Float, played: Float) -> tuple[int, float]:
    """Return the frame of `heard` at which `played` begins, and how clear that is.

    The clearness is the peak of the correlation in standard deviations. Noise alone has less than
    about 6.
    """
    size = len(heard) + len(played)
    spectrum = np.fft.rfft(heard, size) * np.fft.rfft(played, size).conj()
    strength = np.abs(np.fft.irfft(spectrum, size))[: len(heard)]
    spread = float(np.sqrt(np.mean(strength**2)))
    lag = int(strength.argmax())
    return lag, float(strength[lag]) / spread if spread else 0.0


def _needs(subject: Subject, test: str) -> Finding | None:
    if subject.output is None or subject.input is None:
        return Finding(test, "skipped", "this needs an output and an input")
    return None


def _measure(subject: Subject, sound: NDArray[Any], rate: float) -> tuple[Measurement, Float]:
    assert subject.input is not None
    measurement = playrec(
        sound,
        rate,
        input_channels=list(range(min(MOST_CHANNELS, subject.input.input_channels))),
        output_channels=list(range(sound.shape[1])),
        device=subject.pair,
        driver=subject.driver,
        align=False,
        name="doctor",
    )
    heard = measurement.wait(timeout=len(sound) / rate + 20)
    if heard is None:
        measurement.stop()
        raise DeviceLostError("the device stopped in the middle of the measurement")
    return measurement, heard.astype(np.float64)


def round_trip(subject: Subject) -> Finding:
    """Play a burst on each output, find it in each input, and compare with the reported latency."""
    if (missing := _needs(subject, "round-trip")) is not None:
        return missing
    assert subject.output is not None
    outputs = min(MOST_CHANNELS, subject.output.output_channels)
    rate = subject.output.samplerate
    noise, gap = burst(), round(GAP_S * rate) + BURST_FRAMES
    sound = np.zeros(((outputs + 1) * gap, outputs), np.float32)
    for channel in range(outputs):
        sound[channel * gap : channel * gap + BURST_FRAMES, channel] = noise
    measurement, heard = _measure(subject, sound, rate)
    reported = measurement.round_trip_frames
    ways = []
    for channel in range(outputs):
        part = heard[channel * gap : (channel + 1) * gap]
        for number in range(heard.shape[1]):
            lag, clear = find_lag(part[:, number], noise)
            if clear >= CLEAR:
                ways.append({"output": channel + 1, "input": number + 1, "frames": lag})
    data: dict[str, Any] = {"reported_frames": reported, "samplerate": rate, "ways": ways}
    if not ways:
        text = "no burst came back: connect an output to an input to measure it"
        return Finding("round-trip", "skipped", text, data)
    least = min(way["frames"] for way in ways)
    data["frames"] = least
    error = least - reported
    text = (
        f"{rounded(least / rate * 1e3, 3)} ms ({plural(least, 'frame')}), the system reports "
        f"{plural(reported, 'frame')}; heard: {_ways_text(ways)}"
    )
    silent = sorted(set(range(1, outputs + 1)) - {way["output"] for way in ways})
    if silent:
        text += f"; not heard: output {', '.join(map(str, silent))}"
    limit = measurement.alignment_error_frames or round(0.005 * rate)
    verdict: Verdict = "ok" if abs(error) <= limit and not measurement.losses else "warning"
    return Finding("round-trip", verdict, text, data)


def _ways_text(ways: list[dict[str, int]]) -> str:
    pairs: dict[int, list[str]] = {}
    for way in ways:
        pairs.setdefault(way["output"], []).append(str(way["input"]))
    return ", ".join(f"output {out} on input {'+'.join(ins)}" for out, ins in pairs.items())


def _demodulated(heard: Float, period: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return amplitude and phase of the tone in the WINDOW frames from each frame on.

    The second array turns with the tone.
    """
    turn = np.exp(-2j * np.pi * np.arange(len(heard)) / period)
    sums = np.concatenate([[0], np.cumsum(heard * turn)])
    return 2 * (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW, turn


def _share_of_tone(heard: Float) -> float:
    """Return the share of the tone in the energy of a channel, 0 to 1."""
    tone, _ = _demodulated(heard, TONE_PERIOD)
    energy = float((heard**2).sum())
    return float((np.abs(tone[::WINDOW]) ** 2).sum()) * WINDOW / 2 / energy if energy else 0.0


def find_glitches(heard: Float, period: float = TONE_PERIOD) -> list[int]:
    """Return the frames at which a tone jumps, stops or has a foreign sample.

    Parameters
    ----------
    heard : array, shape (frames,)
        The recorded tone. It may be preceded and followed by silence.
    period : float
        Period of the tone, frames.
    """
    tone, turn = _demodulated(heard, period)
    strength = np.abs(tone)
    usual = float(np.median(strength[strength > 0.1 * strength.max()], axis=0))
    there = np.flatnonzero(strength > 0.9 * usual)
    if not len(there):
        return []
    first, last = int(there[0]) + WINDOW, int(there[-1]) - WINDOW
    found: list[int] = []
    for at in range(first, last, WINDOW // 2):
        before, after = tone[at - WINDOW], tone[at]
        jump = abs(np.angle(after * np.conj(before))) if before else np.pi
        wave = np.real(before * np.conj(turn[at : at + WINDOW]))
        foreign = np.abs(heard[at : at + WINDOW] - wave).max()
        disturbed = jump > 0.2 or abs(after) < 0.7 * usual or foreign > 0.5 * usual
        if disturbed and not (found and at - found[-1] <= 2 * WINDOW):
            found.append(at)
    return found


def glitches(subject: Subject, keep: str | os.PathLike[str] | None = None) -> Finding:
    """Play a tone, and look for jumps and gaps in the recording of it.

    Parameters
    ----------
    subject : Subject
        The devices.
    keep : path or None
        The recording around the last glitch is written to this WAV file.
    """
    if (missing := _needs(subject, "glitches")) is not None:
        return missing
    assert subject.output is not None
    rate = subject.output.samplerate
    frames = round(subject.seconds * rate)
    tone = LEVEL * np.sin(2 * np.pi * np.arange(frames) / TONE_PERIOD)
    rest = np.zeros(round(0.5 * rate))
    sound = np.concatenate([tone, rest]).astype(np.float32)[:, None]
    stereo = np.repeat(sound, min(2, subject.output.output_channels), axis=1)
    measurement, heard = _measure(subject, stereo, rate)
    shares = [_share_of_tone(heard[:, channel]) for channel in range(heard.shape[1])]
    best = int(np.argmax(shares))
    losses = [[loss.direction, loss.position, loss.frames] for loss in measurement.losses]
    data: dict[str, Any] = {"seconds": subject.seconds, "losses": losses, "input": best + 1}
    if shares[best] < LEAST_SHARE:
        data["glitches"] = None
        text = "the tone did not come back: connect an output to an input to find glitches"
        if losses:
            return Finding("glitches", "warning", f"{text}; {_losses_text(losses)}", data)
        return Finding("glitches", "skipped", text, data)
    found = find_glitches(heard[:, best])
    data["glitches"] = found
    words = [f"{plural(len(found), 'glitch', 'glitches')} in {subject.seconds:g} s"]
    if losses:
        words.append(_losses_text(losses))
    if found and keep is not None:
        around = round(KEPT_S * rate)
        part = heard[max(0, found[-1] - around) : found[-1] + around]
        with FileSink(keep, rate, part.shape[1], exist_ok=True) as sink:
            sink.write(part.astype(np.float32))
        words.append(f"the last one is in {os.fspath(keep)}")
    verdict: Verdict = "warning" if found or losses else "ok"
    return Finding("glitches", verdict, "; ".join(words), data)


def _losses_text(losses: list[list[Any]]) -> str:
    frames = sum(loss[2] for loss in losses)
    return f"{plural(frames, 'frame')} lost in {plural(len(losses), 'place')}"
