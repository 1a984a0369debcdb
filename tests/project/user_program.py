"""A program of a user. test_types.py checks its types; it is not run.

A comment that ignores an error says that a type checker must find that error: both checkers report
a comment that ignores nothing.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import voicecoil as vc


class Synth:
    def __init__(self) -> None:
        self.phase = 0.0

    def play(self, block: vc.Block) -> None:
        step = 440.0 / block.samplerate
        phases = self.phase + step * np.arange(block.frames)
        block.output[:] = 0.1
        block.output[:, 0] = np.sin(2 * np.pi * phases)
        block.output[:] *= block.parameters.gain
        block.results.peak = float(abs(block.output).max())
        self.phase = float(phases[-1] % 1.0)
        if block.time.output_ns is not None and block.xrun > 0:
            raise vc.Stop


def effect(block: vc.Block) -> None:
    assert_type(block.input, NDArray[Any])
    assert_type(block.output, NDArray[Any])
    block.output[:] = block.input[:, :1] * 0.5
    block.output = block.input  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    block.outputs  # type: ignore[attr-defined]  # pyright: ignore # noqa: B018


def report(stream: vc.OutputStream) -> list[str]:
    settings: vc.Settings = stream.settings
    rate = settings["samplerate"]
    assert_type(rate, vc.Setting)
    differing = [s.name for s in settings.values() if s.outcome != "applied"]
    worker: vc.ThreadPriority | None = stream.worker_priority
    latency: float = stream.latency.seconds
    return [*differing, rate.reason, str(worker), f"{latency:g}", str(stream.statistics().load)]


def main() -> None:
    microphone: vc.Device = vc.default_device("input")
    assert_type(vc.devices(), list[vc.Device])
    synth = Synth()
    with vc.OutputStream(
        synth.play, channels=1, latency=0.1, parameters={"gain": 0.5}, results={"peak": 0.0}
    ) as stream:
        stream.parameters.gain = 0.25
        print(report(stream), stream.wait(timeout=1.0), stream.levels())
        for event in stream.events():
            print(event.kind, event.detail)
    with vc.Stream(effect, input_channels=[0], output_channels=2) as both:
        inputs, outputs = both.channels
        print(inputs + outputs)
    vc.OutputStream(synth.play, sampelrate=8000)  # type: ignore[call-arg]  # pyright: ignore
    vc.OutputStream(synth.play, on_device_lost="go on")  # type: ignore[arg-type]  # pyright: ignore
    take = vc.record(duration_s=1.0, device=microphone, dtype="int16").wait(timeout=2.0)
    vc.play(np.zeros((480, 2), np.float32), 48_000).wait()
    sound: NDArray[np.float32] = vc.render(effect, frames=480)
    print(take, sound.shape)


if __name__ == "__main__":
    main()
