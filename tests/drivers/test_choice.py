"""The choice of a driver if the program names none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

import voicecoil as vc
from voicecoil.drivers.choose import get_driver, real_driver_names

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has CoreAudio, always")

NO_SERVER = {"PULSE_SERVER": "unix:/nobody/is/here", "JACK_DEFAULT_SERVER": "voicecoil-nobody"}
# Simulates a machine on which the package is not installed.
NO_PACKAGE = "import sys; sys.modules['_miniaudio'] = None; "


def run(code: str, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **NO_SERVER}
    env.pop("VOICECOIL_DRIVER", None)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
    )


def test_without_a_device_the_virtual_one_stands_in_and_one_line_says_so_and_why() -> None:
    code = NO_PACKAGE + "import voicecoil as vc; print(vc.devices()[0].driver, vc.devices() != [])"
    done = run(code)
    assert done.stdout == "virtual True\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("voicecoil: no sound device was found (")
    assert "needs the package `miniaudio`" in line
    assert "): the virtual device is used, which cannot be heard (" in line


OTHER_VERSION = """
import _miniaudio, sys, types
text = _miniaudio.ffi.new("char[]", b"0.12.1")
lib = types.SimpleNamespace(ma_version_string=lambda: text)
sys.modules["_miniaudio"] = types.SimpleNamespace(ffi=_miniaudio.ffi, lib=lib)
"""


def test_another_version_of_the_library_is_named() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    done = run(OTHER_VERSION + "import voicecoil as vc; print(vc.devices()[0].driver)")
    assert done.stdout == "virtual\n"
    assert "has the library's version 0.12.1" in done.stderr
    done = run(OTHER_VERSION + "import voicecoil as vc; vc.devices(driver='miniaudio:jack')")
    assert done.stderr.splitlines()[-1].startswith("voicecoil.errors.DriverError: ")
    assert "has the library's version 0.12.1" in done.stderr


@pytest.mark.skipif(os.path.exists("/dev/snd"), reason="this machine has a sound card")
def test_the_line_names_each_sound_system() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    done = run("import voicecoil as vc; vc.devices()")
    (line,) = done.stderr.splitlines()
    for title in ("PulseAudio: no server", "JACK: no", "ALSA: no sound card"):
        assert title in line


@pytest.mark.skipif(os.path.exists("/dev/snd"), reason="this machine has a sound card")
def test_the_reason_for_one_sound_system_names_only_that() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    code = "import sys; from voicecoil.cli.app import run; sys.exit(run(sys.argv[1:]))"
    (line,) = run(code, ["devices", "--driver", "miniaudio:pulse"]).stdout.splitlines()
    assert line.startswith("The driver 'miniaudio:pulse' has no devices (PulseAudio: no")
    assert "ALSA" not in line
    (line,) = run(code, ["devices", "--driver", "all"]).stderr.splitlines()
    assert line.startswith("miniaudio: no devices (PulseAudio: no")
    assert "ALSA: no sound card" in line


def test_the_command_says_the_line_itself() -> None:
    code = NO_PACKAGE + "from voicecoil.cli.app import run; sys.exit(run(sys.argv[1:]))"
    done = run(code, ["devices"])
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("no sound device was found (")
    assert run(code, ["devices", "--json"]).stderr == ""


def test_all_drivers_devices(capsys: pytest.CaptureFixture[str]) -> None:
    from voicecoil.cli.app import run as command

    assert "virtual" in real_driver_names()
    assert command(["devices", "--driver", "all"]) == 0
    assert "DRIVER" in capsys.readouterr().out.splitlines()[0]
    assert command(["devices", "--driver", "all", "--json"]) == 0
    drivers = {device["driver"] for device in json.loads(capsys.readouterr().out)}
    assert "virtual" in drivers
    assert "miniaudio:null" not in drivers


def test_one_sound_system_by_name() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    driver = get_driver("miniaudio:null")
    assert driver is get_driver("miniaudio:null")
    assert [device.uid for device in driver.devices()] == ["null"]
    with pytest.raises(vc.ArgumentError, match="no backend 'nothing'; possible are pulse, jack"):
        get_driver("miniaudio:nothing")
    with pytest.raises(vc.ArgumentError, match="no driver 'virtual:jack'"):
        get_driver("virtual:jack")


ALL_AT_ONCE = """
import sys, threading
from voicecoil.drivers.choose import get_driver
sys.setswitchinterval(1e-5)
barrier, found = threading.Barrier(8), []
def get():
    barrier.wait()
    found.append(get_driver(sys.argv[1] or None))
threads = [threading.Thread(target=get) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(map(id, found))))
"""


@pytest.mark.parametrize("name", ["miniaudio:null", ""])
def test_threads_that_ask_at_the_same_time_get_one_driver(name: str) -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    assert run(ALL_AT_ONCE, [name]).stdout == "8 1\n"


def test_listing_the_devices_of_a_driver_does_not_choose_it() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    done = run("import voicecoil as vc; vc.devices('miniaudio'); print(vc.devices()[0].driver)")
    assert done.stdout == "virtual\n"


WAITING = """
import voicecoil as vc
with vc.OutputStream(lambda block: None, on_device_lost="wait") as stream:
    print(stream.state, stream.driver.name)
    stream.abort()
with vc.OutputStream(lambda block: None) as stream:
    print(stream.state, stream.driver.name)
"""


def test_nothing_stands_in_for_a_device_that_is_waited_for() -> None:
    pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
    done = run(WAITING)
    assert done.stdout == "waiting miniaudio\nrunning virtual\n"
    (line,) = done.stderr.splitlines()
    assert "the virtual device is used" in line


def test_the_import_loads_no_driver() -> None:
    done = run("import sys, voicecoil; print([m for m in sys.modules if 'miniaudio' in m])")
    assert done.stdout == "[]\n"
