"""The file that a sink writes: locking, replacement of an existing file, and removal after an
error.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from rig import Rig
from voicecoil.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileAccessError,
    FileBusyError,
    FileFormatError,
    FileThereError,
)
from voicecoil.files import FileSink, open_source

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
SOUND = np.full((5000, 2), 0.25, np.float32)


def write(path: Path, frames: int = 5000, **options: object) -> None:
    with FileSink(path, 48_000, 2, **options) as sink:  # type: ignore[arg-type]
        sink.write(SOUND[:frames])


def frames_of(path: Path) -> int | None:
    with open_source(path) as source:
        return source.frames


# ---- locks ---------------------------------------------------------------------------------------


def test_two_takes_of_one_file(tmp_path: Path) -> None:
    rig = Rig()
    path = tmp_path / "a.wav"
    take = rig.record(path)
    with pytest.raises(FileBusyError, match=r"a\.wav.*is writing it"):
        rig.record(path, exist_ok=True)
    rig.step(10)
    assert take.stop() == str(path)
    assert frames_of(path) == 640


@pytest.mark.parametrize("whole", [False, True])
def test_a_file_under_another_name_is_the_same_file(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "a.wav"
    write(path, 7)
    os.link(path, tmp_path / "b.wav")
    with FileSink(path, 48_000, 2, whole=whole) as sink:
        for other in (path, tmp_path / "b.wav"):
            with pytest.raises(FileBusyError):
                FileSink(other, 48_000, 2, whole=whole)
        sink.write(SOUND)
    assert frames_of(path) == 5000
    write(path, 7)  # the lock has been released
    assert frames_of(path) == 7


WRITES = """
import sys
import numpy as np
from voicecoil.files import FileSink
with FileSink(sys.argv[1], 48_000, 2) as sink:
    sink.write(np.zeros((5000, 2), np.float32))
    print("writes", flush=True)
    sys.stdin.readline()
"""


@needs_posix
def test_a_file_that_another_program_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"writes\n"
        with pytest.raises(FileBusyError):
            FileSink(path, 48_000, 2)
        other.stdin.close()
    assert other.returncode == 0
    assert frames_of(path) == 5000
    write(path, 7)


def test_a_sink_that_was_not_closed_locks_nothing(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a.wav", 48_000, 2)
    del sink
    write(tmp_path / "a.wav")


@needs_posix
def test_a_forked_child_keeps_no_file_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    program = f"""
import os, time
from voicecoil.files import FileSink
sink = FileSink({str(path)!r}, 48_000, 2)
child = os.fork()
if child == 0:
    time.sleep(60)
sink.close()
FileSink({str(path)!r}, 48_000, 2).close()
os.kill(child, 9)
os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


@needs_posix
def test_a_forked_child_takes_part_in_no_lock(tmp_path: Path) -> None:
    """A forked child has no descriptor of the locked file. After its parent has closed the file,
    the child can write it.
    """
    path = tmp_path / "a.wav"
    program = f"""
import os, sys
import numpy as np
from voicecoil.files import FileSink
path = {os.path.realpath(path)!r}
sink = FileSink(path, 48_000, 2)
sink.write(np.zeros((100, 2), np.float32))
wait, closed = os.pipe()
child = os.fork()
if child == 0:
    os.close(closed)
    os.read(wait, 1)
    folder = "/proc/self/fd"
    if sys.platform == "linux":
        assert path not in [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)
                            if os.path.exists(os.path.join(folder, fd))]
    FileSink(path, 48_000, 2).close()
    os._exit(0)
sink.close()
os.close(closed)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@needs_posix
def test_too_many_open_files(tmp_path: Path) -> None:
    """The first write opens the file for libsndfile. If this fails, the write can be repeated."""
    program = f"""
import contextlib, errno, os, resource, sys
import numpy as np
from voicecoil.errors import FileAccessError
from voicecoil.files import FileSink, open_source
folder = {str(tmp_path)!r}
frames = np.zeros((100, 2), np.float32)
sink = FileSink(os.path.join(folder, "a.wav"), 48_000, 2)
other = FileSink(os.path.join(folder, "b.wav"), 48_000, 2)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
with contextlib.suppress(OSError):
    while True:
        held.append(open(os.devnull))
for call in (lambda: sink.write(frames), other.close):
    try:
        call()
    except FileAccessError as error:
        assert error.errno == errno.EMFILE, error
        assert "too many files are open" in str(error), error
    else:
        raise AssertionError("it worked")
for file in held:
    file.close()
sink.write(frames)
sink.close()
with open_source(sink.path) as source:
    assert source.frames == 100
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


# ---- existing files and folders ------------------------------------------------------------------


def test_a_recording_does_not_replace_an_existing_file(tmp_path: Path) -> None:
    rig = Rig()
    path = tmp_path / "a.wav"
    write(path)
    before = path.read_bytes()
    with pytest.raises(FileThereError, match="exist_ok=True"):
        rig.record(path)
    with pytest.raises(FileExistsError):
        FileSink(path, 48_000, 2, exist_ok=False)
    assert path.read_bytes() == before
    take = rig.record(path, exist_ok=True)
    rig.step(10)
    take.stop()
    assert frames_of(path) == 640


