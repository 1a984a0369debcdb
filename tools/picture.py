"""Draws the README's picture, ``docs/play.svg``: `voicecoil play` of the example music.

The display of the command draws the picture from the real levels of the music, without a terminal.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

import voicecoil as vc
from voicecoil.cli.display import REFRESH_S, Display
from voicecoil.levels import Level

ROOT = Path(__file__).resolve().parent.parent
AT_S = 5.4
WIDTH = 84

sys.path.insert(0, str(ROOT / "examples"))
import music  # noqa: E402


def main() -> None:
    rate = music.SAMPLERATE
    sound = vc.render(
        music.Synthesizer(music.score()).block, frames=round(AT_S * rate), samplerate=rate
    )
    display = Display("music.wav", "Virtual Device, 48 kHz", music.LENGTH_S)
    step = round(REFRESH_S * rate)
    for start in range(0, len(sound) - step + 1, step):
        part = sound[start : start + step].astype(np.float64)
        peaks, rms = np.abs(part).max(axis=0), np.sqrt((part**2).mean(axis=0))
        levels = [Level(float(p), float(r)) for p, r in zip(peaks, rms, strict=True)]
        at_s = (start + step) / rate
        display.update(at_s, levels, at_s)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print("[bold]$[/] voicecoil play music.wav")
    console.print(display)
    # The picture loads no external files and uses a monospaced font of the reader's system.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", "monospace")
    picture = console.export_svg(title="voicecoil play", code_format=template)
    (ROOT / "docs" / "play.svg").write_text(picture)


if __name__ == "__main__":
    main()
