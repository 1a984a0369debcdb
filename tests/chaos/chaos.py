"""A seed drives events over streams, sounds, recordings, aggregates and the simulated CoreAudio.

    python tests/chaos/chaos.py SEED [SEED ...] [--events N] [--trace] [--shrink]

Devices are unplugged, change their rate, hang, refuse calls and are taken by other processes; the
audio service restarts and the machine sleeps, while the program opens, starts, stops and closes
streams. No call may hang, or raise another error than a `VoicecoilError`. What a coded stream plays
and what a stream records must be in order, without frames that nobody made. Each run of a stream
ends once. Then the world is healed: each stream that waits for a device runs again within
`HEALED_S`, a new stream plays on each device, and nothing is left behind.

--trace prints one line for each event, --cycles one for each IO cycle. --shrink looks for a shorter
list of events that fails as well. Any part of the list can run, because an event has only numbers,
and chooses among what there is.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos_world import Chaos

DEADLINE_S = 120.0  # of real time, for one seed


class Event(NamedTuple):
    """One event. `a` and `b`, 0 to 1, choose what it applies to."""

    name: str
    a: float
    b: float


def events_of(seed: int, count: int) -> list[Event]:
    dice = random.Random(seed)
    names = [name for name, often in ACTIONS.items() for _ in range(often)]
    return [Event(dice.choice(names), dice.random(), dice.random()) for _ in range(count)]


ACTIONS = {
    "advance": 12,
    "open_output": 4,
    "open_input": 2,
    "restart": 2,
    "stop": 2,
    "close": 2,
    "look": 2,
    "play": 2,
    "record": 1,
    "end_sound": 2,
    "aggregate": 1,
    "watch": 1,
    "properties": 2,
    "unplug": 2,
    "plug_in": 3,
    "rate": 2,
    "overload": 2,
    "notify": 1,
    "hang": 1,
    "hog": 1,
    "fail": 1,
    "default": 1,
    "service": 1,
    "sleep": 1,
}


def commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"


def run_seed(seed: int, events: list[Event], trace: bool = False, cycles: bool = False) -> None:
    faulthandler.dump_traceback_later(DEADLINE_S, exit=True)
    chaos = Chaos(seed, trace, cycles)
    try:
        with chaos.world:
            chaos.run(events)
    except BaseException:
        if not trace:
            print("\n".join(chaos.said[-30:]), file=sys.stderr)
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()


def fails(seed: int, count: int, kept: list[int]) -> bool:
    """Whether the seed fails with only these of its events, in a process of its own."""
    command = [sys.executable, __file__, str(seed), "--events", str(count), "--only"]
    done = subprocess.run(
        [*command, ",".join(map(str, kept))], capture_output=True, timeout=DEADLINE_S + 30
    )
    return done.returncode != 0


def shrink(seed: int, count: int) -> list[int]:
    """Returns the numbers of events that are enough to fail: none of them can be left out."""
    kept = list(range(count))
    size = max(1, len(kept) // 2)
    while size:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size :]
            if fails(seed, count, fewer):
                kept = fewer
            else:
                at += size
        size //= 2
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--only", help="numbers of the events that happen")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--cycles", action="store_true")
    parser.add_argument("--shrink", action="store_true")
    options = parser.parse_args()
    for seed in options.seeds:
        events = events_of(seed, options.events)
        if options.shrink:
            if not fails(seed, options.events, list(range(options.events))):
                print(f"seed {seed} passes")
                continue
            kept = shrink(seed, options.events)
            print(f"seed {seed} fails with --only {','.join(map(str, kept))}")
            for number in kept:
                print(f"{number:4d} {events[number].name}")
            continue
        if options.only is not None:
            events = [events[int(n)] for n in options.only.split(",") if n]
        try:
            run_seed(seed, events, options.trace, options.cycles)
        except BaseException:
            print(f"FAILED: seed {seed}, {options.events} events, commit {commit()}; replay with")
            print(f"    python tests/chaos/chaos.py {seed} --events {options.events} --trace")
            raise
        print(f"seed {seed}: passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
