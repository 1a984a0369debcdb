"""Audio files and arrays as sources of frames, and audio files for writing.

Each name is loaded when it is first used, because importing `soundfile` is slow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    from voicecoil.files.protocol import Source as Source
    from voicecoil.files.protocol import check_max_frames as check_max_frames
    from voicecoil.files.protocol import check_seek as check_seek
    from voicecoil.files.sink import FileSink as FileSink
    from voicecoil.files.source import FileSource as FileSource
    from voicecoil.files.source import open_source as open_source

__all__ = ["FileSink", "FileSource", "Source", "check_max_frames", "check_seek", "open_source"]

_MODULES = {"FileSink": "sink", "FileSource": "source", "open_source": "source"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'voicecoil.files' has no attribute {name!r}")
    module = _MODULES.get(name, "protocol")
    with resource_errors(f"load voicecoil.files.{name}"):
        value = getattr(import_module(f"voicecoil.files.{module}"), name)
    globals()[name] = value
    return value
