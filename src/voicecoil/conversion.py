"""Public alias of :mod:`voicecoil.files.convert`, which converts sample rates and channels."""

from voicecoil.files.convert import *  # noqa: F403
from voicecoil.files.convert import __all__ as __all__
