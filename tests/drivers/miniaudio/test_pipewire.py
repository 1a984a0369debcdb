"""The miniaudio driver on a real PipeWire, as a client of PulseAudio and as a client of JACK."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coded import assert_coded
from paths import TESTS
from pulse_contract import PulseContract, PulseRig, Shared
from servers.pipewire import JACK_FOLDERS, PipeWireServer
from servers.processes import needs

pytest.importorskip("_miniaudio", reason="NOT TESTED: the package miniaudio is not installed")
pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    shared = Shared(PipeWireServer)
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> PulseRig:
    return PulseRig(*shared.get(monkeypatch))


class TestPipeWire(PulseContract):
    loop_error_frames = 2_048 + 100  # the server does not count the quantum that it plays


PLAY = """
import sys
sys.path.insert(0, sys.argv[1])
import voicecoil as vc
from coded import coded
device, = vc.devices("miniaudio:jack")
print(device.name, device.output_channels, device.samplerate)
vc.play(coded(0, 20_000, 2), 48_000, driver="miniaudio:jack").wait()
"""


def pipewires_jack() -> str:
    """Returns the folder of PipeWire's libjack, which processes must load instead of JACK's."""
    folder = next((folder for folder in JACK_FOLDERS if os.path.isdir(folder)), None)
    if folder is None:
        pytest.skip("NOT TESTED: PipeWire's libjack is not installed (pipewire-jack)")
    return folder


def test_a_client_of_jack_plays_sample_for_sample(rig: PulseRig) -> None:
    """The test runs in a new process, which loads PipeWire's libjack instead of JACK's."""
    folder = pipewires_jack()
    tests = str(TESTS)
    done = subprocess.run(
        [sys.executable, "-c", PLAY, tests],
        env={**os.environ, "LD_LIBRARY_PATH": folder},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "JACK 2 48000.0\n"
    heard = rig.heard()
    assert_coded(heard)
    assert len(heard) == 20_000


RATE_CHANGES = """
import subprocess
import sys
import time
import voicecoil as vc


def force_rate(hz):
    command = ["pw-metadata", "-n", "settings", "0", "clock.force-rate", str(hz)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=20)


def until(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


seen = []
ages = []


def look(block):
    seen.append(block.time.now_frames)
    ages.append(time.monotonic_ns() - block.time.now_ns)


stream = vc.OutputStream(look, driver="miniaudio:jack", latency="low", on_device_lost=sys.argv[1])
stream.start()
began = time.monotonic()
until(lambda: len(seen) > 5)
force_rate(44_100)
until(lambda: stream.state != "running")
try:
    force_rate(48_000)
    if sys.argv[1] == "wait":
        until(lambda: stream.state == "running")
        blocks = len(seen)
        until(lambda: len(seen) > blocks + 5)
        stream.stop()
        print("back")
    else:
        stream.wait(10)
except vc.DeviceLostError as error:
    print(error)
frames = (time.monotonic() - began) * 48_000
assert 0 <= stream.statistics().lost_frames < frames
assert all(0 < b - a < frames for a, b in zip(seen, seen[1:]))
assert 0 <= min(ages) < 2048 / 48e-6
stream.close()
"""


@pytest.mark.parametrize("policy", ["stop", "wait"])
def test_another_rate_of_the_graph_takes_the_device_away_from_a_client_of_jack(
    rig: PulseRig, policy: str
) -> None:
    """If the stream continued, it would play at another pitch. Besides, the frame counter of
    PipeWire's libjack begins again.
    """
    folder = next((folder for folder in JACK_FOLDERS if os.path.isdir(folder)), None)
    if folder is None or shutil.which("pw-metadata") is None:
        pytest.skip("NOT TESTED: PipeWire's libjack or pw-metadata is not installed")
    done = subprocess.run(
        [sys.executable, "-c", RATE_CHANGES, policy],
        env={**os.environ, **rig.server.processes.env, "LD_LIBRARY_PATH": folder},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = "back" if policy == "wait" else "JACK changed the rate of 'JACK' under the stream, from "
    assert done.stdout.startswith(said)


NAMED = """
import subprocess
import voicecoil as vc


def silence(block):
    pass


with (
    vc.OutputStream(silence, driver="miniaudio:jack", name="drums: ä"),
    vc.OutputStream(silence, driver="miniaudio:jack", name="later", connect=False),
):
    done = subprocess.run(["jack_lsp", "-c"], capture_output=True, text=True, timeout=20)
    print(done.stdout)
"""


def test_a_client_of_jack_has_its_streams_name_and_can_stay_unconnected(rig: PulseRig) -> None:
    needs("jack_lsp")
    env = {**os.environ, "LD_LIBRARY_PATH": pipewires_jack()}
    command = [sys.executable, "-c", NAMED]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    ends: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("   "):
            ends[list(ends)[-1]].append(line.strip())
        elif line:
            ends[line] = []
    for channel, place in enumerate(("FL", "FR")):
        assert [end.endswith(f"_{place}") for end in ends[f"drums_ ä:playback{channel}"]] == [True]
        assert ends[f"later:playback{channel}"] == []
