"""A device that runs at another rate than its audio system reports."""

from __future__ import annotations

import pytest

import voicecoil as vc
from coreaudio import Worlds
from voicecoil.streams.rate_check import TOLERANCE, WINDOW_NS, WINDOWS, RateCheck

SECOND_NS = 1_000_000_000


def measured(rate: float, seconds: int, says: float = 48_000.0) -> list[float]:
    check = RateCheck(says)
    noted = [check.note(7 + s * SECOND_NS, 5 + round(s * rate)) for s in range(seconds)]
    return [value for value in noted if value is not None]


NEEDED = 1 + WINDOWS * WINDOW_NS // SECOND_NS


def test_another_rate_is_found_after_some_windows() -> None:
    assert measured(44_100, NEEDED) == [pytest.approx(44_100, abs=1)]
    assert measured(44_100, NEEDED - 1) == []


@pytest.mark.parametrize("ppm", [-5_000, -300, 0, 300, 5_000])
def test_the_tolerance_of_a_crystal_is_no_other_rate(ppm: int) -> None:
    assert measured(48_000 * (1 + ppm * 1e-6), 10 * NEEDED) == []
    assert abs(ppm) * 1e-6 < TOLERANCE


def test_a_server_that_stands_still_for_a_while_is_no_other_rate() -> None:
    check, frames = RateCheck(48_000.0), 0
    for second in range(20 * WINDOWS):
        stands_still = second % (WINDOWS * 5) < 2
        frames += 0 if stands_still else 48_000
        assert check.note(second * SECOND_NS, frames) is None


def test_times_that_go_back_begin_anew() -> None:
    check = RateCheck(48_000.0)
    for _ in range(50):
        assert check.note(9 * SECOND_NS, 9 * 44_100) is None
        assert check.note(0, 0) is None
        assert check.note(None, 5) is None


def run_at_another_rate(world: object, stream: vc.OutputStream) -> None:
    world.advance(0.5)  # type: ignore[attr-defined]
    world.device("OldRate").change_rate(44_100)  # type: ignore[attr-defined]
    for _ in range(WINDOWS + 3):
        world.advance(WINDOW_NS / 1e9 + 0.1)  # type: ignore[attr-defined]
        assert stream._connection is not None
        stream._connection.check_rate()


def test_a_device_whose_rate_changes_without_notification_is_lost(coreaudio: Worlds) -> None:
    """Before the fix, everything played at a wrong pitch, and no error was raised."""
    world = coreaudio(18)
    stream = vc.OutputStream(
        lambda block: None, driver=world.driver, samplerate=48_000, device_rate="set", latency="low"
    )
    stream.start()
    run_at_another_rate(world, stream)
    assert stream.state == "finished"
    with pytest.raises(vc.DeviceLostError, match=r"runs at 44100 Hz, .* says 48000 Hz"):
        stream.wait(10)
    stream.close()
