"""Gain and pan of sounds, players, mixers, groups and voices. They move along straight lines."""

from __future__ import annotations

from typing import Any

from voicecoil.arguments import check_between, check_gain
from voicecoil.sealed import Unique

__all__ = ["RAMP_S", "WithGain", "WithPan", "check_pan", "sides"]

RAMP_S = 0.01  # long enough to avoid a click, too short to be heard as a fade


class WithGain(Unique):
    """An object with a gain."""

    _gain: float

    def _ramp_gain(self, gain: float, ramp_s: Any) -> None:
        """Checks the duration, s, and moves the gain."""
        raise NotImplementedError

    @property
    def gain(self) -> float:
        """Linear gain. A change is a straight line over 10 ms; see also `set_gain`."""
        return self._gain

    @gain.setter
    def gain(self, gain: float) -> None:
        self.set_gain(gain)

    def set_gain(self, gain: float, ramp_s: float = RAMP_S) -> None:
        """Move the gain along a straight line.

        Parameters
        ----------
        gain : float
            Linear gain at the end.
        ramp_s : float
            Duration, s.
        """
        value = check_gain(gain)
        self._ramp_gain(value, ramp_s)
        self._gain = value


class WithPan(WithGain):
    """An object with a gain and a pan."""

    _pan: float

    def _ramp_pan(self, pan: float, ramp_s: Any) -> None:
        """Checks the duration, s, and moves the pan."""
        raise NotImplementedError

    @property
    def pan(self) -> float:
        """-1 (left) to 1 (right). A change is a straight line over 10 ms; see also `set_pan`."""
        return self._pan

    @pan.setter
    def pan(self, pan: float) -> None:
        self.set_pan(pan)

    def set_pan(self, pan: float, ramp_s: float = RAMP_S) -> None:
        """Move the pan along a straight line.

        The pan lowers the gain of one of the first two channels. It has no effect on a device with
        one channel.

        Parameters
        ----------
        pan : float
            -1 (left) to 1 (right) at the end.
        ramp_s : float
            Duration, s.
        """
        value = check_pan(pan)
        self._ramp_pan(value, ramp_s)
        self._pan = value


def check_pan(pan: Any) -> float:
    """Returns a pan, -1 to 1."""
    return check_between(pan, "pan", -1.0, 1.0, "-1 (left) to 1 (right)")


def sides(pan: float) -> tuple[float, float]:
    """Returns the gains of the left and of the right channel."""
    return min(1.0, 1.0 - pan), min(1.0, 1.0 + pan)
