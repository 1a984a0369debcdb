"""Writes the C table of properties from properties.json, for generate.py.

The rows are the list "properties" of the table that `load` returns: a dictionary for each class and
selector, whose keys are explained by the "columns" of the table.
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "src" / "voicecoil" / "hal" / "properties.json"
SCOPES = ("global", "any", "sides", "sides+global", "input", "playthrough")
ELEMENTS = ("main", "channels", "any")
SETTABLE = ("no", "yes", "guess")
TYPES = [
    "u32",
    "u32[]",
    "u32[2]",
    "f32",
    "f64",
    "pid",
    "status",
    "id",
    "id[]",
    "class",
    "range",
    "range[]",
    "format",
    "format[]",
    "ranged_format[]",
    "channel_layout",
    "buffer_list",
    "stream_usage",
    "translation",
    "address",
    "c_string",
    "workgroup",
    "run_loop",
    "tap_description",
    "CFString",
    "CFURL",
    "CFArray",
    "CFDictionary",
]
POSSIBLE = {"type": TYPES, "scopes": SCOPES, "elements": ELEMENTS, "settable": SETTABLE}


def load():
    return json.loads(TABLE.read_text(encoding="utf-8"))


def mistakes(table, abi):
    """Returns a line of text for each row that contradicts abi.json or the columns."""
    selectors = {**abi["constants"], **abi["newer_than_sdk14_2"]}
    columns = set(table["columns"])
    found, seen = [], set()
    for name, row in table["classes"].items():
        if row["constant"] not in selectors:
            found.append(f"class {name}: abi.json has no {row['constant']}")
        if row["parent"] is not None and row["parent"] not in table["classes"]:
            found.append(f"class {name}: there is no class {row['parent']}")
    for row in table["properties"]:
        where = f"{row['class']} '{row['selector']}'"
        known = selectors.get(row["constant"])
        if known is None or known["fourcc"] != row["selector"]:
            found.append(f"{where}: abi.json has no {row['constant']} with this selector")
        if row["class"] not in table["classes"]:
            found.append(f"{where}: there is no such class")
        if (row["class"], row["selector"]) in seen:
            found.append(f"{where}: two rows")
        seen.add((row["class"], row["selector"]))
        for key, possible in POSSIBLE.items():
            if row.get(key, "no") not in possible:
                found.append(f"{where}: {key} is {row.get(key)!r}")
        found.extend(f"{where}: there is no column {key!r}" for key in set(row) - columns)
        found.extend(
            f"{where}: abi.json has no {row[key]}"
            for key in ("control", "control_property")
            if key in row and row[key] not in selectors
        )
    return found


def c_name(kind, text):
    """Returns the name of an enumerator: ('TYPE', 'id[]') is COREAUDIO_TYPE_ID_LIST."""
    text = text.replace("[]", "_list").replace("[2]", "_pair").replace("+", "_and_")
    return f"COREAUDIO_{kind}_{text.upper()}"


def number(since):
    """Returns a version of macOS as major * 100 + minor: "14.2" is 1402, none is 0."""
    if since is None:
        return 0
    major, _, minor = since.partition(".")
    return int(major) * 100 + int(minor or 0)


def header(head, table):
    classes = table["classes"]
    lines = [
        head,
        "/* The classes of CoreAudio's objects and their properties, from properties.json, which\n"
        " * explains the columns. A class inherits the properties of its parent. Define\n"
        " * COREAUDIO_CLASS(class, parent) or COREAUDIO_PROPERTY(class, selector, type, scopes,\n"
        " * elements, settable, since), and write COREAUDIO_CLASSES or COREAUDIO_PROPERTIES.\n"
        " * `since` is major * 100 + minor of the first macOS that has the property, 0 if older\n"
        " * than macOS 12. */",
        "#ifndef COREAUDIO_PROPERTIES_H\n#define COREAUDIO_PROPERTIES_H\n",
        '#include "coreaudio_abi.h"\n',
    ]
    for key, possible in POSSIBLE.items():
        inside = "".join(f"    {c_name(key.upper(), value)},\n" for value in possible)
        lines.append(f"enum coreaudio_{key} {{\n{inside}}};\n")
    parents = {
        name: classes[row["parent"]]["constant"] if row["parent"] else "0"
        for name, row in classes.items()
    }
    lines.append(
        "#define COREAUDIO_CLASSES \\\n"
        + " \\\n".join(
            f"    COREAUDIO_CLASS({row['constant']}, {parents[name]})"
            for name, row in classes.items()
        )
        + "\n"
    )
    lines.append(
        "#define COREAUDIO_PROPERTIES \\\n"
        + " \\\n".join(
            f"    COREAUDIO_PROPERTY({classes[row['class']]['constant']}, {row['constant']}, "
            f"{c_name('TYPE', row['type'])}, {c_name('SCOPES', row['scopes'])}, "
            f"{c_name('ELEMENTS', row['elements'])}, "
            f"{c_name('SETTABLE', row.get('settable', 'no'))}, {number(row.get('since'))})"
            for row in table["properties"]
        )
        + "\n"
    )
    lines.append(
        "/* Properties of devices that are views of a control with the same scope and element. */\n"
        "#define COREAUDIO_CONTROL_VIEWS \\\n"
        + " \\\n".join(
            f"    COREAUDIO_CONTROL_VIEW({row['constant']}, {row['control']}, "
            f"{row['control_property']})"
            for row in table["properties"]
            if "control" in row
        )
        + "\n"
    )
    lines.append("#endif\n")
    return "\n".join(lines)
