"""Shared parts of all commands: options, errors as one line, exit codes."""

from __future__ import annotations

import inspect
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, TextIO

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

import voicecoil as vc
from voicecoil.arguments import shown
from voicecoil.cli import EXIT_FAILED, EXIT_USAGE
from voicecoil.cli.program_arguments import with_separator
from voicecoil.drivers.choose import offered_driver_names, why_virtual
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceNotFoundError,
    Stop,
    VoicecoilError,
)
from voicecoil.printable import printable, printable_lines
from voicecoil.wording import did_you_mean

__all__ = [
    "DeviceName",
    "DeviceRate",
    "DriverName",
    "Duration",
    "Json",
    "Quiet",
    "Whole",
    "app",
    "command",
    "err",
    "out",
    "print_json",
    "print_whole",
    "run",
    "say",
    "say_device",
    "say_if_virtual",
    "show_line",
    "warn",
    "wide",
    "with_pipe",
]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Pass the error on to `main`, which handles broken pipes of all output."""
        raise BrokenPipeError


out = _Console(highlight=False)
err = _Console(stderr=True, highlight=False)
wide = _Console(highlight=False, width=1000)

app = cyclopts.App(
    name="voicecoil",
    help="CoreAudio from Python: play, record and make sound.",
    version=vc.__version__,
    help_format="plaintext",
    help_epilogue="""\
Examples
  voicecoil devices
  voicecoil play song.flac
  voicecoil record take.wav --duration 10
  voicecoil tone 440
  voicecoil stress
  voicecoil COMMAND --help

Exit codes
  0 done    1 a device or a file failed    2 wrong usage    130 Ctrl-C""",
    console=out,
    error_console=err,
    suppress_keyboard_interrupt=False,
)

_printed: list[bool] = []  # not empty: this run of a command has printed JSON

Json = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="Print JSON for programs and nothing else."),
]
Quiet = Annotated[
    bool,
    Parameter(
        name=["--quiet", "-q"],
        negative="",
        show_default=False,
        help="Print nothing but errors and warnings.",
    ),
]
DeviceName = Annotated[
    str | None,
    Parameter(metavar="NAME", help="Name, part of a name, or uid. Without it: the default device."),
]
DeviceRate = Annotated[float | None, Parameter(metavar="HZ", help="Without it: the device's rate.")]
DriverName = Annotated[
    str | None,
    Parameter(metavar="NAME", help=f"Audio system: {', '.join(offered_driver_names())}."),
]


def _whole(kind: type, tokens: Sequence[cyclopts.Token]) -> int:
    """Convert text to a whole number. The converter of cyclopts would accept 1.5 and return 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{shown(tokens[0].value)} is not a whole number") from None


Whole = Annotated[int, Parameter(converter=_whole)]

Duration = Parameter(name=["--duration", "-d"], metavar="SECONDS")


