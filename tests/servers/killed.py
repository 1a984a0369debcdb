"""Streams, a sound and a recording outlive a sound server that is killed again and again.

Run this as a program. Arguments: the name of the server, and how often it is killed. The streams
are opened before the server runs. Each of them must report each kill and each return once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

import voicecoil as vc
from rig import until
from servers.jack import JackServer
from servers.pipewire import PipeWireServer
from servers.pulse import PulseServer
from voicecoil.drivers.miniaudio.driver import MiniaudioDriver
from voicecoil.streams.base import StreamBase

SERVERS: dict[str, Any] = {
    "jack": lambda: JackServer(ports=2),
    "pulse": PulseServer,
    "pipewire": PipeWireServer,
}


class Counter:
    def __init__(self) -> None:
        self.blocks = 0
        self.frames: list[int] = []

    def __call__(self, block: vc.Block) -> None:
        self.blocks += 1
        self.frames.append(block.time.now_frames or 0)


def start(server: Any) -> int:
    """Starts the server, and returns the number of attempts that failed.

    The start is repeated, because PipeWire's session manager sometimes does not get ready.
    """
    for failures in range(3):
        try:
            server.start()
            return failures
        except AssertionError:
            server.kill()
    raise AssertionError("the server does not start")


def goes_on(counters: list[Counter]) -> None:
    before = [counter.blocks for counter in counters]
    until(lambda: all(c.blocks > b for c, b in zip(counters, before, strict=True)))


def main(name: str, kills: int) -> None:
    server = SERVERS[name]()
    os.environ.update(server.env)
    server.kill()
    driver = MiniaudioDriver("jack" if name == "jack" else "pulse")
    assert driver.devices() == []
    wanted: dict[str, Any] = {"driver": driver, "on_device_lost": "wait"}
    counters = [Counter(), Counter(), Counter()]
    streams: list[Any] = [
        vc.OutputStream(counters[0], **wanted),
        vc.InputStream(counters[1], **wanted),
        vc.Stream(counters[2], **wanted),
    ]
    for stream in streams:
        stream.start()
    sound = vc.play(np.zeros((48_000 * 600, 2), np.float32), 48_000, **wanted)
    take = vc.record(**wanted)
    everybody: list[StreamBase] = [*streams, sound._output.stream, take._stream]
    assert {stream.state for stream in everybody} == {"waiting"}
    false_starts = 0
    for _ in range(kills):
        false_starts += start(server)
        until(lambda: all(stream.state == "running" for stream in everybody))
        position = sound.position, take.position
        goes_on(counters)
        until(lambda was=position: sound.position > was[0] and take.position > was[1])
        server.kill()
        until(lambda: all(stream.state == "waiting" for stream in everybody))
    for stream in everybody:
        told = [event.kind for event in stream.events() if event.kind in ("lost", "back")]
        assert told == ["back", "lost"] * (len(told) // 2), told
        assert kills <= len(told) // 2 <= kills + false_starts, told
    for counter in counters:
        assert counter.frames == sorted(counter.frames)
    sound.stop()
    assert sound.wait(5)
    recorded = take.stop()
    assert isinstance(recorded, np.ndarray)
    assert len(recorded) == take.position
    for stream in streams:
        stream.close()
    server.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
