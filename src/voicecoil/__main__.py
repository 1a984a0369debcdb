"""Runs the command line for ``python -m voicecoil``."""

from voicecoil.cli import main

main()
