"""CoreAudio's objects and properties with types and checks of all results.

All functions must be called on the call thread (`drivers/call_thread.py`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from voicecoil.drivers.coreaudio import _hal
from voicecoil.drivers.coreaudio.status import (
    DEAD,
    UNKNOWN_PROPERTY,
    four_characters,
    status_error,
)
from voicecoil.errors import DriverError

__all__ = ["GLOBAL", "INPUT", "OUTPUT", "SYSTEM", "Format", "Hal", "Range", "selector"]

SYSTEM = 1  # kAudioObjectSystemObject
MAX_REPLY_BYTES = 1 << 20  # no property is longer, so a greater size is an error


@cache
def selector(text: str) -> int:
    """The number for a four-character code.

    Examples
    --------
    >>> hex(selector("nsrt"))
    '0x6e737274'
    """
    return int.from_bytes(text.encode("ascii"), "big")


GLOBAL, INPUT, OUTPUT = selector("glob"), selector("inpt"), selector("outp")
ANY = selector("****")  # any scope; CoreAudio reports overloads in different scopes
_ANY_ELEMENT = 0xFFFFFFFF
_SCOPES = {GLOBAL: "", INPUT: " (input)", OUTPUT: " (output)"}


@dataclass(frozen=True)
class Range:
    """The fields of an AudioValueRange.

    Attributes
    ----------
    low, high : float
        The least and the greatest value, in the unit of the property.
    """

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Format:
    """The fields of an AudioStreamBasicDescription."""

    samplerate: float
    format_id: str
    flags: int
    bytes_per_packet: int
    frames_per_packet: int
    bytes_per_frame: int
    channels: int
    bits: int

    FLOAT, BIG_ENDIAN, SIGNED, PACKED, ALIGNED_HIGH = 1, 2, 4, 8, 16
    NON_INTERLEAVED, NON_MIXABLE = 32, 64
    FRACTION = 0x3F << 7  # the number of bits below the point of fixed-point numbers

    @property
    def is_float32(self) -> bool:
        """Whether the format is 32-bit float PCM.

        The virtual format of a stream is another one only while its physical format is one that
        CoreAudio does not mix: compressed sound, or integers marked as non-mixable.
        """
        return (
            self.is_pcm
            and bool(self.flags & self.FLOAT)
            and not self.is_big_endian
            and self.bits == 32
            and self.sample_bytes == 4
        )

    @property
    def is_integer(self) -> bool:
        """Whether the format is PCM of signed integers that voicecoil converts."""
        return (
            self.is_pcm
            and self.flags & (self.FLOAT | self.SIGNED | self.FRACTION) == self.SIGNED
            and 1 <= self.sample_bytes <= 4
            and 8 <= self.bits <= 8 * self.sample_bytes
        )

    @property
    def is_pcm(self) -> bool:
        return self.format_id == "'lpcm'" and self.channels >= 1

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample in memory; 0: they are not the same for each sample."""
        alone = self.flags & self.NON_INTERLEAVED and self.bytes_per_frame <= 4
        in_frame = 1 if alone else max(self.channels, 1)
        return 0 if self.bytes_per_frame % in_frame else self.bytes_per_frame // in_frame

    @property
    def is_aligned_high(self) -> bool:
        """Whether the unused bits of a sample, if there are any, are the lowest ones."""
        return bool(self.flags & self.ALIGNED_HIGH)

    @property
    def is_big_endian(self) -> bool:
        return bool(self.flags & self.BIG_ENDIAN)

    @property
    def layout(self) -> tuple[str, int, int, int, int]:
        """What samples are in memory, to be compared, as `is_same_format` in listener.c does."""
        flags = self.flags & ~(self.PACKED | self.NON_MIXABLE)
        return self.format_id, flags, self.bytes_per_frame, self.channels, self.bits

    def __str__(self) -> str:
        kind = "float" if self.flags & self.FLOAT else "integer"
        if kind == "integer" and not self.flags & self.SIGNED:
            kind = "unsigned integer"
        if self.is_big_endian:
            kind += ", big-endian"
        if self.sample_bytes * 8 > self.bits:
            kind += f" in {self.sample_bytes} bytes"
        return (
            f"{self.format_id} {self.bits} bit {kind}, {self.channels} channels, "
            f"{self.samplerate:g} Hz"
        )


_FORMAT = struct.Struct("<d4s7I")


