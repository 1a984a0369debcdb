"""Each error of CoreAudio raises an exception with a type and advice, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import math
import random
import re
import struct
import sys
from pathlib import Path

import pytest

import voicecoil as vc
from coreaudio import Worlds
from paths import ROOT
from voicecoil import _block
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.coreaudio.driver import FRAMEWORKS, CoreAudioDriver
from voicecoil.drivers.coreaudio.status import four_characters, status_error
from voicecoil.drivers.coreaudio.timeouts import Timeouts
from voicecoil.drivers.protocol import OpenRequest
from voicecoil.errors import VoicecoilError
from voicecoil.testing import SimulatedCoreAudio, find_simulator
from voicecoil.testing.simulator_library import ENVIRONMENT

CODES = [
    "!obj",
    "!dev",
    "!str",
    "who?",
    "!siz",
    "nope",
    "unop",
    "nrdy",
    "stop",
    "what",
    "!dat",
    "!hog",
]


def use_everything(world: SimulatedCoreAudio, uid: str) -> vc.Stream | None:
    """Lists devices, and opens, starts, runs, stops and closes streams."""
    device = next((d for d in world.driver.devices() if d.uid == uid), None)
    world.driver.default("output")
    if device is None:
        return None
    stream = vc.Stream(
        lambda block: None,
        driver=world.driver,
        device=device,
        samplerate=96_000,
        device_rate="set",
        blocksize=128,
    )
    try:
        stream.start()
        world.advance(0.05)
        stream.wait(0)
        stream.abort()
    finally:
        try:
            stream.close()
        except VoicecoilError:
            stream.close()  # only the first close reports an IOProc that cannot be stopped
    return stream


def from_text(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


# ---- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", CODES)
def test_the_message_of_a_documented_code_explains_it_with_advice(text: str) -> None:
    error = status_error("AudioDeviceStart", from_text(text), "'Speakers'")
    assert isinstance(error, vc.DriverError)
    assert (error.call, error.code) == ("AudioDeviceStart", from_text(text))
    assert str(error).startswith(
        f"AudioDeviceStart gave '{text}' ({from_text(text)}) for 'Speakers': "
    )
    assert ";" in str(error), "the message has advice"


@pytest.mark.parametrize("code", [-12345, 1, from_text("abcd")])
def test_an_undocumented_code_has_advice_too(code: int) -> None:
    text = str(status_error("AudioDeviceStart", code, "'Speakers'"))
    assert re.search(r"not one of CoreAudio's documented ones; try again, .*replug", text)


@pytest.mark.parametrize(
    ("code", "shown"), [(-50, "-50"), (0, "0"), (0x216F626A, "'!obj'"), (-1, "-1"), (0x41, "65")]
)
def test_codes_as_four_characters_or_numbers(code: int, shown: str) -> None:
    assert four_characters(code) == shown


@pytest.mark.parametrize("text", CODES)
@pytest.mark.parametrize(
    "function", ["AudioDeviceCreateIOProcID", "AudioDeviceStart", "AudioObjectAddPropertyListener"]
)
def test_a_call_that_fails_is_named_with_its_code_and_object(
    coreaudio: Worlds, function: str, text: str
) -> None:
    world = coreaudio(3)
    world.fail_call(function, from_text(text))
    with pytest.raises(vc.DriverError, match="'Simulated USB Duplex'") as error:
        use_everything(world, "USBDuplex:1")
    assert error.value.call == function
    assert error.value.code == from_text(text)


def test_a_with_whose_start_fails_leaves_nothing_open(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    world.fail_call("AudioDeviceStart", from_text("nope"))
    stream = vc.OutputStream(lambda block: None, driver=world.driver)
    with pytest.raises(vc.DriverError, match="'nope'"), stream:
        pass
    assert stream.state == "closed"
    assert world.driver.open_streams == 0
    assert world.counter("live_listeners") == 0


@pytest.mark.parametrize("function", ["AudioDeviceStop", "AudioDeviceDestroyIOProcID"])
def test_a_failed_stop_is_reported_once_and_keeps_the_ioproc(
    coreaudio: Worlds, function: str
) -> None:
    world = coreaudio(3)
    world.fail_call(function, from_text("what"))
    blocks = 0

    def callback(block: vc.Block) -> None:
        nonlocal blocks
        blocks += 1

    stream = vc.OutputStream(callback, driver=world.driver)
    stream.start()
    world.advance(0.05)
    with pytest.raises(vc.DriverError, match=f"{function} gave 'what'") as error:
        stream.abort()
    assert "neither destroyed nor freed" in error.value.__notes__[0]
    seen = blocks
    world.advance(0.05)
    assert blocks == seen, "no callback runs after the failed stop"
    stream.close()
    assert world.driver.kept_ioprocs == 1
    assert world.counter("fault_destroyed_running") == 0
    world.close()  # reports that the simulation was not left clean


def test_a_stop_that_fails_is_tried_once_more(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    world.fail_call("AudioDeviceStop", from_text("what"), times=1)
    with vc.OutputStream(lambda block: None, driver=world.driver) as stream:
        world.advance(0.05)
        stream.abort()
    assert world.driver.kept_ioprocs == 0


@pytest.mark.parametrize("destroys", [True, False])
def test_a_start_that_fails_keeps_the_ioproc_only_if_it_cannot_be_destroyed(
    coreaudio: Worlds, destroys: bool
) -> None:
    world = coreaudio(3)
    world.fail_call("AudioDeviceStart", from_text("nope"))
    if not destroys:
        world.fail_call("AudioDeviceDestroyIOProcID", from_text("what"))
    stream = vc.OutputStream(lambda block: None, driver=world.driver)
    with pytest.raises(vc.DriverError, match="AudioDeviceStart gave 'nope'") as error:
        stream.start()
    stream.close()
    assert world.driver.kept_ioprocs == world.counter("live_io_procs") == (0 if destroys else 1)
    if not destroys:
        first, second = error.value.__notes__
        assert "AudioDeviceDestroyIOProcID gave 'what'" in first
        assert "neither destroyed nor freed" in second
        world.close()  # reports that the simulation was not left clean


NOT_IN_ORDER = [
    (math.inf, math.inf),
    (0.0, -math.inf),
    (math.nan, math.nan),
    (-math.inf, 512.0),
    (16.0, math.inf),
    (512.0, 64.0),
]


@pytest.mark.parametrize(("low", "high"), NOT_IN_ORDER)
@pytest.mark.parametrize("what", ["fsz#", "nsr#"])
def test_invalid_rate_ranges(coreaudio: Worlds, what: str, low: float, high: float) -> None:
    world = coreaudio(3)
    world.device("USBDuplex:1").override(what, struct.pack("<dd", low, high))
    with pytest.raises(vc.DriverError, match=rf"'{what}'.* of 'Simulated USB Duplex' has"):
        vc.OutputStream(
            lambda block: None,
            driver=world.driver,
            samplerate=96_000,
            device_rate="set",
            blocksize=128,
        ).close()


@pytest.mark.parametrize("rate", [math.nan, math.inf, -math.inf])
def test_invalid_rates(coreaudio: Worlds, rate: float) -> None:
    world = coreaudio(3)
    found = world.driver.devices()[0]
    world.device("USBDuplex:1").override("nsrt", struct.pack("<d", rate))
    assert world.driver.devices() == [], "a device with an impossible rate is left out"
    with pytest.raises(vc.DriverError, match="'nsrt' of 'Simulated USB Duplex' has the value"):
        world.driver.open_stream(OpenRequest(found, (), (0, 1), None, None))


# ---- missing libraries and functions -----------------------------------------------------------


def test_a_library_without_the_functions(tmp_path: Path) -> None:
    with pytest.raises(vc.DriverError, match="CoreAudio cannot be opened") as error:
        CoreAudioDriver([str(tmp_path / "none.so")])
    assert error.value.call == "dlopen"
    # Any library without these functions serves for the test. On a Mac, every library finds the
    # functions of libSystem, so the first missing one is a function of CoreAudio.
    first = "Audio" if sys.platform == "darwin" else "mach_absolute_time"
    with pytest.raises(vc.DriverError, match=f"has no function {first}") as missing:
        CoreAudioDriver([_block.__file__])
    assert missing.value.call.startswith(first)


def test_a_function_that_an_older_system_does_not_have(coreaudio: Worlds) -> None:
    from voicecoil.drivers.coreaudio import _hal

    world = coreaudio(3)
    assert world.driver.library.has_symbol("AudioDeviceStart")
    assert not world.driver.library.has_symbol("AudioWorkIntervalCreate")

    def call() -> None:
        raise _hal.MissingSymbolError("AudioWorkIntervalCreate")

    with pytest.raises(vc.DriverError, match="no function AudioWorkIntervalCreate") as error:
        world.driver.call("", call, 10.0)
    assert error.value.call == "AudioWorkIntervalCreate"


def test_no_audio_unit_is_used() -> None:
    folder = ROOT / "src" / "voicecoil" / "drivers" / "coreaudio"
    looked_up = set(re.findall(r'find(?:_call)?\("(\w+)"\)', (folder / "_hal.pyx").read_text()))
    assert {"AudioDeviceStart", "AudioObjectGetPropertyData"} <= looked_up
    assert not {name for name in looked_up if name.startswith(("AudioUnit", "AudioComponent"))}
    assert not [path for path in FRAMEWORKS if "AudioUnit" in path or "AudioToolbox" in path]


@pytest.mark.skipif("sys.platform == 'darwin'")
def test_the_coreaudio_driver_elsewhere_names_the_drivers_of_the_platform() -> None:
    with pytest.raises(vc.DriverError, match="VOICECOIL_DRIVER=coreaudio-simulated"):
        get_driver("coreaudio")


def test_a_simulator_that_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(vc.DriverError, match="make -C simulator"):
        find_simulator()
    with pytest.raises(vc.DriverError, match="is not at"):
        find_simulator(ROOT / "nowhere.so")


def test_one_coreaudio_in_a_process(coreaudio: Worlds) -> None:
    world = coreaudio(3)
    with pytest.raises(vc.StreamStateError, match="only one simulated CoreAudio"):
        SimulatedCoreAudio(world.path)


# ---- arbitrary answers -------------------------------------------------------------------------

SELECTORS = ["dev#", "dOut", "dIn ", "uid ", "lnam", "slay", "nsrt", "hidn", "nsr#", "asrt", "stm#"]
SELECTORS += ["fsiz", "fsz#", "vfsz", "ltnc", "saft", "livn", "sfmt", "suse", "rnlp"]
STRINGS = ("uid ", "lnam")
FUNCTIONS = [
    "AudioObjectGetPropertyData",
    "AudioObjectGetPropertyDataSize",
    "AudioObjectSetPropertyData",
    "AudioObjectIsPropertySettable",
    "AudioObjectAddPropertyListener",
    "AudioObjectRemovePropertyListener",
    "AudioDeviceCreateIOProcID",
    "AudioDeviceStart",
    "AudioObjectHasProperty",
    "AudioDeviceStop",
    "AudioDeviceDestroyIOProcID",
]
DOUBLES = [0.0, -1.0, 1e300, 5e-324, math.nan, math.inf, -math.inf, 64.0, 48_000.0]
WORDS = [0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF]


def odd_value(chance: random.Random) -> bytes:
    kind = chance.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return struct.pack("<d", chance.choice(DOUBLES))
    if kind == 2:
        return struct.pack("<I", chance.choice(WORDS))
    if kind == 3:  # AudioValueRange
        return struct.pack("<dd", chance.choice(DOUBLES), chance.choice(DOUBLES))
    if kind == 4:  # AudioStreamBasicDescription
        words = [chance.choice([*WORDS, 4, 8, 9, 32]) for _ in range(7)]
        return struct.pack("<d4s7I", chance.choice(DOUBLES), b"mcpl", *words)
    size = chance.choice([1, 2, 3, 4, 5, 7, 8, 12, 16, 39, 40, 41, 100, 4096])
    return chance.randbytes(size)


@pytest.mark.parametrize("seed", range(150))
def test_replies_and_errors_of_any_kind(coreaudio: Worlds, seed: int) -> None:
    chance = random.Random(seed)
    timeouts = Timeouts(rate_s=0.05, buffer_s=0.05)
    world = coreaudio(3, 4, seed=seed, timeouts=timeouts, switches={"start_block_ns": 0})
    device = world.device(chance.choice(["USBDuplex:1", "MultiStream:2+2+8"]))
    driver = world.driver
    streams = driver.call("", lambda: driver.hal.ids(device.id, "stm#"), 10.0)
    for _ in range(chance.randrange(1, 4)):
        if chance.random() < 0.35:
            world.fail_call(
                chance.choice(FUNCTIONS),
                from_text(chance.choice(CODES)) if chance.random() < 0.8 else -50,
                chance.randrange(40),
                chance.choice([1, 2, 2**32 - 1]),
            )
            continue
        what = chance.choice(SELECTORS)
        value = odd_value(chance)
        if what in STRINGS:
            value = value[:7]  # eight bytes would be a pointer, which no driver can check
        target = chance.choice([device.id, device.id, 1, *streams])
        size = -1 if chance.random() < 0.7 else chance.choice([0, 1, 8, 1000, 2**31, 2**32 - 1])
        status = 0 if chance.random() < 0.7 else from_text(chance.choice(CODES))
        device.override(what, value, status=status, said_size=size, object_id=target)
    with contextlib.suppress(VoicecoilError):  # no other exception may be raised
        use_everything(world, device.uid)
    world.library.sim_stop_clock()
    # A listener still exists if its removal was made to fail. The driver keeps an IOProc that it
    # could not stop or destroy. Nothing else may exist.
    assert driver.kept_ioprocs == world.counter("live_io_procs")
    world.library.sim_check_clean()
    left = {
        name: n
        for name, n in world.counters().items()
        if n and name.startswith(("live_", "fault_"))
    }
    kept = {"live_io_procs", "live_running_io_procs", "live_io_threads"}
    assert set(left) <= {"live_listeners"} | (kept if driver.kept_ioprocs else set()), (
        world.report()
    )
    world.close()
