"""Editors and type checkers find the public names, their signatures and their types."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import voicecoil as vc

TOOL = "a tool of the lint step"
PROGRAM = Path(__file__).with_name("user_program.py")
# A program with types for sounddevice and PyAudio.
DROP_IN = Path(__file__).parent.parent / "drop_in" / "typed_program.py"
STRICT = {
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,  # these comments are for mypy
    "reportUnnecessaryTypeIgnoreComment": True,
    "include": ["*.py"],
}
REVEALED = "\n".join(
    ["import voicecoil as vc", *(f"reveal_type(vc.{name})" for name in vc.__all__)]
)


@pytest.fixture(scope="module")
def pyright(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """The file, severity and text of each message of Pyright about three programs.

    One call of Pyright checks all, because most of its time goes into NumPy's stubs.
    """
    pytest.importorskip("basedpyright", reason=TOOL)
    folder = tmp_path_factory.mktemp("pyright")
    shutil.copy(PROGRAM, folder / "program.py")
    shutil.copy(DROP_IN, folder / "drop_in.py")
    (folder / "revealed.py").write_text(REVEALED)
    (folder / "pyrightconfig.json").write_text(json.dumps(STRICT))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--outputjson"], cwd=folder, capture_output=True, text=True, timeout=100
    )
    return [
        (Path(one["file"]).name, one["severity"], one["message"])
        for one in json.loads(done.stdout)["generalDiagnostics"]
    ]


def test_a_program_has_the_right_types_for_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason=TOOL)
    shutil.copy(PROGRAM, tmp_path / "program.py")
    shutil.copy(DROP_IN, tmp_path / "drop_in.py")
    command = [sys.executable, "-m", "mypy", "--strict", "program.py", "drop_in.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_program_has_the_right_types_for_pyright(pyright: list[tuple[str, str, str]]) -> None:
    assert [text for file, kind, text in pyright if kind == "error"] == []


def test_pyright_knows_the_type_of_each_public_name(pyright: list[tuple[str, str, str]]) -> None:
    revealed = [text for file, _, text in pyright if file == "revealed.py"]
    for name, text in zip(vc.__all__, revealed, strict=True):
        public = getattr(vc, name)
        assert f'"vc.{name}" is' in text
        assert "Unknown" not in text
        if isinstance(public, type):
            assert f"type[{name}]" in text
        elif callable(public):
            parameters = inspect.signature(public).parameters
            assert all(f"{parameter}:" in text for parameter in parameters)


def test_jedi_completes_each_public_name_with_its_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jedi = pytest.importorskip("jedi", reason=TOOL)
    # Jedi's cache is that of the user, and its files are not complete while another process writes.
    monkeypatch.setattr(jedi.settings, "cache_directory", str(tmp_path))
    wanted = {name: signature for name in vc.__all__ if (signature := parameters_of(name))}
    assert {"OutputStream", "Stream", "play", "record", "devices", "Statistics"} <= set(wanted)
    lines = ["import voicecoil as vc", *(f"vc.{name}()" for name in wanted)]
    ends = ["vc.", "vc.OutputStream(print).", "def f(block: vc.Block): block.output."]
    environment = jedi.InterpreterEnvironment()
    calls = jedi.Script("\n".join(lines), environment=environment)
    for row, name in enumerate(wanted, 2):
        (signature,) = calls.get_signatures(row, len(f"vc.{name}("))
        assert [parameter.name for parameter in signature.params] == wanted[name], name
    found = []
    for end in ends:
        script = jedi.Script(f"import voicecoil as vc\n{end}", environment=environment)
        found.append({one.name for one in script.complete(2, len(end))})
    assert found[0] >= set(vc.__all__)
    assert found[1] >= {name for name in dir(vc.OutputStream) if not name.startswith("_")}
    assert found[2] >= {"shape", "dtype", "max"}


def parameters_of(name: str) -> list[str] | None:
    """The parameters of a public name; None if Python or Jedi cannot tell them.

    Most exceptions have the signature of the builtin ones. For a NamedTuple, Jedi shows the
    signature of NamedTuple.
    """
    public: Any = getattr(vc, name)
    if name == "Level" or not callable(public):
        return None
    try:
        return list(inspect.signature(public).parameters)
    except (TypeError, ValueError):
        return None
