"""The display of the command line: levels, times, and the size of the terminal."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from shells import needs_posix
from voicecoil.cli.display import Display, clock_text, duration_text, showing
from voicecoil.levels import Level


def picture(width: int = 60, height: int = 24, legacy: bool = False, **options: Any) -> list[str]:
    import io

    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if legacy else "utf-8", newline="")
    console = Console(file=file, width=width, height=height, force_terminal=True, no_color=True)
    levels = options.pop("levels", [Level(0.5, 0.25), Level(0.0, 0.0)])
    display = Display("song.wav", "Speakers, 48 kHz", options.pop("duration_s", 4.0))
    display.update(1.0, levels, now=0.0)
    for later, new in options.pop("then", []):
        display.update(1.0, new, now=later)
    console.print(display)
    file.flush()
    text = file.buffer.getvalue().decode(file.encoding)  # type: ignore[attr-defined]
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


def test_the_live_display() -> None:
    assert picture() == [
        "song.wav  Speakers, 48 kHz",
        "0:01.0  ━━━━━━━━━━╸───────────────────────────────   0:04.0",
        "     0  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸────┃───  -6.0 dB",
        "     1  ──────────────────────────────────────────   silent",
        "             -48      -36     -24      -12  -6   0",
    ]


def test_the_live_display_in_ascii() -> None:
    lines = picture(legacy=True)
    assert lines[1] == "0:01.0  ==========-...............................   0:04.0"


@pytest.mark.parametrize("width", [8, 20, 25, 40, 80, 300])
@pytest.mark.parametrize("height", [3, 24])
def test_the_live_display_fits_any_terminal(width: int, height: int) -> None:
    lines = picture(width, height, levels=[Level(1.5, 1.0)] * 64)
    assert max(map(len, lines)) < width
    assert len(lines) <= max(height, 5)


def test_without_a_length_there_is_no_bar() -> None:
    assert picture(duration_s=None)[1].strip() == "0:01.0"


def test_levels_fall_slowly_and_peaks_stay() -> None:
    silence = [Level(0.0, 0.0)] * 2
    loud, soon, later = (
        picture(then=then)[2]
        for then in ([], [(0.5, silence)], [(0.5, silence), (2.0, silence), (4.0, silence)])
    )
    assert soon.count("━") < loud.count("━")
    assert soon.endswith("-6.0 dB")
    assert later.count("━") == 0
    assert not later.endswith("-6.0 dB")


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=False)
    with showing(console, Display("a", "b", 1.0), enabled=True) as show:
        show(0.5, [Level(0.5, 0.5)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "clock", "said"),
    [
        (0, "0:00.0", "0 ms"),
        (0.0021, "0:00.0", "2.1 ms"),
        (0.9996, "0:01.0", "1000 ms"),
        (5.25, "0:05.3", "5.25 s"),
        (59.96, "1:00.0", "60 s"),
        (61.5, "1:01.5", "1:01.5"),
        (3600, "1:00:00.0", "1:00:00.0"),
        (-1, "0:00.0", "-1e+03 ms"),
    ],
)
def test_texts_of_times_and_durations(seconds: float, clock: str, said: str) -> None:
    assert clock_text(seconds) == clock
    assert seconds < 0 or duration_text(seconds) == said


@needs_posix
def test_a_signal_is_delayed_until_the_display_is_drawn() -> None:
    from voicecoil.cli.interrupts import Interrupts

    steps: list[str] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            steps.append("whole")
        steps.append("never")

    handler: Callable[..., Any] | int | None = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        work(interrupts)
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) == handler
