"""Objects that live until Python has cleared the modules are deleted without an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from voicecoil.files import FileSink

# At the end, Python sets the names of a module to None, the last imported module first. A
# free-threaded Python still has many objects then. Here the module `first` keeps them.
PROGRAM = """
import sys, types
first = sys.modules["first"] = types.ModuleType("first")
import voicecoil as vc
from voicecoil.files import FileSink, FileSource, decoder, target
from voicecoil.streams import base
from voicecoil.testing import VirtualDevice, VirtualDriver

with FileSink("closed.wav", 48_000, 1) as closed:
    pass
stream = vc.OutputStream(lambda block: None, driver=VirtualDriver([VirtualDevice()]))
sink, source = FileSink("open.wav", 48_000, 1), FileSource("sound.wav")
source._decoder._file.close()  # the deletion of an open SoundFile would print an error
first.kept = [closed, sink, source, stream]
sys.kept = [first, decoder, target, base]  # a module without references is not cleared
classes = [
    thing for name, module in list(sys.modules.items()) if name.startswith("voicecoil")
    for thing in vars(module).values() if isinstance(thing, type) and "__del__" in vars(thing)
]
print(*sorted({one.__qualname__ for one in classes}))
"""


def test_deletion_after_the_modules(tmp_path: Path) -> None:
    with FileSink(tmp_path / "sound.wav", 48_000, 1) as sink:
        sink.write(np.zeros((100, 1), np.float32))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["Decoder", "StreamBase", "Target"]  # all of them were kept