class Hal:
    """The functions of CoreAudio with types and errors.

    Parameters
    ----------
    library : _hal.Library
    """

    def __init__(self, library: _hal.Library) -> None:
        self.library = library
        self._names: dict[int, str] = {SYSTEM: "the system"}

    # ---- names, for messages ----

    def call_it(self, object_id: int, name: str) -> None:
        """Sets the name that messages use for an object."""
        self._names[object_id] = name

    def name_of(self, object_id: int) -> str:
        return self._names.get(object_id, f"object {object_id}")

    def _what(self, object_id: int, text: str, scope: int) -> str:
        return f"the property '{text}'{_SCOPES.get(scope, '')} of {self.name_of(object_id)}"

    def _odd(self, object_id: int, text: str, scope: int, why: str) -> DriverError:
        return DriverError(
            f"{self._what(object_id, text, scope)} has {why}; the device's driver answers "
            "nonsense, so update it or choose another device",
            call="AudioObjectGetPropertyData",
        )

    # ---- properties ----

    def has(self, object_id: int, text: str, scope: int = GLOBAL) -> bool:
        """Whether the object has the property."""
        return self.library.has(object_id, selector(text), scope, 0)

    def settable(self, object_id: int, text: str, scope: int = GLOBAL) -> bool:
        """Whether the property can be set."""
        status, can = self.library.settable(object_id, selector(text), scope, 0)
        return status == 0 and can

    def scalar(self, object_id: int, text: str, size: int, scope: int = GLOBAL) -> bytes:
        """Returns a value that must have `size` bytes."""
        status, value = self.library.get(object_id, selector(text), scope, 0, size)
        if status != 0:
            raise status_error(
                "AudioObjectGetPropertyData", status, self._what(object_id, text, scope)
            )
        if len(value) != size:
            raise self._odd(object_id, text, scope, f"{len(value)} bytes in place of {size}")
        return value

    def array(self, object_id: int, text: str, item: int, scope: int = GLOBAL) -> bytes:
        """Returns a value that consists of items of `item` bytes each."""
        code, what = selector(text), self._what(object_id, text, scope)
        for attempt in range(4):  # the value may grow between the calls for size and data
            status, size = self.library.size(object_id, code, scope, 0)
            if status != 0:
                raise status_error("AudioObjectGetPropertyDataSize", status, what)
            if size > MAX_REPLY_BYTES:
                raise self._odd(object_id, text, scope, f"a size of {size} bytes")
            status, value = self.library.get(object_id, code, scope, 0, size)
            if status == 0:
                break
            if attempt == 3 or four_characters(status) != "'!siz'":
                raise status_error("AudioObjectGetPropertyData", status, what)
        if len(value) % item:
            raise self._odd(object_id, text, scope, f"{len(value)} bytes, no multiple of {item}")
        return value

    def u32(self, object_id: int, text: str, scope: int = GLOBAL) -> int:
        return int.from_bytes(self.scalar(object_id, text, 4, scope), "little")

    def u32_or(self, object_id: int, text: str, default: int, scope: int = GLOBAL) -> int:
        """The value, or `default` if the object does not have the property."""
        if not self.has(object_id, text, scope):
            return default
        try:
            return self.u32(object_id, text, scope)
        except DriverError as error:
            if error.code == UNKNOWN_PROPERTY:
                return default
            raise

    def u32_pair(self, object_id: int, text: str, scope: int = GLOBAL) -> tuple[int, int]:
        first, second = struct.unpack("<II", self.scalar(object_id, text, 8, scope))
        return first, second

    def f64(self, object_id: int, text: str, scope: int = GLOBAL) -> float:
        value = struct.unpack("<d", self.scalar(object_id, text, 8, scope))
        return self._finite(object_id, text, scope, *value)[0]

    def ids(self, object_id: int, text: str, scope: int = GLOBAL) -> list[int]:
        """A list of object IDs, without kAudioObjectUnknown."""
        value = self.array(object_id, text, 4, scope)
        return [found for (found,) in struct.iter_unpack("<I", value) if found]

    def ranges(self, object_id: int, text: str, scope: int = GLOBAL) -> list[Range]:
        value = self.array(object_id, text, 16, scope)
        pairs = struct.iter_unpack("<dd", value)
        return [self._ordered(object_id, text, scope, *pair) for pair in pairs]

    def range(self, object_id: int, text: str, scope: int = GLOBAL) -> Range:
        pair = struct.unpack("<dd", self.scalar(object_id, text, 16, scope))
        return self._ordered(object_id, text, scope, *pair)

    def _finite(self, object_id: int, text: str, scope: int, *values: float) -> tuple[float, ...]:
        if not all(map(math.isfinite, values)):
            raise self._odd(object_id, text, scope, "the value " + ", ".join(map(repr, values)))
        return values

    def _ordered(self, object_id: int, text: str, scope: int, low: float, high: float) -> Range:
        self._finite(object_id, text, scope, low, high)
        if low > high:
            raise self._odd(object_id, text, scope, f"a range from {low!r} down to {high!r}")
        return Range(low, high)

    def string(self, object_id: int, text: str, scope: int = GLOBAL) -> str:
        """A CFString, converted and released."""
        status, value, size = self.library.get_string(object_id, selector(text), scope, 0)
        if status != 0:
            raise status_error(
                "AudioObjectGetPropertyData", status, self._what(object_id, text, scope)
            )
        if size != 8:
            raise self._odd(object_id, text, scope, f"{size} bytes in place of a string")
        if value is None:
            raise self._odd(object_id, text, scope, "no string in it")
        return value

    def string_or(self, object_id: int, text: str, default: str) -> str:
        """The string, or `default` if the object has none."""
        if not self.has(object_id, text):
            return default
        try:
            return self.string(object_id, text)
        except DriverError as error:
            if error.code in DEAD:
                raise
            return default

    def format(self, stream: int, text: str = "sfmt") -> Format:
        rate, format_id, flags, packet, frames, frame, channels, bits, _ = _FORMAT.unpack(
            self.scalar(stream, text, _FORMAT.size)
        )
        self._finite(stream, text, GLOBAL, rate)
        identity = four_characters(int.from_bytes(format_id, "little"))
        return Format(rate, identity, flags, packet, frames, frame, channels, bits)

    def buffers(self, device: int, scope: int) -> list[int]:
        """Returns the number of channels of each AudioBuffer that an IOProc gets.

        The list is empty if the device does not have the property StreamConfiguration in that
        scope. Some devices have it in only one scope.
        """
        if not self.has(device, "slay", scope):
            return []
        try:
            value = self.array(device, "slay", 1, scope)
        except DriverError as error:
            if error.code == UNKNOWN_PROPERTY:
                return []
            raise
        if len(value) < 4:
            raise self._odd(device, "slay", scope, f"{len(value)} bytes")
        count = int.from_bytes(value[:4], "little")
        if len(value) < 8 + 16 * count and count:
            raise self._odd(device, "slay", scope, f"{len(value)} bytes for {count} buffers")
        return [int.from_bytes(value[8 + 16 * i : 12 + 16 * i], "little") for i in range(count)]

    def set_bytes(self, object_id: int, text: str, value: bytes, scope: int = GLOBAL) -> None:
        """Requests a new value. The change may come later, or not at all."""
        status = self.library.set(object_id, selector(text), scope, 0, value)
        if status != 0:
            raise status_error(
                "AudioObjectSetPropertyData", status, self._what(object_id, text, scope)
            )

    def set_u32(self, object_id: int, text: str, value: int) -> None:
        self.set_bytes(object_id, text, value.to_bytes(4, "little"))

    def set_f64(self, object_id: int, text: str, value: float) -> None:
        self.set_bytes(object_id, text, struct.pack("<d", value))

    # ---- listeners, for all scopes and elements ---------------

    def listen(self, object_id: int, text: str) -> None:
        """Registers a listener, which notes changes of the property in the library's queue."""
        status = self.library.listen(object_id, selector(text), ANY, _ANY_ELEMENT)
        if status != 0:
            raise status_error(
                "AudioObjectAddPropertyListener", status, self._what(object_id, text, ANY)
            )

    def listen_again(self, object_id: int, code: int) -> None:
        """Renews a registration after a restart of coreaudiod. Never fails.

        It is not documented which registrations survive a restart, and registering twice would be
        an error. So the old registration is removed first. If the object is gone, both calls fail,
        which does no harm.
        """
        self.unlisten(object_id, code)
        self.library.listen(object_id, code, ANY, _ANY_ELEMENT)

    def unlisten(self, object_id: int, code: int) -> None:
        """Removes a registration. Never fails.

        If the object is gone, its listeners are gone, too, and CoreAudio may report an error. The
        error can be ignored, because the queue to which a listener writes is never freed.
        """
        self.library.unlisten(object_id, code, ANY, _ANY_ELEMENT)

    # ---- IO ----

    def create_ioproc(self, device: int, ioproc: _hal.IOProc) -> None:
        self._check("AudioDeviceCreateIOProcID", device, self.library.create_ioproc(device, ioproc))

    def use_streams(
        self, device: int, ioproc: _hal.IOProc, scope: int, streams: Sequence[bool]
    ) -> None:
        """Sets which streams of a direction the IOProc uses. The others stay closed."""
        status = self.library.use_streams(device, ioproc, scope, streams)
        if status != 0:
            raise status_error(
                "AudioObjectSetPropertyData", status, self._what(device, "suse", scope)
            )

    def start(self, device: int, ioproc: _hal.IOProc) -> None:
        self._check("AudioDeviceStart", device, self.library.start(device, ioproc))

    def stop(self, device: int, ioproc: _hal.IOProc) -> None:
        """Stops the device for this IOProc. A device that is gone counts as stopped."""
        self._check("AudioDeviceStop", device, self.library.stop(device, ioproc), DEAD)

    def destroy_ioproc(self, device: int, ioproc: _hal.IOProc) -> None:
        """Destroys an IOProc. An IOProc of a device that is gone counts as destroyed."""
        status = self.library.destroy_ioproc(device, ioproc)
        self._check("AudioDeviceDestroyIOProcID", device, status, DEAD)

    def _check(self, call: str, device: int, status: int, fine: Sequence[int] = ()) -> None:
        if status != 0 and status not in fine:
            raise status_error(call, status, self.name_of(device))
