#!/usr/bin/env python3
"""Checks that no file has more than 500 lines, and no function more than 60 in Python or 80 in C.

    python3 tools/sizes.py [--write]

The stub of a compiled module may be longer, because one module cannot have two stubs.
The lines of a docstring do not count for its function. `tools/sizes.txt` lists files and functions
that were longer when the rule was made. The list may only get shorter: an entry is an error if its
file or function is short enough or no longer exists. With --write such entries are removed.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tools" / "sizes.txt"
FOLDERS = ("src", "tests", "tools", "simulator", "examples", "benchmarks")
KINDS = {".py": 60, ".pyx": 60, ".pxi": 60, ".c": 80, ".h": 80}
FILE_LINES = 500
GENERATED = re.compile(r"[Gg]enerated by")
HEADING = """\
# Longer than tools/sizes.py allows. Take an entry out when its subject is short enough; add none.
"""
# A Cython definition ends before the next line that is not indented further than its first line.
CYTHON = re.compile(r"^( *)(?:async )?(?:def|cdef|cpdef)\b(?! class\b| extern\b)[^=#]*?(\w+)\(")


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in KINDS and "build" not in path.relative_to(ROOT).parts[1:2]:
                yield path


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    """Yields the qualified name and the number of lines, without docstring, of each function."""

    def walk(node: ast.AST, around: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(child, around)
                continue
            name = f"{around}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield name, (child.end_lineno or 0) - child.lineno + 1 - docstring_lines(child)
            yield from walk(child, f"{name}.")

    yield from walk(ast.parse(text), "")


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return 0
    return (first.end_lineno or 0) - first.lineno + 1


def cython_functions(text: str) -> Iterator[tuple[str, int]]:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        begins = CYTHON.match(line)
        if begins is None:
            continue
        indent, length = len(begins[1]), 1
        for later, following in enumerate(lines[number + 1 :], 2):
            deep = len(following) - len(following.lstrip())
            if following.strip() and deep <= indent and not following.lstrip().startswith(")"):
                break
            if following.strip():
                length = later
        body = "\n".join(lines[number : number + length])
        docstring = re.search(r':\n\s*"""(?:.|\n)*?"""\n', body)
        yield begins[2], length - (docstring[0].count("\n") - 1 if docstring else 0)


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    """Yields the name and the number of lines of each function. A function ends at a line that is
    only a closing brace in the first column.
    """
    heading = begins = None
    for number, line in enumerate(text.splitlines()):
        if re.match(r"[A-Za-z_].*\(", line) and not line.rstrip().endswith(";"):
            heading, begins = line, number
        elif line.rstrip() == "}" and heading is not None and begins is not None:
            name = re.search(r"(\w+)\s*\(", heading)
            if name:
                yield name[1], number - begins + 1
            heading = None


def too_long() -> dict[str, int]:
    """Returns the number of lines of each file or function that is too long. The keys have the
    form "src/core/lead.c" for a file and "src/core/lead.c: name" for a function.
    """
    found = {}
    for path in files():
        text = path.read_text()
        if GENERATED.search(text[:400]):
            continue
        name, most = str(path.relative_to(ROOT)), KINDS[path.suffix]
        lines = text.count("\n")
        if lines > FILE_LINES:
            found[name] = lines
        if most is None:
            continue
        functions = {".py": python_functions, ".c": c_functions, ".h": c_functions}
        for function, length in functions.get(path.suffix, cython_functions)(text):
            if length > most:
                found[f"{name}: {function}"] = length
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", action="store_true", help="takes out entries not needed")
    options = parser.parse_args()
    found = too_long()
    entries = ALLOWED.read_text().splitlines() if ALLOWED.exists() else []
    allowed = [entry for entry in entries if not entry.startswith("#")]
    stale = [entry for entry in allowed if entry not in found]
    if options.write:
        kept = [entry for entry in allowed if entry in found]
        ALLOWED.write_text(HEADING + "".join(f"{entry}\n" for entry in kept))
        stale = []
    added = {name: lines for name, lines in found.items() if name not in allowed}
    for name, lines in added.items():
        print(f"TOO LONG: {name} has {lines} lines")
    for entry in stale:
        print(f"NO LONGER TOO LONG: {entry}; take it out with tools/sizes.py --write")
    return 1 if added or stale else 0


if __name__ == "__main__":
    sys.exit(main())
