"""Makes ``import sounddevice`` import voicecoil.sounddevice. See `voicecoil.cli.run`."""

import importlib
import sys

replacement = importlib.import_module("voicecoil.sounddevice")
if __name__ == "__main__":
    print(replacement.query_devices())
sys.modules[__name__] = replacement
