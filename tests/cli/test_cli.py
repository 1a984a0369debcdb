"""The command line: for shells, for other programs, and for users at a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

import voicecoil as vc
from losing import is_away
from rig import until
from voicecoil.cli.app import run
from voicecoil.cli.display import Display, clock_text, duration_text, showing
from voicecoil.drivers.choose import get_driver
from voicecoil.files import FileSink, open_source
from voicecoil.levels import Level
from voicecoil.sounds import mixing as output_module

COMMAND = [sys.executable, "-m", "voicecoil"]
COMMANDS = ["devices", "play", "record", "tone", "render", "stress"]
ENV = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
ENV["VOICECOIL_DRIVER"] = "virtual"
ENV.pop("NO_COLOR", None)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


def sine(frames: int) -> NDArray[np.float32]:
    wave = 0.5 * np.sin(np.arange(frames) * 0.05)
    return np.stack([wave, wave / 2], axis=1).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "a song.wav"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(4_800))
    return path


@pytest.fixture
def long_song(tmp_path: Path) -> Path:
    path = tmp_path / "long.flac"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(48_000 * 20))
    return path


def shell(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        **{"capture_output": True, "text": True, "timeout": 60, "env": ENV, **options},
    )


# ---- help and usage ----------------------------------------------------------------------------


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert f" {command} " in text
    assert "Exit codes" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_examples_that_parse(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from voicecoil.cli.app import app

    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    examples = re.findall(rf"^  voicecoil ({command}\b.*)$", text.split("Examples")[1], re.M)
    assert len(examples) >= 2
    for example in examples:
        _, bound, _ = app.parse_args(example, exit_on_error=False, print_error=False)
        assert bound is not None


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == vc.__version__


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (["bogus"], "bogus.*devices, play.*voicecoil --help"),
        (["play"], "FILE.*voicecoil play --help"),
        (["play", "a.wav", "--lops", "2"], "--lops.*--loops.*voicecoil play --help"),
        (["play", "a.wav", "b.wav"], "'b.wav' is more than"),
        (["play", "a.wav", "--loops", "1.5"], "--loops.*'1.5' is not a whole number"),
        (["record", "b.wav", "--channels", "1.5"], "--channels.*'1.5' is not a whole number"),
        (["play", ""], "name a sound file"),
        (["play", "a.wav", "--gain-db", "loud"], "--gain-db.*loud"),
        (["play", "a.wav", "--gain-db", "1000"], "-60 to 60 dB"),
        (["play", "a.wav", "--driver", "nope"], "no driver 'nope'; possible are"),
        (["devices", "--driver", "nope", "--json"], "no driver 'nope'; possible are"),
        (["tone", "0"], "half the sample rate"),
        (["tone", "30000"], "half the sample rate, 24000 Hz"),
        (["tone", "--duration", "0"], "more than 0 s"),
        (["tone", "--duration", "nan"], "more than 0 s"),
        (["tone", "--level-db", "3"], "-120 to 0 dB"),
        (["tone", "--device", "nobody"], "Virtual Device"),
        (["record", "a.wav", "--duration", "-1"], "more than 0"),
        (["record", "a.wav", "--channels", "9"], "possible is 1 to 2"),
        (["render", "sine", "a.wav"], "names no function"),
        (["render", "nowhere.py:tone", "a.wav"], "no file 'nowhere.py'"),
        (["render", "nowhere.module:tone", "a.wav"], "no module 'nowhere'"),
        (["render", "math:tone", "a.wav"], "no function 'tone', but .*sin"),
    ],
)
def test_wrong_usage_prints_one_line_and_exits_with_2(
    tokens: list[str],
    says: str,
    song: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    song.rename("a.wav")
    before = sorted(tmp_path.iterdir())
    assert run(tokens) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(rf"voicecoil: .*{says}.*\n", told.err)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("tokens", [["play"], ["play", "--json"], ["play", "-q"]])
@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"", "empty"), (b"words" * 99, "not audio")]
)
def test_a_bad_file_prints_one_line_and_exits_with_1(
    tokens: list[str],
    content: bytes | None,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    assert run([*tokens, str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(rf"voicecoil: cannot read .*{says}.*\n", told.err)


# ---- commands ----------------------------------------------------------------------------------


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == 0
    heading, device = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "IN", "OUT", "HZ", "DEFAULT", "FOR", "UID"]
    assert device.startswith("Virtual Device")
    assert "input, output" in device
    assert run(["devices", "--json"]) == 0
    told = capsys.readouterr()
    assert [entry["uid"] for entry in json.loads(told.out)] == ["virtual:Virtual Device"]
    assert told.err == ""


def test_play_reaches_the_device(
    song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = tmp_path / "heard.wav"
    assert run(["play", str(song), "--heard", str(heard), "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    report = json.loads(told.out)
    assert report["frames"] == report["heard_frames"] == 4_800
    assert report["starved_frames"] == 0
    assert not report["interrupted"]
    with open_source(heard) as source:
        assert np.array_equal(source.read(10_000), sine(4_800))


def test_play_prints_a_summary(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["play", str(song)]) == 0
    told = capsys.readouterr()
    assert told.out == "played a song.wav for 100 ms on Virtual Device, 48 kHz\n"
    assert told.err == ""
    assert run(["play", str(song), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_play_goes_on_when_the_device_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    with FileSink(path, 48_000, 2) as sink:
        sink.write(sine(24_000))
    device = get_driver("virtual").virtual_devices[0]  # type: ignore[attr-defined]

    def unplug_and_replug() -> None:
        until(lambda: any(output.stream.active for output in output_module._outputs))
        (output,) = output_module._outputs
        device.inject("unplug")
        is_away(output.stream)
        device.replug()

    someone = threading.Thread(target=unplug_and_replug)
    someone.start()
    assert run(["play", str(path), "--driver", "virtual", "--device", "Virtual"]) == 0
    someone.join()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "the device 'Virtual Device' was unplugged; waiting for a device",
        "goes on with Virtual Device",
    ]
    assert "played a.wav for 500 ms" in said.out


def test_a_truncated_file_is_played_and_exits_with_1(
    song: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song.write_bytes(song.read_bytes()[:-9_000])
    assert run(["play", str(song), "-q"]) == 1
    assert "truncated" in capsys.readouterr().err


def test_heard_must_not_be_the_source(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = song.read_bytes()
    assert run(["play", str(song), "--heard", str(song)]) == 2
    assert "is the file to play" in capsys.readouterr().err
    assert song.read_bytes() == before


def test_record(tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    # Runs in a process of its own, because the virtual device loops back what was played before.
    done = shell("record", path, "-d", "0.05", "--channels", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["frames"] == 2_400
    assert report["peak"] == 0
    assert report["peak_db"] is None, "JSON has no infinity"
    with open_source(path) as source:
        assert (source.channels, source.frames) == (1, 2_400)


def test_tone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tone", "1000", "-d", "0.05", "--level-db", "-20", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["duration_s"] == 0.05
    assert report["frequency_hz"] == 1000


def test_the_tone_has_soft_ends() -> None:
    from voicecoil.cli.tone import Sine

    sound = vc.render(Sine(3_000, 0.5, 0.1).block, frames=6_000, channels=1)[:, 0]
    assert abs(sound).max() == pytest.approx(0.5, abs=0.01)
    assert np.flatnonzero(sound)[-1] < 4_800
    assert abs(sound[:20]).max() < 0.05
    assert abs(sound[4_780:]).max() < 0.05
    released = Sine(3_000, 0.5, 100)
    released.released = True
    sound = vc.render(released.block, frames=6_000, channels=1)[:, 0]
    assert np.flatnonzero(sound)[-1] < 240


SYNTH = """
import helper
def voice(block):
    block.output[:] = helper.LEVEL
