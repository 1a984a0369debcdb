"""What the functions of this package share: the default values, and the newest sound."""

from __future__ import annotations

import os
from typing import Any

from voicecoil.sounddevice import defaults

__all__ = ["default", "running"]

default = defaults.default()
running: set[Any] = set()  # streams that run, which a program need not keep

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=running.clear)
