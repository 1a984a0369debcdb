"""Public name of :mod:`voicecoil.files.convert`: sources with another rate or other channels."""

from voicecoil.files.convert import *  # noqa: F403
from voicecoil.files.convert import __all__ as __all__
