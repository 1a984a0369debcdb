"""``voicecoil run`` runs unchanged programs of sounddevice and PyAudio."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicecoil.cli.app import run
from voicecoil.cli.program_arguments import with_separator

PROGRAM = """
import subprocess, sys
import pyaudio, sounddevice as sd
from sounddevice import CallbackStop
print(sd.__name__, pyaudio.__name__, __name__, sys.argv[1:], sd.options.on_device_lost)
child = "import sounddevice; print(sounddevice.__name__)"
sys.stdout.flush()
subprocess.run([sys.executable, "-c", child], check=True)
print(sd.query_devices(kind="output")["name"])
sys.exit(3)
"""


def started(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voicecoil", "run", *words]
    environment = {**os.environ, "VOICECOIL_DRIVER": "virtual", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_program_gets_the_replacements_its_arguments_and_its_exit_code(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = started(
        "--as-sounddevice", "--on-device-lost", "default", str(program), "--help", "-x", "--json"
    )
    assert done.stdout.splitlines() == [
        "voicecoil.sounddevice voicecoil.pyaudio __main__ ['--help', '-x', '--json'] default",
        "voicecoil.sounddevice",
        "Virtual Device",
    ]
    assert done.returncode == 3
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "variable", "seen"),
    [
        ([], "wait", "wait"),
        (["--on-device-lost", "default"], "wait", "default"),
        (["--on-device-lost", "stop"], "nonsense", "stop"),
        ([], "", "stop"),
    ],
)
def test_the_option_comes_before_the_variable_and_the_variable_before_stop(
    words: list[str], variable: str, seen: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sounddevice\nprint(sounddevice.options.on_device_lost)")
    done = started("--as-sounddevice", *words, str(program), VOICECOIL_ON_DEVICE_LOST=variable)
    assert (done.stdout, done.stderr, done.returncode) == (f"{seen}\n", "", 0)


def test_a_wrong_value_of_the_variable_is_refused_with_its_name() -> None:
    done = started("--as-sounddevice", "-m", "sounddevice", VOICECOIL_ON_DEVICE_LOST="nonsense")
    message = "VOICECOIL_ON_DEVICE_LOST='nonsense'; possible are 'stop', 'wait', 'default'"
    assert (done.stdout, done.returncode) == ("", 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", "import voicecoil.sounddevice"],
        env={**os.environ, "VOICECOIL_ON_DEVICE_LOST": "nonsense"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"ArgumentError: the environment variable {message}" in done.stderr


def test_a_module_can_be_run(tmp_path: Path) -> None:
    done = started("--as-sounddevice", "--driver", "virtual", "-m", "sounddevice")
    assert done.stdout == "* 0 Virtual Device, virtual (2 in, 2 out)\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no program"),
        (["--as-sounddevice"], "no program"),
        (["program.py"], "give --as-sounddevice"),
        (["--as-sounddevice", "nowhere.py"], "no file 'nowhere.py'"),
        (["--as-sounddevice", "-m"], "name of a module"),
        (["--as-sounddevice", "--driver", "none", "program.py"], "no driver 'none'"),
    ],
)
def test_wrong_usage_is_refused(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("program.py").touch()
    assert run(["run", *words]) == 2
    assert message in capsys.readouterr().err


def test_options_after_the_program_belong_to_the_program() -> None:
    for words, place in (
        (["run", "a.py", "--help"], 1),
        (["run", "--as-sounddevice", "--driver", "virtual", "a.py", "--driver", "x"], 4),
        (["run", "--as-sounddevice", "-m", "a", "--version"], 2),
    ):
        assert with_separator(words) == [*words[:place], "--", *words[place:]]
    for words in (["run", "--help"], ["play", "a.wav"], ["run", "--", "a.py"], []):
        assert with_separator(words) == words