@needs_posix
def test_permissions_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(tmp_path / "private.wav", mode=0o600)
        write(tmp_path / "usual.wav")
        write(tmp_path / "whole.wav", mode=0o640, whole=True)
        write(tmp_path / "private.wav", mode=0o666)  # a file that is replaced keeps its permissions
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"private.wav": 0o600, "usual.wav": 0o644, "whole.wav": 0o640}


@needs_posix
@pytest.mark.parametrize("end", ["reader", "nobody"])
def test_a_named_pipe_is_no_sink(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.wav"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if end == "reader" else None
    with pytest.raises((FileFormatError, FileAccessError), match=r"a\.wav"):
        Rig().record(path, exist_ok=True)
    if reader is not None:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_the_error_of_a_full_disk_has_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(FileAccessError, match="No space left on device") as raised:
        write(tmp_path / name)
    assert raised.value.errno == 28


# ---- atomic replacement --------------------------------------------------------------------------


@needs_posix
def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    path = tmp_path / "a.wav"
    write(path)
    (tmp_path / f".a.{os.getpid()}.wav").symlink_to(victim)
    write(path, 7, whole=True)
    assert victim.read_bytes() == b"mine"
    assert frames_of(path) == 7


@needs_posix
@pytest.mark.parametrize("named", [False, True])
def test_a_replacement_is_as_private_as_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    if named:  # simulates a system without unnamed files
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "a.wav"
    write(path, mode=0o600)
    with FileSink(path, 48_000, 2, whole=True) as sink:
        sink.write(SOUND)
        assert stat.S_IMODE(os.fstat(sink._target.descriptor).st_mode) == 0o600
        assert len(list(tmp_path.iterdir())) == 1 + (named or not hasattr(os, "O_TMPFILE"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert frames_of(path) == 5000


@needs_posix
def test_a_file_that_took_the_name_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sink = FileSink(path, 48_000, 2)
    path.unlink()
    path.write_bytes(b"another program's")
    sink.discard()
    assert path.read_bytes() == b"another program's"


@needs_posix
def test_a_replacement_that_another_program_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "a.wav"
    write(path, 7)
    sink = FileSink(path, 48_000, 2, whole=True)
    sink.write(SOUND)
    (beside,) = set(tmp_path.iterdir()) - {path}
    beside.unlink()
    beside.write_bytes(b"planted")
    with pytest.raises(FileAccessError, match="another program"):
        sink.close()
    assert frames_of(path) == 7
    assert beside.read_bytes() == b"planted"


@needs_posix
def test_a_new_file_that_cannot_be_completed_leaves_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "a.wav"
    sink = FileSink(path, 48_000, 2, whole=True, exist_ok=False)
    sink.write(SOUND)
    (beside,) = set(tmp_path.iterdir()) - {path}
    beside.unlink()
    beside.write_bytes(b"planted")
    with pytest.raises(FileAccessError, match="another program"):
        sink.close()
    assert list(tmp_path.iterdir()) == [beside]


KILLED = """
import os, sys
import numpy as np
from voicecoil.files import FileSink
sink = FileSink(sys.argv[1], 48_000, 2, whole=True)
sink.write(np.zeros((5000, 2), np.float32))
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files always have names here")
def test_a_killed_process_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write(path, 7)
    done = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == [path]
    assert frames_of(path) == 7
    write(path, 9, whole=True)
    assert frames_of(path) == 9


def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    write(Path("a.wav"), 7)
    sinks = [FileSink("a.wav", 48_000, 2, whole=True), FileSink("b.wav", 48_000, 2)]
    monkeypatch.chdir(tmp_path / "two")
    for sink in sinks:
        sink.write(SOUND)
        sink.close()
    assert not list((tmp_path / "two").iterdir())
    assert frames_of(tmp_path / "one" / "a.wav") == 5000
    assert frames_of(tmp_path / "one" / "b.wav") == 5000


# ---- names ---------------------------------------------------------------------------------------


@needs_posix
def test_a_name_that_is_not_in_the_systems_encoding(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav")
    with FileSink(os.fsdecode(name), 48_000, 2) as sink:
        sink.write(SOUND)
    assert os.path.getsize(name) > 5000 * 8
    with open_source(os.fsdecode(name)) as source:
        assert source.frames == 5000


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __fspath__(self) -> str:
        raise RuntimeError("no path")


@pytest.mark.parametrize("where", ["file", "subtype", "on_loss", "buffer_s", "duration_s"])
def test_arguments_whose_repr_raises_are_refused(tmp_path: Path, where: str) -> None:
    arguments = {"file": tmp_path / "a.wav", where: Odd()}
    said = "Odd" if where == "file" else where
    with pytest.raises((ArgumentError, ArgumentTypeError), match=said):
        vc.record(**arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["0600", 6.0, -1, 0o10000, True])
def test_impossible_permissions(tmp_path: Path, mode: int) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match="mode"):
        FileSink(tmp_path / "a.wav", 48_000, 2, mode=mode)
    assert not list(tmp_path.iterdir())


def test_clipped_samples_are_counted(tmp_path: Path) -> None:
    sound = np.array([[0.5, 1.0], [1.01, -1.0], [np.nan, -3.0]], np.float32)
    for name, subtype, clipped in (("a.wav", "PCM_16", 3), ("a.flac", None, 3), ("b.wav", None, 0)):
        with FileSink(tmp_path / name, 48_000, 2, subtype) as sink:
            sink.write(sound)
        assert sink.clipped_samples == clipped
