"""A file that libsndfile does not read, decoded by PyAV, the optional extra ``av``."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Any

from voicecoil.errors import FileFormatError
from voicecoil.files.containers.stated_end import is_cut
from voicecoil.files.decoder import DecoderError
from voicecoil.files.path_errors import READABLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AvDecoder"]

# After a jump, an AAC decoder needs some packets before its output is exact.
_PREROLL_FRAMES = 16_384


def _load(path: str, format: str) -> Any:
    try:
        return import_module("av")
    except ImportError as error:
        raise FileFormatError(
            f"cannot read {path!r}: it is {format}, which needs PyAV ({error}). Install it: "
            f'pip install "voicecoil[av]". Without it, possible are {READABLE}'
        ) from error


class AvDecoder:
    """The decoder of a file that libav reads. It must not be used by several threads at once.

    Parameters
    ----------
    path : str
    format : str
        The name of the format.
    demuxer : str
        The name of libav's demuxer for it.

    Attributes
    ----------
    samplerate, channels : int
        Those of the first frames. If they change later, the frames are converted to the first ones.
    frames : int or None
        None if the file does not state its length. The length of a lossy file is that of the
        header, and at the end of the file the number of frames that were read.
    format, subtype : str
        The given format, and libav's name of the codec, such as ``"AAC"``.

    Raises
    ------
    DecoderError
        The file is not audio that libav can read.
    FileFormatError
        PyAV is not installed.
    OSError
        The operating system refused to open the file.
    """

    _file: Any = None
    _container: Any = None

    def __init__(self, path: str, format: str, demuxer: str) -> None:
        self._av = _load(path, format)
        self._path, self._demuxer = path, demuxer
        self.format = format
        try:
            self._open()
            self.frames = self._stated_frames()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open the file, and decode its first frames."""
        self.close()
        self._file = open(self._path, "rb")  # noqa: SIM115 - closed by close()
        try:
            self._container = self._av.open(self._file, format=self._demuxer)
            if not self._container.streams.audio:
                raise DecoderError("it has no audio")
            self._stream = self._container.streams.audio[0]
            self.subtype = str(self._stream.codec_context.name).upper()
            self._start_at(0)
            first = self._next_frame()
        except self._av.FFmpegError as error:
            raise DecoderError(_reason(error)) from error
        if first is None:
            raise DecoderError("it has no frames")
        self.samplerate = int(first.sample_rate)
        self.channels = len(first.layout.channels)
        self._layout = first.layout.name
        self._convert(first)

    def _start_at(self, position: int) -> None:
        """Begin to demux at the container's present place, whose first frame is `position`."""
        self._demuxed = self._container.demux(self._stream)
        self._decoded: deque[Any] = deque()
        # Packets read since the beginning of the file. None if reading began elsewhere.
        self._packets = 0 if position == 0 else None
        self._converter: Any = None
        self._converter_input: Any = None  # the sample format, layout and rate that it converts
        self._ready: deque[NDArray[np.float32]] = deque()
        self._position = position

    def _stated_frames(self) -> int | None:
        stream = self._stream
        if self._demuxer == "aac" or stream.duration is None or stream.time_base is None:
            return None  # libav estimates the length of AAC without a container from its bit rate
        frames = Fraction(stream.duration) * stream.time_base * self.samplerate
        return int(frames) if frames.denominator == 1 and frames > 0 else None

    def _next_frame(self) -> Any:
        """Return the next frame as libav decodes it; None at the end."""
        while not self._decoded:
            packet = next(self._demuxed, None)
            if packet is None:
                return None
            if self._packets is not None and packet.size:
                self._packets += 1
            self._decoded.extend(packet.decode())
        return self._decoded.popleft()

    def _convert(self, frame: Any) -> None:
        """Append the frame to the frames that are ready, as float32 with the first frame's rate.

        None, at the end of the file, appends the frames that the converter still has.
        """
        kind = None if frame is None else (frame.format, frame.layout.name, frame.sample_rate)
        if kind != self._converter_input:
            if self._converter is not None:
                self._append(self._converter.resample(None))
            self._converter_input = kind
            self._converter = kind and self._av.AudioResampler(
                format="flt", layout=self._layout, rate=self.samplerate
            )
        if frame is not None:
            self._append(self._converter.resample(frame))

    def _append(self, frames: Any) -> None:
        for frame in frames:
            self._ready.append(frame.to_ndarray().reshape(-1, self.channels))

    def read(self, frames: int) -> NDArray[np.float32]:
        """Return up to `frames` frames, or an empty block at the end.

        Raises
        ------
        DecoderError
            The data are damaged, or the file is cut.
        """
        import numpy as np

        if self.frames is not None:
            frames = min(frames, self.frames - self._position)
        try:
            self._fill(frames)
        except self._av.FFmpegError as error:
            raise DecoderError(_reason(error)) from error
        if not self._ready or frames <= 0:
            return np.zeros((0, self.channels), np.float32)
        block = self._ready[0]
        if len(block) <= frames:
            self._ready.popleft()
        else:
            self._ready[0] = block[frames:]
            block = block[:frames]
        self._position += len(block)
        return block

    def _fill(self, frames: int) -> None:
        """Decode until frames are ready. At the end, check that no packet is missing."""
        while frames > 0 and not self._ready:
            frame = self._next_frame()
            self._convert(frame)
            if frame is None:
                break
        if frames <= 0 or self._ready:
            return
        stated = self._stream.frames if self._demuxer == "mp4" else 0
        if self._packets is not None and self._packets < stated:
            raise DecoderError(f"it promises {stated} packets and {self._packets} are there")
        if is_cut(self._file, self._demuxer):
            raise DecoderError("the file is shorter than its header says")
        if self.frames is not None:
            self.frames = self._position

    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` starts with it.

        Raises
        ------
        DecoderError
            The data end before that frame, or are damaged there.
        """
        try:
            if not self._jump(frame):
                self._open()
            while self._position < frame:
                if not len(self.read(frame - self._position)):
                    raise DecoderError("there is no more")
        except self._av.FFmpegError as error:
            raise DecoderError(_reason(error)) from error

    def _jump(self, frame: int) -> bool:
        """Go to a place before the frame, without decoding all before it. Returns whether that is
        possible, which needs an index with the exact place of each packet.
        """
        stream = self._stream
        target = frame - _PREROLL_FRAMES
        if (
            self._demuxer != "mp4"
            or stream.time_base != Fraction(1, self.samplerate)
            or target <= 0
        ):
            return False
        self._container.seek(target, stream=stream)
        self._start_at(target)
        first = self._next_frame()
        if first is None or first.pts is None or not 0 < first.pts <= frame:
            return False
        self._position = int(first.pts)
        self._convert(first)
        return True

    def close(self) -> None:
        """Close the file. A second call has no effect."""
        container, self._container = self._container, None
        if container is not None:
            container.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _reason(error: Exception) -> str:
    """Return libav's message without the number and the file."""
    return str(getattr(error, "strerror", None) or error) or "bad data"
