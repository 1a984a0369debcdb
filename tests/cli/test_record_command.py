"""``voicecoil record``: existing files, and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paths import TESTS
from rig import until
from voicecoil.files import open_source

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

COMMAND = [sys.executable, "-m", "voicecoil", "record"]
ENV = {**os.environ, "VOICECOIL_DRIVER": "virtual", "NO_COLOR": "1", "COLUMNS": "200"}


def shell(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **{"env": ENV, **options},  # type: ignore[call-overload]
    )


def test_an_existing_recording_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"the take of the day")
    done = shell(path, "-d", "0.05")
    assert done.returncode == 2
    assert "a.wav' exists; give another name, or --force to replace it" in done.stderr
    assert path.read_bytes() == b"the take of the day"
    assert shell(path, "-d", "0.05", "--force").returncode == 0
    with open_source(path) as source:
        assert source.frames == 2400


def test_on_loss_option(tmp_path: Path) -> None:
    done = shell(tmp_path / "a.wav", "-d", "0.05", "--on-loss", "cut", "--buffer", "5", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["losses"], told["lost_frames"], told["clipped_samples"]) == ([], 0, 0)
    done = shell(tmp_path / "b.wav", "--on-loss", "skip")
    assert done.returncode == 2
    assert "silence" in done.stderr


class Recorder:
    """Runs the command in a process of its own, and waits until it has written sound."""

    def __init__(self, path: Path, ignored: tuple[int, ...]) -> None:
        self.path = path

        def ignore() -> None:
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)

        self.process = subprocess.Popen(
            [*COMMAND, str(path), "--quiet"], env=ENV, stderr=subprocess.PIPE, preexec_fn=ignore
        )
        self.goes_on()

    def goes_on(self) -> None:
        more = 100 if self.path.suffix == ".flac" else 50_000  # bytes (FLAC compresses silence)
        before = self.path.stat().st_size if self.path.exists() else 0
        until(lambda: self.path.exists() and self.path.stat().st_size > before + more)
        assert self.process.poll() is None

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        assert b"Traceback" not in said
        with open_source(self.path) as source:
            assert source.frames is not None
            assert len(source.read(10**8)) == source.frames > 5000
            assert source.read(1).size == 0, "the file is complete"
        return self.process.returncode


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("ending", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_take_with_its_file_complete(
    tmp_path: Path, name: str, ending: str
) -> None:
    number = getattr(signal, ending)
    code = Recorder(tmp_path / name, ()).end(number)
    assert code == (0 if ending == "SIGINT" else 128 + number)


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.wav", (signal.SIGINT, signal.SIGHUP))
    for number in (signal.SIGINT, signal.SIGHUP):
        recorder.process.send_signal(number)
        recorder.goes_on()
    assert recorder.end(signal.SIGTERM) == 128 + signal.SIGTERM


def test_the_tests_of_signals_pass_where_the_parent_ignores_signals() -> None:
    """The parent process may ignore signals, for instance nohup, or a shell for background jobs."""

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += [str(TESTS / "lifetime" / "test_life_and_death.py"), "-k", "test_sig"]
    done = subprocess.run(
        command,
        env={**os.environ, "VOICECOIL_RUNS": "2"},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=ignore,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [b"caf\xe9.wav", "caf\u00e9.wav".encode(), b"\x1b[31m\x9b2J.wav"])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_stream_names_of_any_bytes(tmp_path: Path, name: bytes, locale: str) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    env = {**ENV, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command: list[str | bytes] = [*COMMAND, path, "-d", "0.05"]
    done = subprocess.run(command, env=env, capture_output=True, timeout=60)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert os.path.getsize(path) > 2400 * 8
    shown = (done.stdout + done.stderr).replace(b"\n", b"")
    assert not any(byte < 32 or byte == 127 for byte in shown), shown
    again = subprocess.run(command, env=env, capture_output=True, timeout=60)
    assert again.returncode == 2
    assert b"exists" in again.stderr
