"""Public alias of :mod:`voicecoil.callbacks.native`: native functions as callbacks."""

from voicecoil.callbacks.native import *  # noqa: F403
from voicecoil.callbacks.native import __all__ as __all__