def command(examples: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator for a command whose help ends with `examples`, one in each line."""
    lines = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        # Join the lines of each paragraph, because help is wrapped to the terminal's width.
        paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        app.command(function, help=text, help_epilogue=f"Examples\n{lines}")
        return function

    return decorate


def run(tokens: Sequence[str]) -> int:
    """Run a command and return its exit code. Errors of this library are printed as one line.

    With ``--json``, stdout has one JSON value in any case: the result of the command or its error.
    """
    _printed.clear()
    try:
        result = app(
            with_separator(with_pipe(tokens)),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        raise
    except Exception as error:
        code = _report(error, tokens)
        if code is None:
            raise  # a bug in voicecoil or cyclopts
        if _wants_json(tokens) and not _printed:
            print_json({"error": _error_as_json(error, code)}, _json_file(tokens))
        return code


def _report(error: Exception, tokens: Sequence[str]) -> int | None:
    """Print an error for people and return the exit code; None for a bug."""
    if isinstance(error, cyclopts.CycloptsError):
        said = _one_line(error)
        stop = "" if said.endswith((".", "!", "?")) else "."
        return _complain(f"{said}{stop} See: {_help_of(tokens)}", EXIT_USAGE)
    if isinstance(error, (ArgumentError, ArgumentTypeError, DeviceNotFoundError)):
        return _complain(str(error), EXIT_USAGE)
    if isinstance(error, (VoicecoilError, OSError, Stop)):
        return _complain(str(error) or repr(error), EXIT_FAILED)
    theirs = _users_frames(error)
    if theirs is None and not isinstance(error, SyntaxError):
        return None
    warn("".join(traceback.format_exception(error.with_traceback(theirs))).rstrip(), "")
    return EXIT_FAILED


def _wants_json(tokens: Sequence[str]) -> bool:
    options = list(tokens)
    return "--json" in (options[: options.index("--")] if "--" in options else options)


def with_pipe(tokens: Sequence[str]) -> list[str]:
    """Return the tokens with a path in place of ``-``, which cyclopts takes for an option."""
    return ["./-" if token == "-" else token for token in tokens]


def _json_file(tokens: Sequence[str]) -> TextIO:
    """Return stderr for a recording whose sound is on stdout, and stdout for all others."""
    return sys.stderr if tokens[0] == "record" and "-" in tokens else sys.stdout


def _error_as_json(error: Exception, code: int) -> dict[str, object]:
    usage = isinstance(error, cyclopts.CycloptsError)
    return {
        "type": "UsageError" if usage else type(error).__name__,
        "message": _one_line(error) if usage else str(error) or repr(error),  # type: ignore[arg-type]
        "notes": list(getattr(error, "__notes__", ())),
        "exit_code": code,
    }


_OURS = tuple(str(Path(inspect.getfile(module)).parent) for module in (vc, cyclopts))


def _users_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the first frame of the user's code; None if there is none."""
    frames = error.__traceback__
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith(("<frozen ", *_OURS)):
            break
        frames = frames.tb_next
    return frames


def _complain(text: str, code: int) -> int:
    warn(f"voicecoil: {text}", "red")
    return code


def say(text: str) -> None:
    """Print to stdout with control characters escaped."""
    out.print(Text(printable_lines(text)), soft_wrap=True)


def warn(text: str, style: str = "yellow") -> None:
    """Print to stderr with control characters escaped."""
    err.print(Text(printable_lines(text), style), soft_wrap=True)


def _one_line(error: cyclopts.CycloptsError) -> str:
    if isinstance(error, cyclopts.UnusedCliTokensError):
        return f"{shown(' '.join(error.unused_tokens or []))} is more than this command takes."
    if isinstance(error, cyclopts.UnknownCommandError):
        return _unknown_command((error.unused_tokens or [""])[0])
    if isinstance(error, cyclopts.UnknownOptionError):
        return _unknown_option(error)
    if isinstance(error, cyclopts.MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        return f"{name} has no value" if name.startswith("-") else f"the argument {name} is missing"
    return re.sub(r"\s+", " ", str(error)).strip()


def _unknown_command(given: str) -> str:
    """Name a command only if it is close, as for options. Otherwise list all commands."""
    kind = "option" if given.startswith("-") else "command"
    near = did_you_mean(given, app)
    if not near:
        near = "commands are " + ", ".join(name for name in app if not name.startswith("-"))
    return f"Unknown {kind} {shown(given)}; {near}"


def _unknown_option(error: cyclopts.UnknownOptionError) -> str:
    """Name an option only if it is close. The one of cyclopts for "--seconds" is "--json"."""
    given = (error.token.keyword or error.token.value).partition("=")[0]
    names = [name for one in error.argument_collection if one.parse for name in one.names]
    near = did_you_mean(given, names)
    return f"Unknown option {shown(given)}; {near}" if near else f"Unknown option {shown(given)}."


def _help_of(tokens: Sequence[str]) -> str:
    known = [token for token in tokens[:1] if token in app]
    return " ".join(["voicecoil", *known, "--help"])


def print_json(value: object, file: TextIO | None = None) -> None:
    """Print one JSON value, in ASCII, so that it cannot control a terminal. None: to stdout."""
    _printed.append(True)
    print(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False), file=file)


def print_whole(table: Table | Text) -> None:
    """Print a table to stdout. For a pipe, each row is one line, however long."""
    (out if out.is_terminal else wide).print(table)


def show_line(*parts: tuple[str, str]) -> None:
    """Print one line to stdout, which only the terminal breaks, from parts (text, style)."""
    line = Text()
    for text, style in parts:
        line.append(printable(text), style)
    out.print(line, soft_wrap=True)


def say_if_virtual(driver: str | None) -> None:
    """Print why the virtual driver was chosen, because its sound cannot be heard."""
    reason = why_virtual()
    if driver is None and reason is not None:
        warn(reason, "dim")


def say_device(event: vc.Event) -> None:
    """Print a line if the event says that a device was lost or is back."""
    lines = {
        "lost": f"{event.detail}; waiting for a device",
        "back": f"goes on with {event.detail}",
    }
    if event.kind in lines:
        warn(lines[event.kind])


# The commands print the choice of the driver themselves; see `say_if_virtual`.
logging.getLogger("voicecoil.choice").addHandler(logging.NullHandler())

# Importing these modules registers their commands.
from voicecoil.cli import devices, doctor, play, record, render, stress, tone  # noqa: E402, F401
from voicecoil.cli import run as run_command  # noqa: E402, F401
