"""The command ``voicecoil render``."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Annotated, NoReturn, cast

from cyclopts import Parameter

import voicecoil as vc
from voicecoil.arguments import shown
from voicecoil.cli import EXIT_INTERRUPTED
from voicecoil.cli.app import Duration, Json, Quiet, Whole, command, print_json, say
from voicecoil.cli.channels import Channels
from voicecoil.cli.display import duration_text, level_text
from voicecoil.errors import ArgumentError
from voicecoil.files.sink import FileSink
from voicecoil.levels import decibels
from voicecoil.streams.base import Callback
from voicecoil.wording import plural

__all__ = ["render"]

_OWN_MODULES = (
    "numpy",
    "soundfile",
    "soxr",
    "voicecoil.files.convert",
    "voicecoil.files.sink",
)


@command("""
    voicecoil render examples/sine.py:tone tone.wav
    voicecoil render synth.py:voice voice.flac --duration 30 --samplerate 44100
    voicecoil render mypackage.synth:voice voice.wav --channels 1
""")
def render(
    callback: Annotated[str, Parameter(help="file.py:function or package.module:function.")],
    file: Annotated[Path, Parameter(help="WAV (32-bit float), AIFF, FLAC, OGG, MP3 or CAF.")],
    /,
    *,
    duration: Annotated[float, Duration, Parameter(help="Length of the file.")] = 5.0,
    samplerate: Annotated[float, Parameter(metavar="HZ", help="The file's rate.")] = 48_000.0,
    channels: Annotated[
        Channels, Parameter(help="Of the file. A list, from 1: 3,4 leaves the others silent.")
    ] = 2,
    blocksize: Annotated[Whole, Parameter(metavar="FRAMES", help="Frames per call.")] = 512,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Run a callback as fast as the machine can, into a sound file.

    The callback is a function for voicecoil.OutputStream, with one argument, the block. Its file is
    executed as an import would execute it.
    """
    if not 0 < duration < 1e6:
        raise ArgumentError(f"--duration {duration:g}: give more than 0 s, and less than 1e6")
    function = _load(callback)
    count = channels if isinstance(channels, int) else max(channels) + 1
    began = time.perf_counter()
    try:
        with FileSink(file, samplerate, count, whole=True) as sink:
            sound = vc.render(
                function,
                frames=round(duration * samplerate),
                samplerate=samplerate,
                channels=channels,
                blocksize=blocksize,
            )
            took = time.perf_counter() - began
            sink.write(sound)
    except KeyboardInterrupt:
        if json:
            print_json({"file": str(file), "frames": 0, "interrupted": True})
        elif not quiet:
            took = time.perf_counter() - began
            say(f"stopped after {duration_text(took)}; {file} was not written")
        return EXIT_INTERRUPTED
    peak = float(abs(sound).max(initial=0.0))
    speed = duration / took
    if json:
        peak_db = decibels(peak)
        print_json(
            {
                "file": str(file),
                "samplerate": samplerate,
                "channels": count,
                "frames": len(sound),
                "duration_s": len(sound) / samplerate,
                "peak": peak,
                "peak_db": peak_db if math.isfinite(peak_db) else None,
                "times_real_time": speed,
                "interrupted": False,
            }
        )
    elif not quiet:
        say(
            f"rendered {duration_text(duration)} to {file}, {plural(count, 'channel')} at "
            f"{samplerate:g} Hz, {level_text(peak)}, {speed:.0f} times real time"
        )
    return 0


def _load(spec: str) -> Callback:
    home, _, name = spec.rpartition(":")
    if not home or not name:
        _bad_spec(spec, "it names no function")
    _import_own_modules()
    if home.endswith(".py"):
        if not Path(home).is_file():
            _bad_spec(spec, f"there is no file {home!r}")
        module = _run_file(spec, Path(home).absolute())
    else:
        sys.path.insert(0, os.getcwd())
        try:
            module = importlib.import_module(home)
        except ModuleNotFoundError as error:
            if error.name is None or not home.startswith(error.name):
                raise  # the module exists, but a module that it imports does not
            _bad_spec(spec, f"there is no module {error.name!r}")
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value)]
        _bad_spec(spec, f"it has no function {shown(name)}, but {', '.join(functions) or 'none'}")
    return cast(Callback, function)


def _import_own_modules() -> None:
    """Import the modules that voicecoil and rich import late.

    This must happen before the folder of the user's file is put first in `sys.path`. Otherwise a
    file soundfile.py in that folder would be imported instead of the library.
    """
    for name in _OWN_MODULES:
        importlib.import_module(name)


def _run_file(spec: str, path: Path) -> ModuleType:
    # A file with the name of a loaded module must not replace that module.
    module_name = path.stem if path.stem not in sys.modules else f"_voicecoil_render_{path.stem}"
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None:
        _bad_spec(spec, "it cannot be imported")
    sys.path.insert(0, str(path.parent.resolve()))  # the file may import modules of its folder
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    found.loader.exec_module(module)
    return module


def _bad_spec(spec: str, why: str) -> NoReturn:
    raise ArgumentError(f"{shown(spec)}: {why}; give file.py:function or package.module:function")
