"""Runs one measurement in a process of its own, and computes statistics of many."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RATE = 48_000


@dataclass
class Seen:
    """The results of one measuring process.

    If the process has failed, `failed` is the reason and there are no results. `xruns` is the
    number of xruns that the server counted during the measurement, or None if it reports none.
    """

    failed: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    xruns: int | None = None

    def share(self, frames: int) -> float:
        """Returns the share of the expected blocks for which the callback was called.

        For a library that runs ahead of the device, the result is the share of non-empty frames
        among those that the device took.
        """
        asked_for = self.values["seconds"] * RATE
        if self.values["lost_frames"] is not None:
            came = self.values["frames"] / asked_for
            return min(came, 1 - float(self.values["lost_frames"]) / asked_for)
        return self.values["blocks"] * frames / asked_for

    def late_us(self, frames: int) -> list[float]:
        """Returns how much later than one period after the previous block each block began, us."""
        began, period_ns = self.values["began_ns"], frames * 1e9 / RATE
        late = [max(0.0, b - a - period_ns) / 1e3 for a, b in itertools.pairwise(began)]
        return sorted(late)

    def took_us(self) -> list[float]:
        """Returns the duration of each callback, us."""
        pairs = zip(self.values["began_ns"], self.values["ended_ns"], strict=True)
        return sorted((end - begin) / 1e3 for begin, end in pairs)


def run(name: str, environment: dict[str, str], *options: object, timeout_s: float = 60) -> Seen:
    """Runs client.py in a process of its own and returns its results."""
    command = [sys.executable, str(HERE / "client.py"), name, *map(str, options)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return Seen(f"hung for {timeout_s:g} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return Seen(f"exit code {done.returncode}: {last}")
    return Seen(values=json.loads(done.stdout.strip().splitlines()[-1]))


def run_counting(
    xruns: Callable[[], int | None], name: str, environment: dict[str, str], *options: object
) -> Seen:
    """Runs client.py on a server. The function `xruns` returns the number of xruns that the server
    has counted so far.
    """
    before = xruns()
    seen = run(name, environment, *options)
    after = xruns()
    if before is not None and after is not None:
        seen.xruns = after - before
    return seen


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def spread(ordered: list[float], digits: int = 0) -> str:
    """Returns the median, the 99th percentile and the maximum."""
    if not ordered:
        return ""
    figures = (quantile(ordered, 0.5), quantile(ordered, 0.99), ordered[-1])
    return " / ".join(f"{figure:.{digits}f}" for figure in figures)


def median(values: list[float]) -> float:
    return statistics.median(values)
