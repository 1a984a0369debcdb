"""Finds functions of a header that the IO thread may call but that are not marked VC_REALTIME.

The compiler checks the functions that are marked VC_REALTIME, so this module looks for missing
marks. A comment with `[IO]` or `[any]` applies to the declarations right below it, or to the
declaration in front of it on its line. A comment for a function that may block contains "not
VC_REALTIME" and the reason.
"""

from __future__ import annotations

import re
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# A declaration of a function: text with parentheses, from the beginning of a line to a semicolon,
# that declares neither a type nor a variable.
DECLARATION = re.compile(r"^(?!typedef|struct|enum|union|#|static)[A-Za-z][^;{}]*?\)[^;{}]*;", re.M)
NAME = re.compile(r"(\w+)\(")


def _own_comment(text: str, start: int, end: int) -> str:
    """Returns the comment behind a declaration on its line, or the one above its paragraph."""
    behind = re.match(r"[ \t]*(/\*.*?\*/)", text[end:])
    if behind:
        return behind[1]
    last = None
    for comment in COMMENT.finditer(text, 0, start):
        last = comment
    if last is None or "\n\n" in text[last.end() : start]:
        return ""
    begins_line = last.start() == 0 or text[last.start() - 1] == "\n"
    return last[0] if begins_line else ""


def declarations(header: Path) -> dict[str, tuple[bool, bool]]:
    """Returns two truth values for each function: whether its comment says that the IO thread may
    call it, and whether it is marked VC_REALTIME.
    """
    text = header.read_text()
    blanked = COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    found = {}
    for declaration in DECLARATION.finditer(blanked):
        name = NAME.search(declaration[0])
        if name is None:
            continue
        comment = re.sub(r"\s+(\* )?", " ", _own_comment(text, *declaration.span()))
        said = ("[IO]" in comment or "[any]" in comment) and "not VC_REALTIME" not in comment
        found[name[1]] = (said, "VC_REALTIME" in declaration[0])
    return found


def unmarked(header: Path) -> list[str]:
    return [name for name, (said, marked) in declarations(header).items() if said and not marked]


def marked(header: Path) -> list[str]:
    return [name for name, (_, marked) in declarations(header).items() if marked]
