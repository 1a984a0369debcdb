"""The command ``voicecoil doctor``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from voicecoil.arguments import shown
from voicecoil.cli import EXIT_FAILED, EXIT_INTERRUPTED
from voicecoil.cli.app import (
    DeviceName,
    DriverName,
    Json,
    command,
    print_json,
    say,
    say_if_virtual,
    show_line,
    warn,
)
from voicecoil.doctor import cable, consent, disconnect, inputs, overview, timing
from voicecoil.doctor.finding import Finding, Subject
from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.find import find_device
from voicecoil.drivers.protocol import Device, Direction, Driver
from voicecoil.errors import ArgumentError, DeviceNotFoundError, VoicecoilError
from voicecoil.wording import plural

__all__ = ["doctor"]

STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
TESTS = ("callbacks", "workload", "inputs", "round-trip", "glitches", "disconnect")
MAX_S = 3600.0
TEST_S, RECORD_S = 2.0, 10.0


@command("""
    voicecoil doctor
    voicecoil doctor --device Scarlett --seconds 60 --keep glitch.wav
    voicecoil doctor --tests callbacks,inputs
    voicecoil doctor --json
    voicecoil doctor --record my-mac.json
""")
def doctor(
    *,
    device: DeviceName = None,
    driver: DriverName = None,
    tests: Annotated[
        str | None,
        Parameter(metavar="LIST", help=f"{', '.join(TESTS)}, none; default: all but disconnect."),
    ] = None,
    seconds: Annotated[
        float | None,
        Parameter(metavar="SECONDS", help="Of each test: 2; of a recording: 10."),
    ] = None,
    keep: Annotated[
        Path | None, Parameter(metavar="FILE", help="Write the last glitch to this WAV file.")
    ] = None,
    record: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Only write what CoreAudio answers, as JSON, and end."),
    ] = None,
    json: Json = False,
) -> int:
    """Show what the audio system has, and test the devices. Each result is one line.

    "round-trip" and "glitches" play a burst and a tone, and need a way from the output to the
    input: a cable, or a microphone near the loudspeaker. "disconnect" asks you to unplug the
    device. Exit code 1 means that a test failed.

    --record writes what this Mac's CoreAudio answers, without texts and other personal data, for
    the simulated CoreAudio of the tests.
    """
    if seconds is None:
        seconds = TEST_S if record is None else RECORD_S
    if not 0 < seconds <= MAX_S:
        raise ArgumentError(f"--seconds {seconds:g}: use more than 0 and at most {MAX_S:g} s")
    if record is not None:
        _check_record(record, {"--device": device, "--tests": tests, "--keep": keep})
        return _record(record, driver, seconds, json)
    chosen = _chosen(tests)
    system = get_driver(driver)
    subject = _subject(device, system, seconds)
    if not json:
        say_if_virtual(driver)
    found: list[Finding] = []
    interrupted = False

    def show(finding: Finding) -> None:
        found.append(finding)
        if not json:
            _print(finding)

    try:
        seen = [overview.overview(), *overview.systems(), *overview.devices(subject)]
        for one in [*seen, *consent.consent(subject)]:
            show(one)
        _examine(subject, chosen, keep, show)
    except KeyboardInterrupt:
        interrupted = True
    if json:
        findings = [one.as_json() for one in found]
        print_json({"findings": findings, "interrupted": interrupted})
    else:
        counts: Counter[str] = Counter(one.verdict for one in found)
        end = ", interrupted" if interrupted else ""
        show_line((", ".join(f"{counts[word]} {word}" for word in STYLES) + end, "bold"))
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if any(one.verdict == "failed" for one in found) else 0


def _check_record(file: Path, others: dict[str, object]) -> None:
    """Refuses what a recording has no use for, and a file that cannot be written after it."""
    for option, value in others.items():
        if value is not None:
            raise ArgumentError(f"--record tests nothing: leave {option} out, or --record")
    if file.is_dir() or not file.parent.is_dir():
        raise ArgumentError(f"--record {shown(str(file))}: give a file in a folder that exists")


def _record(file: Path, driver: str | None, seconds: float, json: bool) -> int:
    from voicecoil.doctor.answers import record_answers

    recorded = record_answers(driver, seconds)
    file.write_text(dumps(recorded, indent=1, allow_nan=False) + "\n")
    if json:
        print_json({"file": str(file), "objects": len(recorded["objects"])})
    else:
        say(f"{plural(len(recorded['objects']), 'object')} recorded in {file}")
    return 0


def _chosen(tests: str | None) -> list[str]:
    if tests is None:
        return [test for test in TESTS if test != "disconnect"]
    names = [name.strip() for name in tests.split(",")]
    if names == ["none"]:
        return []
    for name in names:
        if name not in TESTS:
            raise ArgumentError(
                f"there is no test {shown(name)}; tests are {', '.join(TESTS)}, or none"
            )
    return names


def _subject(name: str | None, driver: Driver, seconds: float) -> Subject:
    def find(direction: Direction) -> Device | None:
        try:
            return find_device(name, (direction,), driver)
        except DeviceNotFoundError:
            return None

    output, into = find("output"), find("input")
    if name is not None and output is None and into is None:
        find_device(name, (), driver)  # says which devices there are
    return Subject(driver, output, into, seconds)


def _examine(
    subject: Subject, chosen: list[str], keep: Path | None, show: Callable[[Finding], None]
) -> None:
    tests: dict[str, Callable[[], Finding]] = {
        "callbacks": lambda: timing.callbacks(subject),
        "workload": lambda: timing.workload(subject),
        "inputs": lambda: inputs.channels(subject),
        "round-trip": lambda: cable.round_trip(subject),
        "glitches": lambda: cable.glitches(subject, keep),
        "disconnect": lambda: disconnect.disconnect(subject, warn),
    }
    if subject.output is None and subject.input is None:
        show(Finding("devices", "warning", f"the driver {subject.driver.name!r} has no devices"))
        return
    for finding in overview.latency(subject):
        show(finding)
    show(_tried("priority", lambda: overview.priority(subject)))
    for name in chosen:
        show(_tried(name, tests[name]))


def _tried(name: str, test: Callable[[], Finding]) -> Finding:
    """Run one test. An error of the device is its result."""
    try:
        return test()
    except (VoicecoilError, OSError) as error:
        return Finding(name, "failed", str(error), {"error": type(error).__name__})


def _print(finding: Finding) -> None:
    show_line(
        (f"{finding.test:<18}", "bold"),
        (f"{finding.verdict:<9}", STYLES[finding.verdict]),
        (finding.text, ""),
    )
