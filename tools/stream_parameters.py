#!/usr/bin/env python3
"""Copies the parameters that the three kinds of stream share from one class to the others.

    python3 tools/stream_parameters.py [--check]

The docstring and the constructor of `OutputStream` in src/voicecoil/streams/stream.py contain the
original. `InputStream` (input_stream.py) and `Stream` contain copies, because an editor shows the
text of the source and does not run code that would generate it.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

STREAMS = Path(__file__).resolve().parent.parent / "src" / "voicecoil" / "streams"
SOURCES = (STREAMS / "stream.py", STREAMS / "input_stream.py")
ORIGINAL = "OutputStream"
COPIES = ("InputStream", "Stream")
OWN = ("callback", "device", "channels", "blocksize")  # parameters that each class describes itself
DUPLEX = ("input_channels", "output_channels")  # parameters of `Stream` only, after `channels`
LAST = "reference"  # the last parameter of `Stream`, which the others do not have
CHANNELS = "int | Sequence[int] | None = None,\n"
# {class: {text of the original's constructor: its replacement in the class's constructor}}
CONSTRUCTORS = {
    "InputStream": {
        "device: str | Device | None = None": "device: str | Device | SystemAudio | None = None",
        "ChannelRequest(output=channels)": "ChannelRequest(input=channels)",
    },
    "Stream": {
        "device: str | Device | None = None": "device: DeviceRequest = None",
        f"        channels: {CHANNELS}": "        channels: int | Sequence[Any] | None = None,\n"
        + "".join(f"        {name}: {CHANNELS}" for name in DUPLEX),
        "ChannelRequest(output=channels)": f"duplex_channels(channels, {', '.join(DUPLEX)})",
        "on_end: OnEnd | None = None,\n": "on_end: OnEnd | None = None,\n"
        "        reference: bool = False,\n",
        "on_end=on_end,\n": "on_end=on_end,\n            reference=reference,\n",
    },
}
HEADING = "    Parameters\n    ----------\n"
NEXT_SECTION = "\n    Raises\n"


def split(docstring: str) -> tuple[str, dict[str, str], str]:
    """Returns the text before the parameters, each parameter by name, and the text after them."""
    before, rest = docstring.split(HEADING)
    parameters, after = rest.split(NEXT_SECTION)
    found = re.findall(r"^    (\S.*?) : .*\n(?:     .*\n)*", parameters, re.MULTILINE)
    texts = re.findall(r"^    \S.*\n(?:     .*\n)*", parameters, re.MULTILINE)
    return before, dict(zip(found, texts, strict=True)), after


def updated(texts: list[str]) -> list[str]:
    """Returns the sources after the shared parameters of `ORIGINAL` were copied to the other
    classes.
    """
    docstrings, constructors = {}, {}
    for text in texts:
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                docstrings[node.name] = segment(text, node.body[0])
                constructors[node.name] = next(
                    segment(text, member)
                    for member in node.body
                    if isinstance(member, ast.FunctionDef) and member.name == "__init__"
                )
    _, shared, after = split(docstrings[ORIGINAL])
    for name in COPIES:
        before, own, _ = split(docstrings[name])
        parameters = {}
        for parameter, words in shared.items():
            parameters[parameter] = own[parameter] if parameter in OWN else words
            if parameter == "channels" and name == "Stream":
                parameters |= {duplex: own[duplex] for duplex in DUPLEX}
        if name == "Stream":
            parameters[LAST] = own[LAST]
        docstring = before + HEADING + "".join(parameters.values()) + NEXT_SECTION + after
        constructor = constructors[ORIGINAL]
        for theirs, own_text in CONSTRUCTORS[name].items():
            constructor = constructor.replace(theirs, own_text)
        for number, text in enumerate(texts):
            if f"class {name}(" in text:
                replaced = text.replace(docstrings[name], docstring)
                texts[number] = replaced.replace(constructors[name], constructor)
    return texts


def segment(text: str, node: ast.stmt) -> str:
    """Returns the source of a statement."""
    found = ast.get_source_segment(text, node)
    assert found is not None
    return found


def main() -> int:
    before = [source.read_text() for source in SOURCES]
    after = updated(list(before))
    if "--check" not in sys.argv[1:]:
        for source, text in zip(SOURCES, after, strict=True):
            source.write_text(text)
    elif before != after:
        print(
            f"{STREAMS}: the kinds of stream describe a shared parameter differently; "
            f"write it in {ORIGINAL} and run tools/stream_parameters.py"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
