"""Reads a file block by block, as a program does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicecoil.files import FileSource


def read(source: FileSource, size: int = 5000) -> NDArray[np.float32]:
    """Returns all frames that are left. There must be at least one."""
    blocks = []
    while len(block := source.read(size)):
        blocks.append(block)
    assert blocks
    return np.concatenate(blocks)
