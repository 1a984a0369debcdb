"""The program ends while streams run that have set the rate of their devices.

Argument: what the program does last. "runs": nothing. "dropped": it drops its streams. "raises":
its main module raises. "exits": it calls ``sys.exit``.
"""

import atexit
import sys

RATES = {"a": 44_100.0, "b": 96_000.0}


def is_restored() -> None:
    """Runs after the exit handler of the library, because it is registered before that one."""
    for uid, rate in RATES.items():
        found = world.driver.hal.f64(world.device(uid).id, "nsrt")
        assert found == rate, f"{uid} was left at {found:g} Hz"
    assert world.counter("rate_changes") == 2 * len(RATES)


atexit.register(is_restored)

from life import Beat, playing  # noqa: E402

from voicecoil.testing import SimulatedCoreAudio  # noqa: E402

world = SimulatedCoreAudio(
    devices=[
        f"uid={uid}; name={uid}; out=2; buffer=64; rates=44100,48000,96000; rate={rate:g}"
        for uid, rate in RATES.items()
    ],
    clock="real",
)
streams = [
    playing(Beat(), driver=world.driver, device=uid, samplerate=48_000, device_rate="set")
    for uid in RATES
]
assert world.counter("rate_changes") == len(RATES)
if sys.argv[1] == "dropped":
    streams.clear()
elif sys.argv[1] == "raises":
    raise RuntimeError("meant")
elif sys.argv[1] == "exits":
    sys.exit(3)
