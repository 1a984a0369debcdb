"""Sends the sound of a microphone over TCP to a loudspeaker of another process or computer.

    network_audio.py speaker [PORT]              waits for a microphone, and plays its sound
    network_audio.py microphone HOST [PORT]      records, and sends the sound to HOST

The two sound cards have two clocks. So the speaker plays up to 0.5 % faster or slower, to keep the
duration TARGET_S in its queue. Otherwise the queue would be empty, or full, after some minutes or
hours.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import Any

import numpy as np
import soxr

import voicecoil as vc

RATE, BLOCK_S, TARGET_S = 48_000, 0.02, 0.15
HEADER = struct.Struct("<qI")  # host time of the first frame on the microphone's clock, and frames
FAST, SLOW, MOST = 0.1, 0.002, 0.005  # of the control: per second of error, per second of both


def send(connection: socket.socket, block: vc.RecordedBlock) -> None:
    header = HEADER.pack(block.time.host_ns or 0, block.frames)
    connection.sendall(header + np.ascontiguousarray(block.data, "<f4").tobytes())


def receive(connection: socket.socket) -> tuple[int, Any] | None:
    """Returns the host time and the frames of a block. None: the microphone has ended."""
    header = connection.recv(HEADER.size, socket.MSG_WAITALL)
    if len(header) < HEADER.size:
        return None
    host_ns, frames = HEADER.unpack(header)
    data = connection.recv(frames * 4, socket.MSG_WAITALL)
    if len(data) < frames * 4:
        return None
    return host_ns, np.frombuffer(data, "<f4").astype(np.float32)


class Speaker:
    """Plays blocks at a rate that keeps the queue of a player at TARGET_S."""

    def __init__(self, player: vc.Player) -> None:
        self.player = player
        self.speed = 1.0  # frames of the microphone for each frame that is played
        self._sum = self._error_s = 0.0
        self._converter = soxr.ResampleStream(RATE * (1 + MOST), RATE, 1, vr=True)
        self._converter.set_io_ratio(RATE, RATE)

    def play(self, frames: Any) -> None:
        if self.player.written_frames == 0:  # the microphone may have begun late
            self.player.write(np.zeros(round(TARGET_S * RATE), np.float32))
        # The queue is read at any time of the device's cycles, so its level is smoothed.
        self._error_s += 0.02 * (self.player.queued_s - TARGET_S - self._error_s)
        self._sum += self._error_s * len(frames) / RATE
        self.speed = 1 + float(np.clip(FAST * self._error_s + SLOW * self._sum, -MOST, MOST))
        self._converter.set_io_ratio(RATE * self.speed, RATE, len(frames))
        self.player.write(self._converter.resample_chunk(frames))


def speaker(port: int) -> None:
    with socket.create_server(("", port)) as server:
        print("waits for a microphone at port", server.getsockname()[1], flush=True)
        connection = server.accept()[0]
    with connection, vc.Player(samplerate=RATE, channels=1) as player:
        one = Speaker(player)
        while (block := receive(connection)) is not None:
            one.play(block[1])
        # After some minutes, the speed is the ratio of the clocks.
        print(f"underruns: {player.underruns}, last speed: {one.speed:.6f}")


def microphone(host: str, port: int) -> None:
    try:
        connection = socket.create_connection((host, port))
    except (OSError, OverflowError) as error:
        sys.exit(f"no speaker at {host}, port {port}: {error}")
    with connection, vc.Recorder(samplerate=RATE, channels=1, block_s=BLOCK_S) as recorder:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for block in recorder:
                send(connection, block)
        except ConnectionError as error:
            sys.exit(f"the speaker at {host} has ended: {error}")


if __name__ == "__main__":
    kind, *rest = [*sys.argv[1:], "5010"]
    with contextlib.suppress(KeyboardInterrupt):
        if kind == "speaker" and rest[0].isdecimal():
            speaker(int(rest[0]))
        elif kind == "microphone" and len(rest) > 1 and rest[1].isdecimal():
            microphone(rest[0], int(rest[1]))
        else:
            sys.exit(__doc__)
