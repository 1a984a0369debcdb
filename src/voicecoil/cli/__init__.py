"""The command line: ``voicecoil devices | play | record | tone | render``."""

from __future__ import annotations

import sys

__all__ = ["main"]

EXIT_FAILED = 1  # a device or a file did not do
EXIT_USAGE = 2  # what was asked for cannot work
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells expect it


def main() -> None:
    """Runs the command that the process was started with, and exits with its code."""
    try:
        from voicecoil.cli.commands import app

        sys.exit(app.meta() or 0)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; closing it again must not complain.
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
