"""Makes ``import pyaudio`` import voicecoil.pyaudio. See `voicecoil.cli.run`."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("voicecoil.pyaudio")
