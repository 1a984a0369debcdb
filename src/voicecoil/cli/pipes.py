"""Standard input and output in place of a file, as the name ``-``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from voicecoil.errors import ArgumentError
from voicecoil.files.pipes import PipeSink, PipeSource, raw_source, wav_source
from voicecoil.files.protocol import Sink
from voicecoil.sample_types import check_dtype

__all__ = [
    "Dtype",
    "MakeSink",
    "Raw",
    "RawRate",
    "check_file_options",
    "is_pipe",
    "shown_name",
    "stdin_source",
    "stdout_sink",
]

STDIN, STDOUT = 0, 1
MakeSink = Callable[[float, int, int | None], Sink]

Raw = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="With '-': samples without a header, not WAV."),
]
RawRate = Annotated[float | None, Parameter(metavar="HZ", help="With --raw: rate of the samples.")]
Dtype = Annotated[
    str | None,
    Parameter(metavar="TYPE", help="With '-': float32 (the default), int16, int32 or uint8."),
]


def is_pipe(file: Path) -> bool:
    """Whether the file is the name of standard input or output."""
    return str(file) == "-"


def shown_name(file: Path, direction: str) -> str:
    """Return the name of the file for a reader."""
    return f"standard {direction}" if is_pipe(file) else file.name


def check_file_options(raw: bool, **others: Any) -> None:
    """Refuse options of pipes for a file.

    Raises
    ------
    ArgumentError
    """
    given = ["--raw"] if raw else []
    given += [f"--{name}" for name, value in others.items() if value is not None]
    if given:
        raise ArgumentError(
            f"{' and '.join(given)}: only for '-', which is standard input or output; a file has "
            "a format of its own"
        )


def stdin_source(raw: bool, dtype: str | None, rate: float | None, channels: Any) -> PipeSource:
    """Return the sound on standard input.

    Raises
    ------
    ArgumentError
        Options are missing, or standard input is a terminal.
    FileFormatError
        Standard input is not a WAV stream.
    """
    if sys.stdin.isatty():
        raise ArgumentError("standard input is a terminal; send a sound through a pipe")
    if not raw:
        if dtype is not None or rate is not None:
            raise ArgumentError(
                "--dtype and --rate are for --raw; the header of a WAV stream has them"
            )
        return wav_source(STDIN)
    if rate is None or not isinstance(channels, int):
        raise ArgumentError(
            "--raw: give --rate HZ and --channels N, because raw samples have no header; and "
            "--dtype if they are not float32"
        )
    return raw_source(STDIN, rate, channels, check_dtype(dtype or "float32"))


def stdout_sink(raw: bool, dtype: str | None, states_length: bool) -> MakeSink:
    """Return a function that makes the sink for standard output.

    Parameters
    ----------
    raw : bool
        True: samples without a header.
    dtype : str or None
        None: float32.
    states_length : bool
        True: the header states the length, if the recording has one. False if lost frames may make
        the recording shorter than that.

    Raises
    ------
    ArgumentError
        `dtype` is unknown, or standard output is a terminal.
    """
    sample_type = check_dtype(dtype or "float32")
    if sys.stdout.isatty():
        raise ArgumentError("standard output is a terminal; send the sound to a pipe or a file")

    def make(rate: float, channels: int, frames: int | None) -> Sink:
        length = frames if states_length else None
        return PipeSink(STDOUT, rate, channels, sample_type, raw, length)

    return make
