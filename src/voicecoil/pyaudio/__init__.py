"""The API of PyAudio 0.2.14, on the streams of voicecoil.

>>> import voicecoil.pyaudio as pyaudio

in place of ``import pyaudio``. docs/sounddevice.md says what differs.
"""

from __future__ import annotations

from voicecoil.pyaudio import constants as _constants
from voicecoil.pyaudio.constants import *  # noqa: F403
from voicecoil.pyaudio.devices import (
    PyAudio,
    get_format_from_width,
    get_portaudio_version,
    get_portaudio_version_text,
    get_sample_size,
)
from voicecoil.pyaudio.stream import Stream

__all__ = [
    "PyAudio",
    "Stream",
    "get_format_from_width",
    "get_portaudio_version",
    "get_portaudio_version_text",
    "get_sample_size",
]
__all__ += _constants.__all__

__version__ = "0.2.14"
