"""The command line in pipes and at a terminal: signals, Ctrl-C and colours."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from shells import COMMAND, ENV, needs_posix, shell
from voicecoil.files import open_source


@needs_posix
def test_a_closed_output_pipe_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = shell("devices", stdout=writing, stderr=subprocess.PIPE, capture_output=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@needs_posix
def test_a_command_works_with_a_closed_stdout() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "devices"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_gets_no_meter_and_no_colour(song: Path) -> None:
    done = shell("play", song)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1


class Terminal:
    """A command that runs at a pseudo-terminal, and the keys that a user presses."""

    def __init__(self, *arguments: str | Path, **env: str) -> None:
        import pty
        import termios

        self._termios = termios
        with warnings.catch_warnings():  # Python 3.12 warns if a process with threads forks
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid, self.keyboard = pty.fork()
        if self.pid == 0:
            try:
                # This process becomes the command. The parent reads the terminal's settings.
                os.execvpe(COMMAND[0], [*COMMAND, *map(str, arguments)], {**ENV, **env})
            finally:
                os._exit(127)
        self.before = termios.tcgetattr(self.keyboard)
        self.seen = b""

    def read_until(self, text: str) -> None:
        while text.encode() not in self.seen:
            self._read()

    def _read(self) -> bool:
        try:
            got = os.read(self.keyboard, 65_536)
        except OSError:  # the command has closed the terminal
            return False
        self.seen += got
        return bool(got)

    def press_ctrl_c(self) -> None:
        os.write(self.keyboard, b"\x03")

    def end(self) -> tuple[int, str]:
        """Returns the exit code and all output."""
        after = self._termios.tcgetattr(self.keyboard)
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.keyboard)
        assert after == self.before, "the terminal's settings have changed"
        # After Ctrl-C, the terminal drops pending output, which may cut a character in two.
        return os.waitstatus_to_exitcode(status), self.seen.decode(errors="replace")


def assert_tidy(shown: str) -> None:
    """Checks that the cursor is shown, colours are off, and the last line is complete."""
    assert shown.rfind("\x1b[?25h") >= shown.rfind("\x1b[?25l")
    assert shown.endswith("\r\n")
    last_style = re.findall(r"\x1b\[([0-9;]*)m", shown)[-1:]
    assert last_style in ([], ["0"])


METER = "━"


@needs_posix
@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["play", "long.flac"], 130, "stopped long.flac after"),
        (["play", "long.flac", "--loops", "0"], 130, "stopped long.flac after"),
        (["tone", "-d", "20"], 130, "stopped 440 Hz after"),
        (["record", "take.wav", "-d", "20"], 130, "recorded"),
        (["record", "take.wav"], 0, "recorded"),
    ],
)
def test_ctrl_c_at_a_terminal(
    command: list[str],
    code: int,
    says: str,
    long_song: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    terminal = Terminal(*command)
    terminal.read_until("\x1b[?25l")  # hides the cursor when the display starts
    terminal.read_until("0:00.")
    terminal.press_ctrl_c()
    ended, shown = terminal.end()
    assert (ended, says in shown) == (code, True), shown
    assert "Traceback" not in shown
    assert_tidy(shown)
    if command[0] == "record":
        with open_source(tmp_path / "take.wav") as source:
            assert source.frames is not None
            assert len(source.read(10**6)) == source.frames > 0


EARLY = """
import os, signal, sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "voicecoil.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
from voicecoil.cli import main
main()
"""


@needs_posix
def test_ctrl_c_while_modules_are_imported() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@needs_posix
def test_ctrl_c_while_it_renders(tmp_path: Path) -> None:
    synth, path = tmp_path / "cli_slow.py", tmp_path / "a.wav"
    path.write_bytes(b"what was there")
    synth.write_text("import time\ndef f(block):\n print('here', flush=True)\n time.sleep(0.05)\n")
    terminal = Terminal("render", f"{synth}:f", path, "-d", "1000")
    terminal.read_until("here")
    terminal.press_ctrl_c()
    code, shown = terminal.end()
    assert code == 130
    assert "Traceback" not in shown
    (said,) = [line for line in shown.splitlines() if "stopped after" in line]
    assert said.endswith("a.wav was not written"), shown
    assert path.read_bytes() == b"what was there"


@needs_posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_termination_signals_restore_the_terminal(name: str, long_song: Path) -> None:
    terminal = Terminal("play", long_song)
    terminal.read_until("\x1b[?25l")
    terminal.read_until(METER)
    os.kill(terminal.pid, getattr(signal, name))
    code, shown = terminal.end()
    assert code == 128 + getattr(signal, name)
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")


@needs_posix
def test_a_dumb_terminal_gets_no_display(song: Path) -> None:
    code, shown = Terminal("play", song, TERM="dumb").end()
    assert code == 0
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1


@needs_posix
def test_no_color(song: Path) -> None:
    code, shown = Terminal("play", song, NO_COLOR="1").end()
    assert code == 0
    assert METER in shown
    assert not re.findall(r"\x1b\[[0-9;]*\b3[0-9]m", shown)
