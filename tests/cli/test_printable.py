"""Names of devices and files, and messages of exceptions, are printed without control codes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import voicecoil as vc
from voicecoil.cli.app import run
from voicecoil.cli.display import Display
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.printable import LONGEST_LINE, printable, printable_lines

SOURCE = Path(vc.__file__).parent
# A name with terminal commands in 7 and 8 bits, a line break, a reversal of the text direction, and
# markup of rich.
HOSTILE = (
    "Mic\x1b[2J\x1b]0;o\x07\x9b31m\r\n\u202eevil\u2066\u200b\x7f\x00\ud800 [red]é 耳 $\\alpha$"
)
HARMLESS = (
    "Mic\\x1b[2J\\x1b]0;o\\x07\\x9b31m\\r\\n\\u202eevil\\u2066\\u200b\\x7f\\x00\\ud800 "
    "[red]é 耳 $\\alpha$"
)
LONG = "x" * 100_000


def is_harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


# ---- printable() -------------------------------------------------------------------------------


def test_unprintable_characters_are_escaped() -> None:
    assert printable(HOSTILE) == HARMLESS
    assert printable("\u00a0a\u2003b\t") == " a b "
    assert printable("Wohnküche Лампа 耳 🎧") == "Wohnküche Лампа 耳 🎧"


def test_every_character_becomes_printable() -> None:
    for code in range(sys.maxunicode + 1):
        assert printable(chr(code)).isprintable()


def test_lengths_of_printed_texts_are_bounded() -> None:
    assert printable(LONG) == "x" * (LONGEST_LINE - 1) + "…"
    assert len(printable("\x1b" * 1000)) == LONGEST_LINE
    assert printable("x" * LONGEST_LINE) == "x" * LONGEST_LINE
    assert len(printable_lines(LONG * 5)) == 20_000


def test_line_breaks_are_kept() -> None:
    text = 'Traceback:\n  File "x", line 1\n\tpass\x1b\nKeyError'
    assert printable_lines(text) == 'Traceback:\n  File "x", line 1\n    pass\\x1b\nKeyError'


# ---- messages and output -----------------------------------------------------------------------


@pytest.fixture
def hostile_device() -> Iterator[VirtualDevice]:
    """Gives the name `HOSTILE` to the default device of this process's virtual driver."""
    driver = get_driver("virtual")
    assert isinstance(driver, VirtualDriver)
    before = list(driver.virtual_devices)
    device = VirtualDevice(HOSTILE, uid=HOSTILE + "uid")
    driver.virtual_devices[:] = [device]
    yield device
    vc.play(np.zeros(1, np.float32), 48_000, driver="virtual").wait()
    from voicecoil.sounds.mixing import close_outputs

    close_outputs()
    driver.virtual_devices[:] = before


COMMANDS = {
    "devices": ["devices"],
    "devices of all": ["devices", "--driver", "all"],
    "check": ["devices", "--check"],
    "tone": ["tone", "--duration", "0.02"],
    "play": ["play", "{song}"],
    "play a part": ["play", "{song}", "--heard", "{folder}/h\x1b[31m.wav", "--driver", "virtual"],
    "record": ["record", "{folder}/t\x9b2J\u202e.wav", "--duration", "0.02"],
    "render": ["render", "{code}:tone", "{folder}/r\x1b.wav", "--duration", "0.01"],
    "stress": ["stress", "--homes", "low", "--loads", "idle", "--seconds", "0.1"],
}
FAILURES = {
    "no such device": ["play", "{song}", "--device", HOSTILE[:-6] + "?"],
    "no such file": ["play", "{folder}/no\x1b[2J\nsuch.wav"],
    "a word too much": ["devices", HOSTILE],
    "no such option": ["devices", "--" + HOSTILE],
    "no such command": [HOSTILE],
    "no such function": ["render", "{code}:n\x1b[2J", "{folder}/x.wav"],
    "an exception": ["render", "{code}:fails", "{folder}/x.wav"],
    "no folder": ["record", "{folder}/no\x1b[2J/x.wav"],
    "a bad number": ["play", "{song}", "--loops", "\x1b[2J"],
}
CODE = """
def tone(block):
    block.output[:] = 0

def fails(block):
    raise ValueError("\\x1b[2J\\x9b \\u202e\\nsecond line")
"""


