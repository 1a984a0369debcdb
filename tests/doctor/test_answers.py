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
from voicecoil import hal
from voicecoil.cli.app import run
from voicecoil.doctor.answers import (
    description_of,
    differences,
    main,
    record_answers,
    switches_of,
)
from voicecoil.doctor.guesses import judged_guesses
from voicecoil.doctor.notifying import threads_of_notifications
from voicecoil.doctor.stopping import record_stops
from voicecoil.testing import SimulatedCoreAudio

SECONDS = 0.2
UNDETERMINED = 2  # of the simulator's sim_set_consent


def answers(
    *fixtures: int, devices: tuple[str, ...] = (), switches: dict[str, int] | None = None
) -> Any:
    """Records a simulated CoreAudio. It is not clean afterwards, because wrong calls are a part."""
    world = SimulatedCoreAudio(
        simulator_path(), fixtures=fixtures, devices=devices, switches=switches, clock="running"
    )
    with contextlib.closing(world):
        recorded = record_answers(world.driver, SECONDS)
    return json.loads(json.dumps(recorded, allow_nan=False))


@pytest.fixture(scope="module")
def recorded() -> Any:
    return answers(1, 3, 24)


def test_a_recording_has_objects_statuses_and_times(recorded: Any) -> None:
    classes = [one["class"] for one in recorded["objects"]]
    assert classes[0] == "AudioSystemObject"
    assert classes.count("AudioDevice") == 2
    assert {"AudioStream", "AudioVolumeControl"} <= set(classes)
    assert classes.count("AudioTransportManager") == 1
    assert classes.count("AudioEndPoint") == 3
    assert recorded["statuses"]["get of an unknown object"] == "'!obj'"
    assert recorded["statuses"]["scalar get with a large buffer"] == "ok"
    times = recorded["io"]["times"]
    assert len(times) > 5
    output = recorded["io"]["columns"].index("output_frames")
    assert all(a[output] < b[output] for a, b in pairwise(times))
    assert recorded["io"]["threads_of_a_run"] == [1, 1]


def test_a_recording_has_the_calls_that_follow_a_stop(recorded: Any) -> None:
    stops = recorded["io"]["stop"]
    assert set(stops) == {"on_another_thread", "in_the_ioproc"}
    for place, stop in stops.items():
        assert stop["never_started"] == stop["status"] == "ok", place
        assert stop["calls_before"] >= 3, place
        assert stop["stop_ns"] >= 0, place
        # The simulated CoreAudio waits in AudioDeviceStop for the IOProc.
        assert stop["calls_after"] == 0, place
        assert stop["same_thread"] is stop["last_call_after_ns"] is None, place


def test_the_simulator_takes_the_statuses_and_stops_of_a_recording(recorded: Any) -> None:
    assert switches_of(recorded) == {
        "dead_device_error": 0,
        "set_readonly_error": 0,
        "stop_mode": 0,
    }
    other = {
        "dead_device_error": 1,
        "set_readonly_error": 2,
        "stop_mode": 1,
        "stop_extra_cycles": 3,
    }
    again = answers(1, 3, switches=other)
    stop = again["io"]["stop"]["on_another_thread"]
    assert (stop["calls_after"], stop["same_thread"]) == (3, True)
    assert stop["last_call_after_ns"] > 0
    assert again["io"]["stop"]["in_the_ioproc"]["calls_after"] == 0
    assert switches_of(again) == other
    assert "calls after a stop on another thread: 0 and 3" in differences(recorded, again)


def test_the_calls_after_a_stop_in_stepped_time() -> None:
    for switches, calls in (({}, 0), ({"stop_mode": 1, "stop_extra_cycles": 1}, 1)):
        # It raises an error at its end if an IOProc is left.
        with SimulatedCoreAudio(simulator_path(), fixtures=[3], switches=switches) as world:
            system = hal.connect(world.driver)
            found = record_stops(system._connection, "output")
            assert found["on_another_thread"]["calls_after"] == calls
            assert found["in_the_ioproc"]["calls_after"] == 0


