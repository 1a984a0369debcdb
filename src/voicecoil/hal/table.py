"""The table of CoreAudio's properties, `properties.json`, as Python objects.

The simulator's C table is made from the same file (`tools/coreaudio/generate.py`), and so are the
stubs and the reference page of this package (`tools/coreaudio/hal_stubs.py`). This module needs
nothing but the standard library, so that these programs can use it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["PropertyRow", "class_of_code", "classes", "parents", "python_name", "rows", "rows_of"]

_PREFIX = re.compile(
    r"kAudio(?:HardwareServiceDeviceProperty_"
    r"|(?:Hardware|Device|Object|Stream|AggregateDevice|EndPointDevice|SubDevice|SubTap|PlugIn"
    r"|TransportManager|Box|ClockDevice|Process|Tap"
    r"|(?:Slider|Level|Boolean|Selector|StereoPan|ClockSource)?Control)(?:Property)?)"
)
_WORDS = re.compile(r"UID|PID|MIDI|IOProc|IO|OS|ID|CF|[A-Z][a-z]*|[0-9]+")


@dataclass(frozen=True, slots=True)
class PropertyRow:
    """A property of a class of objects. `properties.json` explains the fields.

    Attributes
    ----------
    name : str
        The Python attribute.
    selector : str
        The four characters.
    code : int
        The selector as a number.
    """

    name: str
    selector: str
    code: int
    of: str
    constant: str
    type: str
    scopes: str
    elements: str
    doc: str
    settable: str = "no"
    since: str | None = None
    qualifier: str | None = None
    unit: str | None = None
    meaning: str | None = None
    objects: str | None = None
    range: str | None = None
    translates: str | None = None
    note: str | None = None
    in_out: bool = False
    event: bool = False
    acts: bool = False
    deprecated: bool = False
    kind: int = -1  # of a number for `_hal.Number`; -1: it is no number
    whole: int = 0  # the scope that an attribute of the whole object means
    plain: bool = False  # whether `_hal.Number` gives the value itself, not a member's number

    @property
    def asks(self) -> bool:
        """Whether a get needs a question, so that the attribute is a method."""
        needs_qualifier = self.qualifier is not None and self.qualifier != "class[]"
        return self.in_out or needs_qualifier or self.acts or self.type == "translation"

    @property
    def is_value(self) -> bool:
        """Whether a get returns a value that `properties` can show."""
        opaque = ("stream_usage", "address", "workgroup", "run_loop", "tap_description")
        return not self.asks and not self.event and self.type not in opaque


def python_name(constant: str) -> str:
    """The attribute for a constant.

    Examples
    --------
    >>> python_name("kAudioDevicePropertyNominalSampleRate")
    'nominal_sample_rate'
    >>> python_name("kAudioHardwarePropertyTranslateUIDToDevice")
    'translate_uid_to_device'
    """
    rest = _PREFIX.sub("", constant, count=1)
    name = "_".join(_WORDS.findall(rest)).lower()
    return {"class": "class_id", "base_class": "base_class_id"}.get(name, name)


def _kind(fields: dict[str, Any]) -> int:
    if fields.get("in_out") or fields.get("qualifier") or fields.get("acts"):
        return -1
    if fields.get("event") or fields["scopes"] == "sides":
        return -1
    kinds = {"u32": 0, "pid": 1, "status": 1, "f32": 2, "f64": 3}
    return 4 if fields.get("meaning") == "flag" else kinds.get(fields["type"], -1)


@cache
def _file() -> tuple[dict[str, dict[str, str | None]], list[PropertyRow]]:
    data = json.loads(Path(__file__).with_name("properties.json").read_text(encoding="utf-8"))
    found = []
    for one in data["properties"]:
        fields = {k: v for k, v in one.items() if k in PropertyRow.__dataclass_fields__}
        fields.setdefault("name", python_name(one["constant"]))
        code = int.from_bytes(one["selector"].encode("ascii"), "big")
        fields["kind"] = _kind(fields)
        scope = {"input": b"inpt", "playthrough": b"ptru"}.get(one["scopes"], b"glob")
        fields["whole"] = int.from_bytes(scope, "big")
        fields["plain"] = fields.get("meaning") in (None, "level", "flag")
        found.append(PropertyRow(**fields, of=one["class"], code=code))
    return data["classes"], found


def classes() -> dict[str, dict[str, str | None]]:
    """The classes of objects, with their constants, codes and parents."""
    return _file()[0]


def rows() -> list[PropertyRow]:
    """All rows of the table."""
    return _file()[1]


@cache
def parents(name: str) -> tuple[str, ...]:
    """A class and the classes from which it inherits, itself first."""
    found: list[str] = []
    one: str | None = name
    while one is not None:
        found.append(one)
        one = classes()[one]["parent"]
    return tuple(found)


@cache
def rows_of(name: str) -> tuple[PropertyRow, ...]:
    """The properties of a class, with the inherited ones first.

    A class can replace an inherited property, as aggregates do with 'apcd'.
    """
    found: dict[str, PropertyRow] = {}
    for one in reversed(parents(name)):
        found.update({row.selector: row for row in rows() if row.of == one})
    return tuple(found.values())


@cache
def class_of_code() -> dict[int, str]:
    """Maps the code of a class, a number, to its name."""
    codes = {name: str(row["code"]).encode("ascii") for name, row in classes().items()}
    return {int.from_bytes(code, "big"): name for name, code in codes.items()}
