"""The command ``voicecoil play``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

import voicecoil as vc
from voicecoil.cli import EXIT_INTERRUPTED
from voicecoil.cli.app import (
    DeviceName,
    DriverName,
    Json,
    Quiet,
    Whole,
    command,
    err,
    print_json,
    say,
    say_device,
    say_if_virtual,
    warn,
)
from voicecoil.cli.channels import CHANNELS_HELP, Channels, check_listed
from voicecoil.cli.display import REFRESH_S, Display, duration_text, showing, where
from voicecoil.cli.pipes import (
    Dtype,
    Raw,
    RawRate,
    check_file_options,
    is_pipe,
    shown_name,
    stdin_source,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Capture, CapturingDriver
from voicecoil.errors import ArgumentError
from voicecoil.files.pipes import PipeSource
from voicecoil.sounds.mixing import close_outputs
from voicecoil.wording import plural

__all__ = ["play"]

FADE_S = 0.02  # fade-out after Ctrl-C, which avoids a click
MAX_GAIN_DB = 60.0


@command("""
    voicecoil play song.flac
    voicecoil play song.flac --gain-db -6 --device headphones
    voicecoil play loop.wav --loops 4
    voicecoil play song.mp3 --driver virtual --heard heard.wav --json
    voicecoil play - --raw --dtype int16 --rate 24000 --channels 1
""")
def play(
    file: Annotated[
        Path,
        Parameter(help="WAV, AIFF, FLAC, OGG, MP3 or CAF; '-': WAV from standard input."),
    ],
    /,
    *,
    device: DeviceName = None,
    driver: DriverName = None,
    gain_db: Annotated[float, Parameter(metavar="DB", help="0 leaves the sound as it is.")] = 0.0,
    channels: Annotated[Channels, Parameter(help=f"{CHANNELS_HELP} Without it: two.")] = None,
    loops: Annotated[Whole, Parameter(metavar="N", help="Number of times. 0: until Ctrl-C.")] = 1,
    heard: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Write what a virtual device heard to this float WAV."),
    ] = None,
    raw: Raw = False,
    dtype: Dtype = None,
    rate: RawRate = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Play a sound file, or a sound from a pipe.

    With --raw, --channels is the number of channels of the samples.

    Ctrl-C fades the sound out. If the default device goes away, the sound continues on the new
    default device. If the device was named, the sound waits for it.
    """
    if file == Path():  # "" and "." are the same Path
        raise ArgumentError("FILE is empty, or '.', a directory; name a sound file")
    if not abs(gain_db) <= MAX_GAIN_DB:
        raise ArgumentError(f"--gain-db {gain_db:g}: use {-MAX_GAIN_DB:g} to {MAX_GAIN_DB:g} dB")
    source = _piped(file, raw, dtype, rate, channels, loops)
    channels = None if raw else channels
    capturing = _capture(heard, file, device, driver)
    # `play` would wait for a missing device. A user at a terminal needs the error now.
    chosen = get_driver(driver)
    check_listed(channels, find_device(device, ("output",), chosen), "output")
    say_if_virtual(driver)
    playback = vc.play(
        file if source is None else source,
        device=device,
        driver=chosen,
        channels=channels,
        gain=10.0 ** (gain_db / 20.0),
        loops=loops,
        on_device_lost="default" if device is None else "wait",
    )
    lost = _Lost()
    try:
        interrupted = _follow(playback, file, source, lost, shown=not (quiet or json))
    finally:
        close_outputs()
        heard_frames = capturing.end_capture() if capturing else None
    for event in playback.events():
        lost.count(event)
    if json:
        captured = {"heard": str(heard) if heard else None, "heard_frames": heard_frames}
        print_json(_as_json(playback, file, lost, interrupted) | captured)
    elif not quiet:
        _say_what_played(file, playback, lost, interrupted, heard)
    return EXIT_INTERRUPTED if interrupted else 0


def _piped(
    file: Path, raw: bool, dtype: str | None, rate: float | None, channels: Any, loops: int
) -> PipeSource | None:
    """Return the sound on standard input; None if a file is played."""
    if not is_pipe(file):
        check_file_options(raw, dtype=dtype, rate=rate)
        return None
    if loops != 1:
        raise ArgumentError(f"--loops {loops}: a pipe can be played once")
    return stdin_source(raw, dtype, rate, channels)


def _follow(
    playback: vc.Playback, file: Path, source: PipeSource | None, lost: _Lost, shown: bool
) -> bool:
    """Show the playback until it ends. Returns whether Ctrl-C ended it."""
    total_s = None if playback.frames is None else playback.frames / playback.samplerate
    name = shown_name(file, "input")
    display = Display(name, where(playback.device, playback.samplerate), total_s)
    try:
        with showing(err, display, enabled=shown) as show:
            while not playback.wait(REFRESH_S):
                for event in playback.events():
                    lost.count(event)
                    display.place = where(playback.device, playback.samplerate)
                    if shown:
                        say_device(event)
                show(playback.position_s, playback.levels())
    except KeyboardInterrupt:
        if source is not None:
            source.cancel()  # the reader may wait for the pipe
        playback.stop(FADE_S)
        playback.wait(2 * FADE_S)
        return True
    return False


def _as_json(playback: vc.Playback, file: Path, lost: _Lost, interrupted: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "device": playback.device.name,
        "driver": playback.device.driver,
        "samplerate": playback.samplerate,
        "frames": playback.position,
        "duration_s": playback.position_s,
        "starved_frames": playback.starved_frames,
        "lost_frames": lost.frames,
        "device_losses": lost.devices,
        "interrupted": interrupted,
    }


def _say_what_played(
    file: Path, playback: vc.Playback, lost: _Lost, interrupted: bool, heard: Path | None
) -> None:
    say(
        f"{'stopped' if interrupted else 'played'} {shown_name(file, 'input')} "
        f"{'after' if interrupted else 'for'} {duration_text(playback.position_s)} "
        f"on {where(playback.device, playback.samplerate)}"
        + (f"; what it heard is in {heard}" if heard else "")
    )
    if playback.starved_frames:
        medium = "pipe" if is_pipe(file) else "disk"
        silence = plural(playback.starved_frames, "frame")
        warn(f"the {medium} was too slow: {silence} of silence were played in between")
    if lost.frames:
        warn(
            f"the device did not get its blocks in time: {plural(lost.frames, 'frame')} of silence "
            "were heard in between"
        )


class _Lost:
    """Counts lost frames, except frames that were lost while the device changed."""

    def __init__(self) -> None:
        self.frames = 0
        self.devices = 0
        self._changed = False

    def count(self, event: vc.Event) -> None:
        self.devices += event.kind == "lost"
        if event.kind == "xrun" and not self._changed:
            self.frames += event.value
        self._changed = event.kind == "back" or (self._changed and event.kind != "xrun")


def _capture(
    heard: Path | None, file: Path, device: str | None, driver: str | None
) -> Capture | None:
    if heard is None:
        return None
    if heard.suffix.lower() != ".wav":
        raise ArgumentError(f"--heard {str(heard)!r}: it is a WAV file; give a name like heard.wav")
    if file.exists() and heard.exists() and heard.samefile(file):
        raise ArgumentError(f"--heard {str(heard)!r} is the file to play; give another name")
    chosen = get_driver(driver)
    target = find_device(device, ("output",), chosen)
    if not isinstance(chosen, CapturingDriver):
        raise ArgumentError(
            f"--heard: {target.name!r} belongs to the driver {chosen.name!r}; only virtual devices "
            "keep what they hear (--driver virtual)"
        )
    return chosen.capture(target, heard)
