"""Compares the latencies and block times that streams report with a loop-back measurement on real
sound servers.

Prints the table of docs/linux.md. The servers are those of the tests (tests/servers), and are
started and ended here. If a server is not installed, its rows are missing.

    python benchmarks/loopback.py
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

IMPULSES = 8
FRAMES_PER_NS = 48e-6  # at 48 kHz
EVERY_BLOCKS = 25
HEADER = """\
| system | block | reported, out + in | known range, out + in | loop, measured | times off by |
|---|---|---|---|---|---|"""


def measure(driver: str, output: str | None, source: str | None, block: int | None) -> str:
    """Measures one row of the table: sends impulses from an output stream to an input stream. Both
    callbacks run on IO threads.
    """
    import numpy as np

    import voicecoil as vc

    # times of each impulse, ns: at the connector, and when the callback ran
    sent: list[tuple[int, int]] = []
    came: list[tuple[int, int]] = []
    blocks = [0]

    def play(now: vc.Block) -> None:
        blocks[0] += 1
        if blocks[0] % EVERY_BLOCKS == 0:
            now.output[0] = 0.5
            sent.append((now.time.output_ns or 0, time.monotonic_ns()))

    def listen(now: vc.Block) -> None:
        for frame in np.flatnonzero(now.input[:, 0] > 0.25):
            at_ns = (now.time.input_ns or 0) + round(int(frame) / FRAMES_PER_NS)
            came.append((at_ns, time.monotonic_ns()))

    with (
        vc.InputStream(listen, device=source, driver=driver, blocksize=block, latency="low") as ins,
        vc.OutputStream(play, device=output, driver=driver, blocksize=block, latency="low") as out,
    ):
        end = time.monotonic() + 30
        while len(came) < IMPULSES and time.monotonic() < end:
            time.sleep(0.01)
        ways = out.latency, ins.latency
    pairs = list(zip(sent[1:], came[1:], strict=False))
    stamps = median((to[0] - at[0]) * FRAMES_PER_NS for at, to in pairs)
    loops = [(to[1] - at[1]) * FRAMES_PER_NS for at, to in pairs]
    known = [f"{way.at_least_frames} to {way.at_most_frames}" for way in ways]
    reported = " + ".join(str(way.frames) for way in ways)
    return (
        f"| {block or 'none'} | {reported} | {' + '.join(known)} "
        f"| {min(loops):.0f} to {max(loops):.0f} | {stamps:.0f} |"
    )


def row(title: str, env: dict[str, str], *arguments: str) -> None:
    """Measures a row in a process of its own, because client libraries keep state and PipeWire
    needs another libjack than jackd.
    """
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout.strip() if done.returncode == 0 else f"| failed: {done.stderr[-200:]!r} |"
    print(f"| {title} {said}", flush=True)


def pulse(make: Callable[[], object], title: str, blocks: tuple[str, ...]) -> None:
    server = make()
    with contextlib.closing(server):  # type: ignore[type-var]
        env = {**server.processes.env, **server.env}  # type: ignore[attr-defined]
        for block in blocks:
            row(title, env, "miniaudio:pulse", "pulse:null0", "pulse:null0.monitor", block)


def jack() -> None:
    from servers.jack import JackServer, SoundCard

    server = JackServer()
    os.environ.update(server.env)
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(server):
        card = SoundCard(server, Path(folder))
        row("JACK (jackd)", server.env, "miniaudio:jack", "", "", "0")
        card.unplug()


def main() -> None:
    if len(sys.argv) > 1:
        driver, output, source, block = sys.argv[1:]
        print(measure(driver, output or None, source or None, int(block) or None))
        return
    from servers.pipewire import PipeWireServer
    from servers.pulse import PulseServer

    print(HEADER)
    pulse(PulseServer, "PulseAudio", ("0", "480"))
    # The PipeWire of the tests has a quantum of 2,048 frames. Shorter buffers would starve.
    pulse(PipeWireServer, "PipeWire, for clients of PulseAudio", ("0",))
    jack()


if __name__ == "__main__":
    main()
