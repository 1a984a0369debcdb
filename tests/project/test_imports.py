"""The modules of the package do not import public names through the package itself.

The layers between the packages are checked by import-linter ([tool.importlinter] in
pyproject.toml).
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from paths import ROOT

PACKAGE = ROOT / "src" / "voicecoil"
# The command line uses the public names, as other programs do.
MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and PACKAGE / "cli" not in path.parents
)


def run_time_imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yields the imports that run, which are those outside of ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from run_time_imports(node)


def of_the_facade(text: str) -> list[str]:
    """Returns the names that a module imports from `voicecoil/__init__.py`. Submodules do not
    count.
    """
    found = []
    for node in run_time_imports(ast.parse(text)):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            found += [name for name in names if name == "voicecoil"]
        elif node.module == "voicecoil":
            found += [name for name in names if not is_module(name)]
    return found


def is_module(name: str) -> bool:
    return any((PACKAGE / f"{name}{ending}").exists() for ending in ("", ".py", ".pyx", ".pyi"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_the_facade(path: Path) -> None:
    assert of_the_facade(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import voicecoil", ["voicecoil"]),
        ("import voicecoil as vc", ["voicecoil"]),
        ("from voicecoil import _core, errors", []),
        ("def f():\n    from voicecoil import Stream", ["Stream"]),
        ("if TYPE_CHECKING:\n    from voicecoil import Stream", []),
    ],
)
def test_an_import_of_the_facade_is_found(text: str, found: list[str]) -> None:
    assert of_the_facade(text) == found


def test_an_upward_import_is_refused(tmp_path: Path) -> None:
    """Applies this project's import contracts to a package in which `errors` imports a stream."""
    pytest.importorskip("importlinter", reason="import-linter is a tool of the lint step")
    text = (ROOT / "pyproject.toml").read_text()
    contracts = text.split("[tool.importlinter]")[1].split("[tool.pytest")[0]
    (tmp_path / "pyproject.toml").write_text(f"[tool.importlinter]{contracts}")
    (contract,) = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    package = tmp_path / "voicecoil"
    package.mkdir()
    for name in ("__init__", *" ".join(contract["layers"]).replace(":", " ").split()):
        (package / f"{name}.py").touch()
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    for text, code in (("", 0), ("from voicecoil.streams import x", 1)):
        (package / "errors.py").write_text(text)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