def filled(words: list[str], folder: Path) -> list[str]:
    song = folder / "song\x1b]0;title\x07\u202e.wav"
    code = folder / "code.py"
    code.write_text(CODE)
    with vc.files.FileSink(song, 48_000, 1) as sink:
        sink.write(np.zeros((48, 1), np.float32))
    places = {"song": str(song), "folder": str(folder), "code": str(code)}
    return [word.format(**places) if "{" in word else word for word in words]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.usefixtures("hostile_device")
def test_output_of_a_command(
    name: str, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(filled(COMMANDS[name], tmp_path) + more)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert printed.out
    assert is_harmless(printed.out)
    assert is_harmless(printed.err)
    if more:
        assert printed.out.isascii()
        told = json.loads(printed.out)
        if name == "devices":
            assert told[0]["name"] == HOSTILE, "JSON has the name unchanged"
        elif name == "check":
            assert told[0]["device"]["name"] == HOSTILE
    elif name == "devices":
        assert "[red]é 耳" in printed.out


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.usefixtures("hostile_device")
def test_output_of_a_failing_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(filled(FAILURES[name], tmp_path)) in (1, 2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err
    assert is_harmless(printed.err)


def test_the_display(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    console = Console(width=300, legacy_windows=False)
    console.print(Display("title\x1b[2J\u202e", "place\x9b2J\r\n", 5.0))
    printed = capsys.readouterr().out
    assert "title\\x1b[2J\\u202e  place\\x9b2J\\r\\n" in printed
    assert is_harmless(printed)


def test_a_traceback() -> None:
    """Python prints the traceback. This library only makes the text after the error's name."""
    code = f"import voicecoil as vc\nraise vc.DriverError({HOSTILE!r}.replace(chr(0xd800), ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    last = done.stderr.decode(errors="replace").replace("\r\n", "\n").split("DriverError: ")[1]
    assert is_harmless(last)
    error = vc.DeviceNotFoundError(HOSTILE)
    assert is_harmless(str(error))
    assert error.args == (HOSTILE,)


def test_a_picture(tmp_path: Path) -> None:
    """Before the fix, formulas in a name were drawn, and a faulty formula raised an error."""
    pytest.importorskip("matplotlib", reason="NOT TESTED: matplotlib is not installed")
    from voicecoil.stress.plot import draw
    from voicecoil.stress.seen import Cell

    cell = Cell("low", "idle", failed="$\\alpha$ is \\broken{ $\\frac")
    draw([cell], tmp_path / "picture.svg", HOSTILE.replace("耳", "") + " $\\frac")
    assert (tmp_path / "picture.svg").stat().st_size > 0


# ---- output of all commands --------------------------------------------------------------------

PRINTERS = {"print", "writelines"}
WRITERS = {"sys.stdout.write", "sys.stderr.write", "os.write"}


def test_all_output_of_commands_is_printable() -> None:
    """Commands print through the functions of `cli.app`, or make the text printable themselves."""
    found = []
    for path in [*SOURCE.glob("cli/*.py"), *SOURCE.glob("stress/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                if name in PRINTERS or ast.unparse(node.func) in WRITERS:
                    found.append(f"{path.parent.name}/{path.name}: {ast.unparse(node)}")
    assert sorted(found) == [
        "cli/app.py: (out if out.is_terminal else wide).print(table)",
        "cli/app.py: err.print(Text(printable_lines(text), style), soft_wrap=True)",
        "cli/app.py: out.print(Text(printable_lines(text)), soft_wrap=True)",
        "cli/app.py: out.print(line, soft_wrap=True)",
        "cli/app.py: print(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False), "
        "file=file)",
        "cli/native_output.py: console.print(f'and {len(lines) - MAX_LINES} other lines', "
        "style='bright_black')",
        "cli/native_output.py: console.print(printable(line), style='bright_black', "
        "markup=False, soft_wrap=True)",
        "stress/cell.py: print(json.dumps(cell.as_json()))",
    ]
