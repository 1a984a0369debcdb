"""The command ``voicecoil record``."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

import voicecoil as vc
from voicecoil.arguments import check_seconds
from voicecoil.cli import EXIT_INTERRUPTED
from voicecoil.cli.app import (
    DeviceName,
    DriverName,
    Duration,
    Json,
    Quiet,
    command,
    err,
    print_json,
    say,
    say_device,
    say_if_virtual,
    warn,
)
from voicecoil.cli.channels import CHANNELS_HELP, Channels, channels_option, check_listed
from voicecoil.cli.display import (
    REFRESH_S,
    Display,
    duration_text,
    level_text,
    showing,
    where,
)
from voicecoil.cli.pipes import (
    Dtype,
    MakeSink,
    Raw,
    check_file_options,
    is_pipe,
    shown_name,
    stdout_sink,
)
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.find import find_device
from voicecoil.levels import decibels
from voicecoil.sounds.record import begin_recording
from voicecoil.sounds.record_request import OnLoss, check_record_request
from voicecoil.streams.silence import channels_written_as
from voicecoil.wording import plural

__all__ = ["record"]


@command("""
    voicecoil record take.wav
    voicecoil record take.flac --duration 10 --channels 1
    voicecoil record take.wav --device microphone --samplerate 44100
    voicecoil record take.wav --device interface --channels 3,4
    voicecoil record - --raw --dtype int16 --rate 16000 --channels 1
""")
def record(
    file: Annotated[
        Path,
        Parameter(
            help="WAV (32-bit float), AIFF, FLAC, OGG, MP3, CAF; '-': WAV to standard output."
        ),
    ],
    /,
    *,
    duration: Annotated[float | None, Duration, Parameter(help="Without it: until Ctrl-C.")] = None,
    device: DeviceName = None,
    driver: DriverName = None,
    samplerate: Annotated[
        float | None,
        Parameter(name=["--samplerate", "--rate"], metavar="HZ", help="Default: the device's."),
    ] = None,
    channels: Annotated[Channels, Parameter(help=f"{CHANNELS_HELP} Without it: all.")] = None,
    subtype: Annotated[
        str | None, Parameter(metavar="NAME", help="The file's sample format, such as PCM_24.")
    ] = None,
    force: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Replace a file that is there."),
    ] = False,
    on_loss: Annotated[
        OnLoss, Parameter(help="Lost frames become silence, are cut, or end the recording.")
    ] = "silence",
    buffer: Annotated[
        float, Parameter(metavar="SECONDS", help="Longest time for which the disk may stall.")
    ] = 30.0,
    raw: Raw = False,
    dtype: Dtype = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Record into a sound file or a pipe, for a time or until Ctrl-C.

    With '-', everything but the sound is printed to standard error.

    Ctrl-C ends the recording, and the frames recorded so far are kept. Without --duration this is
    the normal end, and the exit code is 0. If the default device goes away, the recording continues
    on the new default device. If the device was named, the recording waits for it. The frames
    missing in between are counted, and are silence in the file.
    """
    if duration is not None:
        check_seconds(duration, "--duration", least_excluded=True)
    make_sink = _piped(file, raw, dtype, subtype, on_loss)
    chosen = get_driver(driver)
    # `record` would wait for a missing device. A user at a terminal needs the error now.
    check_listed(channels, find_device(device, ("input",), chosen), "input")
    say_if_virtual(driver)
    asked: dict[str, Any] = {
        "duration_s": duration,
        "samplerate": samplerate,
        "subtype": subtype,
        "buffer_s": buffer,
        "on_loss": on_loss,
    }
    target: dict[str, Any] = {"device": device, "driver": chosen, "channels": channels}
    with channels_written_as(channels_option):
        take = _begin(file, force, make_sink, asked, **target)
    interrupted, highest = _follow(take, file, duration, shown=not (quiet or json))
    if json:
        # If the sound is on standard output, the report must not be there as well.
        told = _as_json(take, file, interrupted, highest)
        print_json(told, sys.stderr if is_pipe(file) else None)
    elif not quiet:
        _say_what_came(take, file, highest)
    return EXIT_INTERRUPTED if interrupted and duration is not None else 0


def _piped(
    file: Path, raw: bool, dtype: str | None, subtype: str | None, on_loss: OnLoss
) -> MakeSink | None:
    """Return what makes the sink for standard output; None if a file is recorded."""
    if not is_pipe(file):
        check_file_options(raw, dtype=dtype)
        return None
    if subtype is not None:
        raise vc.ArgumentError(f"--subtype {subtype}: for '-' give --dtype")
    return stdout_sink(raw, dtype, states_length=on_loss == "silence")


def _begin(
    file: Path, force: bool, make_sink: MakeSink | None, asked: dict[str, Any], **target: Any
) -> vc.Recording:
    target["on_device_lost"] = "default" if target["device"] is None else "wait"
    if make_sink is not None:
        request = check_record_request(None, frames=None, dtype="float32", **asked)
        return begin_recording(request, make_sink, **target)
    try:
        return vc.record(file, exist_ok=force, **asked, **target)
    except vc.FileThereError:
        raise vc.ArgumentError(
            f"{str(file)!r} exists; give another name, or --force to replace it"
        ) from None


def _follow(
    take: vc.Recording, file: Path, duration_s: float | None, shown: bool
) -> tuple[bool, float]:
    """Show the recording until it ends. Returns whether Ctrl-C ended it, and its highest peak."""
    name = f"● {shown_name(file, 'output')}"
    display = Display(name, where(take.device, take.samplerate), duration_s, "red")
    highest = 0.0
    interrupted = False
    try:
        with showing(err, display, enabled=shown) as show:
            while take.wait(REFRESH_S) is None:
                levels = take.levels()
                highest = max([highest, *(level.peak for level in levels)])
                for event in take.events():
                    display.place = where(take.device, take.samplerate)
                    if shown:
                        say_device(event)
                show(take.position_s, levels)
    except KeyboardInterrupt:
        interrupted = True
        take.stop()
    return interrupted, max([highest, *(level.peak for level in take.levels())])


def _as_json(take: vc.Recording, file: Path, interrupted: bool, highest: float) -> dict[str, Any]:
    peak_db = decibels(highest)
    return {
        "file": str(file),
        "device": take.device.name,
        "driver": take.device.driver,
        "samplerate": take.samplerate,
        "channels": take.channels,
        "frames": take.position,
        "duration_s": take.position_s,
        "lost_frames": take.lost_frames,
        "losses": [asdict(loss) for loss in take.losses],
        "clipped_samples": take.clipped_samples,
        "interrupted": interrupted,
        "peak": highest,
        "peak_db": peak_db if math.isfinite(peak_db) else None,
    }


def _say_what_came(take: vc.Recording, file: Path, highest: float) -> None:
    piped = is_pipe(file)
    tell = partial(warn, style="") if piped else say
    tell(
        f"recorded {duration_text(take.position_s)} from {where(take.device, take.samplerate)} "
        f"to {shown_name(file, 'output') if piped else file}, "
        f"{plural(take.channels, 'channel')}, {level_text(highest)}"
    )
    if take.lost_frames:
        warn(f"{plural(take.lost_frames, 'frame')} were lost{_where_first(take)}")
    if take.clipped_samples:
        warn(
            f"{plural(take.clipped_samples, 'sample')} were beyond full scale and are clipped; "
            "a .wav file of floats keeps them"
        )


def _where_first(take: vc.Recording) -> str:
    if not take.losses:
        return ""
    first = duration_text(take.losses[0].position / take.samplerate)
    return f", the first ones after {first}"