@pytest.mark.parametrize(("own_thread", "threads"), [(0, 1), (1, 2)])
def test_the_threads_of_notifications(own_thread: int, threads: int) -> None:
    switches = {"listener_thread": own_thread}
    with SimulatedCoreAudio(simulator_path(), fixtures=[3], switches=switches) as world:
        found = record_stops(hal.connect(world.driver)._connection, "output")
        assert world.counter("live_listeners") == 0
    for stop in found.values():
        told = stop["notifications"]
        assert (told["goin"]["calls"], told["goin"]["kinds"]) == (2, ["io"])
        assert told["gone"]["kinds"] == ["other"]
        assert told["over"] == {"calls": 0, "threads": 0, "kinds": [], "named": 0}
    told = found["on_another_thread"]["notifications"]
    assert (told["gone"]["calls"], told["gone"]["threads"]) == (2, threads)
    assert threads_of_notifications({"io": {"stop": found}}) == {"goin": ["io"], "gone": ["other"]}


def test_a_stop_without_calls_is_recorded_as_an_error() -> None:
    with SimulatedCoreAudio(
        simulator_path(), fixtures=[3], switches={"callbacks_never": 1}
    ) as world:
        found = record_stops(hal.connect(world.driver)._connection, "output")
    assert found == {
        "on_another_thread": {"error": "StreamTimeoutError"},
        "in_the_ioproc": {"error": "StreamTimeoutError"},
    }
    assert switches_of({"statuses": {}, "io": {"stop": found}}) == {}


def test_recording_a_stop_of_an_output_opens_no_microphone() -> None:
    # A start with input would wait for the user's decision.
    with SimulatedCoreAudio(simulator_path(), fixtures=[3], switches={"consent_start": 1}) as world:
        world.check(world.library.sim_set_consent(UNDETERMINED))
        found = record_stops(hal.connect(world.driver)._connection, "output")
        assert {stop["status"] for stop in found.values()} == {"ok"}
        world.check(world.library.sim_set_consent(0))


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
    other["io"]["stop"]["on_another_thread"]["notifications"]["goin"]["kinds"] = ["other"]
    found = differences(recorded, other)
    assert "threads that report 'goin': io, and io and other" in found
    assert "get of an unknown object: '!obj' and '!dev'" in found
    assert "'nsrt' of AudioDevice: settable and read-only" in found
    paths = [tmp_path / "one.json", tmp_path / "other.json"]
    for path, answers in zip(paths, (recorded, other), strict=True):
        path.write_text(json.dumps(answers))
    assert main([str(path) for path in paths]) == 0
    assert capsys.readouterr().out.splitlines() == found


def test_a_recording_has_the_statuses_of_listeners_and_times(recorded: Any) -> None:
    assert recorded["statuses"]["removal of a listener that was not added"] == "ok"
    assert recorded["statuses"]["first addition of a listener"] == "ok"
    assert recorded["statuses"]["second addition of the same listener"] == "'nope'"
    assert recorded["statuses"]["removal of a listener"] == "ok"
    assert recorded["statuses"]["current time of a device that does not run"] == "'stop'"


def test_a_recording_judges_the_guesses(recorded: Any, tmp_path: Path, capsys: Any) -> None:
    assert "confirmed: 'dch2' preferred_channels_for_stereo of AudioDevice can be set in" in (
        "\n".join(judged_guesses(recorded))
    )
    other = copy.deepcopy(recorded)
    for one in other["objects"]:
        for known in one["properties"]:
            if known["selector"] == "dch2":
                known["settable"] = False
    file = tmp_path / "one.json"
    file.write_text(json.dumps(other))
    assert main([str(file)]) == 0
    told = capsys.readouterr().out
    assert "refuted: 'dch2' preferred_channels_for_stereo of AudioDevice can be set in 0 of" in told
    assert "'uid '" not in told  # a source says that it is read-only
    file.write_text("[]")
    assert main([str(file)]) == 1
    assert "is no recording of" in capsys.readouterr().err


def test_the_command_needs_coreaudio(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "mac.json"
    assert run(["doctor", "--record", str(file), "--driver", "virtual"]) == 1
    assert "has no HAL" in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["missing/mac.json"], "give a file in a folder that exists"),
        ([".", "--json"], "give a file in a folder that exists"),
        (["mac.json", "--device", "x"], "leave --device out"),
        (["mac.json", "--tests", "none"], "leave --tests out"),
        (["mac.json", "--keep", "x.wav"], "leave --keep out"),
    ],
)
def test_what_a_recording_cannot_use_is_an_error_at_once(
    more: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    # The virtual driver has no HAL. That would be the error if the recording had begun.
    assert run(["doctor", "--driver", "virtual", "--record", *more]) != 0
    written = capsys.readouterr()
    assert told in written.err + written.out
    assert list(tmp_path.iterdir()) == []
