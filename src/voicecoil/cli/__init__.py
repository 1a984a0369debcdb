"""The command line: ``voicecoil devices | play | record | tone | render | stress``."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

__all__ = ["EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_USAGE", "main"]

EXIT_FAILED = 1  # a device or a file failed
EXIT_USAGE = 2  # the arguments are impossible
EXIT_INTERRUPTED = 130  # the code that shells expect after Ctrl-C
EXIT_BROKEN_PIPE = 141  # the reader of the output has closed the pipe: 128 + SIGPIPE


def main() -> None:
    """Run the command in `sys.argv` and exit with its exit code."""
    # An import that is interrupted cannot clean up. Until all modules are loaded, Ctrl-C has its
    # default action and ends the process.
    loading = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if loading:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A command must not fail because the parent process has closed one of these files.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    # These signals end the process after the terminal is restored and files are complete. A signal
    # that the parent ignores stays ignored, because nohup and shells with background jobs rely on
    # that.
    for ending in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, ending, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit_tidily)
    try:
        from voicecoil.cli.app import run

        if loading:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run(sys.argv[1:])
        sys.stdout.flush()  # flushed here, where a closed pipe is handled
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout again when it ends, and that must not raise an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_BROKEN_PIPE
    _leave(code)


def _leave(code: int) -> None:
    """Exit without finalizing the interpreter.

    After Ctrl-C, finalization would take longer than everything else until the prompt appears.
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
