"""``make bench``: measures the costs of the library and writes RESULTS.md beside this file.

    python benchmarks/run.py [--quick] [--output FILE]

``--quick`` runs every measurement for a moment, to check that it runs. Measurements with other
programs or under other conditions are in STUDIES.md, which this program does not write.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import blocks
import hal_costs
import mixers
import players
import starts
import two_devices
from measure import machine, native_empty, scratch
from peers import build, mixing
from tables import markdown, show

import coreaudio


@dataclass(frozen=True)
class Effort:
    """The durations of the measurements."""

    seconds: float
    table_seconds: float
    memory_blocks: int
    runs: int
    render_seconds: float
    cycles: int
    calls: int
    changes: int
    watches: int
    rest_s: float


FULL = Effort(1.0, 0.1, 10_000_000, 15, 120.0, 2_000_000, 20_000, 300, 1_000, 3.0)
QUICK = Effort(0.02, 0.01, 10_000, 2, 2.0, 1_000, 100, 5, 5, 0.05)


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 2) -> Row:
    return Row(what, f"{value:.{digits}f} {unit}", f"<= {limit:g} {unit}", value <= limit)


def measure(effort: Effort, function: object, folder: Path) -> list[Row]:
    native = blocks.native(function, effort.seconds)
    rows = [at_most("native callback, empty, per block", native, 0.10, "us", 3)]
    for arrays in ("numpy", "memoryview"):
        for zero_copy in (False, True):
            cost = blocks.python(effort.seconds, arrays=arrays, zero_copy=zero_copy) - native
            name = f"Python callback that takes block.output, {arrays}"
            name += ", zero_copy" if zero_copy else ""
            rows.append(at_most(f"{name}, over the native one", cost, 0.35, "us", 3))
    float32 = blocks.python(effort.seconds)
    for dtype in ("int16", "int32", "uint8"):
        cost = blocks.python(effort.seconds, dtype=dtype) - float32
        limit = 0.1 if dtype == "int16" else 0.2
        rows.append(at_most(f"output in {dtype}, over float32", cost, limit, "us", 3))
    for zero_copy in (False, True) if sys.version_info >= (3, 12) else ():
        cost = blocks.isolated(effort.seconds, zero_copy=zero_copy) - native
        name = "the same in an isolated interpreter" + (", zero_copy" if zero_copy else "")
        rows.append(at_most(f"{name}, over the native one", cost, 0.35, "us", 3))
    count = blocks.allocations(min(effort.memory_blocks, 100_000))
    rows.append(Row("Python allocations in 100,000 blocks", str(count), "0", count == 0))
    growth = blocks.growth_bytes(effort.memory_blocks)
    if growth is not None:
        what = f"growth of resident memory over {effort.memory_blocks:,} blocks"
        rows.append(Row(what, f"{growth / 1024:.0f} KiB", "< 1 MiB", growth < 1 << 20))
    rows += measure_conversion(effort, folder)
    rows += measure_waking(effort)
    rows += measure_players(effort, folder)
    rows += measure_mixers(effort)
    for dtype, target in (("float32", 1000), ("float64", None)):
        factor, alone = starts.render_factor(effort.render_seconds, dtype)
        rows.append(
            Row(
                f"render of a NumPy sine in {dtype}, 512 frames (NumPy alone: {alone:.1f} us)",
                f"{factor:,.0f} x real time",
                f">= {target:,} x" if target else "",
                factor >= target if target else None,
            )
        )
    rows.append(at_most("import voicecoil", starts.import_ms(effort.runs), 30.0, "ms", 1))
    first = starts.first_block_ms(effort.runs)
    rows.append(at_most("open to the first block", first, 5.0, "ms"))
    for kind in ("wav", "flac"):
        start = starts.file_start_ms(starts.long_file(kind, folder), effort.runs)
        what = f"play of a {kind.upper()} of two hours to its first frame"
        rows.append(at_most(what, start, 200.0, "ms", 1))
    for call in ("stop", "close") if hasattr(signal, "pthread_kill") else ():
        what = f"Ctrl-C in {call}() while the callback is stuck, longest of {effort.runs}"
        rows.append(at_most(what, starts.interrupt_ms(call, effort.runs), 100.0, "ms", 1))
    return rows


def measure_conversion(effort: Effort, folder: Path) -> list[Row]:
    rows = []
    for from_hz, to_hz in ((48_000, 16_000), (44_100, 48_000)):
        share = blocks.conversion_percent(from_hz, to_hz, effort.render_seconds)
        what = f"input converted from {from_hz:,} to {to_hz:,} Hz, mono, 512 frames"
        rows.append(at_most(what, share, 1.0, "% of a core"))
    cycles = 2_000 if effort is FULL else 20
    share = two_devices.percent(2, 48_000, cycles, folder)
    what = "input of a second device at 48,000 Hz, stereo, 512 frames, both sides of the resampler"
    rows.append(at_most(what, share, 1.5, "% of a core"))
    error = two_devices.error_db(8)  # the clocks are known after some seconds
    what = "what the resampler adds to a sine of 997 Hz, clocks that differ by 600 millionths"
    rows.append(Row(what, f"{error:.0f} dB", "<= -100 dB", error <= -100))
    return rows


def measure_waking(effort: Effort) -> list[Row]:
    rows = []
    for way, what in (
        ("ended", "abort() in a thread until await stream.ended() returns"),
        ("stop_async", "await stream.stop_async(), with the end of the last block of 1.3 ms"),
    ):
        typical, longest = starts.wake_ms(way, effort.runs)
        rows.append(Row(f"{what}, median / longest", f"{typical:.2f} / {longest:.2f} ms"))
    return rows


def measure_players(effort: Effort, folder: Path) -> list[Row]:
    rows = []
    for dtype in ("float32", "int16"):
        write, copy = players.write_us(effort.runs, dtype=dtype)
        what = f"Player.write of 20 ms, stereo, {dtype}, over a copy ({copy:.1f} us)"
        rows.append(at_most(what, write - copy, 5.0, "us"))
    write, copy = players.write_us(effort.runs, rate=24_000)
    what = f"the same from 24,000 to 48,000 Hz, float32, over a copy ({copy:.1f} us)"
    rows.append(Row(what, f"{write - copy:.2f} us"))
    for fade_s, target in ((0.01, 480), (0.0, 0)):
        frames = players.clear_frames(fade_s)
        what = f"frames from Player.clear(fade_s={fade_s:g}) between two blocks to silence"
        rows.append(Row(what, str(frames), str(target), frames == target))
    cycles = 20_000 if effort is FULL else 200
    for kind in ("Player", "Recorder", "Mixer"):
        count = players.allocations(kind, cycles, folder)
        if count is not None:
            what = f"calls of malloc of a {kind}'s IO thread in {cycles:,} cycles"
            rows.append(Row(what, f"{count}", "0", count == 0))
    objects, runs = (50, 5) if effort is FULL else (2, 1)
    alone, waiting = players.waiting_percent(objects, 2 * effort.seconds, runs)
    half = objects // 2
    what = f"{objects} waiting tasks, over the streams of {half} players and {half} recorders"
    what += f" ({alone:.1f} %)"
    rows.append(at_most(what, waiting - alone, 0.5, "% of a core"))
    for frames in (64, 480):
        typical, late, cycle_ms = players.wake_ms(frames, 1000 if effort is FULL else 10)
        what = f"from the end of an IO cycle of {cycle_ms:.1f} ms to its task, median"
        rows.append(at_most(what, typical, cycle_ms + 1, "ms"))
        rows.append(Row("the same, 95th percentile", f"{late:.2f} ms"))
    seconds = 1800 if effort is FULL else 2
    growth = players.growth_bytes(seconds)
    if growth is not None:
        what = f"growth of memory in the second half of {seconds} s of virtual time: a player, a "
        what += "recorder and a mixer"
        rows.append(Row(what, f"{growth / 1024:.0f} KiB", "< 1 MiB", growth < 1 << 20))
    return rows


def measure_mixers(effort: Effort) -> list[Row]:
    seconds, runs = 0.3 * effort.seconds, 5 if effort is FULL else 1
    costs = mixers.clip_ns(seconds, runs)
    what = "a sounding voice of a Mixer in a block of 64 frames: from 1 to 10, 100, 1,000 voices"
    figure = " / ".join(f"{cost:.0f}" for cost in costs)
    rows = [Row(what, f"{figure} ns", "<= 60 ns", max(costs) <= 60)]
    costs = mixers.clip_ns(seconds, runs, rate=1.1)
    figure = " / ".join(f"{cost:.0f}" for cost in costs)
    rows.append(Row("the same with rate=1.1, which is interpolated", f"{figure} ns"))
    costs = mixers.scheduled_us(seconds, runs)
    what = "a block of a Mixer with 1, 100, 10,000 scheduled voices"
    figure = " / ".join(f"{cost:.2f}" for cost in costs)
    rows.append(Row(what, f"{figure} us", "flat", max(costs) < 1.25 * min(costs)))
    return rows


def measure_coreaudio(effort: Effort, function: object, folder: Path) -> list[Row]:
    alone, added = coreaudio.ioproc_us(function, effort.cycles, folder)
    what = f"CoreAudio's IOProc, over the engine's own cycle ({alone:.3f} us)"
    scalar = coreaudio.property_us(effort.calls)
    listing = coreaudio.listing_ms()
    return [
        at_most(what, added, 0.2, "us", 3),
        at_most("CoreAudio: a scalar property from Python", scalar, 3.0, "us"),
        at_most("CoreAudio: 64 devices listed, with 30 properties each", listing, 20.0, "ms", 1),
    ]


def measure_hal(effort: Effort) -> list[Row]:
    typical, slow = hal_costs.latency_ms(effort.changes)
    one, many = (
        hal_costs.idle_us(watches, (), effort.rest_s, effort.rest_s)
        for watches in (1, effort.watches)
    )
    gets = hal_costs.scalar(effort.runs)
    floor = f"(the call from C: {gets.floor_us:.2f} us, {gets.least_us / gets.floor_us:.1f} times)"
    idle = f"{one / 1e4:.2f} / {many / 1e4:.2f} % of a core"
    return [
        at_most(f"voicecoil.hal: a scalar as attribute, least {floor}", gets.least_us, 3.0, "us"),
        at_most("voicecoil.hal: the same, median of single gets", gets.median_us, 3.0, "us"),
        at_most("voicecoil.hal: a member of an enumeration, least", gets.enumeration_us, 3.0, "us"),
        at_most("voicecoil.hal: get(), least", gets.get_us, 3.0, "us"),
        at_most(
            "voicecoil.hal: 64 devices with every property", hal_costs.properties_ms(), 100.0, "ms"
        ),
        at_most("hal.watch: from a change to its loop, median", typical, 1.0, "ms"),
        Row("hal.watch: from a change to its loop, 95th percentile", f"{slow:.2f} ms"),
        Row(f"hal.watch: 1 / {effort.watches:,} watches of every property, no change", idle),
    ]


def measure_beside(effort: Effort, folder: Path) -> list[list[str]]:
    stand_in = build.all_of_it(folder)["stand_in"]
    runs = 5 if effort is FULL else 1
    write, _ = players.write_us(effort.runs)
    return mixing.table(stand_in, write, 0.5 * effort.seconds, runs)


def by_size(effort: Effort, function: object) -> list[list[str]]:
    table = [["channels", *(f"{frames} frames" for frames in blocks.FRAMES)]]
    costs = blocks.by_size(function, effort.table_seconds)
    for channels in blocks.CHANNELS:
        cells = [costs[channels, frames] for frames in blocks.FRAMES]
        table.append([str(channels), *(" / ".join(f"{us:.2f}" for us in cell) for cell in cells)])
    return table


BESIDE = """\
Beside other libraries, in the same run and in turn: one of 100 sounds in a block of 64 frames,
stereo; writing 20 ms in stereo without waiting; one call of an effect with 64 frames. voicecoil and
rtmixer play in the tight loop of `peers/jack_stand_in.c`, pygame.mixer plays on SDL's dummy device
in 16 bits. pedalboard has no clips, and its `write` waits for the device.
"""
SIZES = (
    "Cost of a block by size, us: native / Python copying / Python with zero_copy, all of the "
    "device's and the engine's work included"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="for a moment only; writes nothing")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "RESULTS.md")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    with scratch() as folder:
        function = native_empty(Path(folder))
        rows = measure(effort, function, Path(folder))
        beside: list[list[str]] = []
        if sys.platform == "linux":  # the simulated CoreAudio and the stand-in exist on Linux only
            rows += measure_coreaudio(effort, function, Path(folder))
            rows += measure_hal(effort)
            beside = measure_beside(effort, Path(folder))
        sizes = by_size(effort, function)
    words = {True: "yes", False: "NO", None: ""}
    table = [["what", "measured", "target", "met"]]
    table += [[row.what, row.figure, row.target, words[row.met]] for row in rows]
    show("voicecoil", table)
    if beside:
        show("Beside other libraries", beside)
    show(SIZES, sizes)
    others = f"{BESIDE}\n{markdown(beside)}\n\n" if beside else ""
    if not options.quick:
        options.output.write_text(
            f"# Costs\n\n{machine()}; Python {platform.python_version()}; "
            "`make bench`.\n\nFree-running virtual device, 64 frames, 2 channels, median of 5. "
            "Costs per block are processor\ntime of the whole process, so that other work on the "
            "machine counts little.\n"
            f"\n{markdown(table)}\n\n{others}{SIZES}:\n\n{markdown(sizes)}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
