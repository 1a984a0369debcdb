"""The values of properties that are structures."""

from __future__ import annotations

from dataclasses import dataclass

from voicecoil.drivers.coreaudio.hal import Range
from voicecoil.hal.enumerations import FormatFlags

__all__ = ["Buffer", "ChannelLayout", "ChannelPosition", "Range", "RangedFormat", "StreamFormat"]

_PCM = "lpcm"


@dataclass(frozen=True)
class StreamFormat:
    """The format of a stream, an AudioStreamBasicDescription.

    Attributes
    ----------
    samplerate : float
        Frames per second, Hz; 0: any.
    format_id : str
        Four characters: ``"lpcm"`` is linear PCM, ``"ac-3"`` is AC-3.
    flags : FormatFlags
    bytes_per_packet, frames_per_packet, bytes_per_frame : int
        A frame of a format that is not interleaved is one sample.
    channels, bits : int
        Channels of a frame, and bits of a sample; bits is 0 for compressed formats.
    """

    samplerate: float
    format_id: str
    flags: FormatFlags
    bytes_per_packet: int
    frames_per_packet: int
    bytes_per_frame: int
    channels: int
    bits: int

    @classmethod
    def pcm(
        cls,
        samplerate: float,
        channels: int,
        bits: int = 32,
        *,
        integer: bool = False,
        container_bits: int | None = None,
        mixable: bool = True,
    ) -> StreamFormat:
        """Return an interleaved linear PCM format in the byte order of the machine.

        Parameters
        ----------
        samplerate : float
            Frames per second, Hz.
        channels : int
            Channels of a frame.
        bits : int
            Bits of a sample.
        integer : bool
            True: signed integers, as hardware has them. False: floats.
        container_bits : int or None
            Bits that a sample takes in memory; None: the whole bytes that `bits` needs.
        mixable : bool
            False: the HAL passes the samples on as they are, and mixes no other program's.
        """
        size = (container_bits or -(-bits // 8) * 8) // 8
        flags = FormatFlags.SIGNED_INTEGER if integer else FormatFlags.FLOAT
        flags |= FormatFlags.PACKED if size * 8 == bits else FormatFlags.ALIGNED_HIGH
        if not mixable:
            flags |= FormatFlags.NON_MIXABLE
        return cls(samplerate, _PCM, flags, size * channels, 1, size * channels, channels, bits)

    @property
    def is_mixable(self) -> bool:
        """Whether the HAL mixes the sound of several programs in this format."""
        return self.format_id == _PCM and not self.flags & FormatFlags.NON_MIXABLE

    def __str__(self) -> str:
        kind = self.format_id
        if kind == _PCM:
            kind = f"{self.bits} bit {'float' if self.flags & FormatFlags.FLOAT else 'integer'}"
        mixed = "" if self.is_mixable else ", not mixed"
        return f"{self.channels} channels, {kind}, {self.samplerate:g} Hz{mixed}"


@dataclass(frozen=True)
class RangedFormat:
    """A format with the rates at which it is possible, an AudioStreamRangedDescription.

    Attributes
    ----------
    format : StreamFormat
    rates : Range
        Lowest and highest rate, Hz.
    """

    format: StreamFormat
    rates: Range


@dataclass(frozen=True)
class ChannelPosition:
    """Where a channel is heard, an AudioChannelDescription.

    Attributes
    ----------
    label : int
        A kAudioChannelLabel: 1 is left, 2 is right.
    flags : int
        How `coordinates` are meant.
    coordinates : (float, float, float)
    """

    label: int
    flags: int
    coordinates: tuple[float, float, float]


@dataclass(frozen=True)
class ChannelLayout:
    """The positions of channels, an AudioChannelLayout.

    Attributes
    ----------
    tag : int
        A kAudioChannelLayoutTag; 0: `channels` has the positions, 65536: `bitmap` has them.
    bitmap : int
    channels : tuple of ChannelPosition
    """

    tag: int
    bitmap: int
    channels: tuple[ChannelPosition, ...]


@dataclass(frozen=True)
class Buffer:
    """A buffer that an IOProc gets, an AudioBuffer.

    Attributes
    ----------
    channels : int
        Channels that are interleaved in it.
    size_bytes : int
    """

    channels: int
    size_bytes: int
