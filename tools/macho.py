"""Checks a wheel for macOS and the Mach-O file in it, without a Mac.

Each check returns a description of the fault, or "" if there is none.
"""

from __future__ import annotations

import ctypes
import re
import sys
import sysconfig
import zipfile
from pathlib import Path

import lief

LIBSYSTEM = "/usr/lib/libSystem.B.dylib"
# The loader searches for such a symbol in all loaded libraries. In this way, an extension module
# finds Python's symbols.
FLAT_LOOKUP = -2
CPU = {"arm64": "ARM64", "x86_64": "X86_64"}
# Symbols that the linker defines in every library.
LINKERS_OWN = {"__mh_dylib_header", "__mh_bundle_header", "___dso_handle"}

lief.logging.disable()


def parse(path: Path) -> lief.MachO.Binary:
    binaries = lief.MachO.parse(str(path))
    if binaries is None or binaries.size != 1:
        raise ValueError(f"{path.name} is no Mach-O file for one processor")
    return binaries.at(0)


def processor(binary: lief.MachO.Binary, machine: str) -> str:
    name = binary.header.cpu_type.name
    return "" if name == CPU[machine] else f"is for {name}, not {CPU[machine]}"


def minimum_os(binary: lief.MachO.Binary, wanted: tuple[int, int]) -> str:
    if not binary.has_build_version:
        return "does not say which macOS it needs"
    if binary.build_version.platform.name != "MACOS":
        return f"is for {binary.build_version.platform.name}"
    found = tuple(binary.build_version.minos[:2])
    return "" if found == wanted else f"needs macOS {'.'.join(map(str, found))}"


def dependencies(binary: lief.MachO.Binary) -> str:
    """Checks that no framework is linked. The library opens frameworks at run time, so that the
    same build can use the simulator.
    """
    own = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    names = [library.name for library in binary.libraries if library.command != own]
    foreign = sorted(set(names) - {LIBSYSTEM})
    return f"depends on {', '.join(foreign)}" if foreign else ""


def undefined(binary: lief.MachO.Binary) -> str:
    """Checks that each undefined symbol belongs to libSystem, or to Python, whose interpreter
    provides it.
    """
    wrong = []
    for symbol in binary.imported_symbols:
        if symbol.name == "dyld_stub_binder":
            continue
        name = symbol.name.removeprefix("_")
        if re.match(r"_?Py", name):
            if not hasattr(ctypes.pythonapi, name):
                wrong.append(
                    f"{name} (no Python {sys.version_info[0]}.{sys.version_info[1]} has it)"
                )
        elif not symbol.has_binding_info or symbol.binding_info.library_ordinal == FLAT_LOOKUP:
            wrong.append(f"{name} (libSystem has it not)")
    return f"wants {', '.join(sorted(wrong))}" if wrong else ""


def exported(binary: lief.MachO.Binary, module: str) -> str:
    names = {symbol.name for symbol in binary.exported_symbols} - LINKERS_OWN
    wanted = f"_PyInit_{module}"
    if wanted not in names:
        return f"does not export {wanted}"
    names.remove(wanted)
    return f"exports {', '.join(sorted(names)[:5])}" if names else ""


def signature(binary: lief.MachO.Binary, machine: str) -> str:
    """Checks that the file is signed, because Apple's processors run no unsigned code. The linker's
    signature is enough.
    """
    missing = machine == "arm64" and not binary.has_code_signature
    return "is not signed" if missing else ""


# Headers that other extensions need for compiling.
FOR_EXTENSIONS = ("voicecoil/bridge.pxd", "voicecoil/include/voicecoil_bridge.h")


def tag(wheel: Path, machine: str, minimum: str) -> str:
    python = f"cp{sysconfig.get_config_var('py_version_nodot')}"
    abi = python + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
    wanted = f"{python}-{abi}-macosx_{minimum.replace('.', '_')}_{machine}"
    if not wheel.stem.endswith(f"-{wanted}"):
        return f"is called {wheel.name}, not ...-{wanted}.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        said = next(name for name in names if name.endswith(".dist-info/WHEEL"))
        tags = re.findall(r"^Tag: (.+)$", archive.read(said).decode(), re.MULTILINE)
    if tags != [wanted]:
        return f"says {tags} of itself"
    sources = [
        name
        for name in names
        if name.endswith((".c", ".h", ".pyx", ".pxd", ".o")) and name not in FOR_EXTENSIONS
    ]
    return f"brings {sources[0]}" if sources else ""


def modules(wheel: Path, into: Path) -> dict[str, Path]:
    """Unpacks the extension modules of a wheel. Returns {module: file}."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".so", ".dylib")):
                if "-darwin.so" not in name:
                    raise ValueError(f"a Mac's Python does not find {name}")
                found[Path(name).name.split(".")[0]] = Path(archive.extract(name, into))
    if not found:
        raise ValueError(f"no extension module in {wheel.name}")
    return found


def faults(path: Path, module: str, machine: str, minimum: tuple[int, int]) -> list[str]:
    """Returns all faults of an extension module."""
    binary = parse(path)
    found = [
        processor(binary, machine),
        minimum_os(binary, minimum),
        dependencies(binary),
        undefined(binary),
        exported(binary, module),
        signature(binary, machine),
    ]
    return [fault for fault in found if fault]
