"""The miniaudio library, through the cffi module of the `miniaudio` package.

That module declares most of the library's structures. The driver needs some fields that the module
leaves out, such as the period of an opened device and some switches of the configuration. The
offsets of these fields are computed from the layout of miniaudio 0.11, and each device is checked
against that layout.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

from voicecoil.drivers.miniaudio import _io
from voicecoil.errors import DriverError

__all__ = [
    "CAPTURE",
    "DUPLEX",
    "FLOAT32",
    "PLAYBACK",
    "JackRange",
    "Layout",
    "Library",
    "Side",
    "alsa",
    "jack",
    "load",
]

FLOAT32 = 5  # ma_format_f32
PLAYBACK, CAPTURE, DUPLEX = 1, 2, 3  # ma_device_type
MAX_CHANNELS = 254
NAME_BYTES = 256
# These are the names that miniaudio tries, in the same order, so that both load the same library.
_JACK = ("libjack.so", "libjack.so.0")
_ALSA = ("libasound.so.2", "libasound.so")


@dataclass(frozen=True)
class Side:
    """One direction of a device, as it was opened.

    Attributes
    ----------
    channels : int
        Channels in the memory that the callback gets.
    samplerate : int
        The backend's own rate, Hz.
    period_frames, periods : int
        Size of the backend's buffer: frames of a period, and the number of periods.
    """

    channels: int
    samplerate: int
    period_frames: int
    periods: int


class Library:
    """The library and its cffi module.

    Attributes
    ----------
    ffi, lib : Any
        The objects of the cffi module.
    version : str
    """

    def __init__(self, ffi: Any, lib: Any) -> None:
        self.ffi = ffi
        self.lib = lib
        self.version = ffi.string(lib.ma_version_string()).decode()
        self.layout = Layout(ffi)
        if not self.version.startswith("0.11."):
            raise self.unknown_layout("whose structures are not those of 0.11 that")
        _io.set_user_data_offset(ffi.offsetof("ma_device", "pUserData"))

    def unknown_layout(
        self, what: str = "which lays out a device in another way than"
    ) -> DriverError:
        return DriverError(
            f"the package `miniaudio` has the library's version {self.version}, {what} this driver "
            "knows; install another version of the package (1.71 was tested)",
            call="ma_version_string",
        )

    def address(self, name: str) -> int:
        """Returns the address of a function that the cffi module does not declare; 0: none."""
        import _miniaudio

        exported = ctypes.CDLL(_miniaudio.__file__)
        if not hasattr(exported, name):
            return 0
        return ctypes.cast(getattr(exported, name), ctypes.c_void_p).value or 0

    def backend(self, name: str) -> int | None:
        """Returns the number of the backend `name`; None if the library was compiled without it."""
        found = self.ffi.new("ma_backend[]", 64)
        count = self.ffi.new("size_t *")
        self.lib.ma_get_enabled_backends(found, 64, count)
        for number in found[0 : count[0]]:
            if self.ffi.string(self.lib.ma_get_backend_name(number)).decode() == name:
                return int(number)
        return None


class _RingBuffer(ctypes.Structure):
    """The fields of a ma_duplex_rb."""

    _fields_ = (
        ("source_vtable", ctypes.c_void_p),
        ("source_ranges", ctypes.c_uint64 * 4),
        ("source_links", ctypes.c_void_p * 3),
        ("source_is_looping", ctypes.c_uint32),
        ("buffer", ctypes.c_void_p),
        ("sizes", ctypes.c_uint32 * 3),
        ("offsets", ctypes.c_uint32 * 2),
        ("flags", ctypes.c_uint8 * 2),
        ("allocation", ctypes.c_void_p * 4),
        ("format", ctypes.c_int32),
        ("channels", ctypes.c_uint32),
        ("samplerate", ctypes.c_uint32),
    )


class _Resampling(ctypes.Structure):
    """The field `resampling` of a ma_device."""

    _fields_ = (
        ("algorithm", ctypes.c_int32),
        ("vtable", ctypes.c_void_p),
        ("user_data", ctypes.c_void_p),
        ("filter_order", ctypes.c_uint32),
    )


def _rest_fields(ffi: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a ma_device, beginning with its volume."""

    class Direction(ctypes.Structure):
        _fields_ = (
            ("id_pointer", ctypes.c_void_p),
            ("id", ctypes.c_uint8 * ffi.sizeof("ma_device_id")),
            ("name", ctypes.c_char * NAME_BYTES),
            ("share_mode", ctypes.c_int32),
            ("format", ctypes.c_int32),
            ("channels", ctypes.c_uint32),
            ("map", ctypes.c_uint8 * MAX_CHANNELS),
            ("own_format", ctypes.c_int32),
            ("own_channels", ctypes.c_uint32),
            ("own_samplerate", ctypes.c_uint32),
            ("own_map", ctypes.c_uint8 * MAX_CHANNELS),
            ("own_period_frames", ctypes.c_uint32),
            ("own_periods", ctypes.c_uint32),
            ("mix_mode", ctypes.c_int32),
            ("low_frequency", ctypes.c_uint32),
            ("converter", ctypes.c_uint64 * (ffi.sizeof("ma_data_converter") // 8)),
            ("cycle_buffer", ctypes.c_void_p),
            ("cycle_frames", ctypes.c_uint32 * 2),
        )

    return (
        ("volume", ctypes.c_float),
        ("duplex", _RingBuffer),
        ("resampling", _Resampling),
        ("playback", Direction),
        ("cache", ctypes.c_void_p),
        ("cache_frames", ctypes.c_uint64 * 3),
        ("capture", Direction),
        # Pointers of the backend. JACK: the client first. PulseAudio: the main loop, the
        # context, and the streams for playback and capture.
        ("kept", ctypes.c_void_p * 4),
    )


class Layout:
    """The layout of the part of a ma_device that the cffi module does not declare."""

    def __init__(self, ffi: Any) -> None:
        self._ffi = ffi

        # The first field is a float, whose address need only be a multiple of four.
        self._before = ffi.offsetof("ma_device", "masterVolumeFactor") % 8
        pad = (("pad", ctypes.c_uint8 * self._before),) if self._before else ()
        fields = (*pad, *_rest_fields(ffi))
        self._rest: Any = type("Rest", (ctypes.Structure,), {"_fields_": fields})

    def of(self, device: Any, kind: int) -> Any | None:
        """Returns the part of a device that begins with its volume; None if the layout differs."""
        offset = self._ffi.offsetof("ma_device", "masterVolumeFactor") - self._before
        if offset + ctypes.sizeof(self._rest) > self._ffi.sizeof("ma_device"):
            return None
        rest = self._rest.from_address(int(self._ffi.cast("uintptr_t", device)) + offset)
        ways = [
            way for bit, way in ((PLAYBACK, rest.playback), (CAPTURE, rest.capture)) if kind & bit
        ]
        looks_right = rest.volume == 1.0 and all(
            way.share_mode == 0
            and way.format == FLOAT32
            and 1 <= way.own_format <= FLOAT32
            and 1 <= way.channels <= MAX_CHANNELS
            and 1 <= way.own_channels <= MAX_CHANNELS
            and 1_000 <= way.own_samplerate <= 10_000_000
            and 1 <= way.own_period_frames <= 1 << 24
            and 1 <= way.own_periods <= 1 << 16
            for way in ways
        )
        return rest if looks_right else None

    def set_switches(self, config: Any) -> None:
        """Makes miniaudio pass the backend's own periods and samples on unchanged.

        The four one-byte switches follow `periods` and the profile, and precede the callbacks.
        """
        ffi = self._ffi
        at = ffi.offsetof("ma_device_config", "periods") + 8
        if 4 <= ffi.offsetof("ma_device_config", "dataCallback") - at <= 8:
            switches = ffi.cast("ma_uint8 *", config) + at
            # noPreSilencedOutputBuffer, noClip, noDisableDenormals, noFixedSizedCallback
            switches[0:4] = [1, 1, 0, 1]

    def ring_of(self, rest: Any) -> tuple[int, int]:
        """Address and capacity, in frames, of the ring between a duplex device's directions."""
        ring = rest.duplex
        return ctypes.addressof(ring), ring.sizes[0] // (4 * max(1, ring.channels))


def check_installed() -> None:
    """Raises `DriverError` if the package is missing. Does not load it, which takes 3 ms."""
    if "_miniaudio" not in sys.modules and importlib.util.find_spec("_miniaudio") is None:
        raise _missing("it is not installed")


def _missing(why: object) -> DriverError:
    return DriverError(
        f"the driver 'miniaudio' needs the package `miniaudio`: {why}; pip install miniaudio",
        call="import",
    )


@functools.cache
def load() -> Library:
    """Return the library. Two threads may call this at the same time.

    Raises
    ------
    DriverError
        The package is not installed, or its version is not supported.
    """
    try:
        from _miniaudio import ffi, lib
    except ImportError as error:
        raise _missing(error) from error
    return Library(ffi, lib)


def _open(names: tuple[str, ...]) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


class JackRange(ctypes.Structure):
    """The fields of a jack_latency_range_t, frames."""

    _fields_ = (("minimum", ctypes.c_uint32), ("maximum", ctypes.c_uint32))


_POINTER = ctypes.c_void_p  # to a client, a port or a function
# name -> (result type, argument types), as in jack/jack.h
_JACK_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "jack_free": (None, [_POINTER]),
    "jack_get_buffer_size": (ctypes.c_uint32, [_POINTER]),
    "jack_get_ports": (
        ctypes.POINTER(ctypes.c_char_p),
        [_POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong],
    ),
    "jack_get_sample_rate": (ctypes.c_uint32, [_POINTER]),
    "jack_get_version_string": (ctypes.c_char_p, []),
    "jack_on_shutdown": (None, [_POINTER, _POINTER, _POINTER]),
    "jack_port_by_name": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "jack_port_get_latency_range": (None, [_POINTER, ctypes.c_int, ctypes.POINTER(JackRange)]),
    "jack_set_error_function": (None, [_POINTER]),
    "jack_set_info_function": (None, [_POINTER]),
    "jack_set_sample_rate_callback": (ctypes.c_int, [_POINTER, _POINTER, _POINTER]),
    "jack_set_xrun_callback": (ctypes.c_int, [_POINTER, _POINTER, _POINTER]),
}


@functools.cache
def jack() -> ctypes.CDLL | None:
    """Return libjack, whose messages no longer go to stderr; None if it is not installed."""
    library = _open(_JACK)
    if library is not None:
        for name, (gives, takes) in _JACK_FUNCTIONS.items():
            if hasattr(library, name):
                function = getattr(library, name)
                function.restype, function.argtypes = gives, takes
        for name in ("jack_set_error_function", "jack_set_info_function"):
            if hasattr(library, name):
                getattr(library, name)(_io.jack_message_address())
    return library


@functools.cache
def alsa() -> ctypes.CDLL | None:
    """Return libasound, whose messages no longer go to stderr; None if it is not installed."""
    library = _open(_ALSA)
    if library is not None:
        library.snd_lib_error_set_handler.argtypes = [ctypes.c_void_p]
        library.snd_lib_error_set_handler(_io.alsa_message_address())
    return library
