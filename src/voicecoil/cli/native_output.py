"""Holds back the output of C libraries to standard error during a live display."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from voicecoil.printable import printable

__all__ = ["native_output_held"]

STDERR = 2
MAX_LINES = 20
MAX_BYTES = 65_536


@contextmanager
def native_output_held(console: Console) -> Iterator[None]:
    """Hold back the lines that C libraries write, and print each different line afterwards.

    libmpg123 reports damaged frames on standard error, and this cannot be turned off. Its lines
    appeared in the middle of the display. The output of Python is not held back.
    """
    python_stderr = sys.stderr
    try:
        if python_stderr.fileno() != STDERR:
            raise OSError
        python_stderr.flush()
        terminal = open(  # noqa: SIM115 - closed below, after it was replaced
            os.dup(STDERR), "w", 1, encoding=python_stderr.encoding, errors=python_stderr.errors
        )
    except (OSError, ValueError, AttributeError):  # stderr is closed or was replaced
        yield
        return
    with terminal, tempfile.TemporaryFile() as held:
        sys.stderr = terminal
        os.dup2(held.fileno(), STDERR)
        try:
            yield
        finally:
            terminal.flush()
            os.dup2(terminal.fileno(), STDERR)
            sys.stderr = python_stderr
            held.seek(0)
            said = held.read(MAX_BYTES).decode(errors="replace")
    lines = list(dict.fromkeys(filter(None, said.splitlines())))
    for line in lines[:MAX_LINES]:
        console.print(printable(line), style="bright_black", markup=False, soft_wrap=True)
    if len(lines) > MAX_LINES:
        console.print(f"and {len(lines) - MAX_LINES} other lines", style="bright_black")
