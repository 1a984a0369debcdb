"""An unhandled exception ends the program."""

from life import playing

stream = playing()
raise RuntimeError("meant")
