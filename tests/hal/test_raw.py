"""`voicecoil.raw`: CoreAudio's C functions with their types."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from ctypes import byref, c_uint32, c_void_p

import pytest

from coreaudio import Worlds, simulator_path
from paths import ROOT
from voicecoil import hal, raw
from voicecoil.errors import ArgumentError, DriverError, SymbolMissingError
from voicecoil.raw.ctypes_of import abi, callback, structure, type_of

FACTS = json.loads((ROOT / "tools" / "coreaudio" / "abi.json").read_text())


def test_the_stub_is_that_of_the_table() -> None:
    command = [sys.executable, str(ROOT / "tools" / "coreaudio" / "raw_stubs.py"), "--check"]
    assert subprocess.run(command).returncode == 0


@pytest.mark.parametrize("name", abi()["structs"])
def test_a_structure_has_the_layout_of_the_headers(name: str) -> None:
    size, fields = abi()["structs"][name]
    made = structure(name)
    assert ctypes.sizeof(made) == size
    assert [(one, getattr(made, one).offset) for one, *_ in fields] == [
        (one, offset) for one, _, offset in fields
    ]


def test_the_table_agrees_with_the_facts_of_the_c_header() -> None:
    assert {one["name"] for one in FACTS["functions"]} <= set(abi()["functions"])
    for one in FACTS["functions"]:
        parameters = abi()["functions"][one["name"]][4]
        assert len(parameters) == len(one["params"]), one["name"]
    for name, row in FACTS["constants"].items():
        assert abi()["constants"][name] == row["value"], name
    for name, made in FACTS["structs"].items():
        known = "mach_timebase_info_data_t" if name == "mach_timebase_info" else name
        assert abi()["structs"][known][0] == made["size"], name


def test_each_function_and_callback_has_types() -> None:
    for _, _, returns, _, parameters in abi()["functions"].values():
        assert type_of(returns) is None or ctypes.sizeof(type_of(returns)) > 0
        assert all(ctypes.sizeof(type_of(text)) > 0 for _, text in parameters)
    for name in abi()["callbacks"]:
        assert callback(name)._restype_ is not False
    missing = [name for name in abi()["structs"] if name not in dir(raw)]
    assert missing == []


def test_properties_through_the_c_functions(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    calls = raw.connect(world.driver)
    address = raw.AudioObjectPropertyAddress(
        raw.kAudioHardwarePropertyDefaultOutputDevice,
        raw.kAudioObjectPropertyScopeGlobal,
        raw.kAudioObjectPropertyElementMain,
    )
    device, size = c_uint32(), c_uint32(4)
    question = (raw.kAudioObjectSystemObject, byref(address), 0, None, byref(size))
    assert calls.AudioObjectGetPropertyData(*question, byref(device)) == 0
    system = hal.connect(world.driver)
    assert device.value == system.device("USBDuplex:1").object_id
    address.mSelector = int.from_bytes(b"xxxx", "big")
    with pytest.raises(DriverError, match=r"AudioObjectGetPropertyData gave 'who\?'") as caught:
        calls.AudioObjectGetPropertyData(device, *question[1:], byref(device))
    assert caught.value.code == raw.kAudioHardwareUnknownPropertyError


def test_objects_of_corefoundation_and_variables(coreaudio: Worlds) -> None:
    calls = raw.connect(coreaudio(3).driver)
    made = raw.cfstring("größer", calls)
    assert calls.CFStringGetLength(made) == 6
    keys = calls.kCFTypeDictionaryKeyCallBacks
    assert ctypes.sizeof(keys) == ctypes.sizeof(raw.CFDictionaryKeyCallBacks) > 0
    calls.CFRelease(made)


def test_a_listener_that_is_a_python_function(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    system = hal.connect(world.driver)
    calls, device = raw.connect(world.driver), system.device("USBDuplex:1")
    told: list[int] = []

    def listen(object_id: int, count: int, addresses: object, user: object) -> int:
        told.append(addresses[0].mSelector)  # type: ignore[index]
        return 0

    kept = raw.AudioObjectPropertyListenerProc(listen)
    address = raw.AudioObjectPropertyAddress(raw.kAudioDevicePropertyBufferFrameSize, 0x676C6F62, 0)
    with hal.watch(device, "fsiz"):  # so that CoreAudio calls listeners on a thread of its own
        calls.AudioObjectAddPropertyListener(device.object_id, byref(address), kept, None)
        device.buffer_frames = 64
        world.advance(0.01)
        calls.AudioObjectRemovePropertyListener(device.object_id, byref(address), kept, None)
    assert set(told) == {raw.kAudioDevicePropertyBufferFrameSize}


def test_what_is_absent_says_so(coreaudio: Worlds) -> None:
    calls = raw.connect(coreaudio(3).driver)
    assert not hasattr(calls, "ExtAudioFileOpenURL")
    with pytest.raises(SymbolMissingError, match=r"has no symbol 'ExtAudioFileOpenURL'; it needs"):
        _ = calls.ExtAudioFileOpenURL
    with pytest.raises(SymbolMissingError, match="has no symbol 'AudioQueueStart'"):
        calls.function("AudioQueueStart", raw.OSStatus, c_void_p, c_void_p)
    with pytest.raises(AttributeError, match=r"voicecoil\.raw has no 'AudioQueueStart'; function"):
        _ = calls.AudioQueueStart
    if sys.platform != "darwin":
        with pytest.raises(DriverError, match="The frameworks exist on macOS"):
            raw.Frameworks().handle("CoreAudio")


def test_a_function_with_types_of_its_own(coreaudio: Worlds) -> None:
    calls = raw.connect(coreaudio(3).driver)
    ticks = calls.function("mach_absolute_time", ctypes.c_uint64)
    assert ticks() <= calls.mach_absolute_time()
    with pytest.raises(ArgumentError, match=r"function; did you mean 'AudioDeviceStart'\?"):
        raw.signature("audiodevicestart")
    with pytest.raises(ArgumentError, match="lists its names"):
        raw.signature("Nope")
    with pytest.raises(
        AttributeError, match="lacks; did you mean 'kAudioDevicePropertyVolumeScalar'"
    ):
        _ = raw.kAudioDevicePropertyVolumScalar
    assert raw.signature("AudioDeviceStart") == (
        "OSStatus AudioDeviceStart(unsigned int inDevice, int ( *)(unsigned int, "
        "struct AudioTimeStamp *, struct AudioBufferList *, struct AudioTimeStamp *, "
        "struct AudioBufferList *, struct AudioTimeStamp *, void *) inProcID);  // macOS 10.0"
    )


def test_the_example_says_what_is_absent(coreaudio: Worlds) -> None:
    command = [sys.executable, str(ROOT / "examples" / "raw_audio_file.py"), "sound.m4a"]
    variables = {**os.environ, "VOICECOIL_COREAUDIO_SIMULATOR": simulator_path()}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert "has no symbol 'ExtAudioFileOpenURL'; it needs macOS 10.5" in done.stderr
