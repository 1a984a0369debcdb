"""The program of a cell's process, which measures one home under one load.

python -m voicecoil.stress.cell SETTING     (SETTING and the output are JSON)
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass

from voicecoil.drivers.choose import get_driver
from voicecoil.drivers.protocol import Driver
from voicecoil.errors import StreamStateError, StreamTimeoutError, VoicecoilError
from voicecoil.stress import loads
from voicecoil.stress.homes import open_home
from voicecoil.stress.seen import Cell, seen_between

__all__ = ["Setting", "main", "measure"]

OPENING_S = 10.0
SETTLING_S = 0.3  # time until the stream's timing is regular


@dataclass(frozen=True)
class Setting:
    """The settings of one measurement.

    Attributes
    ----------
    home, load : str
    driver, device : str
        The driver's name and the device's uid.
    frames : int
        Frames of a block, and of the device's IO cycles if the device supports that.
    samplerate : float
        Hz.
    seconds : float
        Duration of the load, s.
    """

    home: str
    load: str
    driver: str
    device: str
    frames: int
    samplerate: float
    seconds: float

    def as_json(self) -> str:
        """Return the settings as JSON, for the command line of the process."""
        return json.dumps(asdict(self))


def measure(setting: Setting) -> Cell:
    """Open the stream, run the load, and return the measurement.

    Raises
    ------
    VoicecoilError
        The stream cannot be opened, or ended early.
    """
    work = loads.prepare(setting.load)
    driver = get_driver(setting.driver)
    if driver.name != "virtual":
        return _measure_on(driver, None, setting, work)
    from voicecoil.stress.strict import running_device

    with running_device(setting.device, setting.samplerate, setting.frames) as (strict, urgent):
        return _measure_on(strict, urgent, setting, work)


def _measure_on(driver: Driver, urgent: bool | None, setting: Setting, work: loads.Work) -> Cell:
    stream, run_time = open_home(
        setting.home,
        driver=driver,
        device=setting.device,
        samplerate=setting.samplerate,
        blocksize=setting.frames,
    )
    with stream:
        until = time.monotonic() + OPENING_S
        while stream.statistics().cycles == 0:
            if stream.wait(0.01) or time.monotonic() > until:
                raise StreamTimeoutError(f"the device requested no frames within {OPENING_S:g} s")
        stream.wait(SETTLING_S)
        # The clock is read between the two reads of the statistics, so that the statistics include
        # each block of the measured time.
        runs_before, before = run_time(), stream.statistics()
        began = time.perf_counter()
        work(setting.seconds)
        elapsed_s = time.perf_counter() - began
        after = stream.statistics()
        runs = run_time() - runs_before
        if stream.wait(0):  # raises an error of the device or the callback
            raise StreamStateError("the stream ended before the load did")
        stream.abort()
    return Cell(
        setting.home,
        setting.load,
        seen=seen_between(
            before,
            after,
            runs,
            elapsed_s=elapsed_s,
            samplerate=stream.samplerate,
            lead_frames=stream.lead_frames,
            urgent=urgent,
        ),
    )


def _end_with_parent() -> None:
    """End this process when its parent ends.

    The parent holds the other end of stdin, so that stdin ends even if the parent is killed.
    """
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # also ends the processes that keep the cores busy
    os._exit(1)


def main() -> None:
    """Measure the setting in the command line and print the result."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    setting = Setting(**json.loads(sys.argv[1]))
    try:
        cell = measure(setting)
    except VoicecoilError as error:
        cell = Cell(setting.home, setting.load, failed=str(error))
    print(json.dumps(cell.as_json()))


if __name__ == "__main__":
    main()
