"""The status of a block: `CallbackFlags`."""

from __future__ import annotations

__all__ = [
    "INPUT_OVERFLOW",
    "INPUT_UNDERFLOW",
    "OUTPUT_OVERFLOW",
    "OUTPUT_UNDERFLOW",
    "PRIMING_OUTPUT",
    "CallbackFlags",
]

INPUT_UNDERFLOW = 1
INPUT_OVERFLOW = 2
OUTPUT_UNDERFLOW = 4
OUTPUT_OVERFLOW = 8
PRIMING_OUTPUT = 16


class CallbackFlags:
    """What happened to the frames before a block.

    True if any flag is set. ``a |= b`` adds the flags of `b` to `a`. ``str()`` lists the flags
    that are set.

    Parameters
    ----------
    flags : int, optional
        The sum of PortAudio's numbers of the flags.
    """

    __slots__ = ("_flags",)

    def __init__(self, flags: int = 0) -> None:
        self._flags = flags

    def __repr__(self) -> str:
        return f"<sounddevice.CallbackFlags: {str(self) or 'no flags set'}>"

    def __str__(self) -> str:
        names = ("input overflow", "input underflow", "output overflow", "output underflow")
        return ", ".join(
            name for name in (*names, "priming output") if getattr(self, name.replace(" ", "_"))
        )

    def __bool__(self) -> bool:
        return self._flags != 0

    def __ior__(self, other: CallbackFlags) -> CallbackFlags:
        if not isinstance(other, CallbackFlags):
            return NotImplemented
        self._flags |= other._flags
        return self

    @property
    def input_underflow(self) -> bool:
        """Input was missing, and silence is in its place."""
        return self._has(INPUT_UNDERFLOW)

    @input_underflow.setter
    def input_underflow(self, value: bool) -> None:
        self._set(INPUT_UNDERFLOW, value)

    @property
    def input_overflow(self) -> bool:
        """Input was lost before this block, because the program was late."""
        return self._has(INPUT_OVERFLOW)

    @input_overflow.setter
    def input_overflow(self, value: bool) -> None:
        self._set(INPUT_OVERFLOW, value)

    @property
    def output_underflow(self) -> bool:
        """A gap was heard before this block, because the program was late."""
        return self._has(OUTPUT_UNDERFLOW)

    @output_underflow.setter
    def output_underflow(self, value: bool) -> None:
        self._set(OUTPUT_UNDERFLOW, value)

    @property
    def output_overflow(self) -> bool:
        """Output was dropped, because there was no room for it."""
        return self._has(OUTPUT_OVERFLOW)

    @output_overflow.setter
    def output_overflow(self, value: bool) -> None:
        self._set(OUTPUT_OVERFLOW, value)

    @property
    def priming_output(self) -> bool:
        """The block is made before the device starts, to fill its buffer."""
        return self._has(PRIMING_OUTPUT)

    def _has(self, flag: int) -> bool:
        return bool(self._flags & flag)

    def _set(self, flag: int, value: object) -> None:
        self._flags = self._flags | flag if value else self._flags & ~flag
