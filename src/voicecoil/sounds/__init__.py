"""Sounds: playing, recording, rendering and mixing, built on streams."""
