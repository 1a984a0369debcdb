"""The worker of a stream that moves to another device."""

from __future__ import annotations

import pytest

from voicecoil import _core
from voicecoil.drivers.protocol import Latency, OpenedFormat
from voicecoil.streams.lead import LeadWorker, WorkerCode

RATE_HZ = 48_000.0
LATENCY = Latency(samplerate=RATE_HZ)


def opened(period_frames: int) -> OpenedFormat:
    return OpenedFormat(RATE_HZ, period_frames, period_frames, lambda _: LATENCY)


class NoThread(_core.Worker):
    """A worker that finds no thread at its second start, and after that finds one again."""

    starts = 0

    def start(self, run: int) -> bool:
        self.starts += 1
        return self.starts != 2 and super().start(run)


def test_a_worker_that_found_no_thread_is_started_for_the_next_device() -> None:
    code = _core.MixerCode(1, 1, False)
    worker = LeadWorker(lambda *_: WorkerCode(code, 64, None), "safe", opened(64), False, (0, 1))
    worker.code = NoThread(
        code,
        input_channels=0,
        output_channels=1,
        block_frames=64,
        max_period_frames=64,
        lead_frames=worker.lead_frames,
        samplerate_hz=RATE_HZ,
        waited_for=False,
    )
    longer = opened(2 * worker.lead_frames)
    worker.start(1)
    with pytest.raises(OSError, match="no thread"):
        worker.fit(longer, False, 10.0)
    assert not worker.running
    assert worker.fit(longer, False, 10.0)
    assert worker.running
    assert worker.join(10.0)
