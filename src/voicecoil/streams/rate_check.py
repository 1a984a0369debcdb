"""Compares the rate at which a device really runs with the rate that it reports."""

from __future__ import annotations

__all__ = ["RateCheck"]

WINDOW_NS = 4_000_000_000
WINDOWS = 3  # a server that stood still for a while makes one window wrong, but not three in a row
# The nearest two rates in use, 44.1 and 48 kHz, differ by 8 %. Crystals differ by less than 0.1 %.
TOLERANCE = 0.04


class RateCheck:
    """Measures a device's rate from the times of its IO cycles, over several seconds.

    An audio system can change a device's rate without a notification. All sound is then played at a
    wrong pitch. Only one thread may use the object at a time.

    Parameters
    ----------
    samplerate : float
        The rate that the device reports, Hz.
    """

    def __init__(self, samplerate: float) -> None:
        self._samplerate = samplerate
        self._began: tuple[int, int] | None = None
        self._wrong: list[float] = []

    def note(self, host_ns: int | None, sample_frames: int | None) -> float | None:
        """Add the times of the newest IO cycle to the measurement.

        Parameters
        ----------
        host_ns, sample_frames : int or None
            Host time and sample time of one frame. None if the device does not report it.

        Returns
        -------
        float or None
            The measured rate in Hz, if the device has run at another rate for several windows.
        """
        if host_ns is None or sample_frames is None:
            return None
        if self._began is None:
            self._began = (host_ns, sample_frames)
            return None
        passed_ns, frames = host_ns - self._began[0], sample_frames - self._began[1]
        if passed_ns < 0 or frames < 0:
            self._began = (host_ns, sample_frames)
            self._wrong.clear()
            return None
        if passed_ns < WINDOW_NS:
            return None
        measured = frames * 1e9 / passed_ns
        self._began = (host_ns, sample_frames)
        # If there were no frames, the device stands still. The driver's stream detects that.
        if frames == 0 or abs(measured / self._samplerate - 1) <= TOLERANCE:
            self._wrong.clear()
            return None
        self._wrong.append(measured)
        if len(self._wrong) < WINDOWS:
            return None
        return sorted(self._wrong[-WINDOWS:])[WINDOWS // 2]
