"""Audio files for writing."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from voicecoil.arguments import shown
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileAccessError,
    FileFormatError,
    StreamClosedError,
)
from voicecoil.files.channels import check_channels
from voicecoil.files.path_errors import access_error, check_path
from voicecoil.files.rates import check_file_rate
from voicecoil.files.target import Target
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.resources import resource_errors

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

from voicecoil.sealed import Unique
from voicecoil.wording import plural

__all__ = ["FileSink"]


class _Kind(NamedTuple):
    format: str
    subtype: str
    max_channels: int = 1024
    rates: tuple[int, ...] = ()
    max_rate: int = 0
    max_bytes: int = 0


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
# The Vorbis format has at most 255 channels. libsndfile accepts more and then crashes.
_VORBIS = _Kind("OGG", "VORBIS", max_channels=255, max_rate=200_000)
_WAV = _Kind("WAV", "FLOAT", max_bytes=2**32 - 2**16)
_AIFF = _Kind("AIFF", "PCM_24", max_bytes=2**31 - 2**16)

_KINDS = {
    ".wav": _WAV,
    ".aiff": _AIFF,
    ".aif": _AIFF,
    ".aifc": _AIFF._replace(subtype="FLOAT"),
    ".flac": _Kind("FLAC", "PCM_24", max_channels=8, max_rate=655_350),
    ".ogg": _VORBIS,
    ".oga": _VORBIS,
    ".opus": _Kind("OGG", "OPUS", max_channels=255, rates=_OPUS_RATES),
    ".mp3": _Kind("MP3", "MPEG_LAYER_III", max_channels=2, rates=_MP3_RATES),
    ".caf": _Kind("CAF", "FLOAT"),
    ".au": _Kind("AU", "FLOAT", max_bytes=2**32 - 2**16),
    ".w64": _Kind("W64", "FLOAT"),
    ".rf64": _Kind("RF64", "FLOAT"),
}

_FLOATING = {"FLOAT", "DOUBLE", "VORBIS", "OPUS"}
_BYTES_PER_SAMPLE = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_HEADER_FORMATS = {"WAV", "AIFF", "CAF", "AU", "W64", "RF64"}
_UPDATE_HEADER_NOW = 0x1060  # libsndfile's SFC_UPDATE_HEADER_NOW
# A larger block can overflow the stack of the Vorbis encoder.
_SLICE_FRAMES = 16_384


class FileSink(Unique):
    """An audio file to write frames to. An existing file is replaced.

    An existing file stays unchanged until the first frame is written, or until the sink is closed
    without frames.

    Each `write` passes its frames to the operating system, and the header is updated once for each
    second of audio. If the process is killed, a WAV, AIFF, CAF, AU, W64 or RF64 file can be read by
    any program, and at most the last second is missing. A FLAC or OGG file can be played up to its
    last complete page.

    Parameters
    ----------
    path : str or path-like
        The extension determines the format: ``.wav``, ``.aiff``, ``.aif``, ``.aifc``,
        ``.flac``, ``.ogg``, ``.oga``, ``.opus``, ``.mp3``, ``.caf``, ``.au``, ``.w64``,
        ``.rf64``.
    samplerate : int
        Frames per second.
    channels : int
        1 to 1024; at most 8 for FLAC and 2 for MP3.
    subtype : str, optional
        The sample format, as libsndfile names it: ``"PCM_16"``, ``"PCM_24"`` ... The default is
        ``"FLOAT"`` for WAV, CAF, AU, W64, RF64 and ``.aifc``, which is lossless for float32 frames.
        It is ``"PCM_24"`` for ``.aiff`` and FLAC, because programs expect integers in these files.
    whole : bool
        If True, the frames are written to a temporary file, which replaces the file when the sink
        is closed. After an error in the ``with`` block, the previous file is unchanged.
    exist_ok : bool
        True if an existing file may be replaced.
    mode : int
        Permissions of a new file, before the process's umask is applied. A file that is replaced
        keeps its permissions.

    Attributes
    ----------
    path, format, subtype : str
    samplerate, channels : int
    frames : int
        Number of frames that have been written.
    clipped_samples : int
        Number of samples that were NaN or beyond full scale. They are counted only in a file of
        integers, which cannot store them.

    Raises
    ------
    FileThereError
        The file exists, and `exist_ok` is False.
    FileBusyError
        Another sink or program is writing the file.
    FileFormatError
        The extension is unknown, or the format does not support the subtype, rate or channels.
    FileMissingError, FileIsDirectoryError, FilePermissionError, FileAccessError
        The file cannot be written.
    ArgumentError, ArgumentTypeError
        The rate or the number of channels is impossible for any file.
    """

    _attributes: ClassVar[tuple[str, ...]] = (
        "path",
        "samplerate",
        "channels",
        "frames",
        "format",
        "subtype",
        "clipped_samples",
    )

    def __init__(
        self,
        path: str | os.PathLike[str],
        samplerate: float,
        channels: int,
        subtype: str | None = None,
        *,
        whole: bool = False,
        exist_ok: bool = True,
        mode: int = 0o666,
    ) -> None:
        self.path = check_path(path)
        self.samplerate = check_file_rate(samplerate)
        self.channels = check_channels(channels)
        self.frames = 0
        self.clipped_samples = 0
        kind = _kind(self.path)
        self.format = kind.format
        self.subtype = _subtype(self.path, kind, subtype)
        _check_limits(self.path, kind, self.samplerate, self.channels)
        frame_bytes = _BYTES_PER_SAMPLE.get(self.subtype, 0) * self.channels
        self._max_frames = kind.max_bytes // frame_bytes if frame_bytes and kind.max_bytes else None
        self._header_due = self.samplerate
        self._file: Any = None
        self._duplicate = -1  # the descriptor that libsndfile writes to and closes
        self._closed = False
        if not isinstance(mode, int) or isinstance(mode, bool) or not 0 <= mode <= 0o7777:
            raise ArgumentError(f"mode is {shown(mode)}; give permissions such as 0o600")
        # Try the format in memory, so that an impossible format is an error before audio begins.
        self._opened(io.BytesIO()).close()
        self._target = Target(self.path, exist_ok=exist_ok, mode=mode, whole=whole)
        _open_sinks.add(self)

    def _opened(self, file: int | str | io.BytesIO) -> Any:
        import soundfile

        try:
            return soundfile.SoundFile(
                file, "w", self.samplerate, self.channels, self.subtype, format=self.format
            )
        except soundfile.SoundFileError as error:
            if not isinstance(file, io.BytesIO):
                raise self._target.failure(0) from error
            raise FileFormatError(
                f"cannot write {self.path!r} as {self.format} {self.subtype} with "
                f"{self.samplerate} Hz and {plural(self.channels, 'channel')} ({error}). "
                "A .wav file takes all of them"
            ) from error

    def _open_target(self) -> Any:
        # On Windows, each C library has its own descriptors, so libsndfile gets the name.
        if os.name == "nt":
            return self._opened(self._target.name)
        try:
            self._duplicate = self._target.duplicate()
        except OSError as error:
            raise access_error(self.path, error, "write") from error
        return self._opened(self._duplicate)

    @resource_errors("write the file")
    def write(self, frames: NDArray[Any]) -> None:
        """Append frames.

        Integer formats clip at full scale and store NaN as 0. Float formats store every value.

        Parameters
        ----------
        frames : ndarray of float32 or float64, shape (n, channels); (n,) for one channel
            1.0 is full scale.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            `frames` is not such an array. Nothing is written.
        FileFormatError
            The file would be longer than its format permits (4 GiB for WAV). Nothing of this block
            is written, and the frames written before are intact.
        FileAccessError
            The disk is full or failed, or too many files are open.
        OutOfMemoryError
            There is not enough memory for the block.
        StreamClosedError
            The sink is closed.
        """
        import numpy as np
        import soundfile

        if self._closed:
            raise StreamClosedError(f"{self.path!r} is closed; make a new FileSink")
        block = self._checked(frames)
        if self._file is None:
            self._file = self._open_target()
        if self.subtype not in _FLOATING:
            kept = int(np.count_nonzero(np.abs(block) <= 1.0))  # the comparison is False for NaN
            self.clipped_samples += block.size - kept
            if kept < block.size:
                block = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
        try:
            for start in range(0, len(block), _SLICE_FRAMES):
                part = block[start : start + _SLICE_FRAMES]
                self._file.write(part)
                self.frames += len(part)
        except (OSError, soundfile.SoundFileError, AssertionError) as error:
            # soundfile raises AssertionError if libsndfile did not write all frames, such as on a
            # full disk.
            raise self._target.failure(self.frames) from error
        if self.frames >= self._header_due:
            self._header_due = self.frames + self.samplerate
            self._update_header()

    def _checked(self, frames: Any) -> NDArray[Any]:
        import numpy as np

        expected = f"give float32 frames of shape (n, {self.channels})"
        if not isinstance(frames, np.ndarray):
            raise ArgumentTypeError(f"frames is of type {type(frames).__name__}; {expected}")
        if frames.dtype not in (np.float32, np.float64):
            raise ArgumentTypeError(f"frames is of dtype {frames.dtype}; {expected}")
        block = frames[:, np.newaxis] if frames.ndim == 1 and self.channels == 1 else frames
        if block.ndim != 2 or block.shape[1] != self.channels:
            raise ArgumentError(f"frames has the shape {frames.shape}; {expected}")
        if self._max_frames is not None and self.frames + len(block) > self._max_frames:
            raise FileFormatError(
                f"{self.path!r} has {plural(self.frames, 'frame')} and cannot take "
                f"{len(block)} more: {self.format} ends at {self._max_frames} frames of this kind. "
                "Write a .w64, .rf64 or .caf file instead"
            )
        return block

    def _update_header(self) -> None:
        import soundfile

        # soundfile has no public call for this. If its private names change, the header is only
        # updated when the file is closed.
        library: Any = getattr(soundfile, "_snd", None)
        handle = getattr(self._file, "_file", None)
        null = getattr(getattr(soundfile, "_ffi", None), "NULL", None)
        if self.format in _HEADER_FORMATS and library is not None and handle is not None:
            library.sf_command(handle, _UPDATE_HEADER_NOW, null, 0)

    def _disown(self) -> None:
        """Release the file in a forked child, because it belongs to the parent process.

        Both processes share the position in the file. Closing the file in the child, also by
        garbage collection, would write a header into the data of the parent.
        """
        self._closed = True
        self._target.disown()
        if self._file is not None:
            self._file._file = None  # soundfile then treats the file as closed
            self._file = None
            if self._duplicate != -1:  # an open descriptor would keep the file locked
                os.close(self._duplicate)

    def close(self) -> None:
        """Finish the file. A second call has no effect.

        Raises
        ------
        FileAccessError
            The last frames, or the header, could not be written.
        """
        import soundfile

        if self._closed:
            return
        self._closed = True
        try:
            file, self._file = self._file or self._open_target(), None
            file.close()
        except FileAccessError:
            self._give_up()
            raise
        except (OSError, soundfile.SoundFileError) as error:
            failure = self._target.failure(self.frames)
            self._give_up()
            raise failure from error
        self._target.commit()

    def discard(self) -> None:
        """Close the file after an error.

        With `whole`, the new file is removed. Otherwise the frames that were written are kept.
        """
        if self._closed or (self.frames and not self._target.is_whole):
            self.close()
            return
        self._closed = True
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._target.discard()

    def _give_up(self) -> None:
        if self.frames and not self._target.is_whole:
            self._target.commit()  # keeps the frames that were written
        else:
            self._target.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def _kind(path: str) -> _Kind:
    ending = os.path.splitext(path)[1].lower()
    if ending not in _KINDS:
        raise FileFormatError(
            f"cannot write {path!r}: "
            + (f"the extension {ending!r} is unknown" if ending else "the name has no extension")
            + f". Possible are {', '.join(_KINDS)}; give the file one of these extensions"
        )
    return _KINDS[ending]


def _subtype(path: str, kind: _Kind, subtype: str | None) -> str:
    if subtype is None:
        return kind.subtype
    if not isinstance(subtype, str):
        raise ArgumentTypeError(
            f"subtype is of type {type(subtype).__name__}; give a str such as 'PCM_24', or None"
        )
    import soundfile

    # These extensions have one subtype each, because the limits of `_Kind` depend on the subtype.
    single = kind.format in ("OGG", "MP3")
    possible = [kind.subtype] if single else list(soundfile.available_subtypes(kind.format))
    if subtype.upper() not in possible:
        raise FileFormatError(
            f"cannot write {path!r} with the subtype {subtype!r}. Possible for {kind.format} are "
            f"{', '.join(possible)}; leave it out for {kind.subtype}"
        )
    return subtype.upper()


def _check_limits(path: str, kind: _Kind, samplerate: int, channels: int) -> None:
    if channels > kind.max_channels:
        raise FileFormatError(
            f"cannot write {path!r} with {plural(channels, 'channel')}: {kind.subtype} has at most "
            f"{kind.max_channels}. Use a .wav file for more"
        )
    if kind.rates and samplerate not in kind.rates:
        raise FileFormatError(
            f"cannot write {path!r} with {samplerate} Hz: {kind.subtype} has only "
            f"{', '.join(map(str, kind.rates))}. Use one of these, or a .wav file"
        )
    if kind.max_rate and samplerate > kind.max_rate:
        raise FileFormatError(
            f"cannot write {path!r} with {samplerate} Hz: {kind.subtype} has at most "
            f"{kind.max_rate}. Use a .wav file for more"
        )


_open_sinks: Alive[FileSink] = Alive()


def _after_fork_in_child() -> None:
    for sink in _open_sinks.now():
        sink._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
