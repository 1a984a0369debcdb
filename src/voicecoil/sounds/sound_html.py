"""A recorded sound in a notebook: its waveform as SVG, and an audio player with the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from voicecoil.files.arrays import from_float32
from voicecoil.notebook import html_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_FRAMES", "sound_html"]

MAX_FRAMES = 2_880_000  # frames of the waveform; one minute at 48 kHz
MAX_AUDIO_BYTES = 1_500_000  # of the player's samples; a notebook stores them as text
MAX_SHOWN = 8  # channels of the waveform
COLUMNS, HEIGHT = 600, 60  # of the waveform of one channel, pixels


def sound_html(
    title: str, rows: Sequence[Sequence[object]], frames: NDArray[Any] | None, samplerate: float
) -> str:
    """Return a table, and the waveform and a player of the frames.

    Parameters
    ----------
    title : str
    rows : sequence of (str, object)
        The table. Rows whose value is None are left out.
    frames : ndarray of float32, shape (frames, channels), or None
        The sound or its beginning. None, or empty: the table alone.
    samplerate : float
        Hz.
    """
    parts = [html_table((), [row for row in rows if row[1] is not None], title)]
    if frames is not None and len(frames):
        frames = frames[:MAX_FRAMES]
        parts += [_waveform(frames[:, :MAX_SHOWN]), _player(frames[:, :2], samplerate)]
    return "\n".join(parts)


def _waveform(frames: NDArray[np.float32]) -> str:
    """Return an SVG with the range of the samples in each column, one row for each channel."""
    import numpy as np

    columns = min(COLUMNS, len(frames))
    edges = np.linspace(0, len(frames), columns, endpoint=False).astype(int)
    finite = np.nan_to_num(frames, nan=0.0, posinf=1.0, neginf=-1.0)
    highest = np.clip(np.maximum.reduceat(finite, edges), -1.0, 1.0)
    lowest = np.clip(np.minimum.reduceat(finite, edges), -1.0, 1.0)
    height, half = HEIGHT * frames.shape[1], HEIGHT / 2
    lines = []
    for channel in range(frames.shape[1]):
        middle = HEIGHT * channel + half
        path = "".join(
            f"M{x + 0.5} {middle - half * high - 0.5:.1f}V{middle - half * low + 0.5:.1f}"
            for x, (high, low) in enumerate(
                zip(highest[:, channel], lowest[:, channel], strict=True)
            )
        )
        lines.append(f'<path d="{path}" stroke="currentColor" fill="none"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns} {height}" '
        f'width="{COLUMNS}" height="{height}" preserveAspectRatio="none" '
        'style="display: block; max-width: 100%">' + "".join(lines) + "</svg>"
    )


def _player(frames: NDArray[np.float32], samplerate: float) -> str:
    """Return an audio player with the beginning of the sound, as 16-bit WAV in a data URI."""
    import base64
    import io
    import wave

    channels = frames.shape[1]
    samples, _ = from_float32(frames[: MAX_AUDIO_BYTES // (2 * channels)], "int16")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(round(samplerate))
        writer.writeframes(samples.astype("<i2").tobytes())
    data = base64.b64encode(file.getvalue()).decode("ascii")
    cut = len(samples) < len(frames)
    note = f"<div>the first {len(samples) / samplerate:.3g} s</div>" if cut else ""
    return f'<audio controls src="data:audio/wav;base64,{data}"></audio>{note}'
