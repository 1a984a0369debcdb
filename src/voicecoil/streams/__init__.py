"""Streams: how one is asked for, opened, started, recovered and closed."""
