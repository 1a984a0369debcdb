"""The main module ends while a stream plays. Argument: the device's clock."""

import sys

from life import devices, playing

stream = playing(driver=devices(clock=sys.argv[1]))
