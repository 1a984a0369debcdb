"""The exceptions of this library.

Every exception is a :class:`VoicecoilError` and also the builtin exception that a caller without
knowledge of this library would expect (``ValueError``, ``LookupError``, ``OSError`` ...).
A message says what was given, what is possible, and what to do.
"""

from __future__ import annotations

import io

from voicecoil.printable import printable_lines

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CallbackResultError",
    "ChangeTimeoutError",
    "DeviceLostError",
    "DeviceNotFoundError",
    "DriverError",
    "EscapedBlockError",
    "FileAccessError",
    "FileBusyError",
    "FileChangesError",
    "FileFormatError",
    "FileIsDirectoryError",
    "FileMissingError",
    "FilePermissionError",
    "FileThereError",
    "FileTruncatedError",
    "ForkedError",
    "FramesLostError",
    "IsolatedCallbackError",
    "IsolatedError",
    "IsolatedImportError",
    "LibraryError",
    "NativeCallbackError",
    "OutOfMemoryError",
    "OutOfThreadsError",
    "PropertyMissingError",
    "PropertyReadOnlyError",
    "PythonVersionError",
    "SeekError",
    "SilentInputWarning",
    "Stop",
    "StreamClosedError",
    "StreamStateError",
    "StreamTimeoutError",
    "SymbolMissingError",
    "SystemAudioError",
    "TimePassedError",
    "VoicecoilError",
]


class VoicecoilError(Exception):
    """The base class of every error that this library raises.

    Its text contains no control characters, because a terminal would execute them. The names of
    devices and files in a message can contain any characters.
    """

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class ArgumentError(VoicecoilError, ValueError):
    """An argument has a value that is not possible."""


class TimePassedError(ArgumentError):
    """The time at which a sound was to begin has passed.

    Attributes
    ----------
    late_s : float
        How long ago the time was, s.
    """

    def __init__(self, message: str, *, late_s: float = 0.0) -> None:
        super().__init__(message)
        self.late_s = late_s


class ArgumentTypeError(VoicecoilError, TypeError):
    """An argument has a type that is not possible."""


class DeviceNotFoundError(VoicecoilError, LookupError):
    """No device, or more than one device, has that name. The message lists the candidates."""


class DeviceLostError(VoicecoilError, OSError):
    """The device was disconnected, or changed so that the stream could not continue."""


class SystemAudioError(VoicecoilError, NotImplementedError):
    """This system cannot record the sound of other programs. The message has an alternative."""


class DriverError(VoicecoilError, OSError):
    """The audio system refused a call.

    Attributes
    ----------
    call : str
        The native function that returned the code.
    code : int
        The native error code, unchanged.
    """

    def __init__(self, message: str, *, call: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.call = call
        self.code = code


class FramesLostError(VoicecoilError, OSError):
    """Frames were lost, and the recording was set to end at the first loss."""


class StreamStateError(VoicecoilError, RuntimeError):
    """The stream's present state does not allow the operation."""


class StreamClosedError(StreamStateError):
    """The stream is closed."""


class SeekError(VoicecoilError, io.UnsupportedOperation):
    """The source of a sound cannot go to another frame."""


class ForkedError(StreamStateError):
    """The stream belongs to the parent process; a forked child cannot use it.

    A child that is forked inside a callback has only the thread of that callback. The callback
    continues to run in the child. When the callback returns, the child ends as with ``os._exit``,
    and it does not flush or close anything that belongs to its parent. The exit code is 0, the
    code of a SystemExit, or 1 after any other exception, which is printed.
    """


class StreamTimeoutError(VoicecoilError, TimeoutError):
    """An operation did not finish before its deadline."""


class CallbackResultError(VoicecoilError, TypeError):
    """A callback returned a value other than None."""


class EscapedBlockError(VoicecoilError, BufferError):
    """A zero-copy callback kept a reference to the device's memory after it returned."""


class NativeCallbackError(VoicecoilError, RuntimeError):
    """A native callback returned a negative number.

    Attributes
    ----------
    code : int
        The number that the callback returned.
    """

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class PythonVersionError(VoicecoilError, NotImplementedError):
    """This version of Python does not support the operation."""


class IsolatedError(VoicecoilError):
    """An exception was raised in an isolated interpreter.

    Attributes
    ----------
    traceback : str
        The traceback as text, because objects cannot be passed between interpreters.
    """

    def __init__(self, message: str, *, traceback: str = "") -> None:
        super().__init__(f"{message}\n\n{traceback}".rstrip())
        self.traceback = traceback


class IsolatedImportError(IsolatedError, ImportError):
    """The module of a callable cannot be imported in an isolated interpreter.

    Attributes
    ----------
    traceback : str
        The traceback as text, because objects cannot be passed between interpreters.
    """


class IsolatedCallbackError(IsolatedError, RuntimeError):
    """A callable in an isolated interpreter raised an exception.

    Attributes
    ----------
    traceback : str
        The traceback as text, because objects cannot be passed between interpreters.
    """


class FileMissingError(VoicecoilError, FileNotFoundError):
    """The file does not exist."""


class FileFormatError(VoicecoilError, ValueError):
    """The file has no readable audio, or its name asks for a format that cannot be written."""


class FileTruncatedError(FileFormatError, EOFError):
    """The file is shorter than it states. All frames before its end have been read.

    Attributes
    ----------
    frames : int
        Number of frames that could be read.
    """

    def __init__(self, message: str, *, frames: int = 0) -> None:
        super().__init__(message)
        self.frames = frames


class FileChangesError(FileFormatError):
    """The file continues with audio that does not match the frames that have been read.

    The continuation has another sample rate or other channels, or cannot be decoded.

    Attributes
    ----------
    frames : int
        Number of frames that could be read.
    """

    def __init__(self, message: str, *, frames: int = 0) -> None:
        super().__init__(message)
        self.frames = frames


class FileAccessError(VoicecoilError, OSError):
    """The operating system refused to open, read or write the file."""


class FilePermissionError(FileAccessError, PermissionError):
    """This user may not read or write the file."""


class FileThereError(FileAccessError, FileExistsError):
    """The file already exists, and replacing it was not requested."""


class FileBusyError(FileAccessError, BlockingIOError):
    """The file is in use: another sink or another program is writing it."""


class FileIsDirectoryError(FileAccessError, IsADirectoryError):
    """The path is a directory, but a file is needed."""


class OutOfMemoryError(VoicecoilError, MemoryError):
    """There is not enough memory."""


class OutOfThreadsError(VoicecoilError, RuntimeError):
    """No more threads can be started."""


class LibraryError(VoicecoilError, ImportError):
    """A library that voicecoil needs could not be loaded."""


class PropertyMissingError(VoicecoilError, AttributeError):
    """The object does not have this property, at least not in this scope and element.

    That is normal: a device without a volume control has no volume. ``hasattr`` is then False.
    """


class PropertyReadOnlyError(VoicecoilError, AttributeError):
    """The property of this object can be read, but not set."""


class SymbolMissingError(VoicecoilError, AttributeError):
    """This macOS, or the simulated CoreAudio, does not have a C function or variable."""


class ChangeTimeoutError(VoicecoilError, TimeoutError):
    """A device accepted a new value of a property, but still had the old value at the deadline."""


class SilentInputWarning(UserWarning):
    """An input has given nothing but exact zeros for 2 s. The message has the possible causes."""


class Stop(Exception):  # noqa: N818 - an instruction, not an error
    """A callback raises this to end its stream after the present block has been played."""
