"""Prints the names, signatures and default values of a module with sounddevice's API, as JSON.

    python signatures_of.py sounddevice

It runs in a process of its own, because importing sounddevice starts PortAudio.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

PRIVATE = ["_initialize", "_terminate", "_split", "_StreamBase", "_InputStreamBase"]
PRIVATE += ["_OutputStreamBase", "_InputOutputPair", "_get_device_id"]
OPERATORS = ("__init__", "__enter__")


def parameters(function: Any) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [f"{one.kind.name} {one.name} = {one.default!r}" for one in found]


def members(kind: type) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        if name.startswith("_") and name not in OPERATORS:
            continue
        if isinstance(value, property):
            seen[name] = "settable" if value.fset else "read-only"
        elif inspect.isfunction(value):
            seen[name] = parameters(value)
    return seen


def of_module(module: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {"__version__": module.__version__}
    names = [name for name in vars(module) if not name.startswith("_")]
    for name in (*names, *PRIVATE):
        value = getattr(module, name, None)
        if inspect.isfunction(value):
            seen[name] = {"parameters": parameters(value), "text": value.__doc__}
        elif inspect.isclass(value):
            seen[name] = {"members": members(value), "text": value.__doc__}
    pairs = ("channels", "dtype", "latency", "extra_settings")
    seen["default values"] = {name: repr(getattr(module.default, name)) for name in pairs}
    single = ("samplerate", "blocksize", "clip_off", "dither_off", "never_drop_input")
    seen["default values"] |= {name: repr(getattr(module.default, name)) for name in single}
    return seen


if __name__ == "__main__":
    print(json.dumps(of_module(importlib.import_module(sys.argv[1]))))
