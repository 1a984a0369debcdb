"""The command line: ``voicecoil devices | play | record | tone | render | stress``."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

__all__ = ["EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_USAGE", "main"]

EXIT_FAILED = 1  # a device or a file did not do
EXIT_USAGE = 2  # what was asked for cannot work
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells expect it
EXIT_BROKEN_PIPE = 141  # whoever read our output has seen enough; as if SIGPIPE had ended us


def main() -> None:
    """Runs the command that the process was started with, and exits with its code."""
    # Half an import is nothing that could end tidily: Ctrl-C ends the process as it is till then.
    loading = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if loading:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A stdout that was closed by whoever started us is no reason to fail.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    # These end the process too, but not before the terminal is as it was and files are complete.
    # A signal that the parent ignores stays ignored, as nohup and the background jobs of a shell
    # rely on.
    for ending in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, ending, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit_tidily)
    try:
        from voicecoil.cli.app import run

        if loading:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run(sys.argv[1:])
        sys.stdout.flush()  # here, where a closed pipe is no accident
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and that must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_BROKEN_PIPE
    _leave(code)


def _leave(code: int) -> None:
    """Exits without taking the interpreter apart.

    That would keep the prompt waiting for longer than all the rest of a Ctrl-C.
    """
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _exit_tidily(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
