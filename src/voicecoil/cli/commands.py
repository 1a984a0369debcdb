"""The commands themselves."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

import voicecoil as vc
from voicecoil.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from voicecoil.cli.display import REFRESH_S, Display, clock_text, decibels, showing
from voicecoil.drivers.choose import driver_names, get_driver
from voicecoil.drivers.virtual.driver import VirtualDriver
from voicecoil.errors import ArgumentError, ArgumentTypeError, DeviceNotFoundError, VoicecoilError

__all__ = ["app"]

app = cyclopts.App(
    name="voicecoil",
    help="CoreAudio from Python: real-time audio.",
    version=vc.__version__,
    help_format="markdown",
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, Parameter(help="Print one JSON object or array for programs, and nothing else.")]
Device = Annotated[str | None, Parameter(help="Name, part of a name, or uid. Default: the system's.")]
DriverName = Annotated[str | None, Parameter(help="Audio system; see `voicecoil devices --help`.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], help="No meter and no progress.")]


@app.meta.default
def _run(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> int:
    """Turns the library's errors into one line and an exit code."""
    try:
        result = app(tokens)
        return result if isinstance(result, int) else 0
    except (ArgumentError, ArgumentTypeError, DeviceNotFoundError) as error:
        _complain(error)
        return EXIT_USAGE
    except (VoicecoilError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        _complain(error)
        return EXIT_FAILED


def _complain(error: Exception) -> None:
    err.print(f"voicecoil: {error}", style="red", markup=False, soft_wrap=True)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


# ---- devices -------------------------------------------------------------------------------------


@app.command
def devices(*, driver: DriverName = None, json: Json = False) -> None:
    """List the audio devices.

    Examples:
        voicecoil devices
        voicecoil devices --json
        voicecoil devices --driver virtual
    """
    listed = vc.devices(driver)
    if json:
        _print_json([_device_fields(device) for device in listed])
        return
    name = get_driver(driver).name
    if not listed:
        out.print(f"The driver {name!r} has no devices. Drivers: {', '.join(driver_names())}.")
        return
    table = Table(title=f"Devices of the driver {name!r}", title_justify="left")
    for heading in ("name", "uid", "in", "out", "rate", "default for"):
        table.add_column(heading, justify="right" if heading in ("in", "out", "rate") else "left")
    for device in listed:
        ways = [
            way
            for way, default in (
                ("input", device.is_default_input),
                ("output", device.is_default_output),
            )
            if default
        ]
        table.add_row(
            device.name,
            device.uid,
            str(device.input_channels or "-"),
            str(device.output_channels or "-"),
            f"{device.samplerate:g} Hz",
            ", ".join(ways),
        )
    out.print(table)


def _device_fields(device: vc.Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "uid": device.uid,
        "driver": device.driver,
        "input_channels": device.input_channels,
        "output_channels": device.output_channels,
        "samplerate": device.samplerate,
        "is_default_input": device.is_default_input,
        "is_default_output": device.is_default_output,
    }


# ---- play ----------------------------------------------------------------------------------------


@app.command
def play(
    file: Annotated[Path, Parameter(help="WAV, AIFF, FLAC, OGG, MP3, CAF.")],
    *,
    device: Device = None,
    driver: DriverName = None,
    gain_db: Annotated[float, Parameter(help="dB; 0 leaves the sound as it is.")] = 0.0,
    heard: Annotated[
        Path | None,
        Parameter(help="Write what the device heard to this float WAV. Virtual devices only."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Play a sound file.

    Examples:
        voicecoil play song.flac
        voicecoil play song.flac --device headphones --gain-db -6
        voicecoil play song.flac --driver virtual --heard heard.wav --json
    """
    captured = _capture(heard, device, driver)
    if not json:
        _say_if_virtual(driver)
    playback = vc.play(file, device=device, driver=driver, gain=10.0 ** (gain_db / 20.0))
    total = playback.frames / playback.samplerate if playback.frames is not None else None
    display = Display(file.name, total)
    try:
        with showing(out, display, enabled=not (quiet or json)) as show:
            while not playback.wait(REFRESH_S):
                show(playback.position_s, playback.levels())
            show(playback.position_s, playback.levels())
    except KeyboardInterrupt:
        playback.stop(fade_s=0.02)
        playback.wait(0.06)
        _end_capture(captured)
        if not json:
            err.print(f"stopped at {clock_text(playback.position_s)}")
        return EXIT_INTERRUPTED
    heard_frames = _end_capture(captured)
    report = {
        "file": str(file),
        "device": playback.device.name,
        "driver": playback.device.driver,
        "samplerate": playback.samplerate,
        "frames": playback.position,
        "duration_s": playback.position_s,
        "starved_frames": playback.starved_frames,
        "heard": str(heard) if heard else None,
        "heard_frames": heard_frames,
    }
    if json:
        _print_json(report)
    elif not quiet:
        out.print(
            f"played {playback.position} frames ({clock_text(playback.position_s)}) "
            f"on {playback.device.name!r} at {playback.samplerate:g} Hz"
            + (f"; what it heard is in {heard}" if heard else ""),
            markup=False,
        )
        if playback.starved_frames:
            out.print(f"{playback.starved_frames} frames came late from the file", style="yellow")
    return 0


def _say_if_virtual(driver: str | None) -> None:
    if get_driver(driver).name == "virtual" and driver is None:
        err.print(
            "no driver for sound hardware: the virtual device plays, in real time and unheard",
            style="dim",
        )


def _capture(heard: Path | None, device: str | None, driver: str | None) -> Any:
    if heard is None:
        return None
    chosen = get_driver(driver)
    target = vc.default_device("output", chosen) if device is None else _named(device, chosen)
    if not isinstance(chosen, VirtualDriver):
        raise ArgumentError(
            f"--heard: {target.name!r} belongs to the driver {chosen.name!r}; only virtual devices "
            "keep what they hear (--driver virtual)"
        )
    virtual = chosen.virtual_device(target)
    virtual.capture(heard)
    return virtual


def _named(device: str, driver: Any) -> vc.Device:
    from voicecoil.devices import find_device

    return find_device(device, ("output",), driver)


def _end_capture(captured: Any) -> int | None:
    if captured is None:
        return None
    from voicecoil.output import close_outputs

    close_outputs()
    return int(captured.end_capture())


# ---- record --------------------------------------------------------------------------------------


@app.command
def record(
    file: Annotated[Path, Parameter(help="WAV (32-bit float), AIFF, FLAC, OGG, MP3, CAF.")],
    *,
    duration: Annotated[
        float | None, Parameter(name=["--duration", "-d"], help="s; without it until Ctrl-C.")
    ] = None,
    device: Device = None,
    driver: DriverName = None,
    samplerate: Annotated[float | None, Parameter(help="Hz; default: the device's.")] = None,
    channels: Annotated[int | None, Parameter(help="Default: all of the device's.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Record into a sound file, for a time or until Ctrl-C.

    Examples:
        voicecoil record take.wav
        voicecoil record take.flac --duration 10 --channels 1
    """
    take = vc.record(
        file,
        duration_s=duration,
        device=device,
        driver=driver,
        samplerate=samplerate,
        channels=channels,
    )
    display = Display(f"recording {file.name}", duration)
    highest = 0.0
    try:
        with showing(out, display, enabled=not (quiet or json)) as show:
            while take.wait(REFRESH_S) is None:
                levels = take.levels()
                highest = max([highest, *(peak for peak, _ in levels)])
                show(take.position_s, levels)
    except KeyboardInterrupt:
        take.stop()
    highest = max([highest, *(peak for peak, _ in take.levels())])
    report = {
        "file": str(file),
        "device": take.device.name,
        "driver": take.device.driver,
        "samplerate": take.samplerate,
        "channels": take.channels,
        "frames": take.position,
        "duration_s": take.position_s,
        "lost_frames": take.lost_frames,
        "peak": highest,
    }
    if json:
        _print_json(report)
    elif not quiet:
        out.print(
            f"recorded {take.position} frames ({clock_text(take.position_s)}) from "
            f"{take.device.name!r} to {file}, peak {decibels(highest):.1f} dB",
            markup=False,
        )
        if take.lost_frames:
            out.print(f"{take.lost_frames} frames were lost", style="yellow")
    return 0


# ---- tone ----------------------------------------------------------------------------------------


@app.command
def tone(
    frequency: Annotated[float, Parameter(help="Hz.")] = 440.0,
    *,
    duration: Annotated[float, Parameter(name=["--duration", "-d"], help="s.")] = 2.0,
    level_db: Annotated[float, Parameter(help="Peak, dB re full scale.")] = -12.0,
    device: Device = None,
    driver: DriverName = None,
    samplerate: Annotated[float | None, Parameter(help="Hz; default: the device's.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Play a sine that a Python function computes in the device's callback.

    Examples:
        voicecoil tone
        voicecoil tone 1000 --duration 5 --level-db -20
    """
    import numpy as np

    if not 0 < duration < 1e6 or not 0 < frequency < 1e6 or level_db > 0:
        raise ArgumentError(
            f"frequency={frequency} Hz, duration={duration} s, level_db={level_db} dB; give "
            "positive numbers, and a level of 0 dB or less"
        )
    amplitude = 10.0 ** (level_db / 20.0)
    position = 0

    def sine(block: vc.Block) -> None:
        nonlocal position
        left = round(duration * block.samplerate) - position
        at = position + np.arange(block.frames)
        wave = amplitude * np.sin(2 * np.pi * frequency / block.samplerate * at)
        ramp = np.minimum(at + 1, position + left - at) / (0.005 * block.samplerate)
        block.output[:] = (wave * np.clip(ramp, 0, 1))[:, None]
        position += block.frames
        if left <= block.frames:
            raise vc.Stop

    if not json:
        _say_if_virtual(driver)
    display = Display(f"{frequency:g} Hz", duration)
    with vc.OutputStream(sine, device=device, driver=driver, samplerate=samplerate) as stream:
        with showing(out, display, enabled=not (quiet or json)) as show:
            while not stream.wait(REFRESH_S):
                show(min(duration, position / stream.samplerate), [])
        report = {
            "frequency_hz": frequency,
            "device": stream.device.name,
            "driver": stream.device.driver,
            "samplerate": stream.samplerate,
            "duration_s": duration,
            "xruns": stream.statistics().xruns,
        }
    if json:
        _print_json(report)
    elif not quiet:
        out.print(
            f"played {frequency:g} Hz for {duration:g} s on {stream.device.name!r}", markup=False
        )
    return 0


# ---- render --------------------------------------------------------------------------------------


@app.command
def render(
    callback: Annotated[str, Parameter(help="`file.py:function` or `module:function`.")],
    file: Annotated[Path, Parameter(help="WAV (32-bit float), AIFF, FLAC, OGG, MP3, CAF.")],
    *,
    duration: Annotated[float, Parameter(name=["--duration", "-d"], help="s.")] = 5.0,
    samplerate: Annotated[float, Parameter(help="Hz.")] = 48_000.0,
    channels: int = 2,
    blocksize: Annotated[int, Parameter(help="Frames per block.")] = 512,
    json: Json = False,
) -> int:
    """Run a callback as fast as the machine can, into a sound file.

    Examples:
        voicecoil render examples/sine.py:tone tone.wav --duration 5
        voicecoil render mypackage.synth:voice voice.flac --samplerate 44100 --channels 1
    """
    from voicecoil.files import FileSink

    function = _load(callback)
    if not 0 < duration < 1e6:
        raise ArgumentError(f"duration={duration} s; give more than 0")
    began = time.perf_counter()
    sound = vc.render(
        function,
        frames=round(duration * samplerate),
        samplerate=samplerate,
        channels=channels,
        blocksize=blocksize,
    )
    took = time.perf_counter() - began
    with FileSink(file, samplerate, channels) as sink:
        sink.write(sound)
    peak = float(abs(sound).max(initial=0.0))
    if json:
        _print_json(
            {
                "file": str(file),
                "samplerate": samplerate,
                "channels": channels,
                "frames": len(sound),
                "peak": peak,
                "times_real_time": duration / took,
            }
        )
    else:
        out.print(
            f"rendered {len(sound)} frames ({clock_text(duration)}) to {file}, peak "
            f"{decibels(peak):.1f} dB, {duration / took:.0f} times real time",
            markup=False,
        )
    return 0


def _load(spec: str) -> Callable[[vc.Block], None]:
    import importlib
    import importlib.util

    home, _, name = spec.rpartition(":")
    if not home or not name:
        _bad_spec(spec, "it has no ':function' part")
    if home.endswith(".py"):
        path = Path(home)
        if not path.is_file():
            _bad_spec(spec, f"there is no file {home}")
        found = importlib.util.spec_from_file_location(path.stem, path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[path.stem] = module
        found.loader.exec_module(module)
    else:
        sys.path.insert(0, "")
        try:
            module = importlib.import_module(home)
        except ImportError as error:
            _bad_spec(spec, str(error))
    function = getattr(module, name, None)
    if not callable(function):
        _bad_spec(spec, f"{home} has no function {name}")
    return function


def _bad_spec(spec: str, why: str) -> NoReturn:
    raise ArgumentError(
        f"callback {spec!r}: {why}; give file.py:function or package.module:function"
    )
