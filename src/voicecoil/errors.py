"""What can go wrong, each with the matching builtin.

Every exception of this library is a :class:`VoicecoilError` and also the builtin that a caller
who does not know this library would expect (``ValueError``, ``LookupError``, ``OSError`` ...).
A message says what was given, what is possible, and what to do.
"""

from __future__ import annotations

from voicecoil.printable import printable_lines

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CallbackResultError",
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
    "PythonVersionError",
    "Stop",
    "StreamClosedError",
    "StreamStateError",
    "StreamTimeoutError",
    "VoicecoilError",
]


class VoicecoilError(Exception):
    """The class of every error that this library raises.

    Its text has nothing that a terminal would take for a command, whatever a device or a file is
    called.
    """

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class ArgumentError(VoicecoilError, ValueError):
    """An argument has a value that cannot work."""


class ArgumentTypeError(VoicecoilError, TypeError):
    """An argument is of a kind that cannot work."""


class DeviceNotFoundError(VoicecoilError, LookupError):
    """No device, or more than one, is called that; the message lists the candidates."""


class DeviceLostError(VoicecoilError, OSError):
    """The device went away, or changed so that the stream could not go on."""


class DriverError(VoicecoilError, OSError):
    """The audio system refused.

    Attributes
    ----------
    call : str
        The native function that gave the code.
    code : int
        The native error code as it came.
    """

    def __init__(self, message: str, *, call: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.call = call
        self.code = code


class FramesLostError(VoicecoilError, OSError):
    """Frames were lost, and the recording was to end at the first loss."""


class StreamStateError(VoicecoilError, RuntimeError):
    """The stream is not in a state in which that can be done."""


class StreamClosedError(StreamStateError):
    """The stream is closed."""


class ForkedError(StreamStateError):
    """The stream belongs to the parent process; a forked child cannot use it."""


class StreamTimeoutError(VoicecoilError, TimeoutError):
    """Something did not happen before its deadline."""


class CallbackResultError(VoicecoilError, TypeError):
    """A callback returned something else than None."""


class EscapedBlockError(VoicecoilError, BufferError):
    """A zero-copy callback kept a reference to the device's own memory."""


class NativeCallbackError(VoicecoilError, RuntimeError):
    """A native callback returned a negative number.

    Attributes
    ----------
    code : int
        That number.
    """

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class PythonVersionError(VoicecoilError, NotImplementedError):
    """This version of Python cannot do that."""


class IsolatedError(VoicecoilError):
    """Something was raised in an isolated interpreter.

    Attributes
    ----------
    traceback : str
        As Python writes it there; no object can cross.
    """

    def __init__(self, message: str, *, traceback: str = "") -> None:
        super().__init__(f"{message}\n\n{traceback}".rstrip())
        self.traceback = traceback


class IsolatedImportError(IsolatedError, ImportError):
    """The module of a callable cannot be imported in an isolated interpreter."""


class IsolatedCallbackError(IsolatedError, RuntimeError):
    """A callable in an isolated interpreter raised an exception."""


class FileMissingError(VoicecoilError, FileNotFoundError):
    """There is no such file."""


class FileFormatError(VoicecoilError, ValueError):
    """The file holds no audio that can be read, or the name asks for a format nobody writes."""


class FileTruncatedError(FileFormatError, EOFError):
    """The file ends before it should; all that is there has been read.

    Attributes
    ----------
    frames : int
        How many frames could be read.
    """

    def __init__(self, message: str, *, frames: int = 0) -> None:
        super().__init__(message)
        self.frames = frames


class FileChangesError(FileFormatError):
    """The file goes on with audio that does not belong to what has been read.

    It has another sample rate or other channels, or cannot be decoded.

    Attributes
    ----------
    frames : int
        How many frames could be read.
    """

    def __init__(self, message: str, *, frames: int = 0) -> None:
        super().__init__(message)
        self.frames = frames


class FileAccessError(VoicecoilError, OSError):
    """The operating system refused to open, read or write the file."""


class FilePermissionError(FileAccessError, PermissionError):
    """This user may not read or write the file."""


class FileThereError(FileAccessError, FileExistsError):
    """The file exists, and was not to be replaced."""


class FileBusyError(FileAccessError, BlockingIOError):
    """Another sink or another program is writing the file."""


class FileIsDirectoryError(FileAccessError, IsADirectoryError):
    """A file is needed, and this is a directory."""


class OutOfMemoryError(VoicecoilError, MemoryError):
    """There is not enough memory."""


class OutOfThreadsError(VoicecoilError, RuntimeError):
    """No more threads can be started."""


class LibraryError(VoicecoilError, ImportError):
    """A library that this one needs could not be loaded."""


class Stop(Exception):  # noqa: N818 - an instruction, not an error
    """Raise it in a callback: this block is still played, then the stream ends."""
