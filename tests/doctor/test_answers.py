"""``voicecoil doctor --record`` on the simulated CoreAudio, and what the simulator makes of it."""

from __future__ import annotations

import contextlib
import copy
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from coreaudio import simulator_path
from voicecoil.cli.app import run
from voicecoil.doctor.answers import description_of, differences, main, record_answers
from voicecoil.testing import SimulatedCoreAudio

SECONDS = 0.2


def answers(*fixtures: int, devices: tuple[str, ...] = ()) -> Any:
    """Records a simulated CoreAudio. It is not clean afterwards, because wrong calls are a part."""
    world = SimulatedCoreAudio(
        simulator_path(), fixtures=fixtures, devices=devices, clock="running"
    )
    with contextlib.closing(world):
        recorded = record_answers(world.driver, SECONDS)
    return json.loads(json.dumps(recorded, allow_nan=False))


@pytest.fixture(scope="module")
def recorded() -> Any:
    return answers(1, 3)


def test_a_recording_has_objects_statuses_and_times(recorded: Any) -> None:
    classes = [one["class"] for one in recorded["objects"]]
    assert classes[0] == "AudioSystemObject"
    assert classes.count("AudioDevice") == 2
    assert {"AudioStream", "AudioVolumeControl"} <= set(classes)
    assert recorded["statuses"]["get of an unknown object"] == "'!obj'"
    assert recorded["statuses"]["scalar get with a large buffer"] == "ok"
    times = recorded["io"]["times"]
    assert len(times) > 5
    output = recorded["io"]["columns"].index("output_frames")
    assert all(a[output] < b[output] for a, b in pairwise(times))
    assert recorded["io"]["threads_of_a_run"] == [1, 1]


def test_a_recording_has_no_names(recorded: Any) -> None:
    text = json.dumps(recorded)
    for name in ("Simulated", "USBDuplex", "BuiltIn", "org.", "com.", "/"):
        assert name not in text


def test_the_simulator_takes_the_devices_of_a_recording(recorded: Any) -> None:
    places = [n for n, one in enumerate(recorded["objects"]) if one["class"] == "AudioDevice"]
    properties = recorded["objects"][places[0]]["properties"]
    first = {(one["selector"], one["scope"]): one["value"] for one in properties}
    again = answers(devices=tuple(description_of(recorded, place) for place in places))
    devices = [one for one in again["objects"] if one["class"] == "AudioDevice"]
    assert len(devices) == len(places)
    replayed = {(o["selector"], o["scope"]): o["value"] for o in devices[0]["properties"]}
    for key in [
        ("nsrt", "global"),
        ("nsr#", "global"),
        ("fsiz", "global"),
        ("fsz#", "global"),
        ("clkd", "global"),
        ("slay", "output"),
        ("ltnc", "output"),
        ("saft", "output"),
    ]:
        assert replayed[key] == first[key], key


def test_differences_of_two_recordings(recorded: Any, tmp_path: Path, capsys: Any) -> None:
    assert differences(recorded, recorded) == []
    other = copy.deepcopy(recorded)
    other["statuses"]["get of an unknown object"] = "'!dev'"
    for one in other["objects"]:
        for known in one["properties"]:
            if (one["class"], known["selector"]) == ("AudioDevice", "nsrt"):
                known["settable"] = False
    found = differences(recorded, other)
    assert "get of an unknown object: '!obj' and '!dev'" in found
    assert "'nsrt' of AudioDevice: settable and read-only" in found
    paths = [tmp_path / "one.json", tmp_path / "other.json"]
    for path, answers in zip(paths, (recorded, other), strict=True):
        path.write_text(json.dumps(answers))
    assert main([str(path) for path in paths]) == 0
    assert capsys.readouterr().out.splitlines() == found


def test_the_command_needs_coreaudio(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "mac.json"
    assert run(["doctor", "--record", str(file), "--driver", "virtual"]) == 1
    assert "has no HAL" in capsys.readouterr().err
    assert not file.exists()
