"""The command ``voicecoil tone``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import voicecoil as vc
from voicecoil.cli import EXIT_INTERRUPTED
from voicecoil.cli.app import (
    DeviceName,
    DeviceRate,
    DriverName,
    Duration,
    Json,
    Quiet,
    command,
    err,
    print_json,
    say,
    say_if_virtual,
    warn,
)
from voicecoil.cli.display import REFRESH_S, Display, duration_text, showing, where
from voicecoil.errors import ArgumentError
from voicecoil.wording import plural

__all__ = ["Sine", "tone"]

RAMP_S = 0.005  # fade at both ends, because an abrupt start or end is heard as a click


class Sine:
    """A sine with a fade at both ends. Its method `block` is a stream's callback."""

    def __init__(self, frequency_hz: float, amplitude: float, duration_s: float) -> None:
        self.frequency_hz = frequency_hz
        self.amplitude = amplitude
        self.duration_s = duration_s
        self.position = 0  # frames computed so far
        self.released = False  # the command sets this to True to end the sine early
        self._end: int | None = None  # the frame after the last frame of the sine

    def block(self, block: vc.Block) -> None:
        import numpy as np

        ramp = max(1, round(RAMP_S * block.samplerate))
        if self._end is None:
            self._end = max(1, round(self.duration_s * block.samplerate))
        if self.released:
            self._end = min(self._end, self.position + ramp)
        frame = self.position + np.arange(block.frames)
        wave = np.sin(2 * np.pi * self.frequency_hz / block.samplerate * frame)
        gain = np.clip(np.minimum(frame, self._end - frame) / ramp, 0, 1)
        block.output[:] = (self.amplitude * gain * wave)[:, None]
        self.position = min(self._end, self.position + block.frames)
        if self.position == self._end:
            raise vc.Stop


@command("""
    voicecoil tone
    voicecoil tone 1000 --duration 5 --level-db -20
    voicecoil tone 440 --device headphones
""")
def tone(
    frequency: Annotated[float, Parameter(metavar="HZ", help="The pitch.")] = 440.0,
    /,
    *,
    duration: Annotated[float, Duration, Parameter(help="Length of the tone.")] = 2.0,
    level_db: Annotated[
        float, Parameter(metavar="DB", help="Peak; 0 is full scale.", allow_leading_hyphen=True)
    ] = -12.0,
    device: DeviceName = None,
    driver: DriverName = None,
    samplerate: DeviceRate = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Play a sine that a Python function computes, block by block.

    Ctrl-C fades it out.
    """
    if not 0 < duration < 1e6:
        raise ArgumentError(f"--duration {duration:g}: give more than 0 s, and less than 1e6")
    if not -120 <= level_db <= 0:
        raise ArgumentError(f"--level-db {level_db:g}: use -120 to 0 dB")
    sine = Sine(frequency, 10.0 ** (level_db / 20.0), duration)
    stream = vc.OutputStream(
        sine.block, device=device, driver=driver, samplerate=samplerate, meter=True
    )
    if not 0 < frequency < stream.samplerate / 2:
        stream.close()
        raise ArgumentError(
            f"{frequency:g} Hz: use more than 0 and less than half the sample rate, "
            f"{stream.samplerate / 2:g} Hz"
        )
    say_if_virtual(driver)
    place = where(stream.device, stream.samplerate)
    display = Display(f"{frequency:g} Hz", place, duration)
    with stream:
        interrupted = _follow(stream, sine, display, shown=not (quiet or json))
        seconds = sine.position / stream.samplerate
        xruns = stream.statistics().xruns
    if json:
        print_json(
            {
                "frequency_hz": frequency,
                "level_db": level_db,
                "device": stream.device.name,
                "driver": stream.device.driver,
                "samplerate": stream.samplerate,
                "duration_s": seconds,
                "xruns": xruns,
                "interrupted": interrupted,
            }
        )
    elif not quiet:
        say(
            f"{'stopped' if interrupted else 'played'} {frequency:g} Hz "
            f"{'after' if interrupted else 'for'} {duration_text(seconds)} on {place}"
        )
        if xruns:
            warn(plural(xruns, "xrun"))
    return EXIT_INTERRUPTED if interrupted else 0


def _follow(stream: vc.OutputStream, sine: Sine, display: Display, shown: bool) -> bool:
    """Show the tone until it ends. Returns whether Ctrl-C ended it."""
    try:
        with showing(err, display, enabled=shown) as show:
            while not stream.wait(REFRESH_S):
                show(sine.position / stream.samplerate, stream.levels())
    except KeyboardInterrupt:
        sine.released = True
        stream.wait(4 * RAMP_S + stream.latency.seconds)
        return True
    return False
