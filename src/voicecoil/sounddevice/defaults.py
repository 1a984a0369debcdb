"""The default values of streams: ``sounddevice.default``."""

from __future__ import annotations

from typing import Any

from voicecoil.arguments import shown
from voicecoil.sounddevice import devices

__all__ = ["SYSTEM", "InputOutputPair", "default", "pick", "split"]

SYSTEM = object()  # in a pair of devices: the default device of the system


def split(value: Any) -> tuple[Any, Any]:
    """Return a pair (input, output). A single value is for both. Text is a single value."""
    if isinstance(value, str | bytes | dict):
        return value, value
    try:
        first, second = value
    except TypeError:
        return value, value
    except ValueError:
        raise ValueError(f"Only single values and pairs are allowed, not {shown(value)}") from None
    return first, second


def pick(value: Any, kind: str) -> Any:
    """Return the input's or the output's part of a value or pair."""
    return split(value)[kind == "output"]


class InputOutputPair:
    """A default value for input and one for output, by the index 0 or 1, "input" or "output"."""

    _indexmapping = {"input": 0, "output": 1}  # noqa: RUF012 - a name of sounddevice

    def __init__(self, parent: Any, default_attr: str) -> None:
        self._values = list(split(getattr(parent, default_attr)))

    def _resolved(self) -> list[Any]:
        kinds = ("input", "output")
        return [
            devices.default_index(kind) if value is SYSTEM else value
            for kind, value in zip(kinds, self._values, strict=True)
        ]

    def __getitem__(self, index: Any) -> Any:
        index = self._indexmapping.get(index, index)
        return self._resolved()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[self._indexmapping.get(index, index)] = value

    def __repr__(self) -> str:
        return repr(self._resolved())


class default:  # noqa: N801 - programs use this name
    """Default values of the arguments of streams and of `play`, `rec` and `playrec`.

    Set an attribute to change the default from then on. `device`, `channels`, `dtype`, `latency`
    and `extra_settings` are pairs (input, output). A single value sets both, and an item sets one:
    ``default.channels["input"] = 1``.
    """

    _pairs = ("device", "channels", "dtype", "latency", "extra_settings")

    _device: Any = (SYSTEM, SYSTEM)
    _channels: Any = (None, None)
    _dtype: Any = ("float32", "float32")
    _latency: Any = ("high", "high")
    _extra_settings: Any = (None, None)
    samplerate: Any = None
    blocksize: Any = 0
    clip_off: Any = False
    dither_off: Any = False
    never_drop_input: Any = False
    prime_output_buffers_using_stream_callback: Any = False

    device: Any
    channels: Any
    dtype: Any
    latency: Any
    extra_settings: Any

    def __init__(self) -> None:
        for name in self._pairs:
            self.__dict__[name] = InputOutputPair(self, f"_{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._pairs:
            self.__dict__[name]._values[:] = split(value)
        elif not name.startswith("_") and isinstance(getattr(type(self), name, self), property):
            raise AttributeError(f"property {shown(name)} of 'default' object has no setter")
        elif name in type(self).__dict__ and not callable(type(self).__dict__[name]):
            self.__dict__[name] = value
        else:
            raise AttributeError(f"'default' object has no attribute {shown(name)}")

    @property
    def hostapi(self) -> int:
        """Index of the host API that has the default devices."""
        return devices.default_hostapi()

    def reset(self) -> None:
        """Return to the first default values."""
        self.__dict__.clear()
        self.__init__()  # type: ignore[misc]
