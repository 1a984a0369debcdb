"""sys.exit with a code."""

import sys

from life import Beat, playing

beat = Beat()
stream = playing(beat)
if stream.active:
    sys.exit(3)
