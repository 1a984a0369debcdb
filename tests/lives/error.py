"""An exception that nobody handles ends the program."""

from life import playing

stream = playing()
raise RuntimeError("meant")
