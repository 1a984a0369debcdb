"""Makes calls of `sounddevice` for test_difference.py.

Each line of stdin has a JSON list of calls. The answer is a line with the results, which have only
what does not depend on time.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import sounddevice as sd

FRAMES = 480


def samples(dtype: str, frames: int, channels: int) -> Any:
    return np.zeros((frames, channels), {"wrong": "complex64", "int24": "int32"}.get(dtype, dtype))


class Caller:
    """One sequence of calls. Calls without a stream are made on the newest one."""

    def __init__(self) -> None:
        self.stream: Any = None

    def call(self, name: str, *arguments: Any) -> Any:
        method = getattr(self, name.replace(" ", "_"))
        if method.__func__ in (Caller.open, *FUNCTIONS):
            return method(*arguments)
        return None if self.stream is None else method(*arguments)

    def open(
        self, kind: str, dtype: str, channels: int, blocksize: int, latency: Any, callback: bool
    ) -> Any:
        self.end()
        self.stream = getattr(sd, kind)(
            samplerate=48_000,
            channels=channels,
            dtype=dtype,
            blocksize=blocksize,
            latency=latency,
            callback=(lambda *given: None) if callback else None,
        )
        return self.state()

    def end(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def state(self) -> Any:
        one = self.stream
        shape = one.samplerate, one.blocksize, one.channels, one.dtype, one.samplesize
        return [*shape, one.active, one.stopped, one.closed]

    def start(self) -> Any:
        return self.stream.start()

    def stop(self) -> Any:
        return self.stream.stop(ignore_errors=False)

    def abort(self) -> Any:
        return self.stream.abort(ignore_errors=False)

    def close(self) -> Any:
        return self.stream.close(ignore_errors=False)

    def read(self) -> Any:
        if not hasattr(self.stream, "read"):
            return "none"
        data, lost = self.stream.read(FRAMES)
        return [type(data).__name__, len(data), getattr(data, "shape", None), type(lost).__name__]

    def write(self, extra: int = 0) -> Any:
        if not hasattr(self.stream, "write"):
            return "none"
        kind = self.stream
        channels, dtype, size = (
            one[1] if isinstance(one, tuple) else one
            for one in (kind.channels, kind.dtype, kind.samplesize)
        )
        if isinstance(kind, sd.RawOutputStream):
            return type(kind.write(bytes(FRAMES * channels * size + extra))).__name__
        return type(kind.write(samples(dtype, FRAMES, channels + extra))).__name__

    def wrong_write(self) -> Any:
        return self.write(1)

    def play(self, dtype: str, mapping: Any) -> Any:
        return sd.play(samples(dtype, FRAMES, 1), 48_000, mapping=mapping)

    def rec(self, dtype: str, channels: Any) -> Any:
        made = sd.rec(FRAMES, 48_000, channels=channels, dtype=dtype)
        sd.wait()
        return [made.shape, made.dtype.name]

    def playrec(self, dtype: str, channels: Any) -> Any:
        made = sd.playrec(samples(dtype, FRAMES, 2), 48_000, channels=channels)
        sd.wait()
        return [made.shape, made.dtype.name]

    def wait(self) -> Any:
        sd.wait()

    def stop_all(self) -> Any:
        return sd.stop()

    def status(self) -> Any:
        return type(sd.get_status()).__name__

    def check(self, dtype: str, channels: int) -> Any:
        return sd.check_output_settings(channels=channels, dtype=dtype, samplerate=48_000)

    def default(self, name: str) -> Any:
        setattr(sd.default, name, {"dtype": "int16", "samplerate": 48_000}.get(name, 1))
        return repr(getattr(sd.default, name))


FUNCTIONS = (
    Caller.play,
    Caller.rec,
    Caller.playrec,
    Caller.wait,
    Caller.stop_all,
    Caller.status,
    Caller.check,
    Caller.default,
)


def answer(calls: list[Any]) -> list[Any]:
    caller = Caller()
    seen: list[Any] = []
    for name, *arguments in calls:
        try:
            seen.append(["returned", caller.call(name, *arguments)])
        except Exception as error:
            codes = [value for value in error.args[1:] if isinstance(value, int)]
            seen.append(["raised", type(error).__name__, codes])
    sd.stop()
    caller.end()
    sd.default.reset()
    return seen


def main() -> None:
    sd.rec(1, channels=1, blocking=True)  # so that `get_status` has an answer
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
