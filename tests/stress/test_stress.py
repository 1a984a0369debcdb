"""Tests of ``voicecoil stress``: its counts and its output are right, and no process remains."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voicecoil as vc
from rig import until
from voicecoil.cli.app import run
from voicecoil.drivers.virtual.driver import VirtualDevice, VirtualDriver
from voicecoil.statistics import Histogram
from voicecoil.stress import loads, processes
from voicecoil.stress.cell import Setting, measure
from voicecoil.stress.homes import HOMES, chosen_homes, chosen_loads, open_home
from voicecoil.stress.seen import Cell, Seen, Spread, in_words, seen_between

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)
COMMAND = [sys.executable, "-m", "voicecoil", "stress"]
FRAMES = 64


def setting(home: str = "low", load: str = "idle", **other: Any) -> Setting:
    return Setting(
        **{
            "home": home,
            "load": load,
            "driver": "virtual",
            "device": "virtual:Virtual Device",
            "frames": 256,
            "samplerate": 48_000.0,
            "seconds": 0.1,
            **other,
        }
    )


# ---- processes ----------------------------------------------------------------------------------


def alive(pid: int) -> bool:
    """Returns whether a process runs. A zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> set[int]:
    """Returns all descendants of a process, as /proc shows them."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rsplit(")")[-1].split()[1]
            )
        except OSError:
            continue
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


# ---- counts, on a stepped clock -----------------------------------------------------------------


class Watched:
    """A stream on a stepped device, which is measured between two moments."""

    def __init__(self, **wanted: Any) -> None:
        self.device = VirtualDevice("Stepped", clock="stepped", frames=FRAMES)
        self.stream = vc.OutputStream(
            lambda block: None, driver=VirtualDriver([self.device]), **wanted
        )
        self.stream.start()
        self.device.step(3)
        self.before = self.stream.statistics()

    def seen(self, cycles: int) -> Seen:
        """Returns the measurements for a time in which the clock has requested `cycles` cycles."""
        return seen_between(
            self.before,
            self.stream.statistics(),
            Histogram(),
            elapsed_s=cycles * FRAMES / self.stream.samplerate,
            samplerate=self.stream.samplerate,
            lead_frames=self.stream.lead_frames,
        )


@pytest.fixture(params=[{"latency": "low"}, {"latency": 2 * FRAMES / 48_000}])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    one = Watched(**request.param)
    yield one
    one.stream.close()


def test_all_in_time(watched: Watched) -> None:
    watched.device.step(10)
    seen = watched.seen(10)
    assert (seen.asked_frames, seen.missed_frames, seen.in_time) == (640, 0, 1.0)
    assert seen.share_text == "100 %"
    assert (seen.xruns, seen.lost_frames, seen.late_cycles, seen.causes) == (0, 0, 0, {})
    assert seen.cycle_frames == FRAMES
    assert seen.deadline_s == (watched.stream.lead_frames or FRAMES) / 48_000
    assert not seen.was_late


def test_lost_frames_are_missed_and_the_device_lost_them(watched: Watched) -> None:
    watched.device.inject("xrun", 3 * FRAMES)
    watched.device.step(7)
    seen = watched.seen(10)
    assert (seen.asked_frames, seen.missed_frames) == (640, 192)
    assert seen.in_time == 0.7
    assert seen.share_text == "70.0 %"
    assert (seen.xruns, seen.lost_frames, seen.causes) == (1, 192, {"device": 192})
    assert not seen.was_late, "the callback was not late"


def test_a_late_cycle_is_a_missed_block() -> None:
    watched = Watched(latency="low")
    watched.device.inject("late", 5_000_000)
    watched.device.step(10)
    seen = watched.seen(10)
    watched.stream.close()
    assert (seen.late_cycles, seen.missed_frames, seen.in_time) == (1, FRAMES, 0.9)
    assert seen.was_late


def test_cycles_that_were_not_reported_count_as_missed(watched: Watched) -> None:
    watched.device.step(10)
    seen = watched.seen(50)
    assert seen.lost_frames == 0
    assert seen.asked_frames == 50 * FRAMES
    assert seen.missed_frames == 38 * FRAMES, "all except two, by which the two reads may differ"
    assert watched.seen(12).missed_frames == 0


def test_counts_from_before_the_measurement_are_excluded() -> None:
    watched = Watched(latency="low")
    watched.device.inject("xrun", 3 * FRAMES)
    watched.device.inject("late", 5_000_000)
    watched.device.step(5)
    watched.before = watched.stream.statistics()
    watched.device.step(10)
    seen = watched.seen(10)
    watched.stream.close()
    assert (seen.missed_frames, seen.causes) == (0, {})


def test_histograms_subtract() -> None:
    def histogram(*counts: int) -> Histogram:
        return Histogram(array("Q", [*counts, *[0] * (304 - len(counts))]).tobytes())

    assert histogram(3, 5) - histogram(1, 5) == histogram(2, 0)
    assert histogram(3) - Histogram() == histogram(3)
    assert (Histogram() - Histogram()).count == 0


@pytest.mark.parametrize("home", [home for home in HOMES if home != "isolated"])
def test_every_home_has_the_same_silence(home: str) -> None:
    device = VirtualDevice("Stepped", clock="stepped", frames=FRAMES)
    device.capture()
    stream, run_time = open_home(home, driver=VirtualDriver([device]), blocksize=FRAMES)
    with stream:
        device.step(10)
        assert stream.statistics().blocks >= 10
        assert run_time().count == 0, "without a real clock no times are measured"
        stream.abort()
    assert not np.any(device.heard())


# ---- output -------------------------------------------------------------------------------------

SPREAD = Spread(0.001, 0.002, 0.003, [(0.001, 5), (0.003, 1)])


def seen(missed_frames: int = 0, **other: Any) -> Seen:
    return Seen(
        **{
            "samplerate": 48_000.0,
            "cycle_frames": 256,
            "lead_frames": 0,
            "asked_frames": 25_600,
            "missed_frames": missed_frames,
            "xruns": 0,
            "lost_frames": 0,
            "late_cycles": missed_frames // 256,
            "urgent": None,
            "causes": {},
            "gil_wait": SPREAD,
            "run_time": SPREAD,
            "jitter": SPREAD,
            **other,
        }
    )


def test_in_words() -> None:
    cells = [
        Cell("native", "idle", seen=seen()),
        Cell("low", "idle", seen=seen()),
        Cell("native", "json", seen=seen(256, late_cycles=0, causes={"device": 256})),
        Cell("low", "json", seen=seen(2_560)),
        Cell("isolated", "json", failed="too old"),
    ]
    said = in_words(cells)
    assert said[:2] == ["Homes without late blocks: native.", "Late blocks: low under json."]
    assert re.match("Not in time, though no callback was late: native under json[.]", said[2])
    no_priority = Cell("native", "json", seen=seen(256, late_cycles=0, urgent=False))
    assert "`ulimit -r`" in in_words([no_priority])[-1]
    assert in_words(cells[3:4]) == [
        "Homes without late blocks: none.",
        "Late blocks: low under json.",
    ]
    assert in_words(cells[4:]) == ["Nothing was measured."]


def test_ahead_the_cause_says_whether_the_callback_was_late() -> None:
    assert seen(256, late_cycles=0, lead_frames=2_880, causes={"waiting": 256}).was_late
    assert not seen(256, late_cycles=0, lead_frames=2_880, causes={"worker": 256}).was_late


def test_one_of_a_million_is_not_all() -> None:
    assert seen(1, asked_frames=10**6).share_text == "99.9 %"


def test_a_cell_goes_through_json() -> None:
    for cell in (Cell("low", "gc", seen=seen(256)), Cell("isolated", "gc", failed="why")):
        told = json.dumps(cell.as_json())
        assert json.dumps(Cell.from_json(json.loads(told)).as_json()) == told


@pytest.mark.parametrize("width", [80, 200])
def test_the_tables_fit_the_terminal(width: int) -> None:
    from rich.console import Console

    from voicecoil.cli.stress_table import failures, tables_of

    cells = [
        Cell("low", "json", seen=seen(128, gil_wait=Spread(0.000123, 0.5, 12.3, []))),
        Cell("isolated", "json", failed="too old"),
    ]
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables_of(cells, width):
        console.print(table)
    text = console.export_text()
    assert "…" not in text
    for words in ("99.5 %", "0.123 / 500 / 12300", "1.00 / 2.00 / 3.00", "isolated"):
        assert words in text
    assert failures(cells) == ["isolated under json: too old"]


# ---- arguments ----------------------------------------------------------------------------------


def test_choice() -> None:
    assert chosen_homes(None) == list(HOMES)
    assert chosen_homes("low, 0.2,low") == ["low", "0.2"]
    assert chosen_loads(None) == list(loads.WORDS)
    assert chosen_loads("gc idle") == ["gc", "idle"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--homes", "low,slow"], "no home 'slow'; possible are native, isolated, low, safe, and"),
        (["--homes=-1"], "no home '-1'"),
        (["--homes", "nan"], "no home 'nan'"),
        (["--loads", "jason"], "no load 'jason'; possible are idle, main, thread, json, gc, cores"),
        (["--seconds", "0"], "more than 0 and at most 3600 s"),
        (["--seconds", "nan"], "more than 0 and at most 3600 s"),
        (["--frames", "0"], "use 1 or more"),
        (["--frames", "100000"], "65536"),
        (["--device", "nobody"], "Virtual Device"),
        (["--plot", "a.gif"], "ends in .png, .svg, .pdf"),
        (["--plot", "nowhere/a.png"], "no folder 'nowhere'"),
    ],
)
def test_wrong_usage_is_reported_before_anything_runs(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(processes.subprocess, "Popen", None)
    assert run(["stress", "--driver", "virtual", *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(rf"voicecoil: .*({says}).*\n", told.err)


def test_without_matplotlib_the_message_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from voicecoil.cli.app import run\n"
        "sys.exit(run(['stress', '--driver', 'virtual', '--plot', 'a.png']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "pip install voicecoil[plot]" in done.stderr


# ---- short real runs ----------------------------------------------------------------------------


@pytest.mark.parametrize("load", list(loads.WORDS))
def test_each_load_ends_when_it_should(load: str) -> None:
    cell = measure(setting(load=load))
    assert cell.seen is not None
    assert cell.seen.asked_frames >= 0.1 * 48_000


@pytest.mark.parametrize("home", [*HOMES, "0.2"])
def test_each_home_in_a_process_of_its_own(home: str) -> None:
    cell = processes.run_cell(setting(home=home))
    if home == "isolated" and sys.version_info < (3, 12):
        assert cell.failed is not None
        assert "Python 3.12" in cell.failed
        return
    assert cell.failed is None
    assert cell.seen is not None
    assert (cell.seen.gil_wait is None) == (home == "native")
    assert cell.seen.run_time is not None
    assert cell.seen.lead_frames == {"safe": 3_072, "0.2": 9_728}.get(home, 0)


@needs_proc
def test_a_cell_that_takes_too_long_is_ended() -> None:
    cell = processes.run_cell(setting(load="cores", seconds=60), deadline_s=-58)
    assert cell.failed == "it hung for 2 s"
    assert not [pid for pid in descendants(os.getpid()) if b"stress" in command_of(pid)]


def test_a_cell_that_dies_says_its_last_word() -> None:
    cell = processes.run_cell(setting(load="nonsense"))
    assert cell.failed == "exit code 1: KeyError: 'nonsense'"
    cell = processes.run_cell(setting(device="nobody", driver="coreaudio"))
    assert cell.failed is not None


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--homes", "native,low", "--loads", "idle", "--seconds", "0.2", "--json"]
    assert run(["stress", "--driver", "virtual", *options]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    report = json.loads(told.out)
    assert list(report) == [
        *("device", "frames", "samplerate", "seconds", "python", "cells", "verdict", "interrupted")
    ]
    assert [(cell["home"], cell["load"]) for cell in report["cells"]] == [
        ("native", "idle"),
        ("low", "idle"),
    ]
    low = report["cells"][1]["seen"]
    assert 0 <= low["in_time"] <= 1
    assert list(low["run_time"]) == ["median_s", "p99_s", "max_s", "buckets"]
    assert sum(count for _, count in low["run_time"]["buckets"]) > 10
    assert report["interrupted"] is False


def test_a_table_and_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--homes", "isolated,low", "--loads", "idle", "--seconds", "0.2", "--frames", "128"]
    assert run(["stress", "--driver", "virtual", *options]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert re.fullmatch(
        r"Virtual Device( with real-time priority)?, 48 kHz, cycles of 128 frames \(2.67 ms\), "
        "200 ms each",
        lines[0],
    )
    assert re.search(r"^  low +[\d.]+ % ", told.out, re.M)
    assert re.search("^Homes without late blocks: ", told.out, re.M)
    old = sys.version_info < (3, 12)
    assert bool(re.search("^isolated under idle: .*Python 3.12", told.out, re.M)) == old


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plot(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="NOT TESTED: the picture, without matplotlib")
    from voicecoil.stress.plot import draw

    path = tmp_path / f"a{suffix}"
    cells = [
        Cell("low", "json", seen=seen(128)),
        Cell("safe", "json", seen=seen(lead_frames=2_880, gil_wait=None)),
        Cell("isolated", "json", failed="isolated=True needs Python 3.12 or later"),
        Cell("low", "gc", seen=seen()),
    ]
    draw(cells, path, "Speakers, 48 kHz")
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
    else:
        text = content.decode()
        for words in ("Speakers, 48 kHz", "99.5 %", loads.WORDS["gc"], "isolated"):
            assert words in text


# ---- end of the command -------------------------------------------------------------------------


@needs_proc
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_no_process_remains(name: str) -> None:
    number = getattr(signal, name)
    options = ["--driver", "virtual", "--loads", "cores", "--homes", "low", "--seconds", "60"]
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    cores = os.cpu_count() or 1
    # These are the process of the cell, and one process for each core.
    until(lambda: len(descendants(process.pid)) == 1 + cores)
    below = descendants(process.pid)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=30)
    codes = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}
    assert (process.returncode, errors) == (codes[name], "")
    # After SIGKILL, these processes must notice by themselves that their parent has ended.
    until(lambda: not any(map(alive, below)))


@needs_proc
def test_ctrl_c_prints_the_results_so_far() -> None:
    options = ["--driver", "virtual", "--loads", "idle", "--homes", "low,safe", "--seconds"]
    process = subprocess.Popen(
        [*COMMAND, *options, "1", "--json"], stdout=subprocess.PIPE, text=True
    )
    cells: list[int] = []

    def second_one_runs() -> bool:
        cells.extend(descendants(process.pid) - set(cells))
        return len(cells) == 2

    until(second_one_runs)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    report = json.loads(out)
    assert process.returncode == 130
    assert report["interrupted"]
    assert [cell["home"] for cell in report["cells"]] == ["low"]
    until(lambda: not any(map(alive, cells)))
