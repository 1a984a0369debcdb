"""``python -m voicecoil``."""

from voicecoil.cli import main

main()
