"""Checks a path and raises typed errors before an audio library uses the path."""

from __future__ import annotations

import errno
import os
import stat

from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileAccessError,
    FileFormatError,
    FileIsDirectoryError,
    FileMissingError,
    FilePermissionError,
)

__all__ = ["READABLE", "access_error", "check_path", "check_readable"]

READABLE = "WAV, AIFF, FLAC, OGG (Vorbis, Opus), MP3, CAF, AU, W64 and RF64"


def check_path(path: str | os.PathLike[str]) -> str:
    """Return the path as an absolute str, so that a later `os.chdir` does not change the file.

    The path has the same meaning as for `open`. ``~`` is an ordinary character, and links are not
    resolved. As everywhere in Python, a name that cannot be decoded contains surrogates
    (`os.fsdecode`).

    Raises
    ------
    ArgumentTypeError
        `path` is not a path.
    ArgumentError
        `path` is empty, contains a null character, or contains characters that the file system's
        encoding cannot express.
    FileMissingError
        `path` is relative, and the working directory has been deleted.
    """
    try:
        text = os.fspath(path)
    except Exception as error:  # a class's own `__fspath__` can raise anything
        raise ArgumentTypeError(
            f"path is of type {type(path).__name__}, which is not a path ({type(error).__name__}); "
            "give a str or a pathlib.Path"
        ) from error
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"path is of type {type(path).__name__}; give a str, such as os.fsdecode(path)"
        )
    if not text or "\0" in text:
        raise ArgumentError(f"path is {text!r}, which cannot be a file; give the file's name")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"path is {text!a}, which the file system's encoding {error.encoding!r} cannot "
            "express; set a UTF-8 locale such as LC_ALL=C.UTF-8, or start Python with -X utf8"
        ) from None
    if os.path.isabs(text):
        return text
    try:
        return os.path.join(os.getcwd(), text)
    except OSError as error:
        typed = FileMissingError(
            f"cannot find {text!r}: the working directory does not exist any more. Give an "
            "absolute path, or change to another directory"
        )
        typed.errno = error.errno
        raise typed from error


def access_error(path: str, error: OSError, doing: str) -> FileMissingError | FileAccessError:
    """Return the typed error for an error of the operating system.

    Parameters
    ----------
    path : str
    error : OSError
        The typed error gets its errno.
    doing : str
        The operation that failed, such as ``"read"``.
    """
    reason = error.strerror or str(error)
    typed: FileMissingError | FileAccessError
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        typed = FileMissingError(f"cannot {doing} {path!r}: {reason}. Check the name")
    elif isinstance(error, IsADirectoryError):
        typed = FileIsDirectoryError(
            f"cannot {doing} {path!r}: it is a directory. Give the name of a file in it"
        )
    elif isinstance(error, PermissionError):
        typed = FilePermissionError(
            f"cannot {doing} {path!r}: {reason}. Change the file's permissions, or use another one"
        )
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        typed = FileAccessError(
            f"cannot {doing} {path!r}: too many files are open. Close some, or raise the limit "
            "(ulimit -n)"
        )
    else:
        typed = FileAccessError(f"cannot {doing} {path!r}: {reason}. Check the disk and the name")
    typed.errno = error.errno
    return typed


def check_readable(path: str) -> None:
    """Check that `path` is a regular file that is not empty and that this user may read.

    Raises
    ------
    FileMissingError, FileIsDirectoryError, FilePermissionError, FileAccessError
        The operating system refuses to read the file.
    FileFormatError
        The file is empty or is not a regular file.
    """
    try:
        status = os.stat(path)
        # This check comes before `os.open`, because opening a named pipe waits for its writer.
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise FileFormatError(
                f"cannot read {path!r}: it is a pipe or a device, and only regular files can be "
                "streamed. Copy its audio into a file first"
            )
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise access_error(path, error, "read") from error
    if status.st_size == 0:
        raise FileFormatError(
            f"cannot read {path!r}: it is empty (0 bytes). Possible are {READABLE}; "
            "make the file again, or give another one"
        )
