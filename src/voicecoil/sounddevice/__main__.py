"""``python -m voicecoil.sounddevice`` prints the devices."""

from __future__ import annotations

from voicecoil.sounddevice.query import query_devices

print(query_devices())
