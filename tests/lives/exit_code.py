"""The program calls sys.exit with an exit code."""

import sys

from life import Beat, playing

beat = Beat()
stream = playing(beat)
if stream.active:
    sys.exit(3)
