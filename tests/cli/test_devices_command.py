"""``voicecoil devices``: uids in narrow terminals, the names of drivers, and ``--check``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from shells import ENV, shell
from voicecoil.cli.app import run
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Device
from voicecoil.testing import VirtualDevice, VirtualDriver

UID = "AppleUSBAudioEngine:Focusrite:Scarlett 18i20 USB:P9XJ0A1B2C3D4E:1,2"


@pytest.fixture
def interface() -> Iterator[VirtualDevice]:
    """An audio interface and a microphone in place of the virtual driver's device."""
    driver: Any = get_driver("virtual")
    before = list(driver.virtual_devices)
    device = VirtualDevice("Scarlett", uid=UID, input_channels=4, output_channels=4, frames=64)
    microphone = VirtualDevice("Microphone", input_channels=1, output_channels=0, frames=64)
    driver.virtual_devices[:] = [device, microphone]
    yield device
    driver.virtual_devices[:] = before


def terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> io.StringIO:
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=width, color_system=None)
    for module in ("app", "devices"):
        monkeypatch.setattr(sys.modules[f"voicecoil.cli.{module}"], "out", console)
    return printed


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.usefixtures("interface")
def test_a_uid_is_whole_in_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 60 columns the column of the uids was 14 characters wide, and each uid had five lines."""
    printed = terminal(monkeypatch, width)
    assert run(["devices"]) == 0
    text = printed.getvalue()
    assert UID in text
    assert "virtual:Microphone" in text
    assert ("DEFAULT FOR" in text) is (width == 120)


def test_the_simulator_is_listed_only_if_it_is_asked_for() -> None:
    plain = {name: value for name, value in ENV.items() if "SIMULATOR" not in name}
    assert "simulated" not in shell("devices", "--help", env=plain).stdout
    asking = {**plain, "VOICECOIL_COREAUDIO_SIMULATOR": "/nowhere"}
    assert "coreaudio-simulated" in " ".join(shell("devices", "--help", env=asking).stdout.split())


def checked(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> Any:
    assert run(["devices", "--check", "--json", *options]) == code
    told = json.loads(capsys.readouterr().out)
    return {
        (one["device"]["name"], one["direction"]): one["error"]
        or {s["name"]: (s["requested"], s["actual"], s["outcome"]) for s in one["settings"]}
        for one in told
    }


@pytest.mark.usefixtures("interface")
def test_check_tells_what_each_device_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--latency", "0.005", "--dtype", "int16", "--blocksize", "32", "--channels", "1"]
    found = checked(capsys, *options)
    assert list(found) == [("Scarlett", "output"), ("Scarlett", "input"), ("Microphone", "input")]
    settings = found["Scarlett", "output"]
    assert settings["samplerate"] == (None, 48_000.0, "default")
    assert settings["channels"] == (1, [0, 1], "applied")
    assert settings["dtype"] == ("int16", "int16", "converted")
    assert settings["blocksize"] == (32, 32, "applied")
    assert settings["latency"] == (0.005, 256 / 48_000, "adjusted")
    assert found["Microphone", "input"]["channels"] == (1, [0], "applied")


@pytest.mark.usefixtures("interface")
def test_check_fails_if_a_device_cannot_do_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, "--channels", "3,4", code=1)
    assert found["Scarlett", "output"]["channels"] == ([2, 3], [2, 3], "applied")
    assert found["Microphone", "input"] == {
        "type": "ArgumentError",
        "message": "--channels 3,4: 'Microphone' has the input channels 1 to 1",
    }
    assert list(checked(capsys, "--channels", "3,4", "--device", "scar")) == [
        ("Scarlett", "output"),
        ("Scarlett", "input"),
    ]


def test_check_prints_channels_from_one(
    interface: VirtualDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["devices", "--check", "--channels", "3,4", "--device", UID]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Scarlett, output  virtual  {UID}"
    (row,) = {tuple(line.split()) for line in lines if line.split()[:1] == ["channels"]}
    assert row == ("channels", "3,4", "->", "3,4", "applied")
    assert "zero_copy" not in "".join(lines)
    assert run(["devices", "--check", "--channels", "9"]) == 1
    assert "has 4 output channels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (["--rate", "44100"], "--rate is a request that is checked: give --check"),
        (
            ["--check", "--latency", "soon"],
            "'soon' is neither safe, low nor a number of seconds. See: voicecoil devices --help",
        ),
        (["--check", "--dtype", "float64"], "float64"),
        (["--check", "--device", "none such"], "no device of the driver 'virtual' is called"),
    ],
)
def test_wrong_usage(tokens: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", *tokens]) == 2
    assert says in capsys.readouterr().err


def test_check_of_a_device_that_no_driver_has_names_every_driver(
    interface: VirtualDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Other(VirtualDriver):
        name = "other"

        def devices(self) -> list[Device]:
            return [replace(device, driver="other") for device in super().devices()]

    driver_of = {"virtual": get_driver("virtual"), "other": Other()}
    command = sys.modules["voicecoil.cli.devices"]
    monkeypatch.setattr(command, "real_driver_names", lambda: list(driver_of))
    monkeypatch.setattr(command, "get_driver", driver_of.get)
    assert run(["devices", "--check", "--driver", "all", "--device", "none such"]) == 2
    said = capsys.readouterr().err
    for name in driver_of:
        assert f"no device of the driver {name!r} is called 'none such'; there are: " in said


@pytest.mark.parametrize("option", [[], ["--device", "none such"], ["--json"]])
def test_a_check_without_devices_fails(
    option: list[str], interface: VirtualDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    """It printed nothing, and its exit code was 0."""
    get_driver("virtual").virtual_devices.clear()  # type: ignore[attr-defined]
    assert run(["devices", "--check", "--driver", "virtual", *option]) == 2
    printed = capsys.readouterr()
    assert "'virtual'" in printed.err
    if option == ["--json"]:
        assert json.loads(printed.out)["error"]["type"] == "DeviceNotFoundError"
