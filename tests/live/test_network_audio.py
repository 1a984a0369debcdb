"""The network speaker and microphone of the examples: two processes, whose clocks differ.

Each process has a stepped device, of the virtual driver or of a simulated CoreAudio. The microphone
advances its clock block by block, and the speaker advances its own to the host time of each block
that arrives, so the result depends on no real time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from coreaudio import simulator_path
from paths import EXAMPLES
from voicecoil.testing.simulator_library import ENVIRONMENT

SECONDS = float(os.environ.get("VOICECOIL_NETWORK_S", "60"))  # of virtual time; 3600: an hour
PPM = 400.0 if SECONDS < 1000 else 100.0
DEVICE = """
def device_of(name, frames, ppm, inputs, outputs):
    # Returns a driver, a function that runs cycles, and one that returns the host time.
    if driver == "virtual":
        device = VirtualDevice(name, clock="stepped", frames=frames, clock_ppm=ppm,
                               input_channels=inputs, output_channels=outputs)
        return VirtualDriver([device]), device.step, device.now_ns
    channels = f"in={inputs}" if inputs else f"out={outputs}"
    world = SimulatedCoreAudio(
        devices=[f"uid={name}; {channels}; rate=48000; rates=48000; buffer={frames}; ppm={ppm:.0f}"]
    )
    device = world.device(name)
    return world.driver, lambda n=1: device.run_cycles(n, frames=frames), world.driver.now_ns
"""
EXAMPLE = f"""
import json, socket, sys
sys.path.insert(0, {str(EXAMPLES)!r})
import numpy as np
import voicecoil as vc
import network_audio as example
from voicecoil.testing import SimulatedCoreAudio, VirtualDevice, VirtualDriver
seconds, ppm = float(sys.argv[1]), float(sys.argv[2])
driver, controlled = sys.argv[3], sys.argv[4] == "controlled"
{DEVICE}"""
MICROPHONE = f"""{EXAMPLE}
system, step, _ = device_of("Mic", 480, ppm, 1, 0)
connection = socket.create_connection(("127.0.0.1", int(sys.argv[5])))
with vc.Recorder(driver=system, samplerate=example.RATE, channels=1) as recorder:
    for _ in range(round(seconds * example.RATE / 960)):
        step(2)
        example.send(connection, recorder.read(960, timeout=0))
    assert recorder.lost_frames == 0
connection.close()
"""
SPEAKER = f"""{EXAMPLE}
system, step, now_ns = device_of("Speaker", 240, -ppm, 0, 2)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection = server.accept()[0]
sent, speeds, begun, blocks = {{}}, [], None, 0
with vc.Player(driver=system, samplerate=example.RATE, channels=1) as player:
    speaker = example.Speaker(player) if controlled else None
    here_ns = now_ns()
    while (block := example.receive(connection)) is not None:
        begun = begun or block[0]
        while now_ns() - here_ns < block[0] - begun:
            step()
        if blocks % 50 == 0:
            sent[blocks] = block[0] - begun
            player.mark(blocks)
        speaker.play(block[1]) if speaker else player.write(block[1])
        speeds.append(speaker.speed if speaker else 1.0)
        blocks += 1
    late = [[mark.name, (mark.host_ns - here_ns - sent[mark.name]) / 1e9]
            for mark in player.marks_heard]
    print(json.dumps({{"late_s": late, "blocks": blocks, "underruns": player.underruns,
                      "speed": float(np.mean(speeds[blocks // 2:]))}}))
    player.clear()
    step(4)
    player.close()
connection.close()
server.close()
"""


def run(driver: str, how: str = "controlled") -> dict[str, Any]:
    """Runs both processes. Returns what the speaker has measured."""
    variables = dict(os.environ)
    if driver != "virtual":
        variables[ENVIRONMENT] = simulator_path()
    arguments = [str(SECONDS), str(PPM), driver, how]
    with subprocess.Popen(
        [sys.executable, "-c", SPEAKER, *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as speaker:
        assert speaker.stdout is not None
        port = speaker.stdout.readline().strip()
        subprocess.run(
            [sys.executable, "-c", MICROPHONE, *arguments, port],
            env=variables,
            check=True,
            timeout=90 + SECONDS,
        )
        said, _ = speaker.communicate(timeout=90 + SECONDS)
    assert speaker.returncode == 0
    measured: dict[str, Any] = json.loads(said)
    return measured


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.parametrize("driver", ["virtual", "coreaudio"])
def test_the_speaker_stays_in_step_with_the_microphone(driver: str) -> None:
    if driver == "coreaudio" and SECONDS > 120:
        pytest.skip(
            "the simulator keeps what it has played, so an hour is run on the virtual device"
        )
    measured = run(driver)
    assert measured["blocks"] == round(SECONDS * 50)
    assert measured["underruns"] == 0
    late_s = np.array([late for _, late in measured["late_s"]])
    assert len(late_s) >= SECONDS - 2
    settled = late_s[len(late_s) // 2 :]
    drift_s = 2 * PPM * 1e-6 * SECONDS / 2  # without a control
    assert np.ptp(settled) < min(0.01, drift_s / 2)
    assert measured["speed"] - 1 == pytest.approx(2 * PPM * 1e-6, rel=0.3)


@pytest.mark.timeout(300 + 2 * SECONDS)
@pytest.mark.skipif(SECONDS > 1000, reason="NOT TESTED for long: the queue becomes full")
def test_without_the_control_the_delay_follows_the_clocks() -> None:
    late_s = np.array([late for _, late in run("virtual", "plain")["late_s"]])
    assert abs(late_s[-1] - late_s[0]) > 0.8 * 2 * PPM * 1e-6 * SECONDS
