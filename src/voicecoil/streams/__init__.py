"""Streams: their arguments, and how they are opened, started, recovered and closed."""
