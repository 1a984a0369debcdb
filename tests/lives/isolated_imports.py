"""A module whose import takes long, because it imports other modules again and again."""

import importlib
import os
import sys
import time
from pathlib import Path

Path(os.environ["LIFE_IMPORT_BEGAN"]).touch()
until = time.monotonic() + 60
while time.monotonic() < until:
    for name in ("json", "email.message", "dataclasses", "fractions"):
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.split(".")[0] in ("json", "email", "dataclasses", "fractions"):
            del sys.modules[name]
