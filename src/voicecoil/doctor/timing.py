"""Tests of callbacks on the device's thread: how late they are, and how much work they can do."""

from __future__ import annotations

import time
from typing import Any

from voicecoil.doctor.finding import Finding, Subject, Verdict
from voicecoil.statistics import Statistics
from voicecoil.streams.stream import InputStream, OutputStream
from voicecoil.wording import plural, rounded

__all__ = ["callbacks", "workload"]

MOST_LATE = 0.5  # of a cycle; a callback that is later leaves too little time for its work
SHARES = tuple(n / 10 for n in range(1, 10))


def _open(subject: Subject, callback: Any) -> OutputStream | InputStream:
    if subject.output is not None:
        return OutputStream(
            callback, device=subject.output, driver=subject.driver, latency="low", name="doctor"
        )
    return InputStream(
        callback, device=subject.input, driver=subject.driver, latency="low", name="doctor"
    )


def callbacks(subject: Subject) -> Finding:
    """Test how regularly the device calls back, while this program does nothing else."""
    if subject.output is None and subject.input is None:
        return Finding("callbacks", "skipped", "there is no device")
    with _open(subject, lambda block: None) as stream:
        stream.wait(timeout=subject.seconds)
        counted, rate = stream.statistics(), stream.samplerate
        alive = stream.exception
    if alive is not None:
        return Finding("callbacks", "failed", f"the stream ended: {alive}")
    if not counted.cycles:
        text = f"the device did not call back within {subject.seconds:g} s"
        return Finding("callbacks", "failed", text)
    cycle_s = counted.frames / counted.cycles / rate
    late = _late(counted, cycle_s)
    faults = [
        *([f"{plural(counted.lost_frames, 'frame')} lost"] if counted.lost_frames else []),
        *([f"{plural(counted.late_cycles, 'late cycle')}"] if counted.late_cycles else []),
        *([f"{plural(counted.overloads, 'overload')} reported"] if counted.overloads else []),
    ]
    text = (
        f"{plural(counted.cycles, 'cycle')} of {rounded(cycle_s * 1e3, 3)} ms, "
        f"99 % within {rounded(counted.jitter.p99_s * 1e3, 2)} ms of their time, "
        f"the latest {rounded(counted.jitter.max_s * 1e3, 2)} ms"
    )
    verdict: Verdict = "warning" if faults or late else "ok"
    return Finding("callbacks", verdict, ", ".join([text, *faults]), _figures(counted, cycle_s))


def _late(counted: Statistics, cycle_s: float) -> bool:
    return counted.jitter.p99_s > MOST_LATE * cycle_s


def _figures(counted: Statistics, cycle_s: float) -> dict[str, Any]:
    def spread(histogram: Any) -> dict[str, float]:
        names = ("median_s", "p99_s", "max_s")
        return {name: getattr(histogram, name) for name in names}

    return {
        "cycles": counted.cycles,
        "cycle_s": cycle_s,
        "lost_frames": counted.lost_frames,
        "late_cycles": counted.late_cycles,
        "overloads": counted.overloads,
        "jitter": spread(counted.jitter),
        "gil_wait": spread(counted.gil_wait),
        "margin": spread(counted.margin),
    }


def workload(subject: Subject) -> Finding:
    """Test which share of a cycle a callback can compute before frames are lost."""
    if subject.output is None and subject.input is None:
        return Finding("workload", "skipped", "there is no device")
    share, rate = [0.0], [1.0]

    def work(block: Any) -> None:
        end = time.perf_counter_ns() + int(share[0] * block.frames / rate[0] * 1e9)
        while time.perf_counter_ns() < end:
            pass

    reached = 0.0
    each_s = subject.seconds / len(SHARES)
    steps: list[dict[str, Any]] = []
    stream = _open(subject, work)
    rate[0] = stream.samplerate
    with stream:
        for share[0] in SHARES:
            before = stream.statistics()
            if stream.wait(timeout=each_s):
                return Finding("workload", "failed", f"the stream ended: {stream.exception}")
            after = stream.statistics()
            lost = after.lost_frames - before.lost_frames
            late = after.late_cycles - before.late_cycles
            steps.append({"share": share[0], "lost_frames": lost, "late_cycles": late})
            if lost or late:
                break
            reached = share[0]
    text = f"a callback can compute for {round(100 * reached)} % of each cycle"
    if reached < SHARES[-1]:
        step = steps[-1]
        faults = (
            f"{plural(step['lost_frames'], 'frame')} lost"
            if step["lost_frames"]
            else plural(step["late_cycles"], "late cycle")
        )
        text += f"; at {round(100 * step['share'])} %: {faults}"
    verdict: Verdict = "ok" if reached >= 0.5 else "warning"
    return Finding("workload", verdict, text, {"reached": reached, "steps": steps})
