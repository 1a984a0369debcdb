"""Recording into arrays and files."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from voicecoil import _core, control
from voicecoil.arguments import check_timeout
from voicecoil.drivers.driver import Device, Driver, Got
from voicecoil.errors import ArgumentError, ArgumentTypeError
from voicecoil.stream import InputStream, _CodeFactory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Recording", "record"]

RING_S = 4.0  # what a busy program may keep the writer from
DRAIN_S = 0.05
POLL_S = 0.005


class Recording:
    """A recording on its way; what :func:`record` returns."""

    def __init__(
        self, stream: InputStream, code: _core.RecorderCode, ring: _core.Ring, path: Any, sink: Any
    ) -> None:
        self._stream = stream
        self._code = code
        self._ring = ring
        self._path = path
        self._sink = sink
        self._blocks: list[NDArray[np.float32]] = []
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._generation = control.generation()
        self._thread = threading.Thread(target=self._run, name="voicecoil recorder", daemon=True)
        control.register(self)
        try:
            stream.start()
        except BaseException:
            stream.close()
            raise
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.wait(DRAIN_S):
                self._drain()
                if self._stream.state not in ("running", "draining"):
                    break
            self._drain()
        except BaseException as error:
            self._error = error
            self._stream.abort()

    def _drain(self) -> None:
        import numpy as np

        while ready := self._ring.readable:
            block = np.empty((ready, self._stream.channels), np.float32)
            self._ring.read(block)
            if self._sink is not None:
                self._sink.write(block)
            else:
                self._blocks.append(block)

    @property
    def samplerate(self) -> float:
        """Hz."""
        return self._stream.samplerate

    @property
    def channels(self) -> int:
        return self._stream.channels

    @property
    def device(self) -> Device:
        """Where it is recorded."""
        return self._stream.device

    @property
    def position(self) -> int:
        """Frames recorded so far."""
        return self._code.frames

    @property
    def position_s(self) -> float:
        """The same in seconds."""
        return self.position / self.samplerate

    @property
    def lost_frames(self) -> int:
        """Frames that are missing: lost by the device, or not written away in time."""
        return self._code.overflow_frames + self._stream.statistics().lost_frames

    @property
    def recording(self) -> bool:
        """Whether it goes on."""
        return self._stream.active

    def levels(self) -> list[tuple[float, float]]:
        """(peak, root mean square) of each channel since the last call, linear."""
        connection = self._stream._connection
        levels = connection.engine.levels() if connection is not None else []
        return [(peak, square**0.5) for peak, square in levels]

    def stop(self) -> NDArray[np.float32] | str:
        """Ends it and returns what :meth:`wait` returns."""
        if self._stream.state != "closed":
            self._stream.abort()
        result = self.wait()
        assert result is not None
        return result

    def wait(self, timeout: float | None = None) -> NDArray[np.float32] | str | None:
        """Waits until all was recorded.

        Parameters
        ----------
        timeout : float or None
            s; None: for ever.

        Returns
        -------
        numpy.ndarray, str, or None
            float32, shape (frames, channels); or the file's path. None: `timeout` passed.

        Raises
        ------
        DeviceLostError
            The device went away. What was recorded until then is in the file.
        """
        seconds = check_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        while self._thread.is_alive():
            self._look_for_trouble()
            if until is not None and time.monotonic() >= until:
                return None
            time.sleep(POLL_S)
        self._finish()
        return self._result()

    def _look_for_trouble(self) -> None:
        connection = self._stream._connection
        trouble = connection.driver_stream.trouble() if connection is not None else None
        if trouble is not None:
            self._finish()
            raise trouble

    def _finish(self) -> None:
        self._ended.set()
        self._thread.join(5.0)
        if self._stream.state != "closed":
            self._stream.close()
        if self._sink is not None:
            self._sink.close()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _result(self) -> NDArray[np.float32] | str:
        import numpy as np

        if self._sink is not None:
            return str(os.fspath(self._path))
        if len(self._blocks) != 1:
            empty = np.empty((0, self.channels), np.float32)
            self._blocks = [np.concatenate([empty, *self._blocks])]
        return self._blocks[0]

    def close_at_exit(self, timeout_s: float) -> None:
        """For `control`: what was recorded is kept."""
        if not control.forked(self._generation):
            self._finish()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "recording" if self.recording else "done"
        return f"<Recording from {self.device.name!r}, {state}, {self.position_s:.3f} s>"


def record(
    file: str | os.PathLike[str] | None = None,
    *,
    frames: int | None = None,
    duration_s: float | None = None,
    device: str | Device | None = None,
    driver: str | Driver | None = None,
    samplerate: float | None = None,
    channels: Any = None,
    blocksize: int | None = None,
    subtype: str | None = None,
) -> Recording:
    """Records into an array or a file; returns at once.

    Parameters
    ----------
    file : path, optional
        WAV (float by default), AIFF, FLAC, OGG, MP3, CAF, by its ending. None: an array.
    frames : int or None
    duration_s : float or None
        How long; without both until :meth:`Recording.stop`.
    device, driver, samplerate, channels, blocksize
        As for :class:`InputStream`.
    subtype : str or None
        The file's sample format, such as "PCM_24"; None: the best of its kind.

    Returns
    -------
    Recording

    Raises
    ------
    FileFormatError, OSError
        The file cannot be written.
    ArgumentError, ArgumentTypeError, DeviceNotFoundError, DriverError
        As for :class:`InputStream`.

    Examples
    --------
    >>> take = voicecoil.record(duration_s=2.0).wait()
    >>> with voicecoil.record("take.flac"):
    ...     input("recording; Enter ends it")
    """
    limit_s = check_timeout(duration_s, "duration_s")
    if frames is not None and limit_s is not None:
        raise ArgumentError("give frames or duration_s, not both")
    if frames is not None and (isinstance(frames, bool) or not isinstance(frames, int)):
        raise ArgumentTypeError(f"frames={frames!r}; give a whole number of frames")
    if (frames is not None and frames < 1) or (limit_s is not None and not 0 < limit_s < 1e9):
        raise ArgumentError(
            f"frames={frames!r}, duration_s={duration_s!r}; give one frame or more, or neither to "
            "record until stop()"
        )
    made: dict[Literal["code", "ring"], Any] = {}

    def make(got: Got, inputs: int, outputs: int) -> _core.Code:
        limit = frames or (max(1, round(limit_s * got.samplerate)) if limit_s else 0)
        made["ring"] = _core.Ring(int(RING_S * got.samplerate), inputs)
        code = _core.RecorderCode(made["ring"], limit)
        made["code"] = code
        return code

    stream = InputStream(
        _CodeFactory(make),
        device=device,
        driver=driver,
        samplerate=samplerate,
        channels=channels,
        blocksize=blocksize,
    )
    sink = None
    if file is not None:
        from voicecoil.files import FileSink

        try:
            sink = FileSink(file, stream.samplerate, stream.channels, subtype)
        except BaseException:
            stream.close()
            raise
    return Recording(stream, made["code"], made["ring"], file, sink)