def broken(block):
    raise ZeroDivisionError("in the callback")
"""


def test_render(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "cli_synth.py").write_text(SYNTH)
    (tmp_path / "helper.py").write_text("LEVEL = 0.5\n")
    path = tmp_path / "a.wav"
    spec = f"{tmp_path / 'cli_synth.py'}:"
    assert run(["render", f"{spec}voice", str(path), "-d", "0.5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["peak"]) == (24_000, 0.5)
    with open_source(path) as source:
        assert (source.read(30_000) == 0.5).all()
    before = path.read_bytes()
    assert run(["render", f"{spec}broken", str(path)]) == 1
    assert path.read_bytes() == before, "an incomplete result is not printed"
    assert run(["render", f"{spec}broken", str(tmp_path / "b.wav")]) == 1
    assert not (tmp_path / "b.wav").exists()


@pytest.mark.parametrize(
    ("source", "frames", "end"),
    [
        ("def f(block):\n g()\ndef g():\n 1 / 0", "in f|in g", "ZeroDivisionError: "),
        ("import no_such_module_of_theirs", "in <module>", "ModuleNotFoundError: "),
        ("def f(block)\n pass", "line 1", "SyntaxError: "),
    ],
)
def test_the_users_errors_show_the_users_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, frames: str, end: str
) -> None:
    path = tmp_path / "cli_broken.py"
    path.write_text(source)
    assert run(["render", f"{path}:f", str(tmp_path / "a.wav")]) == 1
    shown = capsys.readouterr().err
    files = re.findall(r'File "(.*?)"', shown)
    assert set(files) == {str(path)}, shown
    assert re.findall(frames, shown) == frames.split("|")
    assert shown.splitlines()[-1].startswith(end)


# ---- pipes and signals -------------------------------------------------------------------------


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
        with warnings.catch_warnings():  # since 3.12, Python warns of a fork beside threads
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid, self.keyboard = pty.fork()
        if self.pid == 0:
            try:
                # The settings of the terminal before and after the command are read from the
                # shell's side.
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
        except OSError:  # the command has closed its side
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
        # After Ctrl-C the terminal drops output that is not shown yet, possibly within a character.
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
    terminal.read_until("\x1b[?25l")  # this hides the cursor, so the display has started
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


# ---- plots -------------------------------------------------------------------------------------


def picture(width: int = 60, height: int = 24, legacy: bool = False, **options: Any) -> list[str]:
    import io

    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if legacy else "utf-8", newline="")
    console = Console(file=file, width=width, height=height, force_terminal=True, no_color=True)
    levels = options.pop("levels", [Level(0.5, 0.25), Level(0.0, 0.0)])
    display = Display("song.wav", "Speakers, 48 kHz", options.pop("duration_s", 4.0))
    display.update(1.0, levels, now=0.0)
    for later, new in options.pop("then", []):
        display.update(1.0, new, now=later)
    console.print(display)
    file.flush()
    text = file.buffer.getvalue().decode(file.encoding)  # type: ignore[attr-defined]
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_the_live_display() -> None:
    assert picture() == [
        "song.wav  Speakers, 48 kHz",
        "0:01.0  ━━━━━━━━━━╸───────────────────────────────   0:04.0",
        "     0  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸────┃───  -6.0 dB",
        "     1  ──────────────────────────────────────────   silent",
        "             -48      -36     -24      -12  -6   0",
    ]


def test_the_live_display_in_ascii() -> None:
    lines = picture(legacy=True)
    assert lines[1] == "0:01.0  ==========-...............................   0:04.0"


@pytest.mark.parametrize("width", [8, 20, 25, 40, 80, 300])
@pytest.mark.parametrize("height", [3, 24])
def test_the_live_display_fits_any_terminal(width: int, height: int) -> None:
    lines = picture(width, height, levels=[Level(1.5, 1.0)] * 64)
    assert max(map(len, lines)) < width
    assert len(lines) <= max(height, 5)


def test_without_a_length_there_is_no_bar() -> None:
    assert picture(duration_s=None)[1].strip() == "0:01.0"


def test_levels_fall_slowly_and_peaks_stay() -> None:
    silence = [Level(0.0, 0.0)] * 2
    loud, soon, later = (
        picture(then=then)[2]
        for then in ([], [(0.5, silence)], [(0.5, silence), (2.0, silence), (4.0, silence)])
    )
    assert soon.count("━") < loud.count("━")
    assert soon.endswith("-6.0 dB")
    assert later.count("━") == 0
    assert not later.endswith("-6.0 dB")


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=False)
    with showing(console, Display("a", "b", 1.0), enabled=True) as show:
        show(0.5, [Level(0.5, 0.5)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "clock", "said"),
    [
        (0, "0:00.0", "0 ms"),
        (0.0021, "0:00.0", "2.1 ms"),
        (5.25, "0:05.3", "5.25 s"),
        (59.96, "1:00.0", "60 s"),
        (61.5, "1:01.5", "1:01.5"),
        (3600, "1:00:00.0", "1:00:00.0"),
        (-1, "0:00.0", "-1e+03 ms"),
    ],
)
def test_texts_of_times_and_durations(seconds: float, clock: str, said: str) -> None:
    assert clock_text(seconds) == clock
    assert seconds < 0 or duration_text(seconds) == said


@needs_posix
def test_a_signal_is_delayed_until_the_display_is_drawn() -> None:
    from voicecoil.cli.interrupts import Interrupts

    steps: list[str] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            steps.append("whole")
        steps.append("never")

    handler: Callable[..., Any] | int | None = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        work(interrupts)
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) == handler
