"""The file that a sink writes. It is opened once, locked, and removed only by its owner."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from types import ModuleType

from voicecoil.errors import FileAccessError, FileBusyError, FileFormatError, FileThereError
from voicecoil.files.path_errors import access_error
from voicecoil.lifetime.weak_registry import Alive
from voicecoil.wording import plural

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows has no fcntl
    fcntl = None

__all__ = ["Target"]

_FLAGS = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_BLOCK_BYTES = 4096
_DESCRIPTORS = "/proc/self/fd"


class Target:
    """A file for one writer.

    The file is opened here and never opened by its name again, because another file may get that
    name later. A lock keeps out other sinks of this program and of other programs, because two
    recordings into one file would destroy each other.

    Parameters
    ----------
    path : str
        Absolute, because the program may change its working directory.
    exist_ok : bool
        True if an existing file may be replaced.
    mode : int
        Permissions of a new file.
    whole : bool
        True to write to a temporary file in the same folder, which `commit` renames to `path`.

    Raises
    ------
    FileThereError
        The file exists, and `exist_ok` is False.
    FileBusyError
        Another sink or program is writing the file.
    FileFormatError
        The path is neither a regular file nor a character device.
    FileMissingError, FileIsDirectoryError, FilePermissionError, FileAccessError
        The operating system refuses to write the file.
    """

    def __init__(self, path: str, *, exist_ok: bool, mode: int, whole: bool) -> None:
        self.path = path
        self._beside: int | None = None
        self._beside_path: str | None = None
        self._file = -1  # the file's descriptor; -1: closed
        try:
            self._file, self._is_new = self._open(exist_ok, mode)
        except FileThereError:
            raise
        except OSError as error:
            raise access_error(path, error, "write") from error
        try:
            self._check_kind()
            self._lock()
            folder = os.path.dirname(os.path.realpath(self.path))
            if whole and os.access(folder, os.W_OK):
                self._open_beside(folder)
        except BaseException:
            self._remove_new()
            self.disown()
            raise
        _targets.add(self)

    def _open(self, exist_ok: bool, mode: int) -> tuple[int, bool]:
        """Return the descriptor and whether this call created the file.

        Opening a named pipe does not wait for its reader, because `_FLAGS` has O_NONBLOCK.
        """
        try:
            return os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, mode), True
        except FileExistsError:
            pass
        if not exist_ok and os.path.exists(self.path):
            if os.path.isdir(self.path):
                raise IsADirectoryError
            raise FileThereError(
                f"cannot write {self.path!r}: the file already exists. Give another name, or "
                "exist_ok=True to replace it"
            )
        try:
            return os.open(self.path, _FLAGS), False
        except FileNotFoundError:  # the path is a symbolic link to a file that does not exist
            return os.open(self.path, _FLAGS | os.O_CREAT, mode), True

    def _check_kind(self) -> None:
        kind = os.fstat(self._file).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISCHR(kind):
            raise FileFormatError(
                f"cannot write {self.path!r}: it is a pipe or a device, but the start of a sound "
                "file is written again at its end. Give the name of a regular file"
            )

    def _lock(self) -> None:
        self._key = _key(self._file)
        busy = any(other._key == self._key for other in _targets.now())
        if fcntl is not None and not busy and stat.S_ISREG(os.fstat(self._file).st_mode):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = True
            except OSError:
                pass  # the file system does not support locks
        # Another program may have replaced the file before it was locked.
        with contextlib.suppress(OSError):
            busy = busy or _key(self.path) != self._key
        if busy:
            self._is_new = False  # the file belongs to the other writer, so it must not be removed
            raise FileBusyError(
                f"cannot write {self.path!r}: another recording or program is writing it. Give "
                "another name, or end the other one first"
            )

    def _open_beside(self, folder: str) -> None:
        try:
            self._make_beside(folder)
            # Set the permissions while the file is empty, so that no other user can read its data.
            if hasattr(os, "fchmod"):
                os.fchmod(self.descriptor, stat.S_IMODE(os.fstat(self._file).st_mode))
        except OSError as error:
            raise access_error(self.path, error, "write") from error

    def _make_beside(self, folder: str) -> None:
        if hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS):
            # A file without a name disappears if the process is killed.
            with contextlib.suppress(OSError):
                self._beside = os.open(folder, os.O_TMPFILE | _FLAGS, 0o600)
                return
        self._beside, self._beside_path = tempfile.mkstemp(*self._unused_name(), folder)

    def _unused_name(self) -> tuple[str, str]:
        """Return the suffix and the prefix of a temporary file beside the target."""
        stem, ending = os.path.splitext(os.path.basename(self.path))
        return ending, f".{stem[:32]}."

    @property
    def is_whole(self) -> bool:
        """True if the frames go to a temporary file, which `commit` moves to the path."""
        return self._beside is not None

    @property
    def name(self) -> str:
        """Path of the file that is written to."""
        return self._beside_path or self.path

    @property
    def descriptor(self) -> int:
        """Descriptor of the file that is written to. This object owns it."""
        return self._file if self._beside is None else self._beside

    def duplicate(self) -> int:
        """Empty the file and return a new descriptor of it, which the caller must close."""
        with contextlib.suppress(OSError):  # a character device has no length
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
        return os.dup(self.descriptor)

    def failure(self, frames: int) -> FileAccessError:
        """Return the error for a write that failed after `frames` frames.

        libsndfile does not report the reason. When this method writes a few more bytes to the file,
        the operating system reports the reason again.
        """
        reason = "the audio library could not write it"
        with contextlib.suppress(OSError):
            os.lseek(self.descriptor, 0, os.SEEK_END)
        try:
            written = os.write(self.descriptor, bytes(_BLOCK_BYTES))
            os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size - written)
            code = None
        except OSError as error:
            reason, code = error.strerror or str(error), error.errno
        failure = FileAccessError(
            f"cannot write {self.path!r} after {plural(frames, 'frame')}: {reason}. "
            "Check the space on the disk"
        )
        failure.errno = code
        return failure

    def commit(self) -> None:
        """Give a temporary file the name of the path, and close the file."""
        try:
            if self._beside is not None:
                self._name_beside()
        except OSError as error:
            self._remove_beside()
            self._remove_new()  # nothing was written to it
            raise access_error(self.path, error, "write") from error
        finally:
            self._let_go()

    def _name_beside(self) -> None:
        assert self._beside is not None
        target = os.path.realpath(self.path)
        if self._beside_path is None:
            # `link` cannot replace a file, so the file first gets a temporary name.
            folder = os.path.dirname(target)
            with tempfile.TemporaryDirectory(*self._unused_name(), folder) as own:
                path = os.path.join(own, "whole")
                # Python follows the symbolic link in /proc only if `src_dir_fd` is given. Its value
                # has no effect, because the path is absolute.
                os.link(f"{_DESCRIPTORS}/{self._beside}", path, src_dir_fd=self._beside)
                os.replace(path, target)
            return
        if _key(self._beside) != _key(self._beside_path):
            raise OSError(errno.ESTALE, "another program has removed the new file")
        path = self._beside_path
        if os.name == "nt":  # Windows cannot move an open file
            self.disown()
        os.replace(path, target)

    def discard(self) -> None:
        """Close the file, and remove it if this object created it."""
        if self._file != -1:
            self._remove_beside()
            self._remove_new()
            self._let_go()

    def _remove_beside(self) -> None:
        if self._beside is not None and self._beside_path is not None:
            _remove(self._beside_path, self._beside)

    def _remove_new(self) -> None:
        if self._is_new:
            _remove(self.path, self._file)

    def _let_go(self) -> None:
        if self._file == -1:
            return
        # Unlock explicitly. A forked child may have the descriptor too, so that closing it here
        # would not release the lock.
        if fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self.disown()

    def disown(self) -> None:
        """Close the descriptors. A forked child leaves the file and its lock to the parent."""
        _targets.discard(self)  # this process does not hold the file's lock any more
        descriptors = {self._file, self.descriptor} - {-1}
        self._beside, self._is_new, self._file = None, False, -1
        for descriptor in descriptors:
            os.close(descriptor)

    def __del__(self) -> None:
        if _targets is not None:  # otherwise Python is ending and has cleared this module
            self.disown()


def _key(file: int | str) -> tuple[int, int]:
    status = os.stat(file)
    return status.st_dev, status.st_ino


def _remove(path: str, descriptor: int) -> None:
    """Remove the file at `path`, unless another file has that name now."""
    with contextlib.suppress(OSError):
        if _key(path) == _key(descriptor):
            os.unlink(path)


_targets: Alive[Target] = Alive()
