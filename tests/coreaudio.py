"""What the tests of the CoreAudio driver share: a simulated one, made when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from voicecoil.testing import SimulatedCoreAudio

ROOT = Path(__file__).resolve().parent.parent


@cache
def simulator_path() -> str:
    """The simulator's library, built where its sources are newer."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "simulator.py")], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


class Worlds:
    """Makes simulated CoreAudios; each is checked and ended at the end of the test."""

    def __init__(self) -> None:
        self.made: list[SimulatedCoreAudio] = []

    def __call__(self, *fixtures: int, **options: Any) -> SimulatedCoreAudio:
        for earlier in self.made:
            self.finish(earlier)
        world = SimulatedCoreAudio(simulator_path(), fixtures=fixtures, **options)
        self.made.append(world)
        return world

    def finish(self, world: SimulatedCoreAudio) -> None:
        if world._open:
            world.library.sim_stop_clock()
            world.check_clean()
            world.close()

    def __enter__(self) -> Worlds:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for world in self.made:
            if error is not None:
                world.close()
            else:
                try:
                    self.finish(world)
                finally:
                    world.close()
