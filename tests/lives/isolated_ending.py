"""A callable in a module whose cleanup waits for the program. Until then, its interpreter cannot
end.
"""

import atexit
import os
import shutil
import time
from pathlib import Path

import voicecoil as vc

folder = Path(os.environ["LIFE_ENDING"])


def beat(block: vc.Block) -> None:
    pass


@atexit.register
def end() -> None:
    (folder / "began").touch()
    while not (folder / "go on").exists():
        time.sleep(0.005)
    time.sleep(0.1)
    shutil.rmtree(folder)
