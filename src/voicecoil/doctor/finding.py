"""The result of one test of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from voicecoil.drivers.protocol import Device, Driver

__all__ = ["Finding", "Subject", "Verdict"]

Verdict = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one test found.

    Attributes
    ----------
    test : str
        Name of the test.
    verdict : {"ok", "warning", "failed", "skipped"}
        "warning": something can be heard or is unusual. "failed": the test could not be done, or
        the device does not work. "skipped": something is missing that the test needs.
    text : str
        One line for people.
    data : dict
        The figures of the line and more, for programs. Times in seconds.
    """

    test: str
    verdict: Verdict
    text: str
    data: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """The devices that are tested.

    Attributes
    ----------
    driver : Driver
        Their audio system.
    output, input : Device or None
        None: there is none, and tests that need it are skipped.
    seconds : float
        Duration of each test, s.
    """

    driver: Driver
    output: Device | None
    input: Device | None
    seconds: float

    @property
    def pair(self) -> Any:
        """The argument `device` of a stream in both directions."""
        return self.output if self.output == self.input else (self.input, self.output)
